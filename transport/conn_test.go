package transport

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestMessagesOfAllSizes(t *testing.T) {
	t.Parallel()
	sizes := []int{
		0, 1, 125, 126, 127, 1000, 4095, 4096, 5000, slabSize - 4, slabSize, slabSize + 1,
		blockSize, 65535, 65536, 100_000, 1 << 20, MaxMessageSize - 1, MaxMessageSize,
	}
	for _, kind := range []Kind{RawSocket, WebSocket} {
		for _, s := range protocol.Serializers() {
			t.Run(kind.String()+" "+s.String(), func(t *testing.T) {
				t.Parallel()
				c, srv := pair(t, ServerConfig{}, ClientConfig{Serializers: only(s)}, kind)
				require.Equal(t, s, c.Serializer())
				require.Equal(t, s, srv.Serializer())
				atClient, atServer := record(c), record(srv)
				go func() {
					for _, n := range sizes {
						send(t, c, body(n))
					}
				}()
				for _, n := range sizes {
					atServer.wantMessage(t, body(n))
				}
				go func() {
					for _, n := range sizes {
						send(t, srv, body(n))
					}
				}()
				for _, n := range sizes {
					atClient.wantMessage(t, body(n))
				}
				_, err := c.Write(c.Framing().AppendClose(nil, 1000, ""))
				require.NoError(t, err)
				require.NoError(t, c.Close())
				require.ErrorIs(t, atServer.end(t), io.EOF)
			})
		}
	}
}
