package router

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// checkInvariants fails the test when the records of the realm contradict each other.
func (r *Realm) checkInvariants(t *testing.T) {
	t.Helper()
	held := 0
	for id, reg := range r.regs {
		stored, ok := r.current.registrations.get(reg.URI, reg.Match)
		require.True(t, ok && stored == reg && reg.ID == id, "registration %d is not in the table", id)
		require.NotEmpty(t, reg.Callees, "registration %d has no callee", id)
		require.True(t, len(reg.Callees) == 1 || reg.Invoke != protocol.InvokeSingle, "registration %d is shared", id)
		for i, e := range reg.Callees {
			m := r.members[e.Peer.ID]
			require.True(t, m != nil && m.peer == e.Peer, "callee %d is not a member", e.Peer.ID)
			require.Contains(t, m.regs, id)
			require.False(t, slices.ContainsFunc(reg.Callees[:i], func(o Endpoint) bool { return o.Peer == e.Peer }))
		}
		held += len(reg.Callees)
	}
	for id, entry := range r.subs {
		sub := entry.sub
		stored, ok := r.current.subscriptions.get(sub.Topic, sub.Match)
		require.True(t, ok && stored == sub && sub.ID == id, "subscription %d is not in the table", id)
		require.Len(t, entry.index, sub.Subscribers.Len())
		require.NotZero(t, sub.Subscribers.Len(), "subscription %d has no subscriber", id)
		for peer, i := range entry.index {
			p := sub.Subscribers.at(i)
			require.Equal(t, peer, p.ID)
			require.True(t, r.members[peer] != nil && r.members[peer].peer == p)
			require.Contains(t, r.members[peer].subs, id)
		}
		held += len(entry.index)
	}
	for id, m := range r.members {
		require.Equal(t, m.peer.ID, id)
		held -= len(m.regs) + len(m.subs)
	}
	require.Zero(t, held, "a member holds what does not know of it")
	r.current.registrations.checkInvariants(t, len(r.regs))
	r.current.subscriptions.checkInvariants(t, len(r.subs))
}

// checkEmpty fails the test when the realm keeps anything of sessions that left.
func (r *Realm) checkEmpty(t *testing.T) {
	t.Helper()
	r.checkInvariants(t)
	require.Empty(t, r.members)
	require.Empty(t, r.regs)
	require.Empty(t, r.subs)
	require.Empty(t, r.current.registrations.shapes)
	require.Empty(t, r.current.subscriptions.shapes)
}

func (x table[T]) checkInvariants(t *testing.T, want int) {
	t.Helper()
	require.Equal(t, want, x.exact.Len()+x.prefix.Len()+x.wildcard.Len())
	patterns := 0
	for n, shapes := range x.shapes {
		require.NotEmpty(t, shapes)
		for i, s := range shapes {
			require.Len(t, s.mask, n)
			require.Positive(t, s.count)
			require.True(t, i == 0 || shapes[i-1].mask < s.mask, "shapes are not sorted")
			patterns += s.count
		}
	}
	require.Equal(t, x.wildcard.Len(), patterns)
}

// checkInvariants fails the test when the records of the session contradict each other.
func (s *Session) checkInvariants(t *testing.T) {
	t.Helper()
	for id, c := range s.calls {
		require.Equal(t, id, c.request)
		require.Same(t, s.peer, c.caller)
	}
	for id, c := range s.invocations {
		require.Equal(t, id, c.invocation)
		require.Same(t, s.peer, c.callee)
	}
	require.GreaterOrEqual(t, s.registering, 0)
	require.GreaterOrEqual(t, s.subscribing, 0)
	require.GreaterOrEqual(t, s.asked, s.answered+uint64(s.registering+s.subscribing)) //nolint:gosec // see above
	size := 0
	for i := range s.held {
		size += s.held[i].Size()
		require.True(t, s.held[i].Kind == Invoke || s.held[i].Kind == EventRun)
	}
	require.Equal(t, size, s.heldSize)
	require.LessOrEqual(t, size, maxHeld)
	if len(s.held) > 0 {
		require.True(t, s.early(&s.held[0].Delivery), "held back for nothing")
		require.Greater(t, s.held[0].asked, s.answered, "held back for nothing")
	}
	require.Nil(t, s.run.events, "Flush was forgotten")
	require.LessOrEqual(t, len(s.routes), maxRoutes)
	if s.closing || s.over {
		require.Equal(t, s.asked, s.answered)
		require.Empty(t, s.calls)
		require.Empty(t, s.invocations)
		require.Empty(t, s.held)
		require.Empty(t, s.regs)
		require.Empty(t, s.subs)
		require.Empty(t, s.routes)
	}
}

// checkAtRest fails the test when somebody knows what the other does not, although
// everything is handled.
func (w *world) checkAtRest() {
	for _, x := range w.sites {
		s, m := x.s, w.realm.members[x.peer.ID]
		require.Empty(w.t, s.held, x.name)
		require.Equal(w.t, s.asked, s.answered, x.name)
		if x.gone {
			require.Nil(w.t, m, x.name)
			continue
		}
		sameKeys(w.t, m.regs, s.regs)
		sameKeys(w.t, m.subs, s.subs)
		for _, c := range s.calls {
			require.Same(w.t, c, c.callee.Handle.(*site).s.invocations[c.invocation], "nobody will answer call %d of %s", c.request, x.name)
		}
		for _, c := range s.invocations {
			require.Same(w.t, c, c.caller.Handle.(*site).s.calls[c.request], "nobody waits for invocation %d of %s", c.invocation, x.name)
		}
		for request := range x.timers {
			require.Contains(w.t, s.calls, request, "a timer of %s is left behind", x.name)
		}
	}
}

func sameKeys(t *testing.T, realm map[protocol.ID]struct{}, session map[protocol.ID]bool) {
	t.Helper()
	require.Len(t, session, len(realm))
	for id, notice := range session {
		require.Contains(t, realm, id)
		require.False(t, notice)
	}
}
