package transport

import "sync"

const (
	slabSize = 16<<10 - 8 // with the counter one allocation of exactly 16 KiB
	minRoom  = 1 << 10    // a slab with less room is left to the garbage collector
	// ownBuffer is the size from which a message gets a buffer of its own, which can be
	// used again as soon as the message is done with: a slab can only when all are.
	ownBuffer = 2 << 10
	// firstGrowth is the most that an announced length costs before data arrives: room
	// for arguments of 64 KiB and what is around them.
	firstGrowth = 65 << 10
	// growth is how many times as much as has arrived a buffer grows to.
	growth = 4
)

// slab is memory for messages. What lies below used was handed out and is never
// written again; the rest may serve another connection.
type slab struct {
	used int
	buf  [slabSize]byte
}

var slabs = sync.Pool{New: func() any { return new(slab) }} //nolint:gochecknoglobals // a cache of free memory

func getSlab() *slab { return slabs.Get().(*slab) }

// putSlab gives the unused tail of s back.
func putSlab(s *slab) {
	if slabSize-s.used >= minRoom {
		slabs.Put(s)
	}
}
