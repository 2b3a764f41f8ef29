package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// benchSession returns the session of a component on a router in the same process, on which another
// one serves com.add and com.echo.
func benchSession(b *testing.B) *session.Session {
	b.Helper()
	h := NewHost(HostConfig{})
	r, err := NewRouter(h, RouterConfig{})
	require.NoError(b, err)
	tr := TransportConfig{Pipe: func(context.Context) (*transport.PipeEnd, error) {
		a, end := transport.Pipe()
		r.AcceptPipe(end)
		return a, nil
	}}
	join := func(declarations ...*Declaration) *session.Session {
		ready := make(chan *session.Session, 1)
		pid, err := h.SpawnComponent(ComponentConfig{
			Realm: "realm1", Transports: []TransportConfig{tr}, Declarations: declarations,
			OnReady: func(s *session.Session) { ready <- s },
		})
		require.NoError(b, err)
		b.Cleanup(func() { h.send(pid, Kill(nil)) })
		return <-ready
	}
	add, err := DeclareProcedure("com.add", func(x, y int) int { return x + y })
	require.NoError(b, err)
	echo, err := DeclareProcedure("com.echo", func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
		return session.Reply{}, nil
	})
	require.NoError(b, err)
	props := actor.PropsFromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*Invocation); ok {
			ctx.Respond(&Result{})
		}
	})
	act, err := DeclareProcedure("com.actor", Spawn(props))
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, r.Close(context.Background())) //nolint:usetesting // b.Context is done in Cleanup
		h.Close()
	})
	join(add, echo, act)
	return join()
}

// BenchmarkCallInProcess is a call through the whole stack, one at a time: caller, router, callee
// and back, with two integers as arguments and one as result.
func BenchmarkCallInProcess(b *testing.B) {
	s := benchSession(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := session.Call[int](ctx, s, "com.add", 2, 3); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallInProcessRaw is the same without arguments and result.
func BenchmarkCallInProcessRaw(b *testing.B) {
	s := benchSession(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := session.Call[struct{}](ctx, s, "com.echo"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallInProcessActor is the same with an actor that serves the procedure.
func BenchmarkCallInProcessActor(b *testing.B) {
	s := benchSession(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := session.Call[struct{}](ctx, s, "com.actor"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallInProcessParallel has 64 calls in flight.
func BenchmarkCallInProcessParallel(b *testing.B) {
	s := benchSession(b)
	ctx := b.Context()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := session.Call[int](ctx, s, "com.add", 2, 3); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
