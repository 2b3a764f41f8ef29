package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// refuses is a polite router that refuses the first n registrations and subscriptions.
func refuses(n int, reason protocol.URI) part {
	return func(l *link, m protocol.Message) {
		switch m := m.(type) {
		case *protocol.Register:
			if n--; n >= 0 {
				l.send(&protocol.Error{RequestType: protocol.TypeRegister, Request: m.Request, Error: reason})
				return
			}
		case *protocol.Subscribe:
			if n--; n >= 0 {
				l.send(&protocol.Error{RequestType: protocol.TypeSubscribe, Request: m.Request, Error: reason})
				return
			}
		}
		polite(l, m)
	}
}

// A declaration that the router refuses gives up the session and is tried again with growing delays, or ends the component
// if the refusal is permanent; with RefusedIsReported the component goes on without it.
func TestBehaviour34_RefusedDeclarations(t *testing.T) {
	t.Parallel()
	declare := map[string]func(c *observed){
		"procedure": func(c *observed) { c.Register("com.it", func() {}) },
		"topic":     func(c *observed) { c.Subscribe("com.it", func() {}) },
	}
	for kind, it := range declare {
		t.Run(kind, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				tr := perform(refuses(3, protocol.ErrorProcedureAlreadyExists)).transport()
				tr.Backoff = supervisor.Backoff{Initial: time.Second, Growth: 2, Jitter: supervisor.NoJitter}
				c := observe(t, cloverleaf.Config{}, tr)
				it(c)
				start := time.Now()
				c.join()
				require.Equal(t, 7*time.Second, time.Since(start), "1 s, 2 s, 4 s")
				refused := happened[*supervisor.DeclarationRefused](c)
				require.Len(t, refused, 3)
				require.Equal(t, "com.it", refused[0].URI)
				require.Equal(t, kind, string(refused[0].Kind))
				require.Len(t, happened[*supervisor.Ready](c), 1)

				p := perform(refuses(1, protocol.ErrorNotAuthorized))
				c = observe(t, cloverleaf.Config{}, p.transport())
				it(c)
				var reason error
				c.OnLeave(func(_ context.Context, _ *session.Session, r error) { reason = r })
				require.NoError(t, c.Start(t.Context()))
				err := c.Wait()
				require.ErrorContains(t, reason, kind+" com.it", "listeners learn why, too")
				require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err))
				require.ErrorContains(t, err, kind+" com.it")
				require.Len(t, sent[*protocol.Goodbye](p.last()), 1)

				c = observe(t, cloverleaf.Config{OnRefused: cloverleaf.RefusedIsReported}, perform(refuses(1, protocol.ErrorNotAuthorized)).transport())
				it(c)
				c.Register("com.other", func() {})
				c.join()
				require.Len(t, happened[*supervisor.DeclarationRefused](c), 1)
			})
		})
	}
}

// leaky is a way to a router over which the latest connection can be cut, without the router's noticing until it is told.
func leaky(r *cloverleaf.Router) (tr cloverleaf.Transport, cut, notice func()) {
	var near, far *transport.PipeEnd
	var lost []*transport.PipeEnd
	tr = cloverleaf.Transport{Backoff: patient, Pipe: func(context.Context) (*transport.PipeEnd, error) {
		client, a := transport.Pipe()
		b := r.Pipe()
		near, far = a, b
		b.Receive(func(msgs []protocol.Message) { _ = a.Send(msgs) })
		a.Receive(func(msgs []protocol.Message) { _ = b.Send(msgs) })
		return client, nil
	}}
	cut = func() {
		lost = append(lost, far)
		near.Close(errors.New("cable cut"))
	}
	notice = func() {
		for _, end := range lost {
			end.Close(nil)
		}
	}
	return tr, cut, notice
}

