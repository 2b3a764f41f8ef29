package session

import (
	"context"
	"fmt"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Poster takes commands to the machine of a session.
type Poster interface {
	// Post queues a command and returns at once. It may be called by any goroutine. Whatever
	// happens, the command is given to a machine or rejected: somebody waits for its answer.
	Post(cmd Command)
	// Await returns when there is room for more outgoing data, or with the error of ctx. It is
	// asked before application data is posted, so that a slow router slows its clients down.
	Await(ctx context.Context) error
}

// SessionDetails are what the router said when it accepted the session, and how it is reached.
type SessionDetails struct { //nolint:revive // the name Autobahn users know, and Details would say less
	ID           protocol.ID
	Realm        protocol.URI
	AuthID       string
	AuthRole     string
	AuthMethod   string
	AuthProvider string
	AuthExtra    protocol.Dict
	// Roles are those of the router, with its features.
	Roles protocol.Roles
	// Agent is the name and version of the router's implementation.
	Agent string
	// Serializer is the wire format of the connection.
	Serializer protocol.Serializer
	// Transport describes the connection for people, for example by its URL.
	Transport string
	// Extra holds every other detail of the WELCOME.
	Extra protocol.Dict
}

// Session is an established session. Its methods may be called by any number of goroutines.
//
// A Session ends and stays ended: a component that connects again gets a new one. Requests that
// are pending when it ends, and all later ones, fail with an [*EndedError].
type Session struct {
	details SessionDetails
	poster  Poster
	errors  *ErrorMap
	fits    func(protocol.Message) error
	extra   any
	shared  bool // payloads that were posted must not be written to again
	calls   sync.Pool

	ctx    context.Context //nolint:containedctx // it is the lifetime of the session, which the session itself ends
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    *EndedError // written before done is closed
}

type sessionKey struct{}

func newSession(cfg *Config, msg *protocol.Welcome) *Session {
	d := msg.Details
	s := &Session{
		details: SessionDetails{
			ID: msg.Session, Realm: d.Realm, AuthID: d.AuthID, AuthRole: d.AuthRole, AuthMethod: d.AuthMethod,
			AuthProvider: d.AuthProvider, AuthExtra: d.AuthExtra, Roles: d.Roles, Agent: d.Agent,
			Serializer: cfg.Serializer, Transport: cfg.Transport, Extra: d.Extra,
		},
		poster: cfg.Poster,
		errors: cfg.Errors,
		fits:   cfg.Fits,
		shared: cfg.Shared,
		extra:  cfg.Extra,
		done:   make(chan struct{}),
	}
	if s.details.Realm == "" {
		s.details.Realm = cfg.Hello.Realm
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithValue(cfg.Context, sessionKey{}, s))
	return s
}

func (s *Session) end(err *EndedError) {
	s.err = err
	close(s.done)
	s.cancel(err)
}

// FromContext returns the session in whose service ctx was made: that of a handler, or of a
// component's main function.
func FromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}

// ID returns the session identifier.
func (s *Session) ID() protocol.ID { return s.details.ID }

// Realm returns the realm that was joined.
func (s *Session) Realm() protocol.URI { return s.details.Realm }

// Details returns what the router said when it accepted the session.
func (s *Session) Details() SessionDetails { return s.details }

// Extra returns the application's own data of its configuration, which is the same for all sessions
// of a component.
func (s *Session) Extra() any { return s.extra }

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session lasts, and then an [*EndedError].
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Context returns a context that ends with the session; its cause is then the [*EndedError].
func (s *Session) Context() context.Context { return s.ctx }

// String returns the session as "session 1234 in realm1", for logs.
func (s *Session) String() string {
	return fmt.Sprintf("session %d in %s", s.details.ID, s.details.Realm)
}

// Leave ends the session: it sends GOODBYE and waits for the router's answer, or for the end of
// the session by any other means. Whoever calls it, a component that is left does not connect
// again. It returns nil if the session has been left, also when somebody else asked for it; the
// *EndedError if it ended otherwise; and the error of ctx, which bounds only the waiting.
func (s *Session) Leave(ctx context.Context, opts ...LeaveOption) error {
	c := &leaveCommand{ack: newAck(), sess: s, reason: protocol.CloseRealm}
	for _, o := range opts {
		o.applyLeave(c)
	}
	if !c.reason.Valid() {
		return s.wrap("leave", "", invalidURI(c.reason))
	}
	if s.Err() == nil {
		s.poster.Post(c)
	}
	select {
	case <-s.done:
		return s.wrap("leave", "", leaveError(s.err))
	case <-ctx.Done():
		return s.wrap("leave", "", ctx.Err())
	}
}

// wait waits for the answer of a request, and asks abandon to undo it when ctx is done first.
func (s *Session) wait(ctx context.Context, a *ack, abandon Command) error {
	select {
	case <-a.ready:
		return a.err
	default:
	}
	select {
	case <-a.ready:
		return a.err
	case <-ctx.Done():
		if abandon != nil {
			s.poster.Post(abandon)
		}
		return ctx.Err()
	case <-s.done:
		select {
		case <-a.ready:
			return a.err
		default:
			return s.err
		}
	}
}

// wrap adds what was tried to an error, and the Go error that the component's ErrorMap has for it.
func (s *Session) wrap(verb string, uri protocol.URI, err error) error {
	switch {
	case err == nil:
		return nil
	case uri == "":
		return fmt.Errorf("session: %s: %w", verb, s.errors.fromWire(err))
	default:
		return fmt.Errorf("session: %s %s: %w", verb, uri, s.errors.fromWire(err))
	}
}

func invalidURI(uri protocol.URI) error {
	return newLocal(protocol.ErrorInvalidURI, fmt.Errorf("%q is not a valid URI", string(uri)))
}

// checkExact checks a URI that names one thing. Only the router has things below "wamp."; whether
// the peer may use those is for the caller to say.
func checkExact(uri protocol.URI, reserved bool) error {
	if !uri.Valid() {
		return invalidURI(uri)
	}
	if uri.Reserved() && !reserved {
		return newLocal(protocol.ErrorInvalidURI, fmt.Errorf("%q is reserved for the router", string(uri)))
	}
	return nil
}

func checkPattern(uri protocol.URI, m protocol.Match, reserved bool) error {
	if !uri.ValidPattern(m, false) {
		return newLocal(protocol.ErrorInvalidURI, fmt.Errorf("%q is not a valid URI to match by %v", string(uri), m))
	}
	if uri.Reserved() && !reserved {
		return newLocal(protocol.ErrorInvalidURI, fmt.Errorf("%q is reserved for the router", string(uri)))
	}
	return nil
}
