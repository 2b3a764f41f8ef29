package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// DynamicAuthorizer is an Authorizer that is a WAMP procedure. It is called with four
// arguments:
//
//   - details of the client, a dict: session, realm, authid, authrole, authmethod,
//     authprovider, authextra;
//   - the URI;
//   - the action: "call", "register", "publish" or "subscribe";
//   - options of the request, a dict: match of a register and subscribe, and invoke,
//     force_reregister, disclose_caller, disclose_me, acknowledge, retain and get_retained
//     if the client has set them.
//
// The result is a boolean, or a dict with allow and perhaps disclose and cache, all
// booleans with the meaning that they have in Authorization. Anything else is a failure of
// the authorizer, and so is an ERROR.
//
// Nobody can call or register the procedure, or register a pattern that matches it, because an
// Authorizer allows it: a rule has to.
type DynamicAuthorizer struct {
	// Procedure is the URI of the procedure.
	Procedure protocol.URI
	// Realm is where it is registered; "" is the client's realm.
	Realm protocol.URI
}

// Authorize calls the procedure.
func (d DynamicAuthorizer) Authorize(ctx context.Context, req AuthorizationRequest) (Authorization, error) {
	if req.Call == nil {
		return Authorization{}, errors.New("router: authorizer: procedures cannot be called here")
	}
	realm, procedure := d.procedure(req.Peer.Realm)
	args := []any{req.details(), string(req.URI), req.Action.String(), req.Options.dict(req.Action)}
	result, err := req.Call(ctx, realm, procedure, args, nil)
	if err != nil {
		return Authorization{}, fmt.Errorf("router: authorizer %s: %w", procedure, err)
	}
	a, err := parseAuthorization(result)
	if err != nil {
		return Authorization{}, fmt.Errorf("router: authorizer %s: result: %w", procedure, err)
	}
	return a, nil
}

// procedure returns where the procedure is that decides about a realm.
func (d DynamicAuthorizer) procedure(realm protocol.URI) (in, procedure protocol.URI) {
	if d.Realm != "" {
		realm = d.Realm
	}
	return realm, d.Procedure
}

// procedural is what decides by calling a procedure.
type procedural interface {
	procedure(realm protocol.URI) (in, procedure protocol.URI)
}

// Reserved returns the procedures, by their realm, that decide who may do what in a realm,
// or who joins it. Those of a realm are for NewAccess.
func Reserved(realm protocol.URI, cfg AuthorizationConfig, authenticators ...Authenticator) map[protocol.URI][]protocol.URI {
	reserved := make(map[protocol.URI][]protocol.URI)
	add := func(x any) {
		if p, ok := x.(procedural); ok {
			in, procedure := p.procedure(realm)
			reserved[in] = append(reserved[in], procedure)
		}
	}
	add(cfg.Authorizer)
	for _, r := range cfg.Roles {
		add(r.Authorizer)
	}
	for _, a := range authenticators {
		add(a)
	}
	return reserved
}

// checkAuthorizer returns what is wrong with the settings of a DynamicAuthorizer.
func checkAuthorizer(a Authorizer) error {
	p, ok := a.(procedural)
	if !ok {
		return nil
	}
	realm, procedure := p.procedure("realm")
	switch {
	case !procedure.Valid():
		return fmt.Errorf("authorizer: procedure: %q is not a valid URI", string(procedure))
	case !realm.Valid():
		return fmt.Errorf("authorizer: realm: %q is not a valid URI", string(realm))
	default:
		return nil
	}
}

func (r *AuthorizationRequest) details() map[string]any {
	p := r.Peer
	return map[string]any{
		"session": uint64(p.ID), "realm": string(p.Realm), "authid": p.AuthID, "authrole": p.AuthRole,
		"authmethod": p.AuthMethod, "authprovider": p.AuthProvider, "authextra": map[string]any(p.AuthExtra),
	}
}

// dict returns the options as they are called on the wire.
func (o AuthorizationOptions) dict(a Action) map[string]any {
	d := make(map[string]any)
	if a == ActionRegister || a == ActionSubscribe {
		d["match"] = o.Match.String()
	}
	if o.Invoke != "" {
		d["invoke"] = string(o.Invoke)
	}
	for key, set := range map[string]bool{
		"force_reregister": o.ForceReregister, "disclose_caller": o.DiscloseCaller, "disclose_me": o.DiscloseMe,
		"acknowledge": o.Acknowledge, "retain": o.Retain, "get_retained": o.GetRetained,
	} {
		if set {
			d[key] = true
		}
	}
	return d
}

// parseAuthorization reads the result of an authorizer.
func parseAuthorization(result any) (Authorization, error) {
	var a Authorization
	switch r := result.(type) {
	case bool:
		a.Allow = r
		return a, nil
	case map[string]any:
		if _, ok := r["allow"]; !ok {
			return a, errors.New("allow: is missing")
		}
		for _, key := range slices.Sorted(maps.Keys(r)) {
			to, known := map[string]*bool{"allow": &a.Allow, "disclose": &a.Disclose, "cache": &a.Cache}[key]
			if !known {
				return Authorization{}, fmt.Errorf("%q: is none of allow, disclose, cache", key)
			}
			var ok bool
			if *to, ok = r[key].(bool); !ok {
				return Authorization{}, fmt.Errorf("%s: is a %T, want a boolean", key, r[key])
			}
		}
		return a, nil
	default:
		return a, fmt.Errorf("is a %T, want a boolean or a dict", result)
	}
}
