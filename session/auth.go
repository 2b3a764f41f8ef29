package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Authenticator is one authentication method of a client. It may be used by several sessions at
// once.
type Authenticator interface {
	// Method returns the name of the method in HELLO and CHALLENGE, for example "ticket".
	Method() string
	// Attempt starts one attempt to join. It adds to HELLO what the method needs, such as the
	// authid, and may fetch secrets: it runs on a goroutine of its own, bounded by ctx.
	Attempt(ctx context.Context, hello *protocol.HelloDetails) (Exchange, error)
}

// Exchange is the client's side of one attempt to authenticate.
type Exchange interface {
	// Answer returns the answer to a CHALLENGE. It runs on a goroutine of its own, bounded by ctx.
	Answer(ctx context.Context, extra protocol.Dict) (*protocol.Authenticate, error)
	// Verify checks the WELCOME. It must be quick. It is called for the method whose challenge was
	// answered last, and also without a challenge if no other method was offered: then a method
	// that authenticates the router refuses.
	Verify(welcome *protocol.WelcomeDetails) error
}

// Anonymous returns the method "anonymous": no credentials. authid is what the client would like
// to be called, "" leaves that to the router.
func Anonymous(authid string) Authenticator { return anonymous(authid) }

type anonymous string

func (anonymous) Method() string { return "anonymous" }

func (a anonymous) Attempt(_ context.Context, hello *protocol.HelloDetails) (Exchange, error) {
	return a, setAuthID(hello, string(a))
}

func (anonymous) Answer(context.Context, protocol.Dict) (*protocol.Authenticate, error) {
	return nil, errors.New("anonymous: there is nothing to answer a challenge with")
}

func (anonymous) Verify(*protocol.WelcomeDetails) error { return nil }

// Ticket returns the method "ticket": a secret that the client shows to the router as it is, so
// use it with TLS only.
func Ticket(authid, ticket string) Authenticator {
	return TicketFunc(authid, func(context.Context) (string, error) { return ticket, nil })
}

// TicketFunc is Ticket for secrets that change: fetch is called for each challenge.
func TicketFunc(authid string, fetch func(context.Context) (string, error)) Authenticator {
	return ticketAuth{authid: authid, fetch: fetch}
}

type ticketAuth struct {
	authid string
	fetch  func(context.Context) (string, error)
}

func (ticketAuth) Method() string { return "ticket" }

// Validate reports what is wrong with the method. CheckMethods looks for it.
func (t ticketAuth) Validate() error {
	switch {
	case t.authid == "":
		return errors.New("ticket: authid is missing")
	case t.fetch == nil:
		return errors.New("ticket: no function to fetch it")
	default:
		return nil
	}
}

func (t ticketAuth) Attempt(_ context.Context, hello *protocol.HelloDetails) (Exchange, error) {
	return t, setAuthID(hello, t.authid)
}

func (t ticketAuth) Answer(ctx context.Context, _ protocol.Dict) (*protocol.Authenticate, error) {
	ticket, err := t.fetch(ctx)
	if err != nil {
		return nil, err
	}
	return &protocol.Authenticate{Signature: ticket}, nil
}

func (ticketAuth) Verify(*protocol.WelcomeDetails) error { return nil }

// setAuthID sets the authid of HELLO, of which there is one for all methods.
func setAuthID(hello *protocol.HelloDetails, authid string) error {
	switch hello.AuthID {
	case "", authid:
		hello.AuthID = authid
		return nil
	default:
		if authid == "" {
			return nil
		}
		return errors.New("the authentication methods disagree on authid: " + hello.AuthID + ", " + authid)
	}
}

// Attempt is one attempt to join with the methods that a client offers.
type Attempt struct {
	exchanges map[string]Exchange
	used      Exchange
}

// NewAttempt offers the methods in HELLO, in this order, and starts an exchange for each. Without
// methods it offers nothing, which routers take for anonymous.
func NewAttempt(ctx context.Context, hello *protocol.HelloDetails, methods []Authenticator) (*Attempt, error) {
	a := &Attempt{exchanges: make(map[string]Exchange, len(methods))}
	for _, m := range methods {
		x, err := m.Attempt(ctx, hello)
		if err != nil {
			return nil, err
		}
		a.exchanges[m.Method()] = x
		if !slices.Contains(hello.AuthMethods, m.Method()) {
			hello.AuthMethods = append(hello.AuthMethods, m.Method())
		}
	}
	return a, nil
}

// Answer returns the answer to a CHALLENGE for a method that was offered. Answer and Verify must
// not run at the same time.
func (a *Attempt) Answer(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	x, ok := a.exchanges[ch.Method]
	if !ok {
		return nil, errors.New("challenged for a method that was not offered: " + ch.Method)
	}
	a.used = x
	return x.Answer(ctx, ch.Extra)
}

// Verify checks a WELCOME. What the router says about the method it used is not relied upon.
func (a *Attempt) Verify(welcome *protocol.WelcomeDetails) error {
	if a.used != nil {
		return a.used.Verify(welcome)
	}
	if len(a.exchanges) == 1 {
		for _, x := range a.exchanges {
			return x.Verify(welcome)
		}
	}
	return nil
}

// CheckMethods reports whether the methods can be offered together: each once, and with one
// authid. It starts no attempt that needs a secret.
func CheckMethods(methods []Authenticator) error {
	var errs []error
	seen := make(map[string]bool)
	for i, m := range methods {
		switch {
		case m == nil:
			errs = append(errs, fmt.Errorf("method %d is nil", i))
			continue
		case seen[m.Method()]:
			errs = append(errs, fmt.Errorf("method %s is there twice", m.Method()))
		}
		seen[m.Method()] = true
		if c, ok := m.(interface{ Validate() error }); ok {
			errs = append(errs, c.Validate())
		}
	}
	return errors.Join(errs...)
}
