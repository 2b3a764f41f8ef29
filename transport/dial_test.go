package transport

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// certificate returns a fresh self-signed one for 127.0.0.1 and test.example.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"test.example"},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(tb, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	srv := serve(t, "127.0.0.1:0", ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	port := srv.Addr().(*net.TCPAddr).Port
	here := &Endpoint{Type: "tcp", Host: "127.0.0.1", Port: port}
	for _, kind := range []Kind{RawSocket, WebSocket} {
		target := srv.url(kind)
		require.True(t, strings.HasPrefix(target, "wss://") || strings.HasPrefix(target, "rss://"))
		_, err := Dial(t.Context(), ClientConfig{URL: target})
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown, "a self-signed certificate is refused by default")
		require.NotContains(t, err.Error(), "tls: tls: ")

		c := dial(t, ClientConfig{URL: target, TLS: &tls.Config{RootCAs: roots}})
		s := srv.accept(t)
		require.False(t, c.CanTryWrite())
		_, err = c.TryWrite([]byte("x"))
		require.Error(t, err)
		exchange(t, c, s)

		name := strings.Replace(target, "127.0.0.1", "test.example", 1)
		c = dial(t, ClientConfig{URL: name, Endpoint: here, TLS: &tls.Config{RootCAs: roots}})
		require.Equal(t, "test.example", srv.accept(t).Details().TLS.ServerName)
		require.NoError(t, c.Close())

		wrong := strings.Replace(target, "127.0.0.1", "other.example", 1)
		_, err = Dial(t.Context(), ClientConfig{URL: wrong, Endpoint: here, TLS: &tls.Config{RootCAs: roots}})
		var hostname x509.HostnameError
		require.ErrorAs(t, err, &hostname)

		plain := strings.Replace(target, "ss://", "s://", 1) // without TLS
		_, err = Dial(t.Context(), ClientConfig{URL: plain, Options: Options{HandshakeTimeout: 100 * time.Millisecond}})
		require.Error(t, err)
	}
}

// TestEndpointTimeout: the time to connect is bounded for itself.
func TestEndpointTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := Dial(t.Context(), ClientConfig{
			URL: "ws://h", Endpoint: &Endpoint{Timeout: 3 * time.Second},
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				require.Equal(t, "tcp h:80", network+" "+addr)
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		require.EqualError(t, err, "transport: dial ws://h: no connection within 3s: context deadline exceeded")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// TestEndpointWithoutPlace: an endpoint may say how to connect, and leave where to the URL.
func TestEndpointWithoutPlace(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	for _, kind := range []Kind{RawSocket, WebSocket} {
		c := dial(t, ClientConfig{URL: srv.url(kind), Endpoint: &Endpoint{Type: "tcp4", Timeout: time.Minute}})
		exchange(t, c, srv.accept(t))
	}
}

func TestTLSClientCertificate(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	srv := serve(t, "127.0.0.1:0", ServerConfig{TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.RequireAnyClientCert,
	}})
	tc := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}
	dial(t, ClientConfig{URL: srv.url(RawSocket), TLS: tc})
	require.Len(t, srv.accept(t).Details().TLS.PeerCertificates, 1)
	_, err := Dial(t.Context(), ClientConfig{URL: srv.url(RawSocket), TLS: &tls.Config{RootCAs: roots}})
	require.Error(t, err)
}

// TestTLSEnd: Close tells the peer of the end, so that it isn't taken for a cut.
func TestTLSEnd(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	server := ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	c, s := pair(t, server, ClientConfig{TLS: &tls.Config{RootCAs: roots}}, RawSocket)
	r := record(s)
	require.NoError(t, c.Close())
	require.Equal(t, io.EOF, r.end(t))
}

// proxy answers CONNECT and passes octets on. It sends the requests it got.
func proxy(t *testing.T, status string) (*url.URL, <-chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	requests := make(chan *http.Request, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go tunnel(nc, status, requests)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("me", "secret")}, requests
}

func tunnel(nc net.Conn, status string, requests chan<- *http.Request) {
	defer func() { _ = nc.Close() }()
	r, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		return
	}
	requests <- r
	_, _ = io.WriteString(nc, "HTTP/1.1 "+status+"\r\n\r\n")
	if !strings.HasPrefix(status, "200") {
		return
	}
	to, err := net.Dial("tcp", r.RequestURI)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() {
		_, _ = io.Copy(to, nc)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(nc, to)
}

