package cloverleaf_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// A procedure decides who joins. The component that has it needs no credentials, because the
// program vouches for it.
func Example_dynamicAuthentication() {
	ctx := context.Background()
	tickets, err := router.NewDynamicAuthenticator(router.DynamicConfig{
		Method: "ticket", Procedure: "com.example.authenticate", Realm: "auth",
	})
	if err != nil {
		panic(err)
	}
	nobody := router.Tickets{} // no way in but Router.TransportAs
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{
		{Name: "realm1", Authenticators: []router.Authenticator{tickets}},
		{Name: "auth", Authenticators: []router.Authenticator{nobody}},
	}})
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close(ctx) }()

	type request struct {
		Ticket string `json:"ticket"`
	}
	authenticator, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "auth",
		Transports: []cloverleaf.Transport{r.TransportAs(router.Principal{AuthRole: "authenticator"})},
	})
	if err != nil {
		panic(err)
	}
	authenticator.Register("com.example.authenticate", func(realm, authid string, req request) (map[string]any, error) {
		if authid != "joe" || req.Ticket != "s3cret" {
			return nil, session.NewError(protocol.ErrorAuthenticationDenied, "wrong name or ticket")
		}
		return map[string]any{"role": "user", "extra": map[string]any{"home": realm}}, nil
	})
	if err := authenticator.Start(ctx); err != nil {
		panic(err)
	}
	if _, err := authenticator.Ready(ctx); err != nil {
		panic(err)
	}

	for _, ticket := range []string{"s3cret", "guess"} {
		client, err := cloverleaf.NewComponent(cloverleaf.Config{
			Realm: "realm1", Transports: []cloverleaf.Transport{r.Transport()}, Auth: []session.Authenticator{session.Ticket("joe", ticket)},
			Main: func(_ context.Context, s *session.Session) error {
				d := s.Details()
				fmt.Println(d.AuthID, "joined as", d.AuthRole, "by", d.AuthProvider, "ticket, home", d.AuthExtra["home"])
				return nil
			},
		})
		if err != nil {
			panic(err)
		}
		if err := cloverleaf.Run(ctx, client); err != nil {
			fmt.Println("refused:", session.ErrorURI(err))
		}
	}
	_ = authenticator.Stop(ctx)
	// Output:
	// joe joined as user by dynamic ticket, home realm1
	// refused: wamp.error.authentication_denied
}

// An authenticator learns which certificate a client has shown.
func TestAuthenticatorSeesTLS(t *testing.T) {
	t.Parallel()
	cert, roots := selfSigned(t)
	seen := make(chan router.TransportInfo, 10)
	cfg := cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{
		router.TicketFunc(func(_ context.Context, req router.AuthRequest, _ string) (router.Principal, error) {
			seen <- req.Transport()
			return router.Principal{AuthRole: "user"}, nil
		}),
	}}}}
	cfg.Transport.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	l, err := startRouter(t, cfg).Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	sum := sha256.Sum256(cert.Leaf.Raw)
	for scheme, shown := range map[string]bool{"wss": true, "rss": false} {
		client := &tls.Config{RootCAs: roots}
		if shown {
			client.Certificates = []tls.Certificate{cert}
		}
		url := scheme + "://" + l.Addr().String()
		if scheme == "wss" {
			url += "/ws"
		}
		c := newComponent(t, cloverleaf.Config{
			Transports: []cloverleaf.Transport{{ClientConfig: transport.ClientConfig{URL: url, TLS: client}}},
			Auth:       []session.Authenticator{session.Ticket("joe", "t")},
			Main:       func(context.Context, *session.Session) error { return nil },
		})
		require.NoError(t, cloverleaf.Run(t.Context(), c))
		info := <-seen
		require.True(t, info.Secure)
		if shown {
			require.Equal(t, hex.EncodeToString(sum[:]), info.ClientCert)
			require.Equal(t, "/ws", info.Path)
			require.NotEmpty(t, info.Header["user-agent"])
			continue
		}
		require.Empty(t, info.ClientCert)
	}
}
