package sched

// keepSlots is the largest queue, in slots, that keeps its memory once it is
// empty. A burst may grow a queue beyond it, but not for ever.
const keepSlots = 1024

// runQueue is a first-in first-out ring of functions. It is not safe for
// concurrent use.
type runQueue struct {
	buf  []func() // length is zero or a power of two
	head int
	n    int
}

func (q *runQueue) push(fn func()) {
	if q.n == len(q.buf) {
		q.grow()
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = fn
	q.n++
}

// pop removes the oldest function. The queue must not be empty.
func (q *runQueue) pop() func() {
	fn := q.buf[q.head]
	q.buf[q.head] = nil
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	if q.n == 0 && len(q.buf) > keepSlots {
		q.buf, q.head = nil, 0
	}
	return fn
}

func (q *runQueue) grow() {
	buf := make([]func(), max(16, 2*len(q.buf)))
	k := copy(buf, q.buf[q.head:])
	copy(buf[k:], q.buf[:q.head])
	q.buf, q.head = buf, 0
}
