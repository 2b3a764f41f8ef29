//go:build interop

package interop

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	rules "github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// Credentials of Autobahn's examples: those of carol and alice were made by Autobahn.
const (
	aliceSeed   = "6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c"
	aliceKey    = "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"
	strangeSeed = "abababababababababababababababababababababababababababababababab"
	saltedKey   = "zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ="
	carolSalt   = "accaa46d16de59a12db736c8ed2cc90c"
	carolStored = "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485"
	carolServer = "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c"
)

const (
	user         = "user" // the role of all who authenticate
	dynamicRealm = "realm2"
)

// authConfig is a node of Crossbar.io where nobody may join without authentication: port, authentication,
// port, certificate, key, authentication.
const authConfig = `{
  "version": 2,
  "workers": [{
    "type": "router",
    "realms": [{
      "name": "realm1",
      "roles": [{"name": "user", "permissions": [{
        "uri": "", "match": "prefix", "allow": {"call": true, "register": true, "publish": true, "subscribe": true}
      }]}]
    }],
    "transports": [{
      "type": "websocket",
      "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": %[1]d},
      "auth": %[2]s
    }, {
      "type": "websocket",
      "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": %[3]d, "tls": {"certificate": %[4]q, "key": %[5]q}},
      "auth": %[2]s
    }]
  }]
}
`

// crossbarAccounts returns the accounts for authConfig.
func crossbarAccounts(t *testing.T) string {
	t.Helper()
	pbkdf2, err := auth.NewSCRAMCredential(auth.SCRAMAutobahn, auth.NewSecret("p4ssw0rd"),
		auth.SCRAMParams{KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 4096})
	require.NoError(t, err)
	type object = map[string]any
	text, err := json.Marshal(object{
		"ticket": object{"type": "static", "principals": object{"joe": object{"ticket": "t1cket", "role": user}}},
		"wampcra": object{"type": "static", "users": object{
			"plain": object{"secret": "p4ssw0rd", "role": user},
			// This version derives the key from the secret itself, although it is the key in its documentation.
			"salted": object{"secret": "s33kr1t", "salt": "salt123", "iterations": 100, "keylen": 32, "role": user},
		}},
		"scram": object{"type": "static", "principals": object{
			"carol": object{
				"kdf": "argon2id-13", "iterations": 4096, "memory": 512, "role": user,
				"salt": carolSalt, "stored-key": carolStored, "server-key": carolServer,
			},
			"dave": object{
				"kdf": "pbkdf2", "iterations": 4096, "memory": 0, "role": user, "salt": hex.EncodeToString(pbkdf2.Params.Salt),
				"stored-key": hex.EncodeToString([]byte(pbkdf2.StoredKey.Reveal())), "server-key": hex.EncodeToString([]byte(pbkdf2.ServerKey.Reveal())),
			},
		}},
		"cryptosign": object{"type": "static", "principals": object{"alice": object{"authorized_keys": []string{aliceKey}, "role": user}}},
	})
	require.NoError(t, err)
	return string(text)
}

