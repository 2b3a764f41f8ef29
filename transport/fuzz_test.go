package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/gorilla/websocket"
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

// FuzzWebSocket: no input makes the reader panic or hang, and it finds what gorilla's
// finds: the same messages, and the same close frame at their end.
func FuzzWebSocket(f *testing.F) {
	f.Add(masked(0x81, []byte("hello")), 3)
	f.Add(append(masked(0x01, []byte("a")), masked(0x88, []byte{3, 0xE8})...), 1)
	f.Add(append(masked(0x01, []byte("a")), append(masked(0x89, nil), masked(0x80, []byte("b"))...)...), 2)
	f.Add([]byte{0x81, 0x82, 1, 2, 3, 4, 0x51, 0x52, 0x88, 0x80, 9, 9, 9, 9}, 5)
	f.Add(masked(0x81, body(20_000)), 4000)
	f.Add(masked(0x88, []byte{0}), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		const limit = 1 << 16
		size = max(1, min(size, len(data)+1))
		stream := bytes.Clone(data) // it is unmasked in place
		c := newConn(&pieces{data: stream, size: size}, Options{MaxMessageSize: limit}.WithDefaults())
		c.useWebSocket(protocol.JSON, false)
		got := &keep{}
		err := c.Serve(got)
		require.Error(t, err)

		ws := websocketOver(t, oneWay{Reader: bytes.NewReader(data)}, true)
		ws.SetReadLimit(limit)
		want, wantErr := gorillaReads(ws)
		require.Equal(t, want, got.messages)
		if errors.Is(err, errCloseFrame) { // gorilla takes a close frame with one octet for an empty one (RFC 6455, 5.5.1)
			return
		}
		var theirs *websocket.CloseError
		if errors.As(wantErr, &theirs) && theirs.Code != closeAbnormal {
			var ours *CloseError
			require.ErrorAs(t, err, &ours)
			require.Equal(t, CloseError{Code: theirs.Code, Reason: theirs.Text}, *ours)
		}
	})
}

// gorillaReads returns the text messages in front of the first other one.
func gorillaReads(ws *websocket.Conn) ([][]byte, error) {
	var all [][]byte
	for {
		kind, r, err := ws.NextReader()
		if err != nil || kind != websocket.TextMessage {
			return all, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return all, err
		}
		all = append(all, data)
	}
}

// keep is a Handler that keeps the messages.
type keep struct {
	quiet
	messages [][]byte
}

func (k *keep) Message(data []byte) error {
	k.messages = append(k.messages, data)
	return nil
}
