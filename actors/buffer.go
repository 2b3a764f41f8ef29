package actors

import "sync"

const (
	// flushSize is how much is gathered at most before it is written.
	flushSize = 64 << 10
	// bufferSize is the capacity of a fresh buffer.
	bufferSize = 4 << 10
)

// buffer holds frames on their way out. It has one owner at a time: session actor,
// transport actor, pool.
type buffer struct {
	b    []byte
	off  int  // bytes already written
	owed bool // there is something besides events in it
}

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, bufferSize)} }} //nolint:gochecknoglobals // a pool serves the whole process

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// free gives the buffer back, unless it has grown large.
func (b *buffer) free() {
	if cap(b.b) > flushSize+bufferSize {
		return
	}
	*b = buffer{b: b.b[:0]}
	buffers.Put(b)
}

func (b *buffer) rest() []byte { return b.b[b.off:] }