// TestAuthenticationOnCrossbar lets components of ours authenticate at Crossbar.io by every method that
// both have.
func TestAuthenticationOnCrossbar(t *testing.T) {
	t.Parallel()
	require.NotEmptyf(t, os.Getenv(envCrossbar), "%s is not set: use interop/run.sh", envCrossbar)
	node := t.TempDir()
	roots, certFile, keyFile := selfSigned(t, node)
	portTLS := freePort(t)
	c := crossbar{node: node, port: freePort(t)}
	config := fmt.Appendf(nil, authConfig, c.port, crossbarAccounts(t), portTLS, certFile, keyFile)
	require.NoError(t, os.WriteFile(filepath.Join(node, "config.json"), config, 0o600))
	c.start(t)
	plain, secure := fmt.Sprintf("ws://127.0.0.1:%d/", c.port), fmt.Sprintf("wss://127.0.0.1:%d/", portTLS)
	alice, nameless, stranger := cryptosign(t, aliceSeed), cryptosign(t, aliceSeed), cryptosign(t, strangeSeed)
	alice.AuthID, stranger.AuthID = "alice", "alice"
	bound := alice
	bound.Binding = auth.TLSExporter
	for _, tt := range []struct {
		name   string
		url    string
		method session.Authenticator
		// authid is who the client then is; refused is what its user is told instead.
		authid, refused string
	}{
		{"ticket", plain, session.Ticket("joe", "t1cket"), "joe", ""},
		{"wrong ticket", plain, session.Ticket("joe", "wr0ng"), "", "ticket in static WAMP-Ticket authentication is invalid"},
		{"ticket of nobody", plain, session.Ticket("eve", "t1cket"), "", `no principal with authid "eve" exists`},
		{"wampcra", plain, session.CRA("plain", "p4ssw0rd"), "plain", ""},
		{"wampcra, salted", plain, session.CRA("salted", "s33kr1t"), "salted", ""},
		{"wampcra, wrong secret", plain, session.CRA("plain", "wr0ng"), "", "signature is invalid"},
		{"wampcra, salted, wrong secret", plain, session.CRA("salted", "wr0ng"), "", "signature is invalid"},
		{"scram, argon2id13", plain, scram("carol", "p4ssw0rd"), "carol", ""},
		{"scram, pbkdf2", plain, scram("dave", "p4ssw0rd"), "dave", ""},
		{"scram, argon2id13, wrong password", plain, scram("carol", "wr0ng"), "", "SCRAM authentication failed"},
		{"scram, pbkdf2, wrong password", plain, scram("dave", "wr0ng"), "", "SCRAM authentication failed"},
		{"cryptosign", plain, alice, "alice", ""},
		{"cryptosign without authid", plain, nameless, "alice", ""},
		{"cryptosign with TLS", secure, alice, "alice", ""},
		// It speaks TLS 1.3 only, but knows of no binding later than TLS 1.2.
		{"cryptosign, bound to TLS", secure, bound, "", `invalid channel binding type "tls-exporter" requested`},
		{"cryptosign, nothing to bind to", plain, bound, "", "TLS"},
		{"cryptosign, another key", plain, stranger, "", "extra.pubkey provided does not match"},
		// It refuses whoever offers a method that it does not know before one that it does.
		{"scram, both dialects", plain, session.SCRAM("carol", "p4ssw0rd"), "", `invalid authmethod "wamp-scram"`},
		{"nothing", plain, nil, "", "wamp.error.no_auth_method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			details, err := authenticate(t, tt.url, roots, tt.method)
			if tt.refused != "" {
				require.ErrorContains(t, err, tt.refused)
				require.NotContains(t, err.Error(), "wr0ng")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{tt.authid, user}, []string{details.AuthID, details.AuthRole})
			require.Contains(t, tt.method.Methods(), details.AuthMethod)
		})
	}
}

func cryptosign(t *testing.T, seed string) session.CryptosignAuth {
	t.Helper()
	key, err := auth.ParseSigningKey(seed)
	require.NoError(t, err)
	return session.Cryptosign(key)
}

// scram returns the method as Crossbar.io has it.
func scram(authid, password string) session.SCRAMAuth {
	m := session.SCRAM(authid, password)
	m.Dialects = []auth.SCRAMDialect{auth.SCRAMAutobahn}
	return m
}

// authenticate joins as a component of ours, and leaves. The error is what it ends with if it cannot.
func authenticate(t *testing.T, url string, roots *x509.CertPool, method session.Authenticator) (session.SessionDetails, error) {
	t.Helper()
	cfg := cloverleaf.Config{Realm: realm, Transports: cloverleaf.URLs(url), JoinTimeout: startTimeout}
	cfg.Transports[0].MaxRetries = -1
	cfg.Transports[0].Options.HandshakeTimeout = startTimeout
	if strings.HasPrefix(url, "wss:") {
		cfg.Transports[0].TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	}
	if method != nil {
		cfg.Auth = []session.Authenticator{method}
	}
	c, err := cloverleaf.NewComponent(cfg)
	require.NoError(t, err)
	require.NoError(t, c.Start(context.WithoutCancel(t.Context())))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), startTimeout)
	defer cancel()
	defer func() { _ = c.Stop(ctx) }()
	s, err := c.Ready(ctx)
	if err != nil {
		return session.SessionDetails{}, err
	}
	return s.Details(), nil
}

