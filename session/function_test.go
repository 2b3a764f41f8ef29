package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// serving is a shell that serves one invocation after the other, with one function.
type serving struct {
	discard
	m    *Machine
	f    *Function
	inv  *Invocation // the last one
	cmd  Command     // the last one posted
	sent protocol.Yield
	args [64]byte // memory of its values
}

func (s *serving) Invoke(_ any, inv *Invocation) { s.inv = inv }
func (s *serving) Post(cmd Command)              { s.cmd = cmd }

func (s *serving) Send(msg protocol.Message) error {
	if y, ok := msg.(*protocol.Yield); ok {
		s.sent = *y
		s.sent.Payload.Args = append(s.args[:0], y.Payload.Args...)
	}
	return nil
}

func newServing(t *testing.T, handler any) *serving {
	t.Helper()
	f, err := CompileFunction(handler)
	require.NoError(t, err)
	s := &serving{f: f}
	s.m = New(Config{Poster: s, Serializer: protocol.MessagePack}, s)
	s.m.Start(time.Time{})
	s.m.Receive(&protocol.Welcome{Session: 7})
	s.m.registrations[1] = &registration{id: 1, uri: "com.x"}
	return s
}

// serve has an invocation served and its answer sent.
func (s *serving) serve(msg *protocol.Invocation) *Invocation {
	msg.Request++
	msg.Registration = 1
	s.m.Receive(msg)
	s.f.Serve(s.inv)
	s.m.Do(time.Time{}, s.cmd)
	return s.inv
}

// TestInvocationsAreUsedAgain: if the handler cannot have kept them, and only then.
func TestInvocationsAreUsedAgain(t *testing.T) {
	t.Parallel()
	one := func(t *testing.T) protocol.Payload { return payload(t, []any{1}, nil) }
	for name, tt := range map[string]struct {
		handler any
		details protocol.InvocationDetails
		want    bool
	}{
		"values only":     {handler: func(int) {}, want: true},
		"error":           {handler: func(int) error { return context.Canceled }, want: true},
		"wrong arguments": {handler: func(string) {}, want: true},
		"disclosed":       {handler: func(int) {}, details: protocol.InvocationDetails{Caller: 3}, want: true},
		"context":         {handler: func(context.Context, int) {}},
		"invocation":      {handler: func(*Invocation, int) {}},
		"raw":             {handler: func(context.Context, *Invocation) (Reply, error) { return Reply{}, nil }},
		"timeout":         {handler: func(int) {}, details: protocol.InvocationDetails{Timeout: 1000}},
		"chunks":          {handler: func(int) {}, details: protocol.InvocationDetails{Progress: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServing(t, tt.handler)
			msg := &protocol.Invocation{Details: tt.details, Payload: one(t)}
			first := s.serve(msg)
			second := s.serve(msg)
			require.Equal(t, tt.want, first == second)
			if !tt.want {
				require.Equal(t, protocol.ID(1), first.Request())
				args, err := first.Args()
				require.NoError(t, err)
				require.Equal(t, []any{int64(1)}, args, "it can be read for ever")
			}
		})
	}
	s := newServing(t, func(int) {})
	s.m.Receive(&protocol.Invocation{Request: 1, Registration: 1, Payload: one(t)})
	s.inv.Notify(func(*Invocation) {})
	s.f.Serve(s.inv)
	s.m.Do(time.Time{}, s.cmd)
	require.Empty(t, s.m.spare, "somebody is told of the answer")
}

// TestUsedInvocationsAreClean: nothing of a call is seen by the next.
func TestUsedInvocationsAreClean(t *testing.T) {
	t.Parallel()
	s := newServing(t, func(rest ...int) (int, error) {
		if len(rest) == 0 {
			return 0, context.Canceled
		}
		return rest[0], nil
	})
	first := s.serve(&protocol.Invocation{Details: protocol.InvocationDetails{Procedure: "com.y"}})
	require.Zero(t, s.sent.Request, "it was an error")
	require.Same(t, first, s.serve(&protocol.Invocation{Request: 1, Payload: payload(t, []any{5}, nil)}))
	require.Equal(t, protocol.ID(2), s.sent.Request)
	require.Equal(t, payload(t, []any{5}, nil), s.sent.Payload)
	require.NoError(t, s.m.newInvocation(&registration{uri: "com.x"}, &protocol.Invocation{}).Reason())
}

// TestServeAllocatesNothing: what remains is what package reflect needs for results.
func TestServeAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	pool := sync.Pool{New: func() any { return new([64]byte) }}
	if testing.AllocsPerRun(20, func() {
		for range 50 {
			pool.Put(pool.Get())
		}
	}) > 0 {
		t.Skip("the race detector makes pools forget")
	}
	for _, tt := range []struct {
		handler any
		want    float64
	}{
		{func(int) {}, 0},
		{func(context.Context, int) {}, 2}, // the invocation, and the context as a value
		{func(int) int { return 5 }, 2},    // the list of results, and the result
		{func(int) error { return nil }, 2},
	} {
		s := newServing(t, tt.handler)
		msg := &protocol.Invocation{Payload: payload(t, []any{1}, nil)}
		s.serve(msg)
		require.InDelta(t, tt.want, testing.AllocsPerRun(100, func() { s.serve(msg) }), 0.5, "%T", tt.handler)
	}
}

func TestCompileFunction(t *testing.T) {
	t.Parallel()
	f, err := CompileFunction(func() {})
	require.NoError(t, err)
	again, err := CompileFunction(f)
	require.NoError(t, err)
	require.Same(t, f, again)
	_, err = CompileFunction((*Function)(nil))
	require.ErrorContains(t, err, "handler is nil")
	_, err = CompileFunction(func(context.Context, int, context.Context) {})
	require.ErrorContains(t, err, "has no place")
}
