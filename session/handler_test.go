package session

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestCompileHandlerRejects(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]any{
		"must be a function, not <nil>": nil,
		"must be a function, not int":   5,
		"handler is nil":                (func())(nil),
		"has no place there":            func(int, context.Context) {},
		"*session.Event has no place":   func(*Event) {},
		"*session.Session has no place there: *session.Invocation has a method Session": func(*Session, int) {},
		"a map with string keys, not int":                                               func(Kw[int]) {},
		"a map with string keys, not map[int]int":                                       func(Kw[map[int]int]) {},
		"a second Kw":                func(Kw[map[string]any], Kw[map[string]any]) {},
		"chan int cannot be decoded": func(chan int) {},
		"func() cannot be decoded":   func(func()) {},
		//lint:ignore ST1008 this is what must be rejected
		"an error must be the last result": func() (error, int) { return nil, 0 }, //nolint:staticcheck // see above
		"must be the only result":          func() (Reply, int) { return Reply{}, 0 },
		"chan int cannot be encoded":       func() chan int { return nil },
	} {
		_, err := CompileHandler(h)
		require.ErrorContains(t, err, want)
	}
	_, err := CompileHandler(InvocationHandler(nil))
	require.ErrorContains(t, err, "handler is nil")
	_, err = CompileEventHandler(func() int { return 0 })
	require.ErrorContains(t, err, "no use for results")
	_, err = CompileEventHandler(func(*Invocation) {})
	require.ErrorContains(t, err, "has no place")
	_, err = CompileEventHandler((func(context.Context, *Event))(nil))
	require.ErrorContains(t, err, "handler is nil")
}

func invocationOf(t *testing.T, args []any, kwargs map[string]any) *Invocation {
	t.Helper()
	p := newLoop(t)
	return p.m.newInvocation(&registration{uri: "com.x"}, &protocol.Invocation{Request: 1, Payload: payload(t, args, kwargs)})
}

func TestTypedHandlers(t *testing.T) {
	t.Parallel()
	type options struct {
		Limit int `json:"limit"`
	}
	type point struct{ X, Y int }
	var inv *Invocation
	tests := []struct {
		name    string
		handler any
		args    []any
		kwargs  map[string]any
		want    []any
		err     string
	}{
		{name: "everything", handler: func(ctx context.Context, i *Invocation, a int, kw Kw[options], rest ...string) (int, []string, error) {
			require.NoError(t, ctx.Err())
			inv = i
			return a + kw.Value.Limit, rest, nil
		}, args: []any{1, "x", "y"}, kwargs: map[string]any{"limit": 2}, want: []any{3, []string{"x", "y"}}},
		{name: "absent keywords", handler: func(kw Kw[options]) int { return kw.Value.Limit }, want: []any{0}},
		{name: "struct", handler: func(p point) point { return point{p.Y, p.X} }, args: []any{map[string]any{"X": 1, "Y": 2}}, want: []any{point{2, 1}}},
		{name: "pointer", handler: func(p *int) bool { return p == nil }, args: []any{nil}, want: []any{true}},
		{name: "bytes", handler: func(b []byte) int { return len(b) }, args: []any{[]byte("abc")}, want: []any{3}},
		{name: "anything", handler: func(a any) any { return a }, args: []any{[]any{int64(1), "x"}}, want: []any{[]any{int64(1), "x"}}},
		{name: "no variadic values", handler: func(a ...int) int { return len(a) }, want: []any{0}},
		{name: "error only", handler: func() error { return errors.New("sorry") }, err: "sorry"},
		{name: "missing", handler: func(a, b int) {}, args: []any{1}, err: "argument 1: missing"},
		{name: "wrong type", handler: func(a, b int) {}, args: []any{1, "x"}, err: "argument 1: "},
		{name: "wrong variadic type", handler: func(a int, b ...int) {}, args: []any{1, 2, "x"}, err: "argument 2: "},
		{name: "reads them itself", handler: func(i *Invocation) (int, error) {
			args, err := i.Args()
			return len(args), err
		}, args: []any{1, 2, 3}, want: []any{3}},
		{name: "too many for the invocation and one", handler: func(*Invocation, int) {}, args: []any{1, 2}, err: "argument 1: unexpected, the procedure takes 1"},
		{name: "too many", handler: func(a int) {}, args: []any{1, 2}, err: "argument 1: unexpected, the procedure takes 1"},
		{name: "wrong keyword type", handler: func(kw Kw[options]) {}, kwargs: map[string]any{"limit": "x"}, err: "keyword argument"},
		{name: "overflow", handler: func(a int8) {}, args: []any{300}, err: "argument 0: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := CompileHandler(tt.handler)
			require.NoError(t, err)
			for range 2 { // the second time with used memory
				i := invocationOf(t, tt.args, tt.kwargs)
				r, err := h(i.Context(), i)
				if tt.err != "" {
					require.ErrorContains(t, err, tt.err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, tt.want, r.Args)
			}
		})
	}
	require.NotNil(t, inv)
}

