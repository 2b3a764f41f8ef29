package router

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// HistoryConfig has a realm keep the last events of a topic, or of all topics that match a
// pattern, in memory (Advanced Profile, "Event History"). Who subscribes to the topic by
// the same policy asks for them with the id of the subscription:
// wamp.subscription.get_events. Events for certain sessions only (exclude, eligible) are
// not kept; those for certain authids or authroles are shown to these.
type HistoryConfig struct {
	// Topic and Match are the subscription.
	Topic protocol.URI
	Match protocol.Match
	// Limit is how many events are kept. Default 100.
	Limit int
	// MaxBytes is how much they may occupy, roughly. Default 16 MiB.
	MaxBytes int
}

// Validate returns what is wrong, by the names of the fields.
func (c HistoryConfig) Validate() error {
	var errs []error
	if !c.Topic.ValidPattern(c.Match, false) {
		errs = append(errs, fmt.Errorf("topic: %q is not valid for match %s", string(c.Topic), c.Match))
	}
	if c.Limit < 0 {
		errs = append(errs, errors.New("limit: is negative"))
	}
	if c.MaxBytes < 0 {
		errs = append(errs, errors.New("maxBytes: is negative"))
	}
	return errors.Join(errs...)
}

// history are the last events of a subscription, the oldest first.
type history struct {
	limit, maxBytes int
	events          []*publication
	bytes           int
}

// Record has the realm keep a history from now on. A subscription that has one already
// keeps that.
func (r *Realm) Record(now time.Time, c HistoryConfig) {
	const events, bytes = 100, 16 << 20
	if c.Limit == 0 {
		c.Limit = events
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = bytes
	}
	if _, exists := r.current.subscriptions.get(c.Topic, c.Match); exists {
		return
	}
	sub := &Subscription{ID: r.newID(), Topic: c.Topic, Match: c.Match, Created: now, history: true}
	r.subs[sub.ID] = &topicEntry{
		sub: sub, history: &history{limit: c.Limit, maxBytes: c.MaxBytes},
	}
	r.current.subscriptions = r.current.subscriptions.with(sub.Topic, sub.Match, sub)
	histories := maps.Clone(r.current.histories)
	if histories == nil {
		histories = make(map[protocol.ID]*Subscription, 1)
	}
	histories[sub.ID] = sub
	r.current.histories = histories
	r.changed = true
	r.lists.subscriptions = nil
}

func (h *history) add(p *publication) {
	if p.filter != nil && (p.filter.Exclude != nil || p.filter.Eligible != nil) {
		return
	}
	h.events = append(h.events, p)
	h.bytes += p.size()
	for len(h.events) > h.limit || h.bytes > h.maxBytes {
		h.bytes -= h.events[0].size()
		h.events[0] = nil
		h.events = h.events[1:]
	}
}

// eventQuery says which events of a history are wanted. Its zero value is: all.
type eventQuery struct {
	reverse                                    bool
	limit                                      int // -1: none
	topic                                      protocol.URI
	fromTime, afterTime, beforeTime, untilTime time.Time
	fromPub, afterPub, beforePub, untilPub     protocol.ID
}

// span returns the part of the history between two publications. One that is not in there
// counts as older than all that are: it was dropped long ago.
func (h *history) span(q *eventQuery) []*publication {
	position := func(id protocol.ID) int {
		return slices.IndexFunc(h.events, func(p *publication) bool { return p.id == id })
	}
	low, high := 0, len(h.events)
	if q.fromPub != 0 {
		low = max(low, position(q.fromPub))
	}
	if q.afterPub != 0 {
		low = max(low, position(q.afterPub)+1)
	}
	if q.beforePub != 0 {
		high = min(high, max(0, position(q.beforePub)))
	}
	if q.untilPub != 0 {
		high = min(high, position(q.untilPub)+1)
	}
	return h.events[min(low, high):high]
}

func (q *eventQuery) wants(p *publication) bool {
	return (q.topic == "" || p.topic == q.topic) &&
		(q.fromTime.IsZero() || !p.at.Before(q.fromTime)) && (q.afterTime.IsZero() || p.at.After(q.afterTime)) &&
		(q.beforeTime.IsZero() || p.at.Before(q.beforeTime)) && (q.untilTime.IsZero() || !p.at.After(q.untilTime))
}

