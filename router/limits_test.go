package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// early returns a script in which sub has subscribed to com.t and registered com.p:
// both are in the snapshot, and the answers are under way.
func early(t *testing.T) *script {
	t.Helper()
	sc := newScript(t)
	for _, line := range []string{
		"join sub", "join pub", "sub SUBSCRIBE 1 com.known", "manual",
		"sub SUBSCRIBE 2 com.t + REGISTER 3 com.p", "step sub", "realm", "realm", "publish",
	} {
		sc.play(line)
	}
	sc.out = nil
	return sc
}

// What is held back is bounded: of what is too much, events are dropped and calls
// fail, as before the subscription and the registration, and the order stays.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	sc := early(t)
	sub, pub := sc.site("sub").s, sc.site("pub")
	big := strings.Repeat("x", 100<<10)
	const events = 30
	id := protocol.ID(0)
	send := func(m protocol.Message) {
		pub.post(m)
		for pub.step() || sc.site("sub").step() { // nothing from the realm
		}
	}
	id++
	send(&protocol.Call{Request: id, Procedure: "com.p"})
	for i := range events {
		payload := protocol.Payload{Serializer: protocol.JSON, Args: fmt.Appendf(nil, "%d %s", i, big)}
		id++
		send(&protocol.Publish{Request: id, Topic: "com.t", Payload: payload})
		id++
		send(&protocol.Publish{Request: id, Topic: "com.known", Payload: payload})
		require.LessOrEqual(t, sub.heldSize, maxHeld)
		require.LessOrEqual(t, len(sub.held), 2*events)
	}
	var known, early []string
	sc.site("sub").got = func(_ *site, m protocol.Message) {
		if ev, ok := m.(*protocol.Event); ok {
			number, _, _ := strings.Cut(string(ev.Payload.Args), " ")
			if ev.Subscription == 1 {
				known = append(known, number)
			} else {
				early = append(early, number)
			}
		}
	}
	passed := 0
	for _, line := range sc.out {
		if !strings.HasPrefix(line, "sub <- EVENT 1 ") { // those that were too much were passed on, if they could be
			require.Equal(t, "pub <- ERROR CALL 1 wamp.error.no_such_procedure", line)
			continue
		}
		passed++
	}
	require.Len(t, sc.out, passed+1)
	require.Positive(t, passed)
	sc.play("auto")
	require.Positive(t, len(early), "the last ones were held back")
	require.Less(t, len(early), events, "the first ones were not")
	require.Equal(t, "29", early[len(early)-1])
	require.Equal(t, "29", known[len(known)-1])
	require.Equal(t, events, len(known)+passed, "an event of a subscription that is known got lost")
}

// A peer that has always a request under way makes nothing wait for ever.
func TestHeldDoesNotWaitForLaterRequests(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	for _, line := range []string{"join sub", "join pub", "sub SUBSCRIBE 1 com.t", "manual", "slow pub", "pub PUBLISH 1 com.t", "step pub"} {
		sc.play(line)
	}
	for _, line := range []string{"sub UNSUBSCRIBE 2 1", "step sub", "realm", "publish", "answer", "step sub"} {
		sc.play(line)
	}
	sub := sc.site("sub")
	next := protocol.ID(3)
	ask := func() {
		sub.post(&protocol.Subscribe{Request: next, Topic: "com.u"})
		next++
		require.True(t, sub.step())
	}
	ask()
	sc.play("mail pub")
	require.True(t, sub.step())
	require.Len(t, sub.s.held, 1)
	ask()
	require.True(t, sc.stepRealm())
	sc.commit()
	require.True(t, sc.postReply())
	require.True(t, sub.step())
	require.Positive(t, sub.s.subscribing)
	require.Empty(t, sub.s.held)
}

// A peer that calls ever new names occupies no more memory for them.
func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	sc.play("join a")
	a := sc.site("a")
	for i := range 3 * maxRoutes {
		id := protocol.ID(2*i + 1) //nolint:gosec // i is small
		a.post(
			&protocol.Call{Request: id, Procedure: protocol.URI(fmt.Sprintf("com.%d", i))},
			&protocol.Publish{Request: id + 1, Topic: protocol.URI(fmt.Sprintf("com.%d.%s", i, strings.Repeat("x", maxRouteURI)))},
		)
		require.True(t, a.step()) // which checks their number
	}
	require.NotEmpty(t, a.s.routes)
	for uri := range a.s.routes {
		require.LessOrEqual(t, len(uri), maxRouteURI)
	}
}

func TestURILengthIsBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	at, past := strings.Repeat("x", 1024), strings.Repeat("x", 1025)
	sc.play("join a")
	sc.play("a SUBSCRIBE 1 " + at + " + REGISTER 2 " + at)
	require.Equal(t, []string{"a <- SUBSCRIBED 1 1", "a <- REGISTERED 2 2"}, sc.out)
	sc.out = nil
	sc.play("a SUBSCRIBE 3 " + past + " + REGISTER 4 " + past)
	require.Equal(t, []string{
		"a <- ERROR SUBSCRIBE 3 wamp.error.limit_exceeded message=MaxURILength is 1024 bytes",
		"a <- ERROR REGISTER 4 wamp.error.limit_exceeded message=MaxURILength is 1024 bytes",
	}, sc.out)
	sc.out = nil
	sc.play("a PUBLISH 5 " + past + " ack") // it is not kept
	require.Equal(t, []string{"a <- PUBLISHED 5 #1"}, sc.out)
}

// mask returns a pattern of 8 components with wildcards where i has bits.
func mask(i int) protocol.URI {
	parts := make([]string, 8)
	for bit := range parts {
		if i&(1<<bit) == 0 {
			parts[bit] = "x"
		}
	}
	return protocol.URI(strings.Join(parts, "."))
}

func TestShapesAreBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	sc.play("join a")
	a := sc.site("a")
	wildcard := protocol.SubscribeOptions{Match: protocol.MatchWildcard}
	for i := range maxShapes {
		a.post(&protocol.Subscribe{Request: protocol.ID(i + 1), Topic: mask(i), Options: wildcard}) //nolint:gosec // i is small
	}
	sc.drain()
	require.Equal(t, "a <- SUBSCRIBED 128 128", sc.out[maxShapes-1])
	sc.out = nil
	const refused = "wamp.error.limit_exceeded message=the patterns with as many components have their wildcards in 128 different ways already"
	sc.play("a SUBSCRIBE 129 " + string(mask(200)) + " match=wildcard")
	require.Equal(t, []string{"a <- ERROR SUBSCRIBE 129 " + refused}, sc.out)
	sc.out = nil

	// Other names, other numbers of components and other policies have room.
	sc.play("a SUBSCRIBE 130 y.y.y.y.y.y.y.y match=wildcard + SUBSCRIBE 131 x..x match=wildcard + SUBSCRIBE 132 x.y")
	require.Equal(t, []string{"a <- SUBSCRIBED 130 129", "a <- SUBSCRIBED 131 130", "a <- SUBSCRIBED 132 131"}, sc.out)
	sc.out = nil

	// One goes, another one may come.
	sc.play("a UNSUBSCRIBE 133 128 + SUBSCRIBE 134 " + string(mask(200)) + " match=wildcard")
	require.Equal(t, []string{"a <- UNSUBSCRIBED 133", "a <- SUBSCRIBED 134 132"}, sc.out)
	sc.out = nil

	for i := range maxShapes {
		a.post(&protocol.Register{Request: protocol.ID(i + 135), Procedure: mask(i), Options: protocol.RegisterOptions{Match: protocol.MatchWildcard}}) //nolint:gosec // i is small
	}
	sc.drain()
	sc.out = nil
	sc.play("a REGISTER 263 " + string(mask(200)) + " match=wildcard")
	require.Equal(t, []string{"a <- ERROR REGISTER 263 " + refused}, sc.out)
	sc.out = nil
	sc.play("a REGISTER 264 " + string(mask(5)) + " match=wildcard force") // it has its place
	require.Len(t, sc.out, 2)
}

// What deliveries keep queued is counted, whatever a peer makes long.
func TestSizes(t *testing.T) {
	t.Parallel()
	long := protocol.URI(strings.Repeat("x", 5000))
	payload := protocol.Payload{Args: make([]byte, 3000), KwArgs: make([]byte, 4000)}
	passthru := &protocol.Passthru{Scheme: "x_s", Serializer: "s", Cipher: "c", KeyID: strings.Repeat("k", 9000)}
	events := &Events{}
	require.Zero(t, events.Size())
	events.add(protocol.Event{Payload: payload, Details: protocol.EventDetails{Topic: long, Passthru: passthru}})
	require.Greater(t, events.Size(), 21_000)
	for _, d := range []Delivery{
		{Kind: Invoke, Message: &protocol.Call{Procedure: long, Payload: payload, Options: protocol.CallOptions{Passthru: passthru}}},
		{Kind: CallFailed, Message: &protocol.Error{Error: long, Payload: payload, Details: protocol.ErrorDetails{Passthru: passthru}}},
		{Kind: EventRun, Events: events},
	} {
		require.GreaterOrEqual(t, d.Size(), 21_000, "%+v", d)
	}
	yield := &protocol.Yield{Payload: payload, Options: protocol.YieldOptions{Passthru: passthru}}
	require.Greater(t, (&Delivery{Kind: Yielded, Message: yield}).Size(), 16_000)
	kept := publication{topic: long, payload: payload, details: protocol.EventDetails{Passthru: passthru}}
	require.Greater(t, kept.size(), 21_000)
	require.Positive(t, (&Delivery{Kind: Interrupt}).Size())
}

