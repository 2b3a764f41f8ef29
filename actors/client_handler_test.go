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
)

// callee is a component in a bubble whose router sends what a test says.
type callee struct {
	*testComponent
	f *fakeRouter
	s *session.Session // the first one
}

// newCallee starts a component with one procedure, whose registration is 101.
func newCallee(t *testing.T, h *Host, handler any, opts ...session.RegisterOption) *callee {
	t.Helper()
	f := newFakeRouter(welcome)
	c := newTestComponent(t, h, f.transport())
	c.register("com.proc", handler, opts...)
	return &callee{testComponent: c, f: f, s: c.join()}
}

func (c *callee) invoke(ids ...protocol.ID) {
	for _, id := range ids {
		c.f.last().send(&protocol.Invocation{
			Request: id, Registration: 101, Details: protocol.InvocationDetails{ReceiveProgress: true},
		})
	}
}

// answers returns the requests that have been answered, and the errors among the answers.
func (c *callee) answers() (yields []protocol.ID, failed map[protocol.ID]protocol.URI) {
	synctest.Wait()
	for _, y := range received[*protocol.Yield](c.f.last()) {
		if !y.Options.Progress {
			yields = append(yields, y.Request)
		}
	}
	failed = map[protocol.ID]protocol.URI{}
	for _, e := range received[*protocol.Error](c.f.last()) {
		failed[e.Request] = e.Error
	}
	return yields, failed
}

func TestHandlerPanics(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		boom := errors.New("boom")
		c := newCallee(t, h, func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			switch inv.Request() {
			case 1:
				panic(boom)
			case 2:
				t.SkipNow() // runtime.Goexit
			}
			return session.Reply{}, nil
		})
		c.invoke(1, 2, 3)
		yields, failed := c.answers()
		require.Equal(t, []protocol.ID{3}, yields)
		require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorRuntime, 2: protocol.ErrorRuntime}, failed)
		for _, e := range received[*protocol.Error](c.f.last()) {
			require.NotContains(t, string(e.Payload.Args), "boom", "the panic stays on this side")
			require.NotContains(t, string(e.Payload.Args), ".go:")
		}
		panicked := eventsOf[*supervisor.HandlerPanicked](c.testComponent)
		require.Len(t, panicked, 1)
		require.ErrorIs(t, panicked[0].Err, boom)
		require.Contains(t, string(panicked[0].Err.Stack), "TestHandlerPanics")
		require.Equal(t, "com.proc", panicked[0].Name)
		require.NoError(t, c.stop())
	})
}

// grenade is a value whose encoding panics.
type grenade struct{}

func (grenade) MarshalText() ([]byte, error) { panic("boom") }

// TestResultPanics: a caller gets an answer although the handler's could not be encoded.
func TestResultPanics(t *testing.T) {
	for name, handler := range map[string]any{
		"typed": func() grenade { return grenade{} },
		"raw": func(context.Context, *session.Invocation) (session.Reply, error) {
			return session.Reply{Args: []any{grenade{}}}, nil
		},
		"error": func() error { return session.NewError("com.error.bomb", grenade{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				c := newCallee(t, h, handler)
				c.invoke(1, 2)
				yields, failed := c.answers()
				require.Empty(t, yields)
				require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorRuntime, 2: protocol.ErrorRuntime}, failed)
				require.Len(t, eventsOf[*supervisor.HandlerPanicked](c.testComponent), 2)
				require.NoError(t, c.stop())
			})
		})
	}
}

func TestConcurrencyLimit(t *testing.T) {
	for limit, want := range map[int]int{0: 5, 1: 1, 3: 3} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				var mu sync.Mutex
				running, most := 0, 0
				var order []protocol.ID
				c := newCallee(t, h, func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
					mu.Lock()
					running++
					most = max(most, running)
					order = append(order, inv.Request())
					mu.Unlock()
					time.Sleep(time.Second) //nolint:forbidigo // a slow handler, on a fake clock
					mu.Lock()
					defer mu.Unlock()
					running--
					return session.Reply{}, nil
				}, session.Concurrency(limit))
				require.Equal(t, limit, received[*protocol.Register](c.f.last())[0].Options.Concurrency)
				c.invoke(1, 2, 3, 4, 5)
				settle(time.Minute)
				yields, _ := c.answers()
				require.Len(t, yields, 5)
				require.Equal(t, want, most)
				if limit == 1 {
					require.Equal(t, []protocol.ID{1, 2, 3, 4, 5}, order)
				}
				require.NoError(t, c.stop())
			})
		})
	}
}

