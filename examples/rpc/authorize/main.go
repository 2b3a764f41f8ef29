// Command authorize shows a procedure that decides who may do what. The role demo runs it all in
// one program: a router, the procedure, and a client. The role client is for another router.
//
//	go run ./examples/rpc/authorize demo
package main

import (
	"context"
	"crypto/rand"
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

// demo runs the router and its authorizer for as long as the client takes.
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
	authorizer, err := cloverleaf.NewComponent(approver)
	if err != nil {
		return err
	}
	authorizer.Register("com.example.authorize", authorize)
	if err := authorizer.Start(ctx); err != nil {
		return err
	}
	defer authorizer.Stop(context.WithoutCancel(ctx))
	if _, err := authorizer.Ready(ctx); err != nil {
		return err
	}
	cfg.Transports = approver.Transports
	return client(ctx, cfg)
}

// newRouter returns a router with two roles: one that may register the authorizer, and one that the
// authorizer decides about.
func newRouter(realm string, ticket string) (*cloverleaf.Router, error) {
	users, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{
		"bob": {Key: auth.NewSecret("p4ssw0rd"), Role: "dynamic_authed"},
	}})
	if err != nil {
		return nil, err
	}
	const procedure = "com.example.authorize"
	return cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: realm,
		Authenticators: []router.Authenticator{
			users,
			router.Tickets{"approver": {Ticket: ticket, Role: "approver"}},
		},
		Authorization: router.AuthorizationConfig{Roles: []router.Role{
			{Name: "approver", Permissions: []router.Permission{{URI: procedure, Register: true}}},
			{Name: "dynamic_authed", Authorizer: router.DynamicAuthorizer{Procedure: procedure}},
		}},
	}}})
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

// refused returns nil if a request was refused as it should be.
func refused(what string, err error) error {
	if session.ErrorURI(err) != protocol.ErrorNotAuthorized {
		return errors.Join(fmt.Errorf("%s should have been refused", what), err)
	}
	fmt.Println(what, "was refused, as expected")
	return nil
}
