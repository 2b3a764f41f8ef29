package router

import (
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// subscribe adds m to a topic. Subscribing again to the same topic and policy gives
// the same subscription (Basic Profile, "Subscribing and Unsubscribing").
func (r *Realm) subscribe(m *member, msg *protocol.Subscribe) {
	match := msg.Options.Match
	var entry *topicEntry
	created := false
	if sub, ok := r.current.subscriptions.get(msg.Topic, match); ok {
		entry = r.subs[sub.ID]
	} else {
		if !r.current.subscriptions.admits(msg.Topic, match) {
			r.refuseShape(m.peer, msg, msg.Request)
			return
		}
		sub = &Subscription{ID: r.newID(), Topic: msg.Topic, Match: match, Created: r.now}
		entry = &topicEntry{sub: sub}
		r.subs[sub.ID] = entry
		r.lists.subscriptions = nil
		created = true
	}
	_, again := m.subs[entry.sub.ID]
	if !again {
		place := r.newPlace()
		r.storeSubscribers(entry, entry.sub.Subscribers.with(place, m.peer))
		m.subs = addPlace(m.subs, entry.sub.ID, place)
	}
	r.answer(m.peer, &protocol.Subscribed{Request: msg.Request, Subscription: entry.sub.ID})
	if msg.Options.GetRetained {
		r.answers[len(r.answers)-1].replays = entry.sub
		r.replays++
	}
	if created {
		r.subscriptionEvent(onSubscriptionCreate, m.peer, entry.sub, entry.sub)
	}
	if !again {
		r.subscriptionEvent(onSubscribe, m.peer, entry.sub, entry.sub.ID)
	}
}

func (r *Realm) unsubscribe(m *member, msg *protocol.Unsubscribe) {
	if _, held := m.subs[msg.Subscription]; !held {
		r.refuse(m.peer, msg, msg.Request, protocol.ErrorNoSuchSubscription)
		return
	}
	r.answer(m.peer, &protocol.Unsubscribed{Request: msg.Request, Details: protocol.RevocationDetails{ID: msg.Subscription}})
	r.dropSubscriber(r.subs[msg.Subscription], m)
}

// revokeSubscription takes a subscription away from m and tells it.
func (r *Realm) revokeSubscription(m *member, entry *topicEntry, reason string) {
	r.reply(m.peer, Delivery{Kind: Revoke, Message: &protocol.Unsubscribed{
		Details: protocol.RevocationDetails{ID: entry.sub.ID, Reason: reason},
	}})
	r.dropSubscriber(entry, m)
}

// dropSubscriber takes m off the subscription, and the subscription off the realm
// with its last subscriber.
func (r *Realm) dropSubscriber(entry *topicEntry, m *member) {
	set, place := entry.sub.Subscribers, m.subs[entry.sub.ID]
	delete(m.subs, entry.sub.ID)
	if set.Len() == 1 && entry.history == nil {
		delete(r.subs, entry.sub.ID)
		r.current.subscriptions = r.current.subscriptions.without(entry.sub.Topic, entry.sub.Match)
		r.changed = true
		r.lists.subscriptions = nil
		r.subscriptionEvent(onUnsubscribe, m.peer, entry.sub, entry.sub.ID)
		r.subscriptionEvent(onSubscriptionDelete, m.peer, entry.sub, entry.sub.ID)
		return
	}
	r.storeSubscribers(entry, set.without(place))
	r.subscriptionEvent(onUnsubscribe, m.peer, entry.sub, entry.sub.ID)
}

func (r *Realm) storeSubscribers(entry *topicEntry, set Queue[*Peer]) {
	sub := *entry.sub
	sub.Subscribers = set
	entry.sub = &sub
	r.current.subscriptions = r.current.subscriptions.with(sub.Topic, sub.Match, &sub)
	r.changed = true
}

// newPlace returns the place of a session that comes to a registration or subscription now.
func (r *Realm) newPlace() uint64 {
	r.places++
	return r.places
}

func addPlace(places map[protocol.ID]uint64, id protocol.ID, place uint64) map[protocol.ID]uint64 {
	if places == nil {
		places = make(map[protocol.ID]uint64, 1)
	}
	places[id] = place
	return places
}
