package cloverleaf_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

const everything = `
name: backend
realm: com.example
extra: {count: 9007199254740993, ratio: 2.0, big: 18446744073709551615, day: 2026-07-01, list: [1, true, null]}
authrole: user
authextra: {_a: 1}
agent: tester
hello_extra: {_x: y}
serializers: [json]
join_timeout: 2.5
leave_timeout: 0
max_invocations: 7
on_refused: report
retry_permanent: true
restarts: {max_restarts: 0}
restart: {type: permanent, max_restarts: 3, window: 10, initial_retry_delay: 2}
transports:
  - ws://a.example/ws
  - type: websocket
    url: wss://b.example/ws
    serializers: [cbor, msgpack]
    headers: {X-One: first, X-Two: [second, third]}
    proxy: {host: proxy, port: 3128, username: joe, password: "${PROXY_PASSWORD}"}
    endpoint: {type: tcp, version: 6, timeout: 3, tls: {hostname: name.example, insecure: true}}
    max_retries: 0
    initial_retry_delay: 1
    max_retry_delay: 1m
    retry_delay_growth: 2
    retry_delay_jitter: 0
    options:
      open_handshake_timeout: 5
      close_handshake_timeout: 2
      max_message_payload_size: 1024
      auto_ping_interval: 0
      auto_ping_timeout: 500ms
      auto_ping_size: 100
      tcp_no_delay: true
      max_frame_payload_size: 0
      utf8validate_incoming: true
      per_message_compression_offers: []
      version: 18
  - {type: rawsocket, serializer: cbor, endpoint: {type: unix, path: /tmp/router}, max_retries: 5}
  - {type: rawsocket, endpoint: {host: "::1", port: 9000, tls: true}, max_retries: -1, proxy: "http://joe:pw@proxy:1"}
authentication:
  anonymous:
  ticket: {authid: joe, ticket: "${THE_TICKET}"}
  wampcra: {authid: joe, secret: cra, limits: {max_iterations: 5}}
  scram: {authid: joe, password: pencil, dialects: [scram]}
  cryptosign: {privkey: 6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c, authextra: {_b: 2}}
`

func TestReadConfig(t *testing.T) {
	t.Setenv("PROXY_PASSWORD", "pr0xy")
	t.Setenv("THE_TICKET", theTicket)
	cfg, err := cloverleaf.ReadConfig(strings.NewReader(everything))
	require.NoError(t, err)

	transports, methods := cfg.Transports, cfg.Auth
	cfg.Transports, cfg.Auth = nil, nil
	require.Equal(t, cloverleaf.Config{
		Name: "backend", Realm: "com.example", AuthRole: "user", AuthExtra: map[string]any{"_a": int64(1)}, Agent: "tester",
		Extra: map[string]any{
			"count": int64(9007199254740993), "ratio": 2.0, "big": uint64(18446744073709551615), "day": "2026-07-01",
			"list": []any{int64(1), true, nil},
		},
		HelloExtra: map[string]any{"_x": "y"}, Serializers: []protocol.Serializer{protocol.JSON},
		JoinTimeout: 2500 * time.Millisecond, LeaveTimeout: -1, MaxInvocations: 7, OnRefused: cloverleaf.RefusedIsReported,
		RetryPermanent: true, Restarts: supervisor.Intensity{Window: supervisor.DefaultWindow},
		Restart: supervisor.RestartPolicy{
			Type:      supervisor.RestartPermanent,
			Intensity: supervisor.Intensity{MaxRestarts: 3, Window: 10 * time.Second}, Backoff: supervisor.Backoff{Initial: 2 * time.Second},
		},
	}, cfg)

	id := session.Identity{AuthID: "joe"}
	require.Equal(t, []session.Authenticator{
		session.AnonymousAuth{},
		session.TicketAuth{Identity: id, Ticket: auth.NewSecret(theTicket)},
		session.CRAAuth{Identity: id, Secret: auth.NewSecret("cra"), Limits: auth.Limits{MaxIterations: 5}},
		session.SCRAMAuth{Identity: id, Password: auth.NewSecret("pencil"), Dialects: []auth.SCRAMDialect{auth.SCRAMAutobahn}},
		session.CryptosignAuth{Identity: session.Identity{AuthExtra: map[string]any{"_b": int64(2)}}, Key: signingKey(t, clientSeed)},
	}, methods)

	requireTransports(t, transports)
	cfg.Transports, cfg.Auth = transports, methods
	_, err = cloverleaf.NewComponent(cfg)
	require.NoError(t, err)
}

