package router_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func dynamic(t *testing.T, method string, change ...func(*router.DynamicConfig)) routerMethods {
	t.Helper()
	cfg := router.DynamicConfig{Method: method, Procedure: "com.example.authenticate"}
	for _, f := range change {
		f(&cfg)
	}
	a, err := router.NewDynamicAuthenticator(cfg)
	require.NoError(t, err)
	require.Equal(t, method, a.Method())
	return routerMethods{a}
}

// answers is a procedure that always answers so.
func answers(v any, err error) router.CallFunc {
	return func(context.Context, protocol.URI, protocol.URI, []any, map[string]any) (any, error) { return v, err }
}

type (
	dict = map[string]any
)

// carolsAnswer is what the procedure of Crossbar.io's demonstration router says of carol.
func carolsAnswer() dict {
	return dict{
		"role": "authenticated", "kdf": "argon2id-13", "iterations": int64(4096), "memory": int64(512),
		"salt":       "accaa46d16de59a12db736c8ed2cc90c",
		"stored-key": "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485",
		"server-key": "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c",
	}
}

// joesAnswer is the answer for the client scramClient, by either dialect.
func joesAnswer(t *testing.T, dialect auth.SCRAMDialect) dict {
	t.Helper()
	credential, err := auth.NewSCRAMCredential(dialect, auth.NewSecret("pencil"), auth.SCRAMParams{KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 4096})
	require.NoError(t, err)
	return dict{
		"role": "user", "kdf": "pbkdf2", "iterations": float64(4096), "salt": credential.Params.Salt,
		"stored-key": []byte(credential.StoredKey.Reveal()), "server-key": []byte(credential.ServerKey.Reveal()),
	}
}

func TestDynamicAdmits(t *testing.T) {
	t.Parallel()
	salted := dict{"secret": "zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ=", "salt": "salt123", "iterations": int64(100), "keylen": uint64(32), "role": "user"}
	defaults, err := auth.DeriveCRAKey(auth.NewSecret("s33kr1t"), auth.CRASalting{Salt: "x", Iterations: 1000, KeyLen: 32})
	require.NoError(t, err)
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	for _, tt := range []struct {
		name         string
		method       string
		client       session.Authenticator
		answer       any
		authid, role string
	}{
		{"text", "anonymous", session.Anonymous("eve"), "guest", "anonymous-4711", "guest"},
		{"authid", "anonymous", session.Anonymous(""), dict{"role": "guest", "authid": "g1"}, "g1", "guest"},
		{"text", "ticket", session.Ticket("joe", "t"), "user", "joe", "user"},
		{"same realm", "ticket", session.Ticket("joe", "t"), dict{"role": "user", "realm": "crossbardemo", "authid": "joe@x"}, "joe@x", "user"},
		{"plain", "wampcra", session.CRA("bob", "p4ssw0rd"), dict{"role": "user", "secret": "p4ssw0rd"}, "bob", "user"},
		{"salted", "wampcra", session.CRA("bob", "s33kr1t"), salted, "bob", "user"},
		{"salted by default", "wampcra", session.CRA("bob", "s33kr1t"), dict{"role": "user", "salt": "x", "secret": defaults.Reveal()}, "bob", "user"},
		{"carol", "scram", session.SCRAM("carol", "p4ssw0rd"), carolsAnswer(), "carol", "authenticated"},
		{"pbkdf2", "scram", session.SCRAM("joe", "pencil"), joesAnswer(t, auth.SCRAMAutobahn), "joe", "user"},
		{"pbkdf2", "wamp-scram", session.SCRAM("joe", "pencil"), joesAnswer(t, auth.SCRAMStandard), "joe", "user"},
		{"key", "cryptosign", alice, dict{"role": "user", "pubkey": aliceKey, "authid": "alice"}, "alice", "user"},
		{"keys", "cryptosign", alice, dict{"role": "user", "authorized_keys": []any{strings.Repeat("ab", 32), aliceKey}}, aliceKey, "user"},
	} {
		t.Run(tt.method+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			o := attempt{client: clientMethods{tt.client}, router: dynamic(t, tt.method), call: answers(tt.answer, nil)}.run(t)
			require.NoError(t, o.err)
			require.NoError(t, o.detail)
			require.Equal(t, []string{tt.method, tt.authid, tt.role, "dynamic"}, []string{o.peer.AuthMethod, o.peer.AuthID, o.peer.AuthRole, o.peer.AuthProvider})
		})
	}
}

