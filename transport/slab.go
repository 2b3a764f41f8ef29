package transport

import "sync"

const (
	slabSize = 16<<10 - 8 // with the counter one allocation of exactly 16 KiB
	minRoom  = 1 << 10    // a slab with less room is left to the garbage collector
	// ownBuffer is the size from which a message that is not yet complete gets a
	// buffer of its own: below, moving it to a fresh slab wastes less.
	ownBuffer = 4 << 10
	// firstGrowth is the most that an announced length costs before data arrives: room
	// for arguments of 64 KiB and what is around them.
	firstGrowth = 68 << 10
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
