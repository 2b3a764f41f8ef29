package sched_test

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

func newDispatcher(t *testing.T, cfg sched.DispatcherConfig) *sched.Dispatcher {
	t.Helper()
	d := sched.NewDispatcher(cfg)
	t.Cleanup(d.Close)
	return d
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	for _, cfg := range []sched.DispatcherConfig{{}, {Workers: -1, Throughput: -1, Stall: -1}} {
		d := newDispatcher(t, cfg)
		require.Equal(t, 256, d.Throughput())
		require.Equal(t, 256, d.Low().Throughput())
	}
	d := newDispatcher(t, sched.DispatcherConfig{Throughput: 7})
	require.Equal(t, 7, d.Throughput())
	require.Equal(t, 7, d.Low().Throughput())
}

func TestScheduleRunsEachFunctionOnce(t *testing.T) {
	t.Parallel()
	const posters, each = 16, 2000
	d := newDispatcher(t, sched.DispatcherConfig{})
	ran := make([]atomic.Int32, posters*each)
	var wg sync.WaitGroup
	wg.Add(len(ran))
	for p := range posters {
		face := []actor.Dispatcher{d, d.Low()}[p%2]
		go func() {
			for i := range each {
				face.Schedule(func() { ran[p*each+i].Add(1); wg.Done() })
			}
		}()
	}
	wg.Wait()
	for i := range ran {
		require.EqualValues(t, 1, ran[i].Load(), "function %d", i)
	}
}

// TestWorkersLimit counts how many functions run at the same time when none of
// them takes long enough to count as blocked.
func TestWorkersLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 3})
		var running, most, total atomic.Int32
		for range 100 {
			d.Schedule(func() {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-time.After(100 * time.Microsecond)
				running.Add(-1)
				total.Add(1)
			})
		}
		<-time.After(time.Second)
		require.EqualValues(t, 100, total.Load())
		require.EqualValues(t, 3, most.Load())
		require.Equal(t, sched.State{Idle: 3}, d.State())
	})
}

func TestLowPriorityComesLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 1})
		var order []string
		note := func(s string) func() { return func() { order = append(order, s) } }
		d.Schedule(func() {
			d.Low().Schedule(note("low 1"))
			d.Schedule(note("normal 1"))
			d.Low().Schedule(func() {
				note("low 2")()
				d.Schedule(note("normal 3"))
			})
			d.Low().Schedule(note("low 3"))
			d.Schedule(note("normal 2"))
		})
		synctest.Wait()
		require.Equal(t, []string{"normal 1", "normal 2", "low 1", "low 2", "normal 3", "low 3"}, order)
	})
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 1})
		const lows = 3
		normal, low := 0, 0
		var again func()
		again = func() {
			normal++
			if low < lows {
				d.Schedule(again)
			}
		}
		d.Schedule(func() {
			for range lows {
				d.Low().Schedule(func() { low++ })
			}
			d.Schedule(again)
		})
		synctest.Wait()
		require.Equal(t, lows, low)
		require.LessOrEqual(t, normal, lows*64)
		require.Greater(t, normal, (lows-1)*60, "low priority work came too early")
	})
}

// onOneProcessor runs test, in bubbles, on one processor, so that a goroutine that is
// ready does not run before another one yields. Go's scheduler resumes the one that
// yielded at once every 61st time, so only most of the results have to be want.
func onOneProcessor(t *testing.T, want []string, test func(t *testing.T) []string) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const rounds = 40
	right := 0
	var got []string
	for range rounds {
		synctest.Test(t, func(t *testing.T) { got = test(t) })
		if slices.Equal(want, got) {
			right++
		}
	}
	require.Greater(t, right, rounds/2, "last result: %v", got)
}

func TestYieldBeforeLowPriority(t *testing.T) { //nolint:paralleltest // GOMAXPROCS is global
	onOneProcessor(t, []string{"read", "read", "flush", "read", "read", "flush"}, func(t *testing.T) []string {
		d := newDispatcher(t, sched.DispatcherConfig{})
		var order []string
		work := func() {
			d.Low().Schedule(func() { order = append(order, "flush") })
			for range 2 {
				go d.Schedule(func() { order = append(order, "read") })
			}
		}
		d.Schedule(func() {
			work()
			d.Low().Schedule(func() { d.Schedule(work) })
		})
		synctest.Wait()
		return order
	})
}

func TestWatchdogReplacesBlockedWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const blocked = 50
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 2})
		start := time.Now()
		gate := make(chan struct{})
		done := 0
		for range blocked {
			d.Schedule(func() { <-gate })
		}
		d.Schedule(func() { done++; close(gate) })
		<-gate
		// Both workers are replaced after having been seen twice.
		require.LessOrEqual(t, time.Since(start), blocked*time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, done)
		require.NoError(t, d.Check())
		require.Equal(t, 2, d.State().Idle, "surplus workers end")
		<-time.After(time.Hour)
		require.Equal(t, sched.State{Idle: 2}, d.State(), "no watchdog when nothing waits")
	})
}

func TestBlockedWorkersDoNotSlowOthersDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 2, Stall: 5 * time.Millisecond})
		gate := make(chan struct{})
		for range 2 {
			d.Schedule(func() { <-gate })
		}
		synctest.Wait()
		run := func() time.Duration {
			start, done := time.Now(), make(chan struct{})
			d.Schedule(func() { close(done) })
			<-done
			return time.Since(start)
		}
		require.Equal(t, 5*time.Millisecond, run(), "found to be blocked")
		for range 10 {
			require.Zero(t, run(), "known to be blocked")
		}
		close(gate)
		synctest.Wait()
		require.NoError(t, d.Check())
	})
}

func TestNoGoroutineNoTimerWithoutWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := sched.NewDispatcher(sched.DispatcherConfig{Workers: 4})
		require.Equal(t, sched.State{}, d.State())
		d.Schedule(func() {})
		synctest.Wait()
		require.Equal(t, sched.State{Idle: 1}, d.State())
		for range 100 {
			d.Schedule(func() {})
			d.Low().Schedule(func() {})
		}
		<-time.After(2 * time.Millisecond)
		s := d.State()
		require.False(t, s.Watched)
		require.Zero(t, s.Busy)
		require.NotZero(t, s.Idle)
		d.Close()
		// The bubble fails the test if a worker stays.
	})
}

func TestCloseLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := sched.NewDispatcher(sched.DispatcherConfig{Workers: 1})
		var ran atomic.Int32
		count := func() { ran.Add(1) }
		gate := make(chan struct{})
		d.Schedule(func() { <-gate; d.Schedule(count) })
		synctest.Wait()
		for range 10 {
			d.Schedule(count)
			d.Low().Schedule(count)
		}
		d.Close()
		d.Close()
		d.Schedule(count)
		d.Low().Schedule(count)
		synctest.Wait()
		require.EqualValues(t, 22, ran.Load(), "queued before and scheduled after Close")
		require.Equal(t, sched.State{Busy: 1}, d.State())
		close(gate)
		synctest.Wait()
		require.EqualValues(t, 23, ran.Load())
		require.Equal(t, sched.State{}, d.State())
	})
}

func TestCloseWhileWorking(t *testing.T) {
	t.Parallel()
	for range 200 {
		d := sched.NewDispatcher(sched.DispatcherConfig{Workers: 2})
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(50)
			go func() {
				for range 50 {
					d.Schedule(wg.Done)
				}
			}()
		}
		go d.Close()
		wg.Wait()
		d.Close()
	}
}

func TestGoexitDoesNotCostAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 1})
		ran := 0
		for range 5 {
			d.Schedule(runtime.Goexit)
			d.Schedule(func() { ran++ })
		}
		synctest.Wait()
		require.Equal(t, 5, ran)
		require.Equal(t, 1, d.State().Idle)
		require.NoError(t, d.Check())
	})
}

// TestPanicEndsTheProcess runs itself in a second process.
func TestPanicEndsTheProcess(t *testing.T) {
	t.Parallel()
	const key = "SCHED_TEST_PANIC"
	if os.Getenv(key) != "" {
		d := sched.NewDispatcher(sched.DispatcherConfig{})
		d.Schedule(func() { panic("out of the function") })
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicEndsTheProcess$")
	cmd.Env = append(os.Environ(), key+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "panic: out of the function")
}

func TestRunQueue(t *testing.T) {
	t.Parallel()
	var q sched.RunQueue
	pushed, popped, last := 0, 0, -1
	push := func() { n := pushed; pushed++; q.Push(func() { last = n }) }
	pop := func() { q.Pop()(); require.Equal(t, popped, last); popped++ }
	for round := range 5000 { // grows, and wraps around at different places
		push()
		if round%3 == 0 {
			pop()
		}
	}
	require.Equal(t, pushed-popped, q.Len())
	require.Greater(t, q.Slots(), sched.KeepSlots)
	for q.Len() > 0 {
		pop()
	}
	require.Zero(t, q.Slots(), "gives back the memory of a burst")
	push()
	pop()
	require.Equal(t, 16, q.Slots())
}