// The procedure learns who wants to join, from where, and how.
func TestDynamicArguments(t *testing.T) {
	t.Parallel()
	var args []any
	a := attempt{
		client: clientMethods{session.TicketAuth{Identity: session.Identity{AuthID: "joe", AuthRole: "boss", AuthExtra: dict{"x": "y"}}, Ticket: auth.NewSecret("t1cket")}},
		router: dynamic(t, "ticket", func(c *router.DynamicConfig) { c.Realm = "com.auth" }),
		transport: func() router.TransportInfo {
			return router.TransportInfo{Type: "websocket", Protocol: "wamp.2.cbor", Peer: "tcp4:127.0.0.1:4711", Path: "/ws", Host: "h", Header: map[string]string{"user-agent": "x"}}
		},
		call: func(_ context.Context, realm, procedure protocol.URI, a []any, kwargs map[string]any) (any, error) {
			require.Equal(t, []any{protocol.URI("com.auth"), protocol.URI("com.example.authenticate")}, []any{realm, procedure})
			require.Empty(t, kwargs)
			args = a
			return dict{"role": "user", "extra": dict{"welcome": "data"}}, nil
		},
	}
	o := a.run(t)
	require.Equal(t, protocol.Dict{"welcome": "data"}, o.peer.AuthExtra)
	require.Equal(t, []any{"crossbardemo", "joe", dict{
		"session": uint64(4711), "authmethod": "ticket", "authrole": "boss", "authextra": dict{"x": "y"}, "ticket": "t1cket",
		"transport": dict{
			"type": "websocket", "protocol": "wamp.2.cbor", "peer": "tcp4:127.0.0.1:4711", "secure": false, "client_cert": nil,
			"path": "/ws", "host": "h", "http_headers_received": map[string]string{"user-agent": "x"},
		},
	}}, args)

	a.router, a.client, a.transport = dynamic(t, "anonymous"), clientMethods{session.Anonymous("")}, nil
	a.call = func(_ context.Context, realm, _ protocol.URI, a []any, _ map[string]any) (any, error) {
		require.Equal(t, protocol.URI("crossbardemo"), realm)
		args = a
		return "guest", nil
	}
	require.NotNil(t, a.run(t).peer)
	require.Equal(t, []any{"crossbardemo", "anonymous-4711", dict{
		"session": uint64(4711), "authmethod": "anonymous", "authrole": nil, "authextra": nil, "transport": dict{},
	}}, args)
}

