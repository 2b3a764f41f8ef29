package sched

// segmentSlots is the length of a full slice of user messages, 4 KiB, and the
// most that each of the two slices of an idle mailbox keeps.
const segmentSlots = 256

// backlog is what a mailbox has beyond its two slices: full segments, oldest
// first. A burst grows the list of segments instead of doubling and copying a
// slice of messages under the lock; a mailbox that keeps up has no backlog.
type backlog struct {
	full  [][]any
	head  int   // index in full of the oldest
	spare []any // the last segment used up: enough when senders and owner keep pace
}

func (b *backlog) len() int {
	if b == nil {
		return 0
	}
	return len(b.full) - b.head
}

// push takes a full segment and returns an empty one.
func (b *backlog) push(segment []any) []any {
	b.full = append(b.full, segment)
	empty := b.spare
	b.spare = nil
	if empty == nil {
		empty = make([]any, 0, segmentSlots)
	}
	return empty
}

// pop returns the oldest segment and keeps used, which is used up.
func (b *backlog) pop(used []any) []any {
	if cap(used) == segmentSlots {
		b.spare = used[:0]
	}
	segment := b.full[b.head]
	b.full[b.head] = nil
	b.head++
	if b.head*2 >= len(b.full) { // move the rest to the front, at most once per pop on average
		n := copy(b.full, b.full[b.head:])
		clear(b.full[n:])
		b.full, b.head = b.full[:n], 0
	}
	return segment
}
