package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

func testKey(t *testing.T) auth.SigningKey {
	t.Helper()
	key, err := auth.NewSigningKey([]byte("a seed has exactly 32 octets ..."))
	require.NoError(t, err)
	return key
}

func TestCheckMethods(t *testing.T) {
	t.Parallel()
	key := Cryptosign(testKey(t))
	joesKey, tied, wary, server, own := key, key, key, key, key
	joesKey.AuthID = "joe"
	tied.Binding, server.Binding = auth.TLSExporter, auth.TLSServerEndPoint
	wary.RouterKeys = []auth.PublicKey{{1}}
	own.AuthExtra = protocol.Dict{"pubkey": testKey(t).PublicKey().String(), "x": 1}
	joe := SCRAM("joe", "x")
	role, boundJoe, standard, autobahn, boundAutobahn, twice := joe, joe, joe, joe, joe, joe
	role.AuthRole = "admin"
	boundJoe.Binding, boundAutobahn.Binding = auth.TLSExporter, auth.TLSExporter
	standard.Dialects = []auth.SCRAMDialect{auth.SCRAMStandard}
	autobahn.Dialects = []auth.SCRAMDialect{auth.SCRAMAutobahn}
	boundAutobahn.Dialects = autobahn.Dialects
	twice.Dialects = []auth.SCRAMDialect{auth.SCRAMStandard, auth.SCRAMStandard}
	fetch := func(context.Context) (string, error) { return "x", nil }
	both := CRAFunc("joe", fetch)
	both.Secret = auth.NewSecret("x")
	odd := CRA("joe", "x")
	odd.AuthExtra = protocol.Dict{"x": 2}
	tests := []struct {
		name    string
		methods []Authenticator
		hello   protocol.HelloDetails
		text    string // "" is no error
	}{
		{"none", nil, protocol.HelloDetails{}, ""},
		{"all", []Authenticator{joe, Ticket("joe", "x"), CRAFunc("joe", fetch), key, Anonymous("")}, protocol.HelloDetails{AuthRole: "user"}, ""},
		{"one authid", []Authenticator{joesKey, CRA("joe", "x"), Anonymous("joe"), TicketFunc("joe", fetch)}, protocol.HelloDetails{}, ""},
		{"all bound", []Authenticator{tied, boundJoe}, protocol.HelloDetails{}, ""},
		{"bound, with the other dialect", []Authenticator{tied, boundJoe, autobahn}, protocol.HelloDetails{}, ""},
		{"dialects apart", []Authenticator{autobahn, standard}, protocol.HelloDetails{}, ""},
		{"the same twice", []Authenticator{own, joe}, protocol.HelloDetails{AuthRole: "admin", AuthExtra: protocol.Dict{"x": 1}}, ""},
		{"nil", []Authenticator{joe, nil}, protocol.HelloDetails{}, "method 1 is nil"},
		{"method twice", []Authenticator{CRA("joe", "x"), CRA("joe", "y")}, protocol.HelloDetails{}, "wampcra is there twice"},
		{"dialect twice", []Authenticator{joe, autobahn}, protocol.HelloDetails{}, "method scram is there twice"},
		{"dialect twice in one", []Authenticator{twice}, protocol.HelloDetails{}, "method wamp-scram is there twice"},
		{"authids", []Authenticator{CRA("joe", "x"), Ticket("ann", "x")}, protocol.HelloDetails{}, `authid: both "joe" and "ann" are claimed`},
		{"authids, cryptosign", []Authenticator{joesKey, Anonymous("eve")}, protocol.HelloDetails{}, `authid: both "joe" and "eve"`},
		{"authroles", []Authenticator{role}, protocol.HelloDetails{AuthRole: "user"}, `authrole: both "user" and "admin" are claimed`},
		{"authextra", []Authenticator{own, odd}, protocol.HelloDetails{}, "authextra: x: claimed with different values"},
		{"binding, unbound SCRAM", []Authenticator{tied, joe}, protocol.HelloDetails{}, "authextra: channel_binding"},
		{"binding, unbound cryptosign", []Authenticator{boundJoe, key}, protocol.HelloDetails{}, "authextra: channel_binding"},
		{"nonce", []Authenticator{joe}, protocol.HelloDetails{AuthExtra: protocol.Dict{"nonce": "fixed"}}, "authextra: nonce"},
		{"challenge", []Authenticator{wary}, protocol.HelloDetails{AuthExtra: protocol.Dict{"challenge": "fixed"}}, "authextra: challenge"},
		{"no authid", []Authenticator{CRA("", "x")}, protocol.HelloDetails{}, "wampcra: authid is missing"},
		{"no authid, SCRAM", []Authenticator{SCRAM("", "x")}, protocol.HelloDetails{}, "scram: authid is missing"},
		{"no secret", []Authenticator{CRA("joe", "")}, protocol.HelloDetails{}, "wampcra: the secret is missing"},
		{"no ticket", []Authenticator{TicketFunc("joe", nil)}, protocol.HelloDetails{}, "ticket: the secret is missing"},
		{"no password", []Authenticator{SCRAM("joe", "")}, protocol.HelloDetails{}, "scram: the secret is missing"},
		{"two secrets", []Authenticator{both}, protocol.HelloDetails{}, "both a secret and a function"},
		{"no key", []Authenticator{CryptosignAuth{}}, protocol.HelloDetails{}, "the private key is missing"},
		{"unusable authid", []Authenticator{SCRAM("\u00bd", "x")}, protocol.HelloDetails{}, "auth: wamp-scram: authid"},
		{"binding of another method", []Authenticator{server}, protocol.HelloDetails{}, `no channel binding of type "tls-server-end-point"`},
		{"binding of another dialect", []Authenticator{boundAutobahn}, protocol.HelloDetails{}, "scram: this dialect has no channel binding"},
		{"unknown binding", []Authenticator{SCRAMAuth{Identity: Identity{AuthID: "joe"}, Password: auth.NewSecret("x"), Binding: "tls"}}, protocol.HelloDetails{}, `type "tls"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := CheckMethods(tt.hello, tt.methods)
			if tt.text == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.text)
		})
	}
}

// What was checked can be offered, and what the configuration says in authextra stays as it is.
func TestAttemptMerges(t *testing.T) {
	t.Parallel()
	extra := protocol.Dict{"x": 1}
	cra := CRA("joe", "x")
	cra.Identity = Identity{AuthID: "joe", AuthRole: "user", AuthExtra: protocol.Dict{"y": 2}}
	methods := []Authenticator{cra, SCRAM("joe", "x"), Cryptosign(testKey(t))}
	hello := protocol.HelloDetails{AuthExtra: extra}
	require.NoError(t, CheckMethods(hello, methods))
	_, err := NewAttempt(t.Context(), &hello, nil, methods)
	require.NoError(t, err)
	require.Equal(t, []string{"wampcra", "wamp-scram", "scram", "cryptosign"}, hello.AuthMethods)
	require.Equal(t, [2]string{"joe", "user"}, [2]string{hello.AuthID, hello.AuthRole})
	require.Equal(t, protocol.Dict{
		"x": 1, "y": 2, "channel_binding": nil, "nonce": hello.AuthExtra["nonce"], "pubkey": testKey(t).PublicKey().String(),
	}, hello.AuthExtra)
	require.Equal(t, protocol.Dict{"x": 1}, extra)
	require.Equal(t, protocol.Dict{"y": 2}, cra.AuthExtra)
}

func TestAttemptWithoutChallenge(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	wary := CryptosignAuth{Key: key, RouterKeys: []auth.PublicKey{key.PublicKey()}}
	for _, tt := range []struct {
		name    string
		methods []Authenticator
		trusted bool
	}{
		{"nothing offered", nil, true},
		{"anonymous", []Authenticator{Anonymous("")}, true},
		{"ticket", []Authenticator{Ticket("joe", "x")}, true},
		{"cryptosign", []Authenticator{Cryptosign(key)}, true},
		{"SCRAM", []Authenticator{SCRAM("joe", "x")}, false},
		{"cryptosign with a known router", []Authenticator{wary}, false},
		{"both", []Authenticator{SCRAM("joe", "x"), wary}, false},
		{"SCRAM or anonymous", []Authenticator{SCRAM("joe", "x"), Anonymous("")}, true},
	} {
		a, err := NewAttempt(t.Context(), new(protocol.HelloDetails), nil, tt.methods)
		require.NoError(t, err, tt.name)
		err = a.Verify(&protocol.WelcomeDetails{AuthMethod: "anonymous"})
		if tt.trusted {
			require.NoError(t, err, tt.name)
		} else {
			require.ErrorIs(t, err, auth.ErrUntrustedRouter, tt.name)
		}
	}
}

// A router that does not wait for an answer gets no second goroutine to work for it.
func TestAttemptAnswersOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := TicketFunc("joe", func(context.Context) (string, error) {
			<-release
			return "t1cket", nil
		})
		a, err := NewAttempt(t.Context(), new(protocol.HelloDetails), nil, []Authenticator{slow, Anonymous("")})
		require.NoError(t, err)
		ch := &protocol.Challenge{Method: "ticket"}
		answered := make(chan error, 1)
		go func() {
			answer, err := a.Answer(t.Context(), ch)
			if err == nil && answer.Signature != "t1cket" {
				err = errors.New(answer.Signature)
			}
			answered <- err
		}()
		synctest.Wait()
		_, err = a.Answer(t.Context(), ch)
		require.ErrorContains(t, err, "before the first challenge was answered")
		require.ErrorIs(t, a.Verify(&protocol.WelcomeDetails{}), auth.ErrUntrustedRouter)
		close(release)
		require.NoError(t, <-answered)
		require.NoError(t, a.Verify(&protocol.WelcomeDetails{}))
		_, err = a.Answer(t.Context(), ch)
		require.NoError(t, err, "the router may ask again")
		_, err = a.Answer(t.Context(), &protocol.Challenge{Method: "wampcra"})
		require.ErrorContains(t, err, `"wampcra", which was not offered`)
	})
}

// Not parallel: it occupies what all key derivations of the process share.
func TestDerivationsAreBounded(t *testing.T) {
	limit := runtime.GOMAXPROCS(0)
	var running, most atomic.Int64
	entered, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	for range 3 * limit {
		go func() {
			_, err := derive(t.Context(), func() (*protocol.Authenticate, error) {
				n := running.Add(1)
				defer running.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				entered <- struct{}{}
				<-release
				return nil, nil
			})
			done <- err
		}()
	}
	for range limit {
		<-entered
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("given up"))
	_, err := derive(ctx, func() (*protocol.Authenticate, error) { return nil, errors.New("ran") })
	require.EqualError(t, err, "wait for other key derivations: given up")

	// Without salt there is nothing to derive, and nothing to wait for.
	a, err := NewAttempt(t.Context(), new(protocol.HelloDetails), nil, []Authenticator{CRA("joe", "x")})
	require.NoError(t, err)
	_, err = a.Answer(t.Context(), &protocol.Challenge{Method: "wampcra", Extra: protocol.Dict{"challenge": "{}"}})
	require.NoError(t, err)

	go func() {
		for range 2 * limit {
			<-entered
		}
	}()
	close(release)
	for range 3 * limit {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, limit, most.Load())
}

func TestMethodsDoNotPrintSecrets(t *testing.T) {
	t.Parallel()
	methods := []Authenticator{Ticket("joe", "hidden"), CRA("joe", "hidden"), SCRAM("joe", "hidden"), Cryptosign(testKey(t))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		for _, m := range methods {
			text := fmt.Sprintf(verb, m)
			require.NotContains(t, text, "hidden")
			require.NotContains(t, text, "a seed has")
			require.Contains(t, text, "[redacted]")
		}
	}
}
