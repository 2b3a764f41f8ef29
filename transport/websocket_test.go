package transport

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// foreign connects to the listener with gorilla's client, offering the subprotocols.
func foreign(tb testing.TB, url string, header http.Header, offers ...string) (*websocket.Conn, *http.Response, error) {
	tb.Helper()
	d := websocket.Dialer{Subprotocols: offers}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	ws, resp, err := d.DialContext(ctx, url, header)
	if ws != nil {
		tb.Cleanup(func() { _ = ws.Close() })
	}
	return ws, resp, err
}

func TestSubprotocolServer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		offers  []string
		support []protocol.Serializer
		want    protocol.Serializer
	}{
		{"first of the client", []string{"wamp.2.json", "wamp.2.cbor"}, nil, protocol.JSON},
		{"the other order", []string{"wamp.2.cbor", "wamp.2.json"}, nil, protocol.CBOR},
		{"batched is passed over", []string{"wamp.2.json.batched", "wamp.2.msgpack"}, nil, protocol.MessagePack},
		{"unknown is passed over", []string{"chat", "wamp.2.ubjson", "wamp.2.json"}, nil, protocol.JSON},
		{"unsupported is passed over", []string{"wamp.2.json", "wamp.2.cbor"}, only(protocol.CBOR), protocol.CBOR},
		{"only batched", []string{"wamp.2.json.batched", "wamp.2.msgpack.batched"}, nil, 0},
		{"only unsupported", []string{"wamp.2.json"}, only(protocol.CBOR), 0},
		{"nothing", nil, nil, 0},
		{"other case", []string{"WAMP.2.JSON"}, nil, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, "127.0.0.1:0", ServerConfig{Serializers: tc.support})
			ws, resp, err := foreign(t, srv.url(WebSocket), nil, tc.offers...)
			if tc.want == 0 {
				require.ErrorIs(t, err, websocket.ErrBadHandshake)
				require.Equal(t, http.StatusBadRequest, resp.StatusCode)
				require.Contains(t, string(readAll(t, resp.Body)), "none of the offered subprotocols is supported: offer wamp.2.")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want.Subprotocol(), ws.Subprotocol())
			c := srv.accept(t)
			require.Equal(t, tc.want, c.Serializer())
			require.Equal(t, Framing{Kind: WebSocket, Binary: tc.want != protocol.JSON}, c.Framing())
		})
	}
}

// TestSubprotocolLines: the offers may be spread over several header lines.
func TestSubprotocolLines(t *testing.T) {
	t.Parallel()
	h := http.Header{"Sec-Websocket-Protocol": {"chat , x", " wamp.2.cbor,wamp.2.json"}}
	s, ok := chooseSerializer(h, protocol.Serializers())
	require.True(t, ok)
	require.Equal(t, protocol.CBOR, s)
}

func TestSubprotocolClient(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"", "wamp.2.cbor", "wamp.2.json.batched", "chat"} {
		var offered string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			offered = r.Header.Get("Sec-Websocket-Protocol")
			h := http.Header{}
			if choice != "" {
				h.Set("Sec-Websocket-Protocol", choice)
			}
			ws, err := (&websocket.Upgrader{}).Upgrade(w, r, h)
			if err == nil {
				_ = ws.Close()
			}
		}))
		_, err := Dial(t.Context(), ClientConfig{
			URL:         "ws" + strings.TrimPrefix(srv.URL, "http"),
			Serializers: []protocol.Serializer{protocol.MessagePack, protocol.JSON},
		})
		require.ErrorIs(t, err, ErrSubprotocol)
		require.ErrorContains(t, err, "wamp.2.msgpack, wamp.2.json")
		require.Equal(t, "wamp.2.msgpack, wamp.2.json", offered)
		srv.Close()
	}
}

// TestExtensionRefused: a server must not switch compression on by itself.
func TestExtensionRefused(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Sec-Websocket-Extensions", "permessage-deflate")
		up := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"wamp.2.json"}}
		if ws, err := up.Upgrade(w, r, nil); err == nil {
			_ = ws.Close()
		}
	}))
	defer srv.Close()
	_, err := Dial(t.Context(), ClientConfig{URL: "ws" + strings.TrimPrefix(srv.URL, "http")})
	require.ErrorIs(t, err, ErrProtocol)

	ours := serve(t, "127.0.0.1:0", ServerConfig{})
	d := websocket.Dialer{EnableCompression: true, Subprotocols: []string{"wamp.2.json"}}
	ws, resp, err := d.Dial(ours.url(WebSocket), nil)
	require.NoError(t, err)
	defer func() { _ = ws.Close() }()
	require.Empty(t, resp.Header["Sec-Websocket-Extensions"])
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	plain := serve(t, "127.0.0.1:0", ServerConfig{})
	open := serve(t, "127.0.0.1:0", ServerConfig{
		CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://app.example" },
	})
	cases := []struct {
		srv    *server
		origin string
		status int
	}{
		{plain, "", http.StatusSwitchingProtocols},
		{plain, "http://" + plain.Addr().String(), http.StatusSwitchingProtocols},
		{plain, "https://evil.example", http.StatusForbidden},
		{open, "https://app.example", http.StatusSwitchingProtocols},
		{open, "https://evil.example", http.StatusForbidden},
	}
	for _, tc := range cases {
		header := http.Header{}
		if tc.origin != "" {
			header.Set("Origin", tc.origin)
		}
		_, resp, _ := foreign(t, tc.srv.url(WebSocket), header, "wamp.2.json")
		require.NotNil(t, resp)
		require.Equal(t, tc.status, resp.StatusCode, tc.origin)
	}
}