// Whatever the procedure does wrong, the client is refused and learns nothing.
func TestDynamicGarbage(t *testing.T) {
	t.Parallel()
	without := func(d dict, key string, value any) dict {
		d[key] = value
		return d
	}
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	for _, tt := range []struct {
		method string
		answer any
		err    error
		detail string
	}{
		{"ticket", int64(1), nil, "not a dictionary"},
		{"ticket", true, nil, "not a dictionary"},
		{"ticket", "", nil, "role: is empty"},
		{"ticket", dict{}, nil, "role: is missing"},
		{"ticket", dict{"role": int64(7)}, nil, "role: is not text"},
		{"ticket", dict{"role": "x", "authid": int64(7)}, nil, "authid: is not text"},
		{"ticket", dict{"role": "x", "extra": "secret!!"}, nil, "extra: is not a dictionary"},
		{"ticket", dict{"role": "x", "realm": "other"}, nil, "realm: is not the one"},
		{"ticket", nil, &router.CallError{URI: protocol.ErrorNoSuchProcedure}, "no_such_procedure"},
		{"ticket", nil, &router.CallError{URI: protocol.ErrorRuntime, Message: "line 42"}, "line 42"},
		{"ticket", nil, &router.CallError{URI: "not a uri", Message: "x"}, "not a uri"},
		{"ticket", nil, &router.CallError{URI: protocol.URI("com." + strings.Repeat("x", 300))}, "com.xxx"},
		{"ticket", nil, errors.New("session closed"), "session closed"},
		{"anonymous", int64(1), nil, "not a dictionary"},
		{"wampcra", "user", nil, "secret: is missing"},
		{"wampcra", dict{"role": "x", "secret": ""}, nil, "secret: is empty"},
		{"wampcra", dict{"role": "x", "secret": "secret!!", "salt": "s", "iterations": "many"}, nil, "iterations: is not"},
		{"wampcra", dict{"role": "x", "secret": "secret!!", "salt": "s", "keylen": int64(-1)}, nil, "keylen: is not"},
		{"scram", "user", nil, "kdf: is missing"},
		{"scram", without(carolsAnswer(), "kdf", "md5"), nil, "kdf: is none of"},
		{"scram", without(carolsAnswer(), "salt", "secret!!"), nil, "salt: is not hexadecimal"},
		{"scram", without(carolsAnswer(), "salt", ""), nil, "salt: is empty"},
		{"scram", without(carolsAnswer(), "iterations", 1.5), nil, "iterations: is not"},
		{"scram", without(carolsAnswer(), "memory", nil), nil, "memory: is not"},
		{"scram", without(carolsAnswer(), "stored-key", "abcd"), nil, "32 octets"},
		{"scram", without(carolsAnswer(), "server-key", []any{}), nil, "server-key: is not text"},
		{"cryptosign", "user", nil, "pubkey: is missing"},
		{"cryptosign", dict{"role": "x", "pubkey": "secret!!"}, nil, "pubkey: is not"},
		{"cryptosign", dict{"role": "x", "pubkeys": []any{int64(1)}}, nil, "pubkey: is not"},
	} {
		t.Run(tt.method+" "+tt.detail, func(t *testing.T) {
			t.Parallel()
			methods := clientMethods{session.Ticket("carol", "t"), session.CRA("carol", "c"), session.SCRAM("carol", "s"), alice}
			if tt.method == "anonymous" {
				methods = clientMethods{session.Anonymous("")}
			}
			o := attempt{client: methods, router: dynamic(t, tt.method), call: answers(tt.answer, tt.err)}.run(t)
			require.Equal(t, &protocol.Abort{Reason: protocol.ErrorAuthenticationFailed}, o.abort)
			require.ErrorContains(t, o.detail, tt.detail)
			require.ErrorContains(t, o.detail, "com.example.authenticate")
			require.NotContains(t, o.detail.Error(), "secret!!")
		})
	}
	o := attempt{client: clientMethods{session.Ticket("joe", "t")}, router: dynamic(t, "ticket")}.run(t)
	require.Equal(t, protocol.ErrorAuthenticationFailed, o.abort.Reason)
	require.ErrorContains(t, o.detail, "cannot call")
}

// Decisions of the procedure are passed on.
func TestDynamicRefuses(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"ticket", "wampcra", "scram"} {
		for _, e := range []router.CallError{
			{URI: "com.example.no_such_user", Message: "no such user joe"},
			{URI: protocol.ErrorNoSuchPrincipal, Message: "who?"},
			{URI: protocol.ErrorNotAuthorized},
		} {
			o := attempt{
				client: clientMethods{session.Ticket("joe", "t"), session.CRA("joe", "c"), session.SCRAM("joe", "s")},
				router: dynamic(t, method), call: answers(nil, &e),
			}.run(t)
			require.Equal(t, &protocol.Abort{Reason: e.URI, Details: protocol.CloseDetails{Message: e.Message}}, o.abort)
		}
	}
	long := router.CallError{URI: "com.x", Message: strings.Repeat("é", 1000) + "\xff"}
	o := attempt{client: clientMethods{session.Ticket("joe", "t")}, router: dynamic(t, "ticket"), call: answers(nil, &long)}.run(t)
	require.Equal(t, strings.Repeat("é", 256), o.abort.Details.Message)
}