// find returns the events that are wanted and that a peer may have.
func (h *history) find(q *eventQuery, peer *Peer) []*publication {
	span := h.span(q)
	found := []*publication{}
	for i := range span {
		p := span[i]
		if q.reverse {
			p = span[len(span)-1-i]
		}
		if len(found) == q.limit {
			break
		}
		if q.wants(p) && p.permits(peer) {
			found = append(found, p)
		}
	}
	return found
}

// subscriptionGetEvents is wamp.subscription.get_events. The limit may also come as a
// second positional argument.
func subscriptionGetEvents(m *metaRequest) (metaOp, error) {
	var id protocol.ID
	kw := keywords(m.Payload)
	q := kw.eventQuery()
	if kw.err == nil {
		kw.err = arguments(m.Payload, 1, []string{"subscription", "limit"}, &id, &q.limit)
	}
	if kw.err == nil && q.limit < -1 {
		kw.wrong("limit", "is negative")
	}
	return func(r *Realm, asking *member) ([]any, error) {
		entry, err := r.subscription(id)
		if err != nil {
			return nil, err
		}
		if entry.history == nil {
			return nil, metaErrorf(protocol.ErrorHistoryUnavailable, "subscription %d has no history", id)
		}
		return []any{&historyPage{sub: id, events: entry.history.find(&q, asking.peer)}}, nil
	}, kw.err
}

func (o *options) eventQuery() eventQuery {
	return eventQuery{
		reverse: o.flag("reverse"), limit: o.integer("limit", -1), topic: protocol.URI(o.text("topic")),
		fromTime: o.time("from_time"), afterTime: o.time("after_time"), beforeTime: o.time("before_time"), untilTime: o.time("until_time"),
		fromPub: o.id("from_publication"), afterPub: o.id("after_publication"),
		beforePub: o.id("before_publication"), untilPub: o.id("until_publication"),
	}
}

// historyPage is a part of a history, on its way to whom it is shown.
type historyPage struct {
	sub    protocol.ID
	events []*publication
}

type historyDetails struct {
	Topic             protocol.URI `json:"topic,omitempty"`
	Publisher         protocol.ID  `json:"publisher,omitempty"`
	PublisherAuthID   string       `json:"publisher_authid,omitempty"`
	PublisherAuthRole string       `json:"publisher_authrole,omitempty"`
	Scheme            string       `json:"ppt_scheme,omitempty"`
	Serializer        string       `json:"ppt_serializer,omitempty"`
	Cipher            string       `json:"ppt_cipher,omitempty"`
	KeyID             string       `json:"ppt_keyid,omitempty"`
}

// encode returns the result that shows the events. One that cannot be shown to this peer, which is
// the publisher's fault, is shown without its payload.
func (h *historyPage) encode(s protocol.Serializer) (protocol.Payload, error) {
	list := make([]any, len(h.events))
	for i, p := range h.events {
		list[i] = h.show(p, p.payload)
	}
	payload, err := codec.EncodePayload(s, []any{list}, nil)
	if err == nil {
		return payload, nil
	}
	for i, p := range h.events {
		if _, err := codec.EncodePayload(s, []any{list[i : i+1]}, nil); err != nil {
			list[i] = h.show(p, protocol.Payload{})
		}
	}
	return codec.EncodePayload(s, []any{list}, nil)
}

// show returns an event as the meta API shows it, with a payload that nobody has looked at.
func (h *historyPage) show(p *publication, payload protocol.Payload) map[string]any {
	details := historyDetails{
		Topic: p.topic, Publisher: p.details.Publisher,
		PublisherAuthID: p.details.PublisherAuthID, PublisherAuthRole: p.details.PublisherAuthRole,
	}
	if t := p.details.Passthru; t != nil {
		details.Scheme, details.Serializer, details.Cipher, details.KeyID = t.Scheme, t.Serializer, t.Cipher, t.KeyID
	}
	ev := map[string]any{
		"timestamp": timestamp(p.at), "subscription": h.sub, "publication": p.id, "topic": p.topic,
		"details": details, "args": []any{}, "kwargs": map[string]any{},
	}
	if payload.Args != nil {
		ev["args"] = codec.Encoded{Serializer: payload.Serializer, Data: payload.Args}
	}
	if payload.KwArgs != nil {
		ev["kwargs"] = codec.Encoded{Serializer: payload.Serializer, Data: payload.KwArgs}
	}
	return ev
}

func (h *historyPage) size() int {
	n := 0
	for _, p := range h.events {
		n += p.size()
	}
	return n
}
