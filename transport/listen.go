package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const (
	// maxPending bounds the connections of a listener whose handshake is not done,
	// those of plain HTTP included. More are closed at once.
	maxPending = 4096
	// maxHeaderBytes bounds the header of an HTTP request.
	maxHeaderBytes = 64 << 10
	// httpReadTimeout bounds reading a plain HTTP request with its body,
	// httpIdleTimeout the wait for the next one.
	httpReadTimeout = time.Minute
	httpIdleTimeout = 30 * time.Second
)

// ServerConfig configures Listen and WebSocketHandler. The zero value serves all
// serializers, without TLS, WebSocket on /ws.
type ServerConfig struct {
	// TLS, if not nil, makes everything on the port TLS: WebSocket, RawSocket, HTTP.
	TLS *tls.Config
	// Options are the limits and timeouts.
	Options Options
	// Serializers are those a client may choose from; nil is all.
	Serializers []protocol.Serializer
	// WebSocketPath is the path of the WAMP endpoint. Default "/ws".
	WebSocketPath string
	// WebSocketPaths are further paths of the WAMP endpoint, on which it is the same. A
	// router tells clients apart by them: see Details.Path.
	WebSocketPaths []string
	// HTTP serves every other path; nil answers 404.
	HTTP http.Handler
	// CheckOrigin reports whether a browser page of the request's Origin may connect;
	// nil admits requests without Origin and those of the same host.
	CheckOrigin func(*http.Request) bool
	// MaxConnections is the number of WAMP connections at a time; 0 is unlimited. One
	// more is refused with RawSocket error 4 or HTTP 503.
	MaxConnections int
	// Logger receives failed handshakes at level debug and failing accepts at level
	// warning; nil discards.
	Logger *slog.Logger
}

// Validate reports every problem of the configuration, each with the name of its key.
func (c ServerConfig) Validate() error {
	errs := []error{c.Options.Validate(), validateSerializers(c.Serializers)}
	if c.WebSocketPath != "" && !strings.HasPrefix(c.WebSocketPath, "/") {
		errs = append(errs, fmt.Errorf("webSocketPath: %q does not start with a slash", c.WebSocketPath))
	}
	for i, p := range c.WebSocketPaths {
		if !strings.HasPrefix(p, "/") {
			errs = append(errs, fmt.Errorf("webSocketPaths[%d]: %q does not start with a slash", i, p))
		}
	}
	if c.MaxConnections < 0 {
		errs = append(errs, fmt.Errorf("maxConnections: %d is negative", c.MaxConnections))
	}
	if t := c.TLS; t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		errs = append(errs, errors.New("tls: no certificate"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("transport: server config: %w", err)
	}
	return nil
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.Options = c.Options.WithDefaults()
	if c.Serializers == nil {
		c.Serializers = protocol.Serializers()
	}
	c.Serializers = slices.Clone(c.Serializers)
	if c.WebSocketPath == "" {
		c.WebSocketPath = "/ws"
	}
	c.WebSocketPaths = slices.Clone(c.WebSocketPaths)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
		c.TLS.NextProtos = nil // neither HTTP/2 nor anything else is negotiated
	}
	return c
}

func validateSerializers(list []protocol.Serializer) error {
	var errs []error
	for i, s := range list {
		switch {
		case !s.Valid():
			errs = append(errs, fmt.Errorf("serializers[%d]: %d is no serializer", i, s))
		case slices.Contains(list[:i], s):
			errs = append(errs, fmt.Errorf("serializers[%d]: %v is listed twice", i, s))
		}
	}
	if list != nil && len(list) == 0 {
		errs = append(errs, errors.New("serializers: empty list"))
	}
	return errors.Join(errs...)
}

// places counts connections up to a limit; 0 is no limit.
type places struct {
	limit int64
	n     atomic.Int64
}

func (p *places) take() bool {
	if p.n.Add(1) > p.limit && p.limit > 0 {
		p.n.Add(-1)
		return false
	}
	return true
}

func (p *places) free() { p.n.Add(-1) }

