package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// get sends a plain HTTP request to the listener.
func get(tb testing.TB, s *server, path string, tc *tls.Config) (int, string) {
	tb.Helper()
	scheme := "http://"
	if tc != nil {
		scheme = "https://"
	}
	tr := &http.Transport{TLSClientConfig: tc}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, scheme+s.Addr().String()+path, nil)
	require.NoError(tb, err)
	resp, err := tr.RoundTrip(req)
	require.NoError(tb, err)
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, string(readAll(tb, resp.Body))
}

// exchange sends a message each way.
func exchange(tb testing.TB, c, s *Conn) {
	tb.Helper()
	atClient, atServer := record(c), record(s)
	for _, n := range []int{10, 3000, 100_000} {
		go send(tb, c, body(n))
		atServer.wantMessage(tb, body(n))
		go send(tb, s, body(n+1))
		atClient.wantMessage(tb, body(n+1))
	}
	require.NoError(tb, c.Close())
	require.Error(tb, atServer.end(tb))
}

func TestOnePort(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	for _, secure := range []bool{false, true} {
		cfg := ServerConfig{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "hello "+r.URL.Path)
		})}
		var tc *tls.Config
		if secure {
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}}
			tc = &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}
		}
		srv := serve(t, "127.0.0.1:0", cfg)
		status, text := get(t, srv, "/metrics", tc)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "hello /metrics", text)
		status, text = get(t, srv, "/ws", tc)
		require.Equal(t, http.StatusUpgradeRequired, status)
		require.Contains(t, text, "wamp.2.cbor, wamp.2.msgpack, wamp.2.json")
		for _, kind := range []Kind{RawSocket, WebSocket} {
			c := dial(t, ClientConfig{URL: srv.url(kind), TLS: tc})
			s := srv.accept(t)
			require.Equal(t, kind, s.Framing().Kind)
			require.Equal(t, secure, s.Details().TLS != nil)
			require.Equal(t, secure, c.Details().TLS != nil)
			require.Equal(t, srv.url(kind), c.Details().URL)
			exchange(t, c, s)
		}
	}
}

func TestNoHTTP(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{WebSocketPath: "/wamp"})
	status, text := get(t, srv, "/", nil)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, text, "/wamp")
	status, _ = get(t, srv, "/wamp", nil)
	require.Equal(t, http.StatusUpgradeRequired, status)
	require.True(t, strings.HasSuffix(srv.url(WebSocket), "/wamp"))
}

// TestHalfOpen: a handshake that stops at any point is ended at the deadline.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	const timeout = 100 * time.Millisecond
	plain := serve(t, "127.0.0.1:0", ServerConfig{Options: Options{HandshakeTimeout: timeout}})
	secure := serve(t, "127.0.0.1:0", ServerConfig{
		Options: Options{HandshakeTimeout: timeout},
		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	cases := []struct {
		name string
		srv  *server
		sent string
		tls  bool
	}{
		{"nothing", plain, "", false},
		{"rawsocket", plain, "\x7f", false},
		{"rawsocket, three octets", plain, "\x7f\xf2\x00", false},
		{"http", plain, "G", false},
		{"http header", plain, "GET /ws HTTP/1.1\r\nHost: x\r\n", false},
		{"tls, nothing", secure, "", false},
		{"tls, one octet", secure, "\x16", false},
		{"in tls, nothing", secure, "", true},
		{"in tls, rawsocket", secure, "\x7f", true},
		{"in tls, http", secure, "GET /ws HT", true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			nc := dialRaw(t, tc.srv)
			if tc.tls {
				conn := tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
				require.NoError(t, conn.HandshakeContext(t.Context()))
				nc = conn
			}
			_, err := io.WriteString(nc, tc.sent)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, nc) // until the server closes
			took := time.Since(start)
			require.GreaterOrEqual(t, took, timeout-10*time.Millisecond)
			require.Less(t, took, patience/2)
		})
	}
}

// TestHalfOpenDrip: octets that keep coming don't move the deadline.
func TestHalfOpenDrip(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{Options: Options{HandshakeTimeout: 150 * time.Millisecond}})
	nc := dialRaw(t, srv)
	_, err := io.WriteString(nc, "GET /ws HTTP/1.1\r\n")
	require.NoError(t, err)
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err = io.WriteString(nc, "X-A: b\r\n"); err != nil {
			break
		}
		require.Less(t, time.Since(start), patience/2)
	}
}

func TestCloseListener(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	half := []net.Conn{dialRaw(t, srv), dialRaw(t, srv), dialRaw(t, srv)}
	_, _ = half[1].Write([]byte{rawMagic})
	_, _ = half[2].Write([]byte("GET /"))
	c := dial(t, ClientConfig{URL: srv.url(RawSocket)})
	s := srv.accept(t)
	require.NoError(t, srv.Close())
	for _, nc := range half {
		_, _ = io.Copy(io.Discard, nc)
	}
	exchange(t, c, s) // an accepted connection lives on
	_, err := Dial(t.Context(), ClientConfig{URL: srv.url(RawSocket)})
	require.Error(t, err)
	require.NoError(t, srv.Close())
}