// Declared procedures are registered again after a reconnect, even if the router still has the session that was lost: the
// component waits until it has noticed, or takes the procedure over at once with ForceReregister.
func TestBehaviour35_Reregistration(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts  []session.RegisterOption
		after time.Duration // the cut
	}{
		"waits": {nil, 31 * time.Second},
		"force": {[]session.RegisterOption{session.ForceReregister()}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r, tr := embedded(t, cloverleaf.RouterConfig{})
				caller := observe(t, cloverleaf.Config{}, tr).join()
				way, cut, notice := leaky(r)
				c := observe(t, cloverleaf.Config{}, way)
				c.Register("com.who", func(ctx context.Context) uint64 {
					s, _ := session.FromContext(ctx)
					return uint64(s.ID())
				}, tt.opts...)
				s := c.join()
				start := time.Now()
				time.AfterFunc(30*time.Second+time.Second/2, notice)
				cut()
				again := c.next(s)
				require.Equal(t, tt.after, time.Since(start))
				for range 3 {
					id, err := session.Call[uint64](t.Context(), caller, "com.who")
					require.NoError(t, err)
					require.Equal(t, again.ID(), protocol.ID(id))
				}
				pass(time.Minute) // the end of the old session does no harm
				_, err := session.Call[uint64](t.Context(), caller, "com.who")
				require.NoError(t, err)
			})
		})
	}
}

type point struct{ X, Y int }

// Handlers may return nothing, one value, several, keyword values, or a struct, and callers get just that.
func TestBehaviour36_ResultShapes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		c := observe(t, cloverleaf.Config{}, tr)
		c.Register("com.none", func() {})
		c.Register("com.one", func() string { return "one" })
		c.Register("com.nil", func() any { return nil })
		c.Register("com.many", func() (int, string, []bool) { return 1, "two", []bool{true} })
		c.Register("com.kw", func() session.Reply {
			return session.Reply{Args: []any{1}, KwArgs: map[string]any{"city": "Riga", "options": true}}
		})
		c.Register("com.only_kw", func() session.Reply { return session.Reply{KwArgs: struct{ City string }{"Riga"}} })
		c.Register("com.struct", func() point { return point{1, 2} })
		c.Register("com.pointer", func() (*point, error) { return &point{3, 4}, nil })
		s := c.join()
		for name, want := range map[string]struct {
			args   []any
			kwargs map[string]any
		}{
			"none":    {},
			"one":     {args: []any{"one"}},
			"nil":     {args: []any{nil}},
			"many":    {args: []any{int64(1), "two", []any{true}}},
			"kw":      {[]any{int64(1)}, map[string]any{"city": "Riga", "options": true}},
			"only_kw": {kwargs: map[string]any{"City": "Riga"}},
			"struct":  {args: []any{map[string]any{"X": int64(1), "Y": int64(2)}}},
		} {
			res, err := s.Call(t.Context(), "com."+name)
			require.NoError(t, err, name)
			args, err := res.Args()
			require.NoError(t, err, name)
			require.Equal(t, want.args, args, name)
			kwargs, err := res.KwArgs()
			require.NoError(t, err, name)
			require.Equal(t, want.kwargs, kwargs, name)
		}
		p, err := session.Call[point](t.Context(), s, "com.pointer")
		require.NoError(t, err)
		require.Equal(t, point{3, 4}, p)
		_, err = session.Call[struct{}](t.Context(), s, "com.none")
		require.NoError(t, err)
		_, err = session.Call[string](t.Context(), s, "com.struct")
		require.Equal(t, protocol.ErrorInvalidArgument, session.ErrorURI(err))
	})
}

var errSoldOut = errors.New("sold out")

// stockError is an error with data.
type stockError struct {
	Item string
	Left int
}

func (e *stockError) Error() string { return fmt.Sprintf("%d of %s left", e.Left, e.Item) }

