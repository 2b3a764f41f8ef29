package sched

import (
	"errors"
	"runtime"
)

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
	for range 10_000 { // who has pushed may be about to summon somebody
		if d.attended() {
			return d.check1()
		}
		runtime.Gosched()
	}
	return errors.New("work is queued, but nobody is coming and nobody watches")
}

func (d *Dispatcher) attended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queued() == 0 || d.coming != nil || d.watch != asleep
}

func (d *Dispatcher) check1() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	workers := len(d.idle)
	for i, w := range d.busy {
		if w.busy != i {
			return errors.New("worker is not where it says")
		}
		if w.lost.Load() {
			return errors.New("worker has a place and does not know")
		}
		if !w.guest {
			workers++
		}
	}
	switch {
	case workers > d.workers || len(d.busy) > d.workers:
		return errors.New("more workers than allowed")
	case d.coming != nil && d.coming.busy < 0:
		return errors.New("coming worker is not busy")
	case d.calm.Load() != (d.coming != nil || d.watch == full && len(d.busy) >= d.workers):
		return errors.New("calm is not what it should be")
	case int(d.present.Load()) != len(d.busy):
		return errors.New("present is not what it should be")
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

// PushTo pushes fn to the i-th shard.
func (d *Dispatcher) PushTo(i int, low bool, fn func()) { d.shards[i].push(low, fn) }

// Take takes a function like a worker for which it is the given turn.
func (d *Dispatcher) Take(low bool, turn uint) func() { return d.take(low, turn) }
