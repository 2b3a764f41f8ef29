package session

import (
	"context"
	"errors"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Anonymous returns the method "anonymous": no credentials. authid is what the client would like
// to be called, "" leaves that to the router.
func Anonymous(authid string) AnonymousAuth {
	return AnonymousAuth{Identity: Identity{AuthID: authid}}
}

// AnonymousAuth is the method "anonymous": the identity is a wish.
type AnonymousAuth struct{ Identity }

// Methods implements Authenticator.
func (AnonymousAuth) Methods() []string { return []string{auth.MethodAnonymous} }

func (a AnonymousAuth) claims() []Identity { return []Identity{a.Identity} }

// Attempt implements Authenticator.
func (a AnonymousAuth) Attempt(_ context.Context, req AuthRequest) (Exchange, error) {
	return anonymousExchange{}, req.Claim(a.Identity)
}

type anonymousExchange struct{}

func (anonymousExchange) Answer(context.Context, *protocol.Challenge) (*protocol.Authenticate, error) {
	return nil, errors.New("anonymous: there is nothing to answer a challenge with")
}

func (anonymousExchange) Verify(*protocol.WelcomeDetails) error { return nil }

// Ticket returns the method "ticket": a secret that the client shows to the router as it is, so
// use it with TLS only.
func Ticket(authid, ticket string) TicketAuth {
	return TicketAuth{Identity: Identity{AuthID: authid}, Ticket: auth.NewSecret(ticket)}
}

// TicketFunc is Ticket for secrets that change: fetch is called for each challenge.
func TicketFunc(authid string, fetch func(context.Context) (string, error)) TicketAuth {
	return TicketAuth{Identity: Identity{AuthID: authid}, Fetch: fetch}
}

// TicketAuth is the method "ticket" (Advanced Profile, "Ticket-based Authentication").
type TicketAuth struct {
	Identity             // AuthID is needed
	Ticket   auth.Secret // or Fetch
	// Fetch returns the ticket for each challenge.
	Fetch func(context.Context) (string, error)
}

// Methods implements Authenticator.
func (TicketAuth) Methods() []string { return []string{auth.MethodTicket} }

// Validate reports what is missing.
func (t TicketAuth) Validate() error {
	return checkSecret(auth.MethodTicket, t.AuthID, t.Ticket, t.Fetch)
}

// checkSecret checks that there is an authid, and either a secret or a function for it.
func checkSecret(method, authid string, secret auth.Secret, fetch func(context.Context) (string, error)) error {
	var errs []error
	if authid == "" {
		errs = append(errs, errors.New(method+": authid is missing"))
	}
	switch {
	case secret.Empty() && fetch == nil:
		errs = append(errs, errors.New(method+": the secret is missing"))
	case !secret.Empty() && fetch != nil:
		errs = append(errs, errors.New(method+": there are both a secret and a function to fetch it"))
	}
	return errors.Join(errs...)
}

// fetchSecret returns the secret for one challenge.
func fetchSecret(ctx context.Context, secret auth.Secret, fetch func(context.Context) (string, error)) (auth.Secret, error) {
	if fetch == nil {
		return secret, nil
	}
	text, err := fetch(ctx)
	return auth.NewSecret(text), err
}

func (t TicketAuth) claims() []Identity { return []Identity{t.Identity} }

// Attempt implements Authenticator.
func (t TicketAuth) Attempt(_ context.Context, req AuthRequest) (Exchange, error) {
	return ticketExchange{t}, req.Claim(t.Identity)
}

type ticketExchange struct{ cfg TicketAuth }

func (x ticketExchange) Answer(ctx context.Context, _ *protocol.Challenge) (*protocol.Authenticate, error) {
	ticket, err := fetchSecret(ctx, x.cfg.Ticket, x.cfg.Fetch)
	if err != nil {
		return nil, err
	}
	return &protocol.Authenticate{Signature: ticket.Reveal()}, nil
}

func (ticketExchange) Verify(*protocol.WelcomeDetails) error { return nil }