// wsServer returns a server's connection and the bare socket of its peer, upgraded.
func wsServer(tb testing.TB, s protocol.Serializer, o Options) (net.Conn, *Conn) {
	tb.Helper()
	srv := serve(tb, "127.0.0.1:0", ServerConfig{Options: o})
	ws, _, err := foreign(tb, srv.url(WebSocket), nil, s.Subprotocol())
	require.NoError(tb, err)
	return ws.NetConn(), srv.accept(tb)
}

// masked is a client's frame with a zero mask.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 65535:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func TestWebSocketFragments(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 300, 3000, 20_000, 200_000} {
		nc, c := wsServer(t, protocol.JSON, Options{})
		r := record(c)
		data := body(size)
		third := size / 3
		stream := masked(0x01, data[:third])
		stream = append(stream, masked(0x89, []byte("in between"))...)
		stream = append(stream, masked(0x00, data[third:2*third])...)
		stream = append(stream, masked(0x8A, nil)...)
		stream = append(stream, masked(0x80, data[2*third:])...)
		stream = append(stream, masked(0x81, []byte("next"))...)
		for len(stream) > 0 {
			n := min(len(stream), 1+size/7)
			_, err := nc.Write(stream[:n])
			require.NoError(t, err)
			stream = stream[n:]
		}
		require.Equal(t, event{what: "ping", data: []byte("in between")}, r.next(t))
		require.Equal(t, "pong", r.next(t).what)
		r.wantMessage(t, data)
		r.wantMessage(t, []byte("next"))
	}
}

func TestWebSocketBadFrames(t *testing.T) {
	t.Parallel()
	big := body(1001)
	cases := []struct {
		name       string
		serializer protocol.Serializer
		frames     []byte
		want       error
		code       int
	}{
		{"text for msgpack", protocol.MessagePack, masked(0x81, []byte("{}")), ErrFrameKind, 1003},
		{"text for cbor", protocol.CBOR, masked(0x01, []byte("{}")), ErrFrameKind, 1003},
		{"binary for json", protocol.JSON, masked(0x82, []byte("[]")), ErrFrameKind, 1003},
		{"too long", protocol.JSON, masked(0x81, big), ErrMessageTooLong, 1009},
		{"too long in pieces", protocol.JSON, append(masked(0x01, big[:600]), masked(0x80, big[:600])...), ErrMessageTooLong, 1009},
		{"announced 2^62", protocol.JSON, []byte{0x81, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, ErrMessageTooLong, 1009},
		{"announced 2^63", protocol.JSON, []byte{0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, ErrMessageTooLong, 1009},
		{"bad opcode", protocol.JSON, masked(0x83, nil), ErrProtocol, 1002},
		{"reserved bit", protocol.JSON, masked(0xC1, []byte("x")), ErrProtocol, 1002},
		{"not masked", protocol.JSON, []byte{0x81, 1, 'x'}, ErrProtocol, 1002},
		{"continues nothing", protocol.JSON, masked(0x80, nil), ErrProtocol, 1002},
		{"long ping", protocol.JSON, masked(0x89, big[:126]), ErrProtocol, 1002},
		{"bad close code", protocol.JSON, masked(0x88, []byte{0x03, 0xED}), ErrProtocol, 1002},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			nc, c := wsServer(t, tc.serializer, Options{MaxMessageSize: 1000})
			r := record(c)
			first := byte(0x81)
			if c.Framing().Binary {
				first = 0x82
			}
			_, err := nc.Write(append(masked(first, big[:1000]), tc.frames...))
			require.NoError(t, err)
			r.wantMessage(t, big[:1000])
			err = r.end(t)
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.code, CloseCode(err))
			require.NoError(t, c.Close())
			requireNothing(t, nc, "serve must not write")
		})
	}
}

func TestWebSocketClose(t *testing.T) {
	t.Parallel()
	cases := []struct {
		payload string // hex
		want    CloseError
	}{
		{"", CloseError{Code: 1005}},
		{"03e8", CloseError{Code: 1000}},
		{"03e9627965", CloseError{Code: 1001, Reason: "bye"}},
		{"0fa0", CloseError{Code: 4000}},
	}
	for _, tc := range cases {
		nc, c := wsServer(t, protocol.JSON, Options{})
		r := record(c)
		payload, err := hex.DecodeString(tc.payload)
		require.NoError(t, err)
		_, err = nc.Write(append(masked(0x81, []byte("last")), masked(0x88, payload)...))
		require.NoError(t, err)
		r.wantMessage(t, []byte("last"))
		require.Equal(t, "drained", (<-r.events).what)
		err = r.end(t)
		var closed *CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, tc.want, *closed)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Close())
		requireNothing(t, nc, "serve must not write")
	}
}

