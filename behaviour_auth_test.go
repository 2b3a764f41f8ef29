package cloverleaf_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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

// Accounts that others publish, with what is derived from them.
const (
	saltedKey = "zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ=" // of "s33kr1t", with salt "salt123", 100 iterations and 32 octets
	aliceKey  = "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"
)

// accounts is a realm with one method of authentication.
func accounts(t *testing.T, name string) router.Authenticator {
	t.Helper()
	var a router.Authenticator
	var err error
	switch name {
	case "anonymous":
		a = router.Anonymous{Role: "guest"}
	case "ticket":
		a = router.Tickets{"joe": {Ticket: "t1cket", Role: "user"}}
	case "wampcra":
		a, err = router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{
			"joe":  {Key: auth.NewSecret("p4ssw0rd"), Role: "user"},
			"salt": {Key: auth.NewSecret(saltedKey), Salting: auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32}, Role: "user"},
		}})
	case "cryptosign":
		public, parseErr := auth.ParsePublicKey(aliceKey)
		require.NoError(t, parseErr)
		a, err = router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{public: {AuthID: "joe", Role: "user"}}})
	case "argon2id", "pbkdf2":
		params := auth.SCRAMParams{KDF: auth.Argon2id13, Salt: []byte("0123456789abcdef"), Iterations: 2, Memory: 4096}
		if name == "pbkdf2" {
			params = auth.SCRAMParams{KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 4096}
		}
		var credential auth.SCRAMCredential
		credential, err = auth.NewSCRAMCredential(auth.SCRAMStandard, auth.NewSecret("p4ssw0rd"), params)
		require.NoError(t, err)
		a, err = router.NewSCRAMUsers(router.SCRAMConfig{Users: map[string]router.SCRAMUser{"joe": {Credential: credential, Role: "user"}}})
	}
	require.NoError(t, err)
	return a
}

// Components authenticate anonymously without saying so, by ticket, WAMP-CRA with and without salt, cryptosign, and SCRAM
// with either key derivation, bound to the TLS connection if they want; a router that cannot prove that it knows the SCRAM
// credential is refused.
func TestBehaviour56_Methods(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accounts string
		offer    session.Authenticator
		authid   string
		method   string
	}{
		{"anonymous", nil, "", "anonymous"},
		{"anonymous", session.Anonymous("joe"), "", "anonymous"},
		{"ticket", session.Ticket("joe", "t1cket"), "joe", "ticket"},
		{"wampcra", session.CRA("joe", "p4ssw0rd"), "joe", "wampcra"},
		{"wampcra", session.CRA("salt", "s33kr1t"), "salt", "wampcra"},
		{"cryptosign", session.Cryptosign(signingKey(t, clientSeed)), "joe", "cryptosign"},
		{"argon2id", session.SCRAM("joe", "p4ssw0rd"), "joe", "wamp-scram"},
		{"pbkdf2", session.SCRAM("joe", "p4ssw0rd"), "joe", "wamp-scram"},
	}
	for _, tt := range tests {
		t.Run(tt.accounts, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				_, tr := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{accounts(t, tt.accounts)}}}})
				cfg := cloverleaf.Config{}
				if tt.offer != nil {
					cfg.Auth = []session.Authenticator{tt.offer}
				}
				d := observe(t, cfg, tr).join().Details()
				require.Equal(t, tt.method, d.AuthMethod)
				if tt.authid != "" {
					require.Equal(t, []string{tt.authid, "user"}, []string{d.AuthID, d.AuthRole})
					return
				}
				require.NotEmpty(t, d.AuthID)
				require.Equal(t, "guest", d.AuthRole)
			})
		})
	}
	t.Run("channel binding", func(t *testing.T) {
		t.Parallel()
		cert, roots := selfSigned(t)
		for _, a := range []string{"cryptosign", "argon2id"} {
			r := startRouter(t, cloverleaf.RouterConfig{
				Realms:    []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{accounts(t, a)}}},
				Transport: transport.ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
			})
			key, scram := session.Cryptosign(signingKey(t, clientSeed)), session.SCRAM("joe", "p4ssw0rd")
			key.Binding, scram.Binding = auth.TLSExporter, auth.TLSExporter
			offer := map[string]session.Authenticator{"cryptosign": key, "argon2id": scram}[a]
			tr := cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: listenURL(t, r, "wss"), TLS: &tls.Config{RootCAs: roots}}}
			c := observe(t, cloverleaf.Config{Auth: []session.Authenticator{offer}}, tr)
			require.Equal(t, offer.Methods()[0], c.join().Details().AuthMethod)
			c.stop()
		}
	})
	t.Run("router without proof", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			_, tr := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{impostor{}}}}})
			c, j := observe(t, cloverleaf.Config{Auth: []session.Authenticator{session.SCRAM("joe", "p4ssw0rd")}}, tr), new(journal)
			listen(c.Component, j, false)
			require.NoError(t, c.Start(t.Context()))
			err := c.Wait()
			require.ErrorIs(t, err, auth.ErrUntrustedRouter)
			require.Equal(t, protocol.ErrorCannotAuthenticate, session.ErrorURI(err))
			require.Equal(t, []string{"start", "connect", "failure", "disconnect"}, j.all())
		})
	})
}

