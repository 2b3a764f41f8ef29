package sched_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// help calls post, and has the calling goroutine run what comes of it if it may.
func help(h *sched.Helper, d *sched.Dispatcher, post func()) bool {
	if !h.Begin(d) {
		post()
		return false
	}
	defer h.End()
	post()
	return true
}

// TestHelperNeedsNoWorker answers a request as a connection does: two functions, then
// one of low priority.
func TestHelperNeedsNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{})
		var h sched.Helper
		for range 100 {
			var order []string
			require.True(t, help(&h, d, func() {
				d.Schedule(func() {
					order = append(order, "first")
					d.Schedule(func() {
						order = append(order, "second")
						d.Low().Schedule(func() { order = append(order, "flush") })
					})
				})
			}))
			require.Equal(t, []string{"first", "second", "flush"}, order)
			require.NoError(t, d.Check())
		}
		require.Zero(t, d.State().Idle+d.State().Busy)
		require.True(t, help(&h, d, func() {}), "nothing posted")
		<-time.After(time.Second)
		require.Equal(t, sched.State{}, d.State(), "the watchdog sleeps")
	})
}

func TestHelperLeavesItToBusyWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 2})
		var h sched.Helper
		gate := make(chan struct{})
		d.Schedule(func() { <-gate })
		synctest.Wait()
		ran := false
		require.False(t, help(&h, d, func() { d.Schedule(func() { ran = true }) }))
		synctest.Wait()
		require.True(t, ran, "by the second worker")
		close(gate)
		synctest.Wait()
		require.True(t, h.Begin(d))
		h.End()
		d.Close()
		require.False(t, h.Begin(d), "closed")
	})
}

// TestHelperHandsOver gives a guest more than it may do.
func TestHelperHandsOver(t *testing.T) {
	t.Parallel()
	for name, post := range map[string]func(d *sched.Dispatcher, fn func()){
		"at once": func(d *sched.Dispatcher, fn func()) {
			for range 100 {
				d.Schedule(fn)
			}
		},
		"in a chain": func(d *sched.Dispatcher, fn func()) {
			var next func(n int) func()
			next = func(n int) func() {
				return func() {
					if fn(); n > 1 {
						d.Schedule(next(n - 1))
					}
				}
			}
			d.Schedule(next(100))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDispatcher(t, sched.DispatcherConfig{Workers: 2})
				var h sched.Helper
				var ran atomic.Int32
				all := func() { post(d, func() { ran.Add(1) }) }
				require.True(t, help(&h, d, all))
				synctest.Wait()
				require.EqualValues(t, 100, ran.Load())
				require.NotZero(t, d.State().Idle)
				require.False(t, h.Begin(d), "once bitten, twice shy")
				for range 40 {
					d.Schedule(func() {})
					synctest.Wait()
					if h.Begin(d) {
						h.End()
						return
					}
				}
				t.Error("never helps again")
			})
		})
	}
}

// TestHelperBudget has a guest work for a conversation that goes on for ever.
func TestHelperBudget(t *testing.T) {
	t.Parallel()
	d := newDispatcher(t, sched.DispatcherConfig{})
	var over atomic.Bool
	var again func()
	again = func() {
		if !over.Load() {
			d.Schedule(again)
		}
	}
	var h sched.Helper
	require.True(t, help(&h, d, again)) // returns
	over.Store(true)
}

// TestHelperBlocks has a guest run a function that waits for another one, which was
// left to the guest.
func TestHelperBlocks(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDispatcher(t, sched.DispatcherConfig{Workers: workers})
				var h sched.Helper
				for range 3 {
					start := time.Now()
					require.True(t, help(&h, d, func() {
						d.Schedule(func() {
							other := make(chan struct{})
							d.Schedule(func() { close(other) })
							<-other
						})
					}))
					require.LessOrEqual(t, time.Since(start), 20*time.Millisecond)
					synctest.Wait()
					require.NoError(t, d.Check())
				}
				require.Equal(t, 1, d.State().Idle)
				<-time.After(time.Second)
				require.Equal(t, sched.State{Idle: 1}, d.State())
			})
		})
	}
}

