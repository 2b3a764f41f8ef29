package actors

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// SessionConfig is what a SessionFactory gets to know of the session that it makes a handler for.
type SessionConfig struct {
	// Component is the name of the component.
	Component string
	// Realm is the realm to join.
	Realm protocol.URI
	// URL is that of the transport, which is open; "pipe" within the process.
	URL string
	// Extra is the application's own data, as in the component's configuration.
	Extra any
}

// SessionFactory makes a handler for each session, of a type of the user: see NewSessionFactory.
// The zero value makes none.
type SessionFactory struct {
	handler reflect.Type
	make    func(SessionConfig) any
}

// NewSessionFactory returns a factory that calls f whenever a transport is open, for a handler of
// the session that is to be joined over it: a new one for each connection. f and OnConnect run when
// nothing of an earlier session runs any more. A handler has any of these methods:
//
//	// OnConnect may change the HELLO that is sent next: the realm, the authid, the methods. An
//	// error gives up the attempt, and no other method is called.
//	OnConnect(ctx context.Context, hello *protocol.Hello) error
//	// OnChallenge answers a CHALLENGE. With neither an answer nor an error it leaves that to
//	// the methods of the configuration. Otherwise it is OnWelcome that must check the router.
//	OnChallenge(ctx context.Context, challenge *protocol.Challenge) (*protocol.Authenticate, error)
//	// OnWelcome may refuse the session by an error: the router gets an ABORT.
//	OnWelcome(ctx context.Context, welcome *protocol.Welcome) error
//	// OnJoin is called with the session. An error gives it up. ctx ends with the session.
//	OnJoin(ctx context.Context, s *session.Session) error
//	// OnReady is called when the functions for join have returned and all declarations are
//	// acknowledged. ctx ends with the session.
//	OnReady(ctx context.Context, s *session.Session) error
//	// OnLeave is called when the session has ended, or could not be established: then without
//	// OnJoin before. reason is an *session.EndedError.
//	OnLeave(ctx context.Context, reason error)
//	// OnDisconnect is called last, when the transport is closed: with nil if that was in good order.
//	OnDisconnect(ctx context.Context, err error)
//
// They run one after the other, each before the component's own listeners for the same event, and
// like these on no actor: they may block, and the component waits for them. The time until the
// session is established is bounded by JoinTimeout, and ctx ends with it.
//
// A handler that is a pointer to a struct may embed *session.Session, which is set before OnJoin is
// called, so that the handler has the methods of the session itself.
//
// A method of one of these names that has another signature is a mistake, which the component's
// configuration reports, and so is a type without any of them.
func NewSessionFactory[T any](f func(SessionConfig) T) SessionFactory {
	return SessionFactory{handler: reflect.TypeFor[T](), make: func(c SessionConfig) any { return f(c) }}
}

// hookNames are the methods of handlers, in the order in which they are called.
func hookNames() []string {
	return []string{"OnConnect", "OnChallenge", "OnWelcome", "OnJoin", "OnReady", "OnLeave", "OnDisconnect"}
}

func hookType(name string) reflect.Type {
	switch name {
	case "OnConnect":
		return reflect.TypeFor[func(context.Context, *protocol.Hello) error]()
	case "OnChallenge":
		return reflect.TypeFor[func(context.Context, *protocol.Challenge) (*protocol.Authenticate, error)]()
	case "OnWelcome":
		return reflect.TypeFor[func(context.Context, *protocol.Welcome) error]()
	case "OnJoin", "OnReady":
		return reflect.TypeFor[func(context.Context, *session.Session) error]()
	default:
		return reflect.TypeFor[func(context.Context, error)]()
	}
}

// validate reports what is wrong with the type of the handlers. What an interface does not say is
// only known when there is a handler.
func (f SessionFactory) validate() error {
	if f.make == nil || f.handler.Kind() == reflect.Interface {
		return nil
	}
	return checkSessionType(f.handler)
}

func checkSessionType(t reflect.Type) error {
	var errs []error
	found := false
	for _, name := range hookNames() {
		m, ok := t.MethodByName(name)
		if !ok {
			if _, below := reflect.PointerTo(t).MethodByName(name); below && t.Kind() != reflect.Pointer {
				errs = append(errs, fmt.Errorf("%v: %s has a pointer receiver: return a *%v", t, name, t))
				found = true
			}
			continue
		}
		found = true
		if have, want := withoutReceiver(m.Type), hookType(name); have != want {
			errs = append(errs, fmt.Errorf("%v: %s is a %v, want %v", t, name, have, want))
		}
	}
	if !found {
		errs = append(errs, fmt.Errorf("%v has none of the methods %s", t, strings.Join(hookNames(), ", ")))
	}
	if t.Kind() == reflect.Struct && embedded(t) != nil {
		errs = append(errs, fmt.Errorf("%v embeds *session.Session, which cannot be set: return a *%v", t, t))
	}
	return errors.Join(errs...)
}

func withoutReceiver(t reflect.Type) reflect.Type {
	in, out := make([]reflect.Type, 0, t.NumIn()), make([]reflect.Type, 0, t.NumOut())
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for p := range t.Outs() {
		out = append(out, p)
	}
	return reflect.FuncOf(in, out, t.IsVariadic())
}

