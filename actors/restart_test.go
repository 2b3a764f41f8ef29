package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

const (
	fleetSize = 200
	// hold is the argument of calls that are not answered.
	hold = -1
	// burst is how many calls each member begins while the router dies.
	burst = 10
)

var (
	errRouterDown   = errors.New("no router listens")
	errRouterKilled = errors.New("router killed")

	fleetBackoff = supervisor.Backoff{Initial: time.Second, Max: 8 * time.Second, Growth: 2, Jitter: 0.2}
)

// fleet is many components that call each other, at a router that is killed and replaced.
type fleet struct {
	t       *testing.T
	host    *Host // of the components
	members []*member
	changed chan struct{} // capacity 1: something happened that somebody may wait for

	// What follows is for a router in this process.
	mu     sync.Mutex
	house  *Host   // of the router
	router *Router // nil while there is none
	pipes  []*transport.PipeEnd
}

// member is a component with two procedures, one of them served by an actor, and a topic.
type member struct {
	*testComponent
	fleet *fleet
	n     int
	s     *session.Session

	mu      sync.Mutex
	dials   []time.Time
	held    int     // invocations that are not answered
	reasons []error // why those were interrupted
	events  []int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{t: t, host: NewHost(HostConfig{}), changed: make(chan struct{}, 1)}
}

// launch starts the members and waits until they are ready.
func (f *fleet) launch(transport func(m *member) TransportConfig) {
	f.t.Helper()
	for n := range fleetSize {
		m := &member{fleet: f, n: n}
		m.testComponent = newTestComponent(f.t, f.host, transport(m))
		m.cfg.Name = fmt.Sprintf("member-%d", n)
		m.register(m.function(), m.serve)
		m.register(m.actor(), Spawn(actor.PropsFromFunc(m.receive)))
		m.subscribe(m.topic(), m.event)
		f.members = append(f.members, m)
		m.start()
	}
	f.awaitReady()
}

// until waits until cond holds, looking whenever something has happened.
func (f *fleet) until(cond func() bool, msg string, args ...any) {
	f.t.Helper()
	deadline := time.NewTimer(testPatience)
	defer deadline.Stop()
	for !cond() {
		select {
		case <-f.changed:
		case <-deadline.C:
			require.Fail(f.t, fmt.Sprintf(msg, args...))
		}
	}
}

func (f *fleet) happened() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (m *member) function() string { return fmt.Sprintf("com.fleet.n%d.function", m.n) }
func (m *member) actor() string    { return fmt.Sprintf("com.fleet.n%d.actor", m.n) }
func (m *member) topic() string    { return fmt.Sprintf("com.fleet.n%d.topic", m.n) }

func (m *member) pipe() TransportConfig { return TransportConfig{Backoff: fleetBackoff, Pipe: m.dial} }

func (m *member) dial(context.Context) (*transport.PipeEnd, error) {
	m.mu.Lock()
	m.dials = append(m.dials, time.Now())
	m.mu.Unlock()
	f := m.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.router == nil {
		return nil, errRouterDown
	}
	a, b := transport.Pipe()
	f.pipes = append(f.pipes, b)
	f.router.AcceptPipe(b)
	return a, nil
}

// serve is the procedure that is a function.
func (m *member) serve(ctx context.Context, inv *session.Invocation, x int) (int, error) {
	if x == hold {
		m.holding()
		<-ctx.Done()
		m.released(inv.Reason())
		return 0, ctx.Err()
	}
	return x + m.n, nil
}

// receive is the actor that serves the other procedure.
func (m *member) receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *Invocation:
		var x int
		switch err := msg.Decode(&x); {
		case err != nil:
			ctx.Respond(err)
		case x == hold:
			m.holding()
		default:
			ctx.Respond(x + m.n)
		}
	case *Interrupted:
		var x int
		if err := msg.Invocation.Decode(&x); err == nil && x == hold { // else it came after the answer
			m.released(msg.Reason)
		}
	}
}

func (m *member) event(n int) {
	defer m.fleet.happened()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, n)
}

func (m *member) holding() {
	defer m.fleet.happened()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held++
}

func (m *member) released(reason error) {
	defer m.fleet.happened()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held--
	m.reasons = append(m.reasons, reason)
}

// holds reports whether so many invocations are not answered.
func (m *member) holds(n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held == n
}

// takeReasons returns why invocations were interrupted since the last time.
func (m *member) takeReasons() []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	reasons := m.reasons
	m.reasons = nil
	return reasons
}

