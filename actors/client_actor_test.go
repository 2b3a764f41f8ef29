package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// TestActorAnswers has an actor of the user answer invocations in every way there is.
func TestActorAnswers(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	worker := actor.PropsFromFunc(func(ctx actor.Context) {
		m, ok := ctx.Message().(*Invocation)
		if !ok {
			return
		}
		var how string
		_ = m.Decode(&how)
		switch how {
		case "value":
			ctx.Respond(7)
		case "result":
			ctx.Respond(&Result{Args: []any{1, 2}, KwArgs: map[string]any{"k": "v"}})
		case "error":
			ctx.Respond(session.NewError("com.myapp.error", "sorry"))
		case "plain error":
			ctx.Respond(errors.New("sorry"))
		case "progress":
			ctx.Respond(&Progress{Args: []any{"half"}})
			ctx.Respond(&Result{Args: []any{"done"}})
			ctx.Respond(&Result{Args: []any{"again"}})
		case "method":
			m.Respond(session.Reply{Args: []any{"direct"}})
		case "later":
			go m.Respond(session.Reply{Args: []any{"later"}})
		case "panic":
			panic("boom")
		}
	})
	pid := g.host.system.Root.Spawn(worker)
	defer g.host.system.Root.Stop(pid)
	c := newTestComponent(t, g.host, g.transport(rawMsgpack))
	c.register("com.pid", To(pid))
	c.register("com.props", Spawn(worker))
	c.register("com.limited", Spawn(worker), session.Concurrency(1))
	s := c.join()
	ctx := t.Context()
	for _, uri := range []string{"com.pid", "com.props", "com.limited"} {
		call := func(how string, opts ...session.CallOption) ([]any, error) {
			res, err := s.Call(ctx, uri, append(opts, session.Args(how))...)
			if err != nil {
				return nil, err
			}
			return res.Args()
		}
		for how, want := range map[string][]any{
			"value": {int64(7)}, "result": {int64(1), int64(2)}, "method": {"direct"}, "later": {"later"}, "progress": {"done"},
		} {
			args, err := call(how)
			require.NoError(t, err, "%s %s", uri, how)
			require.Equal(t, want, args, "%s %s", uri, how)
		}
		var seen []any
		_, err := call("progress", session.OnProgress(func(r *session.Result) {
			args, _ := r.Args()
			seen = append(seen, args...)
		}))
		require.NoError(t, err)
		require.Equal(t, []any{"half"}, seen)
		_, err = call("error")
		require.Equal(t, protocol.URI("com.myapp.error"), session.ErrorURI(err))
		_, err = call("plain error")
		require.Equal(t, protocol.ErrorRuntime, session.ErrorURI(err))
	}
	_, err := s.Call(ctx, "com.props", session.Args("panic"))
	require.Equal(t, protocol.ErrorRuntime, session.ErrorURI(err))
	args, err := session.Call[int](ctx, s, "com.props", "value")
	require.NoError(t, err, "it has been restarted")
	require.Equal(t, 7, args)
	require.NoError(t, c.stop())
	panicked := eventsOf[*supervisor.HandlerPanicked](c)
	require.Len(t, panicked, 1)
	require.Contains(t, string(panicked[0].Err.Stack), "TestActorAnswers")
}

func TestActorGone(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		got := make(chan any, 10)
		pid := h.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *Invocation, *Interrupted:
				got <- m // never answers
			}
		}))
		c := newCallee(t, h, To(pid))
		c.invoke(1, 2, 3)
		synctest.Wait()
		require.Len(t, got, 3)
		<-got
		<-got
		<-got
		c.f.last().send(&protocol.Interrupt{Request: 1})
		_, failed := c.answers()
		require.Equal(t, map[protocol.ID]protocol.URI{1: protocol.ErrorCanceled}, failed, "answered for the actor")
		require.Equal(t, protocol.ID(1), (<-got).(*Interrupted).Invocation.Request())
		h.system.Root.Stop(pid)
		_, failed = c.answers()
		require.Equal(t, protocol.ErrorUnavailable, failed[2])
		require.Equal(t, protocol.ErrorUnavailable, failed[3])
		c.invoke(4)
		_, failed = c.answers()
		require.Equal(t, protocol.ErrorUnavailable, failed[4])
		require.NoError(t, c.stop())
	})
}

