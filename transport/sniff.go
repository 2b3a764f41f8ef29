package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// shake finds out what nc speaks: TLS first if it is configured, then by the first
// octet RawSocket or HTTP. It runs on a goroutine of its own until the deadline at most.
func (l *Listener) shake(nc net.Conn, deadline time.Time, accept func(*Conn)) {
	_ = nc.SetDeadline(deadline)
	inner, err := l.secure(nc, deadline)
	var first [4]byte
	var n int
	if err == nil {
		n, err = inner.Read(first[:])
	}
	switch {
	case err != nil:
	case first[0] == rawMagic:
		err = l.shakeRaw(nc, inner, first, n, accept)
	default:
		l.passHTTP(nc, &stream{Conn: inner, first: first, have: n, deadline: deadline, release: l.pending.free})
		return
	}
	l.pending.free()
	if err != nil {
		l.settled(nc)
		_ = closeNet(inner)
		l.cfg.Logger.Debug("handshake failed", slog.Any("remote", nc.RemoteAddr()), slog.Any("error", err))
	}
}

// secure runs the TLS handshake if TLS is configured.
func (l *Listener) secure(nc net.Conn, deadline time.Time) (net.Conn, error) {
	if l.cfg.TLS == nil {
		return nc, nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	tc := tls.Server(nc, l.cfg.TLS)
	return tc, tc.HandshakeContext(ctx)
}

// shakeRaw runs the RawSocket handshake, of which n octets were read.
func (l *Listener) shakeRaw(nc, inner net.Conn, request [4]byte, n int, accept func(*Conn)) error {
	if _, err := io.ReadFull(inner, request[n:]); err != nil {
		return err // logged with its context
	}
	c := newConn(inner, l.cfg.Options)
	taken := false
	admit := func() bool {
		taken = l.ready.take()
		return taken
	}
	if err := c.answerRaw(request, l.cfg.Serializers, admit); err != nil {
		if taken {
			l.ready.free()
		}
		if _, refused := errors.AsType[*HandshakeError](err); refused {
			refuse(inner)
		}
		return err
	}
	c.release = l.ready.free
	if !l.settled(nc) {
		_ = c.Close()
		return net.ErrClosed
	}
	_ = nc.SetDeadline(time.Time{})
	go accept(c)
	return nil
}

// passHTTP hands a connection to the HTTP server.
func (l *Listener) passHTTP(nc net.Conn, s *stream) {
	_ = nc.SetWriteDeadline(time.Time{})
	var out net.Conn = s
	if l.cfg.TLS != nil {
		out = tlsStream{s}
	}
	select {
	case l.streams <- out:
		l.settled(nc) // the HTTP server closes it from now on
	case <-l.done:
		l.settled(nc)
		_ = s.Close()
	}
}

func (l *Listener) newHTTPServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(l.serveHTTP),
		ReadHeaderTimeout: l.cfg.Options.HandshakeTimeout,
		ReadTimeout:       httpReadTimeout,
		IdleTimeout:       httpIdleTimeout,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, streamKey{}, nc)
		},
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(l.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

// streamKey is the context key of a request's connection.
type streamKey struct{}

func (l *Listener) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if s, ok := r.Context().Value(streamKey{}).(interface{ headerRead() }); ok {
		s.headerRead()
	}
	switch {
	case r.URL.Path == l.cfg.WebSocketPath, slices.Contains(l.cfg.WebSocketPaths, r.URL.Path):
		l.upgrade.ServeHTTP(w, r)
	case l.cfg.HTTP != nil:
		l.cfg.HTTP.ServeHTTP(w, r)
	default:
		http.Error(w, "nothing here: the WAMP endpoint is "+l.cfg.WebSocketPath, http.StatusNotFound)
	}
}

// httpSource is the listener of the HTTP server.
type httpSource struct{ l *Listener }

func (s httpSource) Accept() (net.Conn, error) {
	select {
	case nc := <-s.l.streams:
		return nc, nil
	case <-s.l.done:
		return nil, net.ErrClosed
	}
}

func (s httpSource) Close() error   { return nil }
func (s httpSource) Addr() net.Addr { return s.l.ln.Addr() }

// stream is a connection that speaks HTTP: it gives back what was read to find that
// out, and keeps to the handshake deadline until the first request was read.
type stream struct {
	net.Conn
	first    [4]byte
	have     int // octets of first that are not read yet
	read     int
	once     sync.Once
	release  func()
	mu       sync.Mutex
	deadline time.Time // that of the handshake; zero once the first request's header was read
}

// tlsStream tells the HTTP server of the state of TLS.
type tlsStream struct{ *stream }

// ConnectionState returns what the TLS handshake agreed upon.
func (s tlsStream) ConnectionState() tls.ConnectionState { return *tlsState(s.Conn) }

func (s *stream) Read(p []byte) (int, error) {
	if s.read < s.have {
		n := copy(p, s.first[s.read:s.have])
		s.read += n
		return n, nil
	}
	return s.Conn.Read(p)
}

// SetReadDeadline never goes beyond the handshake deadline before the header of the
// first request was read.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() && (t.IsZero() || t.After(s.deadline)) {
		t = s.deadline
	}
	return s.Conn.SetReadDeadline(t)
}

// headerRead lifts the handshake deadline.
func (s *stream) headerRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() {
		s.deadline = time.Time{}
		_ = s.Conn.SetReadDeadline(time.Now().Add(httpReadTimeout))
	}
}

// Close also gives back the place among the pending connections.
func (s *stream) Close() error {
	s.once.Do(s.release)
	return closeNet(s.Conn)
}

// detach takes the connection out of the stream. All that was read was consumed.
func (s *stream) detach() net.Conn {
	s.once.Do(s.release)
	return s.Conn
}
