package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Dial connects to a peer and runs the handshake, both bounded by ctx and by
// Options.HandshakeTimeout. ctx has no influence on the connection afterwards.
//
// A refusal is a *HandshakeError (RawSocket) or *UpgradeError (WebSocket, proxy); no
// serializer in common is ErrSubprotocol; a handshake that took too long is
// context.DeadlineExceeded; all wrapped. Error texts contain neither header fields nor
// credentials nor the query of the URL.
func Dial(ctx context.Context, cfg ClientConfig) (*Conn, error) {
	t, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	cfg.Options = cfg.Options.WithDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Options.HandshakeTimeout,
		fmt.Errorf("no complete handshake within %v: %w", cfg.Options.HandshakeTimeout, context.DeadlineExceeded))
	defer cancel()
	d := &dialer{cfg: cfg, t: t}
	var c *Conn
	if t.kind == WebSocket {
		c, err = d.within(ctx, d.webSocket)
	} else {
		c, err = d.rawSocket(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("transport: dial %s: %w", t.name, err)
	}
	return c, nil
}

// dialer is one call of Dial.
type dialer struct {
	cfg ClientConfig
	t   *target
}

// rawSocket offers one serializer after the other.
func (d *dialer) rawSocket(ctx context.Context) (*Conn, error) {
	var err error
	for _, s := range d.cfg.serializers() {
		var c *Conn
		c, err = d.within(ctx, func(_ context.Context, c *Conn) error { return c.handshakeRaw(s) })
		if err == nil {
			return c, nil
		}
		var refusal *HandshakeError
		if !errors.As(err, &refusal) || refusal.Code != SerializerUnsupported {
			break
		}
	}
	return nil, err
}

// within connects and runs the handshake, which ends when ctx does.
func (d *dialer) within(ctx context.Context, shake func(context.Context, *Conn) error) (*Conn, error) {
	nc, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(nc, d.cfg.Options)
	c.details = &handshake{url: d.t.name, left: wsHandshakeLimit}
	stop := interruptible(ctx, nc)
	err = shake(ctx, c)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// interruptible makes reads and writes of nc fail once ctx is done. stop ends that,
// and reports whether it came in time.
func interruptible(ctx context.Context, nc net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
}

// connect opens the connection, in the time of the endpoint if that has one.
func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	e := d.cfg.Endpoint
	if e == nil || e.Timeout == 0 {
		return d.connectNow(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.Timeout, fmt.Errorf("no connection within %v: %w", e.Timeout, context.DeadlineExceeded))
	defer cancel()
	nc, err := d.connectNow(ctx)
	if ctx.Err() == nil {
		return nc, err
	}
	if nc != nil {
		_ = nc.Close() // it came too late, and may have been interrupted
	}
	return nil, context.Cause(ctx)
}

// connectNow opens the connection: through the proxy if there is one, with TLS on top.
func (d *dialer) connectNow(ctx context.Context) (net.Conn, error) {
	dial := d.cfg.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	addr := d.t.addr
	if p := d.cfg.Proxy; p != nil {
		port := p.Port()
		if port == "" {
			port = "80"
		}
		addr = net.JoinHostPort(p.Hostname(), port)
	}
	nc, err := dial(ctx, d.t.network, addr)
	if err != nil {
		return nil, err // says what failed itself
	}
	if d.cfg.Proxy != nil {
		if err := d.tunnel(ctx, nc); err != nil {
			_ = nc.Close()
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	if !d.t.secure {
		return nc, nil
	}
	tc := tls.Client(nc, d.tlsConfig())
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		if strings.HasPrefix(err.Error(), "tls: ") { // some say so themselves
			return nil, err
		}
		return nil, fmt.Errorf("tls: %w", err)
	}
	return tc, nil
}

func (d *dialer) tlsConfig() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.cfg.TLS != nil {
		cfg = d.cfg.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = d.t.host
	}
	cfg.NextProtos = nil // a server must not choose HTTP/2
	return cfg
}

// tunnel asks the proxy behind nc to connect to the peer.
func (d *dialer) tunnel(ctx context.Context, nc net.Conn) error {
	stop := interruptible(ctx, nc)
	defer stop()
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", d.t.addr, d.t.addr)
	if user := d.cfg.Proxy.User; user != nil {
		password, _ := user.Password()
		token := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		b.WriteString("Proxy-Authorization: Basic " + token + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(nc, b.String()); err != nil {
		return err // the caller does
	}
	br := bufio.NewReader(io.LimitReader(nc, wsHandshakeLimit))
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err // the caller does
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &UpgradeError{Status: resp.StatusCode, Proxy: true}
	}
	if br.Buffered() > 0 {
		return fmt.Errorf("%w: data before the tunnel was used", ErrProtocol)
	}
	return nil
}

// webSocket upgrades the connection.
func (d *dialer) webSocket(ctx context.Context, c *Conn) error {
	offers := d.cfg.serializers()
	up := websocket.Dialer{
		NetDialContext:  func(context.Context, string, string) (net.Conn, error) { return (*wsStream)(c), nil },
		ReadBufferSize:  wsReadBuffer,
		WriteBufferPool: &wsWriteBuffers,
	}
	up.NetDialTLSContext = up.NetDialContext // TLS is there already
	for _, s := range offers {
		up.Subprotocols = append(up.Subprotocols, s.Subprotocol())
	}
	header := make(http.Header, len(d.cfg.Header))
	for key, values := range d.cfg.Header {
		key = http.CanonicalHeaderKey(key)
		header[key] = append(header[key], values...)
	}
	ws, resp, err := up.DialContext(ctx, d.t.url.String(), header)
	if resp != nil && resp.Body != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	switch {
	case errors.Is(err, websocket.ErrBadHandshake) && resp != nil:
		return upgradeError(resp)
	case err != nil:
		return fmt.Errorf("websocket handshake: %w", err)
	case len(resp.Header["Sec-Websocket-Extensions"]) > 0:
		return fmt.Errorf("websocket handshake: %w: server uses an extension that was not offered", ErrProtocol)
	}
	for _, s := range offers {
		if ws.Subprotocol() == s.Subprotocol() {
			c.useWebSocket(s, true)
			return nil
		}
	}
	return fmt.Errorf("websocket handshake: %w: server chose %q, offered were %s",
		ErrSubprotocol, ws.Subprotocol(), strings.Join(up.Subprotocols, ", "))
}

// upgradeError quotes the first line of the answer.
func upgradeError(resp *http.Response) error {
	const limit = 200
	text, _ := io.ReadAll(io.LimitReader(resp.Body, limit))
	line, _, _ := strings.Cut(string(text), "\n")
	return &UpgradeError{Status: resp.StatusCode, Message: strings.ToValidUTF8(strings.TrimSpace(line), "")}
}
