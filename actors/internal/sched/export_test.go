package sched

import "errors"

// KeepSlots and SegmentSlots are the largest queues that keep their memory.
const (
	KeepSlots    = keepSlots
	SegmentSlots = segmentSlots
)

// State is what tests may see of a dispatcher.
type State struct {
	Busy, Idle, Queued int
	Watched            bool
}

// State returns a snapshot of d.
func (d *Dispatcher) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return State{Busy: len(d.busy), Idle: len(d.idle), Queued: d.queued(), Watched: d.watch != asleep}
}

// Check reports a broken invariant.
func (d *Dispatcher) Check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queued() > 0 && d.coming == nil && d.watch == asleep {
		return errors.New("work is queued, but nobody is coming and nobody watches")
	}
	workers := len(d.idle)
	for _, w := range d.busy {
		if !w.guest {
			workers++
		}
	}
	if workers > d.workers || len(d.busy) > d.workers {
		return errors.New("more workers than allowed")
	}
	for i, w := range d.busy {
		if w.busy != i {
			return errors.New("worker is not where it says")
		}
	}
	if d.coming != nil && d.coming.busy < 0 {
		return errors.New("coming worker is not busy")
	}
	return nil
}

// MailboxSlots returns the capacity of the user queues of a mailbox.
func MailboxSlots(box any) int {
	m := box.(*mailbox)
	m.mu.Lock()
	defer m.mu.Unlock()
	slots := cap(m.user) + cap(m.batch) + cap(m.system)
	if m.backlog != nil {
		slots += cap(m.backlog.spare)
		for _, segment := range m.backlog.full {
			slots += cap(segment)
		}
	}
	return slots
}

// RunQueue is the run queue under its exported name.
type RunQueue = runQueue

func (q *runQueue) Push(fn func()) { q.push(fn) }
func (q *runQueue) Pop() func()    { return q.pop() }
func (q *runQueue) Len() int       { return q.n }
func (q *runQueue) Slots() int     { return len(q.buf) }
