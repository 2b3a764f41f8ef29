package session

import (
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// maxRing is the longest ring of an idTable, in entries.
const maxRing = 1024

// idTable maps identifiers that are issued one after the other to what is open under them. Most
// are answered in about the order in which they were issued, so a ring finds them by the last bits
// of the identifier. What is still open when its place is needed again moves to a map. Identifiers
// of any order and size are right, only slower. The zero value is an empty table.
type idTable[V any] struct {
	ring []idEntry[V] // the length is zero or a power of two
	used int          // entries of the ring that are taken
	late map[protocol.ID]V
}

type idEntry[V any] struct {
	id protocol.ID // 0 is free
	v  V
}

func (t *idTable[V]) place(id protocol.ID) *idEntry[V] {
	return &t.ring[uint64(id)&uint64(len(t.ring)-1)]
}

func (t *idTable[V]) len() int { return t.used + len(t.late) }

func (t *idTable[V]) get(id protocol.ID) (v V, ok bool) {
	if id == 0 || t.used == 0 && len(t.late) == 0 {
		return v, false
	}
	if len(t.ring) > 0 {
		if e := t.place(id); e.id == id {
			return e.v, true
		}
	}
	v, ok = t.late[id]
	return v, ok
}

// put keeps v under an identifier that is not 0 and has nothing under it.
func (t *idTable[V]) put(id protocol.ID, v V) {
	if 2*t.used >= len(t.ring) && len(t.ring) < maxRing {
		t.grow()
	}
	e := t.place(id)
	if e.id != 0 {
		t.moveOut(e)
	}
	e.id, e.v = id, v
	t.used++
}

func (t *idTable[V]) moveOut(e *idEntry[V]) {
	if t.late == nil {
		t.late = make(map[protocol.ID]V)
	}
	t.late[e.id] = e.v
	*e = idEntry[V]{}
	t.used--
}

func (t *idTable[V]) grow() {
	old := t.ring
	t.ring = make([]idEntry[V], max(8, 2*len(old)))
	for _, e := range old {
		if e.id != 0 {
			*t.place(e.id) = e // those that had different places have different ones in twice as many
		}
	}
}

func (t *idTable[V]) remove(id protocol.ID) {
	if len(t.ring) > 0 && id != 0 {
		if e := t.place(id); e.id == id {
			*e = idEntry[V]{}
			t.used--
			return
		}
	}
	delete(t.late, id)
}

// ids returns the identifiers in use, sorted.
func (t *idTable[V]) ids() []protocol.ID {
	ids := make([]protocol.ID, 0, t.len())
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

func (t *idTable[V]) clear() { *t = idTable[V]{} }