func TestProxy(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	for _, secure := range []bool{false, true} {
		cfg, client := ServerConfig{}, ClientConfig{}
		if secure {
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			client.TLS = &tls.Config{RootCAs: roots}
		}
		srv := serve(t, "127.0.0.1:0", cfg)
		for _, kind := range []Kind{WebSocket, RawSocket} {
			var requests <-chan *http.Request
			client.URL = srv.url(kind)
			client.Proxy, requests = proxy(t, "200 fine")
			c := dial(t, client)
			r := <-requests
			require.Equal(t, http.MethodConnect, r.Method)
			require.Equal(t, srv.Addr().String(), r.RequestURI)
			require.Equal(t, "Basic bWU6c2VjcmV0", r.Header.Get("Proxy-Authorization"))
			exchange(t, c, srv.accept(t))
		}
	}
}

func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	at, _ := proxy(t, "407 who are you")
	_, err := Dial(t.Context(), ClientConfig{URL: "ws://127.0.0.1:1/ws", Proxy: at})
	var refused *UpgradeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, UpgradeError{Status: 407, Proxy: true}, *refused)
	require.NotContains(t, err.Error(), "secret")
}

func TestDialContextAndHeader(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	var dialed []string
	c := dial(t, ClientConfig{
		URL:    "ws://router.example/ws?token=hidden",
		Header: http.Header{"authorization": {"Bearer hidden"}, "Host": {"virtual.example"}},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialed = append(dialed, network, addr)
			return (&net.Dialer{}).DialContext(ctx, "tcp", srv.Addr().String())
		},
	})
	require.Equal(t, []string{"tcp", "router.example:80"}, dialed)
	d := srv.accept(t).Details()
	require.Equal(t, "Bearer hidden", d.Header.Get("Authorization"))
	require.Equal(t, "virtual.example", d.Host)
	require.Equal(t, "ws://router.example/ws", c.Details().URL)
}

func TestDialErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	at := srv.Addr().String()
	header := http.Header{"Authorization": {"Bearer s3cret"}}
	cases := []ClientConfig{
		{URL: "ws://me:s3cret@" + at + "/ws"},
		{URL: "ws://me:s3cret@" + at + "x/ws"},
		{URL: "ws://me:s3/cret@host"},
		{URL: "rs://me:s3cret@" + at},
		{URL: "ws://" + at + "/none?ticket=s3cret", Header: header},
		{URL: "ws://127.0.0.1:1/ws?ticket=s3cret", Header: header},
		{URL: "ws://" + at + "/ws", Header: http.Header{"Upgrade": {"s3cret"}}},
	}
	for _, cfg := range cases {
		_, err := Dial(t.Context(), cfg)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "cret", cfg.URL)
		require.Equal(t, 1, strings.Count(err.Error(), "transport: "), err.Error())
	}
}

func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{Serializers: only(protocol.JSON)})
	_, err := Dial(t.Context(), ClientConfig{URL: srv.url(WebSocket), Serializers: only(protocol.CBOR)})
	var refused *UpgradeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusBadRequest, refused.Status)
	require.Equal(t, "none of the offered subprotocols is supported: offer wamp.2.json", refused.Message)
	require.Contains(t, err.Error(), refused.Message)
}

// TestEndlessAnswer: a server can't make a client read for ever.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	endless := "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 2*wsHandshakeLimit)
	target := strings.Replace(answering(t, []byte(endless)), "rs://", "ws://", 1)
	_, err := Dial(t.Context(), ClientConfig{URL: target})
	require.ErrorIs(t, err, errHandshakeTooLong)
}