// Errors cross the wire both ways: a defined Go error becomes its URI with its values and that URI the Go error again, an
// error without a URI becomes a runtime error, a URI without a definition a WAMP error, and all that survives a reconnect.
func TestBehaviour37_ErrorMapping(t *testing.T) {
	virtual(t, func(t *testing.T) {
		errs := new(session.ErrorMap)
		errs.Define("com.error.sold_out", errSoldOut)
		session.DefineError(errs, "com.error.stock",
			func(e *stockError) ([]any, map[string]any) { return []any{e.Item}, map[string]any{"left": e.Left} },
			func(e *session.Error) (*stockError, error) {
				var kw struct {
					Left int `msgpack:"left"`
				}
				s := new(stockError)
				err := errors.Join(e.Decode(&s.Item), e.DecodeKw(&kw))
				s.Left = kw.Left
				return s, err
			})
		r, tr := embedded(t, cloverleaf.RouterConfig{})
		way, cut, notice := leaky(r)
		callee := observe(t, cloverleaf.Config{Name: "callee", Errors: errs}, tr)
		answers := map[string]error{
			"sentinel": fmt.Errorf("shop: %w", errSoldOut),
			"typed":    &stockError{Item: "tea", Left: 3},
			"plain":    errors.New("out of order"),
			"wamp":     &session.Error{URI: "com.error.own", Args: []any{"a", 1}, KwArgs: map[string]any{"b": 2}},
			"garbled":  &session.Error{URI: "com.error.stock", Args: []any{7}},
		}
		for name, err := range answers {
			callee.Register("com."+name, func() error { return err })
		}
		callee.join()
		caller := observe(t, cloverleaf.Config{Name: "caller", Errors: errs}, way)
		s := caller.join()
		for range 2 {
			requireMapped(t, s)
			cut()
			notice()
			s = caller.next(s)
		}
	})
}

func requireMapped(t *testing.T, s *session.Session) {
	t.Helper()
	call := func(name string) (e *session.Error, err error) {
		_, err = s.Call(t.Context(), "com."+name)
		require.ErrorAs(t, err, &e)
		require.True(t, e.Remote())
		return e, err
	}
	e, err := call("sentinel")
	require.ErrorIs(t, err, errSoldOut)
	require.Equal(t, protocol.URI("com.error.sold_out"), e.URI)
	_, err = call("typed")
	var stock *stockError
	require.ErrorAs(t, err, &stock)
	require.Equal(t, stockError{"tea", 3}, *stock)
	e, _ = call("plain")
	require.Equal(t, protocol.ErrorRuntime, e.URI)
	require.Equal(t, []any{"out of order"}, e.Args)
	e, _ = call("wamp")
	require.Equal(t, protocol.URI("com.error.own"), e.URI)
	require.Equal(t, []any{"a", int64(1)}, e.Args)
	require.Equal(t, map[string]any{"b": int64(2)}, e.KwArgs)
	e, err = call("garbled")
	require.False(t, errors.As(err, &stock), "what cannot be made is left as it is")
	require.Equal(t, protocol.URI("com.error.stock"), e.URI)
}

// count sends so many progressive results with positional and keyword values in turn. It fails at the end if there are 3.
func count(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
	var n int
	err := inv.Decode(&n)
	for i := 0; i < n && err == nil; i++ {
		err = errors.Join(inv.Progress(ctx, i), inv.Yield(ctx, session.Reply{KwArgs: map[string]any{"i": i}}))
	}
	if err == nil && n == 3 {
		err = session.NewError("com.error.three")
	}
	return session.Reply{Args: []any{inv.Details.ReceiveProgress}}, err
}

// Progressive results reach whoever asks for them, in order, with keyword values or without; a callee may fail after some,
// and one that is not asked for any sends none.
func TestBehaviour38_ProgressiveResults(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		c := observe(t, cloverleaf.Config{}, tr)
		c.Register("com.count", count)
		s := c.join()
		for n, want := range map[int]string{
			0: "",
			2: "[0]map[];[]map[i:0];[1]map[];[]map[i:1];",
			3: "[0]map[];[]map[i:0];[1]map[];[]map[i:1];[2]map[];[]map[i:2];",
		} {
			var got strings.Builder
			res, err := s.Call(t.Context(), "com.count", session.Args(n), session.OnProgress(func(r *session.Result) {
				require.True(t, r.Details.Progress)
				args, err := r.Args()
				require.NoError(t, err)
				kwargs, err := r.KwArgs()
				require.NoError(t, err)
				fmt.Fprintf(&got, "%v%v;", args, kwargs)
			}))
			require.Equal(t, want, got.String())
			if n == 3 {
				require.Equal(t, protocol.URI("com.error.three"), session.ErrorURI(err))
				continue
			}
			asked, err := session.As[bool](res, err)
			require.NoError(t, err)
			require.True(t, asked)
		}
		asked, err := session.Call[bool](t.Context(), s, "com.count", 2)
		require.NoError(t, err)
		require.False(t, asked)
	})
}

