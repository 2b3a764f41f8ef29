package router

import "sort"

// Queue is an immutable sequence of what sessions have put into it, in the order in which they came. It is kept
// in chunks: a change copies one of them and the list of all, not every value.
type Queue[T any] struct {
	chunks [][]placed[T] // none is empty, and two neighbors are more than half a chunk
	n      int
}

// placed is a value and its place, which tells it apart and rises from value to value.
type placed[T any] struct {
	place uint64
	value T
}

const chunkSize = 128

// Len returns the number of values.
func (q Queue[T]) Len() int { return q.n }

// All calls yield for every value until it returns false.
func (q Queue[T]) All(yield func(T) bool) {
	for _, c := range q.chunks {
		for i := range c {
			if !yield(c[i].value) {
				return
			}
		}
	}
}

// at returns the i-th value, which must not be changed.
func (q Queue[T]) at(i int) *T {
	k := 0
	for ; i >= len(q.chunks[k]); k++ {
		i -= len(q.chunks[k])
	}
	return &q.chunks[k][i].value
}

// find returns in which chunk, and where in it, the value with this place is. It must be there.
func (q Queue[T]) find(place uint64) (k, i int) {
	k = sort.Search(len(q.chunks), func(k int) bool { return q.chunks[k][0].place > place }) - 1
	return k, sort.Search(len(q.chunks[k]), func(i int) bool { return q.chunks[k][i].place >= place })
}

// index returns how many values are in front of the one with this place.
func (q Queue[T]) index(place uint64) int {
	k, i := q.find(place)
	for _, c := range q.chunks[:k] {
		i += len(c)
	}
	return i
}

// with returns the queue with a value behind all others. Its place is higher than theirs.
func (q Queue[T]) with(place uint64, v T) Queue[T] {
	last := len(q.chunks) - 1
	if last < 0 || len(q.chunks[last]) == chunkSize {
		return Queue[T]{chunks: joined(q.chunks, []placed[T]{{place, v}}), n: q.n + 1}
	}
	grown := joined(q.chunks[last], placed[T]{place, v})
	return Queue[T]{chunks: joined(q.chunks[:last], grown), n: q.n + 1}
}

// without returns the queue without the value with this place, which must be there.
func (q Queue[T]) without(place uint64) Queue[T] {
	k, i := q.find(place)
	rest := joined(q.chunks[k][:i], q.chunks[k][i+1:]...)
	before, behind := q.chunks[:k], q.chunks[k+1:]
	if len(before) > 0 && len(before[k-1])+len(rest) <= chunkSize/2 {
		rest = joined(before[k-1], rest...)
		before = before[:k-1]
	}
	if len(behind) > 0 && len(rest)+len(behind[0]) <= chunkSize/2 {
		rest = joined(rest, behind[0]...)
		behind = behind[1:]
	}
	if len(rest) == 0 {
		return Queue[T]{chunks: joined(before, behind...), n: q.n - 1}
	}
	return Queue[T]{chunks: joined(joined(before, rest), behind...), n: q.n - 1}
}

// joined returns a slice of its own, with no room to grow.
func joined[T any](head []T, tail ...T) []T {
	all := make([]T, len(head)+len(tail))
	copy(all[copy(all, head):], tail)
	return all
}
