package router

import (
	"context"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Principal is who an authenticated client is.
type Principal struct {
	AuthID   string        // "" means one of the router's choice
	AuthRole string        // needed
	Provider string        // authprovider: who vouches for it, such as "static"
	Extra    protocol.Dict // authextra of WELCOME
	// Realm is the realm that the client joins instead of the one that it asked for, whatever
	// the methods of that realm; "" is the one asked for. WELCOME tells the client.
	Realm protocol.URI
}

// localMethod is the authmethod, and the authprovider, of sessions in the router's own process that
// the program vouches for.
const localMethod = "local"

// local returns the principal with defaults.
func (p Principal) local() Principal {
	if p.AuthRole == "" {
		p.AuthRole = defaultRole
	}
	if p.Provider == "" {
		p.Provider = localMethod
	}
	return p
}

// Authenticator checks clients by one authentication method. Begin and Verify are
// called from the actor of the connection and must not block; what does, such as asking a
// database, goes into Exchange.Later.
type Authenticator interface {
	// Method returns the name of the method, such as "ticket".
	Method() string
	// Begin starts the exchange for a HELLO. Errors of type *RefusalError tell the client
	// why; any other becomes ErrorAuthenticationFailed without a word more.
	Begin(AuthRequest) (Exchange, error)
}

// AuthRequest is what an Authenticator decides about.
type AuthRequest struct {
	Realm   protocol.URI
	Session protocol.ID // the id the session will have
	Details *protocol.HelloDetails
	// Bind returns the bindings of the connection. Nil: it has none.
	Bind auth.Binder
	// Now is the clock, as long as the exchange lasts. Nil: there is none.
	Now func() time.Time
	// Transport describes the connection. Nil: there is nothing to say.
	Transport func() TransportInfo
	// Call calls procedures of the router, from Later. Nil: it cannot.
	Call CallFunc
}

// Exchange is a step of one run of an authentication method. It is one of three: work that
// Later does, a Challenge to the client, or else the client is accepted as Principal, which
// must have an AuthRole.
type Exchange struct {
	// Later does what blocks, and returns the next step or an error as Begin does. It runs on
	// a goroutine of its own. Its ctx ends when the client is gone or has been waiting for too
	// long, and Later must return then.
	Later func(ctx context.Context) (Exchange, error)
	// Challenge is sent to the client, which has the time of a handshake to answer.
	Challenge *protocol.Challenge
	// Verify checks the answer to Challenge and returns the next step.
	Verify func(*protocol.Authenticate) (Exchange, error)
	// Principal is who the client is.
	Principal Principal
}

// TransportInfo describes the connection of a client.
type TransportInfo struct {
	Type     string // "websocket", "rawsocket" or "pipe"
	Protocol string // subprotocol, such as "wamp.2.cbor"
	Peer     string // "tcp4:127.0.0.1:4711", "tcp6:[::1]:4711" or "unix"; "" for a pipe
	Secure   bool   // whether it has TLS
	// ClientCert is the SHA-256 of the certificate that the client has shown, in hexadecimal; ""
	// if it has shown none. It has been verified only if the router's tls.Config wants that.
	ClientCert string
	Path       string            // WebSocket: of the request
	Host       string            // WebSocket: of the request
	Header     map[string]string // WebSocket: of the request, by lower-case name
}

// RefusalError is an error that tells a client why it may not join.
type RefusalError struct {
	Reason  protocol.URI
	Message string
}

// Error returns reason and message.
func (r *RefusalError) Error() string { return "router: " + string(r.Reason) + ": " + r.Message }

// TicketFunc admits clients by their ticket, as the function decides, which may block: it asks a
// directory or a database. ctx ends when the client is gone or has been waiting for too long. An
// error of type *RefusalError tells the client why; any other becomes
// protocol.ErrorAuthenticationFailed, and its text is for the log. It must be safe for concurrent
// use.
type TicketFunc func(ctx context.Context, req AuthRequest, ticket string) (Principal, error)

// Method returns "ticket".
func (TicketFunc) Method() string { return auth.MethodTicket }

// Begin asks for the ticket.
func (f TicketFunc) Begin(req AuthRequest) (Exchange, error) {
	return Exchange{
		Challenge: &protocol.Challenge{Method: auth.MethodTicket},
		Verify: func(m *protocol.Authenticate) (Exchange, error) {
			return Exchange{Later: func(ctx context.Context) (Exchange, error) {
				p, err := f(ctx, req, m.Signature)
				return Exchange{Principal: p}, err
			}}, nil
		},
	}, nil
}
