package cloverleaf_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Headers of a transport reach the server with the WebSocket request, and with a proxy the connection is a tunnel through
// it, for ws and wss.
func TestBehaviour14_HeadersAndProxy(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, proxied := range []bool{false, true} {
			r := startRouter(t, cloverleaf.RouterConfig{})
			headers := make(chan http.Header, 1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				headers <- req.Header
				r.Handler().ServeHTTP(w, req)
			}))
			cfg := transport.ClientConfig{Header: http.Header{"X-Tenant": {"acme"}, "User-Agent": {"robot"}}}
			if secure {
				server.StartTLS()
				roots := x509.NewCertPool()
				roots.AddCert(server.Certificate())
				cfg.TLS = &tls.Config{RootCAs: roots}
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			cfg.URL = strings.Replace(server.URL, "http", "ws", 1) + "/any"
			tunnels := make(chan *http.Request, 1)
			if proxied {
				cfg.Proxy = httpProxy(t, tunnels)
			}
			c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{ClientConfig: cfg})
			s := c.join()
			_, err := s.Publish(t.Context(), "com.topic", session.Acknowledge())
			require.NoError(t, err)
			h := <-headers
			require.Equal(t, "acme", h.Get("X-Tenant"))
			require.Equal(t, "robot", h.Get("User-Agent"))
			if proxied {
				req := <-tunnels
				require.Equal(t, strings.TrimPrefix(server.URL, map[bool]string{false: "http://", true: "https://"}[secure]), req.Host)
				user, password, ok := parseProxyAuth(req)
				require.True(t, ok)
				require.Equal(t, "me:secret", user+":"+password)
				require.Empty(t, req.Header.Get("X-Tenant"), "the header is for the server")
			}
			c.stop()
		}
	}
}

// parseProxyAuth returns the credentials for a proxy.
func parseProxyAuth(r *http.Request) (user, password string, ok bool) {
	return (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
}

// httpProxy is a proxy that knows CONNECT, and tells of each.
func httpProxy(t *testing.T, requests chan<- *http.Request) *url.URL {
	t.Helper()
	addr := faulty(t, func(nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil || req.Method != http.MethodConnect {
			return
		}
		requests <- req
		up, err := net.Dial("tcp", req.RequestURI)
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(up, nc); _ = up.Close() })
		both.Go(func() { _, _ = io.Copy(nc, up); _ = nc.Close() })
		both.Wait()
	})
	return &url.URL{Scheme: "http", Host: addr, User: url.UserPassword("me", "secret")}
}

// authority is a certificate authority for a test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var der []byte
	a.key, der = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

// sign makes a key and a certificate for it: self-signed if there is no authority yet.
func (a *authority) sign(template *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		template.Subject = pkix.Name{CommonName: "test authority"}
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(a.t, err)
	return key, der
}

