// Package actors is everything with a mailbox: the transport, session, registration
// and subscription actors of clients, the session and realm actors of the router, and
// the messages that a user's own actors exchange with them.
//
// # Usage
//
// Most programs use the root package, which wires these actors together. A program
// with an actor system of its own passes it to [NewHost].
//
// # Concurrency
//
// An actor's state belongs to its Receive. What two actors share is immutable, or
// one of the few counters in flow.go. Nothing in Receive blocks: reading and dialing
// have goroutines of their own, writing gets one when the kernel's buffer is full, and
// users' handlers run outside of actors.
//
// # Supervision
//
// A panic in an actor of this package is a bug of this package. It ends the
// connection whose actor panicked, is logged with its stack, and touches nothing else.
package actors
