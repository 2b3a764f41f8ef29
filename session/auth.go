package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Authenticator is what a client authenticates with: one method, or variants of one. It may be
// used by several sessions at once.
type Authenticator interface {
	// Methods returns the names of the methods in HELLO and CHALLENGE, for example "ticket", the
	// preferred one first.
	Methods() []string
	// Attempt starts one attempt to join. It claims what HELLO needs, such as the authid, and may
	// fetch secrets: it runs on a goroutine of its own, bounded by ctx. The connection is open.
	Attempt(ctx context.Context, req AuthRequest) (Exchange, error)
}

// Exchange is the client's side of one attempt to authenticate.
type Exchange interface {
	// Answer returns the answer to a CHALLENGE for one of the methods. It runs on a goroutine of
	// its own, bounded by ctx.
	Answer(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error)
	// Verify checks the WELCOME. It must be quick. It is called when this exchange answered the
	// last challenge, and also when there was no challenge at all: then a method that
	// authenticates the router refuses.
	Verify(welcome *protocol.WelcomeDetails) error
}

// Identity is who a client claims to be in HELLO. There is one HELLO for all methods that are
// offered together, so they must not contradict each other.
type Identity struct {
	AuthID    string
	AuthRole  string        // the role to ask for; most routers ignore it
	AuthExtra protocol.Dict // what else to tell the router; methods add to it what they need
}

// AuthRequest is an attempt to join, for which an Authenticator is to prepare.
type AuthRequest struct {
	// Details are those of HELLO. Claim adds to them.
	Details *protocol.HelloDetails
	// Bind returns the bindings of the connection. Nil: it has none.
	Bind auth.Binder

	nonce *string // drawn by the first SCRAM client, empty before
}

// Claim adds an identity to HELLO. The error says what contradicts an earlier claim; it does not
// contain values of authextra.
func (r AuthRequest) Claim(id Identity) error {
	d := r.Details
	errs := []error{claim("authid", &d.AuthID, id.AuthID), claim("authrole", &d.AuthRole, id.AuthRole)}
	for _, key := range slices.Sorted(maps.Keys(id.AuthExtra)) {
		value := id.AuthExtra[key]
		if have, ok := d.AuthExtra[key]; ok && !reflect.DeepEqual(have, value) {
			errs = append(errs, fmt.Errorf("authextra: %s: claimed with different values", key))
			continue
		}
		if d.AuthExtra == nil {
			d.AuthExtra = make(protocol.Dict)
		}
		d.AuthExtra[key] = value
	}
	return errors.Join(errs...)
}

func claim(name string, have *string, value string) error {
	switch {
	case value == "" || *have == value:
		return nil
	case *have == "":
		*have = value
		return nil
	default:
		return fmt.Errorf("%s: both %q and %q are claimed", name, *have, value)
	}
}

// binding returns the binding of the connection that a method wants.
func (r AuthRequest) binding(t auth.BindingType) (auth.ChannelBinding, error) {
	switch {
	case t == auth.NoBinding:
		return auth.ChannelBinding{}, nil
	case r.Bind == nil:
		return auth.ChannelBinding{}, fmt.Errorf("%s: the connection has no TLS: %w", t, auth.ErrChannelBinding)
	default:
		return r.Bind(t)
	}
}

// Attempt is one attempt to join with the methods that a client offers.
type Attempt struct {
	exchanges []Exchange
	byMethod  map[string]Exchange
	first     func(context.Context, *protocol.Challenge) (*protocol.Authenticate, error)

	mu        sync.Mutex
	answering bool
	used      Exchange // of the last challenge
	own       bool     // first has answered that
}

