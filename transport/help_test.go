package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const patience = 10 * time.Second

// server is a Listener whose connections the test takes one by one.
type server struct {
	*Listener
	conns chan *Conn
}

func serve(tb testing.TB, addr string, cfg ServerConfig) *server {
	tb.Helper()
	l, err := Listen(tb.Context(), addr, cfg)
	require.NoError(tb, err)
	s := &server{Listener: l, conns: make(chan *Conn, 16)}
	done := make(chan error, 1)
	go func() { done <- l.Serve(func(c *Conn) { s.conns <- c }) }()
	tb.Cleanup(func() {
		require.NoError(tb, l.Close())
		require.ErrorIs(tb, <-done, net.ErrClosed)
		for {
			select {
			case c := <-s.conns:
				_ = c.Close()
			default:
				return
			}
		}
	})
	return s
}

func (s *server) url(kind Kind) string {
	if kind == WebSocket {
		return s.URLs()[0]
	}
	return s.URLs()[1]
}

// accept returns the next connection, closed at the end of the test.
func (s *server) accept(tb testing.TB) *Conn {
	tb.Helper()
	select {
	case c := <-s.conns:
		tb.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(patience):
		require.Fail(tb, "no connection was accepted")
		return nil
	}
}

func dial(tb testing.TB, cfg ClientConfig) *Conn {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	c, err := Dial(ctx, cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// pair returns both sides of a connection.
func pair(tb testing.TB, cfg ServerConfig, client ClientConfig, kind Kind) (c, s *Conn) {
	tb.Helper()
	srv := serve(tb, "127.0.0.1:0", cfg)
	client.URL = srv.url(kind)
	c = dial(tb, client)
	return c, srv.accept(tb)
}

// event is one call of a Handler.
type event struct {
	what string // message, ping, pong, drained, end
	data []byte
	err  error
}

// recorder is a Handler that passes on what it gets.
type recorder struct {
	events chan event
	fail   error // what Message answers
}

// record runs Serve and returns its events; the last one is the end.
func record(c *Conn) *recorder {
	r := &recorder{events: make(chan event, 1024)}
	go r.run(c)
	return r
}

func (r *recorder) run(c *Conn) {
	err := c.Serve(r)
	r.events <- event{what: "end", err: err}
}

func (r *recorder) Message(data []byte) error {
	r.events <- event{what: "message", data: data}
	return r.fail
}

func (r *recorder) Ping(data []byte) error {
	r.events <- event{what: "ping", data: bytes.Clone(data)}
	return nil
}

func (r *recorder) Pong(data []byte) error {
	r.events <- event{what: "pong", data: bytes.Clone(data)}
	return nil
}

func (r *recorder) Drained() error {
	r.events <- event{what: "drained"}
	return nil
}

// next returns the next event that is not "drained".
func (r *recorder) next(tb testing.TB) event {
	tb.Helper()
	for {
		select {
		case e := <-r.events:
			if e.what != "drained" {
				return e
			}
		case <-time.After(patience):
			require.Fail(tb, "nothing was received")
			return event{}
		}
	}
}

func (r *recorder) wantMessage(tb testing.TB, data []byte) {
	tb.Helper()
	e := r.next(tb)
	require.Equal(tb, "message", e.what, "error %v", e.err)
	require.True(tb, bytes.Equal(data, e.data), "got %d bytes, want %d", len(e.data), len(data))
}

// end returns the error of Serve, which must be the next event.
func (r *recorder) end(tb testing.TB) error {
	tb.Helper()
	e := r.next(tb)
	require.Equal(tb, "end", e.what)
	return e.err
}

func frame(tb testing.TB, f Framing, body []byte) []byte {
	tb.Helper()
	b, err := f.End(append(f.Begin(nil), body...), 0)
	require.NoError(tb, err)
	return b
}

func send(tb testing.TB, c *Conn, body []byte) {
	tb.Helper()
	_, err := c.Write(frame(tb, c.Framing(), body))
	require.NoError(tb, err)
}

// text is what all bodies are cut from.
var text = sync.OnceValue(func() []byte {
	b := make([]byte, MaxMessageSize+2000)
	for i := range b {
		b[i] = byte('a' + (i+i/26+i/700)%26)
	}
	return b
})

// body is text of n octets, another one for another n. Nobody may write to it.
func body(n int) []byte { return text()[n%1000 : n%1000+n : n%1000+n] }

// dialRaw opens a plain TCP connection to the listener.
func dialRaw(tb testing.TB, s *server) net.Conn {
	tb.Helper()
	nc, err := net.DialTimeout("tcp", s.Addr().String(), patience)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = nc.Close() })
	require.NoError(tb, nc.SetDeadline(time.Now().Add(patience)))
	return nc
}

func readAll(tb testing.TB, r io.Reader) []byte {
	tb.Helper()
	b, err := io.ReadAll(r)
	require.NoError(tb, err)
	return b
}

// requireNothing expects the end and nothing before it. A connection that is closed with
// unread input is reset.
func requireNothing(tb testing.TB, r io.Reader, msg string) {
	tb.Helper()
	b, err := io.ReadAll(r)
	require.Empty(tb, b, msg)
	if !errors.Is(err, syscall.ECONNRESET) {
		require.NoError(tb, err)
	}
}

func only(s protocol.Serializer) []protocol.Serializer { return []protocol.Serializer{s} }

// hijackable is a ResponseWriter whose connection can be taken over.
type hijackable struct {
	http.ResponseWriter
	nc net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReaderSize(h.nc, 512), bufio.NewWriterSize(h.nc, 512)), nil
}

// websocketOver returns gorilla's connection over nc without a handshake on the wire:
// a server's or a client's.
func websocketOver(tb testing.TB, nc net.Conn, server bool) *websocket.Conn {
	tb.Helper()
	if server {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{
			"Connection": {"upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="},
		}
		up := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
		ws, err := up.Upgrade(hijackable{httptest.NewRecorder(), silent{nc}}, r, nil)
		require.NoError(tb, err)
		return ws
	}
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return &answered{Conn: silent{nc}}, nil }}
	ws, resp, err := d.Dial("ws://test/", nil)
	require.NoError(tb, err)
	_ = resp.Body.Close()
	return ws
}

// silent drops deadlines.
type silent struct{ net.Conn }

func (silent) SetDeadline(time.Time) error      { return nil }
func (silent) SetReadDeadline(time.Time) error  { return nil }
func (silent) SetWriteDeadline(time.Time) error { return nil }

// answered answers the request to upgrade that is written to it by itself.
type answered struct {
	net.Conn
	request []byte
	answer  *bytes.Reader
}

func (a *answered) Write(p []byte) (int, error) {
	if a.answer != nil {
		return a.Conn.Write(p)
	}
	a.request = append(a.request, p...)
	if !bytes.HasSuffix(a.request, []byte("\r\n\r\n")) {
		return len(p), nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(a.request)))
	if err != nil {
		return 0, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	a.answer = bytes.NewReader([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"))
	return len(p), nil
}

func (a *answered) Read(p []byte) (int, error) {
	if a.answer != nil && a.answer.Len() > 0 {
		return a.answer.Read(p)
	}
	return a.Conn.Read(p)
}
