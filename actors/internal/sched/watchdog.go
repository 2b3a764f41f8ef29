package sched

import (
	"slices"
	"time"
)

// vigil says what the watchdog is waiting for.
type vigil int

const (
	asleep vigil = iota // the timer does not run
	lone                // work was left to a guest, workers could be woken
	full                // work waits and no more workers may be woken
)

// arm starts the watchdog unless it is running for the same reason or a better one.
//
// Starting the timer may wake the thread that waits for the network. So a watchdog for
// lone work, which is needed for nearly every request of a quiet connection, goes on as
// long as it finds somebody busy, and takes its time.
func (d *Dispatcher) arm(v vigil) {
	if d.watch >= v {
		return
	}
	d.watch = v
	d.settle()
	for _, w := range d.busy {
		w.seen = w.took.Load()
	}
	after := d.stall
	if v == lone {
		after *= loneStalls
	}
	if d.timer == nil {
		d.timer = time.AfterFunc(after, d.check)
	} else {
		d.timer.Reset(after)
	}
}

// check is the watchdog, which runs once. A worker that is still in the function
// it was in when the watchdog started counts as blocked: it gives up its place,
// and ends when the function returns unless there is a place for it then.
func (d *Dispatcher) check() {
	d.mu.Lock()
	if d.watch == asleep { // closed meanwhile
		d.mu.Unlock()
		return
	}
	d.watch = asleep
	d.settle()
	if d.queued() > 0 {
		for _, w := range slices.Backward(d.busy) {
			if w.seen == w.took.Load() && w != d.coming {
				w.lost.Store(true)
				d.leave(w)
			}
		}
	}
	w := d.summon()
	if len(d.busy) > 0 && d.busy[0].guest {
		d.arm(lone)
	}
	d.mu.Unlock()
	w.rouse()
}
