package sched

import (
	"runtime"
	"sync/atomic"
)

// worker is a goroutine that runs functions.
type worker struct {
	d    *Dispatcher
	wake chan struct{} // nil until the worker is started
	took atomic.Uint32 // grows whenever the worker comes back to the queues
	lost atomic.Bool   // the watchdog took its place: it must rejoin or end

	// These belong to the dispatcher's lock.
	seen uint32 // took, when the watchdog was started
	busy int    // index in Dispatcher.busy, -1 when not there

	// These are the worker's own.
	arriving bool // set by who wakes it: it is, or was, Dispatcher.coming
	yielded  bool // has yielded since it last ran a normal function
	guest    bool // the goroutine is lent, see Helper
	budget   int  // of a guest: how many functions it still runs
}

// rouse starts or wakes a worker that summon returned. It is called without
// the lock, because waking another thread takes microseconds.
func (w *worker) rouse() {
	switch {
	case w == nil:
	case w.wake == nil:
		w.wake = make(chan struct{}, 1)
		go w.loop()
	default:
		w.wake <- struct{}{}
	}
}

func (w *worker) loop() {
	ended := false
	defer func() {
		if !ended { // runtime.Goexit, for example testing.T.FailNow, in a function
			w.d.replace(w)
		}
	}()
	for fn := w.d.next(w); fn != nil; fn = w.d.next(w) {
		fn()
	}
	ended = true
}

// next returns what w runs next, parking w as long as there is nothing. It
// returns nil when w has to end. A worker that finds work and calm takes no lock but
// that of a shard.
func (d *Dispatcher) next(w *worker) func() {
	for {
		turn := uint(w.took.Add(1))
		if (w.arriving || w.guest || w.lost.Load()) && !d.report(w) {
			return nil
		}
		if fn := d.choose(w, turn); fn != nil {
			d.spread()
			return fn
		}
		if d.lows() == 0 { // else w is to yield, or another one was faster
			if !w.guest && !d.park(w) {
				return nil
			}
		} else if !w.yielded {
			d.yield(w)
		}
	}
}

// choose takes the next function, or returns nil: if there is none, or one of low
// priority before which w has to yield.
func (d *Dispatcher) choose(w *worker, turn uint) func() {
	if turn%lowEvery == 0 {
		if fn := d.take(true, turn); fn != nil {
			return fn
		}
	}
	if fn := d.take(false, turn); fn != nil {
		w.yielded = false
		return fn
	}
	if d.lows() == 0 || !w.yielded && d.patient(w) {
		return nil
	}
	w.yielded = true
	return d.take(true, turn)
}

// spread sees to it that what w leaves behind gets a worker.
func (d *Dispatcher) spread() {
	if d.calm.Load() || d.queued() == 0 {
		return
	}
	d.mu.Lock()
	helper := d.summon()
	d.mu.Unlock()
	helper.rouse()
}

// report says that w is back from wherever it was. It returns false if w must go.
func (d *Dispatcher) report(w *worker) bool {
	d.mu.Lock()
	if d.coming == w {
		d.coming = nil
		d.settle()
	}
	w.arriving = false
	stays := w.busy >= 0 || d.rejoin(w)
	if stays && w.guest {
		stays = !d.dismissed(w)
	}
	var helper *worker
	if !stays {
		helper = d.summon()
	}
	d.mu.Unlock()
	helper.rouse()
	return stays
}

// patient reports whether w yields before it starts on the low-priority queue. That
// wakes a thread if a processor is idle, so a guest does it only when others are about
// that may have more to post; with one processor they could not have shown up yet.
func (d *Dispatcher) patient(w *worker) bool {
	return !w.guest || d.workers == 1 || d.crowded.Load()
}

// yield lets ready goroutines run before w starts on the low-priority queue.
// While they do, w counts as coming: what they schedule needs no other worker.
func (d *Dispatcher) yield(w *worker) {
	w.yielded = true
	if !d.calm.Load() {
		d.mu.Lock()
		if d.coming == nil && w.busy >= 0 {
			d.coming = w
			d.settle()
			w.arriving = true
		}
		d.mu.Unlock()
	}
	runtime.Gosched()
}

// park waits for work. It returns false when w has to end, and true at once if there
// is work, or w has lost its place.
func (d *Dispatcher) park(w *worker) bool {
	d.mu.Lock()
	if w.busy < 0 {
		d.mu.Unlock()
		return true
	}
	d.leave(w)
	w.yielded = false
	switch {
	case d.closed:
		d.mu.Unlock()
		return false
	case d.queued() > 0: // pushed while it was calm, or about to be seen to
		d.enter(w)
		d.mu.Unlock()
		return true
	}
	d.idle = append(d.idle, w)
	d.mu.Unlock()
	<-w.wake
	return w.arriving // else woken by Close
}

// summon sees to it that queued work gets a worker although the present ones
// may be about to block. It returns the worker to rouse, if any.
//
// One worker at a time is on its way. Until it has looked at the queues nobody
// else is woken: if the present worker returns first, it takes the work itself,
// and a lone conversation between actors stays on one warm thread.
func (d *Dispatcher) summon() *worker {
	if d.coming != nil || d.queued() == 0 {
		return nil
	}
	if len(d.busy) >= d.workers {
		d.arm(full)
		return nil
	}
	var w *worker
	if n := len(d.idle); n > 0 {
		w = d.idle[n-1]
		d.idle[n-1] = nil
		d.idle = d.idle[:n-1]
	} else {
		w = &worker{d: d}
	}
	d.coming, w.arriving = w, true
	d.enter(w)
	return w
}

func (d *Dispatcher) enter(w *worker) {
	w.busy = len(d.busy)
	d.busy = append(d.busy, w)
	d.settle()
}

func (d *Dispatcher) leave(w *worker) {
	last := len(d.busy) - 1
	d.busy[w.busy] = d.busy[last]
	d.busy[w.busy].busy = w.busy
	d.busy[last] = nil
	d.busy = d.busy[:last]
	w.busy = -1
	d.settle()
}

// rejoin gives w, once found to be blocked, a place if one is left.
func (d *Dispatcher) rejoin(w *worker) bool {
	if w.guest || len(d.busy)+len(d.idle) >= d.workers {
		return false
	}
	w.lost.Store(false)
	d.enter(w)
	return true
}

// replace removes a worker whose goroutine is ending unexpectedly.
func (d *Dispatcher) replace(w *worker) {
	d.mu.Lock()
	if w.busy >= 0 {
		d.leave(w)
	}
	helper := d.summon()
	d.mu.Unlock()
	helper.rouse()
}