func (a *authority) issue(names ...string) tls.Certificate {
	a.t.Helper()
	key, der := a.sign(&x509.Certificate{
		DNSNames: names, Subject: pkix.Name{CommonName: names[0]}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// roots writes the authority's certificate to a file and reads it from there, as a program would.
func (a *authority) roots() *x509.CertPool {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "roots.pem")
	require.NoError(a.t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600))
	text, err := os.ReadFile(file)
	require.NoError(a.t, err)
	pool := x509.NewCertPool()
	require.True(a.t, pool.AppendCertsFromPEM(text))
	return pool
}

// TLS trusts the roots that a component has from a file, checks the name of the router or another one that is given, refuses
// a self-signed certificate unless told to trust it, and shows a certificate of its own to a router that asks for one.
func TestBehaviour15_TLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	serve := func(cfg *tls.Config) string {
		r := startRouter(t, cloverleaf.RouterConfig{Transport: transport.ServerConfig{TLS: cfg}})
		l, err := r.Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		return l.Addr().String()
	}
	named := serve(&tls.Config{Certificates: []tls.Certificate{ca.issue("router.example")}})
	mutual := serve(&tls.Config{
		Certificates: []tls.Certificate{ca.issue("router.example")}, ClientCAs: ca.roots(), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	own, trusted := selfSigned(t)
	self := serve(&tls.Config{Certificates: []tls.Certificate{own}})
	client := ca.issue("client.example")
	roots := ca.roots()
	const unknown, hostname, other = "unknown authority", "hostname", "other"
	tests := []struct {
		name, addr string
		cfg        *tls.Config
		want       string // the kind of error; "" joins
	}{
		{"trust root and hostname", named, &tls.Config{RootCAs: roots, ServerName: "router.example"}, ""},
		{"other hostname", named, &tls.Config{RootCAs: roots}, hostname},
		{"unknown root", named, &tls.Config{ServerName: "router.example"}, unknown},
		{"no configuration", self, nil, unknown},
		{"self-signed and trusted", self, &tls.Config{RootCAs: trusted}, ""},
		{"client certificate", mutual, &tls.Config{RootCAs: roots, ServerName: "router.example", Certificates: []tls.Certificate{client}}, ""},
		{"no client certificate", mutual, &tls.Config{RootCAs: roots, ServerName: "router.example"}, other},
	}
	for _, tt := range tests {
		for _, scheme := range []string{"wss", "rss"} {
			t.Run(tt.name+" "+scheme, func(t *testing.T) {
				t.Parallel()
				u := scheme + "://" + tt.addr
				if scheme == "wss" {
					u += "/ws"
				}
				c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: u, TLS: tt.cfg}, MaxRetries: -1})
				if tt.want == "" {
					c.join()
					c.stop()
					return
				}
				require.NoError(t, c.Start(t.Context()))
				err := c.Wait()
				var exhausted *supervisor.ExhaustedError
				require.ErrorAs(t, err, &exhausted)
				switch tt.want {
				case unknown:
					var e x509.UnknownAuthorityError
					require.ErrorAs(t, err, &e)
				case hostname:
					var e x509.HostnameError
					require.ErrorAs(t, err, &e)
				}
			})
		}
	}
}

// The serializers are offered in the component's order and the router takes the first that it has; each of them carries
// bytes, large integers, nil and nested values unharmed.
func TestBehaviour16_Serializers(t *testing.T) {
	t.Parallel()
	picky := startRouter(t, cloverleaf.RouterConfig{Transport: transport.ServerConfig{Serializers: []protocol.Serializer{protocol.JSON, protocol.MessagePack}}})
	all := startRouter(t, cloverleaf.RouterConfig{})
	order := []protocol.Serializer{protocol.CBOR, protocol.MessagePack, protocol.JSON}
	for _, scheme := range []string{"ws", "rs"} {
		tr := cloverleaf.Transport{Backoff: patient, ClientConfig: transport.ClientConfig{URL: listenURL(t, picky, scheme)}}
		c := observe(t, cloverleaf.Config{Serializers: order}, tr)
		require.Equal(t, protocol.MessagePack, c.join().Details().Serializer)
		c.stop()
		for _, s := range order {
			tr := cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: listenURL(t, all, scheme), Serializers: []protocol.Serializer{s}}}
			c := observe(t, cloverleaf.Config{Serializers: order}, tr)
			c.Register("com.echo", func(kw session.Kw[map[string]any], args ...any) session.Reply {
				return session.Reply{Args: args, KwArgs: kw.Value}
			})
			sess := c.join()
			require.Equal(t, s, sess.Details().Serializer)
			want := []any{
				[]byte{0, 1, 255},
				[]byte{},
				int64(1 << 53), int64(-1 << 53), int64(1<<63 - 1), uint64(1<<64 - 1), nil, true, "süß\x00", 1.5,
				[]any{},
				[]any{nil, []any{int64(1)}},
				map[string]any{"a": map[string]any{"b": []any{nil, []byte{1}}}, "": int64(0)},
			}
			kw := map[string]any{"nested": want, "none": nil}
			res, err := sess.Call(t.Context(), "com.echo", session.Args(want...), session.KwArgs(kw))
			require.NoError(t, err)
			args, err := res.Args()
			require.NoError(t, err)
			require.Equal(t, want, args, s.String())
			kwargs, err := res.KwArgs()
			require.NoError(t, err)
			require.Equal(t, kw, kwargs, s.String())
			c.stop()
		}
	}
}