func requireTransports(t *testing.T, list []cloverleaf.Transport) {
	t.Helper()
	require.Len(t, list, 4)
	require.Equal(t, cloverleaf.URLs("ws://a.example/ws")[0], list[0])

	b, yes := list[1], true
	require.Equal(t, "name.example", b.TLS.ServerName)
	require.True(t, b.TLS.InsecureSkipVerify)
	b.TLS = nil
	require.Equal(t, cloverleaf.Transport{
		ClientConfig: transport.ClientConfig{
			URL: "wss://b.example/ws", Serializers: []protocol.Serializer{protocol.CBOR, protocol.MessagePack},
			Header:   http.Header{"X-One": {"first"}, "X-Two": {"second", "third"}},
			Proxy:    &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("joe", "pr0xy")},
			Endpoint: &transport.Endpoint{Type: "tcp6", Timeout: 3 * time.Second, TLS: &yes},
			Options: transport.Options{
				HandshakeTimeout: 5 * time.Second, CloseTimeout: 2 * time.Second, MaxMessageSize: 1024, PingInterval: -1,
				PingTimeout: 500 * time.Millisecond, PingSize: 100,
			},
		},
		MaxRetries: -1,
		Backoff:    supervisor.Backoff{Initial: time.Second, Max: time.Minute, Growth: 2, Jitter: supervisor.NoJitter},
	}, b)

	require.Equal(t, cloverleaf.Transport{
		ClientConfig: transport.ClientConfig{
			URL: "rs://localhost", Serializers: []protocol.Serializer{protocol.CBOR},
			Endpoint: &transport.Endpoint{Type: "unix", Path: "/tmp/router"},
		},
		MaxRetries: 5,
	}, list[2])
	require.Equal(t, "rss://[::1]", list[3].URL)
	require.Zero(t, list[3].MaxRetries, "for ever")
	require.Equal(t, "proxy:1", list[3].Proxy.Host)
}

// TestReadConfigForms: the same may be said in several ways.
func TestReadConfigForms(t *testing.T) {
	t.Parallel()
	want := cloverleaf.URLs("ws://h/ws")
	for _, text := range []string{
		"transports: ws://h/ws",
		"transports: [ws://h/ws]",
		"transports: {url: ws://h/ws}",
		"transports: [{url: ws://h/ws, type: websocket, serializers: }]",
		`{"transports": "ws:\/\/h\/ws"}`,
		"{\n\t\"transports\": [\"ws://h/ws\"]\n}",
	} {
		cfg, err := cloverleaf.ReadConfig(strings.NewReader(text))
		require.NoError(t, err, text)
		require.Equal(t, want, cfg.Transports, text)
	}
	list, err := cloverleaf.ReadConfigs(strings.NewReader("- realm: one\n- realm: two\n  transports: ws://h"))
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "two", list[1].Realm)
	list, err = cloverleaf.ReadConfigs(strings.NewReader("realm: one"))
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = cloverleaf.ReadConfigs(strings.NewReader("- realm: one\n- relm: two"))
	require.ErrorContains(t, err, "cloverleaf: config: [1].relm: unknown key")
	_, err = cloverleaf.ReadConfigs(strings.NewReader("[]"))
	require.EqualError(t, err, "cloverleaf: config: no components")
}

