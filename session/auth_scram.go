package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// SCRAM returns the methods "wamp-scram" and "scram", the one of the specification and the one of
// Autobahn and Crossbar.io: client and router prove to each other that they know the password, or
// what is derived from it. To offer only one of them, set Dialects.
func SCRAM(authid, password string) SCRAMAuth {
	return SCRAMAuth{Identity: Identity{AuthID: authid}, Password: auth.NewSecret(password)}
}

// SCRAMAuth is the methods "wamp-scram" (Advanced Profile, "Salted Challenge Response
// Authentication Mechanism") and "scram". Deriving the keys takes a second or more if the router
// wants it so; ComponentConfig.JoinTimeout and the router's own deadline must allow for that.
type SCRAMAuth struct {
	Identity // AuthID is needed
	Password auth.Secret
	// Dialects are the methods to offer, the preferred one first. None means both, auth.SCRAMStandard
	// first; with a Binding, only that one.
	Dialects []auth.SCRAMDialect
	// Binding binds the authentication to the TLS connection; it fails if that cannot be done.
	Binding auth.BindingType
	// Limits bound the key derivation that the router may ask for. Zero fields mean the defaults.
	Limits auth.Limits
}

func (s SCRAMAuth) dialects() []auth.SCRAMDialect {
	switch {
	case len(s.Dialects) > 0:
		return s.Dialects
	case s.Binding != auth.NoBinding:
		return []auth.SCRAMDialect{auth.SCRAMStandard}
	default:
		return []auth.SCRAMDialect{auth.SCRAMStandard, auth.SCRAMAutobahn}
	}
}

// Methods implements Authenticator.
func (s SCRAMAuth) Methods() []string {
	var names []string
	for _, d := range s.dialects() {
		names = append(names, d.Method())
	}
	return names
}

// Validate reports what is missing or wrong.
func (s SCRAMAuth) Validate() error {
	errs := []error{checkSecret("scram", s.AuthID, s.Password, nil), checkBinding("scram", s.Binding, auth.TLSServerEndPoint)}
	for _, d := range s.dialects() {
		if s.Binding != auth.NoBinding && d == auth.SCRAMAutobahn {
			errs = append(errs, fmt.Errorf("%s: this dialect has no channel binding", d))
		}
		if s.AuthID == "" || s.Password.Empty() {
			continue // said above
		}
		// Nobody sees this nonce: it keeps the client from drawing one.
		if _, err := auth.NewSCRAMClient(nil, auth.SCRAMConfig{Dialect: d, AuthID: s.AuthID, Password: s.Password, Nonce: "nonce"}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkBinding accepts the types that all methods know, and the ones given.
func checkBinding(method string, t auth.BindingType, more ...auth.BindingType) error {
	if known := append(more, auth.NoBinding, auth.TLSUnique, auth.TLSExporter); !slices.Contains(known, t) {
		return fmt.Errorf("%s: there is no channel binding of type %q", method, string(t))
	}
	return nil
}

func (s SCRAMAuth) claims() []Identity {
	extra := protocol.Dict{"nonce": drawn{"nonce"}}
	if slices.Contains(s.dialects(), auth.SCRAMStandard) {
		extra["channel_binding"] = bindingClaim(s.Binding)
	}
	return []Identity{s.Identity, {AuthExtra: extra}}
}

// bindingClaim returns what a method says in authextra, also when it says that it wants none: the
// router applies it to whatever method it picks.
func bindingClaim(t auth.BindingType) any {
	if t == auth.NoBinding {
		return nil
	}
	return string(t)
}

// Attempt implements Authenticator.
func (s SCRAMAuth) Attempt(_ context.Context, req AuthRequest) (Exchange, error) {
	binding, err := req.binding(s.Binding)
	if err != nil {
		return nil, err
	}
	if err := req.Claim(s.Identity); err != nil {
		return nil, err
	}
	if req.nonce == nil {
		req.nonce = new(string)
	}
	x := &scramExchange{clients: make(map[string]*auth.SCRAMClient)}
	for _, d := range s.dialects() {
		client, err := auth.NewSCRAMClient(rand.Reader, auth.SCRAMConfig{
			Dialect: d, AuthID: s.AuthID, Password: s.Password, Binding: binding, Limits: s.Limits, Nonce: *req.nonce,
		})
		if err != nil {
			return nil, err
		}
		extra := client.HelloExtra()
		*req.nonce, _ = extra["nonce"].(string)
		if err := req.Claim(Identity{AuthExtra: extra}); err != nil {
			return nil, err
		}
		x.clients[d.Method()] = client
	}
	return x, nil
}

// scramExchange is one attempt with one nonce, in all dialects.
type scramExchange struct {
	clients map[string]*auth.SCRAMClient // by method
	used    *auth.SCRAMClient
}

func (x *scramExchange) Answer(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	client := x.clients[ch.Method]
	x.used = client
	return derive(ctx, func() (*protocol.Authenticate, error) { return client.Answer(ch.Extra) })
}

func (x *scramExchange) Verify(welcome *protocol.WelcomeDetails) error {
	if x.used != nil {
		return x.used.Verify(welcome)
	}
	return fmt.Errorf("scram: the router welcomes without having asked for a proof: %w", auth.ErrUntrustedRouter)
}

// derivations has room for the key derivations that may run at the same time. Each keeps a
// processor busy, and Argon2 may take auth.Limits.MaxMemory: a thousand sessions that join at once
// must not do that at once.
var derivations = make(chan struct{}, runtime.GOMAXPROCS(0)) //nolint:gochecknoglobals // it is the process that has processors and memory

// derive runs a function that derives keys, when there is room for it.
func derive(ctx context.Context, f func() (*protocol.Authenticate, error)) (*protocol.Authenticate, error) {
	select {
	case derivations <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other key derivations: %w", context.Cause(ctx))
	}
	defer func() { <-derivations }()
	return f()
}