// embedded returns where a struct embeds *session.Session, nil if it does not.
func embedded(t reflect.Type) []int {
	f, ok := t.FieldByName("Session")
	if !ok || !f.Anonymous || f.Type != reflect.TypeFor[*session.Session]() || len(f.Index) > 1 {
		return nil
	}
	return f.Index
}

// hooks is the handler of one session. Its methods may be called on nil, and by any goroutine.
type hooks struct {
	turn    chan struct{} // capacity 1: one method at a time
	handler any
}

// begin waits for the turn of a method, done ends it.
func (h *hooks) begin() (done func()) {
	h.turn <- struct{}{}
	return func() { <-h.turn }
}

// hooks makes a handler. It calls the user's function.
func (f SessionFactory) hooks(cfg SessionConfig) (*hooks, error) {
	handler := f.make(cfg)
	v := reflect.ValueOf(handler)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("session factory: made nil")
	}
	if f.handler.Kind() == reflect.Interface {
		if err := checkSessionType(v.Type()); err != nil {
			return nil, fmt.Errorf("session factory: %w", err)
		}
	}
	return &hooks{turn: make(chan struct{}, 1), handler: handler}, nil
}

// wait returns when no method runs any more.
func (h *hooks) wait() { h.begin()() }

func (h *hooks) connect(ctx context.Context, hello *protocol.Hello) error {
	x, ok := h.handler.(interface {
		OnConnect(ctx context.Context, hello *protocol.Hello) error
	})
	if !ok {
		return nil
	}
	defer h.begin()()
	if err := x.OnConnect(ctx, hello); err != nil {
		return fmt.Errorf("OnConnect: %w", err)
	}
	if !hello.Realm.Valid() {
		return fmt.Errorf("OnConnect: %q is not a valid realm", string(hello.Realm))
	}
	return ctx.Err()
}

func (h *hooks) challenge(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	x, ok := h.handler.(interface {
		OnChallenge(ctx context.Context, challenge *protocol.Challenge) (*protocol.Authenticate, error)
	})
	if !ok {
		return nil, nil
	}
	defer h.begin()()
	if err := ctx.Err(); err != nil {
		return nil, err // OnLeave may have been called
	}
	return x.OnChallenge(ctx, ch)
}

// welcome returns OnWelcome, nil if there is none.
func (h *hooks) welcome() func(context.Context, *protocol.Welcome) error {
	if h == nil {
		return nil
	}
	x, ok := h.handler.(interface {
		OnWelcome(ctx context.Context, welcome *protocol.Welcome) error
	})
	if !ok {
		return nil
	}
	return func(ctx context.Context, w *protocol.Welcome) error {
		defer h.begin()()
		if err := ctx.Err(); err != nil {
			return err // as above
		}
		return x.OnWelcome(ctx, w)
	}
}

// listeners returns the handler's part in an event, which comes before that of the component's
// listeners.
func (h *hooks) listeners(e lifecycle) []listener {
	if h == nil {
		return nil
	}
	f := h.listener(e)
	if f == nil {
		return nil
	}
	return []listener{{f: func(ctx context.Context, s *session.Session, err error) error {
		defer h.begin()()
		return f(ctx, s, err)
	}}}
}

func (h *hooks) listener(e lifecycle) func(context.Context, *session.Session, error) error {
	switch e {
	case onJoin:
		return h.join
	case onReady:
		if x, ok := h.handler.(interface {
			OnReady(ctx context.Context, s *session.Session) error
		}); ok {
			return func(ctx context.Context, s *session.Session, _ error) error { return x.OnReady(ctx, s) }
		}
	case onLeave, onConnectFailure:
		return h.leave
	case onDisconnect:
		return h.disconnect
	case onStart, onConnect, numLifecycle:
	}
	return nil
}

func (h *hooks) join(ctx context.Context, s *session.Session, _ error) error {
	if v := reflect.ValueOf(h.handler); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if field := embedded(v.Elem().Type()); field != nil {
			v.Elem().FieldByIndex(field).Set(reflect.ValueOf(s))
		}
	}
	if x, ok := h.handler.(interface {
		OnJoin(ctx context.Context, s *session.Session) error
	}); ok {
		return x.OnJoin(ctx, s)
	}
	return nil
}

func (h *hooks) leave(ctx context.Context, _ *session.Session, reason error) error {
	var ended *session.EndedError
	x, ok := h.handler.(interface {
		OnLeave(ctx context.Context, reason error)
	})
	if ok && errors.As(reason, &ended) {
		x.OnLeave(ctx, ended)
	}
	return nil
}

// disconnect is there also for handlers without OnDisconnect, as it waits for what they are still
// busy with.
func (h *hooks) disconnect(ctx context.Context, _ *session.Session, err error) error {
	if x, ok := h.handler.(interface {
		OnDisconnect(ctx context.Context, err error)
	}); ok {
		x.OnDisconnect(ctx, err)
	}
	return nil
}
