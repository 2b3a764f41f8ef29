package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// runningDemo is a demonstration that runs in this process.
type runningDemo struct {
	plain, secure string // host:port
	cert          string // file
	stdout        string
}

func demoForTest(t *testing.T) runningDemo {
	t.Helper()
	d := runningDemo{cert: filepath.Join(t.TempDir(), "demo.pem")}
	j := newShell(t).start("router", "--demo", "--listen", "127.0.0.1:0", "--demo-tls", "127.0.0.1:0", "--demo-cert", d.cert)
	t.Cleanup(func() {
		j.interrupt()
		require.Zero(t, j.wait().code)
		require.Empty(t, j.stderr.String())
	})
	j.prints("cryptosign")
	d.stdout = j.stdout.String()
	m := regexp.MustCompile(`(?s)^listening on ws://(\S+)/ws rs://\S+\nlistening on wss://(\S+)/ws rss://\S+\n`).FindStringSubmatch(d.stdout)
	require.Len(t, m, 3, d.stdout)
	d.plain, d.secure = m[1], m[2]
	return d
}

// trusted returns a configuration for clients that trust the demonstration's certificate.
func (d runningDemo) trusted(t *testing.T) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(d.cert)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}

// The demonstration is for programs of this machine.
func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	occupied := writeFile(t, "precious")
	for args, want := range map[string]string{
		"--demo --listen 0.0.0.0:8080":      "--listen: 0.0.0.0:8080: --demo is insecure",
		"--demo --listen :8080":             "--listen: :8080: --demo is insecure",
		"--demo --listen [::]:8080":         "--listen: [::]:8080: --demo is insecure",
		"--demo --listen example.com:8080":  "--listen: example.com:8080: --demo is insecure",
		"--demo --listen 192.0.2.1:0":       "--listen: 192.0.2.1:0: --demo is insecure",
		"--demo --demo-tls 192.0.2.1:0":     "--demo-tls: 192.0.2.1:0: --demo is insecure",
		"--demo --demo-tls unix:/s":         "--demo-tls: unix:/s: --demo is insecure",
		"--demo --demo-tls nonsense":        "--demo-tls: nonsense: --demo is insecure",
		"--demo --realm x":                  "--realm: --demo has realms of its own",
		"--demo-tls 127.0.0.1:0":            "--demo-tls goes with --demo only",
		"--demo-cert x":                     "--demo-cert goes with --demo only",
		"--demo --demo-cert " + occupied:    "exists and is no certificate",
		"--demo --demo-cert " + t.TempDir(): "--demo-cert: read ",
		"--demo --demo-tls 127.0.0.1:99999": "99999",
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"--listen", "127.0.0.1:0"}, strings.Fields(args)...)
		require.NotZero(t, runRouter(t.Context(), args, &stdout, &stderr), args)
		require.Contains(t, stderr.String(), want)
		require.Empty(t, stdout.String())
	}
	text, err := os.ReadFile(occupied)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// Everybody whom the banner names can join, and nobody with another secret.
func TestDemoUsers(t *testing.T) {
	t.Parallel()
	d := demoForTest(t)
	plain := "ws://" + d.plain + demoAuthPath
	for _, u := range demoUsers() {
		t.Run(u.AuthID, func(t *testing.T) {
			t.Parallel()
			require.Regexp(t, `(?m)^  `+u.Method+` +`+u.AuthID+` +`+u.Role+` +`+u.Secret+`$`, d.stdout)
			s, err := d.join(t, plain, demoRealm, u.method(t, u.Secret))
			require.NoError(t, err)
			details := s.Details()
			require.Equal(t, []string{u.Method, u.AuthID, u.Role}, []string{details.AuthMethod, details.AuthID, details.AuthRole})
			wrong := strings.Map(func(r rune) rune { return '0' + (r+1)%10 }, u.Secret)
			_, err = d.join(t, plain, demoRealm, u.method(t, wrong))
			require.ErrorContains(t, err, "authentication_denied")
			nobody := u
			nobody.AuthID = "nobody"
			_, err = d.join(t, plain, demoRealm, nobody.method(t, wrong))
			require.ErrorContains(t, err, "authentication_denied")
			_, err = d.join(t, "ws://"+d.plain+"/ws", demoRealm, u.method(t, u.Secret))
			require.ErrorContains(t, err, "no_matching_auth_method")
		})
	}
	for _, c := range []struct{ url, realm string }{
		{"ws://" + d.plain + "/ws", demoRealm},
		{"ws://" + d.plain + "/ws", "realm1"},
		{"rs://" + d.plain, demoRealm},
		{"rs://" + d.plain, "realm1"},
		{plain, demoRealm},
		{"wss://" + d.secure + "/ws", demoRealm},
		{"wss://localhost:" + strings.Split(d.secure, ":")[1] + "/ws", demoRealm},
		{"rss://" + d.secure, "realm1"},
	} {
		s, err := d.join(t, c.url, c.realm, nil)
		require.NoError(t, err, c.url)
		require.Equal(t, roleAnonymous, s.Details().AuthRole, c.url)
	}
}

// method returns what a client authenticates with.
func (u demoUser) method(t *testing.T, secret string) session.Authenticator {
	t.Helper()
	switch u.Flag {
	case "--secret":
		return session.CRA(u.AuthID, secret)
	case "--password":
		return session.SCRAM(u.AuthID, secret)
	default:
		key, err := auth.ParseSigningKey(secret)
		require.NoError(t, err)
		return session.Cryptosign(key)
	}
}