// TestActorOrder: calls come in order from the first one on, some of which may go through the
// registration actor while others do not.
func TestActorOrder(t *testing.T) {
	t.Parallel()
	const calls = 500
	g := newRig(t, RouterConfig{})
	got := make(chan int, calls)
	props := actor.PropsFromFunc(func(ctx actor.Context) {
		if m, ok := ctx.Message().(*Invocation); ok {
			var i int
			_ = m.Decode(&i)
			got <- i
			ctx.Respond(i)
		}
	})
	callee := g.joinComponent(t, "callee", nil)
	s := g.joinComponent(t, "caller", nil)
	for round := range 10 {
		uri := fmt.Sprintf("com.order%d", round)
		reg, err := callee.Register(t.Context(), uri, Spawn(props))
		require.NoError(t, err)
		done := make(chan error, calls)
		for i := range calls {
			s.CallAsync(uri, func(_ *session.Result, err error) { done <- err }, session.Args(i))
		}
		for i := range calls {
			require.NoError(t, <-done)
			require.Equal(t, i, <-got)
		}
		require.NoError(t, reg.Unregister(t.Context()))
	}
}

// TestActorStopsMeanwhile stops an actor while it is called: every call has an answer.
func TestActorStopsMeanwhile(t *testing.T) {
	t.Parallel()
	const calls = 300
	g := newRig(t, RouterConfig{})
	callee := g.joinComponent(t, "callee", nil)
	s := g.joinComponent(t, "caller", nil)
	for round := range 20 {
		pid := g.host.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*Invocation); ok {
				ctx.Respond(true)
			}
		}))
		uri := fmt.Sprintf("com.gone%d", round)
		_, err := callee.Register(t.Context(), uri, To(pid))
		require.NoError(t, err)
		done := make(chan error, calls)
		for i := range calls {
			s.CallAsync(uri, func(_ *session.Result, err error) { done <- err })
			if i == 10*round {
				g.host.system.Root.Stop(pid)
			}
		}
		for range calls {
			if err := <-done; err != nil {
				require.Equal(t, protocol.ErrorUnavailable, session.ErrorURI(err))
			}
		}
		_, err = s.Call(t.Context(), uri)
		require.Equal(t, protocol.ErrorUnavailable, session.ErrorURI(err))
	}
}

// TestActorBeyondHelp: an actor that panics too often ends the component.
func TestActorBeyondHelp(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		boom := errors.New("boom")
		worker := actor.PropsFromFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*Invocation); ok {
				panic(boom)
			}
		})
		c := newCallee(t, h, Spawn(worker).WithIntensity(supervisor.Intensity{MaxRestarts: 2}))
		c.invoke(1, 2)
		_, failed := c.answers()
		require.Len(t, failed, 2)
		require.NoError(t, c.f.last().ended, "at the limit")
		c.invoke(3)
		_, failed = c.answers()
		require.Equal(t, protocol.ErrorRuntime, failed[3])
		err := c.wait()
		var spent *supervisor.IntensityError
		require.ErrorAs(t, err, &spent)
		require.ErrorIs(t, err, boom)
	})
}

func TestActorEvents(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		got := make(chan protocol.ID, 10)
		props := actor.PropsFromFunc(func(ctx actor.Context) {
			if m, ok := ctx.Message().(*Event); ok {
				if m.Publication() == 1 {
					panic("boom")
				}
				got <- m.Publication()
			}
		})
		pid := h.system.Root.Spawn(props)
		defer h.system.Root.Stop(pid)
		c := newTestComponent(t, h, f.transport())
		c.subscribe("com.spawned", Spawn(props))
		c.subscribe("com.pid", To(pid))
		c.join()
		f.last().send(&protocol.Event{Subscription: 201, Publication: 1}, &protocol.Event{Subscription: 201, Publication: 2})
		require.Equal(t, protocol.ID(2), <-got)
		f.last().send(&protocol.Event{Subscription: 202, Publication: 3})
		require.Equal(t, protocol.ID(3), <-got)
		require.Len(t, eventsOf[*supervisor.HandlerPanicked](c), 1)
		require.NoError(t, c.stop())
	})
}

