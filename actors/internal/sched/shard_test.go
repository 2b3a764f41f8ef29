package sched_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// TestNoShardIsLeftBehind takes from one place, where there is always more to do.
func TestNoShardIsLeftBehind(t *testing.T) {
	t.Parallel()
	const shards, each = 4, 500
	for _, low := range []bool{false, true} {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: shards})
		var taken [shards]int
		for i := range shards {
			for range each {
				d.PushTo(i, low, func() { taken[i]++ })
			}
		}
		for turn := range uint(200) {
			d.Take(low, turn)()
		}
		for i, n := range taken {
			require.NotZero(t, n, "shard %d", i)
		}
		for turn := range uint(shards*each - 200) {
			d.Take(low, turn)()
		}
		require.Nil(t, d.Take(low, 0))
		require.Equal(t, [shards]int{each, each, each, each}, taken)
		require.Zero(t, d.State().Queued)
	}
}

// TestNoLostWakeUpWithoutWatchdog has several goroutines wait for what they schedule, at
// about the moment when workers park, come and yield, or with a helping hand. Nobody
// would repair a lost wake-up: the watchdog sleeps for an hour.
func TestNoLostWakeUpWithoutWatchdog(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 4, 8} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			t.Parallel()
			d := newDispatcher(t, sched.DispatcherConfig{Workers: workers, Stall: time.Hour})
			var posters sync.WaitGroup
			for p := range 4 {
				posters.Go(func() { converse(d, p, 3000) })
			}
			ended := make(chan struct{})
			go func() { posters.Wait(); close(ended) }()
			select {
			case <-ended:
				require.NoError(t, d.Check())
			case <-time.After(time.Minute):
				require.FailNow(t, "work lies about", "%+v", d.State())
			}
		})
	}
}

// TestNoLostWakeUpAtPark schedules at about the moment when the only worker parks. All is
// calm then: the watchdog was started once, for the next hour, and the worker is busy
// until it has parked.
func TestNoLostWakeUpAtPark(t *testing.T) { //nolint:paralleltest // needs two processors for itself
	d := newDispatcher(t, sched.DispatcherConfig{Workers: 1, Stall: time.Hour})
	gate := make(chan struct{})
	d.Schedule(func() { <-gate })
	d.Schedule(func() {})
	d.Schedule(func() {})
	for !d.State().Watched {
		d.Schedule(func() {})
		runtime.Gosched()
	}
	close(gate)
	var seen atomic.Int64
	var sink int64
	deadline := time.Now().Add(time.Minute)
	for n := range int64(100_000) {
		d.Schedule(func() { seen.Add(1) })
		for spins := 1; seen.Load() == n; spins++ {
			if spins%1000 == 0 {
				runtime.Gosched()
				require.True(t, time.Now().Before(deadline), "function %d lies about", n)
			}
		}
		for i := range n % 256 { // meets the worker in all states
			sink += i & seen.Load()
		}
	}
	require.Positive(t, sink)
}

// converse schedules a function n times, which schedules another one, and waits for that.
func converse(d *sched.Dispatcher, poster, n int) {
	face := []actor.Dispatcher{d, d.Low()}[poster%2]
	var h sched.Helper
	done := make(chan struct{}, 1)
	fn := func() { face.Schedule(func() { done <- struct{}{} }) }
	for ; n > 0; n-- {
		if poster < 2 {
			help(&h, d, func() { face.Schedule(fn) })
		} else {
			face.Schedule(fn)
		}
		for range n % 7 {
			runtime.Gosched()
		}
		<-done
	}
}

// TestCloseWhileHelping closes at any moment: nothing scheduled is lost.
func TestCloseWhileHelping(t *testing.T) {
	t.Parallel()
	for range 200 {
		d := sched.NewDispatcher(sched.DispatcherConfig{Workers: 3})
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(50)
			go func() {
				var h sched.Helper
				for range 50 {
					help(&h, d, func() { d.Low().Schedule(wg.Done) })
				}
			}()
		}
		go d.Close()
		wg.Wait()
		d.Close()
	}
}