func TestReadConfigMistakes(t *testing.T) {
	t.Parallel()
	const prefix = "cloverleaf: config: "
	tests := []struct{ text, want string }{
		{"", "empty"},
		{"a: b\n---\nc: d", "more than one document"},
		{"just text", "must be a mapping, not text"},
		{"- realm: a", "must be a mapping, not a list"},
		{"realm: [", "yaml: line 1: did not find expected node content"},
		{`{"realm": "a",}`, ""}, // it is YAML
		{"{\n\"realm\": x y z: ]", "json: line 2: invalid character 'x' looking for beginning of value"},
		{"realm: a\nrealm: b", "realm: is there twice"},
		{`{"realm": "a", "realm": "b"}`, "realm: is there twice"},
		{"Realm: a", "Realm: unknown key; did you mean realm?"},
		{"realm: a b", `realm: "a b" is not a valid URI`},
		{"name: 5", "name: must be text, not a number: put it in quotes"},
		{"name: ''", "name: is empty"},
		{"main: x", "main: is code, not data: set Config.Main"},
		{"transports: [{url: 'ws://h', is_fatal: x}]", "transports[0].is_fatal: is code, not data: set Transport.IsFatal"},
		{"on_refused: panic", `on_refused: "panic" is none of fail_session, report`},
		{"join_timeout: -1", "join_timeout: is negative"},
		{"join_timeout: soon", "join_timeout: must be a number of seconds, or a duration such as 1.5s"},
		{"join_timeout: 1e300", "join_timeout: is too long"},
		{"restart: {type: always, retry_delay_growth: 0}", "restart.type: \"always\" is none of transient, permanent, temporary\nrestart.retry_delay_growth: must be at least 1"},
		{"restarts: {max_restarts: -1, window: 0}", "restarts.max_restarts: -1 is not in 0..1073741824\nrestarts.window: must be longer than 0"},
		{"serializers: [json, ubjson]", `serializers[1]: "ubjson" is none of cbor, msgpack, json`},
		{"serializers: []", "serializers: is empty"},
		{"extra: 123456789012345678901234567890", "extra: the number is out of range"},
		{"extra: {1: a}", "extra: line 1: a key must be text"},
		{"extra: {a b: !x y}", `extra."a b": tags are not supported: put text that begins with ! in quotes`},
		{"transports: 5", "transports: must be a URL, a mapping, or a list of these"},
		{"transports: []", "transports: is empty"},
		{"transports: [[]]", "transports[0]: must be a URL or a mapping"},
		{"transports: http://h", `transports: scheme "http" is none of ws, wss, rs, rss, ws+unix, rs+unix`},
		{"transports: [ws://h, 'ws://joe:s3cret@h']", "transports[1]: credentials are not allowed"},
		{"transports: {}", "transports.url: missing"},
		{"transports: {type: http}", `transports.type: "http" is none of websocket, rawsocket`},
		{"transports: {type: rawsocket, url: 'ws://h:1'}", "transports.type: rawsocket contradicts the url's scheme ws"},
		{"transports: {url: 'rs://h:1', endpoint: {bogus: 1}}", "transports.endpoint.bogus: unknown key; known are host, path, port, timeout, tls, type, version"},
		{"transports: [ws://h, {url: 'ws://h', endpoint: {port: 0}}]", "transports[1].endpoint.port: 0 is not in 1..65535"},
		{"transports: [ws://h, {url: 'ws://h', endpoint: {port: '80'}}]", "transports[1].endpoint.port: must be an integer, not text"},
		{"transports: {url: 'rss://h:1', endpoint: {tls: false}}", "transports.endpoint.tls: false contradicts the url's scheme rss"},
		{"transports: {url: 'ws://h', endpoint: {tls: {}}}", "transports.endpoint.tls: true contradicts the url's scheme ws\ntransports.endpoint.tls: set, but the url's scheme ws is without TLS"},
		{"transports: {url: 'ws://h', endpoint: {type: unix}}", "transports.endpoint.path: missing"},
		{"transports: {type: rawsocket, endpoint: {host: h}}", "transports.endpoint.port: missing"},
		{"transports: {url: 'ws://h', endpoint: {version: 5}}", "transports.endpoint.version: must be 4 or 6"},
		{"transports: {url: 'ws://h', endpoint: {path: /p, version: 4}}", "transports.endpoint.version: not for type unix"},
		{"transports: {url: 'wss://h', endpoint: {tls: {ca: /nowhere, insecure: true, cert: x}}}", "transports.endpoint.tls.ca: open /nowhere: no such file or directory\ntransports.endpoint.tls.ca: contradicts insecure\ntransports.endpoint.tls.key: missing: it belongs to cert"},
		{"transports: {url: 'wss://h', endpoint: {tls: {ca: configfile_test.go, trust_root: x, key: x}}}", "transports.endpoint.tls.trust_root: contradicts ca\ntransports.endpoint.tls.ca: configfile_test.go has no certificate in PEM\ntransports.endpoint.tls.cert: missing: it belongs to key"},
		{"transports: {url: 'ws://h', serializer: json, serializers: [cbor]}", "transports.serializer: contradicts serializers"},
		{"transports: {url: 'ws://h', serializers: [cbor, cbor]}", "transports.serializers[1]: cbor is listed twice"},
		{"transports: {url: 'rs://h:1', headers: {A: b}}", "transports.headers: rawsocket sends none"},
		{"transports: {url: 'ws://h', headers: {Upgrade: b}}", "transports.headers: Upgrade belongs to the handshake"},
		{"transports: {url: 'ws://h', headers: {A: \"s3\\ncret\"}}", "transports.headers.A: has a character that no header may have"},
		{"transports: {url: 'ws://h', proxy: {password: s3cret}}", "transports.proxy.host: missing\ntransports.proxy.port: missing\ntransports.proxy.username: missing"},
		{"transports: {url: 'ws://h', proxy: 'http://s3cret:%@x'}", "transports.proxy: malformed"},
		{"transports: {url: 'ws://h', proxy: 'https://p'}", `transports.proxy: scheme "https" is not supported, want http`},
		{"transports: {url: 'ws://h', max_retries: -2, retry_delay_growth: .5, retry_delay_jitter: 1}", "transports.max_retries: -2 is not in -1..1073741824\ntransports.retry_delay_growth: must be at least 1\ntransports.retry_delay_jitter: must be at least 0 and less than 1"},
		{"transports: {url: 'ws://h', initial_retry_delay: 5, max_retry_delay: 3}", "transports.initial_retry_delay: 5s is longer than max_retry_delay 3s"},
		{"transports: {url: 'ws://h', options: {autoPingInterval: 5}}", "transports.options.autoPingInterval: unknown key; did you mean auto_ping_interval?"},
		{"transports: {url: 'ws://h', options: {utf8validate_incoming: false, version: 8, per_message_compression_offers: [deflate]}}", "transports.options.utf8validate_incoming: only true is supported\ntransports.options.version: only 13 or 18 is supported\ntransports.options.per_message_compression_offers: only [] is supported"},
		{"transports: {options: {auto_fragment_size: 0}, url: 'rs://h:1'}", "transports.options.auto_fragment_size: not for rawsocket"},
		{"transports: {url: 'ws://h', options: {max_message_payload_size: 0, auto_ping_timeout: 0}}", "transports.options.max_message_payload_size: 0 is not in 512..16777216\ntransports.options.auto_ping_timeout: must be longer than 0"},
		{"authentication: {ticket: }", "authentication.ticket.authid: missing\nauthentication.ticket.ticket: missing"},
		{"authentication: [ticket]", "authentication: must be a mapping, not a list"},
		{"authentication: {tickets: {}}", "authentication.tickets: unknown key; known are anonymous, ticket, wampcra, scram, cryptosign"},
		{"authentication: {ticket: s3cret}", "authentication.ticket: must be a mapping, not text"},
		{"authentication: {ticket: {authid: a, ticket: 5}}", "authentication.ticket.ticket: must be text, not a number: put it in quotes"},
		{"authentication: {wampcra: {authid: a, ticket: s3cret}}", "authentication.wampcra.ticket: unknown key; known are authextra, authid, authrole, limits, secret\nauthentication.wampcra.secret: missing"},
		{"authentication: {wampcra: {authid: a, secret: '${CLOVERLEAF_NOT_SET}'}}", "authentication.wampcra.secret: the environment variable CLOVERLEAF_NOT_SET is not set"},
		{
			"authentication: {wampcra: {authid: a, secret: !s3cret x}}",
			"authentication.wampcra.secret: tags are not supported: put text that begins with ! in quotes\nauthentication.wampcra.secret: missing",
		},
		{
			"authentication: {wampcra: {authid: a, secret: *s3cret}}",
			"yaml: an alias (*name) stands for nothing that was given a name (&name), or contains itself: put text that begins with * in quotes",
		},
		{"authentication: {wampcra: {authid: a, secret: 's3cret-${HOME}'}}", "authentication.wampcra.secret: ${NAME} must be all of it"},
		{"authentication: {wampcra: {authid: a, secret: x}, ticket: {authid: b, ticket: x}}", `authentication: authid: both "a" and "b" are claimed`},
		{"authentication: {scram: {authid: a, password: x, kdf: pbkdf2}}", "authentication.scram.kdf: is the router's to say, in its challenge; leave it out"},
		{"authentication: {scram: {authid: a, password: x, dialects: [scram], channel_binding: tls-exporter}}", "authentication: scram: this dialect has no channel binding"},
		{"authentication: {cryptosign: {privkey: s3cret}}", "authentication.cryptosign.privkey: neither 64 hexadecimal digits nor 32 octets in base64"},
		{"authentication: {cryptosign: {privkey: s3cret, privkey_file: x}}", "authentication.cryptosign.privkey_file: contradicts privkey"},
		{"authentication: {cryptosign: {privkey_file: /nowhere}}", "authentication.cryptosign.privkey_file: open /nowhere: no such file or directory"},
		{"authentication: {cryptosign: {privkey: s3cret, passphrase: s3cret}}", "authentication.cryptosign.passphrase: is for privkey_file only"},
		{"authentication: {cryptosign: {router_keys: [abc]}}", "authentication.cryptosign.privkey: missing\nauthentication.cryptosign.router_keys[0]: "},
	}
	for _, tc := range tests {
		_, err := cloverleaf.ReadConfig(strings.NewReader(tc.text))
		if tc.want == "" {
			require.NoError(t, err, tc.text)
			continue
		}
		require.Error(t, err, tc.text)
		require.NotContains(t, err.Error(), "s3cret", tc.text)
		if strings.HasSuffix(tc.want, ": ") {
			require.ErrorContains(t, err, tc.want[strings.LastIndex(tc.want, "\n")+1:], tc.text)
			continue
		}
		require.EqualError(t, err, prefix+tc.want, tc.text)
	}
}