// A call whose context is done is canceled in the mode that was asked for: the callee's context ends, the caller has its
// answer at once unless it wants to wait for the callee, and an answer that comes too late is ignored.
func TestBehaviour39_CallCanceling(t *testing.T) {
	t.Parallel()
	for _, mode := range []protocol.CancelMode{"", protocol.CancelKillNoWait, protocol.CancelKill, protocol.CancelSkip} {
		t.Run(fmt.Sprintf("callee %s", mode), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				_, tr := embedded(t, cloverleaf.RouterConfig{})
				c, j := observe(t, cloverleaf.Config{}, tr), new(journal)
				c.Register("com.slow", func(ctx context.Context) error {
					select {
					case <-ctx.Done():
						j.add("interrupted")
					case <-time.After(10 * time.Second):
						j.add("done")
					}
					return ctx.Err()
				})
				s := c.join()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				var opts []session.CallOption
				if mode != "" {
					opts = append(opts, session.OnCancel(mode))
				}
				start := time.Now()
				_, err := s.Call(ctx, "com.slow", opts...)
				require.Equal(t, protocol.ErrorCanceled, session.ErrorURI(err))
				require.Equal(t, time.Second, time.Since(start))
				if mode != protocol.CancelKill {
					require.ErrorIs(t, err, context.Canceled)
				}
				pass(time.Minute)
				want := "interrupted"
				if mode == protocol.CancelSkip {
					want = "done"
				}
				require.Equal(t, []string{want}, j.all())
				require.NoError(t, s.Err())
			})
		})
	}
	t.Run("late result", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(polite)
			s := observe(t, cloverleaf.Config{}, p.transport()).join()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := s.Call(ctx, "com.slow")
			require.ErrorIs(t, err, context.Canceled)
			synctest.Wait()
			request := sent[*protocol.Call](p.last())[0].Request
			canceled := sent[*protocol.Cancel](p.last())
			require.Len(t, canceled, 1)
			require.Equal(t, request, canceled[0].Request)
			require.Equal(t, protocol.CancelKillNoWait, canceled[0].Mode)
			p.last().send(&protocol.Result{Request: request}, &protocol.Error{RequestType: protocol.TypeCall, Request: request, Error: protocol.ErrorCanceled})
			pass(time.Second)
			require.NoError(t, s.Err(), "no violation")
		})
	})
}

// A call timeout is sent in milliseconds, rounded up, and kept by this side if the router does not do it, also for calls
// that nobody waits for; the error is wamp.error.timeout, as it is when the deadline of the context passes.
func TestBehaviour40_CallTimeout(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		s := c.join()
		timeout := session.Timeout(1499*time.Millisecond + time.Microsecond)
		requireTimeout := func(err error, start time.Time) {
			t.Helper()
			require.Equal(t, protocol.ErrorTimeout, session.ErrorURI(err))
			require.Equal(t, 1500*time.Millisecond, time.Since(start))
			synctest.Wait()
			calls, cancels := sent[*protocol.Call](p.last()), sent[*protocol.Cancel](p.last())
			require.Len(t, cancels, len(calls))
			require.Equal(t, calls[len(calls)-1].Request, cancels[len(cancels)-1].Request)
		}
		start := time.Now()
		_, err := s.Call(t.Context(), "com.slow", timeout)
		require.EqualValues(t, 1500, sent[*protocol.Call](p.last())[0].Options.Timeout)
		requireTimeout(err, start)

		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = s.Call(ctx, "com.slow")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireTimeout(err, start)

		results := make(chan error, 2)
		start = time.Now()
		s.CallAsync("com.slow", func(_ *session.Result, err error) { results <- err }, timeout)
		requireTimeout(<-results, start)
		pass(time.Hour)
		require.Empty(t, results)

		_, tr := embedded(t, cloverleaf.RouterConfig{}) // which enforces it itself
		c = observe(t, cloverleaf.Config{}, tr)
		c.Register("com.slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		s = c.join()
		start = time.Now()
		_, err = s.Call(t.Context(), "com.slow", timeout)
		require.Equal(t, protocol.ErrorTimeout, session.ErrorURI(err))
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
	})
}