func TestInterruptInvocation(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		c := newCallee(t, h, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, session.Concurrency(1))
		c.invoke(1, 2, 3)
		synctest.Wait()
		c.f.last().send(&protocol.Interrupt{Request: 3, Mode: protocol.CancelKill}) // waits for its turn
		_, failed := c.answers()
		require.Equal(t, map[protocol.ID]protocol.URI{3: protocol.ErrorCanceled}, failed)
		c.f.last().send(&protocol.Interrupt{Request: 1, Mode: protocol.CancelKillNoWait}) // runs
		_, failed = c.answers()
		require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorCanceled, 3: protocol.ErrorCanceled}, failed)
		require.NoError(t, c.stop()) // ends the handler of 2 with the session
	})
}

func TestForwardedTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		late := make(chan error, 1)
		c := newCallee(t, h, func(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
			<-ctx.Done()
			late <- inv.Reason()
			return session.Reply{Args: []any{"too late"}}, nil
		}, session.ForwardTimeout())
		c.f.last().send(&protocol.Invocation{Request: 1, Registration: 101, Details: protocol.InvocationDetails{Timeout: 1500}})
		settle(1499 * time.Millisecond)
		_, failed := c.answers()
		require.Empty(t, failed)
		settle(time.Millisecond)
		yields, failed := c.answers()
		require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorTimeout}, failed)
		require.Empty(t, yields)
		require.Equal(t, protocol.ErrorTimeout, session.ErrorURI(<-late))
		require.NoError(t, c.stop())
	})
}

// TestHandlersEndWithSession: what an old session's handler answers must not reach a new one.
func TestHandlersEndWithSession(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		release := make(chan struct{})
		c := newCallee(t, h, func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			if inv.Session().ID() == 1 {
				<-release // does not listen
			}
			return session.Reply{Args: []any{"x"}}, nil
		})
		c.invoke(1)
		synctest.Wait()
		c.f.last().pipe.Close(nil)
		c.next()
		close(release)
		yields, failed := c.answers()
		require.Empty(t, yields)
		require.Empty(t, failed)
		c.invoke(1)
		yields, _ = c.answers()
		require.Equal(t, []protocol.ID{1}, yields)
		require.NoError(t, c.stop())
	})
}

func TestEventsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		var mu sync.Mutex
		var slow, fast []protocol.ID
		seen := func(list *[]protocol.ID) []protocol.ID {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(*list)
		}
		c.subscribe("com.slow", func(_ context.Context, ev *session.Event) error {
			time.Sleep(time.Second) //nolint:forbidigo // a slow handler, on a fake clock
			mu.Lock()
			defer mu.Unlock()
			slow = append(slow, ev.Publication())
			switch ev.Publication() {
			case 2:
				panic("boom")
			case 3:
				t.SkipNow() // runtime.Goexit
			case 4:
				return errors.New("sorry")
			}
			return nil
		})
		c.subscribe("com.fast", func(_ context.Context, ev *session.Event) {
			mu.Lock()
			defer mu.Unlock()
			fast = append(fast, ev.Publication())
		})
		c.join()
		var want []protocol.ID
		for id := protocol.ID(1); id <= 10; id++ {
			want = append(want, id)
			f.last().send(&protocol.Event{Subscription: 201, Publication: id}, &protocol.Event{Subscription: 202, Publication: id})
		}
		synctest.Wait()
		require.Equal(t, want, seen(&fast), "not held up by the slow one")
		require.Empty(t, seen(&slow))
		settle(time.Minute)
		require.Equal(t, want, seen(&slow))
		require.Len(t, eventsOf[*supervisor.HandlerPanicked](c), 1)
		require.Len(t, eventsOf[*supervisor.HandlerFailed](c), 2)

		f.last().send(&protocol.Event{Subscription: 201, Publication: 11}, &protocol.Event{Subscription: 201, Publication: 12})
		synctest.Wait()
		f.last().pipe.Close(nil) // 11 is being handled, 12 is not
		c.next()
		settle(time.Minute)
		require.Equal(t, append(want, 11), seen(&slow), "no handler is called for a session that has ended")
		require.NoError(t, c.stop())
	})
}

func TestSlowSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		release := make(chan struct{})
		n := 0
		c.subscribe("com.slow", func(context.Context, *session.Event) { <-release; n++ })
		c.join()
		send := func(count int) {
			msgs := make([]protocol.Message, count)
			for i := range msgs {
				msgs[i] = &protocol.Event{Subscription: 201, Publication: 1}
			}
			f.last().send(msgs...)
			synctest.Wait()
		}
		send(1) // is being handled
		send(maxEvents)
		require.Empty(t, eventsOf[*supervisor.HandlerFailed](c), "at the limit")
		send(3)
		require.Len(t, eventsOf[*supervisor.HandlerFailed](c), 1, "once for a burst")
		close(release)
		synctest.Wait()
		require.Equal(t, 1+maxEvents, n)
		failed := eventsOf[*supervisor.HandlerFailed](c)
		require.Len(t, failed, 2)
		require.ErrorContains(t, failed[1].Err, "3 events were dropped")
		require.NoError(t, c.stop())
	})
}

