package router

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// askedFor is what a procedure was called with.
type askedFor struct {
	realm, procedure protocol.URI
	args             []any
}

// answering returns a CallFunc that notes what it is called with.
func answering(to *askedFor, result any, err error) CallFunc {
	return func(_ context.Context, realm, procedure protocol.URI, args []any, kwargs map[string]any) (any, error) {
		*to = askedFor{realm: realm, procedure: procedure, args: args}
		if kwargs != nil {
			return nil, errors.New("there are no keyword arguments")
		}
		return result, err
	}
}

func TestDynamicAuthorizerAsksItsProcedure(t *testing.T) {
	t.Parallel()
	peer := &Peer{
		ID: 7, Realm: "realm1", AuthID: "joe", AuthRole: "user", AuthMethod: "ticket", AuthProvider: "static",
		AuthExtra: protocol.Dict{"x": 1},
	}
	details := map[string]any{
		"session": uint64(7), "realm": "realm1", "authid": "joe", "authrole": "user", "authmethod": "ticket",
		"authprovider": "static", "authextra": map[string]any{"x": 1},
	}
	for _, tt := range []struct {
		action  Action
		options AuthorizationOptions
		want    map[string]any
	}{
		{ActionCall, AuthorizationOptions{}, map[string]any{}},
		{ActionCall, AuthorizationOptions{DiscloseMe: true}, map[string]any{"disclose_me": true}},
		{ActionPublish, AuthorizationOptions{Acknowledge: true, Retain: true}, map[string]any{"acknowledge": true, "retain": true}},
		{ActionSubscribe, AuthorizationOptions{}, map[string]any{"match": "exact"}},
		{ActionSubscribe, AuthorizationOptions{Match: protocol.MatchPrefix, GetRetained: true}, map[string]any{"match": "prefix", "get_retained": true}},
		{
			ActionRegister,
			AuthorizationOptions{Match: protocol.MatchWildcard, Invoke: protocol.InvokeLast, ForceReregister: true, DiscloseCaller: true},
			map[string]any{"match": "wildcard", "invoke": "last", "force_reregister": true, "disclose_caller": true},
		},
	} {
		var asked askedFor
		req := AuthorizationRequest{Peer: peer, Action: tt.action, URI: "com.a", Options: tt.options, Call: answering(&asked, true, nil)}
		a, err := DynamicAuthorizer{Procedure: "com.auth"}.Authorize(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, Authorization{Allow: true}, a)
		require.Equal(t, askedFor{"realm1", "com.auth", []any{details, "com.a", tt.action.String(), tt.want}}, asked)
	}
	var asked askedFor
	req := AuthorizationRequest{Peer: peer, Call: answering(&asked, true, nil)}
	_, err := DynamicAuthorizer{Procedure: "com.auth", Realm: "guards"}.Authorize(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, protocol.URI("guards"), asked.realm)
}

func TestResultsOfDynamicAuthorizers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		result any
		want   Authorization
		err    string
	}{
		{result: true, want: Authorization{Allow: true}},
		{result: false},
		{result: map[string]any{"allow": true, "cache": true}, want: Authorization{Allow: true, Cache: true}},
		{result: map[string]any{"allow": true, "disclose": true}, want: Authorization{Allow: true, Disclose: true}},
		{result: map[string]any{"allow": false, "cache": false, "disclose": false}},
		{result: nil, err: "is a <nil>, want a boolean or a dict"},
		{result: "true", err: "is a string, want a boolean or a dict"},
		{result: []any{true}, err: "is a []interface {}, want a boolean or a dict"},
		{result: map[string]any{}, err: "allow: is missing"},
		{result: map[string]any{"cache": true}, err: "allow: is missing"},
		{result: map[string]any{"allow": int64(1)}, err: "allow: is a int64, want a boolean"},
		{result: map[string]any{"allow": true, "cache": "yes"}, err: "cache: is a string, want a boolean"},
		{result: map[string]any{"allow": true, "validate": true}, err: `"validate": is none of allow, disclose, cache`},
	} {
		var asked askedFor
		req := AuthorizationRequest{Peer: &Peer{Realm: "realm1"}, Call: answering(&asked, tt.result, nil)}
		a, err := DynamicAuthorizer{Procedure: "com.auth"}.Authorize(t.Context(), req)
		require.Equal(t, tt.want, a, "%v", tt.result)
		if tt.err == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, "router: authorizer com.auth: result: "+tt.err)
	}

	failure := &CallError{URI: protocol.ErrorNoSuchProcedure}
	var asked askedFor
	_, err := DynamicAuthorizer{Procedure: "com.auth"}.Authorize(t.Context(),
		AuthorizationRequest{Peer: &Peer{}, Call: answering(&asked, true, failure)})
	require.ErrorIs(t, err, failure)
	_, err = DynamicAuthorizer{Procedure: "com.auth"}.Authorize(t.Context(), AuthorizationRequest{Peer: &Peer{}})
	require.Error(t, err)
}

func TestProceduresThatDecideAreReserved(t *testing.T) {
	t.Parallel()
	cfg := AuthorizationConfig{
		Authorizer: &DynamicAuthorizer{Procedure: "com.general"},
		Roles: []Role{
			{Name: "a", Authorizer: DynamicAuthorizer{Procedure: "com.auth", Realm: "guards"}},
			{Name: "b", Authorizer: neverAsked},
			{Name: "c"},
		},
	}
	require.Equal(t, map[protocol.URI][]protocol.URI{"realm1": {"com.general"}, "guards": {"com.auth"}},
		Reserved("realm1", cfg, Anonymous{}))
}

func TestDynamicAuthorizersAreChecked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]AuthorizationConfig{
		`authorizer: procedure: "" is not a valid URI`:                 {Authorizer: DynamicAuthorizer{}},
		`roles: "a": authorizer: procedure: "a..b" is not a valid URI`: {Roles: []Role{{Name: "a", Authorizer: &DynamicAuthorizer{Procedure: "a..b"}}}},
		`roles: "a": authorizer: realm: "no realm" is not a valid URI`: {Roles: []Role{{Name: "a", Authorizer: DynamicAuthorizer{Procedure: "b", Realm: "no realm"}}}},
	} {
		_, err := NewAccess(cfg)
		require.EqualError(t, err, want)
	}
}
