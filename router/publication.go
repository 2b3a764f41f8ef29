package router

import (
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// publication is an event that the realm publishes itself, or keeps. Immutable once the
// realm has it.
type publication struct {
	id        protocol.ID
	at        time.Time
	topic     protocol.URI
	payload   protocol.Payload
	details   protocol.EventDetails // without topic
	filter    *protocol.EventFilter // nil: for everybody
	from      protocol.ID           // session of the publisher
	includeMe bool                  // the publisher may have it
	retain    bool
}

// event returns the event for the subscribers of sub.
func (p *publication) event(sub *Subscription) protocol.Event {
	ev := protocol.Event{Subscription: sub.ID, Publication: p.id, Details: p.details, Payload: p.payload}
	if sub.Match != protocol.MatchExact {
		ev.Details.Topic = p.topic
	}
	return ev
}

// permits reports whether the filter lets the event through to a peer.
func (p *publication) permits(to *Peer) bool {
	return p.filter == nil || newFilter(p.filter, nil).admits(to)
}

// retainedFor reports whether a peer would have been sent the event.
func (p *publication) retainedFor(to *Peer) bool {
	return (p.includeMe || p.from != to.ID) && p.permits(to)
}

// size returns roughly how many bytes the publication occupies.
func (p *publication) size() int {
	const overhead, id, text = 256, 8, 16
	n := overhead + len(p.topic) + p.payload.Size() + p.details.Passthru.Size()
	if f := p.filter; f != nil {
		n += id * (len(f.Exclude) + len(f.Eligible))
		for _, texts := range [][]string{f.ExcludeAuthID, f.ExcludeAuthRole, f.EligibleAuthID, f.EligibleAuthRole} {
			for _, s := range texts {
				n += text + len(s)
			}
		}
	}
	return n
}

// publish hands an event to the subscribers of subs.
func (r *Realm) publish(subs []*Subscription, p *publication) {
	filter := newFilter(p.filter, subs)
	for _, sub := range subs {
		run := &Events{Subscription: sub.ID}
		run.add(p.event(sub))
		if sub.Subscribers.Len() > 0 { // a history is there without any
			to := &audience{peers: sub.Subscribers, except: r.leaving, filter: filter}
			r.keepReply(Reply{Delivery: Delivery{Kind: EventRun, Events: run}, audience: to})
		}
	}
}
