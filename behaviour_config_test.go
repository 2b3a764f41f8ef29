package cloverleaf_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// configured reads the configuration of a component.
func configured(t *testing.T, document string) cloverleaf.Config {
	t.Helper()
	cfg, err := cloverleaf.ReadConfig(strings.NewReader(document))
	require.NoError(t, err, document)
	return cfg
}

// A component without transports connects to the default URL; in code and in documents there may be a URL, one transport,
// or a list of both, and every one of them is tried.
func TestBehaviour01_Transports(t *testing.T) {
	t.Parallel()
	c := observe(t, cloverleaf.Config{}).start()
	require.Eventually(t, func() bool { return len(happened[*supervisor.AttemptScheduled](c)) > 0 }, patience, time.Millisecond)
	require.Equal(t, "ws://127.0.0.1:8080/ws", happened[*supervisor.AttemptScheduled](c)[0].URL)
	c.stop()
	require.Empty(t, configured(t, "realm: realm1").Transports, "which means the default")

	one, other := "ws://one.example/ws", "rs://other.example:8081"
	for name, tt := range map[string]struct {
		list []cloverleaf.Transport
		want []string
	}{
		"code":            {cloverleaf.URLs(one, other), []string{one, other}},
		"code, mixed":     {[]cloverleaf.Transport{cloverleaf.URLs(one)[0], {ClientConfig: transport.ClientConfig{URL: other}}}, []string{one, other}},
		"document, URL":   {configured(t, "{realm: realm1, transports: "+one+"}").Transports, []string{one}},
		"document, one":   {configured(t, "{realm: realm1, transports: {url: "+other+", type: rawsocket}}").Transports, []string{other}},
		"document, mixed": {configured(t, `{"realm": "realm1", "transports": ["`+one+`", {"url": "`+other+`"}]}`).Transports, []string{one, other}},
	} {
		var dialed []string
		for i := range tt.list {
			tt.list[i].MaxRetries = -1
			tt.list[i].DialContext = func(context.Context, string, string) (net.Conn, error) {
				dialed = append(dialed, tt.list[i].URL)
				return nil, errUnreachable
			}
		}
		c := observe(t, cloverleaf.Config{}, tt.list...)
		require.NoError(t, c.Start(t.Context()))
		require.ErrorIs(t, c.Wait(), errUnreachable)
		require.Equal(t, tt.want, dialed, name)
	}
}

// What a configuration must not contain is reported before anything is started, all of it at once, each with its key:
// unknown keys of the component, its transports, endpoints, TLS, options and authentication, and values that cannot be.
func TestBehaviour02_ConfigurationErrors(t *testing.T) {
	t.Parallel()
	_, err := cloverleaf.ReadConfig(strings.NewReader(`
realm: realm1
color: red
restarts: {bogus: 1}
transports:
  - {url: 'ws://h/ws', bogus: 1}
  - {url: 'wss://h/ws', endpoint: {bogus: 1}}
  - {url: 'wss://h/ws', endpoint: {tls: {bogus: 1}}}
  - {url: 'ws://h/ws', options: {bogus: 1}}
  - {url: 'rs://h:1', options: {bogus: 1}}
  - {url: 'ws://h/ws', proxy: {bogus: 1}}
  - {url: 'ws://h/ws', max_retries: many}
authentication:
  bogus: {}
  ticket: {authid: joe, ticket: s3cret, bogus: 1}
  wampcra: {authid: joe}
  scram: {authid: joe, password: s3cret, kdf: pbkdf2}
  cryptosign: {privkey: s3cret}
  anonymous: {bogus: 1}
`))
	require.Error(t, err)
	for _, key := range []string{
		"color", "restarts.bogus", "transports[0].bogus", "transports[1].endpoint.bogus", "transports[2].endpoint.tls.bogus",
		"transports[3].options.bogus", "transports[4].options.bogus", "transports[5].proxy.bogus", "transports[6].max_retries",
		"authentication.bogus", "authentication.ticket.bogus", "authentication.wampcra.secret", "authentication.scram.kdf",
		"authentication.cryptosign.privkey", "authentication.anonymous.bogus",
	} {
		require.ErrorContains(t, err, key+":")
	}
	require.NotContains(t, err.Error(), "s3cret")

	_, err = cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "not a realm", MaxInvocations: -1, OnRefused: 9, Restarts: supervisor.Intensity{MaxRestarts: -1},
		Transports: []cloverleaf.Transport{
			{ClientConfig: transport.ClientConfig{URL: "http://h"}},
			{ClientConfig: transport.ClientConfig{URL: "ws://h/ws", Endpoint: &transport.Endpoint{Type: "carrier pigeon"}}},
			{ClientConfig: transport.ClientConfig{URL: "ws://h/ws", Options: transport.Options{MaxMessageSize: 1}}},
			{ClientConfig: transport.ClientConfig{URL: "ws://h/ws"}, Backoff: supervisor.Backoff{Growth: 0.5}},
		},
	})
	for _, want := range []string{
		"realm: ", "maxInvocations: ", "onRefused: ", "restarts: ", "transports[0]: ", "url: ", "transports[1]: ", "endpoint.type: ",
		"transports[2]: ", "options.maxMessageSize: ", "transport 3 ",
	} {
		require.ErrorContains(t, err, want)
	}
}