// An INTERRUPT ends the context of the handler, and what the handler makes of that is sent as wamp.error.canceled.
func TestBehaviour41_Interrupt(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		c.Register("com.slow", func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("gave up: %w", ctx.Err())
		})
		s := c.join()
		p.last().send(&protocol.Invocation{Request: 1, Registration: 101}, &protocol.Interrupt{Request: 1, Mode: protocol.CancelKill})
		synctest.Wait()
		failed := sent[*protocol.Error](p.last())
		require.Len(t, failed, 1)
		require.Equal(t, protocol.TypeInvocation, failed[0].RequestType)
		require.Equal(t, protocol.ErrorCanceled, failed[0].Error)
		p.last().send(&protocol.Interrupt{Request: 1, Mode: protocol.CancelKill}) // too late
		pass(time.Second)
		require.NoError(t, s.Err())
	})
}

// Everything that waits for the router fails with an *EndedError that says why when the session ends, before the listeners
// for leave are told.
func TestBehaviour42_PendingRequests(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		end func(c *observed, l *link)
		how session.End
	}{
		"goodbye": {func(_ *observed, l *link) { l.send(&protocol.Goodbye{Reason: "com.bye"}) }, session.EndGoodbye},
		"abort":   {func(_ *observed, l *link) { l.send(&protocol.Abort{Reason: "com.bye"}) }, session.EndAborted},
		"loss":    {func(_ *observed, l *link) { l.cut() }, session.EndLost},
		"stop":    {func(c *observed, _ *link) { _ = c.Stop(c.t.Context()) }, session.EndLeft},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p := perform(func(l *link, m protocol.Message) {
					switch m.(type) {
					case *protocol.Hello, *protocol.Goodbye:
						polite(l, m)
					}
				})
				c := observe(t, cloverleaf.Config{}, p.transport())
				results, failures := make(chan error, 10), new(atomic.Int32)
				say := func(err error) { failures.Add(1); results <- err }
				c.OnLeave(func(context.Context, *session.Session, error) {
					takes(time.Nanosecond) // for those who wait to say so
					require.EqualValues(t, 5, failures.Load())
				})
				s := c.join()
				go func() { _, err := s.Call(t.Context(), "com.x"); say(err) }()
				go func() { _, err := s.Publish(t.Context(), "com.x", session.Acknowledge()); say(err) }()
				go func() { _, err := s.Register(t.Context(), "com.x", func() {}); say(err) }()
				go func() { _, err := s.Subscribe(t.Context(), "com.x", func() {}); say(err) }()
				s.CallAsync("com.x", func(_ *session.Result, err error) { say(err) })
				synctest.Wait()
				require.Empty(t, results)
				tt.end(c, p.last())
				for range 5 {
					var ended *session.EndedError
					require.ErrorAs(t, <-results, &ended)
					require.Equal(t, tt.how, ended.How)
					require.True(t, ended.Joined)
				}
			})
		})
	}
}

// Without a session calls and publications fail at once, and Ready is there for those who want to wait for one.
func TestBehaviour43_NotConnected(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite, nil, nil, polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		runtime := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
		require.NoError(t, runtime.Start(t.Context(), c.Component))
		s := c.next(nil)
		start := time.Now()
		p.last().cut()
		<-s.Done()
		synctest.Wait()
		_, ok := c.Session()
		require.False(t, ok)
		_, err := s.Call(t.Context(), "com.x")
		require.ErrorIs(t, err, session.ErrClosed)
		_, err = s.Publish(t.Context(), "com.x")
		require.ErrorIs(t, err, session.ErrClosed)
		_, err = s.Register(t.Context(), "com.x", func() {})
		require.ErrorIs(t, err, session.ErrClosed)
		require.ErrorIs(t, ask(runtime.System(), c, &actors.Call{Procedure: "com.x"}), session.ErrNotJoined)
		require.ErrorIs(t, ask(runtime.System(), c, &actors.Publish{Topic: "com.x"}), session.ErrNotJoined)
		require.Zero(t, time.Since(start))
		again, err := c.Ready(t.Context())
		require.NoError(t, err)
		require.NotSame(t, s, again)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.NoError(t, runtime.Stop(t.Context()))
	})
}

