package router_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

type (
	clientMethods = []session.Authenticator
	routerMethods = []router.Authenticator
)

func TestDemoPrincipals(t *testing.T) {
	t.Parallel()
	methods := routerMethods{craUsers(t), carol(t), router.Anonymous{}, cryptosignUsers(t, router.CryptosignConfig{})}
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	named := alice
	named.AuthID = "alice"
	tests := []struct {
		name                 string
		client               session.Authenticator
		method, authid, role string
	}{
		{"username", session.CRA("username", "p4ssw0rd"), "wampcra", "username", "authenticated"},
		{"bob", session.CRA("bob", "p4ssw0rd"), "wampcra", "bob", "dynamic_authed"},
		{"salted", session.CRA("salted", "s33kr1t"), "wampcra", "salted", "authenticated"},
		{"carol", session.SCRAM("carol", "p4ssw0rd"), "scram", "carol", "authenticated"},
		{"alice", alice, "cryptosign", "alice", "authenticated"},
		{"alice, by name", named, "cryptosign", "alice", "authenticated"},
		{"anonymous", session.Anonymous("somebody"), "anonymous", "anonymous-4711", "anonymous"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			attempt{client: clientMethods{tt.client}, router: methods}.joins(t, tt.method, tt.authid, tt.role)
		})
	}
}

func TestSCRAM(t *testing.T) {
	t.Parallel()
	standard := scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)
	autobahn := scramUsers(t, auth.SCRAMAutobahn, auth.Argon2id13, false)
	argon2 := scramUsers(t, auth.SCRAMStandard, auth.Argon2id13, false)
	bound := scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, true)
	joe := session.SCRAM("joe", "pencil")
	tied, old, both := joe, joe, joe
	tied.Binding = auth.TLSExporter
	old.Dialects = []auth.SCRAMDialect{auth.SCRAMAutobahn}
	both.Dialects = []auth.SCRAMDialect{auth.SCRAMAutobahn, auth.SCRAMStandard}
	tests := []struct {
		name   string
		client session.Authenticator
		router routerMethods
		method string
	}{
		{"standard", joe, routerMethods{standard}, "wamp-scram"},
		{"argon2", joe, routerMethods{argon2}, "wamp-scram"},
		{"autobahn", joe, routerMethods{autobahn}, "scram"},
		{"standard first", joe, routerMethods{autobahn, standard}, "wamp-scram"},
		{"autobahn first", both, routerMethods{standard, autobahn}, "scram"},
		{"autobahn only", old, routerMethods{standard, autobahn}, "scram"},
		{"bound", tied, routerMethods{autobahn, bound}, "wamp-scram"},
		{"bound without need", tied, routerMethods{standard}, "wamp-scram"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := attempt{client: clientMethods{tt.client}, router: tt.router, clientID: "c", routerID: "c"}.joins(t, tt.method, "joe", "user")
			require.Equal(t, 1, o.peer.AuthExtra["x"])
			require.Contains(t, o.peer.AuthExtra, "verifier")
		})
	}
}

func TestCryptosign(t *testing.T) {
	t.Parallel()
	own, err := auth.NewSigningKey([]byte("the router's own seed, 32 octets"))
	require.NoError(t, err)
	bound := cryptosignUsers(t, router.CryptosignConfig{Key: own, RequireBinding: true})
	proving := cryptosignUsers(t, router.CryptosignConfig{Key: own})
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	tied, wary := alice, alice
	tied.Binding = auth.TLSUnique
	wary.RouterKeys = []auth.PublicKey{alicesKey(t), own.PublicKey()}
	both := wary
	both.Binding = auth.TLSExporter
	for name, a := range map[string]attempt{
		"plain":            {client: clientMethods{alice}, router: routerMethods{proving}},
		"bound":            {client: clientMethods{tied}, router: routerMethods{bound}},
		"mutual":           {client: clientMethods{wary}, router: routerMethods{proving}},
		"mutual and bound": {client: clientMethods{both}, router: routerMethods{bound}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a.clientID, a.routerID = "c", "c"
			a.joins(t, "cryptosign", "alice", "authenticated")
		})
	}
	t.Run("authid by key", func(t *testing.T) {
		t.Parallel()
		users, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{alicesKey(t): {}}})
		require.NoError(t, err)
		attempt{client: clientMethods{alice}, router: routerMethods{users}}.joins(t, "cryptosign", aliceKey, "anonymous")
	})
}

