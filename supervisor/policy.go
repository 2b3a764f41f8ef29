package supervisor

import (
	"errors"
	"fmt"
)

// Class says what kind of fault an error is, and thereby what can be done about it.
type Class int

const (
	// ClassTransient is a fault that may be gone at the next attempt: connection refused or
	// lost, router restarting, deadline passed. Try again after a delay. It is the zero value
	// because an error that nobody classified must not end a component.
	ClassTransient Class = iota
	// ClassPermanent is a fault that the same attempt will meet again: credentials refused, no
	// such realm. Stop and report.
	ClassPermanent
	// ClassBug is a fault of the program itself: a panic. Restart within a budget, then give up.
	ClassBug
)

// String returns "transient", "permanent" or "bug".
func (c Class) String() string {
	switch c {
	case ClassTransient:
		return "transient"
	case ClassPermanent:
		return "permanent"
	case ClassBug:
		return "bug"
	default:
		return fmt.Sprintf("Class(%d)", int(c))
	}
}

// Classifier returns the class of an error that is not nil. It must be a pure function: it is
// called on the goroutine of whichever supervisor has to decide.
type Classifier func(err error) Class

// Classify returns the class that err carries, that is the result of the first method
//
//	FaultClass() Class
//
// in its chain, as errors.As finds it, and ClassTransient if there is none.
func Classify(err error) Class {
	c, _ := carriedClass(err)
	return c
}

func carriedClass(err error) (Class, bool) {
	var carrier interface{ FaultClass() Class }
	if errors.As(err, &carrier) {
		return carrier.FaultClass(), true
	}
	return ClassTransient, false
}

// ClassifyByReason returns a Classifier for errors that have a WAMP reason URI: an error that
// carries its class keeps it, any other has the class that ReasonClass gives to its URI.
// reasonOf returns the URI of an error, and the empty string if it has none.
func ClassifyByReason(reasonOf func(error) string) Classifier {
	return func(err error) Class {
		if c, ok := carriedClass(err); ok {
			return c
		}
		return ReasonClass(reasonOf(err))
	}
}

// ReasonClass returns the class of the reason URI of an ABORT, a GOODBYE or an ERROR: permanent
// for reasons that say the peer will never accept these credentials, this realm or this request,
// transient for all others, unknown ones and the empty string included.
//
// The reasons wamp.error.authentication_failed and wamp.error.authorization_failed are
// transient: they mean that the router could not check the credentials, not that the credentials
// are wrong. Some routers use them for both; a component that must not repeat refused
// credentials there says so with a Classifier of its own or with TransportPolicy.IsFatal.
func ReasonClass(uri string) Class {
	switch uri {
	case "wamp.error.no_such_realm",
		"wamp.error.no_such_role",
		"wamp.error.no_such_principal",
		"wamp.error.not_authorized",
		"wamp.error.authorization_denied",
		"wamp.error.authorization_required",
		"wamp.error.authentication_denied",
		"wamp.error.authentication_required",
		"wamp.error.no_matching_auth_method",
		"wamp.error.no_auth_method",
		"wamp.error.invalid_uri":
		return ClassPermanent
	default:
		return ClassTransient
	}
}

// Transient returns err with the class ClassTransient, whatever class it carried before, and
// nil for nil. The text is unchanged and the chain is kept.
func Transient(err error) error { return withClass(err, ClassTransient) }

// Permanent returns err with the class ClassPermanent, as Transient does.
func Permanent(err error) error { return withClass(err, ClassPermanent) }

// Bug returns err with the class ClassBug, as Transient does.
func Bug(err error) error { return withClass(err, ClassBug) }

func withClass(err error, c Class) error {
	if err == nil {
		return nil
	}
	return &classedError{err: err, class: c}
}

type classedError struct {
	err   error
	class Class
}

func (e *classedError) Error() string     { return e.err.Error() }
func (e *classedError) Unwrap() error     { return e.err }
func (e *classedError) FaultClass() Class { return e.class }
