// Package session is the client side of WAMP: the machine that plays one session, and the handle
// that users call.
//
// # Usage
//
// A [Session] is handed to a component's join handler. Its verbs are Call, Publish, Register,
// Subscribe and Leave; the function [Call] decodes the first result into a Go type. Everything
// that varies from call to call is an option, and each verb takes only the options that mean
// something to it:
//
//	sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
//	res, err := s.Call(ctx, "com.myapp.search", session.Args("wamp"), session.KwArgs(map[string]any{"limit": 5}))
//	id, err := s.Publish(ctx, "com.myapp.oncounter", session.Args(7), session.Acknowledge())
//
// # Concurrency
//
// A Session, its registrations and its subscriptions may be used by any number of goroutines. A
// [Machine] is a plain data structure without locks, goroutines or a clock: whoever owns it, in
// this module the session actor, calls it from one goroutine at a time and passes the time.
//
// # Errors
//
// A WAMP error is an [*Error]; [IsRemote] tells whether the peer sent it or this package made it,
// [ErrorURI] finds its URI in a chain. When a session ends, what was pending fails with an
// [*EndedError], which matches [ErrClosed]. A context that is done fails with the context's error.
package session
