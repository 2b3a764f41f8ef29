package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Admission are the rules of joining one realm.
type Admission struct {
	// Roles are the router's roles and features, announced in WELCOME.
	Roles protocol.Roles
	// Agent is announced in WELCOME.
	Agent string
	// Authenticators are the accepted methods. The first method that the client offers
	// and that is here is used. If several have that method, it is the first that knows
	// the client: of ticket, WAMP-CRA and SCRAM by the authid, of cryptosign by the public
	// key. Whom none of them knows is for the last. None means that only anonymous clients
	// may join.
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

	// Transport describes the connection to authenticators; it may be called by any
	// goroutine. Nil: there is nothing to say.
	Transport func() TransportInfo
	// Call calls procedures of the router, for authenticators that are such. Nil: they
	// refuse everybody.
	Call CallFunc

	hello   *protocol.Hello
	rules   Admission
	session protocol.ID
	method  string
	verify  func(*protocol.Authenticate) (Exchange, error) // of the challenge that was sent
	work    func(context.Context) (Exchange, error)        // that the handshake waits for
	err     error                                          // why the client was refused
}

// Receive handles a message. It returns the peer once the session is established,
// right after WELCOME was sent; Dropped once it is refused, right after ABORT; and Waiting
// if the handshake goes on with Resume, after Work.
func (h *Handshake) Receive(m protocol.Message, send func(protocol.Message)) (*Peer, Verdict) {
	var x Exchange
	var err error
	switch m := m.(type) {
	case *protocol.Hello:
		if h.hello == nil {
			x, err = h.receiveHello(m)
			break
		}
		err = violation(m, "a second HELLO before the session is established")
	case *protocol.Authenticate:
		if verify := h.verify; verify != nil {
			h.verify = nil
			x, err = verify(m)
			break
		}
		err = violation(m, "no challenge was sent")
	case *protocol.Abort:
		return nil, Dropped
	default:
		err = violation(m, "not allowed before the session is established")
	}
	return h.step(x, err, send)
}

// Work returns what the handshake waits for after the verdict Waiting. It blocks, until its
// context ends at the latest, and its outcome is for Resume. Only an ABORT of the client, and
// the end of the connection, may come before that: Receive takes anything else for a violation.
func (h *Handshake) Work() func(context.Context) (Exchange, error) { return h.work }

// Resume goes on with the outcome of Work. Its results are those of Receive.
func (h *Handshake) Resume(x Exchange, err error, send func(protocol.Message)) (*Peer, Verdict) {
	h.work = nil
	return h.step(x, err, send)
}

// step does what an authenticator has decided.
func (h *Handshake) step(x Exchange, err error, send func(protocol.Message)) (*Peer, Verdict) {
	switch {
	case err != nil:
	case x.Later != nil:
		h.work = x.Later
		return nil, Waiting
	case x.Challenge == nil:
		var peer *Peer
		if peer, err = h.welcome(x.Principal, send); err == nil {
			return peer, Continue
		}
	case x.Verify == nil:
		err = fmt.Errorf("router: the authenticator for %s cannot verify its challenge", h.method)
	default:
		h.verify = x.Verify
		send(x.Challenge)
		return nil, Continue
	}
	h.err = err
	send(abortFor(err))
	return nil, Dropped
}

// Err returns why the client was refused, in more words than it was told; nil if it was not.
func (h *Handshake) Err() error { return h.err }

// Reserved returns the id that was reserved for a session not established yet, or 0.
func (h *Handshake) Reserved() protocol.ID { return h.session }

func violation(m protocol.Message, problem string) error {
	return &protocol.ViolationError{Message: m.Type(), Problem: problem}
}