func TestRevocation(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		c := newCallee(t, h, func() {})
		c.f.last().send(&protocol.Unregistered{Details: protocol.RevocationDetails{ID: 101, Reason: "moved"}})
		c.invoke(1)
		_, failed := c.answers()
		require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorNoSuchRegistration}, failed)
		refused := eventsOf[*supervisor.DeclarationRefused](c.testComponent)
		require.Len(t, refused, 1)
		require.ErrorIs(t, refused[0].Err, session.ErrRevoked)
		c.f.last().pipe.Close(nil)
		c.next()
		c.invoke(1)
		yields, _ := c.answers()
		require.Equal(t, []protocol.ID{1}, yields, "it is back with the next session")
		require.NoError(t, c.stop())
	})
}

func TestDeclareWhileRunning(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		c.join()
		proc, err := DeclareProcedure("com.late", func() {})
		require.NoError(t, err)
		topic, err := DeclareTopic("com.late", func() {})
		require.NoError(t, err)
		h.send(c.pid, &AddDeclaration{proc})
		h.send(c.pid, &AddDeclaration{topic})
		synctest.Wait()
		require.Len(t, received[*protocol.Register](f.last()), 1)
		require.Len(t, received[*protocol.Subscribe](f.last()), 1)
		f.last().pipe.Close(nil)
		c.next()
		require.Len(t, received[*protocol.Register](f.last()), 1)
		h.send(c.pid, &RemoveDeclaration{proc})
		h.send(c.pid, &RemoveDeclaration{topic})
		synctest.Wait()
		require.Len(t, received[*protocol.Unregister](f.last()), 1)
		require.Len(t, received[*protocol.Unsubscribe](f.last()), 1)
		f.last().pipe.Close(nil)
		c.next()
		require.Empty(t, received[*protocol.Register](f.last()))
		require.NoError(t, c.stop())
	})
}

// TestRegisterAtRuntime: what a session registers itself ends with it, and leaves no actor behind.
func TestRegisterAtRuntime(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		s := c.join()
		reg, err := s.Register(t.Context(), "com.proc", func() {})
		require.NoError(t, err)
		_, err = s.Subscribe(t.Context(), "com.topic", func() {})
		require.NoError(t, err)
		_, err = s.Subscribe(t.Context(), "com.topic", To(c.pid))
		require.NoError(t, err)
		require.Len(t, actorsBelow(h, c.pid), 4, "session, registration and two subscriptions")
		require.NoError(t, reg.Unregister(t.Context()))
		synctest.Wait()
		require.Len(t, actorsBelow(h, c.pid), 3)
		_, err = s.Register(t.Context(), "com.bad", &Target{})
		require.ErrorContains(t, err, "neither a PID nor Props")
		_, err = s.Register(t.Context(), "com.bad", foreignTarget{})
		require.ErrorContains(t, err, "cannot serve with a actors.foreignTarget")
		_, err = s.Subscribe(t.Context(), "com.bad", foreignTarget{})
		require.ErrorContains(t, err, "cannot serve with a actors.foreignTarget")
		f.last().pipe.Close(nil)
		c.next()
		require.Len(t, actorsBelow(h, c.pid), 1)
		require.Empty(t, received[*protocol.Register](f.last()))
		require.NoError(t, c.stop())
		require.Empty(t, actorsBelow(h, c.pid))
	})
}

// foreignTarget is a target that is not of this package.
type foreignTarget struct{}

func (foreignTarget) WAMPTarget() {}

// TestSessionActorPanics: a bug of ours ends the connection and nothing else. A nil message stands
// for it, which no decoder returns.
func TestSessionActorPanics(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		c := newCallee(t, h, func() {})
		s := c.s
		calls := make(chan error, 1)
		go func() {
			_, err := s.Call(t.Context(), "com.pending")
			calls <- err
		}()
		synctest.Wait()
		c.f.last().send(nil)
		require.ErrorIs(t, <-calls, session.ErrClosed)
		require.NotSame(t, s, c.next())
		require.True(t, c.f.conns[0].closed())
		c.invoke(1)
		yields, _ := c.answers()
		require.Equal(t, []protocol.ID{1}, yields)
		left := eventsOf[*supervisor.Left](c.testComponent)
		require.Len(t, left, 1)
		require.Equal(t, supervisor.ClassBug, supervisor.Classify(left[0].Err))
		require.NoError(t, c.stop())
	})
}

// actorsBelow returns the names of the actors below another.
func actorsBelow(h *Host, pid *actor.PID) (names []string) {
	prefix := pid.Id + "/"
	for i := range h.system.ProcessRegistry.LocalPIDs.LocalPIDs {
		for item := range h.system.ProcessRegistry.LocalPIDs.LocalPIDs[i].IterBuffered() {
			if len(item.Key) > len(prefix) && item.Key[:len(prefix)] == prefix {
				names = append(names, item.Key)
			}
		}
	}
	return names
}