// The router uses the first of the client's methods that it has.
func TestSeveralMethods(t *testing.T) {
	t.Parallel()
	all := clientMethods{
		session.SCRAM("joe", "pencil"), session.Ticket("joe", "t1cket"), session.CRA("joe", "p4ssw0rd"),
		session.CryptosignAuth{Identity: session.Identity{AuthID: "joe", AuthRole: "user"}, Key: signingKey(t, aliceSeed)},
	}
	cra, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{"joe": {Key: auth.NewSecret("p4ssw0rd")}}})
	require.NoError(t, err)
	key, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{alicesKey(t): {AuthID: "joe"}}})
	require.NoError(t, err)
	scram := scramUsers(t, auth.SCRAMAutobahn, auth.PBKDF2, false)
	tickets := router.Tickets{"joe": {Ticket: "t1cket"}}
	for _, tt := range []struct {
		router       routerMethods
		method, role string
	}{
		{routerMethods{key, cra, tickets, scram}, "scram", "user"},
		{routerMethods{key, cra, tickets}, "ticket", "anonymous"},
		{routerMethods{key, cra}, "wampcra", "anonymous"},
		{routerMethods{key}, "cryptosign", "anonymous"},
	} {
		o := attempt{client: all, router: tt.router}.joins(t, tt.method, "joe", tt.role)
		hello, _ := o.sent[0].(*protocol.Hello)
		require.Equal(t, []string{"wamp-scram", "scram", "ticket", "wampcra", "cryptosign"}, hello.Details.AuthMethods)
		require.Equal(t, "user", hello.Details.AuthRole)
		require.Len(t, hello.Details.AuthExtra, 3, "nonce, channel_binding, pubkey")
	}
	o := attempt{client: all, router: routerMethods{router.Anonymous{}}}.run(t)
	require.Equal(t, protocol.ErrorNoMatchingAuthMethod, o.abort.Reason)
}

func TestRouterDenies(t *testing.T) {
	t.Parallel()
	cra, alice := craUsers(t), session.Cryptosign(signingKey(t, aliceSeed))
	stranger := session.Cryptosign(signingKey(t, "5e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c"))
	posing, tied := alice, alice
	posing.AuthID = "bob"
	tied.Binding = auth.TLSExporter
	joe, bound := session.SCRAM("joe", "pencil"), session.SCRAM("joe", "pencil")
	bound.Binding = auth.TLSExporter
	keys := cryptosignUsers(t, router.CryptosignConfig{})
	strict := cryptosignUsers(t, router.CryptosignConfig{RequireBinding: true})
	scram := scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)
	tightSCRAM := scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, true)
	tests := []struct {
		name string
		a    attempt
		text string
	}{
		{"wrong secret", attempt{client: clientMethods{session.CRA("bob", "p4ssword")}, router: routerMethods{cra}}, "wampcra: the signature is wrong"},
		{"wrong secret, salted", attempt{client: clientMethods{session.CRA("salted", "p4ssw0rd")}, router: routerMethods{cra}}, "wampcra: the signature is wrong"},
		{"stored key instead of secret", attempt{client: clientMethods{session.CRA("salted", "zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ=")}, router: routerMethods{cra}}, "wampcra: the signature is wrong"},
		{"unknown authid", attempt{client: clientMethods{session.CRA("eve", "p4ssw0rd")}, router: routerMethods{cra}}, "wampcra: the signature is wrong"},
		{"too late", attempt{client: clientMethods{session.CRA("bob", "p4ssw0rd")}, router: routerMethods{cra}, late: 11 * time.Second}, "not answered within 10s"},
		{"wrong password", attempt{client: clientMethods{session.SCRAM("joe", "pen")}, router: routerMethods{scram}}, "wamp-scram: the proof is wrong"},
		{"unknown authid", attempt{client: clientMethods{session.SCRAM("eve", "pencil")}, router: routerMethods{scram}}, "wamp-scram: the proof is wrong"},
		{"too late", attempt{client: clientMethods{joe}, router: routerMethods{scram}, late: 11 * time.Second}, "not answered within 10s"},
		{"not bound", attempt{client: clientMethods{joe}, router: routerMethods{tightSCRAM}}, "requires channel binding"},
		{"other connection", attempt{client: clientMethods{bound}, router: routerMethods{scram}, clientID: "a", routerID: "b"}, "cbind_data"},
		{"unknown key", attempt{client: clientMethods{stranger}, router: routerMethods{keys}}, "cryptosign: the key is unknown"},
		{"another's authid", attempt{client: clientMethods{posing}, router: routerMethods{keys}}, "the authid is not that of the key"},
		{"too late", attempt{client: clientMethods{alice}, router: routerMethods{keys}, late: 11 * time.Second}, "not answered within 10s"},
		{"not bound", attempt{client: clientMethods{alice}, router: routerMethods{strict}}, "requires channel binding"},
		{"no TLS at the router", attempt{client: clientMethods{tied}, router: routerMethods{keys}, clientID: "a"}, "no channel binding"},
		{"other connection", attempt{client: clientMethods{tied}, router: routerMethods{keys}, clientID: "a", routerID: "b"}, "cryptosign"},
		{"another's key", attempt{client: clientMethods{stranger}, router: routerMethods{keys}, toRouter: func(m protocol.Message) {
			if h, ok := m.(*protocol.Hello); ok {
				h.Details.AuthExtra["pubkey"] = aliceKey
			}
		}}, "cryptosign: AUTHENTICATE: signature"},
		{"no public key", attempt{client: clientMethods{alice}, router: routerMethods{keys}, toRouter: func(m protocol.Message) {
			if h, ok := m.(*protocol.Hello); ok {
				delete(h.Details.AuthExtra, "pubkey")
			}
		}}, "pubkey: missing"},
		{"no nonce", attempt{client: clientMethods{joe}, router: routerMethods{scram}, toRouter: func(m protocol.Message) {
			if h, ok := m.(*protocol.Hello); ok {
				h.Details.AuthExtra = nil
			}
		}}, "nonce: missing"},
	}
	for _, tt := range tests {
		t.Run(tt.a.router[0].Method()+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			tt.a.denied(t, tt.text)
		})
	}
}

