package session

import (
	"context"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Event is an event of a topic that this session subscribed to. Several handlers may share it: it
// is read-only, and may be kept.
type Event struct {
	data
	// Details are the details of the EVENT: who published it, if that is disclosed, and whether
	// it is a retained one.
	Details protocol.EventDetails

	subscription protocol.ID
	publication  protocol.ID
	topic        protocol.URI
	sess         *Session

	buf [48]byte // memory of a small payload
}

func newEvent(s *Session, topic protocol.URI, msg *protocol.Event) *Event {
	ev := &Event{
		Details: msg.Details, subscription: msg.Subscription, publication: msg.Publication,
		topic: topic, sess: s,
	}
	if msg.Payload.Size() <= len(ev.buf) {
		ev.Payload = copyPayload(ev.buf[:0], msg.Payload)
	} else {
		ev.Payload = msg.Payload.Clone() // it may be kept, see copyPayload
	}
	if msg.Details.Topic != "" {
		ev.topic = msg.Details.Topic
	}
	return ev
}

// Topic returns the URI that was published to. For a pattern subscription that is what the router
// says, for any other it is the URI that was subscribed to.
func (ev *Event) Topic() protocol.URI { return ev.topic }

// Subscription returns the identifier of the subscription.
func (ev *Event) Subscription() protocol.ID { return ev.subscription }

// Publication returns the identifier of the publication, the same for all its receivers.
func (ev *Event) Publication() protocol.ID { return ev.publication }

// Session returns the session that received the event.
func (ev *Event) Session() *Session { return ev.sess }

// Context returns the context of the session, which handlers get.
func (ev *Event) Context() context.Context { return ev.sess.ctx }
