package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Guests may call what is public, and only that.
func Example_authorization() {
	ctx := context.Background()
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1",
		Authorization: router.AuthorizationConfig{Roles: []router.Role{
			{Name: "backend", Permissions: []router.Permission{{URI: "com.", Match: protocol.MatchPrefix, Register: true}}},
			{Name: "anonymous", Permissions: []router.Permission{{URI: "com.public.", Match: protocol.MatchPrefix, Call: true}}},
		}},
	}}})
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close(ctx) }()

	backend, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "realm1", Transports: []cloverleaf.Transport{r.TransportAs(router.Principal{AuthRole: "backend"})},
	})
	if err != nil {
		panic(err)
	}
	backend.Register("com.public.hello", func() string { return "hello" })
	backend.Register("com.private.hello", func() string { return "psst" })
	guest, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "realm1", Transports: []cloverleaf.Transport{r.Transport()},
		Main: func(ctx context.Context, s *session.Session) error {
			for _, procedure := range []string{"com.public.hello", "com.private.hello"} {
				res, err := s.Call(ctx, procedure)
				if err != nil {
					fmt.Println(session.ErrorURI(err))
					continue
				}
				args, _ := res.Args()
				fmt.Println(args...)
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	if err := backend.Start(ctx); err != nil {
		panic(err)
	}
	if _, err := backend.Ready(ctx); err != nil {
		panic(err)
	}
	if err := cloverleaf.Run(ctx, guest); err != nil {
		fmt.Println(err)
	}
	if err := backend.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello
	// wamp.error.not_authorized
}

// authorizer is a procedure that denies com.foo.private and every pattern, as that of Crossbar.io's demo does.
func authorizer(details map[string]any, uri, action string, options map[string]any) (any, error) {
	switch {
	case details["authid"] != "bob" || details["authrole"] != "dynamic" || details["realm"] != "realm1":
		return nil, fmt.Errorf("who is %v?", details)
	case details["session"] == nil || details["authmethod"] != "ticket" || details["authprovider"] != "static":
		return nil, fmt.Errorf("what is %v?", details)
	case uri == "com.foo.private":
		return false, nil
	case uri == "com.foo.broken":
		return map[string]any{"allow": true, "validate": true}, nil
	case uri == "com.foo.open":
		return map[string]any{"allow": true, "disclose": true, "cache": true}, nil
	}
	match, there := options["match"]
	if there != (action == "register" || action == "subscribe") {
		return nil, errors.New("match belongs to patterns")
	}
	return !there || match == "exact", nil
}

// dynamicSite is a router whose role "dynamic" a procedure decides about, which is in a realm of its own if so asked.
func dynamicSite(t *testing.T, guards string) (client *session.Session, approver *observed) {
	t.Helper()
	in := guards
	if in == "" {
		in = "realm1"
	}
	everything := router.Permission{Match: protocol.MatchPrefix, Call: true, Register: true, Publish: true, Subscribe: true}
	roles := []router.Role{
		{Name: "approver", Permissions: []router.Permission{{URI: "com.example.authorize", Register: true}}},
		{Name: "backend", Permissions: []router.Permission{everything}},
		{Name: "dynamic", Authorizer: router.DynamicAuthorizer{Procedure: "com.example.authorize", Realm: protocol.URI(guards)}},
	}
	cfg := cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", Authorization: router.AuthorizationConfig{Roles: roles},
		Authenticators: []router.Authenticator{router.Tickets{"bob": {Ticket: "t1cket", Role: "dynamic"}}},
	}}}
	if guards != "" {
		cfg.Realms = append(cfg.Realms, cloverleaf.RealmConfig{
			Name: guards, Authorization: router.AuthorizationConfig{Roles: roles[:1]},
		})
	}
	r := startRouter(t, cfg)
	approver = observe(t, cloverleaf.Config{Name: "approver", Realm: in}, r.TransportAs(router.Principal{AuthRole: "approver"}))
	approver.Register("com.example.authorize", authorizer)
	backend := observe(t, cloverleaf.Config{Name: "backend"}, r.TransportAs(router.Principal{AuthRole: "backend"}))
	backend.Register("com.foo.open", func(inv *session.Invocation) string { return inv.Details.CallerAuthID })
	backend.Register("com.foo.add", func(inv *session.Invocation) string { return inv.Details.CallerAuthID })
	backend.join()
	return observe(t, cloverleaf.Config{Name: "bob", Auth: []session.Authenticator{session.Ticket("bob", "t1cket")}},
		cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: listenURL(t, r, "ws")}}).join(), approver
}