func TestWebSocketEndWithoutClose(t *testing.T) {
	t.Parallel()
	for _, part := range []int{0, 1, 3, 8, 500, 70_000} {
		nc, c := wsServer(t, protocol.JSON, Options{})
		r := record(c)
		_, err := nc.Write(masked(0x81, body(80_000))[:part])
		require.NoError(t, err)
		require.NoError(t, nc.Close())
		err = r.end(t)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d octets", part)
		require.NotErrorIs(t, err, io.EOF)
	}
}

// TestWebSocketForeign exchanges with gorilla's client and our own framing.
func TestWebSocketForeign(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	ws, _, err := foreign(t, srv.url(WebSocket), nil, "wamp.2.msgpack")
	require.NoError(t, err)
	c := srv.accept(t)
	r := record(c)
	for _, n := range []int{0, 125, 126, 5000, 65536, 1 << 20} {
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, body(n)))
		r.wantMessage(t, body(n))
		go send(t, c, body(n))
		kind, data, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, websocket.BinaryMessage, kind)
		require.True(t, bytes.Equal(body(n), data))
	}
}

func TestWebSocketHandler(t *testing.T) {
	t.Parallel()
	conns := make(chan *Conn, 1)
	mux := http.NewServeMux()
	mux.Handle("/wamp", WebSocketHandler(ServerConfig{MaxConnections: 1}, func(c *Conn) { conns <- c }))
	for _, secure := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(mux)
		cfg := ClientConfig{Serializers: only(protocol.CBOR), Header: http.Header{"x-who": {"me"}, "Cookie": {"a=b"}}}
		if secure {
			srv.StartTLS()
			cfg.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig
		} else {
			srv.Start()
		}
		cfg.URL = "ws" + strings.TrimPrefix(srv.URL, "http") + "/wamp?token=x"
		c := dial(t, cfg)
		s := <-conns
		r := record(s)
		send(t, c, body(1000))
		r.wantMessage(t, body(1000))
		d := s.Details()
		require.Equal(t, WebSocket, d.Kind)
		require.Equal(t, "/wamp", d.Path)
		require.Equal(t, srv.Listener.Addr().String(), d.Host)
		require.Equal(t, "me", d.Header.Get("X-Who"))
		require.Equal(t, "a=b", d.Header.Get("Cookie"))
		require.NotContains(t, d.Header, "Sec-Websocket-Key")
		require.Equal(t, secure, d.TLS != nil)
		require.Equal(t, !secure && c.CanTryWrite(), s.CanTryWrite())

		_, err := Dial(t.Context(), cfg) // full
		var refused *UpgradeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, UpgradeError{Status: 503, Message: "maximum connection count reached"}, *refused)
		require.NoError(t, s.Close())
		require.Error(t, r.end(t))
		c = dial(t, cfg) // the place is free again
		require.NoError(t, (<-conns).Close())
		require.NoError(t, c.Close())
		srv.Close()
	}
	require.Panics(t, func() { WebSocketHandler(ServerConfig{MaxConnections: -1}, nil) })
}

// TestDialEarlyFrames: a server may send frames right behind its answer, even in the same
// segment; its frames are not masked.
func TestDialEarlyFrames(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		frames []byte
		want   []string
		end    error
	}{
		{"whole", frame(t, Framing{Kind: WebSocket}, []byte("early")), []string{"early"}, io.ErrUnexpectedEOF},
		{"two", append(frame(t, Framing{Kind: WebSocket}, []byte("a")), frame(t, Framing{Kind: WebSocket}, []byte("b"))...), []string{"a", "b"}, io.ErrUnexpectedEOF},
		{"part", frame(t, Framing{Kind: WebSocket}, []byte("early"))[:3], nil, io.ErrUnexpectedEOF},
		{"masked", masked(0x81, []byte("x")), nil, ErrProtocol},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				_, _ = nc.Write(append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
					"Sec-WebSocket-Protocol: wamp.2.json\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"), tc.frames...))
				_ = nc.Close()
			}))
			defer srv.Close()
			c, err := Dial(t.Context(), ClientConfig{URL: "ws" + strings.TrimPrefix(srv.URL, "http"), Serializers: only(protocol.JSON)})
			require.NoError(t, err)
			defer func() { _ = c.Close() }()
			got := &keep{}
			require.ErrorIs(t, c.Serve(got), tc.end)
			require.Len(t, got.messages, len(tc.want))
			for i, want := range tc.want {
				require.Equal(t, want, string(got.messages[i]))
			}
		})
	}
}
