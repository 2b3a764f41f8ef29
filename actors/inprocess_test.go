package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

var inProcess = link{"pipe", protocol.MessagePack}

// adders are the ways to serve a procedure that adds two integers.
func adders() map[string]any {
	return map[string]any{
		"typed": func(x, y int) int { return x + y },
		"raw": func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			var x, y int
			err := inv.Decode(&x, &y)
			return session.Reply{Args: []any{x + y}}, err
		},
		"actor": Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if inv, ok := ctx.Message().(*Invocation); ok {
				var x, y int
				if err := inv.Decode(&x, &y); err != nil {
					ctx.Respond(err)
					return
				}
				ctx.Respond(x + y)
			}
		})),
	}
}

// joinComponent starts a component with declarations at the rig's router, to be stopped in the end.
func (g *rig) joinComponent(t *testing.T, name string, declare func(c *testComponent)) *session.Session {
	t.Helper()
	c := newTestComponent(t, g.host, g.transport(inProcess))
	c.cfg.Name = name
	if declare != nil {
		declare(c)
	}
	s := c.join()
	t.Cleanup(func() { require.NoError(t, c.stop()) })
	return s
}

// TestInProcessCallsAreAnswered makes many calls at once, to every kind of handler, and looks at
// each result.
func TestInProcessCallsAreAnswered(t *testing.T) {
	t.Parallel()
	const callers, calls = 32, 200
	g := newRig(t, RouterConfig{})
	g.joinComponent(t, "callee", func(c *testComponent) {
		for name, handler := range adders() {
			c.register("com.add."+name, handler)
		}
	})
	s := g.joinComponent(t, "caller", nil)
	errs := make(chan error, 3*callers)
	for name := range adders() {
		for i := range callers {
			go func() { errs <- addUp(t.Context(), s, "com.add."+name, i, calls) }()
		}
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

func addUp(ctx context.Context, s *session.Session, procedure string, x, calls int) error {
	for y := range calls {
		sum, err := session.Call[int](ctx, s, procedure, x, y)
		if err == nil && sum != x+y {
			err = fmt.Errorf("%s(%d, %d) = %d", procedure, x, y, sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestInProcessEventsOneByOne publishes each event when the one before has been handled: just when
// the goroutine that handles them is about to end.
func TestInProcessEventsOneByOne(t *testing.T) {
	t.Parallel()
	const n = 5000
	g := newRig(t, RouterConfig{})
	got := make(chan int, 1)
	g.joinComponent(t, "subscriber", func(c *testComponent) { c.subscribe("com.tick", func(i int) { got <- i }) })
	s := g.joinComponent(t, "publisher", nil)
	deadline := time.After(testPatience)
	for i := range n {
		_, err := s.Publish(t.Context(), "com.tick", session.Args(i))
		require.NoError(t, err)
		select {
		case x := <-got:
			require.Equal(t, i, x)
		case <-deadline:
			require.Fail(t, "an event was lost", "%d", i)
		}
	}
}

// TestInProcessOrder has one goroutine publish and call, and looks at the order in which a
// subscriber, an actor that subscribes, and a callee that serves one call at a time see that.
func TestInProcessOrder(t *testing.T) {
	t.Parallel()
	const n = 3000
	g := newRig(t, RouterConfig{})
	var seen [3][]int
	var left sync.WaitGroup
	left.Add(len(seen) * n)
	note := func(i, x int) {
		seen[i] = append(seen[i], x)
		left.Done()
	}
	g.joinComponent(t, "receiver", func(c *testComponent) {
		c.subscribe("com.number", func(x int) { note(0, x) })
		c.subscribe("com", Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if ev, ok := ctx.Message().(*Event); ok {
				var x int
				if ev.Decode(&x) == nil {
					note(1, x)
				}
			}
		})), session.Prefix())
		c.register("com.count", func(x int) { note(2, x) }, session.Concurrency(1))
	})
	s := g.joinComponent(t, "sender", nil)
	errs := make(chan error, n)
	for i := range n {
		_, err := s.Publish(t.Context(), "com.number", session.Args(i))
		require.NoError(t, err)
		s.CallAsync("com.count", func(_ *session.Result, err error) { errs <- err }, session.Args(i))
	}
	for range n {
		require.NoError(t, <-errs)
	}
	done := make(chan struct{})
	go func() {
		left.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(testPatience):
		require.Fail(t, "events are lost")
	}
	for _, list := range seen {
		for i, x := range list {
			require.Equal(t, i, x)
		}
	}
}

// TestInProcessNestedCalls has two components call each other from within their handlers, as deep
// as they are told, many times at once: no queue may wait for another.
func TestInProcessNestedCalls(t *testing.T) {
	t.Parallel()
	const depth, calls = 12, 64
	g := newRig(t, RouterConfig{})
	down := func(to string) any {
		return func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			s, ok := session.FromContext(ctx)
			if !ok {
				return 0, errors.New("no session in the context")
			}
			m, err := session.Call[int](ctx, s, to, n-1)
			return m + 1, err
		}
	}
	a := g.joinComponent(t, "a", func(c *testComponent) { c.register("com.a", down("com.b")) })
	b := g.joinComponent(t, "b", func(c *testComponent) { c.register("com.b", down("com.a")) })
	errs := make(chan error, 2*calls)
	for range calls {
		for s, procedure := range map[*session.Session]string{a: "com.b", b: "com.a"} {
			go func() {
				got, err := session.Call[int](t.Context(), s, procedure, depth)
				if err == nil && got != depth {
					err = fmt.Errorf("got %d", got)
				}
				errs <- err
			}()
		}
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

// TestInProcessCancel gives up calls at any moment. Each returns at once, each handler ends, and
// the session goes on.
func TestInProcessCancel(t *testing.T) {
	t.Parallel()
	const callers, calls = 16, 100
	g := newRig(t, RouterConfig{})
	var running atomic.Int64
	g.joinComponent(t, "callee", func(c *testComponent) {
		c.register("com.wait", func(ctx context.Context) error {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		})
		c.register("com.add", adders()["typed"])
	})
	s := g.joinComponent(t, "caller", nil)
	errs := make(chan error, callers)
	for range callers {
		go func() {
			var err error
			for range calls {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Microsecond) //nolint:gosec // any moment
				if _, got := s.Call(ctx, "com.wait"); !errors.Is(got, context.DeadlineExceeded) {
					err = errors.Join(err, fmt.Errorf("got %w", got))
				}
				cancel()
			}
			errs <- err
		}()
	}
	for range callers {
		require.NoError(t, <-errs)
	}
	g.eventually(func() bool { return running.Load() == 0 }, "handlers of canceled calls go on")
	require.NoError(t, addUp(t.Context(), s, "com.add", 1, 10))
}
