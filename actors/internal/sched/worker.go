package sched

import "runtime"

// worker is a goroutine that runs functions. Its fields, except wake, belong to
// the dispatcher's lock.
type worker struct {
	d    *Dispatcher
	wake chan struct{} // nil until the worker is started
	took uint          // grows whenever the worker comes back to the queues
	seen uint          // took, when the watchdog was started
	busy int           // index in Dispatcher.busy, -1 when not there

	yielded bool // has yielded since it last ran a normal function
	guest   bool // the goroutine is lent, see Helper
	budget  int  // of a guest: how many functions it still runs
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
// returns nil when w has to end.
func (d *Dispatcher) next(w *worker) func() {
	d.mu.Lock()
	for {
		w.took++
		if d.coming == w {
			d.coming = nil
		}
		switch {
		case w.busy < 0 && !d.rejoin(w):
			d.mu.Unlock()
			return nil // found to be blocked: a guest's help is over
		case w.guest && d.dismissed(w):
			helper := d.summon()
			d.mu.Unlock()
			helper.rouse()
			return nil
		case d.queued() == 0:
			if !d.park(w) {
				return nil
			}
		case d.normal.n == 0 && !w.yielded && d.patient(w):
			d.yield(w)
		default:
			return d.take(w)
		}
	}
}

// take returns the next function, with the lock released.
func (d *Dispatcher) take(w *worker) func() {
	w.yielded = d.normal.n == 0
	fn := d.pop()
	helper := d.summon()
	d.mu.Unlock()
	helper.rouse()
	return fn
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
	if d.coming == nil {
		d.coming = w
	}
	d.mu.Unlock()
	runtime.Gosched()
	d.mu.Lock()
}

// park waits for work, entered and left with the lock held. It returns false,
// with the lock released, when w has to end.
func (d *Dispatcher) park(w *worker) bool {
	d.leave(w)
	w.yielded = false
	if d.closed {
		d.mu.Unlock()
		return false
	}
	d.idle = append(d.idle, w)
	d.mu.Unlock()
	<-w.wake
	d.mu.Lock()
	if w.busy < 0 { // woken by Close
		d.mu.Unlock()
		return false
	}
	return true
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
	d.enter(w)
	d.coming = w
	return w
}

func (d *Dispatcher) enter(w *worker) {
	w.busy = len(d.busy)
	d.busy = append(d.busy, w)
}

func (d *Dispatcher) leave(w *worker) {
	last := len(d.busy) - 1
	d.busy[w.busy] = d.busy[last]
	d.busy[w.busy].busy = w.busy
	d.busy[last] = nil
	d.busy = d.busy[:last]
	w.busy = -1
}

// rejoin gives w, once found to be blocked, a place if one is left.
func (d *Dispatcher) rejoin(w *worker) bool {
	if w.guest || len(d.busy)+len(d.idle) >= d.workers {
		return false
	}
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