const helloJSON = `[1,"realm1",{"roles":{"caller":{},"publisher":{}}}]`

// rawClient is a RawSocket client that writes what it wants.
type rawClient struct {
	t *testing.T
	net.Conn
}

func dialRaw(t *testing.T, addr string, first ...byte) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	c := &rawClient{t, nc}
	c.write(first...)
	return c
}

func (c *rawClient) write(b ...byte) {
	c.t.Helper()
	_, err := c.Write(b)
	require.NoError(c.t, err)
}

func (c *rawClient) frame(kind byte, body string) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func (c *rawClient) read() (kind byte, body string) {
	c.t.Helper()
	head := make([]byte, 4)
	_, err := io.ReadFull(c, head)
	require.NoError(c.t, err)
	b := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
	_, err = io.ReadFull(c, b)
	require.NoError(c.t, err)
	return head[0], string(b)
}

// requireEnd reads until the router closes the connection.
func (c *rawClient) requireEnd() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	require.False(c.t, errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open")
}

// The framing of both transports is kept to the letter: pings are answered, frames may come in pieces or many at once,
// fragments are put together, what is too long or against the rules ends the connection with the code that says so, and
// nothing is inflated.
func TestBehaviour60_Framing(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{Transport: transport.ServerConfig{Options: transport.Options{MaxMessageSize: 4096}}})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	t.Run("rawsocket", func(t *testing.T) {
		t.Parallel()
		c := dialRaw(t, addr, 0x7f, 0xf1, 0, 0)
		answer := make([]byte, 4)
		_, err := io.ReadFull(c, answer)
		require.NoError(t, err)
		require.Equal(t, []byte{0x7f, 0x31, 0, 0}, answer, "up to 2^12 octets, JSON")
		for _, b := range append(c.frame(0, helloJSON), c.frame(1, "ping")...) { // one octet at a time
			c.write(b)
		}
		got := map[byte]string{}
		for range 2 {
			kind, body := c.read()
			got[kind] = body
		}
		require.True(t, strings.HasPrefix(got[0], "[2,"), got)
		require.Equal(t, "ping", got[2])
		publish := func(id string) []byte {
			return c.frame(0, `[16,`+id+`,{"acknowledge":true},"com.topic"]`)
		}
		c.write(append(append(publish("1"), publish("2")...), c.frame(1, "")...)...) // many at once
		var answers []string
		for range 3 {
			kind, body := c.read()
			answers = append(answers, string('0'+kind)+body[:min(6, len(body))])
		}
		require.ElementsMatch(t, []string{"0[17,1,", "0[17,2,", "2"}, answers)
		c.write(0, 0, 0x10, 1) // announces 4097 octets
		c.requireEnd()
	})
	for name, first := range map[string][]byte{
		"bad magic": {0x7e, 0xf1, 0, 0}, "reserved": {0x7f, 0xf1, 0, 1}, "unknown serializer": {0x7f, 0xff, 0, 0}, "no serializer": {0x7f, 0xf0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialRaw(t, addr, first...)
			if first[0] == 0x7f {
				answer := make([]byte, 4)
				_, err := io.ReadFull(c, answer)
				require.NoError(t, err)
				require.Equal(t, map[string]byte{"reserved": 0x30, "unknown serializer": 0x10, "no serializer": 0x10}[name], answer[1])
			} else {
				c.write([]byte("\r\n\r\n")...) // it is no HTTP either
			}
			c.requireEnd()
		})
	}
	t.Run("websocket", func(t *testing.T) {
		t.Parallel()
		requireWebSocket(t, dialWeb(t, addr, nil))
	})
	t.Run("websocket with TLS", func(t *testing.T) {
		t.Parallel()
		cert, roots := selfSigned(t)
		secure, err := startRouter(t, cloverleaf.RouterConfig{Transport: transport.ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}}).Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		requireWebSocket(t, dialWeb(t, secure.Addr().String(), &tls.Config{RootCAs: roots}))
	})
	masked := func(first byte, body string) []byte {
		return append([]byte{first, 0x80 | byte(len(body)), 0, 0, 0, 0}, body...)
	}
	for name, tt := range map[string]struct {
		octets []byte
		code   int
	}{
		"compressed":        {masked(0xc1, "abc"), 1002},
		"not masked":        {[]byte{0x81, 3, 'a', 'b', 'c'}, 1002},
		"lone continuation": {masked(0x80, "abc"), 1002},
		"binary for json":   {masked(0x82, helloJSON), 1003},
		"too long":          {[]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0, 0, 0}, 1009},
		"far too long":      {[]byte{0x81, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 1009},
		"no message":        {masked(0x81, "{}"), 1002},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := dialWeb(t, addr, nil)
			_, err := ws.NetConn().Write(tt.octets)
			require.NoError(t, err)
			for err == nil {
				_, _, err = ws.ReadMessage() // perhaps an ABORT first
			}
			require.True(t, websocket.IsCloseError(err, tt.code), "%v", err)
		})
	}
	for _, code := range []int{1001, 1002, 1009, 1011} {
		t.Run("closed by router", func(t *testing.T) {
			t.Parallel()
			requireClosedWith(t, code)
		})
	}
}

