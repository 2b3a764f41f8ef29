package transport

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func BenchmarkFraming(b *testing.B) {
	for _, f := range allFramings {
		for _, n := range []int{64, 1024, 100_000} {
			b.Run(f.name()+" "+sizeName(n), func(b *testing.B) {
				data := body(n)
				buf := make([]byte, 0, n+64)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					out, err := f.End(append(f.Begin(buf), data...), 0)
					if err != nil || len(out) <= n {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func sizeName(n int) string {
	return map[int]string{64: "64", 1024: "1K", 100_000: "100K"}[n]
}

// BenchmarkRead reads messages that come in writes of about 8 KiB.
func BenchmarkRead(b *testing.B) {
	for _, kind := range []Kind{RawSocket, WebSocket} {
		for _, n := range []int{64, 1024, 100_000} {
			b.Run(kind.String()+" "+sizeName(n), func(b *testing.B) {
				c, s := pair(b, ServerConfig{}, ClientConfig{Serializers: only(protocol.MessagePack)}, kind)
				one := frame(b, c.Framing(), body(n))
				var batch []byte
				per := max(1, 8192/len(one))
				for range per {
					batch = append(batch, one...)
				}
				end := make(chan error, 1)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					for sent := 0; sent < b.N; sent += per {
						if _, err := c.Write(batch[:min(per, b.N-sent)*len(one)]); err != nil {
							return
						}
					}
					_, _ = c.Write(c.Framing().AppendClose(nil, 1000, ""))
					_ = c.Close()
				}()
				h := &tally{}
				go func() { end <- s.Serve(h) }()
				require.ErrorIs(b, <-end, io.EOF)
				b.StopTimer()
				require.Equal(b, b.N, h.messages)
				b.ReportMetric(float64(b.N)/float64(h.batches), "msgs/batch")
			})
		}
	}
}

// tally is a Handler that counts.
type tally struct {
	quiet
	messages, batches int
}

func (c *tally) Message([]byte) error {
	c.messages++
	return nil
}

func (c *tally) Drained() error {
	c.batches++
	return nil
}