// join returns the session of a component, or why there is none.
func (d runningDemo) join(t *testing.T, url, realm string, method session.Authenticator) (*session.Session, error) {
	t.Helper()
	cfg := cloverleaf.Config{Realm: realm, Transports: cloverleaf.URLs(url)}
	if strings.HasPrefix(url, "wss") || strings.HasPrefix(url, "rss") {
		cfg.Transports[0].TLS = d.trusted(t)
	}
	if method != nil {
		cfg.Auth = []session.Authenticator{method}
	}
	c, err := cloverleaf.NewComponent(cfg)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context()))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(func() {
		defer cancel()
		_ = c.Stop(ctx)
	})
	return c.Ready(ctx)
}

// The role dynamic_authed may do what the authorizer allows, the others everything but replace it.
func TestDemoAccess(t *testing.T) {
	t.Parallel()
	d := demoForTest(t)
	auth := "ws://" + d.plain + demoAuthPath
	bob, err := d.join(t, auth, demoRealm, session.CRA("bob", "p4ssw0rd"))
	require.NoError(t, err)
	other, err := d.join(t, auth, demoRealm, session.CRA("username", "p4ssw0rd"))
	require.NoError(t, err)
	anonymous, err := d.join(t, "rs://"+d.plain, demoRealm, nil)
	require.NoError(t, err)
	nothing := func() {}
	for _, c := range []struct {
		s       *session.Session
		uri     string
		options []session.RegisterOption
		allowed bool
	}{
		{bob, "com.foo.private", nil, false},
		{bob, "com.foo.public", nil, true},
		{bob, "com.foo.exact", []session.RegisterOption{session.Match(protocol.MatchExact)}, true},
		{bob, "com.foo.", []session.RegisterOption{session.Prefix()}, false},
		{bob, "com..wild", []session.RegisterOption{session.Wildcard()}, false},
		{bob, "com.example.authorize", []session.RegisterOption{session.ForceReregister()}, false},
		{bob, "com.example.scram_auth", []session.RegisterOption{session.ForceReregister()}, false},
		{anonymous, "com.example.scram_auth", []session.RegisterOption{session.ForceReregister()}, false},
		{other, "com.foo.private", nil, true},
		{other, "com.foo.", []session.RegisterOption{session.Prefix()}, true},
		{other, "com.example.authorize", []session.RegisterOption{session.ForceReregister()}, false},
		{anonymous, "com.example.authorize", []session.RegisterOption{session.ForceReregister()}, false},
		{anonymous, "org.", []session.RegisterOption{session.Prefix()}, true},
	} {
		_, err := c.s.Register(t.Context(), c.uri, nothing, c.options...)
		if c.allowed {
			require.NoError(t, err, c.uri)
			continue
		}
		require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err), c.uri)
	}
	_, err = bob.Subscribe(t.Context(), "com.", func(*session.Event) {}, session.Prefix())
	require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err))
	_, err = anonymous.Subscribe(t.Context(), "", func(*session.Event) {}, session.Prefix())
	require.NoError(t, err, "the examples listen to everything")
	_, err = bob.Call(t.Context(), "com.foo.private")
	require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err))
}

// The page tells what there is, and nothing else can be had.
func TestDemoPage(t *testing.T) {
	t.Parallel()
	d := demoForTest(t)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: d.trusted(t), DisableKeepAlives: true}}
	get := func(method, url, origin string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		require.NoError(t, err)
		if origin != "" {
			req.Header = http.Header{
				"Origin": {origin}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="}, "Sec-Websocket-Protocol": {"wamp.2.json"},
			}
		}
		resp, err := web.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return resp.StatusCode, "", resp.Header
		}
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text), resp.Header
	}
	for _, root := range []string{"http://" + d.plain, "https://" + d.secure} {
		code, text, header := get(http.MethodGet, root+"/", "")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, header.Get("Content-Type"), "text/html")
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		require.NotRegexp(t, `src=|href=|<script`, text, "the page needs nothing from elsewhere")
		for _, u := range demoUsers() {
			require.Contains(t, text, "--authid "+u.AuthID+" "+u.Flag+" "+u.Secret+"\n")
		}
		for _, want := range []string{"ws://" + d.plain + "/ws", "wss://" + d.secure + demoAuthPath, d.cert, "Insecure"} {
			require.Contains(t, text, want)
		}
		code, text, _ = get(http.MethodHead, root+"/", "")
		require.Equal(t, http.StatusOK, code)
		require.Empty(t, text)
		code, _, _ = get(http.MethodPost, root+"/", "")
		require.Equal(t, http.StatusMethodNotAllowed, code)
		code, _, _ = get(http.MethodGet, root+"/etc/passwd", "")
		require.Equal(t, http.StatusNotFound, code)
	}
	for origin, want := range map[string]int{
		"http://localhost:3000":              http.StatusSwitchingProtocols,
		"http://127.0.0.1":                   http.StatusSwitchingProtocols,
		"http://[::1]:1":                     http.StatusSwitchingProtocols,
		"http://example.com":                 http.StatusForbidden,
		"http://" + d.plain + ".example.com": http.StatusForbidden,
		"null":                               http.StatusForbidden,
	} {
		for _, path := range []string{"/ws", demoAuthPath} {
			code, _, _ := get(http.MethodGet, "http://"+d.plain+path, origin)
			require.Equal(t, want, code, "%s %s", origin, path)
		}
	}
}

// The certificate is a new one every time, and the file follows.
func TestDemoCertificate(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "")
	require.NoError(t, os.Remove(file))
	var texts []string
	for range 2 {
		j := newShell(t).start("router", "--demo", "--listen", "127.0.0.1:0", "--demo-tls", "127.0.0.1:0", "--demo-cert", file)
		j.prints("cryptosign")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts = append(texts, string(text))
		j.interrupt()
		require.Zero(t, j.wait().code)
	}
	require.NotEqual(t, texts[0], texts[1])
	require.NotContains(t, texts[1], "PRIVATE")
}
