package actors

import (
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

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

// bufferFor returns b, or a buffer with what b holds, with room for n more bytes. b may be nil.
func bufferFor(b *buffer, n int) *buffer {
	switch {
	case b == nil && n <= flushSize/2:
		return newBuffer()
	case b == nil:
		return &buffer{b: transport.Buffer(n)}
	case n <= flushSize/2 || cap(b.b)-len(b.b) >= n:
		return b
	}
	large := &buffer{b: append(transport.Buffer(len(b.b)+n), b.b...), owed: b.owed}
	b.free()
	return large
}

// free gives the buffer back, unless it has grown large.
func (b *buffer) free() {
	if cap(b.b) > flushSize {
		transport.Recycle(b.b)
		return
	}
	*b = buffer{b: b.b[:0]}
	buffers.Put(b)
}

func (b *buffer) rest() []byte { return b.b[b.off:] }
