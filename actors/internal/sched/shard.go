package sched

import (
	"sync"
	"sync/atomic"
)

// shard is a pair of run queues. There are as many as workers, and each processor of Go
// has one that it prefers, so that its lock is hardly ever contended for: by those who
// steal, and when goroutines change processors.
type shard struct {
	mu     sync.Mutex
	normal runQueue
	low    runQueue
	closed bool
	// The lengths of the queues, for those who look without the lock.
	normals, lows atomic.Int32

	_ [64]byte // the neighbour's lock is on another cache line
}

// push reports false, and takes nothing, if the dispatcher is closed.
func (s *shard) push(low bool, fn func()) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	if low {
		s.low.push(fn)
		s.lows.Store(int32(s.low.n)) //nolint:gosec // no more than there are mailboxes
	} else {
		s.normal.push(fn)
		s.normals.Store(int32(s.normal.n)) //nolint:gosec // as above
	}
	s.mu.Unlock()
	return true
}

// pop takes the oldest function, or returns nil.
func (s *shard) pop(low bool) func() {
	q, n := &s.normal, &s.normals
	if low {
		q, n = &s.low, &s.lows
	}
	if n.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.n == 0 {
		return nil
	}
	fn := q.pop()
	n.Store(int32(q.n)) //nolint:gosec // as above
	return fn
}

// close takes everything and lets nothing in any more.
func (s *shard) close() []func() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var rest []func()
	for _, low := range []bool{false, true} {
		for fn := s.pop(low); fn != nil; fn = s.pop(low) {
			rest = append(rest, fn)
		}
	}
	return rest
}

// local returns the shard of the present processor. A pool keeps one item for each
// processor at hand: nothing else in the standard library tells processors apart. Items
// that get lost in a collection, or change places, cost contention and nothing else.
func (d *Dispatcher) local() *shard {
	if len(d.shards) == 1 {
		return &d.shards[0]
	}
	s, ok := d.near.Get().(*shard)
	if !ok {
		s = &d.shards[d.given.Add(1)%uint32(len(d.shards))] //nolint:gosec // a small number
	}
	d.near.Put(s)
	return s
}

// take takes a function: from the present processor's shard if there is one, else from
// another's. Now and then others come first, so that work is not left behind where no
// worker is at home.
func (d *Dispatcher) take(low bool, turn uint) func() {
	near := d.local()
	if turn%stealEvery != 0 {
		if fn := near.pop(low); fn != nil {
			return fn
		}
	}
	n := uint(len(d.shards))
	first := turn / stealEvery
	for i := range n {
		if fn := d.shards[(first+i)%n].pop(low); fn != nil {
			return fn
		}
	}
	return nil
}

// queued counts what is queued. It sees at least what was pushed before it was called
// and not taken since.
func (d *Dispatcher) queued() int { return d.normals() + d.lows() }

func (d *Dispatcher) normals() int {
	n := 0
	for i := range d.shards {
		n += int(d.shards[i].normals.Load())
	}
	return n
}

func (d *Dispatcher) lows() int {
	n := 0
	for i := range d.shards {
		n += int(d.shards[i].lows.Load())
	}
	return n
}