func TestCloseBeforeServe(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), "127.0.0.1:0", ServerConfig{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Serve(func(*Conn) {}), net.ErrClosed)
}

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{MaxConnections: 2})
	first := dial(t, ClientConfig{URL: srv.url(RawSocket)})
	dial(t, ClientConfig{URL: srv.url(WebSocket)})
	s := srv.accept(t)
	srv.accept(t)
	for range 3 { // a refusal takes no place
		_, err := Dial(t.Context(), ClientConfig{URL: srv.url(RawSocket)})
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, TooManyConnections, refusal.Code)
		_, err = Dial(t.Context(), ClientConfig{URL: srv.url(WebSocket)})
		var upgrade *UpgradeError
		require.ErrorAs(t, err, &upgrade)
		require.Equal(t, http.StatusServiceUnavailable, upgrade.Status)
	}
	status, _ := get(t, srv, "/", nil)
	require.Equal(t, http.StatusNotFound, status, "plain HTTP needs no place")
	require.NoError(t, first.Close())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	dial(t, ClientConfig{URL: srv.url(WebSocket)})
	_, err := Dial(t.Context(), ClientConfig{URL: srv.url(RawSocket)})
	require.Error(t, err, "closing twice freed two places")
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	srv := serve(t, "unix:"+path, ServerConfig{})
	require.Equal(t, []string{"ws+unix://" + path, "rs+unix://" + path}, srv.URLs())
	cases := []ClientConfig{
		{URL: "rs+unix://" + path},
		{URL: "rs://unix:" + path},
		{URL: "rs://localhost", Endpoint: &Endpoint{Type: "unix", Path: path}},
		{URL: "ws+unix://" + path},
		{URL: "ws://localhost/ws", Endpoint: &Endpoint{Type: "unix", Path: path}},
	}
	for _, cfg := range cases {
		c := dial(t, cfg)
		s := srv.accept(t)
		require.Equal(t, "unix", s.Details().LocalAddr.Network())
		require.Equal(t, s.CanTryWrite(), c.CanTryWrite())
		exchange(t, c, s)
	}
}

// TestUnixSocketStale: what a dead process left is replaced, what is in use is not.
func TestUnixSocketStale(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	old, err := net.Listen("unix", path)
	require.NoError(t, err)
	_, err = Listen(t.Context(), "unix:"+path, ServerConfig{})
	require.Error(t, err)
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, old.Close())
	require.FileExists(t, path)
	srv := serve(t, "unix:"+path, ServerConfig{})
	dial(t, ClientConfig{URL: srv.url(RawSocket)})
	srv.accept(t)

	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, err = Listen(t.Context(), "unix:"+file, ServerConfig{})
	require.Error(t, err)
	require.FileExists(t, file)
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6: ", err)
	} else {
		require.NoError(t, l.Close())
	}
	srv := serve(t, "[::1]:0", ServerConfig{})
	for _, kind := range []Kind{RawSocket, WebSocket} {
		require.Contains(t, srv.url(kind), "://[::1]:")
		c := dial(t, ClientConfig{URL: srv.url(kind)})
		exchange(t, c, srv.accept(t))
	}
}

func TestURLsOfUnspecifiedAddress(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), "0.0.0.0:0", ServerConfig{})
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.Equal(t, []string{"ws://localhost:" + port + "/ws", "rs://localhost:" + port}, l.URLs())
	require.NoError(t, l.Close())
}

func TestServerConfigValidate(t *testing.T) {
	t.Parallel()
	_, err := Listen(t.Context(), "127.0.0.1:0", ServerConfig{
		TLS:            &tls.Config{},
		Options:        Options{MaxMessageSize: -1, HandshakeTimeout: -1, PingTimeout: -1},
		Serializers:    []protocol.Serializer{protocol.JSON, 9, protocol.JSON},
		WebSocketPath:  "ws",
		MaxConnections: -1,
	})
	for _, key := range []string{
		"options.maxMessageSize: -1", "options.handshakeTimeout", "options.pingTimeout", "serializers[1]", "serializers[2]",
		"webSocketPath: \"ws\"", "maxConnections: -1", "tls: no certificate",
	} {
		require.ErrorContains(t, err, key)
	}
	require.Equal(t, 1, strings.Count(err.Error(), "transport: "))
	_, err = Listen(t.Context(), "127.0.0.1:0", ServerConfig{Serializers: []protocol.Serializer{}})
	require.ErrorContains(t, err, "serializers: empty list")
	for _, size := range []int{511, MaxMessageSize + 1} {
		require.Error(t, Options{MaxMessageSize: size}.Validate())
	}
	require.NoError(t, Options{MaxMessageSize: 512, PingInterval: -1}.Validate())
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Listen(canceled, "127.0.0.1:0", ServerConfig{})
	require.Error(t, err)
}

// TestKeepAliveHTTP: the handshake deadline is for the first request only.
func TestKeepAliveHTTP(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	srv := serve(t, "127.0.0.1:0", ServerConfig{
		Options: Options{HandshakeTimeout: timeout},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			_, _ = w.Write(text)
		}),
	})
	nc := dialRaw(t, srv)
	br := bufio.NewReader(nc)
	for range 2 {
		_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
		require.NoError(t, err)
		<-time.After(2 * timeout)
		_, err = io.WriteString(nc, "cd")
		require.NoError(t, err)
		resp, err := http.ReadResponse(br, nil)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(readAll(t, resp.Body)))
		_ = resp.Body.Close()
	}
}
