package transport

import (
	"math/bits"
	"sync"
)

// Buffers come in sizes of 3, 5, 9 ... 1025 KiB: a power of two for arguments, and room
// for what is around them.
const (
	bufferBase  = 2 << 10
	bufferExtra = 1 << 10
	bufferSizes = 10
)

var largeBuffers [bufferSizes]sync.Pool //nolint:gochecknoglobals // a cache of free memory

// Buffer returns an empty buffer with room for n octets or more. Up to 1 MiB it may come
// from, and go back to, a pool: see Recycle.
func Buffer(n int) []byte {
	i := bufferIndex(n)
	if i >= bufferSizes {
		return make([]byte, 0, n)
	}
	if b, ok := largeBuffers[i].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, bufferBase<<i+bufferExtra)
}

// Recycle gives back a buffer that Buffer has returned, or a message for which
// Conn.Recyclable was true. Nothing may refer to it any more. A buffer of another size is
// left to the garbage collector, as is everything that is not given back.
func Recycle(b []byte) {
	i := bufferIndex(cap(b))
	if i >= bufferSizes || cap(b) != bufferBase<<i+bufferExtra {
		return
	}
	b = b[:0]
	largeBuffers[i].Put(&b)
}

// bufferIndex returns which of the sizes is the smallest with room for n octets.
func bufferIndex(n int) int {
	return bits.Len(uint(max(n-bufferExtra-1, 0) / bufferBase)) // it is not negative
}
