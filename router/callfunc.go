package router

import (
	"context"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// CallFunc calls a procedure of a realm as the router itself: an authenticator or authorizer that
// is a WAMP procedure. The caller is a session of the router in that realm, which is started by the
// first call; it needs no credentials and no permissions, and its Peer is Internal.
//
// It blocks until the answer is there or ctx is done, so it must not be called from the actor of a
// session or realm: run it on a goroutine, as Exchange.Later is, and post the outcome. A ctx
// without a deadline waits for a callee as long as the router lives. It may be called concurrently.
//
// The result is the first positional value, or else the keyword values as a map[string]any, or
// nil; values are as codec.Args decodes them. The error is a *CallError if the callee or the
// router answered with one, protocol.ErrorNoSuchProcedure among them, which may be different the
// next time; any other means that the call could not be made or that ctx is done.
type CallFunc func(ctx context.Context, realm, procedure protocol.URI, args []any, kwargs map[string]any) (any, error)

// CallError is the ERROR that a CallFunc was answered with.
type CallError struct {
	URI protocol.URI
	// Message is the first positional value of the ERROR if that is a text.
	Message string
}

// Error returns URI and message.
func (e *CallError) Error() string {
	if e.Message == "" {
		return string(e.URI)
	}
	return string(e.URI) + ": " + e.Message
}
