package supervisor

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// errUnreported stands for the cause of a failure that was reported without one.
var errUnreported = errors.New("ended without a reported cause")

// errEnded stands for the failure of a child that ended normally although it must not end.
var errEnded = errors.New("ended normally")

// TransportCause is why one transport of a component is no longer tried.
type TransportCause struct {
	// Transport is its name, as in TransportPolicy.Name.
	Transport string
	// Failures is how many attempts on it failed in a row.
	Failures int
	// Fatal reports whether its IsFatal predicate removed it, rather than its retries.
	Fatal bool
	// Err is the last failure on it.
	Err error
}

// ExhaustedError is the end of a component that has no transport left to try. It unwraps to
// the last failure of each of its transports, so errors.Is and errors.As look into all of them.
// Its class is ClassPermanent whatever its causes are: the retries have been made.
type ExhaustedError struct {
	// Causes has one entry for each transport, in the order they were configured.
	Causes []TransportCause
}

// Error names each transport with its failures.
func (e *ExhaustedError) Error() string {
	var sb strings.Builder
	sb.WriteString("supervisor: no transport left to try")
	sep := ": "
	for _, c := range e.Causes {
		state := fmt.Sprintf("%d in a row", c.Failures)
		if c.Fatal {
			state = "fatal"
		}
		fmt.Fprintf(&sb, "%s%s (%s): %v", sep, c.Transport, state, c.Err)
		sep = "; "
	}
	return sb.String()
}

// Unwrap returns the last failure of each transport.
func (e *ExhaustedError) Unwrap() []error {
	errs := make([]error, 0, len(e.Causes))
	for _, c := range e.Causes {
		errs = append(errs, c.Err)
	}
	return errs
}

// FaultClass returns ClassPermanent.
func (e *ExhaustedError) FaultClass() Class { return ClassPermanent }

// IntensityError is the end of a supervisor whose children had to be restarted too often. Its
// class is ClassPermanent.
type IntensityError struct {
	// Child is the name of the child whose failure was one too many.
	Child string
	// Intensity is the limit that was passed.
	Intensity Intensity
	// Err is that failure.
	Err error
}

// Error names the child, the limit and the failure.
func (e *IntensityError) Error() string {
	return fmt.Sprintf("supervisor: %s: more restarts than %v: %v", e.Child, e.Intensity, e.Err)
}

// Unwrap returns the failure that was one too many.
func (e *IntensityError) Unwrap() error { return e.Err }

// FaultClass returns ClassPermanent.
func (e *IntensityError) FaultClass() Class { return ClassPermanent }

// PanicError is a recovered panic. Its class is ClassBug.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack of the panicking goroutine, nil if it was lost.
	Stack []byte
}

// NewPanicError returns the PanicError for a value that recover returned, with the stack of the
// calling goroutine: call it in the deferred function that recovers. A value that is a
// *PanicError already is returned unchanged, so that a panic can pass through several layers
// and keep the stack of its origin.
func NewPanicError(value any) *PanicError {
	if pe, ok := value.(*PanicError); ok && pe != nil {
		return pe
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error returns the panic's value without its stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// FaultClass returns ClassBug, also for a panic with an error that carries another class.
func (e *PanicError) FaultClass() Class { return ClassBug }