// The endpoint of a RawSocket transport is checked as strictly as that of a WebSocket transport.
func TestBehaviour03_RawSocketEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"{bogus: 1}":                        "endpoint.bogus: ",
		"{type: pigeon}":                    "endpoint.type: ",
		"{type: unix}":                      "endpoint.path: ",
		"{type: unix, path: /s, host: h}":   "endpoint.host: ",
		"{type: unix, path: /s, port: 1}":   "endpoint.port: ",
		"{type: tcp, path: /s}":             "endpoint.path: ",
		"{host: h, port: 70000}":            "endpoint.port: ",
		"{host: h, port: one}":              "endpoint.port: ",
		"{host: h, port: 1, timeout: -1}":   "endpoint.timeout: ",
		"{host: h, port: 1, version: 5}":    "endpoint.version: ",
		"{host: h, port: 1, tls: true}":     "endpoint.tls: ", // contradicts the URL
		"{host: h, port: 1, tls: {ca: []}}": "endpoint.tls",
		"[1]":                               "endpoint: ",
	} {
		var texts []string
		for _, url := range []string{"ws://h:1", "rs://h:1"} {
			_, err := cloverleaf.ReadConfig(strings.NewReader("{realm: realm1, transports: {url: '" + url + "', endpoint: " + endpoint + "}}"))
			require.ErrorContains(t, err, want, "%s with %s", url, endpoint)
			texts = append(texts, strings.NewReplacer("scheme ws", "scheme rs").Replace(err.Error()))
		}
		require.Equal(t, texts[0], texts[1])
	}
}

// The URL says where to connect and whether with TLS: ws and wss have default ports, wss and rss always use TLS and the
// others never, and unix sockets are addressed by a path.
func TestBehaviour04_URLs(t *testing.T) {
	t.Parallel()
	const plainWeb, plainRaw, secure = 'G', 0x7f, 0x16 // the first octet: of GET, of the RawSocket handshake, of TLS
	for url, want := range map[string]struct {
		network, addr string
		first         byte
	}{
		"ws://example.com/ws":    {"tcp", "example.com:80", plainWeb},
		"ws://example.com:8080":  {"tcp", "example.com:8080", plainWeb},
		"wss://example.com/ws":   {"tcp", "example.com:443", secure},
		"wss://[::1]:8443/ws":    {"tcp", "[::1]:8443", secure},
		"rs://example.com:8081":  {"tcp", "example.com:8081", plainRaw},
		"rss://example.com:8081": {"tcp", "example.com:8081", secure},
		"rs://unix:/tmp/router":  {"unix", "/tmp/router", plainRaw},
		"rs+unix:///tmp/router":  {"unix", "/tmp/router", plainRaw},
		"ws+unix:///tmp/router":  {"unix", "/tmp/router", plainWeb},
		"rs://example.com:80/":   {"tcp", "example.com:80", plainRaw},
	} {
		cfg := configured(t, "{realm: realm1, transports: '"+url+"'}")
		var network, addr string
		first := make([]byte, 1)
		tr := &cfg.Transports[0]
		tr.MaxRetries = -1
		tr.DialContext = func(_ context.Context, n, a string) (net.Conn, error) {
			network, addr = n, a
			near, far := net.Pipe()
			go func() {
				_, _ = io.ReadFull(far, first)
				_ = far.Close()
			}()
			return near, nil
		}
		c := observe(t, cfg)
		require.NoError(t, c.Start(t.Context()))
		var exhausted *supervisor.ExhaustedError
		require.ErrorAs(t, c.Wait(), &exhausted, url)
		require.Equal(t, []any{want.network, want.addr, want.first}, []any{network, addr, first[0]}, url)
	}
	for _, url := range []string{"example.com", "http://example.com", "rs://example.com", "ws:///ws", "rs://example.com:1/path", "ws://example.com:0", "rs+unix://host/path"} {
		_, err := cloverleaf.ReadConfig(strings.NewReader("{realm: realm1, transports: '" + url + "'}"))
		require.ErrorContains(t, err, "config: transports: ", url)
		_, err = cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs(url)})
		require.ErrorContains(t, err, "url: ", url)
	}
	_, err := cloverleaf.ReadConfig(strings.NewReader("{realm: realm1, transports: {url: 'rss://h:1', endpoint: {tls: false}}}"))
	require.ErrorContains(t, err, "tls: ", "what asks for TLS is never without")
}