func (h *Handshake) receiveHello(m *protocol.Hello) (Exchange, error) {
	if !m.Realm.Valid() {
		return Exchange{}, &RefusalError{Reason: protocol.ErrorInvalidURI, Message: "the realm is not a valid URI"}
	}
	if !clientRoles(m.Details.Roles) {
		return Exchange{}, violation(m, "roles: announces none of publisher, subscriber, caller, callee")
	}
	rules, err := h.admit(m.Realm)
	if err != nil {
		return Exchange{}, err
	}
	h.hello, h.rules, h.session = m, rules, h.NewID()
	return h.authenticate()
}

func (h *Handshake) admit(realm protocol.URI) (Admission, error) {
	rules, ok := h.Admit(realm)
	if !ok {
		return rules, &RefusalError{Reason: protocol.ErrorNoSuchRealm, Message: "no realm " + shorten(realm) + " exists on this router"}
	}
	return rules, nil
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
func (h *Handshake) authenticate() (Exchange, error) {
	if h.As != nil {
		h.method = localMethod
		return Exchange{Principal: h.As.local()}, nil
	}
	offered := h.hello.Details.AuthMethods
	if len(offered) == 0 {
		offered = []string{auth.MethodAnonymous}
	}
	for _, method := range offered {
		if a := h.authenticator(method); a != nil {
			h.method = method
			return a.Begin(AuthRequest{
				Realm: h.hello.Realm, Session: h.session, Details: &h.hello.Details,
				Bind: h.Bind, Now: h.Now, Transport: h.Transport, Call: h.Call,
			})
		}
	}
	if len(h.hello.Details.AuthMethods) == 0 {
		return Exchange{}, &RefusalError{Reason: protocol.ErrorAuthenticationRequired, Message: "this realm wants its clients to authenticate"}
	}
	return Exchange{}, &RefusalError{Reason: protocol.ErrorNoMatchingAuthMethod, Message: "none of the offered authentication methods is accepted"}
}

// authenticator returns the one for the method: of several, the first that knows the client,
// and the last one for those that nobody knows. Nil: there is none.
func (h *Handshake) authenticator(method string) Authenticator {
	list := h.rules.Authenticators
	if len(list) == 0 {
		list = []Authenticator{Anonymous{}}
	}
	var last Authenticator
	for _, a := range list {
		if a.Method() != method {
			continue
		}
		if k, ok := a.(interface {
			knows(d *protocol.HelloDetails) bool
		}); ok && k.knows(&h.hello.Details) {
			return a
		}
		last = a
	}
	return last
}

// errNoRole keeps an authenticator that returns nothing from admitting everybody.
var errNoRole = errors.New("router: the authenticator gave the client no authrole")

// welcome establishes the session of the principal.
func (h *Handshake) welcome(p Principal, send func(protocol.Message)) (*Peer, error) {
	if p.AuthRole == "" {
		return nil, errNoRole
	}
	realm := h.hello.Realm
	if p.Realm != "" && p.Realm != realm {
		var err error
		if h.rules, err = h.admit(p.Realm); err != nil {
			return nil, err
		}
		realm = p.Realm
	}
	if !h.Internal && !h.rules.Access.Admits(p.AuthRole) {
		return nil, &RefusalError{Reason: protocol.ErrorNoSuchRole, Message: "the realm has no such role"}
	}
	if p.AuthID == "" {
		p.AuthID = h.method + "-" + h.session.String()
	}
	peer := &Peer{
		ID: h.session, Realm: realm, Roles: h.hello.Details.Roles, Serializer: h.Serializer,
		AuthID: p.AuthID, AuthRole: p.AuthRole, AuthMethod: h.method, AuthProvider: p.Provider, AuthExtra: p.Extra,
		Internal: h.Internal,
	}
	send(&protocol.Welcome{Session: peer.ID, Details: protocol.WelcomeDetails{
		Agent: h.rules.Agent, Roles: h.rules.Roles, Realm: peer.Realm,
		AuthID: peer.AuthID, AuthRole: peer.AuthRole, AuthMethod: peer.AuthMethod,
		AuthProvider: peer.AuthProvider, AuthExtra: peer.AuthExtra,
	}})
	return peer, nil
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
