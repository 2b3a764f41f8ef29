package router_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// attempt is a client that tries to join, and a router that it says HELLO to.
type attempt struct {
	client  []session.Authenticator
	router  []router.Authenticator
	details protocol.HelloDetails // of HELLO, before the methods claim theirs
	// clientID and routerID say which TLS connection each side believes to be on; "" is none.
	clientID, routerID string
	noClock            bool
	call               router.CallFunc // of the router
	transport          func() router.TransportInfo
	// late is how long the client takes to answer.
	late time.Duration
	// toClient and toRouter may change what is sent.
	toClient, toRouter func(protocol.Message)
}

// outcome is how an attempt ended. Exactly one of peer, abort and err is not nil.
type outcome struct {
	peer  *router.Peer
	abort *protocol.Abort
	err   error // why the client gave up
	// detail is why the router refused the client, for its log.
	detail error
	// sent are the messages of both sides, as they came.
	sent []protocol.Message
}

func binder(connection string) auth.Binder {
	if connection == "" {
		return nil
	}
	data := sha256.Sum256([]byte(connection))
	return func(t auth.BindingType) (auth.ChannelBinding, error) {
		return auth.ChannelBinding{Type: t, Data: data[:]}, nil
	}
}

// run plays the attempt to its end.
func (a attempt) run(t *testing.T) (o outcome) {
	t.Helper()
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	h := &router.Handshake{
		Admit: func(protocol.URI) (router.Admission, bool) { return router.Admission{Authenticators: a.router}, true },
		NewID: func() protocol.ID { return 4711 }, Serializer: protocol.JSON, Bind: binder(a.routerID), Call: a.call, Transport: a.transport,
	}
	if !a.noClock {
		h.Now = func() time.Time { return now }
	}
	hello := &protocol.Hello{Realm: "crossbardemo", Details: a.details}
	hello.Details.Roles = protocol.Roles{}.With(protocol.Caller, 0)
	client, err := session.NewAttempt(t.Context(), &hello.Details, binder(a.clientID), a.client)
	if err != nil {
		o.err = err
		return o
	}
	var next protocol.Message = hello
	for next != nil {
		if a.toRouter != nil {
			a.toRouter(next)
		}
		o.sent = append(o.sent, next)
		var reply protocol.Message
		send := func(m protocol.Message) {
			require.Nil(t, reply, "one answer for each message")
			reply = m
		}
		peer, verdict := h.Receive(next, send)
		for verdict == router.Waiting {
			x, err := h.Work()(t.Context())
			peer, verdict = h.Resume(x, err, send)
		}
		o.detail = h.Err()
		if a.toClient != nil {
			a.toClient(reply)
		}
		o.sent = append(o.sent, reply)
		next = nil
		switch m := reply.(type) {
		case *protocol.Challenge:
			answer, err := client.Answer(t.Context(), m)
			if err != nil {
				o.err = err
				return o
			}
			next = answer
			now = now.Add(a.late)
		case *protocol.Abort:
			o.abort = m
		case *protocol.Welcome:
			if o.err = client.Verify(&m.Details); o.err == nil {
				o.peer = peer
			}
		default:
			t.Fatalf("the router sent %T", m)
		}
	}
	return o
}

// joins requires that the client joins as this one.
func (a attempt) joins(t *testing.T, method, authid, role string) outcome {
	t.Helper()
	o := a.run(t)
	require.NoError(t, o.err)
	if o.abort != nil {
		require.FailNow(t, "refused", "%+v", o.abort)
	}
	require.Equal(t, []string{method, authid, role, "static"}, []string{o.peer.AuthMethod, o.peer.AuthID, o.peer.AuthRole, o.peer.AuthProvider})
	return o
}

// denied requires that the router refuses the client, with this text.
func (a attempt) denied(t *testing.T, text string) {
	t.Helper()
	o := a.run(t)
	require.NoError(t, o.err)
	require.NotNil(t, o.abort)
	require.Equal(t, protocol.ErrorAuthenticationDenied, o.abort.Reason)
	require.Contains(t, o.abort.Details.Message, text)
}

