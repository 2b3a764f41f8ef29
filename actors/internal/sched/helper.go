package sched

const (
	// helpBudget is how many functions a guest runs before it goes back to its own
	// work: a few times what a request needs.
	helpBudget = 16
	// helpPause is how often a goroutine does not offer help after it turned out that
	// there is more to do than one can.
	helpPause = 32
)

// Helper lends a goroutine to a dispatcher, as a guest among its workers: for one that
// is about to post work, and would then go to sleep while a worker wakes up for it. The
// zero value is ready to use, by one goroutine:
//
//	if h.Begin(d) {
//		defer h.End()
//	}
//	mailbox.PostUserMessage(m)
type Helper struct {
	worker worker
	pause  int // how often not to offer help
}

// Begin offers d the calling goroutine, and reports whether it is taken: if no worker is
// busy. End must be called then, soon: until then nobody else is woken for new work.
func (h *Helper) Begin(d *Dispatcher) bool {
	if h.pause > 0 || d.present.Load() > 0 {
		h.pause = max(0, h.pause-1)
		d.crowd()
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.busy) > 0 {
		d.crowd()
		return false
	}
	w := &h.worker
	w.d, w.guest, w.yielded, w.budget = d, true, false, helpBudget
	d.crowded.Store(false)
	w.lost.Store(false)
	w.arriving, d.coming = true, w
	d.enter(w)
	return true
}

// End runs what is queued, and what that schedules: until there is nothing, a worker
// has come because there was too much for one, or 16 functions were run. Then the
// workers have it.
//
// A panic in a function goes up to the caller, and so does runtime.Goexit; the
// dispatcher is none the worse. A function that blocks, blocks the caller, and another
// worker takes the guest's place.
func (h *Helper) End() {
	h.worker.loop()
	if h.worker.budget < 0 {
		h.pause = helpPause
	}
}

// crowd notes that more than one goroutine has work for d.
func (d *Dispatcher) crowd() {
	if !d.crowded.Load() { // mostly true when there is a crowd: a load is cheaper then
		d.crowded.Store(true)
	}
}

// dismissed lets a guest go, if there is nothing left for it or too much. Its budget
// is negative then if there is too much.
func (d *Dispatcher) dismissed(w *worker) bool {
	more := d.queued() > 0
	if more && w.budget > 0 && len(d.busy) == 1 {
		w.budget--
		return false
	}
	if more || len(d.busy) > 1 {
		w.budget = -1
	}
	d.leave(w)
	return true
}