func TestDynamicAuthorizer(t *testing.T) {
	t.Parallel()
	for _, guards := range []string{"", "guards"} {
		t.Run("in realm "+guards, func(t *testing.T) {
			t.Parallel()
			s, approver := dynamicSite(t, guards)
			ctx := t.Context()
			call := func(procedure string) (string, protocol.URI) {
				res, err := s.Call(ctx, procedure)
				if err != nil {
					return "", session.ErrorURI(err)
				}
				args, err := res.Args()
				require.NoError(t, err)
				return args[0].(string), ""
			}
			subscribe := func(topic string, opts ...session.SubscribeOption) protocol.URI {
				_, err := s.Subscribe(ctx, topic, func() {}, opts...)
				return session.ErrorURI(err)
			}
			register := func(procedure string, opts ...session.RegisterOption) protocol.URI {
				_, err := s.Register(ctx, procedure, func() {}, opts...)
				return session.ErrorURI(err)
			}
			publish := func(topic string, opts ...session.PublishOption) protocol.URI {
				_, err := s.Publish(ctx, topic, opts...)
				return session.ErrorURI(err)
			}
			_, failure := call("com.foo.add")
			require.Equal(t, protocol.ErrorAuthorizationFailed, failure, "there is no authorizer yet")
			approver.join()

			for procedure, want := range map[string][2]string{
				"com.foo.add":     {"", ""},
				"com.foo.open":    {"bob", ""},
				"com.foo.private": {"", "wamp.error.not_authorized"},
				"com.foo.broken":  {"", "wamp.error.authorization_failed"},
				"com.foo.nothing": {"", "wamp.error.no_such_procedure"},
			} {
				result, failure := call(procedure)
				require.Equal(t, want, [2]string{result, string(failure)}, procedure)
			}
			require.Empty(t, subscribe("com.foo.t"))
			require.Equal(t, protocol.ErrorNotAuthorized, subscribe("com.foo.t", session.Prefix()))
			require.Equal(t, protocol.ErrorNotAuthorized, subscribe("com..t", session.Wildcard()))
			require.Equal(t, protocol.ErrorNotAuthorized, subscribe("com.foo.private"))
			require.Empty(t, register("com.foo.mine"))
			require.Equal(t, protocol.ErrorNotAuthorized, register("com.foo", session.Prefix()))
			require.Empty(t, publish("com.foo.t", session.Acknowledge()))
			require.Equal(t, protocol.ErrorNotAuthorized, publish("com.foo.private", session.Acknowledge()))
			require.Empty(t, publish("com.foo.private"), "nobody hears of it without acknowledge")
			if guards == "" {
				require.Equal(t, protocol.ErrorNotAuthorized, register("com.example.authorize", session.ForceReregister()))
			}

			approver.stop()
			_, failure = call("com.foo.add")
			require.Equal(t, protocol.ErrorAuthorizationFailed, failure)
			result, _ := call("com.foo.open")
			require.Equal(t, "bob", result, "this decision was to be used again")
			if guards == "" {
				require.Equal(t, protocol.ErrorNotAuthorized, register("com.example.authorize"), "not even while nobody is there")
			}
		})
	}
}

func TestAuthorizationOfRealms(t *testing.T) {
	t.Parallel()
	_, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", Authorization: router.AuthorizationConfig{Roles: []router.Role{{}}},
	}}})
	require.ErrorContains(t, err, `cloverleaf: actors: router: realms: "realm1": authorization: roles[0]: name: is empty`)

	r := startRouter(t, cloverleaf.RouterConfig{})
	require.ErrorContains(t, r.SetAuthorization("nowhere", router.AuthorizationConfig{}), `no realm "nowhere"`)
	s := observe(t, cloverleaf.Config{}, r.Transport()).join()
	require.NoError(t, r.SetAuthorization("realm1", router.AuthorizationConfig{
		Roles: []router.Role{{Name: "anonymous", Permissions: []router.Permission{{URI: "com.a", Subscribe: true}}}},
	}))
	require.Eventually(t, func() bool {
		_, err := s.Call(t.Context(), "com.a")
		return session.ErrorURI(err) == protocol.ErrorNotAuthorized
	}, patience, patience/1e4)
	_, err = s.Subscribe(t.Context(), "com.a", func() {})
	require.NoError(t, err)
}
