package cloverleaf_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync"
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

// A router with three kinds of credentials, and a client with one of them.
func Example_authentication() {
	ctx := context.Background()
	credential, err := auth.NewSCRAMCredential(auth.SCRAMStandard, auth.NewSecret("pencil"), auth.SCRAMParams{
		KDF: auth.Argon2id13, Salt: []byte("16 random octets"), Iterations: 3, Memory: 4096,
	})
	if err != nil {
		panic(err)
	}
	scram, err := router.NewSCRAMUsers(router.SCRAMConfig{Users: map[string]router.SCRAMUser{"joe": {Credential: credential, Role: "user"}}})
	if err != nil {
		panic(err)
	}
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name:           "realm1",
		Authenticators: []router.Authenticator{scram, router.Tickets{"backend": {Ticket: "t1cket"}}, router.Anonymous{Role: "guest"}},
	}}})
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close(ctx) }()

	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "realm1",
		Transports: []cloverleaf.Transport{r.Transport()},
		Auth:       []session.Authenticator{session.SCRAM("joe", "pencil")},
		Main: func(_ context.Context, s *session.Session) error {
			d := s.Details()
			fmt.Printf("joined as %s, role %s, by %s\n", d.AuthID, d.AuthRole, d.AuthMethod)
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	if err := cloverleaf.Run(ctx, comp); err != nil {
		fmt.Println(err)
	}
	// Output: joined as joe, role user, by wamp-scram
}

// What nobody may read in a log or an error, and what is derived from it.
const (
	craSecret  = "cra s3cret"
	badSecret  = "wr0ng s3cret"
	theTicket  = "t1cket s3cret"
	password   = "scram s3cret"
	clientSeed = "6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c"
	routerSeed = "4e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c"
)

func signingKey(t *testing.T, seed string) auth.SigningKey {
	t.Helper()
	key, err := auth.ParseSigningKey(seed)
	require.NoError(t, err)
	return key
}

// logbook keeps everything that is logged in a test.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))
}

// authSite is a router with and one without TLS, for the same clients.
type authSite struct {
	log   logbook
	addr  map[bool]string // by whether it has TLS
	roots *x509.CertPool
	cert  tls.Certificate
	key   auth.Secret // of the WAMP-CRA account
}

func newAuthSite(t *testing.T) *authSite {
	t.Helper()
	s := &authSite{addr: make(map[bool]string)}
	s.cert, s.roots = selfSigned(t)
	realms := []cloverleaf.RealmConfig{
		{Name: "realm1", Authenticators: s.authenticators(t)},
		{Name: "impostor", Authenticators: []router.Authenticator{impostor{}}},
		{Name: "confused", Authenticators: []router.Authenticator{confused{}}},
	}
	for _, secure := range []bool{false, true} {
		cfg := cloverleaf.RouterConfig{Realms: realms, Logger: s.log.logger()}
		if secure {
			cfg.Transport.TLS = &tls.Config{Certificates: []tls.Certificate{s.cert}}
		}
		l, err := startRouter(t, cfg).Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		s.addr[secure] = l.Addr().String()
	}
	return s
}

func (s *authSite) authenticators(t *testing.T) []router.Authenticator {
	t.Helper()
	salting := auth.CRASalting{Salt: "salt", Iterations: 1000, KeyLen: 32}
	var err error
	s.key, err = auth.DeriveCRAKey(auth.NewSecret(craSecret), salting)
	require.NoError(t, err)
	cra, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{"joe": {Key: s.key, Salting: salting, Role: "user"}}})
	require.NoError(t, err)
	key, err := router.NewCryptosignUsers(router.CryptosignConfig{
		Key:   signingKey(t, routerSeed),
		Users: map[auth.PublicKey]router.CryptosignUser{signingKey(t, clientSeed).PublicKey(): {AuthID: "joe", Role: "user"}},
	})
	require.NoError(t, err)
	list := []router.Authenticator{cra, key, router.Tickets{"joe": {Ticket: theTicket, Role: "user"}}}
	for dialect, params := range map[auth.SCRAMDialect]auth.SCRAMParams{
		auth.SCRAMStandard: {KDF: auth.Argon2id13, Salt: []byte("0123456789abcdef"), Iterations: 2, Memory: 4096},
		auth.SCRAMAutobahn: {KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 4096},
	} {
		credential, err := auth.NewSCRAMCredential(dialect, auth.NewSecret(password), params)
		require.NoError(t, err)
		scram, err := router.NewSCRAMUsers(router.SCRAMConfig{Dialect: dialect, Users: map[string]router.SCRAMUser{"joe": {Credential: credential, Role: "user"}}})
		require.NoError(t, err)
		list = append(list, scram)
	}
	return list
}

