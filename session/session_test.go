package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestCallShapes(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	type user struct {
		Name string `json:"name"`
	}
	handlers := map[string]any{
		"com.none":   func() {},
		"com.add":    func(x, y int) int { return x + y },
		"com.two":    func() (string, int) { return "a", 2 },
		"com.struct": func(name string) (user, error) { return user{Name: name}, nil },
		"com.kw":     func(kw Kw[map[string]any]) Reply { return Reply{Args: []any{1}, KwArgs: kw.Value} },
		"com.sum": func(_ context.Context, first int, rest ...int) int {
			for _, n := range rest {
				first += n
			}
			return first
		},
		"com.raw": func(_ context.Context, inv *Invocation) (Reply, error) {
			args, err := inv.Args()
			return Reply{Args: args}, err
		},
	}
	for uri, h := range handlers {
		_, err := p.s.Register(ctx, uri, h)
		require.NoError(t, err)
	}
	sum, err := Call[int](ctx, p.s, "com.add", 2, 3)
	require.NoError(t, err)
	require.Equal(t, 5, sum)
	sum, err = Call[int](ctx, p.s, "com.sum", 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, 6, sum)
	sum, err = Call[int](ctx, p.s, "com.sum", 1)
	require.NoError(t, err)
	require.Equal(t, 1, sum)
	_, err = Call[struct{}](ctx, p.s, "com.none")
	require.NoError(t, err)
	none, err := Call[any](ctx, p.s, "com.none")
	require.NoError(t, err)
	require.Nil(t, none)
	_, err = Call[int](ctx, p.s, "com.none")
	require.Equal(t, protocol.ErrorInvalidArgument, ErrorURI(err))
	require.False(t, IsRemote(err))
	u, err := As[user](p.s.Call(ctx, "com.struct", Args("joe")))
	require.NoError(t, err)
	require.Equal(t, user{Name: "joe"}, u)

	res, err := p.s.Call(ctx, "com.two")
	require.NoError(t, err)
	var s string
	var n int
	require.NoError(t, res.Decode(&s, &n))
	require.Equal(t, "a", s)
	require.Equal(t, 2, n)
	require.Error(t, res.Decode(&s, &n, &n), "there is no third value")

	res, err = p.s.Call(ctx, "com.kw", KwArgs(struct {
		Limit int `json:"limit"`
	}{5}))
	require.NoError(t, err)
	kw, err := res.KwArgs()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"limit": int64(5)}, kw)

	res, err = p.s.Call(ctx, "com.raw", Args(1, "x"), Args(nil))
	require.NoError(t, err)
	args, err := res.Args()
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), "x", nil}, args)
}

