package router

import (
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Peer is an established session as everybody else sees it. It is immutable.
type Peer struct {
	ID           protocol.ID
	Realm        protocol.URI
	AuthID       string
	AuthRole     string
	AuthMethod   string
	AuthProvider string
	AuthExtra    protocol.Dict
	Roles        protocol.Roles
	Serializer   protocol.Serializer
	// Internal reports whether this is a session of the router itself, by which it calls
	// procedures (see CallFunc). It may do everything, and is in no list, count or event of
	// sessions.
	Internal bool
	// Handle is how the surroundings reach the session's actor. The rules never
	// look at it.
	Handle any
}

// asCallee reports whether the peer announced the features as a callee.
func (p *Peer) asCallee(f protocol.Features) bool { return p.Roles.Supports(protocol.Callee, f) }

// interruptible reports whether the peer, as callee, understands INTERRUPT.
func (p *Peer) interruptible() bool {
	return p.asCallee(protocol.FeatureCallCanceling)
}

// Effects is what a session asks of its surroundings. The calls are carried out in
// order; a session makes them from the method that it was called with.
type Effects interface {
	// Send sends m to the session's own peer. m is valid during the call only.
	Send(m protocol.Message)
	// SendEvents sends the events of a run to the session's own peer, and says Done to the
	// run if nothing of it is kept.
	SendEvents(run *Events)
	// SendRetained sends an event of the past to the session's own peer. It reports
	// whether the peer keeps up: if not, ev was dropped, and what follows would be.
	SendRetained(ev *protocol.Event) bool
	// Deliver hands d to another session, which may be on its way out: an Invoke
	// that cannot be delivered comes back as a CallFailed with ErrorCanceled, or as it
	// was, but Refused, when it is certain that the callee has not got it.
	Deliver(to *Peer, d Delivery)
	// Command hands c to the realm, and has what follows routed against the latest
	// snapshot.
	Command(c Command)
	// Authorize has an Authorizer decide, and Session.Authorized called with the outcome.
	Authorize(c Consultation)
	// StartTimer has Session.Expire called with the request after the duration.
	StartTimer(request protocol.ID, after time.Duration)
	// StopTimer stops the timer of the request, if it is running.
	StopTimer(request protocol.ID)
}

// Delivery is something one session, or the realm, hands to another session. Kind
// says which fields are set.
type Delivery struct {
	Kind    DeliveryKind
	Mode    protocol.CancelMode // Interrupt
	Error   protocol.URI        // CallFailed without Message; Interrupt and Refused: the reason
	Call    *Call               // Invoke, Interrupt, Yielded, CallFailed, Refused
	Message protocol.Message    // Invoke and Refused: *Call; Yielded: *Yield; CallFailed: *Error; Acknowledge, Revoke; Kill: *Goodbye
	Events  *Events             // EventRun
	late    *lateAnswer         // Acknowledge
}

// DeliveryKind tells the deliveries apart.
type DeliveryKind uint8

// The kinds of Delivery.
const (
	Invoke      DeliveryKind = iota + 1 // caller to callee: a call
	Interrupt                           // caller to callee: canceled, timed out, or the caller left
	Yielded                             // callee to caller: a YIELD
	CallFailed                          // callee to caller: the final error
	Refused                             // callee to caller: an Invoke that came too late, to go to another callee
	EventRun                            // publisher to subscriber
	Acknowledge                         // realm to session: the answer to a Command
	Revoke                              // realm to session: a registration or subscription is taken away
	Kill                                // realm to the surroundings of a session: Session.Goodbye and Leave are due
)

// Size returns roughly how many bytes the delivery keeps queued.
func (d *Delivery) Size() int {
	const overhead = 64
	switch m := d.Message.(type) {
	case *protocol.Call:
		return overhead + len(m.Procedure) + m.Payload.Size() + m.Options.Passthru.Size()
	case *protocol.Yield:
		return overhead + m.Payload.Size() + m.Options.Passthru.Size()
	case *protocol.Error:
		return overhead + len(m.Error) + m.Payload.Size() + m.Details.Passthru.Size()
	default:
		switch {
		case d.Events != nil:
			return d.Events.Size()
		case d.late != nil:
			return overhead + d.late.size
		}
		return overhead
	}
}

// Call is the record of a call under way. Both sessions hold it, but no field has
// two owners: the first ones never change, the
// rest belongs to the side that the comment names. It has room for the messages that it is
// about, so that a call is one allocation, and what was decoded can be used again.
type Call struct {
	caller   *Peer
	callee   *Peer
	request  protocol.ID // CALL.Request
	reg      *Registration
	endpoint *Endpoint
	avoid    []*Peer // callees that had left when the call came

	timeout  time.Duration // caller's: 0 is off
	canceled bool          // caller's: CANCEL mode kill is under way

	invocation protocol.ID // callee's: INVOCATION.Request
	progress   bool        // callee's: progressive results were asked of the callee

	message protocol.Call  // of an Invoke: the caller's until it is delivered, then the callee's
	result  protocol.Yield // of the last Yielded: the callee's until it is delivered, then the caller's
}

// Request returns the CALL.Request that the record is about.
func (c *Call) Request() protocol.ID { return c.request }

// Command is something a session asks of its realm.
type Command struct {
	From    *Peer
	Message protocol.Message // *Subscribe, *Unsubscribe, *Register, *Unregister, or *Call of a meta procedure
	op      metaOp           // what the *Call asks for
	keep    *publication     // to be kept; without Message
}
