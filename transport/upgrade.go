package transport

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// WebSocketHandler returns a handler that upgrades every request to a WAMP connection
// and calls accept with it on a goroutine of its own; accept owns the connection. The
// handler itself returns after the upgrade and nothing of net/http stays referenced.
// It ignores cfg.TLS, the paths and cfg.HTTP: those belong to the server that
// runs the handler, and so does the deadline for reading the request.
//
// It answers 426 to a request that is no upgrade, 400 if no offered subprotocol is
// supported, 403 if the origin is refused and 503 if MaxConnections is reached.
// It panics if cfg is invalid; cfg.Validate tells why.
func WebSocketHandler(cfg ServerConfig, accept func(*Conn)) http.Handler {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	cfg = cfg.withDefaults()
	return &upgrader{cfg: cfg, places: &places{limit: int64(cfg.MaxConnections)}, accept: accept}
}

// upgrader answers requests to upgrade to WebSocket.
type upgrader struct {
	cfg    ServerConfig
	places *places
	accept func(*Conn)
}

func (u *upgrader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		http.Error(w, "this is a WAMP endpoint: connect with WebSocket, subprotocol "+u.supported(),
			http.StatusUpgradeRequired)
		return
	}
	s, ok := chooseSerializer(r.Header, u.cfg.Serializers)
	if !ok {
		http.Error(w, "none of the offered subprotocols is supported: offer "+u.supported(), http.StatusBadRequest)
		return
	}
	if !u.places.take() {
		http.Error(w, "maximum connection count reached", http.StatusServiceUnavailable)
		return
	}
	c, err := u.upgrade(w, r, s)
	if err != nil {
		u.places.free()
		u.cfg.Logger.Debug("websocket upgrade failed", slog.String("remote", r.RemoteAddr), slog.Any("error", err))
		return
	}
	c.release = u.places.free
	go u.accept(c)
}

func (u *upgrader) upgrade(w http.ResponseWriter, r *http.Request, s protocol.Serializer) (*Conn, error) {
	h := &hijacker{ResponseWriter: w, options: u.cfg.Options}
	up := websocket.Upgrader{
		WriteBufferPool: &wsWriteBuffers,
		CheckOrigin:     u.cfg.CheckOrigin,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			if h.conn == nil && !h.failed {
				http.Error(w, reason.Error(), status)
			}
		},
	}
	_, err := up.Upgrade(h, r, http.Header{"Sec-Websocket-Protocol": {s.Subprotocol()}})
	if err != nil {
		if h.conn != nil {
			_ = h.conn.Close()
		}
		return nil, err // logged with its context
	}
	c := h.conn
	_ = c.nc.SetDeadline(time.Time{})
	c.details = &handshake{
		host:   strings.Clone(r.Host),
		path:   strings.Clone(r.URL.Path),
		header: keptHeader(r.Header),
	}
	c.useWebSocket(s, false)
	return c, nil
}

func (u *upgrader) supported() string {
	names := make([]string, len(u.cfg.Serializers))
	for i, s := range u.cfg.Serializers {
		names[i] = s.Subprotocol()
	}
	return strings.Join(names, ", ")
}

// chooseSerializer picks the first offered subprotocol that is supported. What is not
// known, and the batched variants, are passed over.
func chooseSerializer(h http.Header, supported []protocol.Serializer) (protocol.Serializer, bool) {
	for _, line := range h["Sec-Websocket-Protocol"] {
		for offer := range strings.SplitSeq(line, ",") {
			offer = strings.TrimSpace(offer)
			for _, s := range supported {
				if offer == s.Subprotocol() {
					return s, true
				}
			}
		}
	}
	return protocol.NoSerializer, false
}

// keptHeader copies the header fields that say something about the client.
func keptHeader(h http.Header) http.Header {
	var kept http.Header
	for key, values := range h {
		switch {
		case key == "Connection", key == "Upgrade", key == "Accept-Encoding", key == "Cache-Control", key == "Pragma",
			strings.HasPrefix(key, "Sec-Websocket-"):
			continue
		}
		if kept == nil {
			kept = make(http.Header)
		}
		kept[key] = values
	}
	return kept.Clone()
}

// hijacker takes the connection away from net/http and gives it to the upgrader behind
// a Conn, with a small buffer instead of the server's own.
type hijacker struct {
	http.ResponseWriter
	options Options
	conn    *Conn
	failed  bool // the connection was taken, but is of no use
}

var errEarlyData = errors.New("client sent data before the handshake was done")

// Hijack is called by the upgrader, once.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	if rw.Reader.Buffered() > 0 {
		h.failed = true
		_ = nc.Close()
		return nil, nil, errEarlyData
	}
	if s, ok := nc.(interface{ detach() net.Conn }); ok {
		nc = s.detach()
	}
	_ = nc.SetDeadline(time.Now().Add(h.options.HandshakeTimeout)) // for the answer
	h.conn = newConn(nc, h.options)
	stream := (*wsStream)(h.conn)
	return stream, bufio.NewReadWriter(bufio.NewReaderSize(stream, wsReadBuffer), bufio.NewWriterSize(stream, 1)), nil
}

// tlsState returns the state of a TLS connection, or nil.
func tlsState(nc net.Conn) *tls.ConnectionState {
	s, ok := nc.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil
	}
	state := s.ConnectionState()
	return &state
}
