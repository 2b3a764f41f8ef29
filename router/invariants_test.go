package router

import (
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// broken is an invariant that does not hold. The checks panic with it: they run after
// every step, and asserting each of them costs more than all the rest.
type broken string

func holds(ok bool, format string, args ...any) {
	if !ok {
		panic(broken(fmt.Sprintf(format, args...)))
	}
}

// checkInvariants panics when the records of the realm contradict each other.
func (r *Realm) checkInvariants() {
	held := 0
	for id, reg := range r.regs {
		r.checkRegistration(id, reg)
		held += reg.Callees.Len()
	}
	for id, entry := range r.subs {
		r.checkSubscription(id, entry)
		held += entry.sub.Subscribers.Len()
	}
	for id, m := range r.members {
		holds(m.peer.ID == id, "member %d is stored as %d", m.peer.ID, id)
		held -= len(m.regs) + len(m.subs)
	}
	holds(held == 0, "a member holds what does not know of it")
	r.retained.checkInvariants()
	r.current.registrations.checkInvariants(len(r.regs))
	r.current.subscriptions.checkInvariants(len(r.subs))
}

func (r *Realm) checkRegistration(id protocol.ID, reg *Registration) {
	stored, _ := r.current.registrations.get(reg.URI, reg.Match)
	holds(stored == reg && reg.ID == id, "registration %d is not in the table", id)
	n := reg.Callees.Len()
	holds(n > 0, "registration %d has no callee", id)
	holds(n == 1 || reg.Invoke != protocol.InvokeSingle, "registration %d is shared", id)
	reg.Callees.checkInvariants(func(place uint64, e Endpoint) {
		m := r.members[e.Peer.ID]
		holds(m != nil && m.peer == e.Peer, "callee %d is not a member", e.Peer.ID)
		holds(m.regs[id] == place, "callee %d does not know of its place in registration %d", e.Peer.ID, id)
	})
}

// checkInvariants calls yield for every value and its place, which no other one has.
func (q Queue[T]) checkInvariants(yield func(uint64, T)) {
	n, last := 0, uint64(0)
	for k, c := range q.chunks {
		holds(len(c) > 0 && len(c) <= chunkSize, "a chunk of %d", len(c))
		holds(k == 0 || len(q.chunks[k-1])+len(c) > chunkSize/2, "neighbors of %d and %d", len(q.chunks[max(k, 1)-1]), len(c))
		for i, x := range c {
			holds(x.place > last, "%d is behind %d", x.place, last)
			ck, ci := q.find(x.place)
			holds(ck == k && ci == i && q.index(x.place) == n, "%d is not found where it is", x.place)
			last = x.place
			n++
			yield(x.place, x.value)
		}
	}
	holds(n == q.n, "%d values, not %d", n, q.n)
}

func (r *Realm) checkSubscription(id protocol.ID, entry *topicEntry) {
	sub := entry.sub
	stored, _ := r.current.subscriptions.get(sub.Topic, sub.Match)
	holds(stored == sub && sub.ID == id, "subscription %d is not in the table", id)
	holds(sub.Subscribers.Len() > 0 || sub.history, "subscription %d has no subscriber", id)
	holds(sub.history == (entry.history != nil), "subscription %d does not know of its history", id)
	if entry.history != nil {
		entry.history.checkInvariants()
	}
	sub.Subscribers.checkInvariants(func(place uint64, p *Peer) {
		m := r.members[p.ID]
		holds(m != nil && m.peer == p, "subscriber %d is not a member", p.ID)
		holds(m.subs[id] == place, "subscriber %d does not know of its place in subscription %d", p.ID, id)
	})
}

// checkEmpty panics when the realm keeps anything of sessions that left.
func (r *Realm) checkEmpty() {
	r.checkInvariants()
	standing := 0
	for _, entry := range r.subs {
		if entry.history != nil {
			standing++
		}
	}
	holds(len(r.members) == 0 && len(r.regs) == 0 && len(r.subs) == standing, "something is left: %+v", r)
	holds(len(r.answers) == 0 && r.replays == 0 && r.marked == 0, "answers are left: %+v", r.answers)
	holds(len(r.current.registrations.shapes) == 0 && len(r.current.subscriptions.shapes) <= standing, "shapes are left")
}

func (r *retention) checkInvariants() {
	bytes, topics := 0, 0
	r.topics.Root().Walk(func(key []byte, t *retainedTopic) bool {
		topics++
		bytes += t.size
		holds(string(key) == string(t.topic) && r.places[t.topic].Value == t, "%s is stored as %s", t.topic, key)
		holds(len(t.events) > 0 && len(t.events) <= 1+maxRestricted, "%d events of %s are retained", len(t.events), t.topic)
		size := 0
		for i, p := range t.events {
			size += p.size()
			holds(p.topic == t.topic && (p.filter != nil || i == 0), "event %d of %s is for everybody", i, t.topic)
		}
		holds(size == t.size, "%s counts %d bytes, and has %d", t.topic, t.size, size)
		return false
	})
	holds(bytes == r.bytes && bytes <= maxRetainedBytes, "%d bytes are retained, %d are counted", bytes, r.bytes)
	holds(topics == len(r.places) && topics == r.order.Len() && topics <= maxRetainedTopics, "%d topics are retained", topics)
}

func (h *history) checkInvariants() {
	bytes := 0
	for _, p := range h.events {
		bytes += p.size()
	}
	holds(bytes == h.bytes && bytes <= h.maxBytes && len(h.events) <= h.limit, "a history of %d events, %d bytes", len(h.events), bytes)
}

func (x table[T]) checkInvariants(want int) {
	holds(x.exact.Len()+x.prefix.Len()+x.wildcard.Len() == want, "the table does not hold %d entries", want)
	patterns := 0
	for n, shapes := range x.shapes {
		holds(len(shapes) > 0 && len(shapes) <= maxShapes, "%d shapes of %d components", len(shapes), n)
		for i, s := range shapes {
			holds(len(s.mask) == n && s.count > 0, "shape %+v of %d components", s, n)
			holds(i == 0 || shapes[i-1].mask < s.mask, "shapes are not sorted: %v", shapes)
			patterns += s.count
		}
	}
	holds(x.wildcard.Len() == patterns, "the shapes count %d patterns, there are %d", patterns, x.wildcard.Len())
}

// checkInvariants panics when the records of the session contradict each other.
func (s *Session) checkInvariants() {
	for id, c := range s.calls.All() {
		holds(c.request == id && c.caller == s.peer, "call %d is not the session's: %+v", id, c)
	}
	for id, c := range s.invocations.All() {
		holds(c.invocation == id && c.callee == s.peer, "invocation %d is not the session's: %+v", id, c)
	}
	holds(s.registering >= 0 && s.subscribing >= 0, "%d, %d answers too many", s.registering, s.subscribing)
	//nolint:gosec // see above
	holds(s.asked >= s.answered+uint64(s.registering+s.subscribing), "%d of %d answered, %d and %d open", s.answered, s.asked, s.registering, s.subscribing)
	s.checkHeld()
	holds(s.run.events == nil, "Flush was forgotten")
	holds(len(s.routes) <= maxRoutes, "%d routes are remembered", len(s.routes))
	if s.closing || s.over {
		holds(s.asked == s.answered, "a session that left waits for answers")
		holds(s.calls.Len()+s.invocations.Len()+len(s.held)+len(s.regs)+len(s.subs)+len(s.routes) == 0, "a session that left keeps %+v", s)
	}
}

func (s *Session) checkHeld() {
	size := 0
	for i := range s.held {
		size += s.held[i].Size()
		holds(s.held[i].Kind == Invoke || s.held[i].Kind == EventRun, "kind %d is held back", s.held[i].Kind)
	}
	holds(size == s.heldSize && size <= maxHeld, "%d bytes are held back, %d are counted", size, s.heldSize)
	if size > 0 {
		holds(s.early(&s.held[0].Delivery) && s.held[0].asked > s.answered, "%+v is held back for nothing", s.held[0])
	}
}

// checkAtRest panics when somebody knows what the other does not, although everything
// is handled.
func (w *world) checkAtRest() {
	for _, x := range w.sites {
		s, m := x.s, w.realm.members[x.peer.ID]
		holds(len(s.held) == 0, "%s: %+v is still held back", x.name, s.held)
		holds(s.asked == s.answered, "%s waits for the realm", x.name)
		holds((m == nil) == x.gone, "%s has left, but not the realm, or the other way round", x.name)
		if m != nil {
			sameKeys(x.name, m.regs, s.regs)
			sameKeys(x.name, m.subs, s.subs)
		}
		x.checkCallsAtRest()
	}
}

func (x *site) checkCallsAtRest() {
	for _, c := range x.s.calls.All() {
		holds(c.callee.Handle.(*site).s.serving(c.invocation) == c, "nobody will answer call %d of %s", c.request, x.name)
	}
	for _, c := range x.s.invocations.All() {
		holds(c.caller.Handle.(*site).s.underWay(c.request) == c, "nobody waits for invocation %d of %s", c.invocation, x.name)
	}
	for request := range x.timers {
		holds(x.s.underWay(request) != nil, "the timer of call %d of %s is left behind", request, x.name)
	}
}

func sameKeys(name string, realm map[protocol.ID]uint64, session map[protocol.ID]bool) {
	holds(len(realm) == len(session), "the realm has %v for %s, its session %v", realm, name, session)
	for id, notice := range session {
		_, known := realm[id]
		holds(known && !notice, "the realm has %v for %s, its session %v", realm, name, session)
	}
}