// selfSigned returns a certificate for 127.0.0.1, and who trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, roots
}

// impostor knows no credential and says that it does.
type impostor struct{}

func (impostor) Method() string { return auth.MethodSCRAM }

func (impostor) Begin(req router.AuthRequest) (router.Exchange, error) {
	nonce, _ := req.Details.AuthExtra["nonce"].(string)
	return router.Exchange{
		Challenge: &protocol.Challenge{Method: auth.MethodSCRAM, Extra: protocol.Dict{
			"nonce": nonce + "bm9uY2U=", "salt": "MDEyMzQ1Njc4OWFiY2RlZg==", "kdf": "pbkdf2", "iterations": 4096, "memory": nil,
		}},
		Verify: func(*protocol.Authenticate) (router.Exchange, error) {
			return router.Exchange{Principal: router.Principal{AuthID: req.Details.AuthID, AuthRole: "user", Extra: protocol.Dict{"verifier": "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}}}, nil
		},
	}, nil
}

// confused asks for another method than the client offers.
type confused struct{}

func (confused) Method() string { return auth.MethodTicket }

func (confused) Begin(router.AuthRequest) (router.Exchange, error) {
	return router.Exchange{
		Challenge: &protocol.Challenge{Method: auth.MethodCRA, Extra: protocol.Dict{"challenge": "{}"}},
		Verify:    func(*protocol.Authenticate) (router.Exchange, error) { return router.Exchange{}, auth.ErrDenied },
	}, nil
}

// authClient is a component that joins once.
type authClient struct {
	scheme     string // "ws" by default
	realm      string // "realm1" by default
	addr       string // instead of the router's
	serializer protocol.Serializer
	version    uint16 // of TLS
	auth       []session.Authenticator
}

// join returns what the component got, or why it ended.
func (s *authSite) join(t *testing.T, c authClient) (session.SessionDetails, error) {
	t.Helper()
	if c.scheme == "" {
		c.scheme = "ws"
	}
	if c.realm == "" {
		c.realm = "realm1"
	}
	secure := c.scheme == "wss" || c.scheme == "rss"
	if c.addr == "" {
		c.addr = s.addr[secure]
	}
	tr := cloverleaf.Transport{
		ClientConfig: transport.ClientConfig{URL: c.scheme + "://" + c.addr},
		MaxRetries:   -1,
	}
	if c.scheme == "ws" || c.scheme == "wss" {
		tr.URL += "/ws"
	}
	if secure {
		tr.TLS = &tls.Config{RootCAs: s.roots, MaxVersion: c.version}
	}
	if c.serializer != 0 {
		tr.Serializers = []protocol.Serializer{c.serializer}
	}
	var details session.SessionDetails
	comp := newComponent(t, cloverleaf.Config{
		Name: "joiner", Realm: c.realm, Transports: []cloverleaf.Transport{tr}, Auth: c.auth, Logger: s.log.logger(),
		Main: func(_ context.Context, s *session.Session) error {
			details = s.Details()
			return nil
		},
	})
	require.NoError(t, comp.Start(t.Context()))
	err := comp.Wait()
	return details, err
}

// keepsSecrets requires that none was logged or is part of one of the errors.
func (s *authSite) keepsSecrets(t *testing.T, failures ...error) {
	t.Helper()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	logged := s.log.text.String()
	require.Contains(t, logged, `"component":"joiner"`, "the client logs")
	require.Contains(t, logged, "session joined", "the router logs")
	for _, text := range append([]string{logged}, fmt.Sprintf("%+v", failures)) {
		for _, secret := range []string{craSecret, badSecret, theTicket, password, clientSeed, routerSeed, s.key.Reveal()} {
			require.NotContains(t, text, secret)
		}
	}
}

func TestAuthenticationOverSockets(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t)
	key := session.Cryptosign(signingKey(t, clientSeed))
	mutual := key
	mutual.RouterKeys = []auth.PublicKey{signingKey(t, routerSeed).PublicKey()}
	autobahn := session.SCRAM("joe", password)
	autobahn.Dialects = []auth.SCRAMDialect{auth.SCRAMAutobahn}
	wires := map[string]protocol.Serializer{"ws": protocol.JSON, "rs": protocol.MessagePack, "wss": protocol.CBOR, "rss": protocol.JSON}
	t.Run("joins", func(t *testing.T) {
		for scheme, serializer := range wires {
			for _, m := range []session.Authenticator{session.CRA("joe", craSecret), session.SCRAM("joe", password), autobahn, key, mutual, session.Ticket("joe", theTicket)} {
				t.Run(scheme+"/"+m.Methods()[0], func(t *testing.T) {
					t.Parallel()
					d, err := site.join(t, authClient{scheme: scheme, serializer: serializer, auth: []session.Authenticator{m}})
					require.NoError(t, err)
					require.Equal(t, []string{"joe", "user", m.Methods()[0], "static"}, []string{d.AuthID, d.AuthRole, d.AuthMethod, d.AuthProvider})
				})
			}
		}
	})
	site.keepsSecrets(t)
}

func TestChannelBindingOverTLS(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t)
	middle := relay(t, site)
	for _, tt := range []struct {
		scheme  string
		version uint16
		binding auth.BindingType
	}{
		{"wss", tls.VersionTLS13, auth.TLSExporter},
		{"rss", tls.VersionTLS13, auth.TLSExporter},
		{"wss", tls.VersionTLS12, auth.TLSUnique},
		{"rss", tls.VersionTLS12, auth.TLSUnique},
	} {
		key := session.Cryptosign(signingKey(t, clientSeed))
		key.Binding, key.RouterKeys = tt.binding, []auth.PublicKey{signingKey(t, routerSeed).PublicKey()}
		scram := session.SCRAM("joe", password)
		scram.Binding = tt.binding
		for _, m := range []session.Authenticator{key, scram} {
			c := authClient{scheme: tt.scheme, version: tt.version, auth: []session.Authenticator{m}}
			d, err := site.join(t, c)
			require.NoError(t, err)
			require.Equal(t, m.Methods()[0], d.AuthMethod)

			// Somebody between who has a trusted certificate, too, gets nowhere.
			c.addr = middle
			_, err = site.join(t, c)
			require.Error(t, err)
			require.Equal(t, supervisor.ClassPermanent, supervisor.Classify(err))
		}
		// Without binding, nobody notices.
		key.Binding, key.RouterKeys = auth.NoBinding, nil
		_, err := site.join(t, authClient{scheme: tt.scheme, version: tt.version, addr: middle, auth: []session.Authenticator{key}})
		require.NoError(t, err)
	}
	site.keepsSecrets(t)
}

// relay is a man in the middle: it ends the client's TLS and has a connection of its own to the
// router.
func relay(t *testing.T, site *authSite) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{site.cert}})
	require.NoError(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		running.Wait()
	})
	both := func(from, to net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := tls.Dial("tcp", site.addr[true], &tls.Config{RootCAs: site.roots})
			if err != nil {
				_ = client.Close()
				continue
			}
			running.Go(func() { both(client, up) })
			running.Go(func() { both(up, client) })
		}
	})
	return l.Addr().String()
}