func TestClientConfigValidate(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	tcp := func(e Endpoint) *Endpoint { return &e }
	cases := []struct {
		cfg  ClientConfig
		want string // "" is valid
	}{
		{ClientConfig{}, "url: missing"},
		{ClientConfig{URL: "ws://h"}, ""},
		{ClientConfig{URL: "wss://h:1/p?q"}, ""},
		{ClientConfig{URL: "rs://h:1"}, ""},
		{ClientConfig{URL: "rs://[::1]:1/"}, ""},
		{ClientConfig{URL: "rs://unix:/tmp/s"}, ""},
		{ClientConfig{URL: "ws+unix:///tmp/s"}, ""},
		{ClientConfig{URL: "ws://h/?next=rs://unix:/"}, ""},
		{ClientConfig{URL: "http://h"}, `url: scheme "http" is none of ws, wss`},
		{ClientConfig{URL: "h:1"}, "url: scheme"},
		{ClientConfig{URL: "ws://"}, "url: no host"},
		{ClientConfig{URL: "ws:///p"}, "url: no host"},
		{ClientConfig{URL: "ws://h:99999"}, "url: port 99999"},
		{ClientConfig{URL: "ws://h:0"}, "url: port 0"},
		{ClientConfig{URL: "ws://h#f"}, "url: a fragment"},
		{ClientConfig{URL: "ws://h:x"}, "url: malformed"},
		{ClientConfig{URL: "rs://h"}, "url: rs needs a port"},
		{ClientConfig{URL: "rss://h"}, "url: rss needs a port"},
		{ClientConfig{URL: "rs://h:1/p"}, "url: rs takes neither path nor query"},
		{ClientConfig{URL: "rs+unix://h/p"}, "url: rs+unix wants a path"},
		{ClientConfig{URL: "rs+unix:///"}, "url: rs+unix wants a path"},
		{ClientConfig{URL: "rss+unix:///p"}, "url: scheme"},
		{ClientConfig{URL: "rs://h", Endpoint: tcp(Endpoint{Type: "tcp", Host: "h", Port: 1})}, ""},
		{ClientConfig{URL: "rs+unix:///p", Endpoint: tcp(Endpoint{Type: "unix", Path: "/p"})}, "url: scheme rs+unix contradicts endpoint"},
		{ClientConfig{URL: "ws://h", Endpoint: tcp(Endpoint{})}, ""},
		{ClientConfig{URL: "rs://h:1", Endpoint: tcp(Endpoint{Type: "tcp6"})}, ""},
		{ClientConfig{URL: "rs://localhost", Endpoint: tcp(Endpoint{Path: "/p"})}, ""},
		{ClientConfig{URL: "rs://", Endpoint: tcp(Endpoint{})}, "endpoint.host: missing\nendpoint.port: missing"},
		{ClientConfig{URL: "ws://h", Endpoint: tcp(Endpoint{Type: "sctp"})}, `endpoint.type: "sctp" is none of tcp, tcp4, tcp6, unix`},
		{ClientConfig{URL: "ws://h", Endpoint: tcp(Endpoint{Type: "tcp", Port: 99999, Path: "/p"})}, "endpoint.port: 99999 is not in 1..65535\nendpoint.path: not for type tcp"},
		{ClientConfig{URL: "ws://h", Endpoint: tcp(Endpoint{Timeout: -1})}, "endpoint.timeout: -1ns is negative"},
		{ClientConfig{URL: "ws://h", Options: Options{PingSize: 126, CloseTimeout: -1}}, "options.pingSize: 126 is not in 1..125\noptions.closeTimeout: -1ns is negative"},
		{ClientConfig{URL: "ws://h", Endpoint: tcp(Endpoint{Type: "unix", Host: "h", Port: 1})}, "endpoint.path: missing\nendpoint.host: not for type unix\nendpoint.port: not for type unix"},
		{ClientConfig{URL: "rss://h:1", Endpoint: tcp(Endpoint{Type: "tcp6", Host: "h", Port: 1, TLS: &no})}, "endpoint.tls: false contradicts the url's scheme rss"},
		{ClientConfig{URL: "ws://h:1", Endpoint: tcp(Endpoint{Type: "tcp", Host: "h", Port: 1, TLS: &yes})}, "endpoint.tls: true contradicts the url's scheme ws"},
		{ClientConfig{URL: "ws://h", TLS: &tls.Config{}}, "tls: set, but the url's scheme ws is without TLS"},
		{ClientConfig{URL: "rs+unix:///p", TLS: &tls.Config{}}, "tls: set"},
		{ClientConfig{URL: "rs://h:1", Header: http.Header{"A": nil}}, "header: rawsocket sends none"},
		{ClientConfig{URL: "ws://h", Header: http.Header{"sec-websocket-KEY": nil}}, "header: sec-websocket-KEY belongs to the handshake"},
		{ClientConfig{URL: "ws://h", Proxy: &url.URL{Scheme: "socks5", Host: "p"}}, `proxy: scheme "socks5"`},
		{ClientConfig{URL: "ws://h", Proxy: &url.URL{Scheme: "http"}}, "proxy: no host"},
		{ClientConfig{URL: "ws+unix:///p", Proxy: &url.URL{Scheme: "http", Host: "p"}}, "proxy: not possible with a unix socket"},
		{ClientConfig{URL: "ws://h", Serializers: []protocol.Serializer{7}}, "serializers[0]: 7"},
		{ClientConfig{URL: "ws://h", Options: Options{MaxMessageSize: 1}}, "options.maxMessageSize: 1"},
	}
	for _, tc := range cases {
		err := tc.cfg.Validate()
		if tc.want == "" {
			require.NoError(t, err, tc.cfg.URL)
			continue
		}
		require.ErrorContains(t, err, tc.want)
		_, dialErr := Dial(t.Context(), tc.cfg)
		require.EqualError(t, dialErr, err.Error())
	}
	err := ClientConfig{URL: "ftp://h", Options: Options{MaxMessageSize: 1}, Proxy: &url.URL{}}.Validate()
	for _, key := range []string{"url: ", "options.maxMessageSize: ", "proxy: "} {
		require.ErrorContains(t, err, key)
	}
}