// TestLoadConfig: names of files are relative to the document.
func TestLoadConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, text, 0o600))
		return file
	}
	cert, _ := selfSigned(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	write("client.key", []byte(clientSeed))
	file := write("c.yaml", []byte(`
transports:
  url: wss://h
  endpoint: {tls: {ca: [cert.pem], cert: cert.pem, key: key.pem}}
authentication: {cryptosign: {privkey_file: client.key}}
`))
	cfg, err := cloverleaf.LoadConfig(file)
	require.NoError(t, err)
	require.NotNil(t, cfg.Transports[0].TLS.RootCAs)
	require.Equal(t, cert.Certificate, cfg.Transports[0].TLS.Certificates[0].Certificate)
	require.Equal(t, signingKey(t, clientSeed), cfg.Auth[0].(session.CryptosignAuth).Key)

	list, err := cloverleaf.LoadConfigs(file)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = cloverleaf.LoadConfig(filepath.Join(dir, "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = cloverleaf.LoadConfigs(write("bad.yaml", []byte("x: y")))
	require.ErrorContains(t, err, "bad.yaml: x: unknown key")
	require.False(t, errors.Is(err, os.ErrNotExist))
}

// TestConfiguredComponent: a component made of a document finds the router behind the transport that is refused, and
// authenticates.
func TestConfiguredComponent(t *testing.T) {
	t.Setenv("THE_TICKET", theTicket)
	r := startRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", Authenticators: []router.Authenticator{router.Tickets{"joe": {Ticket: theTicket, Role: "user"}}},
	}}})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())

	cfg, err := cloverleaf.ReadConfig(strings.NewReader(fmt.Sprintf(`
realm: realm1
extra: {answer: 42}
transports:
  - ws://%s/ws
  - {type: rawsocket, endpoint: {type: tcp, host: 127.0.0.1, port: %d}, serializer: msgpack}
authentication: {ticket: {authid: joe, ticket: "${THE_TICKET}"}}
`, refusing.Addr(), l.Addr().(*net.TCPAddr).Port)))
	require.NoError(t, err)
	cfg.Main = func(_ context.Context, s *session.Session) error {
		d := s.Details()
		require.Equal(t, []any{"joe", "user", "ticket", protocol.MessagePack}, []any{d.AuthID, d.AuthRole, d.AuthMethod, d.Serializer})
		require.Equal(t, map[string]any{"answer": int64(42)}, s.Extra())
		return nil
	}
	var failures int
	c, err := cloverleaf.NewComponent(cfg)
	require.NoError(t, err)
	c.OnConnectFailure(func(context.Context, error) { failures++ })
	require.NoError(t, cloverleaf.Run(t.Context(), c))
	require.Equal(t, 1, failures)
}

func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"realm": "a", "transports": [{"url": "ws://h", "endpoint": {"tls": {}}}]}`))
	f.Add([]byte("a: &a [*a, *a]\nb: &b {c: *b}"))
	f.Add([]byte("extra: {a: &a [1, 1], b: &b [*a, *a], c: [*b, *b]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := cloverleaf.ReadConfigs(strings.NewReader(string(text)))
		if err != nil {
			require.Nil(t, list)
			return
		}
		for i := range list { // what is accepted can be used
			list[i].Realm = "realm1"
			_, err := cloverleaf.NewComponent(list[i])
			require.NoError(t, err)
		}
	})
}
