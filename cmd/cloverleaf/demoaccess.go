package main

import (
	"fmt"
	"log/slog"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// Roles of the demonstration.
const (
	roleAnonymous     = "anonymous"
	roleAuthenticated = "authenticated"
	roleDynamic       = "dynamic_authed"
	roleApprover      = "approver"
)

const (
	// demoAuthorizer is the procedure that decides what the role dynamic_authed may do.
	demoAuthorizer protocol.URI = "com.example.authorize"
	// demoAuthenticator is the procedure that knows the clients that authenticate by SCRAM.
	demoAuthenticator protocol.URI = "com.example.scram_auth"
	// demoSecret is what nobody of that role may touch.
	demoSecret = "com.foo.private"
)

// demoAccess says who may do what in the demonstration's realm.
func demoAccess() router.AuthorizationConfig {
	everything := []router.Permission{
		{Match: protocol.MatchPrefix, Call: true, Register: true, Publish: true, Subscribe: true},
		// Else everybody could take the place of those who decide, with force_reregister.
		{URI: demoAuthorizer, Call: true, Publish: true, Subscribe: true},
		{URI: demoAuthenticator, Call: true, Publish: true, Subscribe: true},
	}
	return router.AuthorizationConfig{Roles: []router.Role{
		{Name: roleAnonymous, Permissions: everything},
		{Name: roleAuthenticated, Permissions: everything},
		{Name: roleApprover, Permissions: []router.Permission{
			{URI: demoAuthorizer, Register: true}, {URI: demoAuthenticator, Register: true},
		}},
		{Name: roleDynamic, Authorizer: router.DynamicAuthorizer{Procedure: demoAuthorizer}},
	}}
}

// newDemoApprover returns the component that decides for the router.
func newDemoApprover(r *cloverleaf.Router, logger *slog.Logger) (*cloverleaf.Component, error) {
	c, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: roleApprover, Realm: demoRealm, Logger: logger,
		Transports: []cloverleaf.Transport{r.TransportAs(router.Principal{AuthID: roleApprover, AuthRole: roleApprover})},
	})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	c.Register(string(demoAuthorizer), demoAuthorize)
	c.Register(string(demoAuthenticator), demoAuthenticate)
	return c, nil
}

// demoAuthorize allows everything but one procedure and patterns.
func demoAuthorize(_ map[string]any, uri, _ string, options map[string]any) bool {
	match, ok := options["match"]
	return uri != demoSecret && (!ok || match == protocol.MatchExact.String())
}

// demoAuthenticate tells the router what it needs to know of the only client there is.
func demoAuthenticate(_, authid string, _ map[string]any) any {
	if authid != "carol" {
		return nil // nobody is to learn who exists
	}
	return carol()
}