// ask sends a message to the component as an actor would, and returns the error of the answer.
func ask(system *actor.ActorSystem, c *observed, m any) error {
	answers := make(chan error, 1)
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch a := ctx.Message().(type) {
		case *actor.Started:
			ctx.Request(c.PID(), m)
		case *actors.CallResult:
			answers <- a.Err
		case *actors.Published:
			answers <- a.Err
		}
	}))
	defer system.Root.Stop(pid)
	return <-answers
}

// Values that cannot be encoded and messages that are too long fail where they are made, with an error that says so, and
// the connection goes on; what a callee cannot send becomes an error for its caller.
func TestBehaviour44_BadPayloads(t *testing.T) {
	t.Parallel()
	const limit = 4096
	r := startRouter(t, cloverleaf.RouterConfig{Transport: transport.ServerConfig{Options: transport.Options{MaxMessageSize: limit}}})
	c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: listenURL(t, r, "rs")}})
	long := strings.Repeat("x", limit)
	c.Register("com.echo", func(x any) any { return x })
	c.Register("com.chan", func() any { return make(chan int) })
	c.Register("com.long", func() any { return long })
	c.Register("com.long_error", func() error { return session.NewError("com.error", long) })
	s := c.join()
	for want, values := range map[protocol.URI][]any{
		protocol.ErrorInvalidPayload:      {make(chan int), func() {}, map[string]any{"x": make(chan int)}},
		protocol.ErrorPayloadSizeExceeded: {long, []byte(long), []any{long}},
	} {
		for _, v := range values {
			_, err := s.Call(t.Context(), "com.echo", session.Args(v))
			require.Equal(t, want, session.ErrorURI(err))
			require.False(t, session.IsRemote(err))
			_, err = s.Publish(t.Context(), "com.topic", session.Args(v))
			require.Equal(t, want, session.ErrorURI(err))
			_, err = s.Publish(t.Context(), "com.topic", session.Args(v), session.Acknowledge())
			require.Equal(t, want, session.ErrorURI(err))
			_, err = s.Publish(t.Context(), "com.topic", session.KwArgs(map[string]any{"v": v}))
			require.Equal(t, want, session.ErrorURI(err))
		}
	}
	for procedure, want := range map[string]protocol.URI{
		"com.chan": protocol.ErrorInvalidPayload, "com.long": protocol.ErrorPayloadSizeExceeded, "com.long_error": protocol.ErrorPayloadSizeExceeded,
	} {
		_, err := s.Call(t.Context(), procedure)
		require.Equal(t, want, session.ErrorURI(err), procedure)
		require.True(t, session.IsRemote(err))
	}
	v, err := session.Call[string](t.Context(), s, "com.echo", "still here")
	require.NoError(t, err)
	require.Equal(t, "still here", v)
	require.NoError(t, s.Err())
	c.stop()
}

// Callees that share a procedure are chosen by its invocation policy; what one callee cannot take waits for its turn, and
// beyond the limit of its session the caller is told.
func TestBehaviour49_SharedProcedures(t *testing.T) {
	t.Parallel()
	for policy, want := range map[protocol.InvokePolicy]string{
		protocol.InvokeSingle: "aaaaaa", protocol.InvokeFirst: "aaaaaa", protocol.InvokeLast: "cccccc",
		protocol.InvokeRoundRobin: "abcabc", protocol.InvokeRandom: "",
	} {
		t.Run(string(policy), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := sharedProcedure(t, policy)
				calls := func(n int) (names string) {
					for range n {
						name, err := session.Call[string](t.Context(), s, "com.who")
						require.NoError(t, err)
						names += name
					}
					return names
				}
				if want == "" {
					require.Subset(t, strings.Split(calls(100), ""), []string{"a", "b", "c"})
					return
				}
				require.Equal(t, want, calls(6))
			})
		})
	}
	t.Run("concurrency", func(t *testing.T) { virtual(t, requireConcurrency) })
}