// The router decodes what meta procedures are called with, so there must not be much of it.
func TestMetaArgumentsAreBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	sc.play("join a")
	x := sc.site("a")
	var failure *protocol.Error
	x.got = func(_ *site, m protocol.Message) { failure, _ = m.(*protocol.Error) }
	for i, procedure := range []protocol.URI{"wamp.session.count", addTestament} {
		x.post(&protocol.Call{
			Request: protocol.ID(i + 1), Procedure: procedure, //nolint:gosec // i is small
			Payload: protocol.Payload{Serializer: protocol.JSON, KwArgs: make([]byte, maxMetaArguments+1)},
		})
		sc.drain()
		require.NotNil(t, failure)
		require.Equal(t, protocol.ErrorLimitExceeded, failure.Error)
		failure = nil
	}
}

// A run of events ends when it is large, so that it cannot be counted too late.
func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	sc.play("join sub")
	sc.play("join pub")
	sc.play("sub SUBSCRIBE 1 com.t")
	sub, pub := sc.site("sub"), sc.site("pub")
	var batch []protocol.Message
	for i := range 100 {
		batch = append(batch, &protocol.Publish{
			Request: protocol.ID(i + 1), Topic: "com.t", //nolint:gosec // i is small
			Payload: protocol.Payload{Serializer: protocol.JSON, Args: make([]byte, 1000)},
		})
	}
	pub.post(batch...)
	require.True(t, pub.step())
	require.Len(t, sub.in, 4, "100 KB in runs of little more than 32 KiB")
	sc.drain()
	require.Len(t, sc.out, 101)
}

// Commands of sessions that are not members change nothing.
func TestRealmIgnoresStrangers(t *testing.T) {
	t.Parallel()
	r := NewRealm()
	member, stranger := &Peer{ID: 1}, &Peer{ID: 2}
	r.Join(time.Time{}, member)
	commands := []protocol.Message{
		&protocol.Subscribe{Request: 1, Topic: "com.t"}, &protocol.Unsubscribe{Request: 2, Subscription: 1},
		&protocol.Register{Request: 3, Procedure: "com.p"}, &protocol.Unregister{Request: 4, Registration: 2},
	}
	for _, m := range commands {
		r.Apply(time.Time{}, Command{From: stranger, Message: m})
	}
	r.Leave(time.Time{}, stranger)
	snap, replies := r.Commit()
	require.NotNil(t, snap, "the first one")
	require.Empty(t, replies)
	for _, m := range commands {
		r.Apply(time.Time{}, Command{From: member, Message: m})
	}
	snap, replies = r.Commit()
	require.NotNil(t, snap)
	require.Len(t, replies, 4)
	snap, replies = r.Commit()
	require.Nil(t, snap, "nothing has changed")
	require.Empty(t, replies)
	require.Equal(t, []*Peer{member}, r.Members())
	r.Leave(time.Time{}, member)
	r.checkEmpty()
}

// Many events of the realm for many subscribers, such as the testaments of one session, do not take
// memory for each pair of them.
func TestFanOutOfTestamentsIsBounded(t *testing.T) {
	t.Parallel()
	const subscribers = 300
	sc := newScript(t)
	for i := range subscribers {
		sc.play(fmt.Sprintf("join s%d", i))
		sc.play(fmt.Sprintf("s%d SUBSCRIBE 1 com.last", i))
	}
	sc.play("join a")
	for i := range maxTestaments {
		sc.play(fmt.Sprintf(`a CALL %d wamp.session.add_testament args=["com.last",[%d],{}]`, i+1, i))
	}
	sc.out = nil
	a := sc.site("a")
	a.disconnect()
	require.True(t, a.step())
	require.True(t, sc.stepRealm())
	require.LessOrEqual(t, len(sc.realm.answers), maxTestaments+1)
	sc.commit()
	sc.drain()
	require.Len(t, sc.out, subscribers*maxTestaments)
	for range 2 { // and nothing of it is kept
		sc.realm.Commit()
	}
	require.Less(t, cap(sc.realm.answers)+cap(sc.realm.handed), 10_000)
}