func TestTypedEventHandlers(t *testing.T) {
	t.Parallel()
	p := newLoop(t)
	got := 0
	h, err := CompileEventHandler(func(ctx context.Context, ev *Event, n int) error {
		require.Same(t, p.s.Context(), ctx)
		require.Equal(t, protocol.URI("com.x"), ev.Topic())
		got = n
		return nil
	})
	require.NoError(t, err)
	ev := newEvent(p.s, "com.x", &protocol.Event{Publication: 1, Payload: payload(t, []any{5, "surplus"}, nil)})
	require.NoError(t, h(ev.Context(), ev))
	require.Equal(t, 5, got)
	ev = newEvent(p.s, "com.x", &protocol.Event{Publication: 1})
	require.ErrorContains(t, h(ev.Context(), ev), "argument 0: missing")
}

// TestEventPayloads: an event keeps its values, of whatever size, without a second allocation if
// they are small.
func TestEventPayloads(t *testing.T) { //nolint:paralleltest // it counts allocations
	p := newLoop(t)
	for size, allocs := range map[int]float64{10: 1, 100: 2} {
		want := payload(t, []any{strings.Repeat("x", size)}, nil)
		msg := &protocol.Event{Payload: want.Clone()}
		ev := newEvent(p.s, "com.x", msg)
		require.InDelta(t, allocs, testing.AllocsPerRun(100, func() { kept = newEvent(p.s, "com.x", msg) }), 0, "%d bytes", size)
		clear(msg.Payload.Args) // the memory of a read
		require.Equal(t, want, ev.Payload)
	}
}

var kept *Event

func TestInvocationAnswersOnce(t *testing.T) {
	t.Parallel()
	inv := invocationOf(t, nil, nil)
	require.True(t, inv.Respond(Reply{}))
	require.False(t, inv.Respond(Reply{}))
	require.False(t, inv.Fail(errors.New("late")))
	require.ErrorIs(t, inv.Context().Err(), context.Canceled)
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	inv := invocationOf(t, nil, nil)
	ctx := inv.Context()
	s, ok := FromContext(ctx)
	require.True(t, ok)
	require.Same(t, inv.Session(), s)
	require.NoError(t, ctx.Err())
	_, bounded := ctx.Deadline()
	require.False(t, bounded)

	child, cancel := context.WithCancel(ctx)
	defer cancel()
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { close(ran) })
	other := context.AfterFunc(ctx, func() { t.Error("it was stopped") })
	require.True(t, other())
	require.False(t, other())
	reason := errors.New("reason")
	inv.Interrupt(reason)
	inv.Interrupt(errors.New("another"))
	<-ran
	require.False(t, stop())
	<-child.Done()
	<-ctx.Done()
	require.Equal(t, context.Canceled, ctx.Err())
	require.Equal(t, reason, inv.Reason())
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { close(late) })
	<-late
}