// sharedProcedure has a, b and c register a procedure, in this order, and returns the session of a caller.
func sharedProcedure(t *testing.T, policy protocol.InvokePolicy) *session.Session {
	t.Helper()
	_, tr := embedded(t, cloverleaf.RouterConfig{})
	for _, name := range []string{"a", "b", "c"} {
		s := observe(t, cloverleaf.Config{Name: name}, tr).join()
		_, err := s.Register(t.Context(), "com.who", func() string { return name }, session.Invoke(policy))
		if policy == protocol.InvokeSingle && name != "a" {
			require.Equal(t, protocol.ErrorProcedureAlreadyExists, session.ErrorURI(err))
			continue
		}
		require.NoError(t, err)
	}
	return observe(t, cloverleaf.Config{Name: "caller"}, tr).join()
}

func requireConcurrency(t *testing.T) {
	t.Helper()
	_, tr := embedded(t, cloverleaf.RouterConfig{})
	c := observe(t, cloverleaf.Config{MaxInvocations: 4}, tr)
	c.Register("com.slow", func() { takes(time.Second) }, session.Concurrency(2))
	c.join()
	caller := observe(t, cloverleaf.Config{Name: "caller"}, tr).join()
	j := &journal{start: time.Now()}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, err := caller.Call(t.Context(), "com.slow")
			j.add("%s", session.ErrorURI(err))
		})
	}
	all.Wait()
	limit := string(protocol.ErrorLimitExceeded)
	require.Equal(t, []string{limit, limit, "", "", "", ""}, j.all())
	require.Equal(t, []float64{0, 0, 1, 1, 2, 2}, j.seconds())
}

// Who calls and who publishes is disclosed if the caller, the publisher or the callee asks for it and the router allows
// it, and otherwise not.
func TestBehaviour50_Disclosure(t *testing.T) {
	virtual(t, func(t *testing.T) {
		realms := []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{
			router.Tickets{"joe": {Ticket: "x", Role: "user"}}, router.Anonymous{},
		}}}
		_, tr := embedded(t, cloverleaf.RouterConfig{Realms: realms})
		callee := observe(t, cloverleaf.Config{Name: "callee"}, tr)
		who := func(inv *session.Invocation) []any {
			return []any{uint64(inv.Details.Caller), inv.Details.CallerAuthID, inv.Details.CallerAuthRole}
		}
		events := make(chan protocol.EventDetails, 1)
		callee.Register("com.quiet", who)
		callee.Register("com.curious", who, session.DiscloseCaller())
		callee.Subscribe("com.topic", func(ev *session.Event) { events <- ev.Details })
		callee.join()
		s := observe(t, cloverleaf.Config{Name: "joe", Auth: []session.Authenticator{session.Ticket("joe", "x")}}, tr).join()
		known := []any{s.ID(), "joe", "user"}
		for _, tt := range []struct {
			procedure string
			opts      []session.CallOption
			want      []any
		}{
			{"com.quiet", nil, []any{protocol.ID(0), "", ""}},
			{"com.quiet", []session.CallOption{session.DiscloseMe()}, known},
			{"com.curious", nil, known},
		} {
			got, err := session.As[[]any](s.Call(t.Context(), tt.procedure, tt.opts...))
			require.NoError(t, err)
			require.EqualValues(t, tt.want[0], got[0])
			require.Equal(t, tt.want[1:], got[1:])
		}
		_, err := s.Publish(t.Context(), "com.topic")
		require.NoError(t, err)
		require.Equal(t, protocol.EventDetails{}, <-events)
		_, err = s.Publish(t.Context(), "com.topic", session.DiscloseMe())
		require.NoError(t, err)
		require.Equal(t, protocol.EventDetails{Publisher: s.ID(), PublisherAuthID: "joe", PublisherAuthRole: "user"}, <-events)

		_, tr = embedded(t, cloverleaf.RouterConfig{Session: router.SessionConfig{HideIdentities: true}})
		hidden := observe(t, cloverleaf.Config{Name: "hidden"}, tr)
		hidden.Register("com.quiet", who)
		s = hidden.join()
		_, err = s.Call(t.Context(), "com.quiet", session.DiscloseMe())
		require.Equal(t, protocol.ErrorDiscloseMeDisallowed, session.ErrorURI(err))
		_, err = s.Publish(t.Context(), "com.topic", session.DiscloseMe(), session.Acknowledge())
		require.Equal(t, protocol.ErrorDiscloseMeDisallowed, session.ErrorURI(err))
	})
}

