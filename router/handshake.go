package router

import (
	"errors"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Principal is who an authenticated client is.
type Principal struct {
	AuthID   string
	AuthRole string
	Provider string        // authprovider: who vouches for it, such as "static"
	Extra    protocol.Dict // authextra of WELCOME
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
// called from the actor of the connection and must not block.
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
}

// Exchange is one run of an authentication method.
type Exchange struct {
	// Challenge is sent to the client; nil accepts it at once as Principal.
	Challenge *protocol.Challenge
	Principal Principal
	// Verify checks the client's answer to the challenge.
	Verify func(*protocol.Authenticate) (Principal, error)
}

// RefusalError is an error that tells a client why it may not join.
type RefusalError struct {
	Reason  protocol.URI
	Message string
}

// Error returns reason and message.
func (r *RefusalError) Error() string { return "router: " + string(r.Reason) + ": " + r.Message }

// Admission are the rules of joining one realm.
type Admission struct {
	// Roles are the router's roles and features, announced in WELCOME.
	Roles protocol.Roles
	// Agent is announced in WELCOME.
	Agent string
	// Authenticators are the accepted methods. The first method that the client offers
	// and that is here is used. None means that only anonymous clients may join.
	Authenticators []Authenticator
	// Access says which roles may join; nil admits every one.
	Access *Access
}

// Handshake is a connection before its session is established. It belongs to one
// actor.
type Handshake struct {
	// Admit returns the rules of the realm, and false when there is no such realm.
	Admit func(realm protocol.URI) (Admission, bool)
	// NewID returns the id for a new session, unique in the router.
	NewID func() protocol.ID
	// Serializer is what the connection speaks.
	Serializer protocol.Serializer
	// Bind returns the bindings of the connection to TLS. Nil: it has none.
	Bind auth.Binder
	// Now is the clock, by which authentication methods judge whether an answer comes in
	// time. Without it, methods that do so refuse everybody.
	Now func() time.Time
	// As, if it is not nil, is who the client is, whatever it offers: the surroundings vouch
	// for it. Its authmethod is "local", and so is its authprovider unless As has another.
	As *Principal
	// Internal becomes that of the peer.
	Internal bool

	hello    *protocol.Hello
	rules    Admission
	session  protocol.ID
	method   string
	exchange Exchange
}

// Receive handles a message. It returns the peer once the session is established,
// right after WELCOME was sent; Dropped once it is refused, right after ABORT.
func (h *Handshake) Receive(m protocol.Message, send func(protocol.Message)) (*Peer, Verdict) {
	var err error
	switch m := m.(type) {
	case *protocol.Hello:
		if h.hello == nil {
			err = h.receiveHello(m, send)
			break
		}
		err = violation(m, "a second HELLO before the session is established")
	case *protocol.Authenticate:
		if h.exchange.Verify != nil {
			err = h.verify(m)
			break
		}
		err = violation(m, "no challenge was sent")
	case *protocol.Abort:
		return nil, Dropped
	default:
		err = violation(m, "not allowed before the session is established")
	}
	if err != nil {
		send(abortFor(err))
		return nil, Dropped
	}
	if h.exchange.Challenge != nil {
		return nil, Continue
	}
	if role := h.exchange.Principal.AuthRole; !h.Internal && !h.rules.Access.Admits(role) {
		send(abortFor(&RefusalError{Reason: protocol.ErrorNoSuchRole, Message: "the realm has no such role"}))
		return nil, Dropped
	}
	return h.welcome(send), Continue
}

// Reserved returns the id that was reserved for a session not established yet, or 0.
func (h *Handshake) Reserved() protocol.ID { return h.session }

func violation(m protocol.Message, problem string) error {
	return &protocol.ViolationError{Message: m.Type(), Problem: problem}
}

func (h *Handshake) receiveHello(m *protocol.Hello, send func(protocol.Message)) error {
	if !m.Realm.Valid() {
		return &RefusalError{Reason: protocol.ErrorInvalidURI, Message: "the realm is not a valid URI"}
	}
	if !clientRoles(m.Details.Roles) {
		return violation(m, "roles: announces none of publisher, subscriber, caller, callee")
	}
	rules, ok := h.Admit(m.Realm)
	if !ok {
		return &RefusalError{Reason: protocol.ErrorNoSuchRealm, Message: "no realm " + shorten(m.Realm) + " exists on this router"}
	}
	h.hello, h.rules, h.session = m, rules, h.NewID()
	if err := h.authenticate(); err != nil {
		return err
	}
	if h.exchange.Challenge != nil {
		send(h.exchange.Challenge)
	}
	return nil
}

// shorten keeps an ABORT from being as long as a HELLO may be.
func shorten(uri protocol.URI) string {
	const most = 128
	if len(uri) > most {
		return "of such a long name"
	}
	return string(uri)
}

func clientRoles(r protocol.Roles) bool {
	return r.Has(protocol.Publisher) || r.Has(protocol.Subscriber) || r.Has(protocol.Caller) || r.Has(protocol.Callee)
}

// authenticate begins the exchange of the first offered method that is configured.
func (h *Handshake) authenticate() error {
	if h.As != nil {
		h.method, h.exchange = localMethod, Exchange{Principal: h.As.local()}
		return nil
	}
	offered := h.hello.Details.AuthMethods
	if len(offered) == 0 {
		offered = []string{"anonymous"}
	}
	for _, method := range offered {
		for _, a := range h.authenticators() {
			if a.Method() != method {
				continue
			}
			h.method = method
			var err error
			h.exchange, err = a.Begin(AuthRequest{
				Realm: h.hello.Realm, Session: h.session, Details: &h.hello.Details, Bind: h.Bind, Now: h.Now,
			})
			return err
		}
	}
	if len(h.hello.Details.AuthMethods) == 0 {
		return &RefusalError{Reason: protocol.ErrorAuthenticationRequired, Message: "this realm wants its clients to authenticate"}
	}
	return &RefusalError{Reason: protocol.ErrorNoMatchingAuthMethod, Message: "none of the offered authentication methods is accepted"}
}

func (h *Handshake) authenticators() []Authenticator {
	if len(h.rules.Authenticators) == 0 {
		return []Authenticator{Anonymous{}}
	}
	return h.rules.Authenticators
}

func (h *Handshake) verify(m *protocol.Authenticate) error {
	p, err := h.exchange.Verify(m)
	h.exchange = Exchange{Principal: p}
	return err
}

func (h *Handshake) welcome(send func(protocol.Message)) *Peer {
	p := h.exchange.Principal
	if p.AuthID == "" {
		p.AuthID = h.method + "-" + h.session.String()
	}
	peer := &Peer{
		ID: h.session, Realm: h.hello.Realm, Roles: h.hello.Details.Roles, Serializer: h.Serializer,
		AuthID: p.AuthID, AuthRole: p.AuthRole, AuthMethod: h.method, AuthProvider: p.Provider, AuthExtra: p.Extra,
		Internal: h.Internal,
	}
	send(&protocol.Welcome{Session: peer.ID, Details: protocol.WelcomeDetails{
		Agent: h.rules.Agent, Roles: h.rules.Roles, Realm: peer.Realm,
		AuthID: peer.AuthID, AuthRole: peer.AuthRole, AuthMethod: peer.AuthMethod,
		AuthProvider: peer.AuthProvider, AuthExtra: peer.AuthExtra,
	}})
	return peer
}

func abortFor(err error) *protocol.Abort {
	var refusal *RefusalError
	var wrong *protocol.ViolationError
	switch {
	case errors.As(err, &refusal):
		return &protocol.Abort{Reason: refusal.Reason, Details: protocol.CloseDetails{Message: refusal.Message}}
	case errors.As(err, &wrong):
		return &protocol.Abort{Reason: protocol.ErrorProtocolViolation, Details: protocol.CloseDetails{Message: wrong.Error()}}
	default:
		return &protocol.Abort{Reason: protocol.ErrorAuthenticationFailed}
	}
}