// takeEvents returns the events since the last time.
func (m *member) takeEvents() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	return events
}

func (f *fleet) startRouter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.house = NewHost(HostConfig{})
	var err error
	f.router, err = NewRouter(f.house, RouterConfig{})
	require.NoError(f.t, err)
}

// takeRouter makes the router unreachable for new connections.
func (f *fleet) takeRouter() (r *Router, pipes []*transport.PipeEnd, done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, pipes = f.router, f.pipes
	house := f.house
	f.router, f.pipes = nil, nil
	return r, pipes, func() {
		require.NoError(f.t, r.Close(f.t.Context()))
		require.Zero(f.t, r.Sessions())
		require.Empty(f.t, r.ids)
		require.Zero(f.t, r.Stats().Failures)
		house.Close()
	}
}

// awaitReady waits until every member has a session that is ready.
func (f *fleet) awaitReady() {
	f.t.Helper()
	for _, m := range f.members {
		m.s = m.next()
	}
}

// outcomes are what calls ended with.
type outcomes struct {
	fleet *fleet

	mu      sync.Mutex
	pending int
	count   map[string]int
	odd     []error
}

// settled reports whether every call has ended.
func (o *outcomes) settled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending == 0
}

// call makes a call in the background.
func (o *outcomes) call(s *session.Session, procedure string, x, want int) {
	o.mu.Lock()
	o.pending++
	o.mu.Unlock()
	go func() {
		defer o.fleet.happened()
		got, err := session.Call[int](context.Background(), s, procedure, x)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.pending--
		var ended *session.EndedError
		switch {
		case err == nil && got == want:
			o.count["result"]++
		case errors.As(err, &ended) && errors.Is(err, session.ErrClosed) && ended.Joined:
			o.count["ended"]++
		case session.IsRemote(err) && (session.ErrorURI(err) == protocol.ErrorCanceled ||
			session.ErrorURI(err) == protocol.ErrorNoSuchProcedure && x != hold):
			o.count["callee gone"]++ // the router had noticed its end before the caller's
		default:
			o.odd = append(o.odd, fmt.Errorf("%s(%d) = %d: %w", procedure, x, got, err))
		}
	}()
}

// next is the neighbor that a member calls.
func (f *fleet) next(m *member) *member { return f.members[(m.n+1)%len(f.members)] }

// occupy makes two calls to each member that are not answered.
func (f *fleet) occupy() *outcomes {
	f.t.Helper()
	o := &outcomes{fleet: f, count: make(map[string]int)}
	for _, m := range f.members {
		to := f.next(m)
		o.call(m.s, to.function(), hold, 0)
		o.call(m.s, to.actor(), hold, 0)
	}
	for _, m := range f.members {
		f.until(func() bool { return m.holds(2) }, "member %d does not serve", m.n)
	}
	return o
}

// press begins calls that are answered, if there is still somebody to answer.
func (f *fleet) press(o *outcomes) {
	for _, m := range f.members {
		to := f.next(m)
		for i := range burst {
			o.call(m.s, to.function(), i, i+to.n)
			o.call(m.s, to.actor(), i, i+to.n)
		}
	}
}

// TestRestartOfRouter kills the router under many components that are calling each other, in one
// way after the other, and puts another one in its place after a while.
func TestRestartOfRouter(t *testing.T) {
	kills := []func(*Router, []*transport.PipeEnd) error{
		func(r *Router, _ []*transport.PipeEnd) error {
			return r.Close(context.Background()) //nolint:usetesting // the test's own belongs to another bubble
		},
		func(_ *Router, pipes []*transport.PipeEnd) error {
			for _, p := range pipes {
				p.Close(errRouterKilled)
			}
			return nil
		},
		func(r *Router, _ []*transport.PipeEnd) error { // all of its actors at once
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, pid := range r.sessions {
				r.host.system.Root.Stop(pid)
			}
			return nil
		},
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.startRouter()
		f.launch((*member).pipe)
		for _, kill := range kills {
			f.restart(kill)
		}
		f.stop()
		_, _, done := f.takeRouter()
		done()
		<-time.After(time.Minute) // Proto.Actor counts dead letters for a second, on a goroutine
		synctest.Wait()           // the bubble fails if a goroutine is left
	})
}