// Keyword values of the user may have any name, also those that options and details have elsewhere.
func TestBehaviour53_KeywordNames(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		c := observe(t, cloverleaf.Config{}, tr)
		events := make(chan map[string]any, 1)
		c.Register("com.echo", func(kw session.Kw[map[string]any]) session.Reply { return session.Reply{KwArgs: kw.Value} })
		c.Register("com.fail", func(kw session.Kw[map[string]any]) error {
			return &session.Error{URI: "com.error", KwArgs: kw.Value}
		})
		c.Subscribe("com.topic", func(kw session.Kw[map[string]any]) { events <- kw.Value })
		s := c.join()
		kw := map[string]any{}
		for _, name := range []string{
			"options", "details", "callee", "callee_authid", "callee_authrole", "caller", "forward_for", "enc_algo", "progress",
			"acknowledge", "exclude_me", "timeout", "self", "procedure", "topic", "args", "kwargs",
		} {
			kw[name] = name
		}
		res, err := s.Call(t.Context(), "com.echo", session.KwArgs(kw))
		require.NoError(t, err)
		got, err := res.KwArgs()
		require.NoError(t, err)
		require.Equal(t, kw, got)
		_, err = s.Call(t.Context(), "com.fail", session.KwArgs(kw))
		var e *session.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, kw, e.KwArgs)
		_, err = s.Publish(t.Context(), "com.topic", session.KwArgs(kw), session.ExcludeMe(false))
		require.NoError(t, err)
		require.Equal(t, kw, <-events)
	})
}

// URIs are checked by the loose rules before they are sent, and by the router by the strict ones if it wants; nobody but
// the router registers or publishes below wamp.
func TestBehaviour54_URIs(t *testing.T) {
	virtual(t, func(t *testing.T) {
		for _, strict := range []bool{false, true} {
			_, tr := embedded(t, cloverleaf.RouterConfig{Session: router.SessionConfig{StrictURIs: strict}})
			s := observe(t, cloverleaf.Config{}, tr).join()
			for _, uri := range []string{"", "com..x", "com.x.", ".com", "com x", "com#x", "com.\tx"} {
				requireURI(t, s, uri, protocol.ErrorInvalidURI)
			}
			requireURI(t, s, "com.x_1.y", "")
			want := protocol.URI("")
			if strict {
				want = protocol.ErrorInvalidURI
			}
			for _, uri := range []string{"com.Upper", "com.süß", "com.x-y", "com.(x)"} {
				requireURI(t, s, uri, want)
			}
			for _, uri := range []string{"wamp.mine", "wamp.session.get"} {
				_, err := s.Register(t.Context(), uri, func() {})
				require.Equal(t, protocol.ErrorInvalidURI, session.ErrorURI(err), uri)
				_, err = s.Publish(t.Context(), uri, session.Acknowledge())
				require.Equal(t, protocol.ErrorInvalidURI, session.ErrorURI(err), uri)
			}
			require.NoError(t, s.Err())
		}
	})
}

// requireURI uses a URI in every way, each of which fails with the error, or works if there is none.
func requireURI(t *testing.T, s *session.Session, uri string, want protocol.URI) {
	t.Helper()
	reg, err := s.Register(t.Context(), uri, func() {})
	require.Equal(t, want, session.ErrorURI(err), "register %q", uri)
	_, err = s.Call(t.Context(), uri)
	require.Equal(t, want, session.ErrorURI(err), "call %q", uri)
	if reg != nil {
		require.NoError(t, reg.Unregister(t.Context()))
	}
	_, err = s.Subscribe(t.Context(), uri, func() {})
	require.Equal(t, want, session.ErrorURI(err), "subscribe %q", uri)
	_, err = s.Publish(t.Context(), uri, session.Acknowledge())
	require.Equal(t, want, session.ErrorURI(err), "publish %q", uri)
}
