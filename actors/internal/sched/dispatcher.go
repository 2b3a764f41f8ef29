package sched

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

const (
	defaultThroughput = 256
	defaultStall      = time.Millisecond

	// lowEvery is how many functions are taken before the low-priority queue
	// gets a turn even though the normal queue is not empty.
	lowEvery = 64

	// stealEvery is how many functions are taken before a worker looks at all shards
	// alike instead of its processor's first.
	stealEvery = 32

	// loneStalls is how many times Stall a lone piece of work may wait for a worker
	// that does not come back to the queues.
	loneStalls = 10
)

// DispatcherConfig configures a [Dispatcher]. The zero value is ready to use.
type DispatcherConfig struct {
	// Workers is the number of functions that run at the same time, not
	// counting those found to be blocked. Zero or less means GOMAXPROCS as it
	// is when the dispatcher is made.
	Workers int

	// Throughput is the number of messages a mailbox of this package handles
	// before it lets other actors have the worker. Zero or less means 256.
	Throughput int

	// Stall is how long a function may run, while others wait for a worker,
	// until it counts as blocked and another worker takes its place. Zero or
	// less means 1 ms. It is ten times as long while only one function waits for
	// a guest, see [Helper], and a worker could be woken.
	Stall time.Duration
}

// Dispatcher runs the mailboxes of actors on a few goroutines that stay warm.
// It implements [actor.Dispatcher].
//
// All methods may be called concurrently, also from inside a running function.
// Inside a testing/synctest bubble the dispatcher must be made, used and closed
// in the same bubble.
type Dispatcher struct {
	workers    int
	throughput int
	stall      time.Duration

	shards []shard
	near   sync.Pool     // *shard, see local
	given  atomic.Uint32 // shards taken out of thin air

	// calm says that new work needs nobody to be woken: a worker is coming that will
	// look at the queues, or all are busy and the watchdog is awake. See settle.
	calm atomic.Bool
	// present is the length of busy, for those who look without the lock.
	present atomic.Int32

	mu     sync.Mutex
	busy   []*worker // neither parked nor found to be blocked
	idle   []*worker // parked; the last one is the warmest
	coming *worker   // in busy; awake, but has not looked at the queues yet
	timer  *time.Timer
	watch  vigil
	closed bool

	crowded atomic.Bool // a reader found a worker busy since the last guest came
}

// NewDispatcher returns a dispatcher without any goroutine or timer: they
// come with the first work. Call [Dispatcher.Close] to end them.
func NewDispatcher(cfg DispatcherConfig) *Dispatcher {
	d := &Dispatcher{workers: cfg.Workers, throughput: cfg.Throughput, stall: cfg.Stall}
	if d.workers <= 0 {
		d.workers = runtime.GOMAXPROCS(0)
	}
	d.shards = make([]shard, d.workers)
	if d.throughput <= 0 {
		d.throughput = defaultThroughput
	}
	if d.stall <= 0 {
		d.stall = defaultStall
	}
	return d
}

// Schedule queues fn to be run once by a worker and returns without waiting.
// After [Dispatcher.Close] fn runs on a goroutine of its own.
//
// A panic in fn is not recovered: it ends the process, as it would with the
// dispatcher of Proto.Actor. The mailboxes recover panics of actors themselves.
func (d *Dispatcher) Schedule(fn func()) {
	d.schedule(false, fn)
}

// Throughput returns the number of messages that a mailbox should handle in
// one go.
func (d *Dispatcher) Throughput() int {
	return d.throughput
}

// Low returns the low-priority face of d: same workers, second queue. Its
// functions run when the normal queue is empty, or as every 64th, and a worker
// yields the processor once before it starts on them, so that goroutines that
// are ready to post more work do so first. Closing d closes its low face too.
func (d *Dispatcher) Low() actor.Dispatcher {
	return lowFace{d}
}

// Close ends the idle workers; busy ones end when their function returns.
// It does not wait for them. Functions still queued, and those scheduled later,
// run on goroutines of their own, so no work is lost. Close is idempotent.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	d.closed = true
	idle := d.idle
	d.idle = nil
	var rest []func()
	for i := range d.shards {
		rest = append(rest, d.shards[i].close()...)
	}
	if d.watch != asleep {
		d.watch = asleep
		d.timer.Stop()
	}
	d.mu.Unlock()

	for _, w := range idle {
		close(w.wake)
	}
	for _, fn := range rest {
		go fn()
	}
}

// lowFace is the dispatcher seen through its low-priority queue.
type lowFace struct{ d *Dispatcher }

func (f lowFace) Schedule(fn func()) { f.d.schedule(true, fn) }
func (f lowFace) Throughput() int    { return f.d.throughput }

func (d *Dispatcher) schedule(low bool, fn func()) {
	if !d.local().push(low, fn) {
		go fn() // closed
		return
	}
	if d.calm.Load() {
		return
	}
	d.mu.Lock()
	var w *worker
	if d.coming == nil && len(d.busy) == 1 && d.busy[0].guest && d.queued() == 1 {
		d.arm(lone) // mostly the guest is back sooner than another would be here
	} else {
		w = d.summon()
	}
	d.mu.Unlock()
	w.rouse()
}

// settle updates calm and present. It is called with mu held, after every change of
// what they tell and before the queues are looked at because of that change.
//
// No wake-up is lost between those who push and find calm, without a lock, and those
// who end the calm. The former push and then load calm; the latter store calm and then
// look at the queues. Atomic operations have one order for all: either the load of calm
// comes after the store, then the one who pushed goes on to summon somebody; or the push
// comes before the look, which finds it. So whoever ends the calm looks at the queues
// afterwards: a worker that has come when it takes work, one that parks, leaves or ends,
// and the watchdog, by summon or queued.
func (d *Dispatcher) settle() {
	d.calm.Store(d.coming != nil || d.watch == full && len(d.busy) >= d.workers)
	d.present.Store(int32(len(d.busy))) //nolint:gosec // a small number
}