// Proofs are checked as those of static principals are.
func TestDynamicDenies(t *testing.T) {
	t.Parallel()
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	bob := dict{"role": "user", "secret": "p4ssw0rd"}
	joe := joesAnswer(t, auth.SCRAMAutobahn)
	stolen := func(m protocol.Message) {
		if h, ok := m.(*protocol.Hello); ok {
			h.Details.AuthExtra["pubkey"] = strings.Repeat("ab", 32)
		}
	}
	for _, tt := range []struct {
		name, method string
		client       session.Authenticator
		answer       any
		toRouter     func(protocol.Message)
		text         string
	}{
		{"unknown", "ticket", session.Ticket("joe", "t"), nil, nil, "ticket: not accepted"},
		{"unknown", "anonymous", session.Anonymous(""), nil, nil, "anonymous: not accepted"},
		{"wrong secret", "wampcra", session.CRA("bob", "wrong"), bob, nil, "the signature is wrong"},
		{"unknown", "wampcra", session.CRA("bob", "p4ssw0rd"), nil, nil, "the signature is wrong"},
		{"wrong password", "scram", session.SCRAM("joe", "pen"), joe, nil, "the proof is wrong"},
		{"no nonce", "scram", session.SCRAM("joe", "pencil"), joe, func(m protocol.Message) {
			if h, ok := m.(*protocol.Hello); ok {
				h.Details.AuthExtra = nil
			}
		}, "nonce: missing"},
		{"another key", "cryptosign", alice, dict{"role": "user", "pubkey": strings.Repeat("ab", 32)}, nil, "the key is unknown"},
		{"another's key", "cryptosign", alice, dict{"role": "user", "pubkey": strings.Repeat("ab", 32)}, stolen, "signature"},
		{"unknown", "cryptosign", alice, nil, nil, "the key is unknown"},
	} {
		t.Run(tt.method+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			attempt{client: clientMethods{tt.client}, router: dynamic(t, tt.method), call: answers(tt.answer, nil), toRouter: tt.toRouter}.denied(t, tt.text)
		})
	}
}

// Who does not exist is challenged like who does, and always in the same way.
func TestDynamicMocks(t *testing.T) {
	t.Parallel()
	answer := map[string]any{
		"bob": dict{"role": "user", "secret": "k", "salt": "salt123", "iterations": int64(100)}, "carol": carolsAnswer(),
	}
	call := func(_ context.Context, _, _ protocol.URI, args []any, _ map[string]any) (any, error) { //nolint:unparam // a CallFunc
		return answer[args[1].(string)], nil
	}
	challenged := func(a router.Authenticator, authid string) protocol.Dict {
		x, err := a.Begin(router.AuthRequest{
			Realm: "realm1", Session: 4711, Now: func() time.Time { return time.Unix(1e9, 0) }, Call: call,
			Details: &protocol.HelloDetails{AuthID: authid, AuthExtra: protocol.Dict{"nonce": "bm9uY2U="}},
		})
		require.NoError(t, err)
		x, err = x.Later(t.Context())
		require.NoError(t, err)
		return x.Challenge.Extra
	}
	cra := dynamic(t, "wampcra")[0]
	require.NotContains(t, challenged(cra, "eve"), "salt", "nobody is known yet")
	known, eve := challenged(cra, "bob"), challenged(cra, "eve")
	require.Equal(t, []any{known["iterations"], known["keylen"]}, []any{eve["iterations"], eve["keylen"]})
	require.Len(t, eve["salt"], len("salt123"))
	require.Equal(t, eve["salt"], challenged(cra, "eve")["salt"])
	require.NotEqual(t, eve["salt"], challenged(cra, "ann")["salt"])
	require.Contains(t, eve["challenge"], `"authid":"eve","authrole":"user","authmethod":"wampcra","authprovider":"dynamic"`)

	scram := dynamic(t, "scram")[0]
	known, eve = challenged(scram, "carol"), challenged(scram, "eve")
	require.Equal(t, []any{known["kdf"], known["iterations"], known["memory"]}, []any{eve["kdf"], eve["iterations"], eve["memory"]})
	require.Len(t, eve["salt"], len(known["salt"].(string)))
	require.NotEqual(t, eve["salt"], known["salt"])
	require.Equal(t, eve["salt"], challenged(scram, "eve")["salt"])
}