func TestCallErrors(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	_, err := p.s.Register(ctx, "com.fail", func(kind string) error {
		switch kind {
		case "wamp":
			return &Error{URI: "com.myapp.error", Args: []any{"text", 7}, KwArgs: map[string]any{"k": "v"}}
		case "wrapped":
			return fmt.Errorf("context: %w", NewError("com.myapp.error"))
		case "unencodable":
			return NewError("com.myapp.error", make(chan int))
		case "nested":
			_, err := Call[any](ctx, p.s, "com.nowhere")
			return err
		default:
			return errors.New("plain text")
		}
	})
	require.NoError(t, err)
	_, err = p.s.Register(ctx, "com.bad_result", func() any { return make(chan int) })
	require.NoError(t, err)

	tests := []struct {
		name, procedure string
		opts            []CallOption
		uri             protocol.URI
		remote          bool
	}{
		{"wamp", "com.fail", []CallOption{Args("wamp")}, "com.myapp.error", true},
		{"wrapped", "com.fail", []CallOption{Args("wrapped")}, "com.myapp.error", true},
		{"error of a nested call", "com.fail", []CallOption{Args("nested")}, protocol.ErrorNoSuchProcedure, true},
		{"without a uri", "com.fail", []CallOption{Args("plain")}, protocol.ErrorRuntime, true},
		{"error values not encodable", "com.fail", []CallOption{Args("unencodable")}, protocol.ErrorInvalidPayload, true},
		{"result not encodable", "com.bad_result", nil, protocol.ErrorInvalidPayload, true},
		{"argument missing", "com.fail", nil, protocol.ErrorInvalidArgument, true},
		{"argument of wrong type", "com.fail", []CallOption{Args(1)}, protocol.ErrorInvalidArgument, true},
		{"argument too many", "com.fail", []CallOption{Args("a", "b")}, protocol.ErrorInvalidArgument, true},
		{"no such procedure", "com.nowhere", nil, protocol.ErrorNoSuchProcedure, true},
		{"argument not encodable", "com.fail", []CallOption{Args(make(chan int))}, protocol.ErrorInvalidPayload, false},
		{"kwargs not a dict", "com.fail", []CallOption{KwArgs(5)}, protocol.ErrorInvalidPayload, false},
		{"kwargs with other keys", "com.fail", []CallOption{KwArgs(map[int]int{1: 1})}, protocol.ErrorInvalidPayload, false},
		{"invalid uri", "com..fail", nil, protocol.ErrorInvalidURI, false},
		{"negative timeout", "com.fail", []CallOption{Timeout(-1)}, protocol.ErrorInvalidArgument, false},
		{"unknown cancel mode", "com.fail", []CallOption{OnCancel("x")}, protocol.ErrorInvalidArgument, false},
	}
	for _, tt := range tests {
		_, err := p.s.Call(ctx, tt.procedure, tt.opts...)
		require.Equal(t, tt.uri, ErrorURI(err), "%s: %v", tt.name, err)
		require.Equal(t, tt.remote, IsRemote(err), tt.name)
		require.ErrorContains(t, err, "session: call "+tt.procedure+": ", tt.name)
	}

	_, err = p.s.Call(ctx, "com.fail", Args("wamp"))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, []any{"text", int64(7)}, e.Args)
	require.Equal(t, map[string]any{"k": "v"}, e.KwArgs)
	var text string
	var n int
	require.NoError(t, e.Decode(&text, &n))
	require.Equal(t, 7, n)
	var kw struct {
		K string `json:"k"`
	}
	require.NoError(t, e.DecodeKw(&kw))
	require.Equal(t, "v", kw.K)
	require.Equal(t, "session: call com.fail: com.myapp.error: text", err.Error())
	require.NoError(t, p.s.Err(), "none of this harms the session")
}

type notFoundError struct{ Name string }

func (e *notFoundError) Error() string { return e.Name + " not found" }

func TestErrorMap(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	errFull := errors.New("disk full")
	p.s.errors.Define("com.myapp.full", errFull)
	DefineError(p.s.errors, "com.myapp.not_found",
		func(e *notFoundError) ([]any, map[string]any) { return []any{e.Name}, nil },
		func(e *Error) (*notFoundError, error) {
			nf := &notFoundError{}
			return nf, e.Decode(&nf.Name)
		})
	_, err := p.s.Register(ctx, "com.fail", func(kind string) error {
		switch kind {
		case "sentinel":
			return fmt.Errorf("write: %w", errFull)
		case "type":
			return fmt.Errorf("read: %w", &notFoundError{"joe"})
		default:
			return NewError("com.myapp.not_found", 7)
		}
	})
	require.NoError(t, err)

	_, err = p.s.Call(ctx, "com.fail", Args("sentinel"))
	require.ErrorIs(t, err, errFull)
	require.Equal(t, protocol.URI("com.myapp.full"), ErrorURI(err))
	require.True(t, IsRemote(err))

	_, err = p.s.Call(ctx, "com.fail", Args("type"))
	var nf *notFoundError
	require.ErrorAs(t, err, &nf)
	require.Equal(t, "joe", nf.Name)

	_, err = p.s.Call(ctx, "com.fail", Args("undecodable"))
	require.NotErrorAs(t, err, &nf)
	require.Equal(t, protocol.URI("com.myapp.not_found"), ErrorURI(err))
}

