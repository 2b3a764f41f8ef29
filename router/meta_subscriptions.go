package router

import "github.com/cloverleaf-wamp/cloverleaf/protocol"

// subscriptionDetails is a subscription as the meta API shows it.
type subscriptionDetails struct {
	ID      protocol.ID  `json:"id"`
	Created string       `json:"created"`
	URI     protocol.URI `json:"uri"`
	Match   string       `json:"match"`
}

func (s *Subscription) describe() any {
	return subscriptionDetails{ID: s.ID, Created: timestamp(s.Created), URI: s.Topic, Match: s.Match.String()}
}

func (r *Realm) subscription(id protocol.ID) (*topicEntry, error) {
	if entry := r.subs[id]; entry != nil {
		return entry, nil
	}
	return nil, metaErrorf(protocol.ErrorNoSuchSubscription, "no subscription %d", id)
}

func subscriptionList(*metaRequest) (metaOp, error) {
	return func(r *Realm, _ *member) ([]any, error) {
		if r.lists.subscriptions == nil {
			r.lists.subscriptions = listIDs(r.current.subscriptions, func(sub *Subscription) protocol.ID { return sub.ID })
		}
		return []any{r.lists.subscriptions}, nil
	}, nil
}

func subscriptionLookup(m *metaRequest) (metaOp, error) {
	uri, match, err := patternArgument(m.Payload, "topic")
	return func(r *Realm, _ *member) ([]any, error) {
		sub, found := r.current.subscriptions.get(uri, match)
		if !found {
			return []any{nil}, nil
		}
		return []any{sub.ID}, nil
	}, err
}

func subscriptionMatch(m *metaRequest) (metaOp, error) {
	var uri protocol.URI
	err := arguments(m.Payload, 1, []string{"topic"}, &uri)
	return func(r *Realm, _ *member) ([]any, error) {
		if !uri.Valid() {
			return []any{nil}, nil
		}
		subs := r.current.Topic(uri)
		if len(subs) == 0 {
			return []any{nil}, nil
		}
		ids := make([]protocol.ID, len(subs))
		for i, sub := range subs {
			ids[i] = sub.ID
		}
		return []any{ids}, nil
	}, err
}

// ofSubscription makes an operation of what to return about a subscription.
func ofSubscription(m *metaRequest, result func(*Subscription) any) (metaOp, error) {
	id, err := idArgument(m.Payload, "subscription")
	return func(r *Realm, _ *member) ([]any, error) {
		entry, err := r.subscription(id)
		if err != nil {
			return nil, err
		}
		return []any{result(entry.sub)}, nil
	}, err
}

func subscriptionGet(m *metaRequest) (metaOp, error) {
	return ofSubscription(m, (*Subscription).describe)
}

func subscriptionListSubscribers(m *metaRequest) (metaOp, error) {
	return ofSubscription(m, func(sub *Subscription) any {
		ids := make([]protocol.ID, 0, sub.Subscribers.Len())
		for p := range sub.Subscribers.All {
			ids = append(ids, p.ID)
		}
		return ids
	})
}

func subscriptionCountSubscribers(m *metaRequest) (metaOp, error) {
	return ofSubscription(m, func(sub *Subscription) any { return sub.Subscribers.Len() })
}

func subscriptionRemoveSubscriber(m *metaRequest) (metaOp, error) {
	id, session, reason, err := removal(m.Payload, "subscription")
	return func(r *Realm, _ *member) ([]any, error) {
		entry, err := r.subscription(id)
		if err != nil {
			return nil, err
		}
		subscriber, err := r.member(session)
		if err != nil {
			return nil, err
		}
		if _, held := subscriber.subs[id]; !held {
			return nil, metaErrorf(protocol.ErrorNoSuchSubscription, "session %d does not have subscription %d", session, id)
		}
		r.revokeSubscription(subscriber, entry, reason)
		return nil, nil
	}, err
}
