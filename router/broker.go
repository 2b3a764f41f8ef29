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
		entry = &topicEntry{sub: sub, index: make(map[protocol.ID]int, 1)}
		r.subs[sub.ID] = entry
		r.lists.subscriptions = nil
		created = true
	}
	_, again := entry.index[m.peer.ID]
	if !again {
		entry.index[m.peer.ID] = entry.sub.Subscribers.Len()
		r.storeSubscribers(entry, entry.sub.Subscribers.with(m.peer))
		m.addSub(entry.sub.ID)
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
	delete(m.subs, msg.Subscription)
	r.dropSubscriber(r.subs[msg.Subscription], m.peer)
}

// revokeSubscription takes a subscription away from m and tells it.
func (r *Realm) revokeSubscription(m *member, entry *topicEntry, reason string) {
	delete(m.subs, entry.sub.ID)
	r.reply(m.peer, Delivery{Kind: Revoke, Message: &protocol.Unsubscribed{
		Details: protocol.RevocationDetails{ID: entry.sub.ID, Reason: reason},
	}})
	r.dropSubscriber(entry, m.peer)
}

// dropSubscriber takes p off the subscription, and the subscription off the realm
// with its last subscriber.
func (r *Realm) dropSubscriber(entry *topicEntry, p *Peer) {
	set := entry.sub.Subscribers
	if set.Len() == 1 && entry.history == nil {
		delete(r.subs, entry.sub.ID)
		r.current.subscriptions = r.current.subscriptions.without(entry.sub.Topic, entry.sub.Match)
		r.changed = true
		r.lists.subscriptions = nil
		r.subscriptionEvent(onUnsubscribe, p, entry.sub, entry.sub.ID)
		r.subscriptionEvent(onSubscriptionDelete, p, entry.sub, entry.sub.ID)
		return
	}
	i := entry.index[p.ID]
	delete(entry.index, p.ID)
	if last := set.at(set.Len() - 1); last != p {
		entry.index[last.ID] = i
	}
	r.storeSubscribers(entry, set.replaceLast(i))
	r.subscriptionEvent(onUnsubscribe, p, entry.sub, entry.sub.ID)
}

func (r *Realm) storeSubscribers(entry *topicEntry, set PeerSet) {
	sub := *entry.sub
	sub.Subscribers = set
	entry.sub = &sub
	r.current.subscriptions = r.current.subscriptions.with(sub.Topic, sub.Match, &sub)
	r.changed = true
}

func (m *member) addSub(id protocol.ID) {
	if m.subs == nil {
		m.subs = make(map[protocol.ID]struct{}, 1)
	}
	m.subs[id] = struct{}{}
}
