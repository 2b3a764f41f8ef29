//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answerTimeout bounds one command and the wait for one report. It is generous
// because a loaded machine starts a peer program slowly.
const answerTimeout = 20 * time.Second

// fixture is a router and the peers connected to it. Peers are shared by the
// subtests, which keep apart by using a URI of their own each.
type fixture struct {
	router *router
	cells  []cell

	mu     sync.Mutex
	lastID int
	joined map[string]*member
}

// member is a peer that has joined the realm.
type member struct {
	peer
	cell
	session uint64
}

// newFixture connects a peer for each cell of the kinds.
func newFixture(t *testing.T, r *router, kinds []*kind) *fixture {
	t.Helper()
	f := &fixture{router: r, joined: map[string]*member{}}
	var wg sync.WaitGroup
	for _, k := range kinds {
		f.cells = append(f.cells, k.cells()...)
	}
	for _, c := range f.cells {
		wg.Go(func() {
			if m, err := f.join(c); err == nil {
				f.mu.Lock()
				f.joined[c.String()] = m
				f.mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, m := range f.joined {
			m.stop()
		}
	})
	return f
}

// join connects a new peer, which the caller has to stop.
func (f *fixture) join(c cell) (*member, error) {
	p, err := c.start(f.router.urls[c.transport], c.serializer, realm)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c, err)
	}
	m := &member{peer: p, cell: c}
	joined, err := m.next(reportJoined, "")
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not join: %w\n%s", c, err, m.tell())
	}
	m.session = joined.Session
	return m, nil
}

// shared returns the peer of a cell; it connects another one if that has ended.
func (f *fixture) shared(t *testing.T, c cell) *member {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.joined[c.String()]
	if m != nil && !m.gone() {
		return m
	}
	if m != nil {
		m.stop()
	}
	m, err := f.join(c)
	require.NoError(t, err)
	f.joined[c.String()] = m
	return m
}

// own returns a peer that only this test uses.
func (f *fixture) own(t *testing.T, c cell) *member {
	t.Helper()
	m, err := f.join(c)
	require.NoError(t, err)
	t.Cleanup(m.stop)
	m.traceOnFailure(t)
	return m
}

// uri returns a URI that no other test uses.
func (f *fixture) uri() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	return fmt.Sprintf("interop.t%d.subject", f.lastID)
}

// gone tells whether the session of the peer is over. It consumes the reports
// that nobody has waited for.
func (m *member) gone() bool {
	for {
		select {
		case r, ok := <-m.reports():
			if !ok || r.Kind == reportLeft || r.Kind == reportClosed || r.Kind == reportFailed {
				return true
			}
		default:
			return false
		}
	}
}

// next waits for a report of a kind; a URI, if given, is what its Subscribed or
// Procedure has to be. Other reports are skipped, except the end of the session.
func (m *member) next(want reportKind, uri string) (report, error) {
	deadline := time.After(answerTimeout)
	for {
		select {
		case r, ok := <-m.reports():
			switch {
			case !ok:
				return r, fmt.Errorf("waiting for %s %s: %w", want, uri, errPeerEnded)
			case r.Kind == want && (uri == "" || uri == r.Subscribed || uri == r.Procedure):
				return r, nil
			case want == reportClosed:
			case r.Kind == reportFailed || r.Kind == reportLeft || r.Kind == reportClosed:
				return r, fmt.Errorf("waiting for %s %s: session ended with %s %s%s", want, uri, r.Kind, r.Reason, r.Message)
			}
		case <-deadline:
			return report{}, fmt.Errorf("waiting for %s %s: nothing in %v", want, uri, answerTimeout)
		}
	}
}

// await is next for tests.
func (m *member) await(t *testing.T, want reportKind, uri string) report {
	t.Helper()
	r, err := m.next(want, uri)
	require.NoError(t, err, "%s", m.cell)
	return r
}

// must executes a command that has to succeed.
func (m *member) must(t *testing.T, cmd command) reply {
	t.Helper()
	got, err := m.try(t, cmd)
	require.NoError(t, err, "%s", m.cell)
	return got
}

// refused executes a command that has to end with an ERROR, and returns it.
func (m *member) refused(t *testing.T, cmd command) *wampError {
	t.Helper()
	got, err := m.try(t, cmd)
	var refusal *wampError
	require.Truef(t, errors.As(err, &refusal), "%s: %s %s: want an ERROR, got %+v, %v", m.cell, cmd.Op, cmd.URI, got, err)
	return refusal
}

func (m *member) try(t *testing.T, cmd command) (reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	return m.do(ctx, cmd)
}

// register registers a procedure until the test ends.
func (m *member) register(t *testing.T, uri string, b behaviour, options map[string]any) uint64 {
	t.Helper()
	id := m.must(t, command{Op: opRegister, URI: uri, Behaviour: b, Options: options}).ID
	require.NotZero(t, id)
	return id
}

func (m *member) call(t *testing.T, uri string, p payload) payload {
	t.Helper()
	return m.must(t, command{Op: opCall, URI: uri, payload: p}).payload
}

// subscribe subscribes to a topic; the subscription lasts as long as the peer.
func (m *member) subscribe(t *testing.T, topic string, options map[string]any) uint64 {
	t.Helper()
	id := m.must(t, command{Op: opSubscribe, URI: topic, Options: options}).ID
	require.NotZero(t, id)
	return id
}

// publish publishes and waits for the acknowledgement.
func (m *member) publish(t *testing.T, topic string, p payload) uint64 {
	t.Helper()
	options := map[string]any{"acknowledge": true, "exclude_me": false}
	id := m.must(t, command{Op: opPublish, URI: topic, payload: p, Options: options}).ID
	require.NotZero(t, id)
	return id
}

// traceOnFailure logs what was said to and by the peer if the test fails.
func (m *member) traceOnFailure(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s, session %d, %s", m.cell, m.session, m.tell())
		}
	})
}

func (m *member) tell() string {
	if p, ok := m.peer.(tracer); ok {
		return p.trace()
	}
	return "no trace"
}
