package auth

import (
	"errors"
	"fmt"
)

// The kinds of errors a caller may want to tell apart, with [errors.Is].
var (
	// ErrMalformed says that a peer's message lacks an element or has a wrong one.
	ErrMalformed = errors.New("malformed message")
	// ErrCost says that a router asks for a key derivation outside of the client's [Limits].
	ErrCost = errors.New("cost of key derivation out of bounds")
	// ErrChannelBinding says that the connection cannot be bound to in the wanted way, or
	// that the peers disagree on it.
	ErrChannelBinding = errors.New("channel binding failed")
	// ErrUntrustedRouter says that the router did not prove who it is. The client should
	// abort, and gain nothing from trying again.
	ErrUntrustedRouter = errors.New("router is not authenticated")
	// ErrDenied says that a client did not prove who it is: a wrong secret, a wrong or late
	// answer, or a second one.
	ErrDenied = errors.New("client is not authenticated")
	// ErrPassphrase says that a private key is encrypted and the passphrase is missing or
	// wrong.
	ErrPassphrase = errors.New("wrong or missing passphrase")
)

// methodError is an error of one authentication method. kind is one of the sentinels, or nil
// for mistakes of the caller.
type methodError struct {
	kind            error
	method, problem string
}

func (e *methodError) Error() string { return "auth: " + e.method + ": " + e.problem }

func (e *methodError) Unwrap() error { return e.kind }

func failf(kind error, method, format string, args ...any) error {
	return &methodError{kind: kind, method: method, problem: fmt.Sprintf(format, args...)}
}
