package router

import (
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// The topics of meta events.
const (
	onJoin  protocol.URI = "wamp.session.on_join"
	onLeave protocol.URI = "wamp.session.on_leave"

	onRegistrationCreate protocol.URI = "wamp.registration.on_create"
	onRegister           protocol.URI = "wamp.registration.on_register"
	onUnregister         protocol.URI = "wamp.registration.on_unregister"
	onRegistrationDelete protocol.URI = "wamp.registration.on_delete"

	onSubscriptionCreate protocol.URI = "wamp.subscription.on_create"
	onSubscribe          protocol.URI = "wamp.subscription.on_subscribe"
	onUnsubscribe        protocol.URI = "wamp.subscription.on_unsubscribe"
	onSubscriptionDelete protocol.URI = "wamp.subscription.on_delete"
)

// described is what appears in meta events by its details.
type described interface{ describe() any }

// subscriptionEvent is metaEvent about a subscription. Subscriptions to meta events raise
// none: who watches would watch itself.
func (r *Realm) subscriptionEvent(topic protocol.URI, p *Peer, sub *Subscription, arg any) {
	if !sub.Topic.Reserved() {
		r.metaEvent(topic, p.ID, arg)
	}
}

// metaEvent publishes an event of the realm itself to whoever subscribed as of now.
// Nothing is encoded when nobody did.
func (r *Realm) metaEvent(topic protocol.URI, args ...any) {
	subs := r.current.Topic(topic)
	if len(subs) == 0 {
		return
	}
	for i, arg := range args {
		if d, ok := arg.(described); ok {
			args[i] = d.describe()
		}
	}
	payload, err := codec.EncodePayload(protocol.MessagePack, args, nil)
	if err != nil {
		return // a text of the peer's that is no UTF-8 has not come in
	}
	r.publish(subs, &publication{id: newPublication(), topic: topic, payload: payload, includeMe: true})
}

// publication is an event on its way from the realm.
type publication struct {
	id        protocol.ID
	topic     protocol.URI
	payload   protocol.Payload
	includeMe bool
}

// event returns the event for the subscribers of sub.
func (p *publication) event(sub *Subscription) protocol.Event {
	ev := protocol.Event{Subscription: sub.ID, Publication: p.id, Payload: p.payload}
	if sub.Match != protocol.MatchExact {
		ev.Details.Topic = p.topic
	}
	return ev
}

// publish hands an event to the subscribers of subs.
func (r *Realm) publish(subs []*Subscription, p *publication) {
	for _, sub := range subs {
		run := &Events{Subscription: sub.ID}
		run.add(p.event(sub))
		for to := range sub.Subscribers.All {
			if to != r.leaving {
				r.reply(to, Delivery{Kind: EventRun, Events: run})
			}
		}
	}
}
