package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

var (
	// ErrClosed says that the session has ended. Every [*EndedError] matches it.
	ErrClosed = errors.New("session closed")
	// ErrNotJoined says that there is no session yet, or none at the moment.
	ErrNotJoined = errors.New("not joined")
	// ErrRevoked says that the router took a registration or subscription away.
	ErrRevoked = errors.New("revoked by the router")
)

// Error is a WAMP error: what a callee or the router answered, or what a handler wants the caller
// to get. It may be read concurrently.
type Error struct {
	// URI names the error, for example "com.myapp.error.no_such_user".
	URI protocol.URI
	// Args are its positional values; by custom the first is a text for people.
	Args []any
	// KwArgs are its keyword values.
	KwArgs map[string]any

	payload protocol.Payload
	remote  bool
	cause   error
}

// NewError returns an error to answer a call with.
func NewError(uri protocol.URI, args ...any) *Error { return &Error{URI: uri, Args: args} }

// newLocal returns an error with a WAMP meaning that was found on this side of the wire.
func newLocal(uri protocol.URI, cause error) *Error {
	return &Error{URI: uri, Args: []any{cause.Error()}, cause: cause}
}

// remoteError decodes a message that the peer sent. The payload must not be borrowed.
func remoteError(uri protocol.URI, payload protocol.Payload) *Error {
	e := &Error{URI: protocol.CanonicalError(uri), payload: payload, remote: true}
	// What cannot be decoded is left out: the URI is what callers branch on.
	e.Args, _ = codec.Args(payload)
	e.KwArgs, _ = codec.KwArgs(payload)
	return e
}

// Error returns the URI, followed by the first positional value if that is a text.
func (e *Error) Error() string {
	if len(e.Args) > 0 {
		if text, ok := e.Args[0].(string); ok && text != "" {
			return string(e.URI) + ": " + text
		}
	}
	return string(e.URI)
}

// Unwrap returns the Go error that this error was made from, or that an [ErrorMap] gave for it.
func (e *Error) Unwrap() error { return e.cause }

// Remote reports whether the peer sent the error; otherwise it was made on this side.
func (e *Error) Remote() bool { return e.remote }

// Decode decodes the positional values of an error that the peer sent into the targets, which
// are pointers. It fails like [Result.Decode].
func (e *Error) Decode(targets ...any) error { return decodeArgs(e.payload, targets) }

// DecodeKw decodes the keyword values of an error that the peer sent into a pointer to a struct
// or map.
func (e *Error) DecodeKw(target any) error { return decodeKwArgs(e.payload, target) }

// ErrorURI returns the WAMP error URI that err carries: that of an [*Error] or the reason of an
// [*EndedError] in its chain, [protocol.ErrorCanceled] and [protocol.ErrorTimeout] for the errors
// of contexts, and "" if there is none.
func ErrorURI(err error) protocol.URI {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.URI
	}
	if ended, ok := errors.AsType[*EndedError](err); ok {
		return ended.Reason
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.ErrorTimeout
	case errors.Is(err, context.Canceled):
		return protocol.ErrorCanceled
	default:
		return ""
	}
}

// IsRemote reports whether err carries a WAMP error, or the end of the session, that the peer
// sent. It is false for what was found on this side of the wire.
func IsRemote(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.remote
	}
	var ended *EndedError
	return errors.As(err, &ended) && (ended.How == EndRefused || ended.How == EndGoodbye || ended.How == EndAborted)
}

// End is how a session ended.
type End uint8

// The ways in which a session ends.
const (
	// EndLeft is a close that this side asked for.
	EndLeft End = iota
	// EndGoodbye is a close that the router asked for.
	EndGoodbye
	// EndRefused is an ABORT of the router before the session was established.
	EndRefused
	// EndAborted is an ABORT of the router in an established session.
	EndAborted
	// EndViolation is an ABORT of this side: the router broke the protocol, or asked for
	// credentials that there are none of.
	EndViolation
	// EndLost is the loss of the transport.
	EndLost
	// EndTimeout is a router that did not answer HELLO, AUTHENTICATE or GOODBYE in time.
	EndTimeout
)

// String returns a few words for people.
func (e End) String() string {
	switch e {
	case EndLeft:
		return "left"
	case EndGoodbye:
		return "closed by router"
	case EndRefused:
		return "refused by router"
	case EndAborted:
		return "aborted by router"
	case EndViolation:
		return "aborted"
	case EndLost:
		return "transport lost"
	case EndTimeout:
		return "router did not answer in time"
	default:
		return "ended"
	}
}

// EndedError says why a session, or an attempt to join, ended. Requests that were pending then
// fail with it. It matches [ErrClosed] and unwraps to its cause.
type EndedError struct {
	// How is the way in which it ended.
	How End
	// Reason is the URI of the GOODBYE or ABORT, "" if there was none.
	Reason protocol.URI
	// Message is the text that came with it, for people.
	Message string
	// Joined reports whether there was an established session.
	Joined bool
	// Cause is the Go error behind it, nil if there is none.
	Cause error
}

// Error describes the end in one line.
func (e *EndedError) Error() string {
	var b strings.Builder
	b.WriteString(e.How.String())
	for _, s := range []string{string(e.Reason), e.Message} {
		if s != "" {
			b.WriteString(": ")
			b.WriteString(s)
		}
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *EndedError) Unwrap() error { return e.Cause }

// Is reports whether target is [ErrClosed].
func (e *EndedError) Is(target error) bool { return target == ErrClosed }