// asker is an actor of a user that talks to a component.
type asker struct {
	component *actor.PID
	got       chan any
}

type ask struct{ message any }

func (a *asker) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *ask:
		ctx.Request(a.component, m.message)
	case *CallResult, *Published, *Joined, *Left, *Ended:
		a.got <- m
	}
}

func TestActorAsksComponent(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(func(c *fakeConn) {
			c.on = func(m protocol.Message) {
				switch m := m.(type) {
				case *protocol.Call:
					if m.Options.ReceiveProgress {
						c.send(&protocol.Result{Request: m.Request, Details: protocol.ResultDetails{Progress: true}})
					}
					c.send(&protocol.Result{Request: m.Request, Payload: m.Payload})
				case *protocol.Publish:
					if m.Options.Acknowledge {
						c.send(&protocol.Published{Request: m.Request, Publication: 99})
					}
				default:
					c.accept(m)
				}
			}
		})
		c := newTestComponent(t, h, f.transport())
		release := make(chan struct{})
		c.cfg.Listeners.OnStart(func(context.Context) error { <-release; return nil })
		c.start()
		a := &asker{component: c.pid, got: make(chan any, 10)}
		pid := h.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return a }))
		send := func(m any) { h.system.Root.Send(pid, &ask{m}) }

		send(&Call{Procedure: "com.x"})
		require.ErrorIs(t, (<-a.got).(*CallResult).Err, session.ErrNotJoined)
		send(&Publish{Topic: "com.x"})
		require.ErrorIs(t, (<-a.got).(*Published).Err, session.ErrNotJoined)
		send(&WatchSession{})
		close(release)
		s := c.next()
		require.Same(t, s, (<-a.got).(*Joined).Session)

		send(&Call{Procedure: "com.x", Args: []any{1, "a"}, KwArgs: map[string]any{"k": 1}, Ref: "mine"})
		res := (<-a.got).(*CallResult)
		require.NoError(t, res.Err)
		require.Equal(t, "mine", res.Call.Ref)
		args, err := res.Result.Args()
		require.NoError(t, err)
		require.Equal(t, []any{int64(1), "a"}, args)
		send(&Call{Procedure: "com.x", Options: []session.CallOption{session.OnProgress(func(*session.Result) {})}})
		require.True(t, (<-a.got).(*CallResult).Result.Details.Progress)
		require.False(t, (<-a.got).(*CallResult).Result.Details.Progress)
		send(&Call{Procedure: "not valid"})
		require.Equal(t, protocol.ErrorInvalidURI, session.ErrorURI((<-a.got).(*CallResult).Err))

		send(&Publish{Topic: "com.x", Args: []any{1}})
		require.Equal(t, protocol.ID(0), (<-a.got).(*Published).ID)
		send(&Publish{Topic: "com.x", Options: []session.PublishOption{session.Acknowledge()}})
		require.Equal(t, protocol.ID(99), (<-a.got).(*Published).ID)
		h.send(c.pid, &Publish{Topic: "com.x"}) // nobody to answer to

		f.last().pipe.Close(nil)
		require.ErrorIs(t, (<-a.got).(*Left).Reason, session.ErrClosed)
		c.next()
		require.NotSame(t, s, (<-a.got).(*Joined).Session)
		send(&UnwatchSession{})
		synctest.Wait()
		f.last().pipe.Close(nil)
		c.next()
		require.Empty(t, a.got)
		send(&WatchSession{})
		<-a.got
		require.NoError(t, c.stop())
		require.IsType(t, &Left{}, <-a.got)
		require.NoError(t, (<-a.got).(*Ended).Err)
		h.system.Root.Stop(pid)
	})
}