func TestAuthenticationFailures(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t)
	key := session.Cryptosign(signingKey(t, clientSeed))
	tied, wary := key, key
	tied.Binding = auth.TLSExporter
	wary.RouterKeys = []auth.PublicKey{signingKey(t, clientSeed).PublicKey()}
	dear := session.CRA("joe", craSecret)
	dear.Limits.MaxIterations = 999
	const denied, gaveUp = protocol.ErrorAuthenticationDenied, protocol.ErrorCannotAuthenticate
	tests := []struct {
		name   string
		client authClient
		method session.Authenticator
		reason protocol.URI // of the ABORT of either side
		is     error
		class  supervisor.Class
	}{
		{"wrong secret", authClient{}, session.CRA("joe", badSecret), denied, nil, supervisor.ClassPermanent},
		{"unknown authid", authClient{}, session.CRA("eve", craSecret), denied, nil, supervisor.ClassPermanent},
		{"wrong ticket", authClient{}, session.Ticket("joe", badSecret), denied, nil, supervisor.ClassPermanent},
		{"wrong password", authClient{}, session.SCRAM("joe", badSecret), denied, nil, supervisor.ClassPermanent},
		{"unknown key", authClient{}, session.Cryptosign(signingKey(t, routerSeed)), denied, nil, supervisor.ClassPermanent},
		{"no TLS to bind to", authClient{}, tied, "", auth.ErrChannelBinding, supervisor.ClassPermanent},
		{"too old TLS to bind to", authClient{scheme: "wss", version: tls.VersionTLS12}, tied, "", auth.ErrChannelBinding, supervisor.ClassPermanent},
		{"dear derivation", authClient{}, dear, gaveUp, auth.ErrCost, supervisor.ClassPermanent},
		{"other router key", authClient{}, wary, gaveUp, auth.ErrUntrustedRouter, supervisor.ClassPermanent},
		{"impostor", authClient{realm: "impostor"}, session.SCRAM("joe", password), gaveUp, auth.ErrUntrustedRouter, supervisor.ClassPermanent},
		{"method not offered", authClient{realm: "confused"}, session.Ticket("joe", theTicket), gaveUp, nil, supervisor.ClassTransient},
		{"failing callback", authClient{}, session.CRAFunc("joe", func(context.Context) (string, error) { return "", errVault }), gaveUp, errVault, supervisor.ClassTransient},
	}
	var failures []error
	for _, tt := range tests {
		tt.client.auth = []session.Authenticator{tt.method}
		_, err := site.join(t, tt.client)
		require.Error(t, err, tt.name)
		failures = append(failures, err)
		require.Equal(t, tt.reason, session.ErrorURI(err), "%s: %v", tt.name, err)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is, tt.name)
		}
		var exhausted *supervisor.ExhaustedError
		require.Equal(t, tt.class == supervisor.ClassTransient, errors.As(err, &exhausted), "%s: %v", tt.name, err)
	}
	_, err := site.join(t, authClient{auth: []session.Authenticator{session.CRA("joe", craSecret)}})
	require.NoError(t, err)
	site.keepsSecrets(t, failures...)
}

var errVault = errors.New("the vault is sealed")

// What contradicts itself is found before anything is dialed.
func TestContradictingMethods(t *testing.T) {
	t.Parallel()
	_, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "realm1", AuthRole: "user",
		Auth: []session.Authenticator{
			session.CRA("joe", craSecret),
			session.TicketAuth{Identity: session.Identity{AuthID: "ann", AuthRole: "admin"}, Ticket: auth.NewSecret(theTicket)},
		},
	})
	require.ErrorContains(t, err, `authid: both "joe" and "ann" are claimed`)
	require.ErrorContains(t, err, `authrole: both "user" and "admin" are claimed`)
}
