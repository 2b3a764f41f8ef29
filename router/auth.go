package router

import (
	"errors"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

const (
	// staticProvider is the authprovider of principals that are configured.
	staticProvider = "static"
	// defaultRole is the authrole of principals that are configured without one.
	defaultRole = "anonymous"
)

// Anonymous admits everybody, under an authid of the router's choice.
type Anonymous struct {
	// Role is the authrole of anonymous clients; "" means "anonymous".
	Role string
}

// Method returns "anonymous".
func (Anonymous) Method() string { return auth.MethodAnonymous }

// Begin accepts the client.
func (a Anonymous) Begin(AuthRequest) (Exchange, error) {
	return Exchange{Principal: principal("", a.Role, nil)}, nil
}

// principal returns a principal that was configured.
func principal(authid, role string, extra protocol.Dict) Principal {
	if role == "" {
		role = defaultRole
	}
	return Principal{AuthID: authid, AuthRole: role, Provider: staticProvider, Extra: extra}
}

// Tickets admits clients that know their ticket (Advanced Profile, "Ticket-based
// Authentication"). The map, by authid, must not change while it is in use.
type Tickets map[string]TicketPrincipal

// TicketPrincipal is a client that authenticates with a ticket.
type TicketPrincipal struct {
	Ticket string
	Role   string // authrole; "" means "anonymous"
}

// Method returns "ticket".
func (Tickets) Method() string { return auth.MethodTicket }

// Begin asks for the ticket, of unknown clients too: they are to learn nothing.
func (t Tickets) Begin(req AuthRequest) (Exchange, error) {
	authid := req.Details.AuthID
	return Exchange{
		Challenge: &protocol.Challenge{Method: auth.MethodTicket},
		Verify: func(m *protocol.Authenticate) (Exchange, error) {
			p, known := t[authid]
			if !auth.TicketMatches(auth.NewSecret(p.Ticket), m.Signature) || !known {
				return Exchange{}, denied("unknown authid or wrong ticket")
			}
			return Exchange{Principal: principal(authid, p.Role, nil)}, nil
		},
	}, nil
}

func (t Tickets) knows(d *protocol.HelloDetails) bool {
	_, known := t[d.AuthID]
	return known
}

func denied(message string) error {
	return &RefusalError{Reason: protocol.ErrorAuthenticationDenied, Message: message}
}

// refusal makes a refusal of what a client did wrong. Those errors contain no secret, and are the
// same for accounts that exist and accounts that do not.
func refusal(err error) error {
	for _, kind := range []error{auth.ErrDenied, auth.ErrMalformed, auth.ErrChannelBinding} {
		if errors.Is(err, kind) {
			return denied(strings.TrimPrefix(err.Error(), "auth: "))
		}
	}
	return err
}

// start returns when an exchange begins.
func (r AuthRequest) start() (time.Time, error) {
	if r.Now == nil {
		return time.Time{}, errors.New("router: authentication needs a clock")
	}
	return r.Now(), nil
}