// selfSigned writes a certificate for this machine and its key into the folder.
func selfSigned(t *testing.T, folder string) (roots *x509.CertPool, certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(folder, "server.crt"), filepath.Join(folder, "server.key")
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(cert))
	return roots, certFile, keyFile
}

// daveCredential is cheap to use, unlike that of carol, which Autobahn made: for her see
// TestAutobahnAuthExamples.
func daveCredential(t *testing.T) auth.SCRAMCredential {
	t.Helper()
	c, err := auth.NewSCRAMCredential(auth.SCRAMAutobahn, auth.NewSecret("p4ssw0rd"),
		auth.SCRAMParams{KDF: auth.Argon2id13, Salt: []byte("0123456789abcdef"), Iterations: 2, Memory: 1024})
	require.NoError(t, err)
	return c
}

// staticAccounts are accounts on the router of ours that are in its configuration.
func staticAccounts(t *testing.T) []rules.Authenticator {
	t.Helper()
	cra, err := rules.NewCRAUsers(rules.CRAConfig{Users: map[string]rules.CRAUser{
		"plain":  {Key: auth.NewSecret("p4ssw0rd"), Role: user},
		"salted": {Key: auth.NewSecret(saltedKey), Role: user, Salting: auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32}},
	}})
	require.NoError(t, err)
	scram, err := rules.NewSCRAMUsers(rules.SCRAMConfig{
		Dialect: auth.SCRAMAutobahn, Users: map[string]rules.SCRAMUser{"dave": {Credential: daveCredential(t), Role: user}},
	})
	require.NoError(t, err)
	alice, err := auth.ParsePublicKey(aliceKey)
	require.NoError(t, err)
	keys, err := rules.NewCryptosignUsers(rules.CryptosignConfig{
		Users: map[auth.PublicKey]rules.CryptosignUser{alice: {AuthID: "alice", Role: user}},
	})
	require.NoError(t, err)
	return []rules.Authenticator{rules.Tickets{"joe": {Ticket: "t1cket", Role: user}}, cra, scram, keys}
}

// dynamicAccounts are the same accounts, which procedures tell of.
func dynamicAccounts(t *testing.T) (methods []rules.Authenticator, procedures map[string]func(authid any, details map[string]any) map[string]any) {
	t.Helper()
	type object = map[string]any
	dave := daveCredential(t)
	accounts := map[any]object{
		"plain":  {"secret": "p4ssw0rd", "role": user},
		"salted": {"secret": saltedKey, "salt": "salt123", "iterations": 100, "keylen": 32, "role": user},
		"dave": {
			"kdf": "argon2id-13", "iterations": 2, "memory": 1024, "role": user, "salt": hex.EncodeToString(dave.Params.Salt),
			"stored-key": hex.EncodeToString([]byte(dave.StoredKey.Reveal())), "server-key": hex.EncodeToString([]byte(dave.ServerKey.Reveal())),
		},
	}
	account := func(authid any, _ object) object { return accounts[authid] }
	procedures = map[string]func(any, object) object{
		auth.MethodCRA: account, auth.MethodSCRAMAutobahn: account,
		auth.MethodTicket: func(authid any, details object) object {
			if authid != "joe" || details["ticket"] != "t1cket" {
				return nil
			}
			return object{"role": user}
		},
		auth.MethodCryptosign: func(authid any, _ object) object {
			if authid != nil && authid != "alice" {
				return nil
			}
			return object{"role": user, "authid": "alice", "pubkey": aliceKey}
		},
	}
	for method := range procedures {
		m, err := rules.NewDynamicAuthenticator(rules.DynamicConfig{Method: method, Procedure: "interop.auth." + protocol.URI(method)})
		require.NoError(t, err)
		methods = append(methods, m)
	}
	return methods, procedures
}