// NewAttempt offers the methods in HELLO, in this order, and starts an exchange for each. Without
// methods it offers nothing, which routers take for anonymous. bind returns the bindings of the
// connection, nil if it has none. The AuthExtra of hello is replaced, not changed.
func NewAttempt(ctx context.Context, hello *protocol.HelloDetails, bind auth.Binder, methods []Authenticator) (*Attempt, error) {
	a := &Attempt{byMethod: make(map[string]Exchange, len(methods))}
	hello.AuthExtra = maps.Clone(hello.AuthExtra)
	req := AuthRequest{Details: hello, Bind: bind, nonce: new(string)}
	for _, m := range methods {
		x, err := m.Attempt(ctx, req)
		if err != nil {
			return nil, err
		}
		a.exchanges = append(a.exchanges, x)
		for _, name := range m.Methods() {
			a.byMethod[name] = x
			if !slices.Contains(hello.AuthMethods, name) {
				hello.AuthMethods = append(hello.AuthMethods, name)
			}
		}
	}
	return a, nil
}

// Answer returns the answer to a CHALLENGE for a method that was offered. It may take long.
// Challenges are answered one after the other: one that comes too early is refused.
func (a *Attempt) Answer(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	x, ok := a.byMethod[ch.Method]
	if !ok && a.first == nil {
		return nil, fmt.Errorf("challenged for %q, which was not offered", ch.Method)
	}
	a.mu.Lock()
	if a.answering {
		a.mu.Unlock()
		return nil, errors.New("challenged again before the first challenge was answered")
	}
	a.answering, a.used, a.own = true, x, false
	a.mu.Unlock()
	own := false
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.answering, a.own = false, own
	}()
	if a.first != nil {
		answer, err := a.first(ctx, ch)
		if own = answer != nil && err == nil; own || err != nil {
			return answer, err
		}
	}
	if !ok {
		return nil, fmt.Errorf("there is nothing to answer the challenge for %q with", ch.Method)
	}
	return x.Answer(ctx, ch)
}

// AnswerFirst has f asked before the methods. When it answers a challenge itself, Verify accepts the
// WELCOME: what the router must prove then is for the caller to check. It is to be called before
// Answer.
func (a *Attempt) AnswerFirst(f func(ctx context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error)) {
	a.first = f
}

// Verify checks a WELCOME. What the router says about the method it used is not relied upon. A
// WELCOME without a challenge must be acceptable to one of the methods.
func (a *Attempt) Verify(welcome *protocol.WelcomeDetails) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.answering:
		return fmt.Errorf("welcomed before the challenge was answered: %w", auth.ErrUntrustedRouter)
	case a.own:
		return nil
	case a.used != nil:
		return a.used.Verify(welcome)
	}
	var refusal error
	for _, x := range a.exchanges {
		err := x.Verify(welcome)
		if err == nil {
			return nil
		}
		if refusal == nil {
			refusal = err
		}
	}
	return refusal
}

// CheckMethods reports whether the methods can be offered together, in a HELLO with these details:
// each once, each complete, and without contradictions about authid, authrole and authextra. It
// starts no attempt.
func CheckMethods(hello protocol.HelloDetails, methods []Authenticator) error {
	var errs []error
	seen := make(map[string]bool)
	hello.AuthExtra = maps.Clone(hello.AuthExtra)
	req := AuthRequest{Details: &hello}
	for i, m := range methods {
		if m == nil {
			errs = append(errs, fmt.Errorf("method %d is nil", i))
			continue
		}
		for _, name := range m.Methods() {
			if seen[name] {
				errs = append(errs, fmt.Errorf("method %s is there twice", name))
			}
			seen[name] = true
		}
		if c, ok := m.(interface{ Validate() error }); ok {
			errs = append(errs, c.Validate())
		}
		if c, ok := m.(interface{ claims() []Identity }); ok {
			for _, id := range c.claims() {
				errs = append(errs, req.Claim(id))
			}
		}
	}
	return errors.Join(errs...)
}

// drawn stands for a value of authextra that is not known before an attempt, in claims that are
// compared before. Nothing a user claims is equal to it.
type drawn struct{ name string }