// What was right once is worth nothing for the next challenge.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, a := range []attempt{
		{client: clientMethods{session.CRA("bob", "p4ssw0rd")}, router: routerMethods{craUsers(t)}},
		{client: clientMethods{session.CRA("salted", "s33kr1t")}, router: routerMethods{craUsers(t)}},
		{client: clientMethods{session.SCRAM("joe", "pencil")}, router: routerMethods{scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)}},
		{client: clientMethods{session.SCRAM("joe", "pencil")}, router: routerMethods{scramUsers(t, auth.SCRAMAutobahn, auth.PBKDF2, false)}},
		{client: clientMethods{session.Cryptosign(signingKey(t, aliceSeed))}, router: routerMethods{cryptosignUsers(t, router.CryptosignConfig{})}},
	} {
		t.Run(a.router[0].Method(), func(t *testing.T) {
			t.Parallel()
			first := a.run(t)
			require.NotNil(t, first.peer)
			old, _ := first.sent[2].(*protocol.Authenticate)
			replay := a
			replay.toRouter = authenticate(func(m *protocol.Authenticate) { *m = *old })
			replay.denied(t, a.router[0].Method())

			signed := a // of another challenge than the router's
			signed.toClient = challenge(func(m *protocol.Challenge) { *m = *first.sent[1].(*protocol.Challenge) })
			o := signed.run(t)
			require.Nil(t, o.peer)
			require.True(t, o.abort != nil || errors.Is(o.err, auth.ErrUntrustedRouter))
		})
	}
}

