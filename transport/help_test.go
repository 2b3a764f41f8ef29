package transport

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const patience = 10 * time.Second

// server is a Listener whose connections the test takes one by one.
type server struct {
	*Listener
	conns chan *Conn
}

func serve(t testing.TB, addr string, cfg ServerConfig) *server {
	t.Helper()
	l, err := Listen(t.Context(), addr, cfg)
	require.NoError(t, err)
	s := &server{Listener: l, conns: make(chan *Conn, 16)}
	done := make(chan error, 1)
	go func() { done <- l.Serve(func(c *Conn) { s.conns <- c }) }()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
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
func (s *server) accept(t testing.TB) *Conn {
	t.Helper()
	select {
	case c := <-s.conns:
		t.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(patience):
		require.Fail(t, "no connection was accepted")
		return nil
	}
}

func dial(t testing.TB, cfg ClientConfig) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := Dial(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// pair returns both sides of a connection.
func pair(t testing.TB, cfg ServerConfig, client ClientConfig, kind Kind) (c, s *Conn) {
	t.Helper()
	srv := serve(t, "127.0.0.1:0", cfg)
	client.URL = srv.url(kind)
	c = dial(t, client)
	return c, srv.accept(t)
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
func (r *recorder) next(t testing.TB) event {
	t.Helper()
	for {
		select {
		case e := <-r.events:
			if e.what != "drained" {
				return e
			}
		case <-time.After(patience):
			require.Fail(t, "nothing was received")
			return event{}
		}
	}
}

func (r *recorder) wantMessage(t testing.TB, data []byte) {
	t.Helper()
	e := r.next(t)
	require.Equal(t, "message", e.what, "error %v", e.err)
	require.True(t, bytes.Equal(data, e.data), "got %d bytes, want %d", len(e.data), len(data))
}

// end returns the error of Serve, which must be the next event.
func (r *recorder) end(t testing.TB) error {
	t.Helper()
	e := r.next(t)
	require.Equal(t, "end", e.what)
	return e.err
}

func frame(t testing.TB, f Framing, body []byte) []byte {
	t.Helper()
	b, err := f.End(append(f.Begin(nil), body...), 0)
	require.NoError(t, err)
	return b
}

func send(t testing.TB, c *Conn, body []byte) {
	t.Helper()
	_, err := c.Write(frame(t, c.Framing(), body))
	require.NoError(t, err)
}

// body is text of n octets that differ from place to place.
func body(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + (i+i/26+i/700)%26)
	}
	return b
}

// dialRaw opens a plain TCP connection to the listener.
func dialRaw(t testing.TB, s *server) net.Conn {
	t.Helper()
	nc, err := net.DialTimeout("tcp", s.Addr().String(), patience)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	return nc
}

func readAll(t testing.TB, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return b
}

func only(s protocol.Serializer) []protocol.Serializer { return []protocol.Serializer{s} }