// A component may offer several methods, in its order, of which the router picks one; methods that contradict each other
// about who the component is are refused before anything is connected.
func TestBehaviour57_SeveralMethods(t *testing.T) {
	virtual(t, func(t *testing.T) {
		offer := []session.Authenticator{session.CRA("joe", "p4ssw0rd"), session.Ticket("joe", "t1cket"), session.SCRAM("joe", "p4ssw0rd")}
		_, tr := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{accounts(t, "ticket")}}}})
		require.Equal(t, "ticket", observe(t, cloverleaf.Config{Auth: offer}, tr).join().Details().AuthMethod, "the second")

		p := perform(challenges(&protocol.Challenge{Method: "ticket", Extra: protocol.Dict{}}))
		observe(t, cloverleaf.Config{Auth: offer}, p.transport()).join()
		hello := sent[*protocol.Hello](p.last())[0]
		require.Equal(t, []string{"wampcra", "ticket", "wamp-scram", "scram"}, hello.Details.AuthMethods)
		require.Equal(t, "joe", hello.Details.AuthID)
		require.Equal(t, "t1cket", sent[*protocol.Authenticate](p.last())[0].Signature)
	})
	for want, methods := range map[string][]session.Authenticator{
		`authid: both "joe" and "ann" are claimed`: {session.CRA("joe", "x"), session.Ticket("ann", "x")},
		"ticket is there twice":                    {session.Ticket("joe", "x"), session.Ticket("joe", "y")},
		"ticket: authid is missing":                {session.Ticket("", "x")},
		"wampcra: ":                                {session.CRA("joe", "")},
	} {
		_, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Auth: methods})
		require.ErrorContains(t, err, "auth: ")
		require.ErrorContains(t, err, want)
	}
}

// challenges is a router that sends a challenge for HELLO, and WELCOME for whatever comes back.
func challenges(ch *protocol.Challenge) part {
	return func(l *link, m protocol.Message) {
		switch m.(type) {
		case *protocol.Hello:
			l.send(ch)
		case *protocol.Authenticate:
			polite(l, &protocol.Hello{})
		default:
			polite(l, m)
		}
	}
}

// A router that challenges for a method that was not offered gets an ABORT and no credentials, and the attempt has failed;
// so it is when a challenge cannot be answered.
func TestBehaviour58_WrongChallenge(t *testing.T) {
	t.Parallel()
	errVault := errors.New("vault is sealed")
	tests := map[string]struct {
		challenge *protocol.Challenge
		offer     session.Authenticator
		want      error
	}{
		"not offered":  {&protocol.Challenge{Method: "wampcra", Extra: protocol.Dict{"challenge": "{}"}}, session.Ticket("joe", "x"), nil},
		"nonsense":     {&protocol.Challenge{Method: "wampcra", Extra: protocol.Dict{}}, session.CRA("joe", "x"), nil},
		"no ticket":    {&protocol.Challenge{Method: "ticket"}, session.TicketFunc("joe", func(context.Context) (string, error) { return "", errVault }), errVault},
		"panic":        {&protocol.Challenge{Method: "ticket"}, session.TicketFunc("joe", func(context.Context) (string, error) { panic(errVault) }), errVault},
		"out of order": {&protocol.Challenge{Method: "wamp-scram", Extra: protocol.Dict{"nonce": "x"}}, session.SCRAM("joe", "x"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, j := perform(challenges(tt.challenge)), new(journal)
				tr := p.transport()
				tr.MaxRetries = -1
				c := observe(t, cloverleaf.Config{Auth: []session.Authenticator{tt.offer}}, tr)
				listen(c.Component, j, false)
				require.NoError(t, c.Start(t.Context()))
				err := c.Wait()
				require.Equal(t, protocol.ErrorCannotAuthenticate, session.ErrorURI(err))
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				require.Empty(t, sent[*protocol.Authenticate](p.last()))
				abort := sent[*protocol.Abort](p.last())
				require.Len(t, abort, 1)
				require.Equal(t, protocol.ErrorCannotAuthenticate, abort[0].Reason)
				require.NotContains(t, fmt.Sprint(abort[0]), "vault", "why is nobody else's business")
				require.True(t, p.last().closed())
				require.Equal(t, []string{"start", "connect", "failure", "disconnect"}, j.all())
			})
		})
	}
}

// Credentials are fetched afresh for every attempt, so that rotating tickets work, and no two attempts have the same SCRAM
// nonce.
func TestBehaviour59_FreshCredentials(t *testing.T) {
	virtual(t, func(t *testing.T) {
		fetched := 0
		ticket := session.TicketFunc("joe", func(context.Context) (string, error) {
			fetched++
			takes(time.Second)
			return fmt.Sprint("ticket ", fetched), nil
		})
		p := perform(challenges(&protocol.Challenge{Method: "ticket"}))
		c := observe(t, cloverleaf.Config{Auth: []session.Authenticator{session.SCRAM("joe", "x"), ticket}}, p.transport())
		s := c.join()
		for range 3 {
			p.last().cut()
			s = c.next(s)
		}
		nonces := map[any]bool{}
		for i, l := range p.links {
			require.Equal(t, fmt.Sprint("ticket ", i+1), sent[*protocol.Authenticate](l)[0].Signature)
			nonces[sent[*protocol.Hello](l)[0].Details.AuthExtra["nonce"]] = true
		}
		require.Len(t, nonces, 4)
		require.NotContains(t, nonces, nil)

		// Fetching is bounded by the join timeout.
		slow := session.TicketFunc("joe", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
		tr := p.transport()
		tr.MaxRetries = -1
		c = observe(t, cloverleaf.Config{Auth: []session.Authenticator{slow}}, tr)
		start := time.Now()
		require.NoError(t, c.Start(t.Context()))
		var exhausted *supervisor.ExhaustedError
		require.ErrorAs(t, c.Wait(), &exhausted)
		require.Equal(t, 10*time.Second, time.Since(start))
		synctest.Wait()
	})
}