// TestHelperBlockedForLong is a guest that is stuck while others go on.
func TestHelperBlockedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDispatcher(t, sched.DispatcherConfig{Workers: 1})
		gate := make(chan struct{})
		ended := false
		go func() {
			var h sched.Helper
			help(&h, d, func() { d.Schedule(func() { <-gate }) })
			ended = true
		}()
		synctest.Wait()
		start, ran := time.Now(), make(chan struct{})
		d.Schedule(func() { close(ran) })
		<-ran
		require.LessOrEqual(t, time.Since(start), 20*time.Millisecond)
		synctest.Wait()
		var h sched.Helper
		require.True(t, help(&h, d, func() { d.Schedule(func() {}) }), "a blocked guest is no worker")
		require.False(t, ended)
		close(gate)
		synctest.Wait()
		require.True(t, ended)
		require.NoError(t, d.Check())
	})
}

func TestHelperPanicAndGoexit(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDispatcher(t, sched.DispatcherConfig{Workers: 1})
				ran, ended := false, false
				go func() {
					defer func() { ended = true; _ = recover() }()
					var h sched.Helper
					help(&h, d, func() {
						d.Schedule(func() {
							d.Schedule(func() { ran = true })
							fail()
						})
					})
				}()
				synctest.Wait()
				require.True(t, ended)
				require.True(t, ran, "by a worker")
				require.NoError(t, d.Check())
				require.Equal(t, 1, d.State().Idle)
				require.Zero(t, d.State().Busy)
			})
		})
	}
}

// TestHelperYieldsInACrowd lets readers that are ready post before a guest starts on
// the low-priority queue.
func TestHelperYieldsInACrowd(t *testing.T) { //nolint:paralleltest // GOMAXPROCS is global
	want := []string{"read", "read", "read", "read", "flush", "flush", "flush", "flush"}
	onOneProcessor(t, want, func(t *testing.T) []string {
		d := newDispatcher(t, sched.DispatcherConfig{})
		var order []string
		var helpers [4]sched.Helper
		for i := range helpers {
			go help(&helpers[i], d, func() {
				d.Schedule(func() {
					order = append(order, "read")
					d.Low().Schedule(func() { order = append(order, "flush") })
				})
			})
		}
		synctest.Wait()
		return order
	})
}

func TestHelperDoesNotAllocate(t *testing.T) { //nolint:paralleltest // counts all allocations
	system := newSystem()
	d := newDispatcher(t, sched.DispatcherConfig{})
	got := 0
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*sched.Drained); ok {
			got++
		}
	}, actor.WithDispatcher(d), actor.WithMailbox(sched.NewMailbox(sched.Draining()))))
	for d.State().Busy > 0 { // Started is handled
		runtime.Gosched()
	}
	var h sched.Helper
	msg := &token{}
	helped := 0
	allocs := testing.AllocsPerRun(2000, func() {
		if h.Begin(d) {
			helped++
			defer h.End()
		}
		system.Root.Send(pid, msg)
	})
	require.Zero(t, allocs)
	require.Equal(t, 2001, helped)
	require.Equal(t, 2001, got)
	require.NoError(t, system.Root.StopFuture(pid).Wait())
}

// TestHelpersChaos has readers come and go while functions schedule more, block, and
// end their goroutines, at times the readers'.
func TestHelpersChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		d := sched.NewDispatcher(sched.DispatcherConfig{Workers: 1 + int(seed%3), Stall: 50 * time.Microsecond})
		c := &chaos{d: d}
		var readers sync.WaitGroup
		for r := range uint64(4) {
			var h sched.Helper
			readers.Add(1)
			go c.read(&h, seed<<8|r, 40, &readers)
		}
		if seed%4 == 0 {
			d.Close()
		}
		readers.Wait()
		for c.ran.Load() < c.scheduled.Load() {
			require.NoError(t, d.Check())
			runtime.Gosched()
		}
		c.wg.Wait()
		require.NoError(t, d.Check())
		require.Equal(t, c.scheduled.Load(), c.ran.Load())
		d.Close()
	}
}

// read helps n times; another goroutine goes on if this one is ended by what it runs.
func (c *chaos) read(h *sched.Helper, seed uint64, n int, readers *sync.WaitGroup) {
	defer func() {
		if n > 0 {
			go c.read(h, seed, n, readers)
		} else {
			readers.Done()
		}
	}()
	for n > 0 {
		n--
		help(h, c.d, func() { c.schedule(newRand(seed<<8|uint64(n)), 2) })
		if n%3 == 0 {
			runtime.Gosched()
		}
	}
}