func TestCallCanceled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		roles protocol.Roles
		mode  []CallOption
		sent  []protocol.CancelMode
		want  error
	}{
		{"default", allFeatures, nil, []protocol.CancelMode{protocol.CancelKillNoWait}, context.DeadlineExceeded},
		{"skip", allFeatures, []CallOption{OnCancel(protocol.CancelSkip)}, []protocol.CancelMode{protocol.CancelSkip}, context.DeadlineExceeded},
		{"router cannot", protocol.Roles{}.With(protocol.Dealer, 0), nil, nil, context.DeadlineExceeded},
		{"kill waits for the answer", allFeatures, []CallOption{OnCancel(protocol.CancelKill)}, []protocol.CancelMode{protocol.CancelKill}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t, tt.roles, func(msg protocol.Message) []protocol.Message {
					if m, ok := msg.(*protocol.Cancel); ok && m.Mode == protocol.CancelKill {
						return []protocol.Message{&protocol.Result{Request: m.Request}}
					}
					return nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := p.s.Call(ctx, "com.slow", tt.mode...)
				require.ErrorIs(t, err, tt.want)
				synctest.Wait()
				var sent []protocol.CancelMode
				for _, m := range messages[*protocol.Cancel](p) {
					sent = append(sent, m.Mode)
				}
				require.Equal(t, tt.sent, sent)
				p.receive(&protocol.Result{Request: 1}) // late
				synctest.Wait()
				require.NoError(t, p.s.Err())
			})
		})
	}
}

func TestCallTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, protocol.Roles{}.With(protocol.Dealer, protocol.FeatureCallCanceling), nil)
		start := time.Now()
		_, err := p.s.Call(t.Context(), "com.slow", Timeout(1500*time.Microsecond))
		require.Equal(t, protocol.ErrorTimeout, ErrorURI(err), "%v", err)
		require.False(t, IsRemote(err))
		require.Equal(t, 2*time.Millisecond, time.Since(start))
		synctest.Wait()
		require.Len(t, messages[*protocol.Cancel](p), 1)
		require.Equal(t, uint64(2), messages[*protocol.Call](p)[0].Options.Timeout)
	})
	synctest.Test(t, func(t *testing.T) { // a router that knows timeouts is relied upon
		p := newPeer(t, allFeatures, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.s.Call(ctx, "com.slow", Timeout(time.Second))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestCallEndsWithSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, allFeatures, nil)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		wg.Go(func() { _, errs[0] = p.s.Call(t.Context(), "com.x") })
		wg.Go(func() { _, errs[1] = p.s.Register(t.Context(), "com.x", func() {}) })
		wg.Go(func() { _, errs[2] = p.s.Subscribe(t.Context(), "com.x", func() {}) })
		wg.Go(func() { _, errs[3] = p.s.Publish(t.Context(), "com.x", Acknowledge()) })
		synctest.Wait()
		p.receive(&protocol.Goodbye{Reason: protocol.CloseSystemShutdown})
		wg.Wait()
		for _, err := range errs {
			var ended *EndedError
			require.ErrorAs(t, err, &ended)
			require.ErrorIs(t, err, ErrClosed)
			require.Equal(t, EndGoodbye, ended.How)
			require.Equal(t, protocol.CloseSystemShutdown, ErrorURI(err))
			require.True(t, IsRemote(err))
		}
		<-p.s.Done()
		require.ErrorIs(t, p.s.Err(), ErrClosed)
		require.ErrorIs(t, context.Cause(p.s.Context()), ErrClosed)
		_, err := p.s.Call(t.Context(), "com.x")
		require.ErrorIs(t, err, ErrClosed)
		_, err = p.s.Publish(t.Context(), "com.x")
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, p.s.Leave(t.Context()), ErrClosed, "it was the router that closed it")
	})
}

