package transport

import (
	"bytes"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

var allFramings = []Framing{
	{Kind: RawSocket},
	{Kind: WebSocket},
	{Kind: WebSocket, Binary: true},
	{Kind: WebSocket, Mask: true},
	{Kind: WebSocket, Binary: true, Mask: true},
}

// oneWay is a net.Conn that reads from a buffer and drops what is written.
type oneWay struct {
	net.Conn
	io.Reader
}

func (o oneWay) Read(p []byte) (int, error)  { return o.Reader.Read(p) }
func (o oneWay) Write(p []byte) (int, error) { return len(p), nil }
func (o oneWay) Close() error                { return nil }

// judge returns gorilla's reader of the frames: an independent implementation. It is
// a server's for masked frames and a client's for others.
func judge(t *testing.T, f Framing, frames []byte) *websocket.Conn {
	t.Helper()
	return websocketOver(t, oneWay{Reader: bytes.NewReader(frames)}, f.Mask)
}

func TestFramingRoundTrip(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 2, 7, 8, 9, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 65537, 1 << 20}
	for range 20 {
		sizes = append(sizes, rand.IntN(70000))
	}
	for _, f := range allFramings {
		t.Run(f.name(), func(t *testing.T) {
			t.Parallel()
			buf := []byte("before")
			for _, n := range sizes {
				start := len(buf)
				var err error
				buf, err = f.End(append(f.Begin(buf), body(n)...), start)
				require.NoError(t, err)
			}
			require.Equal(t, "before", string(buf[:6]))
			got := readFrames(t, f, buf[6:], len(sizes))
			for i, n := range sizes {
				require.True(t, bytes.Equal(body(n), got[i]), "%d octets", n)
			}
		})
	}
}

func TestFramingMessages(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 125, 126, 65535, 65536, MaxMessageSize - 1, MaxMessageSize, 3}
	for _, f := range allFramings[:3] {
		var frames []byte
		for _, n := range sizes {
			var err error
			start := len(frames)
			frames, err = f.End(append(f.BeginSized(frames, n), body(n)...), start)
			require.NoError(t, err)
		}
		var got []int
		for m := range f.Messages(frames) {
			require.True(t, bytes.Equal(body(len(m)), m), "%s: %d octets", f.name(), len(m))
			got = append(got, len(m))
		}
		require.Equal(t, sizes, got, f.name())
		for range f.Messages(frames) {
			break
		}
	}
}

func (f Framing) name() string {
	name := f.Kind.String()
	if f.Binary {
		name += " binary"
	}
	if f.Mask {
		name += " masked"
	}
	return name
}

func readFrames(t *testing.T, f Framing, frames []byte, count int) (bodies [][]byte) {
	t.Helper()
	if f.Kind == WebSocket {
		ws := judge(t, f, frames)
		for range count {
			kind, data, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, f.Binary, kind == websocket.BinaryMessage)
			bodies = append(bodies, data)
		}
		_, _, err := ws.ReadMessage()
		require.Error(t, err, "more than was framed")
		return bodies
	}
	for range count {
		require.Zero(t, frames[0])
		n := int(frames[1])<<16 | int(frames[2])<<8 | int(frames[3])
		bodies = append(bodies, frames[4:4+n])
		frames = frames[4+n:]
	}
	require.Empty(t, frames)
	return bodies
}

func TestFramingHeaders(t *testing.T) {
	t.Parallel()
	cases := []struct {
		f      Framing
		n      int
		header string
	}{
		{Framing{Kind: RawSocket}, 0, "00000000"},
		{Framing{Kind: RawSocket}, 5, "00000005"},
		{Framing{Kind: RawSocket}, 1<<24 - 1, "00ffffff"},
		{Framing{Kind: RawSocket}, 1 << 24, "08000000"},
		{Framing{Kind: WebSocket}, 0, "8100"},
		{Framing{Kind: WebSocket, Binary: true}, 125, "827d"},
		{Framing{Kind: WebSocket, Binary: true}, 126, "827e007e"},
		{Framing{Kind: WebSocket}, 65535, "817effff"},
		{Framing{Kind: WebSocket}, 65536, "817f0000000000010000"},
	}
	for _, tc := range cases {
		got := frame(t, tc.f, make([]byte, tc.n))
		require.Equal(t, tc.header, hex.EncodeToString(got[:len(got)-tc.n]), "%v, %d octets", tc.f, tc.n)
	}
}

