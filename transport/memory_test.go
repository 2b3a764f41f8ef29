package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestBufferSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3071, 3072, 3073, 5120, 5121, 65 << 10, 65<<10 + 1, 1 << 20, 1025 << 10, 1025<<10 + 1, 5 << 20} {
		b := Buffer(n)
		require.Empty(t, b)
		require.GreaterOrEqual(t, cap(b), n)
		require.LessOrEqual(t, cap(b), max(2*n, bufferBase+bufferExtra), "%d", n)
		Recycle(b)
	}
	Recycle(nil)
	Recycle(make([]byte, 100)) // not one of ours
}

// recycler is a Handler that checks each message, and gives every other one back.
type recycler struct {
	quiet
	c    *Conn
	t    *testing.T
	size []int
	n    int
	kept [][]byte
}

func (r *recycler) Message(data []byte) error {
	want := r.size[r.n]
	if !bytes.Equal(body(want), data) {
		r.t.Errorf("message %d of %d bytes is not what was sent", r.n, want)
	}
	if r.n++; r.c.Recyclable() != (want > ownBuffer) {
		r.t.Errorf("message of %d bytes: recyclable is %t", want, r.c.Recyclable())
	}
	if r.c.Recyclable() && r.n%2 == 0 {
		clear(data)
		Recycle(data)
	} else {
		r.kept = append(r.kept, data)
	}
	return nil
}

// TestRecycle: memory that is given back is used again, and none that is not.
func TestRecycle(t *testing.T) { //nolint:gocognit // one story, told in order
	t.Parallel()
	for _, kind := range []Kind{RawSocket, WebSocket} {
		for range 3 {
			t.Run(kind.String(), func(t *testing.T) {
				t.Parallel()
				c, s := pair(t, ServerConfig{}, ClientConfig{Serializers: only(protocol.MessagePack)}, kind)
				r := &recycler{c: s, t: t}
				for range 500 {
					r.size = append(r.size, rand.IntN(1<<(1+rand.IntN(17))))
				}
				go func() {
					for _, n := range r.size {
						_, _ = c.Write(frame(t, c.Framing(), body(n)))
					}
					_ = c.Close()
				}()
				require.Error(t, s.Serve(r))
				require.Equal(t, len(r.size), r.n)
				i := 0
				for n, size := range r.size {
					if size <= ownBuffer || n%2 == 0 {
						require.True(t, bytes.Equal(body(size), r.kept[i]), "message %d", n)
						i++
					}
				}
			})
		}
	}
}
