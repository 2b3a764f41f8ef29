package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// Messages to the actors of users that serve procedures and topics, see To and Spawn. All are
// pointers.
type (
	// Invocation is a call to serve. Answer it once, from wherever you like, in one of these
	// ways: ctx.Respond with a *Result, with an error, or with any other value, which becomes
	// the only positional value of the result; or call Respond or Fail on the Invocation itself.
	// ctx.Respond with a *Progress, or Progress on the Invocation, sends a progressive result.
	Invocation struct{ *session.Invocation }

	// Interrupted says that an Invocation is not wanted any more; its caller has been answered.
	// It comes only if the Invocation has not been answered yet.
	Interrupted struct {
		Invocation *Invocation
		// Reason is an *session.Error or *session.EndedError.
		Reason error
	}

	// Event is an event of a topic. There is nothing to answer.
	Event struct{ *session.Event }

	// Result answers an Invocation.
	Result struct {
		Args   []any
		KwArgs any // map with string keys or struct; nil is absent
	}

	// Progress is a progressive result of an Invocation. It is dropped if the caller did not
	// ask for any.
	Progress struct {
		Args   []any
		KwArgs any
	}
)

// Messages from the actors of users to a component. All are pointers.
type (
	// Call calls a procedure. Send it with ctx.Request: the answer is a *CallResult for each
	// progressive result, if session.OnProgress is among the options, and one that is final.
	// Calls of one actor are made in the order in which it sent them.
	Call struct {
		Procedure string
		Args      []any
		KwArgs    any // map with string keys or struct; nil is absent
		Options   []session.CallOption
		// Ref is whatever helps the sender to tell its calls apart.
		Ref any
	}

	// CallResult answers a Call.
	CallResult struct {
		Call *Call
		// Result is nil if Err is not.
		Result *session.Result
		// Err is what session.Session.Call would return; session.ErrNotJoined while the
		// component has no session.
		Err error
	}

	// Publish publishes an event. If it is sent with ctx.Request, the answer is a *Published.
	Publish struct {
		Topic   string
		Args    []any
		KwArgs  any // map with string keys or struct; nil is absent
		Options []session.PublishOption
		// Ref is whatever helps the sender to tell its publications apart.
		Ref any
	}

	// Published answers a Publish: when it has been sent, or when the router has acknowledged
	// it if session.Acknowledge is among the options.
	Published struct {
		Publish *Publish
		// ID is zero without an acknowledgement.
		ID protocol.ID
		// Err is what session.Session.Publish would return; session.ErrNotJoined while the
		// component has no session.
		Err error
	}

	// WatchSession asks for *Joined and *Left, and at last for *Ended. If there is a session,
	// its *Joined comes at once. The component forgets a watcher that has stopped.
	WatchSession struct {
		// PID is who wants to know; nil is the sender.
		PID *actor.PID
	}

	// UnwatchSession takes WatchSession back.
	UnwatchSession struct{ PID *actor.PID }

	// Joined says that a component has a session.
	Joined struct {
		Component *actor.PID
		Session   *session.Session
	}

	// Left says that a component's session has ended.
	Left struct {
		Component *actor.PID
		Session   *session.Session
		Reason    *session.EndedError
	}

	// Ended says that a component has stopped for good: with nil if it was told to or has done
	// its work.
	Ended struct {
		Component *actor.PID
		Err       error
	}

	// Stop asks a component to leave its session and stop, in good order. Stopping its PID with
	// the means of Proto.Actor cuts the connection instead.
	Stop struct {
		// Reason of the GOODBYE; "" is protocol.CloseRealm.
		Reason protocol.URI
		// Message is a text for people.
		Message string
	}
)
