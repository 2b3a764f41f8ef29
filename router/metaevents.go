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
	p := &publication{id: newPublication(), topic: topic, payload: payload, includeMe: true}
	r.publish(subs, p)
	r.keep(p)
}
