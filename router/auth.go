package router

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Anonymous admits everybody, under an authid of the router's choice.
type Anonymous struct {
	// Role is the authrole of anonymous clients; "" means "anonymous".
	Role string
}

// Method returns "anonymous".
func (Anonymous) Method() string { return "anonymous" }

// Begin accepts the client.
func (a Anonymous) Begin(AuthRequest) (Exchange, error) {
	role := a.Role
	if role == "" {
		role = "anonymous"
	}
	return Exchange{Principal: Principal{AuthRole: role, Provider: "static"}}, nil
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
func (Tickets) Method() string { return "ticket" }

// Begin asks for the ticket, of unknown clients too: they are to learn nothing.
func (t Tickets) Begin(req AuthRequest) (Exchange, error) {
	authid := req.Details.AuthID
	return Exchange{
		Challenge: &protocol.Challenge{Method: "ticket"},
		Verify: func(m *protocol.Authenticate) (Principal, error) {
			p, known := t[authid]
			// Hashing makes the comparison take the same time for every length.
			want, got := sha256.Sum256([]byte(p.Ticket)), sha256.Sum256([]byte(m.Signature))
			same := subtle.ConstantTimeCompare(want[:], got[:]) == 1
			if !same || !known || p.Ticket == "" {
				return Principal{}, &RefusalError{Reason: protocol.ErrorAuthenticationDenied, Message: "unknown authid or wrong ticket"}
			}
			role := p.Role
			if role == "" {
				role = "anonymous"
			}
			return Principal{AuthID: authid, AuthRole: role, Provider: "static"}, nil
		},
	}, nil
}
