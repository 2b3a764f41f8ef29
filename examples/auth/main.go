// Command auth joins with one of the authentication methods, and prints who it is then. The
// defaults are the users of the demonstration router:
//
//	cloverleaf router --demo
//	go run ./examples/auth wampcra
//	go run ./examples/auth salted
//	go run ./examples/auth cryptosign
//	go run ./examples/auth scram
//
// The router has no tickets. With one that has:
//
//	go run ./examples/auth ticket --url wss://router.example.com/ws --realm realm1 --authid joe --secret "$TICKET"
package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	authid := flag.String("authid", "", "`NAME` to join as, instead of that of the demonstration")
	secret := flag.String("secret", "", "`SECRET`, password, ticket or private key of that user")
	as := func(user, password string, method func(authid, secret string) (session.Authenticator, error)) func(context.Context, cloverleaf.Config) error {
		return func(ctx context.Context, cfg cloverleaf.Config) error {
			if *authid != "" {
				user, password = *authid, *secret
			}
			a, err := method(user, password)
			if err != nil {
				return err
			}
			return join(ctx, cfg, a)
		}
	}
	example.MainAt("ws://127.0.0.1:8080/auth_ws", "crossbardemo", example.Roles{
		"wampcra":    as("username", "p4ssw0rd", wampCRA),
		"salted":     as("salted", "s33kr1t", wampCRA), // the router has a key that is derived from the password
		"ticket":     as("joe", "", ticket),
		"cryptosign": as("alice", "6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c", cryptosign),
		"scram":      as("carol", "p4ssw0rd", scram),
	})
}

func wampCRA(authid, secret string) (session.Authenticator, error) {
	return session.CRA(authid, secret), nil
}

// ticket is for TLS only: the secret is shown as it is. TicketFunc fetches a fresh one each time.
func ticket(authid, secret string) (session.Authenticator, error) {
	return session.Ticket(authid, secret), nil
}

// cryptosign has a private key, which belongs into a file: see auth.ReadSigningKey.
func cryptosign(authid, secret string) (session.Authenticator, error) {
	key, err := auth.ParseSigningKey(secret)
	if err != nil {
		return nil, err
	}
	method := session.Cryptosign(key)
	method.AuthID = authid
	return method, nil
}

// scram also makes the router prove that it knows the password, or what is derived from it.
func scram(authid, secret string) (session.Authenticator, error) {
	return session.SCRAM(authid, secret), nil
}

// join offers one method. A component may offer several at once, and the router picks one.
func join(ctx context.Context, cfg cloverleaf.Config, method session.Authenticator) error {
	cfg.Auth = []session.Authenticator{method}
	cfg.Main = func(_ context.Context, s *session.Session) error {
		d := s.Details()
		fmt.Printf("joined as %s, role %s, by %s\n", d.AuthID, d.AuthRole, d.AuthMethod)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp) // wrong credentials end the component: trying again is of no use
}