func TestLeave(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	require.NoError(t, p.s.Leave(t.Context(), Reason("com.myapp.bye"), Message("so long")))
	require.NoError(t, p.s.Leave(t.Context()), "again")
	bye := messages[*protocol.Goodbye](p)
	require.Len(t, bye, 1)
	require.Equal(t, protocol.URI("com.myapp.bye"), bye[0].Reason)
	require.Equal(t, "so long", bye[0].Details.Message)
	require.Equal(t, EndLeft, func() *EndedError {
		target := &EndedError{}
		_ = errors.As(p.s.Err(), &target)
		return target
	}().How)
}

func TestLeaveSilentRouter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, allFeatures, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.s.Leave(ctx), context.DeadlineExceeded)
		require.ErrorContains(t, p.s.Leave(t.Context(), Reason("not valid")), "not a valid URI")
	})
}

func TestProgress(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	_, err := p.s.Register(ctx, "com.count", func(ctx context.Context, inv *Invocation, n int) (int, error) {
		for i := range n {
			if err := inv.Progress(ctx, i); err != nil {
				return 0, err
			}
		}
		return n, inv.Yield(ctx, Reply{KwArgs: map[string]any{"last": true}})
	})
	require.NoError(t, err)
	var seen []int
	last := false
	res, err := p.s.Call(ctx, "com.count", Args(5), OnProgress(func(r *Result) {
		var i int
		if r.Decode(&i) == nil {
			seen = append(seen, i)
			return
		}
		kw, err := r.KwArgs()
		last = err == nil && kw["last"] == true
	}))
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 3, 4}, seen)
	require.True(t, last)
	n, err := As[int](res, nil)
	require.NoError(t, err)
	require.Equal(t, 5, n)

	n, err = Call[int](ctx, p.s, "com.count", 3)
	require.NoError(t, err, "a caller that did not ask gets none")
	require.Equal(t, 3, n)
}

func TestProgressLimit(t *testing.T) {
	t.Parallel()
	q := progressQueue{wake: make(chan struct{}, 1)}
	msg := &protocol.Result{Payload: protocol.Payload{Args: make([]byte, 1<<20-queuedItem)}}
	for range maxQueued >> 20 {
		require.True(t, q.add(msg), "at the limit")
	}
	require.False(t, q.add(msg), "past the limit")
	require.Len(t, q.take(), maxQueued>>20)
	require.True(t, q.add(msg))
}

func TestCallStream(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	_, err := p.s.Register(ctx, "com.concat", func(ctx context.Context, inv *Invocation) (Reply, error) {
		var all string
		for {
			var s string
			if err := inv.Decode(&s); err != nil {
				return Reply{}, err
			}
			all += s
			more, err := inv.Next(ctx)
			if err != nil || !more {
				return Reply{Args: []any{all}}, err
			}
		}
	})
	require.NoError(t, err)
	st, err := p.s.OpenCall(ctx, "com.concat", Args("a"))
	require.NoError(t, err)
	require.NoError(t, st.Send(ctx, "b"))
	require.Equal(t, protocol.ErrorInvalidPayload, ErrorURI(st.Send(ctx, make(chan int))))
	res, err := st.Close(ctx, "c")
	require.NoError(t, err)
	all, err := As[string](res, nil)
	require.NoError(t, err)
	require.Equal(t, "abc", all)

	basic := newPeer(t, protocol.Roles{}.With(protocol.Dealer, 0), nil)
	_, err = basic.s.OpenCall(ctx, "com.concat")
	require.Equal(t, protocol.ErrorFeatureNotSupported, ErrorURI(err))
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx, cancel := context.WithCancel(t.Context())
	reasons := make(chan error, 1)
	_, err := p.s.Register(t.Context(), "com.wait", func(ctx context.Context, inv *Invocation) error {
		cancel()
		<-ctx.Done()
		reasons <- inv.Reason()
		return ctx.Err()
	})
	require.NoError(t, err)
	_, err = p.s.Call(ctx, "com.wait", OnCancel(protocol.CancelKill))
	require.Equal(t, protocol.ErrorCanceled, ErrorURI(err))
	require.True(t, IsRemote(err))
	require.Equal(t, protocol.ErrorCanceled, ErrorURI(<-reasons))
}

