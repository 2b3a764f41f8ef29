//go:build interop

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	errNoSuchRealm      = "wamp.error.no_such_realm"
	closeSystemShutdown = "wamp.close.system_shutdown"
	// idleTime is longer than it takes the router of ours to ping a silent peer
	// (at most two intervals of 30 s) and to give it up (10 s more).
	idleTime = 75 * time.Second
)

// testLeave has a peer say GOODBYE and expects an answer, a closed transport and
// that its procedures are gone.
func testLeave(t *testing.T, f *fixture, c cell) {
	t.Helper()
	other, _ := f.pair(t, f.cells[0], f.cells[0])
	m := f.own(t, c)
	uri := f.uri()
	m.register(t, uri, echo, nil)
	other.call(t, uri, payload{})
	m.must(t, command{Op: opLeave})
	require.Contains(t, m.await(t, reportLeft, "").Reason, "wamp.close.")
	m.await(t, reportClosed, "")
	require.Equal(t, errNoSuchProcedure, other.refused(t, command{Op: opCall, URI: uri}).URI)
}

// testNoSuchRealm expects that a peer is told why it cannot join.
func testNoSuchRealm(t *testing.T, f *fixture, c cell) {
	t.Helper()
	p, err := c.start(f.router.urls[c.transport], c.serializer, "no.such.realm")
	require.NoError(t, err)
	m := &member{peer: p, cell: c}
	t.Cleanup(m.stop)
	m.traceOnFailure(t)
	require.Equal(t, errNoSuchRealm, m.await(t, reportLeft, "").Reason)
}

// TestIdle expects that a peer that says nothing for longer than a keepalive is
// still there: every peer on the router of ours, components of ours on Crossbar.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start func(*testing.T) *router
		kinds func(*testing.T) []*kind
	}{
		{"our router", startCloverleaf, allKinds},
		{"Crossbar", startCrossbar, func(*testing.T) []*kind { return []*kind{ours()} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			testIdle(t, newFixture(t, tt.start(t), tt.kinds(t)))
		})
	}
}

func testIdle(t *testing.T, f *fixture) {
	t.Helper()
	idle := time.NewTimer(idleTime)
	for _, c := range f.cells {
		f.shared(t, c)
	}
	<-idle.C
	for _, c := range f.cells {
		t.Run(c.String(), func(t *testing.T) {
			m := f.joined[c.String()]
			m.traceOnFailure(t)
			require.False(t, m.gone(), "the session ended")
			uri := f.uri()
			m.register(t, uri, echo, nil)
			m.call(t, uri, payload{})
		})
	}
}

// TestShutdown stops the router of ours and expects that every peer is told, and
// that the router then ends by itself.
func TestShutdown(t *testing.T) {
	t.Parallel()
	r := startCloverleaf(t)
	f := newFixture(t, r, allKinds(t))
	members := make([]*member, 0, len(f.cells))
	for _, c := range f.cells {
		members = append(members, f.shared(t, c))
	}
	require.NoError(t, r.terminate())
	for _, m := range members {
		t.Run(m.String(), func(t *testing.T) {
			m.traceOnFailure(t)
			require.Equal(t, closeSystemShutdown, m.await(t, reportLeft, "").Reason)
			m.await(t, reportClosed, "")
		})
	}
}