func TestClientGivesUp(t *testing.T) {
	t.Parallel()
	own := signingKey(t, "4e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c")
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	tied, wary := alice, alice
	tied.Binding = auth.TLSExporter
	wary.RouterKeys = []auth.PublicKey{own.PublicKey()}
	keys := cryptosignUsers(t, router.CryptosignConfig{})
	scram := scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)
	joe, dear := session.SCRAM("joe", "pencil"), session.SCRAM("joe", "pencil")
	dear.Limits.MaxIterations = 4095
	tightCRA := session.CRA("salted", "s33kr1t")
	tightCRA.Limits.MaxIterations = 99
	welcome := func(f func(*protocol.Welcome)) func(protocol.Message) {
		return func(m protocol.Message) {
			if w, ok := m.(*protocol.Welcome); ok {
				f(w)
			}
		}
	}
	tests := []struct {
		name string
		a    attempt
		is   error
		text string
	}{
		{"method not offered", attempt{client: clientMethods{alice}, router: routerMethods{keys}, toClient: challenge(func(m *protocol.Challenge) { m.Method = "ticket" })}, nil, `"ticket", which was not offered`},
		{"anonymous challenged", attempt{client: clientMethods{session.Anonymous(""), alice}, router: routerMethods{keys}, toClient: challenge(func(m *protocol.Challenge) { m.Method = "anonymous" })}, nil, "nothing to answer"},
		{"no verifier", attempt{client: clientMethods{joe}, router: routerMethods{scram}, toClient: welcome(func(w *protocol.Welcome) { w.Details.AuthExtra = nil })}, auth.ErrUntrustedRouter, "verifier: missing"},
		{"wrong verifier", attempt{client: clientMethods{joe}, router: routerMethods{scram}, toClient: welcome(func(w *protocol.Welcome) {
			w.Details.AuthExtra = protocol.Dict{"verifier": "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}
		})}, auth.ErrUntrustedRouter, "verifier: wrong"},
		{"foreign nonce", attempt{client: clientMethods{joe}, router: routerMethods{scram}, toClient: challenge(func(m *protocol.Challenge) { m.Extra["nonce"] = "bm9uY2U=" })}, auth.ErrUntrustedRouter, "nonce"},
		{"cheap derivation", attempt{client: clientMethods{joe}, router: routerMethods{scram}, toClient: challenge(func(m *protocol.Challenge) { m.Extra["iterations"] = 1 })}, auth.ErrCost, "fewer"},
		{"dear derivation", attempt{client: clientMethods{dear}, router: routerMethods{scram}}, auth.ErrCost, "4096 iterations"},
		{"dear derivation", attempt{client: clientMethods{tightCRA}, router: routerMethods{craUsers(t)}}, auth.ErrCost, "100 iterations"},
		{"no challenge", attempt{client: clientMethods{session.CRA("bob", "p4ssw0rd")}, router: routerMethods{craUsers(t)}, toClient: challenge(func(m *protocol.Challenge) { m.Extra = nil })}, auth.ErrMalformed, "challenge: missing"},
		{"no proof", attempt{client: clientMethods{wary}, router: routerMethods{keys}}, auth.ErrUntrustedRouter, "did not sign"},
		{"untrusted key", attempt{client: clientMethods{wary}, router: routerMethods{cryptosignUsers(t, router.CryptosignConfig{Key: signingKey(t, "3e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c")})}}, auth.ErrUntrustedRouter, "not a key of a trusted router"},
		{"wrong proof", attempt{client: clientMethods{wary}, router: routerMethods{cryptosignUsers(t, router.CryptosignConfig{Key: own})}, toRouter: func(m protocol.Message) {
			if h, ok := m.(*protocol.Hello); ok {
				h.Details.AuthExtra["challenge"] = aliceKey
			}
		}}, auth.ErrUntrustedRouter, "signature"},
		{"not bound by the router", attempt{client: clientMethods{tied}, router: routerMethods{keys}, clientID: "c", routerID: "c", toClient: challenge(func(m *protocol.Challenge) { m.Extra["channel_binding"] = nil })}, auth.ErrChannelBinding, "not the one"},
		{"no TLS", attempt{client: clientMethods{tied}, router: routerMethods{keys}, routerID: "c"}, auth.ErrChannelBinding, "no TLS"},
		{"callback fails", attempt{client: clientMethods{session.CRAFunc("bob", func(context.Context) (string, error) { return "", context.DeadlineExceeded })}, router: routerMethods{craUsers(t)}}, context.DeadlineExceeded, ""},
		{"contradiction", attempt{client: clientMethods{alice}, details: protocol.HelloDetails{AuthExtra: protocol.Dict{"pubkey": "0"}}}, nil, "authextra: pubkey: claimed with different values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.a.run(t)
			require.Nil(t, o.abort)
			require.Nil(t, o.peer)
			require.ErrorContains(t, o.err, tt.text)
			if tt.is != nil {
				require.ErrorIs(t, o.err, tt.is)
			}
		})
	}
}

// Each attempt asks for the secret, and has its own nonce.
func TestFreshCredentials(t *testing.T) {
	t.Parallel()
	asked := 0
	rotating := session.CRAFunc("bob", func(context.Context) (string, error) {
		asked++
		return []string{"", "old", "p4ssw0rd"}[asked], nil
	})
	a := attempt{client: clientMethods{rotating}, router: routerMethods{craUsers(t)}}
	a.denied(t, "signature")
	a.joins(t, "wampcra", "bob", "dynamic_authed")

	shared := protocol.Dict{"x": 1}
	a = attempt{
		client: clientMethods{session.SCRAM("joe", "pencil")}, router: routerMethods{scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)},
		details: protocol.HelloDetails{AuthExtra: shared},
	}
	nonces := make(map[any]bool)
	for range 2 {
		hello, _ := a.joins(t, "wamp-scram", "joe", "user").sent[0].(*protocol.Hello)
		require.Equal(t, 1, hello.Details.AuthExtra["x"])
		nonces[hello.Details.AuthExtra["nonce"]] = true
	}
	require.Len(t, nonces, 2)
	require.Equal(t, protocol.Dict{"x": 1}, shared, "the configuration is not changed")
}

// Without a clock nobody can say that an answer came in time.
func TestNoClock(t *testing.T) {
	t.Parallel()
	for _, a := range []attempt{
		{client: clientMethods{session.CRA("bob", "p4ssw0rd")}, router: routerMethods{craUsers(t)}},
		{client: clientMethods{session.SCRAM("joe", "pencil")}, router: routerMethods{scramUsers(t, auth.SCRAMStandard, auth.PBKDF2, false)}},
		{client: clientMethods{session.Cryptosign(signingKey(t, aliceSeed))}, router: routerMethods{cryptosignUsers(t, router.CryptosignConfig{})}},
	} {
		a.noClock = true
		o := a.run(t)
		require.Equal(t, &protocol.Abort{Reason: protocol.ErrorAuthenticationFailed}, o.abort)
	}
}