// startAuthRouter starts a router in this process with the accounts, static in the first realm and
// dynamic in the second.
func startAuthRouter(t *testing.T) (urls []string) {
	t.Helper()
	methods, procedures := dynamicAccounts(t)
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{
		{Name: realm, Authenticators: staticAccounts(t)},
		{Name: dynamicRealm, Authenticators: methods},
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stopTimeout)
		defer cancel()
		require.NoError(t, r.Close(ctx))
	})
	c, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: dynamicRealm, Transports: []cloverleaf.Transport{r.TransportAs(rules.Principal{AuthID: "authenticator", AuthRole: "trusted"})},
	})
	require.NoError(t, err)
	for method, procedure := range procedures {
		c.Register("interop.auth."+method, func(_ string, authid any, details map[string]any) any {
			if answer := procedure(authid, details); answer != nil {
				return answer
			}
			return nil
		})
	}
	require.NoError(t, c.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() { _ = c.Stop(context.WithoutCancel(t.Context())) })
	_, err = c.Ready(t.Context())
	require.NoError(t, err)
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	return l.URLs()
}

// TestAutobahnAuthentication lets Autobahn authenticate at the router of ours by every method it has: by
// WebSocket with accounts of the configuration, by RawSocket with those of a procedure.
func TestAutobahnAuthentication(t *testing.T) {
	t.Parallel()
	python, _ := examples(t)
	type object = map[string]any
	urls := startAuthRouter(t)
	for _, tt := range []struct {
		name, method string
		account      object
		refused      bool
	}{
		{"ticket", "ticket", object{"authid": "joe", "ticket": "t1cket"}, false},
		{"ticket, wrong", "ticket", object{"authid": "joe", "ticket": "wr0ng"}, true},
		{"wampcra", "wampcra", object{"authid": "plain", "secret": "p4ssw0rd"}, false},
		{"wampcra, wrong", "wampcra", object{"authid": "plain", "secret": "wr0ng"}, true},
		{"wampcra, salted", "wampcra", object{"authid": "salted", "secret": "s33kr1t"}, false},
		{"wampcra, salted, wrong", "wampcra", object{"authid": "salted", "secret": "wr0ng"}, true},
		{"wampcra, unknown", "wampcra", object{"authid": "eve", "secret": "p4ssw0rd"}, true},
		{"scram", "scram", object{"authid": "dave", "password": "p4ssw0rd"}, false},
		{"scram, wrong", "scram", object{"authid": "dave", "password": "wr0ng"}, true},
		{"cryptosign", "cryptosign", object{"authid": "alice", "privkey": aliceSeed}, false},
		{"cryptosign without authid", "cryptosign", object{"privkey": aliceSeed}, false},
		{"cryptosign, wrong", "cryptosign", object{"authid": "alice", "privkey": strangeSeed}, true},
	} {
		for i, way := range []struct{ transport, realm string }{{webSocket, realm}, {rawSocket, dynamicRealm}} {
			t.Run(way.transport+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				account, err := json.Marshal(object{tt.method: tt.account})
				require.NoError(t, err)
				p, err := startProgram(python, []string{
					"peers/autobahn_python/peer.py", "--url", urls[i], "--serializer", "cbor", "--realm", way.realm, "--authentication", string(account),
				})
				require.NoError(t, err)
				m := &member{peer: p, cell: cell{kind: autobahnPython(), transport: way.transport, serializer: "cbor"}}
				t.Cleanup(m.stop)
				m.traceOnFailure(t)
				if tt.refused {
					require.Equal(t, "wamp.error.authentication_denied", m.await(t, reportLeft, "").Reason)
					return
				}
				joined := m.await(t, reportJoined, "")
				authid, _ := tt.account["authid"].(string)
				if authid == "" {
					authid = "alice"
				}
				require.Equal(t, []string{tt.method, authid, user}, []string{joined.AuthMethod, joined.AuthID, joined.AuthRole})
				m.register(t, "interop.auth."+strconv.FormatUint(joined.Session, 10), echo, nil)
			})
		}
	}
}
