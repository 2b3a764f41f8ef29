package sched_test

import (
	"log/slog"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// engine is a dispatcher with the mailbox it is measured with.
type engine struct {
	name  string
	props func(d *sched.Dispatcher) []actor.PropsOption
}

func engines() []engine {
	return []engine{
		{"sched", func(d *sched.Dispatcher) []actor.PropsOption {
			return []actor.PropsOption{actor.WithDispatcher(d), actor.WithMailbox(sched.NewMailbox())}
		}},
		{"default", func(*sched.Dispatcher) []actor.PropsOption { return nil }},
	}
}

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// eachEngine runs bench for ours and for Proto.Actor's own parts.
func eachEngine(b *testing.B, bench func(b *testing.B, root *actor.RootContext, opts []actor.PropsOption)) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			system := newSystem()
			d := sched.NewDispatcher(sched.DispatcherConfig{})
			defer d.Close()
			b.ReportAllocs()
			bench(b, system.Root, e.props(d))
		})
	}
}

type token struct{ left int }

func BenchmarkSend(b *testing.B) {
	for _, producers := range []int{1, 8} {
		b.Run(map[int]string{1: "producers=1", 8: "producers=8"}[producers], func(b *testing.B) {
			eachEngine(b, func(b *testing.B, root *actor.RootContext, opts []actor.PropsOption) {
				benchSend(b, root, opts, producers)
			})
		})
	}
}

func benchSend(b *testing.B, root *actor.RootContext, opts []actor.PropsOption, producers int) {
	done := make(chan struct{})
	got, want := 0, b.N/producers*producers
	pid := root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*token); ok {
			if got++; got == want {
				close(done)
			}
		}
	}, opts...))
	defer root.Stop(pid)
	msg := &token{}
	var wg sync.WaitGroup
	b.ResetTimer()
	for range producers {
		wg.Go(func() {
			for range b.N / producers {
				root.Send(pid, msg)
			}
		})
	}
	wg.Wait()
	if want > 0 {
		<-done
	}
}

// ring sends one token n times around a ring of actors.
func ring(b *testing.B, root *actor.RootContext, opts []actor.PropsOption, size int) {
	done := make(chan struct{})
	pids := make([]*actor.PID, size)
	for i := range pids {
		pids[i] = root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			t, ok := c.Message().(*token)
			if !ok {
				return
			}
			if t.left--; t.left == 0 {
				close(done)
				return
			}
			c.Send(pids[(i+1)%size], t)
		}, opts...))
		defer root.Stop(pids[i])
	}
	b.ResetTimer()
	root.Send(pids[0], &token{left: b.N * size})
	<-done
}

func BenchmarkPingPong(b *testing.B) {
	eachEngine(b, func(b *testing.B, root *actor.RootContext, opts []actor.PropsOption) { ring(b, root, opts, 2) })
}

func BenchmarkChain4(b *testing.B) {
	eachEngine(b, func(b *testing.B, root *actor.RootContext, opts []actor.PropsOption) { ring(b, root, opts, 4) })
}

// BenchmarkPairs has 64 pairs of actors talk at the same time; one operation is one
// round trip of one pair. With -cpu and -mutexprofile it shows what sharing the run
// queues costs.
func BenchmarkPairs(b *testing.B) { eachEngine(b, benchPairs) }

func benchPairs(b *testing.B, root *actor.RootContext, opts []actor.PropsOption) {
	const pairs = 64
	var wg sync.WaitGroup
	pids := make([]*actor.PID, 2*pairs)
	for i := range pids {
		pids[i] = root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			t, ok := c.Message().(*token)
			if !ok {
				return
			}
			if t.left--; t.left < 0 {
				wg.Done()
				return
			}
			c.Send(pids[i^1], t)
		}, opts...))
		defer root.Stop(pids[i])
	}
	b.ResetTimer()
	wg.Add(pairs)
	for i := range pairs {
		root.Send(pids[2*i], &token{left: 2 * (b.N/pairs + 1)})
	}
	wg.Wait()
}

// BenchmarkFanOut1000 counts one delivery as one operation.
func BenchmarkFanOut1000(b *testing.B) {
	eachEngine(b, benchFanOut)
}

func benchFanOut(b *testing.B, root *actor.RootContext, opts []actor.PropsOption) {
	const actors = 1000
	var wg sync.WaitGroup
	pids := make([]*actor.PID, actors)
	for i := range pids {
		pids[i] = root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			if _, ok := c.Message().(*token); ok {
				deepStack(i)
				wg.Done()
			}
		}, opts...))
		defer root.Stop(pids[i])
	}
	msg := &token{}
	b.ResetTimer()
	for n := 0; n < b.N; n += actors {
		wg.Add(actors)
		for _, pid := range pids {
			root.Send(pid, msg)
		}
		wg.Wait()
	}
}

// TestSendAndReceiveDoNotAllocate covers waking, handling, draining and parking.
func TestSendAndReceiveDoNotAllocate(t *testing.T) { //nolint:paralleltest // counts all allocations
	system := newSystem()
	d := newDispatcher(t, sched.DispatcherConfig{})
	for name, face := range map[string]actor.Dispatcher{"normal": d, "low": d.Low()} {
		got := make(chan struct{}, 1)
		pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			if _, ok := c.Message().(*sched.Drained); ok {
				got <- struct{}{}
			}
		}, actor.WithDispatcher(face), actor.WithMailbox(sched.NewMailbox(sched.Draining()))))
		msg := &token{}
		allocs := testing.AllocsPerRun(2000, func() {
			system.Root.Send(pid, msg)
			<-got
		})
		require.Zero(t, allocs, name)
		require.NoError(t, system.Root.StopFuture(pid).Wait())
	}
}

// deepStack needs 4 KiB of stack.
//
//go:noinline
func deepStack(i int) byte {
	var frame [4096]byte
	frame[i&4095] = byte(i)
	return frame[(i*7)&4095]
}