// requireWebSocket has a client with small fragments join, publish, ping and close.
func requireWebSocket(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(helloJSON)))
	_, welcome, err := ws.ReadMessage()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(welcome), "[2,"))
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`[16,1,{"acknowledge":true},"com.topic",["`+strings.Repeat("x", 2000)+`"]]`)))
	_, published, err := ws.ReadMessage()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(published), "[17,1,"))
	pong := make(chan string, 1)
	ws.SetPongHandler(func(text string) error { pong <- text; return nil })
	require.NoError(t, ws.WriteControl(websocket.PingMessage, []byte("still there?"), time.Now().Add(patience)))
	require.NoError(t, ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
	_, _, err = ws.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 1000), "%v", err)
	require.Equal(t, "still there?", <-pong)
}

// dialWeb opens a WebSocket connection whose messages have many fragments. It asks for compression, in vain.
func dialWeb(t *testing.T, addr string, cfg *tls.Config) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"wamp.2.json"}, EnableCompression: true, WriteBufferSize: 128, TLSClientConfig: cfg}
	scheme := "ws"
	if cfg != nil {
		scheme = "wss"
	}
	ws, resp, err := d.DialContext(t.Context(), scheme+"://"+addr+"/ws", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, resp.Header.Get("Sec-WebSocket-Extensions"))
	t.Cleanup(func() { _ = ws.Close() })
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(patience)))
	return ws
}

// requireClosedWith has a router close an established session with a code, which is then why the session has ended.
func requireClosedWith(t *testing.T, code int) {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"wamp.2.json"}}
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ws, err := upgrader.Upgrade(w, req, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		_, _, _ = ws.ReadMessage()
		_ = ws.WriteMessage(websocket.TextMessage, []byte(welcomeJSON))
		<-release
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "so there"), time.Now().Add(patience))
		_, _, _ = ws.ReadMessage()
	}))
	defer server.Close()
	c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{
		ClientConfig: transport.ClientConfig{URL: strings.Replace(server.URL, "http", "ws", 1), Serializers: []protocol.Serializer{protocol.JSON}},
	})
	s := c.join()
	close(release)
	<-s.Done()
	var closed *transport.CloseError
	require.ErrorAs(t, s.Err(), &closed)
	require.Equal(t, transport.CloseError{Code: code, Reason: "so there"}, *closed)
	var ended *session.EndedError
	require.ErrorAs(t, s.Err(), &ended)
	require.Equal(t, session.EndLost, ended.How)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = c.Stop(ctx) // the router does not answer GOODBYE
}
