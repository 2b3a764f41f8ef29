package router_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// errNoEntry stands for what a directory says to wrong names and passwords.
var errNoEntry = errors.New("invalid credentials")

// bind stands for a client of a directory, which blocks.
func bind(_ context.Context, name, password string) (group string, err error) {
	if name != "joe" || password != "s3cret" {
		return "", errNoEntry
	}
	return "staff", nil
}

// A program decides who joins, and may ask others about it.
func ExampleTicketFunc() {
	directory := router.TicketFunc(func(ctx context.Context, req router.AuthRequest, ticket string) (router.Principal, error) {
		group, err := bind(ctx, req.Details.AuthID, ticket)
		if errors.Is(err, errNoEntry) {
			return router.Principal{}, &router.RefusalError{Reason: protocol.ErrorAuthenticationDenied, Message: "wrong name or password"}
		}
		return router.Principal{AuthID: req.Details.AuthID, AuthRole: group, Provider: "ldap"}, err
	})
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", Authenticators: []router.Authenticator{directory},
	}}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	defer func() { _ = r.Close(ctx) }()
	for _, password := range []string{"s3cret", "guess"} {
		client, err := cloverleaf.NewComponent(cloverleaf.Config{
			Realm: "realm1", Transports: []cloverleaf.Transport{r.Transport()}, Auth: []session.Authenticator{session.Ticket("joe", password)},
			Main: func(_ context.Context, s *session.Session) error {
				fmt.Println("joined with the role", s.Details().AuthRole)
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
	// Output:
	// joined with the role staff
	// refused: wamp.error.authentication_denied
}