func TestFramingTooLong(t *testing.T) {
	t.Parallel()
	f := Framing{Kind: RawSocket}
	buf := append(f.Begin([]byte("kept")), make([]byte, MaxMessageSize+1)...)
	buf, err := f.End(buf, 4)
	require.ErrorIs(t, err, ErrMessageTooLong)
	require.Equal(t, "kept", string(buf))
}

// TestFramingEqual is what a cache of frames relies on.
func TestFramingEqual(t *testing.T) {
	t.Parallel()
	for _, f := range allFramings {
		a, b := frame(t, f, body(300)), frame(t, f, body(300))
		require.Equal(t, !f.Mask, bytes.Equal(a, b), f.name())
	}
}

func TestFramingControl(t *testing.T) {
	t.Parallel()
	long := body(200)
	for _, f := range allFramings {
		if f.Kind == RawSocket {
			require.Equal(t, append([]byte{1, 0, 0, 200}, long...), f.AppendPing(nil, long))
			require.Equal(t, []byte{2, 0, 0, 2, 'h', 'i'}, f.AppendPong(nil, []byte("hi")))
			require.Equal(t, []byte("x"), f.AppendClose([]byte("x"), 1000, "bye"))
			continue
		}
		buf := f.AppendPing(nil, []byte("hello"))
		buf = f.AppendPong(buf, long)
		buf = f.AppendClose(buf, 1001, "going away")
		ws := judge(t, f, buf)
		var got []string
		ws.SetPingHandler(func(s string) error { got = append(got, "ping "+s); return nil })
		ws.SetPongHandler(func(s string) error { got = append(got, "pong "+s); return nil })
		_, _, err := ws.ReadMessage()
		require.Equal(t, []string{"ping hello", "pong " + string(long[:125])}, got, f.name())
		require.Equal(t, &websocket.CloseError{Code: 1001, Text: "going away"}, err)
	}
}

func TestFramingClose(t *testing.T) {
	t.Parallel()
	cases := []struct {
		code   int
		reason string
		want   websocket.CloseError
	}{
		{0, "ignored", websocket.CloseError{Code: 1005}},
		{1005, "ignored", websocket.CloseError{Code: 1005}},
		{1000, "", websocket.CloseError{Code: 1000}},
		{4000, strings.Repeat("a", 200), websocket.CloseError{Code: 4000, Text: strings.Repeat("a", 123)}},
		{1009, strings.Repeat("ü", 100), websocket.CloseError{Code: 1009, Text: strings.Repeat("ü", 61)}},
	}
	for _, tc := range cases {
		f := Framing{Kind: WebSocket}
		_, _, err := judge(t, f, f.AppendClose(nil, tc.code, tc.reason)).ReadMessage()
		require.Equal(t, &tc.want, err)
		require.True(t, utf8.ValidString(tc.want.Text))
	}
	broken := strings.Repeat("\x80", 200) // no place to cut: the reason is left out
	require.Equal(t, []byte{0x88, 2, 3, 232}, Framing{Kind: WebSocket}.AppendClose(nil, 1000, broken))
}

func TestCloseCode(t *testing.T) {
	t.Parallel()
	cases := map[int]error{
		1000: nil,
		1001: &CloseError{Code: 1001},
		1002: ErrProtocol,
		1003: ErrFrameKind,
		1009: ErrMessageTooLong,
		1011: io.ErrUnexpectedEOF,
	}
	for code, err := range cases {
		require.Equal(t, code, CloseCode(err), "%v", err)
	}
	require.Equal(t, 1000, CloseCode(io.EOF))
	require.Equal(t, 1000, CloseCode(&CloseError{Code: 1005}))
	require.Equal(t, 1011, CloseCode(&CloseError{Code: 1006}))
}