func (f *fleet) restart(kill func(*Router, []*transport.PipeEnd) error) {
	t := f.t
	t.Helper()
	o := f.occupy()
	died := time.Now()
	r, pipes, done := f.takeRouter()
	f.press(o)
	require.NoError(t, kill(r, pipes))
	f.requireAnswered(o)
	synctest.Wait()
	require.Equal(t, died, time.Now(), "the end of a router takes time")
	done()

	const down = 20 * time.Second
	<-time.After(down)
	synctest.Wait()
	f.startRouter()
	f.awaitReady()
	f.requireSchedule(died, died.Add(down))
	f.requireAlive()
}

// requireAnswered fails unless all calls have ended as they should, and all handlers with them.
func (f *fleet) requireAnswered(o *outcomes) {
	t := f.t
	t.Helper()
	f.until(o.settled, "calls hang")
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Empty(t, o.odd)
	require.NotZero(t, o.count["ended"], "%v", o.count)
	for _, m := range f.members {
		f.until(func() bool { return m.holds(0) }, "member %d still serves", m.n)
		require.Error(t, m.s.Err())
		reasons := m.takeReasons()
		require.Len(t, reasons, 2)
		for _, reason := range reasons {
			var ended *session.EndedError
			canceled := session.IsRemote(reason) && session.ErrorURI(reason) == protocol.ErrorCanceled
			require.True(t, canceled || errors.As(reason, &ended), "%v", reason)
		}
	}
}

// requireAlive fails unless every procedure answers and every subscription receives.
func (f *fleet) requireAlive() {
	t := f.t
	t.Helper()
	ctx := t.Context()
	for _, m := range f.members {
		from := f.next(m)
		for _, procedure := range []string{m.function(), m.actor()} {
			got, err := session.Call[int](ctx, from.s, procedure, 1000)
			require.NoError(t, err)
			require.Equal(t, 1000+m.n, got)
		}
		_, err := from.s.Publish(ctx, m.topic(), session.Args(m.n), session.Acknowledge())
		require.NoError(t, err)
	}
	for _, m := range f.members {
		var events []int
		f.until(func() bool { events = append(events, m.takeEvents()...); return len(events) > 0 }, "member %d gets no event", m.n)
		require.Equal(t, []int{m.n}, events)
		require.Empty(t, eventsOf[*supervisor.HandlerPanicked](m.testComponent))
		require.Empty(t, eventsOf[*supervisor.DeclarationRefused](m.testComponent))
	}
}

// requireSchedule fails unless every member dialed when it said that it would, with delays that
// are those configured, and not in step with the others.
func (f *fleet) requireSchedule(died, back time.Time) {
	t := f.t
	t.Helper()
	var firsts []time.Duration
	for _, m := range f.members {
		var planned []time.Time
		for _, ev := range eventsOf[*supervisor.AttemptScheduled](m.testComponent) {
			if ev.Time.Before(died) || ev.Retry == 0 {
				continue
			}
			planned = append(planned, ev.Time.Add(ev.Delay))
			require.Equal(t, len(planned), ev.Retry)
			if ev.Retry == 1 {
				firsts = append(firsts, ev.Delay)
			}
			middle := float64(min(time.Second<<(ev.Retry-1), fleetBackoff.Max))
			require.InDelta(t, middle, float64(ev.Delay), middle*fleetBackoff.Jitter, "retry %d", ev.Retry)
		}
		require.Equal(t, planned, m.dials[len(m.dials)-len(planned):])
		require.Equal(t, 1, countAfter(m.dials, back), "a member that is back dials again")
		require.LessOrEqual(t, countAfter(m.dials, died), 6)
		require.Len(t, eventsOf[*supervisor.ConnectFailed](m.testComponent), len(m.dials)-len(eventsOf[*supervisor.Joined](m.testComponent)))
	}
	require.Len(t, firsts, fleetSize)
	slices.Sort(firsts)
	require.Less(t, firsts[0], 850*time.Millisecond)
	require.Greater(t, firsts[fleetSize-1], 1150*time.Millisecond)
	const together = 25 // of 200 over 400 ms, 5 are to be expected in 10 ms
	for i := range len(firsts) - together {
		require.Greater(t, firsts[i+together]-firsts[i], 10*time.Millisecond, "the members come back in step")
	}
}

func countAfter(times []time.Time, from time.Time) (n int) {
	for _, t := range times {
		if t.After(from) {
			n++
		}
	}
	return n
}

// stop stops all members.
func (f *fleet) stop() {
	f.t.Helper()
	for _, m := range f.members {
		f.host.send(m.pid, &Stop{})
	}
	for _, m := range f.members {
		require.NoError(f.t, m.wait())
		require.Empty(f.t, m.takeEvents())
	}
	f.host.Close()
}
