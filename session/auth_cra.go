package session

import (
	"context"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// CRA returns the method "wampcra": the client proves that it knows the secret. Whether the
// account is salted is for the router to know. See auth.CRAClient for what it does not protect
// against.
func CRA(authid, secret string) CRAAuth {
	return CRAAuth{Identity: Identity{AuthID: authid}, Secret: auth.NewSecret(secret)}
}

// CRAFunc is CRA for secrets that change: fetch is called for each challenge.
func CRAFunc(authid string, fetch func(context.Context) (string, error)) CRAAuth {
	return CRAAuth{Identity: Identity{AuthID: authid}, Fetch: fetch}
}

// CRAAuth is the method "wampcra" (Advanced Profile, "Challenge Response Authentication").
type CRAAuth struct {
	Identity             // AuthID is needed
	Secret   auth.Secret // or Fetch
	// Fetch returns the secret for each challenge.
	Fetch func(context.Context) (string, error)
	// Limits bound the key derivation that the router may ask for. Zero fields mean the defaults.
	Limits auth.Limits
}

// Methods implements Authenticator.
func (CRAAuth) Methods() []string { return []string{auth.MethodCRA} }

// Validate reports what is missing.
func (c CRAAuth) Validate() error { return checkSecret(auth.MethodCRA, c.AuthID, c.Secret, c.Fetch) }

func (c CRAAuth) claims() []Identity { return []Identity{c.Identity} }

// Attempt implements Authenticator.
func (c CRAAuth) Attempt(_ context.Context, req AuthRequest) (Exchange, error) {
	return craExchange{c}, req.Claim(c.Identity)
}

type craExchange struct{ cfg CRAAuth }

func (x craExchange) Answer(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	secret, err := fetchSecret(ctx, x.cfg.Secret, x.cfg.Fetch)
	if err != nil {
		return nil, err
	}
	client := auth.CRAClient{Secret: secret, Limits: x.cfg.Limits}
	if ch.Extra["salt"] == nil { // then there is nothing to derive, nor to wait for
		return client.Answer(ch.Extra)
	}
	return derive(ctx, func() (*protocol.Authenticate, error) { return client.Answer(ch.Extra) })
}

func (craExchange) Verify(*protocol.WelcomeDetails) error { return nil }