func TestPublishSubscribe(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	got := make(chan int, 10)
	sub, err := p.s.Subscribe(ctx, "com.counter", func(n int) { got <- n })
	require.NoError(t, err)
	require.Equal(t, protocol.URI("com.counter"), sub.Topic())
	require.NotZero(t, sub.ID())
	id, err := p.s.Publish(ctx, "com.counter", Args(1))
	require.NoError(t, err)
	require.Zero(t, id)
	id, err = p.s.Publish(ctx, "com.counter", Args(2, "surplus"), Acknowledge())
	require.NoError(t, err)
	require.NotZero(t, id)
	require.Equal(t, 1, <-got)
	require.Equal(t, 2, <-got)
	require.NoError(t, sub.Unsubscribe(ctx))
	require.Equal(t, protocol.ErrorNoSuchSubscription, ErrorURI(sub.Unsubscribe(ctx)))
	_, err = p.s.Publish(ctx, "com.counter", Args(3), Acknowledge())
	require.NoError(t, err)
	require.Empty(t, got)

	for _, topic := range []string{"", "com..x", "wamp.session.on_join", "com.x y"} {
		_, err = p.s.Publish(ctx, topic)
		require.Equal(t, protocol.ErrorInvalidURI, ErrorURI(err), topic)
	}
	_, err = p.s.Publish(ctx, "com.counter", Args(func() {}))
	require.Equal(t, protocol.ErrorInvalidPayload, ErrorURI(err))
}

func TestPublishTooLong(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	p.s.fits = func(msg protocol.Message) error {
		if m, _ := msg.(*protocol.Publish); m.Payload.Size() > 100 {
			return &Error{URI: protocol.ErrorPayloadSizeExceeded}
		}
		return nil
	}
	_, err := p.s.Publish(t.Context(), "com.x", Args(make([]byte, 200)))
	require.Equal(t, protocol.ErrorPayloadSizeExceeded, ErrorURI(err))
	_, err = p.s.Publish(t.Context(), "com.x", Args(make([]byte, 50)))
	require.NoError(t, err)
}

func TestRegisterRefused(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	ctx := t.Context()
	for _, tt := range []struct {
		uri  string
		opts []RegisterOption
		want protocol.URI
	}{
		{"com..x", nil, protocol.ErrorInvalidURI},
		{"wamp.x", nil, protocol.ErrorInvalidURI},
		{"wamp.", []RegisterOption{Prefix()}, protocol.ErrorInvalidURI},
		{"com.x", []RegisterOption{Concurrency(-1)}, protocol.ErrorInvalidArgument},
		{"com.x", []RegisterOption{Invoke("shared")}, protocol.ErrorInvalidArgument},
	} {
		_, err := p.s.Register(ctx, tt.uri, func() {}, tt.opts...)
		require.Equal(t, tt.want, ErrorURI(err), tt.uri)
	}
	_, err := p.s.Register(ctx, "com.x", "not a function")
	require.ErrorContains(t, err, "session: register com.x: handler must be a function")
	reg, err := p.s.Register(ctx, "com..x", func() {}, Wildcard())
	require.NoError(t, err)
	require.Equal(t, protocol.URI("com..x"), reg.Procedure())
	require.NoError(t, reg.Unregister(ctx))
	require.Equal(t, protocol.ErrorNoSuchRegistration, ErrorURI(reg.Unregister(ctx)))
}

func TestRegisterAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, allFeatures, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.s.Register(ctx, "com.x", func() {})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		p.receive(&protocol.Registered{Request: 1, Registration: 5})
		synctest.Wait()
		require.Len(t, messages[*protocol.Unregister](p), 1)
	})
}

