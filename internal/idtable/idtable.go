package idtable

import (
	"iter"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// maxRing is the longest ring of a Table, in entries.
const maxRing = 1024

// Table maps identifiers that are issued one after the other to what is open under them. Most
// are answered in about the order in which they were issued, so a ring finds them by the last bits
// of the identifier. What is still open when its place is needed again moves to a map. Identifiers
// of any order and size are right, only slower. The zero value is an empty table.
type Table[V any] struct {
	ring []entry[V] // the length is zero or a power of two
	used int        // entries of the ring that are taken
	late map[protocol.ID]V
}

type entry[V any] struct {
	id protocol.ID // 0 is free
	v  V
}

func (t *Table[V]) place(id protocol.ID) *entry[V] {
	return &t.ring[uint64(id)&uint64(len(t.ring)-1)]
}

// Len returns how many are open.
func (t *Table[V]) Len() int { return t.used + len(t.late) }

// Get returns what is open under an identifier, and whether there is anything.
func (t *Table[V]) Get(id protocol.ID) (v V, ok bool) {
	if len(t.ring) > 0 && id != 0 {
		if e := t.place(id); e.id == id {
			return e.v, true
		}
	}
	v, ok = t.late[id]
	return v, ok
}

// Put keeps v under an identifier that has nothing under it.
func (t *Table[V]) Put(id protocol.ID, v V) {
	if id == 0 { // it would look like a free place
		t.keepLate(id, v)
		return
	}
	if 2*t.used >= len(t.ring) && len(t.ring) < maxRing {
		t.grow()
	}
	e := t.place(id)
	if e.id != 0 {
		t.keepLate(e.id, e.v)
		t.used--
	}
	e.id, e.v = id, v
	t.used++
}

func (t *Table[V]) keepLate(id protocol.ID, v V) {
	if t.late == nil {
		t.late = make(map[protocol.ID]V)
	}
	t.late[id] = v
}

func (t *Table[V]) grow() {
	old := t.ring
	t.ring = make([]entry[V], max(8, 2*len(old)))
	for _, e := range old {
		if e.id != 0 {
			*t.place(e.id) = e // those that had different places have different ones in twice as many
		}
	}
}

// Remove ends what is open under an identifier, if there is anything.
func (t *Table[V]) Remove(id protocol.ID) {
	if len(t.ring) > 0 && id != 0 {
		if e := t.place(id); e.id == id {
			*e = entry[V]{}
			t.used--
			return
		}
	}
	delete(t.late, id)
}

// All yields what is open, in the order of the identifiers. The table may be changed meanwhile: what
// was removed is left out, and so is what was put since the beginning.
func (t *Table[V]) All() iter.Seq2[protocol.ID, V] {
	return func(yield func(protocol.ID, V) bool) {
		for _, id := range t.ids() {
			if v, ok := t.Get(id); ok && !yield(id, v) {
				return
			}
		}
	}
}

// ids returns the identifiers in use, sorted.
func (t *Table[V]) ids() []protocol.ID {
	if t.Len() == 0 {
		return nil
	}
	ids := make([]protocol.ID, 0, t.Len())
	for i := range t.ring {
		if id := t.ring[i].id; id != 0 {
			ids = append(ids, id)
		}
	}
	for id := range t.late {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Clear empties the table and lets go of its memory.
func (t *Table[V]) Clear() { *t = Table[V]{} }
