// Command authorize shows procedures that decide who may join, and who may do what. The role demo
// runs it all in one program: a router, the procedures, and clients. The role client is for another
// router.
//
//	go run ./examples/rpc/authorize demo
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.MainAt("ws://127.0.0.1:8080/auth_ws", "crossbardemo", example.Roles{"demo": demo, "client": client})
}

const (
	authorizer    = "com.example.authorize"
	authenticator = "com.example.scram_auth"
)

// demo runs the router and the component that decides for it, for as long as the clients take.
func demo(ctx context.Context, cfg cloverleaf.Config) error {
	ticket := rand.Text()
	r, err := newRouter(cfg.Realm, ticket)
	if err != nil {
		return err
	}
	defer r.Close(context.WithoutCancel(ctx))

	approver := cfg
	approver.Name = "approver"
	approver.Transports = []cloverleaf.Transport{r.Transport()} // in this process, without a socket
	approver.Auth = []session.Authenticator{session.Ticket("approver", ticket)}
	users, err := newUsers()
	if err != nil {
		return err
	}
	comp, err := cloverleaf.NewComponent(approver)
	if err != nil {
		return err
	}
	comp.Register(authorizer, authorize)
	comp.Register(authenticator, users.authenticate)
	if err := comp.Start(ctx); err != nil {
		return err
	}
	defer comp.Stop(context.WithoutCancel(ctx))
	if _, err := comp.Ready(ctx); err != nil {
		return err
	}
	cfg.Transports = approver.Transports
	return errors.Join(client(ctx, cfg), carol(ctx, cfg))
}

// newRouter returns a router with two roles: one that may register the procedures, and one that the
// authorizer decides about. Who authenticates by SCRAM is for the authenticator to know.
func newRouter(realm string, ticket string) (*cloverleaf.Router, error) {
	cra, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{
		"bob": {Key: auth.NewSecret("p4ssw0rd"), Role: "dynamic_authed"},
	}})
	if err != nil {
		return nil, err
	}
	scram, err := router.NewDynamicAuthenticator(router.DynamicConfig{Method: auth.MethodSCRAM, Procedure: authenticator})
	if err != nil {
		return nil, err
	}
	return cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name:           realm,
		Authenticators: []router.Authenticator{cra, scram, router.Tickets{"approver": {Ticket: ticket, Role: "approver"}}},
		Authorization: router.AuthorizationConfig{Roles: []router.Role{
			{Name: "approver", Permissions: []router.Permission{{URI: authorizer, Register: true}, {URI: authenticator, Register: true}}},
			{Name: "dynamic_authed", Authorizer: router.DynamicAuthorizer{Procedure: authorizer}},
		}},
	}}})
}

// users are the clients that the authenticator knows, with what is derived from their passwords.
type users map[string]auth.SCRAMCredential

func newUsers() (users, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	carol, err := auth.NewSCRAMCredential(auth.SCRAMStandard, auth.NewSecret("p4ssw0rd"),
		auth.SCRAMParams{KDF: auth.Argon2id13, Salt: salt, Iterations: 3, Memory: 65536})
	return users{"carol": carol}, err
}

// authenticate tells the router what it needs to know of a client: its role, and how to check that it
// has the password. Nil says that there is no such client.
func (u users) authenticate(realm, authid string, details map[string]any) map[string]any {
	user, known := u[authid]
	fmt.Printf("authenticate: %s wants to join %s by %v: %t\n", authid, realm, details["authmethod"], known)
	if !known {
		return nil
	}
	return map[string]any{
		"role":       "dynamic_authed",
		"kdf":        user.Params.KDF,
		"iterations": user.Params.Iterations,
		"memory":     user.Params.Memory,
		"salt":       hex.EncodeToString(user.Params.Salt),
		"stored-key": hex.EncodeToString([]byte(user.StoredKey.Reveal())),
		"server-key": hex.EncodeToString([]byte(user.ServerKey.Reveal())),
	}
}

// requestOptions are some of the options of the request that is to be decided about.
type requestOptions struct {
	Match string `json:"match"`
}

// authorize allows everything but com.foo.private and patterns. details are those of the client:
// session, authid, authrole and so on.
func authorize(details map[string]any, uri, action string, options requestOptions) bool {
	allow := uri != "com.foo.private" && (options.Match == "" || options.Match == "exact")
	fmt.Printf("authorize: %v wants to %s %s %s: %t\n", details["authid"], action, options.Match, uri, allow)
	return allow
}

// client does what it may, and is refused the rest.
func client(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Auth = []session.Authenticator{session.CRA("bob", "p4ssw0rd")}
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		if _, err := s.Register(ctx, "example.foo", func() {}, session.Invoke(protocol.InvokeRoundRobin)); err != nil {
			return err
		}
		fmt.Println("registered example.foo")
		_, err := s.Register(ctx, "com.foo.private", func() {})
		if err := refused("com.foo.private", err); err != nil {
			return err
		}
		_, err = s.Register(ctx, "prefix.fail.", func() {}, session.Prefix())
		if err := refused("the prefix prefix.fail.", err); err != nil {
			return err
		}
		_, err = s.Subscribe(ctx, "example.", func() {}, session.Prefix())
		return refused("the prefix example.", err)
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// carol joins with her password.
func carol(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Auth = []session.Authenticator{session.SCRAM("carol", "p4ssw0rd")}
	cfg.Main = func(_ context.Context, s *session.Session) error {
		d := s.Details()
		fmt.Printf("joined as %s, role %s, by %s\n", d.AuthID, d.AuthRole, d.AuthMethod)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// refused returns nil if a request was refused as it should be.
func refused(what string, err error) error {
	if session.ErrorURI(err) != protocol.ErrorNotAuthorized {
		return errors.Join(fmt.Errorf("%s should have been refused", what), err)
	}
	fmt.Println(what, "was refused, as expected")
	return nil
}
