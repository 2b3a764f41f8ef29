package router

import (
	sequence "container/list"
	"slices"

	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// What a realm retains is bounded, and gone with the router's end. When it is too much, the topics go whose retained event
// has not been replaced for the longest time.
const (
	maxRetainedTopics = 10_000
	maxRetainedBytes  = 8 << 20
	// maxRestricted bounds, for each topic, the events for some sessions only that are
	// kept beside the last one for all.
	maxRestricted = 8
)

// retention are the retained events of a realm (Advanced Profile, "Event Retention").
type retention struct {
	topics *iradix.Tree[*retainedTopic] // immutable: sessions look into it
	places map[protocol.URI]*sequence.Element
	order  *sequence.List // of *retainedTopic, the one replaced last at the end
	bytes  int
}

// retainedTopic is what is retained of a topic, the last event at the end. At most the
// first one is for everybody. Immutable.
type retainedTopic struct {
	topic  protocol.URI
	events []*publication
	size   int
}

func newRetention() retention {
	return retention{topics: iradix.New[*retainedTopic](), places: make(map[protocol.URI]*sequence.Element), order: sequence.New()}
}

// add keeps an event.
func (r *retention) add(p *publication) {
	next := &retainedTopic{topic: p.topic}
	if place := r.places[p.topic]; place != nil {
		if p.filter != nil {
			next.events = place.Value.(*retainedTopic).succeeded() //nolint:forcetypeassert // the list holds nothing else
		}
		r.remove(place)
	}
	next.events = append(next.events, p)
	for _, kept := range next.events {
		next.size += kept.size()
	}
	if next.size > maxRetainedBytes {
		return // and nothing else has to go for it
	}
	r.places[p.topic] = r.order.PushBack(next)
	r.topics, _, _ = r.topics.Insert([]byte(p.topic), next)
	r.bytes += next.size
	for r.bytes > maxRetainedBytes || r.order.Len() > maxRetainedTopics {
		r.remove(r.order.Front())
	}
}

// succeeded returns what stays of a topic when another restricted event comes.
func (t *retainedTopic) succeeded() []*publication {
	restricted := t.events
	var kept []*publication
	if restricted[0].filter == nil {
		kept, restricted = restricted[:1:1], restricted[1:]
	}
	if len(restricted) >= maxRestricted {
		restricted = restricted[1:]
	}
	return append(append([]*publication(nil), kept...), restricted...)
}

func (r *retention) remove(place *sequence.Element) {
	t := r.order.Remove(place).(*retainedTopic) //nolint:forcetypeassert // see above
	delete(r.places, t.topic)
	r.topics, _, _ = r.topics.Delete([]byte(t.topic))
	r.bytes -= t.size
}

// replay is what a SUBSCRIBE with get_retained gets: the events of all topics that it
// matches, as of one moment.
type replay struct {
	sub    *Subscription
	topics *iradix.Tree[*retainedTopic]
}

// matching calls yield for every topic that the subscription matches, until it returns
// false.
func (r *replay) matching(yield func(*retainedTopic) bool) {
	pattern := []byte(r.sub.Topic)
	switch r.sub.Match {
	case protocol.MatchPrefix:
		r.topics.Root().WalkPrefix(pattern, func(_ []byte, t *retainedTopic) bool { return !yield(t) })
	case protocol.MatchWildcard:
		r.topics.Root().Walk(func(_ []byte, t *retainedTopic) bool {
			return t.topic.Matches(r.sub.Topic, protocol.MatchWildcard) && !yield(t)
		})
	case protocol.MatchExact:
		if t, ok := r.topics.Get(pattern); ok {
			yield(t)
		}
	}
}

// latest returns the last event that p may have, or nil.
func (t *retainedTopic) latest(p *Peer) *publication {
	for _, kept := range slices.Backward(t.events) {
		if kept.retainedFor(p) {
			return kept
		}
	}
	return nil
}

// replay sends what was retained for a new subscription.
func (s *Session) replay(r *replay, eff Effects) {
	for t := range r.matching {
		p := t.latest(s.peer)
		if p == nil {
			continue
		}
		ev := p.event(r.sub)
		ev.Details.Retained = true
		if !eff.SendRetained(&ev) {
			return
		}
	}
}

// keep has the realm keep a publication.
func (s *Session) keep(m *protocol.Publish, id protocol.ID, eff Effects) {
	ev := s.eventOf(m, &Subscription{}, id)
	eff.Command(s.asking(Command{From: s.peer, keep: &publication{
		id: id, topic: m.Topic, payload: m.Payload.Clone(), details: ev.Details, filter: m.Options.Filter,
		from: s.peer.ID, includeMe: m.Options.IncludeMe, retain: m.Options.Retain,
	}}))
}

// keep keeps a publication as long as it has to be kept.
func (r *Realm) keep(p *publication) {
	p.at = r.now
	if p.retain {
		r.retained.add(p)
	}
	for _, sub := range r.current.Topic(p.topic) {
		if sub.history {
			r.subs[sub.ID].history.add(p)
		}
	}
}

// Behind reports whether there are answers that Commit does not hand out before Mark. The
// surroundings call Mark once then, behind everything that sessions have asked of the realm
// by now: what a session wants to be retained is either part of the answer, or published
// by a session that knows the new subscription already.
func (r *Realm) Behind() bool {
	if r.replays == 0 || r.marked > 0 {
		return false
	}
	r.marked = len(r.answers)
	return true
}

// Mark completes the answers that have been waiting for it.
func (r *Realm) Mark() {
	for i := range r.answers[:r.marked] {
		a := &r.answers[i]
		if a.replays != nil {
			a.Delivery.late = &lateAnswer{replay: &replay{sub: a.replays, topics: r.retained.topics}}
			a.replays = nil
			r.replays--
		}
	}
	r.marked = 0
}