// authenticate returns a function for toRouter that changes AUTHENTICATE only.
func authenticate(f func(*protocol.Authenticate)) func(protocol.Message) {
	return func(m protocol.Message) {
		if a, ok := m.(*protocol.Authenticate); ok {
			f(a)
		}
	}
}

// challenge returns a function for toClient that changes CHALLENGE only.
func challenge(f func(*protocol.Challenge)) func(protocol.Message) {
	return func(m protocol.Message) {
		if c, ok := m.(*protocol.Challenge); ok {
			f(c)
		}
	}
}

// The principals of Crossbar.io's demonstration router, and what their clients know.
const (
	aliceSeed = "6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c"
	aliceKey  = "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"
)

func signingKey(t *testing.T, seed string) auth.SigningKey {
	t.Helper()
	key, err := auth.ParseSigningKey(seed)
	require.NoError(t, err)
	return key
}

func alicesKey(t *testing.T) auth.PublicKey {
	t.Helper()
	key, err := auth.ParsePublicKey(aliceKey)
	require.NoError(t, err)
	return key
}

func octets(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return string(b)
}

func craUsers(t *testing.T) *router.CRAUsers {
	t.Helper()
	users, err := router.NewCRAUsers(router.CRAConfig{
		Users: map[string]router.CRAUser{
			"username": {Key: auth.NewSecret("p4ssw0rd"), Role: "authenticated"},
			"bob":      {Key: auth.NewSecret("p4ssw0rd"), Role: "dynamic_authed"},
			"salted": {
				Key:     auth.NewSecret("zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ="),
				Salting: auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32}, Role: "authenticated",
			},
		},
		Timeout: 10 * time.Second,
	})
	require.NoError(t, err)
	return users
}

func carol(t *testing.T) *router.SCRAMUsers {
	t.Helper()
	users, err := router.NewSCRAMUsers(router.SCRAMConfig{Dialect: auth.SCRAMAutobahn, Users: map[string]router.SCRAMUser{
		"carol": {Role: "authenticated", Credential: auth.SCRAMCredential{
			Dialect: auth.SCRAMAutobahn,
			Params: auth.SCRAMParams{
				KDF: auth.Argon2id13, Salt: []byte(octets(t, "accaa46d16de59a12db736c8ed2cc90c")), Iterations: 4096, Memory: 512,
			},
			StoredKey: auth.NewSecret(octets(t, "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485")),
			ServerKey: auth.NewSecret(octets(t, "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c")),
		}},
	}})
	require.NoError(t, err)
	return users
}

// scramUsers returns a router's method with the client joe, whose password is "pencil".
func scramUsers(t *testing.T, dialect auth.SCRAMDialect, kdf auth.KDF, requireBinding bool) *router.SCRAMUsers {
	t.Helper()
	params := auth.SCRAMParams{KDF: kdf, Salt: []byte("0123456789abcdef"), Iterations: 4096}
	if kdf == auth.Argon2id13 {
		params.Iterations, params.Memory = 1, 8192
	}
	credential, err := auth.NewSCRAMCredential(dialect, auth.NewSecret("pencil"), params)
	require.NoError(t, err)
	users, err := router.NewSCRAMUsers(router.SCRAMConfig{
		Dialect: dialect, RequireBinding: requireBinding, Timeout: 10 * time.Second, MockKey: auth.NewSecret("mock"),
		Users: map[string]router.SCRAMUser{"joe": {Credential: credential, Role: "user", Extra: protocol.Dict{"x": 1}}},
	})
	require.NoError(t, err)
	return users
}

func cryptosignUsers(t *testing.T, cfg router.CryptosignConfig) *router.CryptosignUsers {
	t.Helper()
	cfg.Users = map[auth.PublicKey]router.CryptosignUser{alicesKey(t): {AuthID: "alice", Role: "authenticated"}}
	cfg.Timeout = 10 * time.Second
	users, err := router.NewCryptosignUsers(cfg)
	require.NoError(t, err)
	return users
}