// TestComponentInOwnSystem has a component live under an actor of the user's system.
func TestComponentInOwnSystem(t *testing.T) {
	bubble(t, func(t *testing.T, _ *Host) {
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
		h := NewHost(HostConfig{System: system})
		defer h.Close()
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		props, err := ComponentProps(h, c.cfg)
		require.NoError(t, err)
		gone := make(chan string, 1)
		parent := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *actor.Started:
				_, err := ctx.SpawnNamed(props, "wamp")
				require.NoError(t, err)
			case *actor.Terminated:
				gone <- m.Who.Id
			}
		}))
		s := c.next()
		require.NoError(t, s.Leave(t.Context()))
		require.Equal(t, parent.Id+"/wamp", <-gone)
		require.NoError(t, c.wait())
		system.Root.Stop(parent)
	})
}

// TestStoppedPID: Proto.Actor's own way to stop an actor cuts the connection and leaves nothing.
func TestStoppedPID(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		s := c.join()
		h.system.Root.Stop(c.pid)
		require.ErrorIs(t, c.wait(), errStopped)
		require.ErrorIs(t, s.Err(), session.ErrClosed)
		synctest.Wait()
		require.True(t, f.last().closed())
		require.Empty(t, actorsBelow(h, c.pid))
	})
	t.Run("dialing", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			tr := f.transport()
			dial := tr.Pipe
			tr.Pipe = func(ctx context.Context) (*transport.PipeEnd, error) {
				time.Sleep(time.Second) //nolint:forbidigo // does not listen to ctx, on a fake clock
				return dial(ctx)
			}
			c := newTestComponent(t, h, tr).start()
			synctest.Wait()
			h.system.Root.Stop(c.pid)
			require.ErrorIs(t, c.wait(), errStopped)
			settle(2 * time.Second)
			require.True(t, f.last().closed(), "what the dialing opened is closed")
		})
	})
}

func TestTicketAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(func(c *fakeConn) {
			c.on = func(m protocol.Message) {
				switch m := m.(type) {
				case *protocol.Hello:
					require.Equal(t, []string{"ticket"}, m.Details.AuthMethods)
					require.Equal(t, "joe", m.Details.AuthID)
					c.send(&protocol.Challenge{Method: "ticket"})
				case *protocol.Authenticate:
					if m.Signature != "ticket 2" {
						c.send(&protocol.Abort{Reason: protocol.ErrorAuthenticationFailed})
						return
					}
					c.accept(&protocol.Hello{})
				default:
					c.accept(m)
				}
			}
		})
		c := newTestComponent(t, h, f.transport())
		n := 0
		c.cfg.Auth = []session.Authenticator{session.TicketFunc("joe", func(ctx context.Context) (string, error) {
			n++
			if n == 3 {
				return "", errors.New("vault is sealed")
			}
			return []string{"", "ticket 1", "ticket 2", "", "ticket 2"}[n], ctx.Err()
		})}
		c.join()
		require.Equal(t, 2, n, "a fresh ticket for each attempt")
		f.last().pipe.Close(nil)
		c.next()
		require.Equal(t, 4, n)
		failed := eventsOf[*supervisor.ConnectFailed](c)
		require.Len(t, failed, 2)
		require.ErrorContains(t, failed[1].Err, "vault is sealed")
		abort := received[*protocol.Abort](f.conns[2])
		require.Len(t, abort, 1)
		require.Equal(t, protocol.ErrorCannotAuthenticate, abort[0].Reason)
		require.Empty(t, abort[0].Details.Message, "why stays on this side")
		require.NoError(t, c.stop())
	})
}

func TestFlowControl(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		flow := new(outflow)
		p := &poster{host: h}
		p.flow.Store(flow)
		flow.queued.Store(awaitMark)
		require.NoError(t, p.Await(t.Context()), "at the mark")
		flow.queued.Store(awaitMark + 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, p.Await(ctx), context.DeadlineExceeded)
		passed := make(chan error, 1)
		go func() { passed <- p.Await(t.Context()) }()
		synctest.Wait()
		flow.queued.Store(awaitMark/2 + 1)
		settle(time.Second)
		require.Empty(t, passed)
		flow.queued.Store(awaitMark / 2)
		require.NoError(t, <-passed)
		flow.queued.Store(awaitMark + 1)
		flow.dead.Store(true)
		require.NoError(t, p.Await(t.Context()), "a connection that is over holds up nobody")
	})
}
