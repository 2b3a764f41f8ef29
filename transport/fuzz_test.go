package transport

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// pieces is a net.Conn that gives data in pieces of the given size, then ends.
type pieces struct {
	silent
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }
func (p *pieces) Close() error                { return nil }
func (p *pieces) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (p *pieces) RemoteAddr() net.Addr        { return &net.TCPAddr{} }

// gather is a Handler that puts frames together again.
type gather struct {
	quiet
	frames []byte
	count  int
}

func (g *gather) Message(data []byte) error {
	f := Framing{Kind: RawSocket}
	start := len(g.frames)
	frames, err := f.End(append(f.Begin(g.frames), data...), start)
	g.frames = frames
	g.count++
	return err
}

func (g *gather) Ping(p []byte) error {
	g.frames = Framing{Kind: RawSocket}.AppendPing(g.frames, p)
	return nil
}

func (g *gather) Pong(p []byte) error {
	g.frames = Framing{Kind: RawSocket}.AppendPong(g.frames, p)
	return nil
}

// FuzzRawSocket: no input makes the reader panic or hang, and what it hands over is a
// prefix of what came, however that was cut.
func FuzzRawSocket(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 'h', 'i', 1, 0, 0, 0, 2, 0, 0, 1, 'x'}, 3)
	f.Add([]byte{8, 0, 0, 0, 1}, 1)
	f.Add(append([]byte{0, 0, 0x20, 0}, make([]byte, 9000)...), 1000)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, min(size, len(data)+1))
		c := newConn(&pieces{data: data, size: size}, Options{}.WithDefaults())
		c.agree(Framing{Kind: RawSocket}, protocol.JSON)
		g := &gather{}
		err := c.Serve(g)
		require.Error(t, err)
		require.True(t, bytes.HasPrefix(data, g.frames))
		if err == io.EOF { //nolint:errorlint // bare by contract
			require.Len(t, g.frames, len(data))
		}
	})
}

// FuzzWebSocket: no input makes the reader panic or hang.
func FuzzWebSocket(f *testing.F) {
	f.Add(masked(0x81, []byte("hello")), 3)
	f.Add(append(masked(0x01, []byte("a")), masked(0x88, []byte{3, 0xE8})...), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, min(size, len(data)+1))
		c := newConn(&pieces{data: data, size: size}, Options{MaxMessageSize: 1 << 20}.WithDefaults())
		c.useWebSocket(websocketOver(t, (*wsStream)(c), true), protocol.JSON, false)
		require.Error(t, c.Serve(quiet{}))
	})
}