func TestDynamicRedirect(t *testing.T) {
	t.Parallel()
	methods := dynamic(t, "ticket", func(c *router.DynamicConfig) { c.Redirect = true })
	for realm, reason := range map[protocol.URI]protocol.URI{"tenant1": "", "nowhere": protocol.ErrorNoSuchRealm} {
		var sent []protocol.Message
		send := func(m protocol.Message) { sent = append(sent, m) }
		h := &router.Handshake{
			Admit: func(r protocol.URI) (router.Admission, bool) {
				return router.Admission{Authenticators: methods, Agent: "of " + string(r)}, r != "nowhere"
			},
			NewID: func() protocol.ID { return 1 }, Call: answers(dict{"role": "user", "realm": string(realm)}, nil),
		}
		hello := &protocol.Hello{Realm: "lobby", Details: protocol.HelloDetails{AuthID: "joe", AuthMethods: []string{"ticket"}, Roles: protocol.Roles{}.With(protocol.Caller, 0)}}
		_, _ = h.Receive(hello, send)
		_, verdict := h.Receive(&protocol.Authenticate{Signature: "t"}, send)
		require.Equal(t, router.Waiting, verdict)
		x, err := h.Work()(t.Context())
		peer, _ := h.Resume(x, err, send)
		if reason != "" {
			require.Nil(t, peer)
			require.Equal(t, reason, sent[1].(*protocol.Abort).Reason)
			continue
		}
		require.Equal(t, realm, peer.Realm)
		require.Equal(t, realm, sent[1].(*protocol.Welcome).Details.Realm)
		require.Equal(t, "of tenant1", sent[1].(*protocol.Welcome).Details.Agent)
	}
}

func TestDynamicTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		o := attempt{
			client: clientMethods{session.Ticket("joe", "t")},
			router: dynamic(t, "ticket", func(c *router.DynamicConfig) { c.Timeout = 3 * time.Second }),
			call: func(ctx context.Context, _, _ protocol.URI, _ []any, _ map[string]any) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}.run(t)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, protocol.ErrorAuthenticationFailed, o.abort.Reason)
		require.ErrorIs(t, o.detail, context.DeadlineExceeded)
	})
}

func TestDynamicConfigErrors(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]router.DynamicConfig{
		`method: "tls" is unknown`:                      {Method: "tls", Procedure: "com.x"},
		`procedure: "" is not a valid URI`:              {Method: "ticket"},
		`realm: "a b" is not a valid URI`:               {Method: "ticket", Procedure: "com.x", Realm: "a b"},
		"timeout: is negative":                          {Method: "ticket", Procedure: "com.x", Timeout: -1},
		"requireBinding: ticket has no channel binding": {Method: "ticket", Procedure: "com.x", RequireBinding: true},
	} {
		_, err := router.NewDynamicAuthenticator(cfg)
		require.EqualError(t, err, "router: dynamic authenticator: "+want)
	}
}

// Static principals and a procedure can share a method: who is known is for the first that knows.
func TestStaticBeforeDynamic(t *testing.T) {
	t.Parallel()
	asked := 0
	call := func(_ context.Context, _, _ protocol.URI, args []any, _ map[string]any) (any, error) {
		asked++
		if details := args[2].(dict); details["authmethod"] == "ticket" {
			return "dynamic", nil
		}
		return dict{"role": "dynamic", "secret": "p4ssw0rd", "pubkey": aliceKey}, nil
	}
	alice := session.Cryptosign(signingKey(t, aliceSeed))
	keys, err := router.NewCryptosignUsers(router.CryptosignConfig{})
	require.NoError(t, err)
	for _, tt := range []struct {
		static router.Authenticator
		client session.Authenticator
		role   string
		asked  int
	}{
		{router.Tickets{"joe": {Ticket: "t", Role: "static"}}, session.Ticket("joe", "t"), "static", 0},
		{router.Tickets{"joe": {Ticket: "t", Role: "static"}}, session.Ticket("ann", "t"), "dynamic", 1},
		{craUsers(t), session.CRA("bob", "p4ssw0rd"), "dynamic_authed", 0},
		{craUsers(t), session.CRA("ann", "p4ssw0rd"), "dynamic", 1},
		{cryptosignUsers(t, router.CryptosignConfig{}), alice, "authenticated", 0},
		{keys, alice, "dynamic", 1},
	} {
		asked = 0
		methods := append(routerMethods{tt.static}, dynamic(t, tt.static.Method())...)
		o := attempt{client: clientMethods{tt.client}, router: methods, call: call}.run(t)
		require.NotNil(t, o.peer, "%+v", o.abort)
		require.Equal(t, tt.role, o.peer.AuthRole)
		require.Equal(t, tt.asked, asked)
	}
}
