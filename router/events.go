package router

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Events is a run of events of one subscription, in the order in which one
// publisher published them. It is shared by all its receivers and immutable, but
// for Encoded, which belongs to the publisher's actor.
type Events struct {
	Subscription protocol.ID
	List         []protocol.Event
	// Encoded caches what the publisher's actor encoded for each kind of receiver.
	Encoded [8][]byte
	size    int
	// users counts the receivers that have not said Done, and the publisher. It is 0 for
	// runs whose memory is the collector's.
	users atomic.Int64
	spare []byte // for Encoded, of a run before this one
}

const (
	// maxUsedEvents and maxUsedBytes bound the memory that a run keeps for another one.
	maxUsedEvents = 256
	maxUsedBytes  = 64 << 10
)

var usedEvents = sync.Pool{New: func() any { return new(Events) }} //nolint:gochecknoglobals // a cache of free memory

func newEvents(sub *Subscription) *Events {
	e := usedEvents.Get().(*Events) //nolint:forcetypeassert // the pool holds nothing else
	e.Subscription = sub.ID
	return e
}

// Size returns roughly how many bytes the run takes on the wire.
func (e *Events) Size() int { return e.size }

// Buffer returns an empty buffer for Encoded, which may have room already. It is for the
// publisher's actor.
func (e *Events) Buffer() []byte {
	b := e.spare
	e.spare = nil
	return b
}

// Done says that one receiver has sent the run and keeps nothing of it; call it once, and
// don't look at the run any more. When all receivers of a run have, its memory is used for
// another one. Who keeps anything, or may, does not call it. Receivers call it concurrently.
func (e *Events) Done() { e.leave(1) }

// leave ends the use by n.
func (e *Events) leave(n int64) {
	if e.users.Add(-n) != 0 {
		return
	}
	if cap(e.List) > maxUsedEvents {
		return
	}
	clear(e.List)
	spare := e.spare
	for _, b := range e.Encoded {
		if cap(b) > cap(spare) && cap(b) <= maxUsedBytes {
			spare = b
		}
	}
	e.List, e.Encoded, e.size, e.spare = e.List[:0], [8][]byte{}, 0, spare[:0]
	usedEvents.Put(e)
}

// Kept returns a copy for a receiver that keeps the run for long: payloads lie in what a read
// brought, with much else that Size does not count. Of Encoded it shares the receiver's, -1 for
// none. The receiver does not call Done then.
func (e *Events) Kept(encoded int) *Events {
	kept := &Events{Subscription: e.Subscription, List: slices.Clone(e.List), size: e.size}
	if encoded >= 0 {
		kept.Encoded[encoded] = e.Encoded[encoded]
	}
	for i := range kept.List {
		kept.List[i].Payload = kept.List[i].Payload.Clone()
	}
	return kept
}

// fit lets go of memory that is out of proportion to what the run holds, and Size says: a run
// may wait for a receiver.
func (e *Events) fit() {
	const times, list, bytes = 4, 8, 1 << 10
	if cap(e.List) > list+times*len(e.List) {
		e.List = slices.Clone(e.List)
	}
	if cap(e.spare) > bytes+times*e.size {
		e.spare = nil
	}
}

func (e *Events) add(ev protocol.Event) {
	const overhead = 48
	e.List = append(e.List, ev)
	e.size += overhead + len(ev.Details.Topic) + ev.Payload.Size() + ev.Details.Passthru.Size()
}
