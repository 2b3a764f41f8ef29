package main

import (
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// demoUser is a client of the demonstration and what it needs to authenticate, which is public.
type demoUser struct {
	Method, AuthID, Role string
	Secret               string
	Flag                 string // of the command line, for Secret
}

func demoUsers() []demoUser {
	return []demoUser{
		{auth.MethodCRA, "username", roleAuthenticated, "p4ssw0rd", "--secret"},
		{auth.MethodCRA, "bob", roleDynamic, "p4ssw0rd", "--secret"},
		{auth.MethodCRA, "salted", roleAuthenticated, "s33kr1t", "--secret"},
		{auth.MethodSCRAMAutobahn, "carol", roleAuthenticated, "p4ssw0rd", "--password"},
		{auth.MethodCryptosign, "alice", roleAuthenticated, "6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c", "--private-key"},
	}
}

// demoAuthenticators returns the methods of the demonstration's realm.
func demoAuthenticators() ([]router.Authenticator, error) {
	cra, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{
		"username": {Role: roleAuthenticated, Key: auth.NewSecret("p4ssw0rd")},
		"bob":      {Role: roleDynamic, Key: auth.NewSecret("p4ssw0rd")},
		"salted": {
			Role: roleAuthenticated, Key: auth.NewSecret("zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ="),
			Salting: auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32},
		},
	}})
	if err != nil {
		return nil, err
	}
	scram, err := router.NewDynamicAuthenticator(router.DynamicConfig{Method: auth.MethodSCRAMAutobahn, Procedure: demoAuthenticator})
	if err != nil {
		return nil, err
	}
	alice, err := auth.ParsePublicKey("020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66")
	if err != nil {
		return nil, fmt.Errorf("alice: %w", err)
	}
	cryptosign, err := router.NewCryptosignUsers(router.CryptosignConfig{
		Users: map[auth.PublicKey]router.CryptosignUser{alice: {AuthID: "alice", Role: roleAuthenticated}},
	})
	if err != nil {
		return nil, err
	}
	return []router.Authenticator{cra, scram, cryptosign, router.Anonymous{Role: roleAnonymous}}, nil
}

// carol is what the router is told of carol, who has the password p4ssw0rd.
func carol() map[string]any {
	return map[string]any{
		"role": roleAuthenticated, "kdf": "argon2id-13", "iterations": 4096, "memory": 512,
		"salt":       "accaa46d16de59a12db736c8ed2cc90c",
		"stored-key": "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485",
		"server-key": "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c",
	}
}
