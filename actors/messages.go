package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
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

	// WatchSession asks for the messages about the life of a component, which are below, in the
	// order in which things happen, and at last for *Ended. Those that lead to the present state
	// come at once: a watcher that comes late learns of the session, too. The component never
	// waits for a watcher, and forgets one that has stopped. A group passes the message on to all
	// its children, those to come included, and adds its own *Ended.
	WatchSession struct {
		// PID is who wants to know; nil is the sender.
		PID *actor.PID
	}

	// UnwatchSession takes WatchSession back.
	UnwatchSession struct{ PID *actor.PID }

	// StopChild asks a group to stop one of its children for good, in good order, whatever its
	// restart type.
	StopChild struct{ Name string }

	// Stop asks a component to leave its session and stop, in good order. Stopping its PID with
	// the means of Proto.Actor cuts the connection instead.
	Stop struct {
		// Reason of the GOODBYE; "" is protocol.CloseRealm.
		Reason protocol.URI
		// Message is a text for people.
		Message string
	}
)

// Messages about the life of a component to those who watch it, see WatchSession. All are pointers;
// Component is its actor.
type (
	// Started is the first one, before the first attempt to connect.
	Started struct{ Component *actor.PID }

	// Connected says that a transport is open.
	Connected struct {
		Component *actor.PID
		URL       string
	}

	// ConnectFailed says that an attempt did not become a session. Connected and Disconnected
	// are around it if the transport was open.
	ConnectFailed struct {
		Component *actor.PID
		URL       string
		Class     supervisor.Class
		Err       error
	}

	// Joined says that a component has a session.
	Joined struct {
		Component *actor.PID
		Session   *session.Session
	}

	// Ready says that all declarations are acknowledged and the listeners for join have returned.
	Ready struct {
		Component *actor.PID
		Session   *session.Session
	}

	// Left says that a component's session has ended.
	Left struct {
		Component *actor.PID
		Session   *session.Session
		Reason    *session.EndedError
	}

	// Disconnected says that a transport is closed, with nil if that was in good order.
	Disconnected struct {
		Component *actor.PID
		URL       string
		Err       error
	}

	// Ended says that a component, or a group, has stopped for good: with nil if it was told to or
	// has done its work.
	Ended struct {
		Component *actor.PID
		Err       error
	}
)