// TestConcurrentUse is for the race detector: pooled commands must have one user at a time.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	_, err := p.s.Register(t.Context(), "com.echo", func(s string) string { return s })
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					cancel()
				}
				text := fmt.Sprint("text ", g, " ", i)
				got, err := Call[string](ctx, p.s, "com.echo", text)
				if err == nil && got != text {
					t.Errorf("got %q for %q", got, text)
				}
				_, _ = p.s.Publish(ctx, "com.topic", Args(text))
				cancel()
			}
		})
	}
	wg.Wait()
}

func TestSessionDetails(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	require.Equal(t, protocol.ID(7), p.s.ID())
	require.Equal(t, protocol.URI("realm1"), p.s.Realm())
	require.Equal(t, protocol.MessagePack, p.s.Details().Serializer)
	require.Equal(t, "session 7 in realm1", p.s.String())
	s, ok := FromContext(p.s.Context())
	require.True(t, ok)
	require.Same(t, p.s, s)
	_, ok = FromContext(t.Context())
	require.False(t, ok)
}

// TestForeignCommand: a handle of an earlier session must not reach a later one.
func TestForeignCommand(t *testing.T) {
	t.Parallel()
	old, m := newLoop(t), joined(t)
	answer := make(chan error, 1)
	c := old.s.getCall("com.x")
	c.async = answerFunc(func(_ *protocol.Result, err error) { answer <- err })
	m.Do(time.Time{}, c)
	require.ErrorIs(t, <-answer, ErrClosed)
	require.Zero(t, m.pending.Len())
}

// TestStaleCancel: canceling a call that has its answer must not end a later one, which may be
// kept in the same memory.
func TestStaleCancel(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	release := make(chan struct{})
	_, err := p.s.Register(t.Context(), "com.wait", func() int { <-release; return 7 })
	require.NoError(t, err)
	_, err = p.s.Register(t.Context(), "com.answer", func() int { return 5 })
	require.NoError(t, err)
	answers := make(chan error, 1)
	reply := func(_ *Result, err error) { answers <- err }
	var stale []func()
	for range 50 {
		stale = append(stale, p.s.CallAsync("com.answer", reply))
		require.NoError(t, <-answers)
		cancel := p.s.CallAsync("com.wait", reply)
		for _, f := range stale {
			f()
		}
		release <- struct{}{}
		require.NoError(t, <-answers)
		stale = append(stale, cancel)
	}
	p.s.CallAsync("com.wait", reply)()
	require.Equal(t, protocol.ErrorCanceled, ErrorURI(<-answers))
	close(release)
}

func TestAsync(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	_, err := p.s.Register(t.Context(), "com.add", func(x, y int) int { return x + y })
	require.NoError(t, err)
	type answer struct {
		res *Result
		err error
	}
	answers := make(chan answer, 1)
	reply := func(res *Result, err error) { answers <- answer{res, err} }
	cancel := p.s.CallAsync("com.add", reply, Args(2, 3))
	a := <-answers
	sum, err := As[int](a.res, a.err)
	require.NoError(t, err)
	require.Equal(t, 5, sum)
	cancel() // too late

	p.s.CallAsync("com.nowhere", reply)
	a = <-answers
	require.Equal(t, protocol.ErrorNoSuchProcedure, ErrorURI(a.err))
	p.s.CallAsync("com.add", reply, Args(make(chan int)))
	a = <-answers
	require.Equal(t, protocol.ErrorInvalidPayload, ErrorURI(a.err))

	published := make(chan protocol.ID, 1)
	p.s.PublishAsync("com.topic", func(id protocol.ID, err error) {
		require.NoError(t, err)
		published <- id
	}, Acknowledge())
	require.NotZero(t, <-published)
	p.s.PublishAsync("com.topic", nil)
	p.s.PublishAsync("com..topic", func(_ protocol.ID, err error) {
		require.Equal(t, protocol.ErrorInvalidURI, ErrorURI(err))
		published <- 0
	})
	require.Zero(t, <-published)
}
