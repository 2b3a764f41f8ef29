package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// ErrorMap translates between Go errors and WAMP errors, both ways: what a handler returns gets
// the URI that was defined for it, and what a call fails with gets the Go error that was defined
// for its URI. The zero value is ready for use and translates nothing; a nil *ErrorMap does the
// same. Its methods may be called concurrently. Later definitions come first.
type ErrorMap struct {
	mu   sync.Mutex
	defs atomic.Pointer[[]definition]
}

type definition struct {
	uri protocol.URI
	// wire returns what to send for err, and nil if the definition is for other errors.
	wire func(err error) *Error
	// local returns the Go error for e, and nil if it cannot be made.
	local func(e *Error) error
}

// Define makes a sentinel error and a URI stand for each other. A handler's error that is the
// sentinel, by errors.Is, is sent with the URI and its text. An error with the URI that a peer
// sent is, by errors.Is, the sentinel.
func (m *ErrorMap) Define(uri protocol.URI, sentinel error) {
	m.add(definition{
		uri: uri,
		wire: func(err error) *Error {
			if !errors.Is(err, sentinel) {
				return nil
			}
			return NewError(uri, err.Error())
		},
		local: func(*Error) error { return sentinel },
	})
}

// DefineError makes the error type E and a URI stand for each other. encode returns the values to
// send for an E that a handler returned; decode makes an E from an error that a peer sent, found
// by errors.As in what the call returns. If decode fails, the call's error is as if nothing had
// been defined.
func DefineError[E error](m *ErrorMap, uri protocol.URI, encode func(E) (args []any, kwargs map[string]any), decode func(*Error) (E, error)) {
	m.add(definition{
		uri: uri,
		wire: func(err error) *Error {
			var e E
			if !errors.As(err, &e) {
				return nil
			}
			args, kwargs := encode(e)
			return &Error{URI: uri, Args: args, KwArgs: kwargs}
		},
		local: func(e *Error) error {
			made, err := decode(e)
			if err != nil {
				return nil
			}
			return made
		},
	})
}

func (m *ErrorMap) add(d definition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defs := []definition{d}
	if old := m.defs.Load(); old != nil {
		defs = append(defs, *old...)
	}
	m.defs.Store(&defs)
}

func (m *ErrorMap) definitions() []definition {
	if m == nil {
		return nil
	}
	if defs := m.defs.Load(); defs != nil {
		return *defs
	}
	return nil
}

// toWire returns what to send for an error that a handler returned.
func (m *ErrorMap) toWire(err error) *Error {
	for _, d := range m.definitions() {
		if e := d.wire(err); e != nil {
			return e
		}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return NewError(protocol.ErrorTimeout, err.Error())
	case errors.Is(err, context.Canceled):
		return NewError(protocol.ErrorCanceled, err.Error())
	default:
		return NewError(protocol.ErrorRuntime, err.Error())
	}
}

// fromWire gives an error of the peer the Go error that is defined for its URI.
func (m *ErrorMap) fromWire(err error) error {
	e, ok := err.(*Error) //nolint:errorlint // it has just been made from a message, nothing wraps it
	if !ok || !e.remote || e.cause != nil {
		return err
	}
	for _, d := range m.definitions() {
		if d.uri == e.URI {
			if e.cause = d.local(e); e.cause != nil {
				break
			}
		}
	}
	return e
}

// asError returns err as a WAMP error that says it could not be sent.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return newLocal(protocol.ErrorInvalidPayload, err)
}