// Listener serves WebSocket, RawSocket and plain HTTP on one port.
type Listener struct {
	cfg     ServerConfig
	ln      net.Listener
	http    *http.Server
	streams chan net.Conn // connections that speak HTTP
	done    chan struct{}
	ready   places // connections handed to accept
	pending places // connections whose handshake is not done
	upgrade *upgrader

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{} // connections in their handshake
	wg     sync.WaitGroup        // goroutines of Serve
}

// Listen opens a listening socket at addr: "host:port", or "unix:/path", where the
// socket of a process that is gone is replaced. ctx bounds the opening only. Nothing is
// accepted before Serve.
func Listen(ctx context.Context, addr string, cfg ServerConfig) (*Listener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("transport: listen: %w", err)
	}
	cfg = cfg.withDefaults()
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		removeStale(ctx, path)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	l := &Listener{
		cfg: cfg, ln: ln,
		streams: make(chan net.Conn),
		done:    make(chan struct{}),
		open:    make(map[net.Conn]struct{}),
	}
	l.ready.limit, l.pending.limit = int64(cfg.MaxConnections), maxPending
	l.http = l.newHTTPServer()
	return l, nil
}

// removeStale removes the socket at path if nobody listens to it.
func removeStale(ctx context.Context, path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = nc.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}

// Addr is the address listened to.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// URLs are what a client on this machine can dial: a WebSocket and a RawSocket URL. An
// unspecified address appears as localhost.
func (l *Listener) URLs() []string {
	ws, rs := "ws", "rs"
	if l.cfg.TLS != nil {
		ws, rs = "wss", "rss"
	}
	if a, ok := l.ln.Addr().(*net.UnixAddr); ok {
		return []string{ws + "+unix://" + a.Name, rs + "+unix://" + a.Name}
	}
	host, port, err := net.SplitHostPort(l.ln.Addr().String())
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	at := net.JoinHostPort(host, port)
	return []string{ws + "://" + at + l.cfg.WebSocketPath, rs + "://" + at}
}

// Serve accepts connections and calls accept with each whose handshake is done, on a
// goroutine of its own; accept owns the connection from then on. Call it once. It
// blocks until Close, and returns an error that wraps net.ErrClosed, or that of a
// listening socket that is broken.
func (l *Listener) Serve(accept func(*Conn)) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return fmt.Errorf("transport: serve: %w", net.ErrClosed)
	}
	l.upgrade = &upgrader{cfg: l.cfg, places: &l.ready, accept: accept}
	l.wg.Go(func() { _ = l.http.Serve(httpSource{l}) }) // ends when the listener is closed
	l.mu.Unlock()
	err := l.acceptLoop(accept)
	_ = l.Close()
	return fmt.Errorf("transport: serve: %w", err)
}

func (l *Listener) acceptLoop(accept func(*Conn)) error {
	var delay time.Duration
	for {
		nc, err := l.ln.Accept()
		if err == nil {
			delay = 0
			l.start(nc, accept)
			continue
		}
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !errors.Is(err, syscall.ECONNABORTED) {
			return err // Serve does
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		l.cfg.Logger.Warn("accept failed, trying again", slog.Any("error", err), slog.Duration("delay", delay))
		select {
		case <-time.After(delay):
		case <-l.done:
		}
	}
}

// start runs the handshake of nc on a goroutine.
func (l *Listener) start(nc net.Conn, accept func(*Conn)) {
	deadline := time.Now().Add(l.cfg.Options.HandshakeTimeout)
	if !l.pending.take() {
		_ = nc.Close()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.pending.free()
		_ = nc.Close()
		return
	}
	l.open[nc] = struct{}{}
	l.wg.Go(func() { l.shake(nc, deadline, accept) })
}

// settled takes nc out of the connections in their handshake. It reports whether the
// listener is still open.
func (l *Listener) settled(nc net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, nc)
	return !l.closed
}

// Close stops accepting and closes all connections whose handshake is not done and
// those of plain HTTP. Connections handed to accept stay. It waits for the goroutines
// of the handshakes, but not for those of cfg.HTTP. Calls after the first do nothing.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	for nc := range l.open {
		_ = nc.Close()
	}
	l.mu.Unlock()
	err := l.ln.Close()
	_ = l.http.Close()
	l.wg.Wait()
	if err != nil {
		return fmt.Errorf("transport: close listener: %w", err)
	}
	return nil
}
