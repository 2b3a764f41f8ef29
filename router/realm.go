package router

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Realm is the control plane of one realm: who is in it, and who registered and
// subscribed what. It belongs to one actor.
//
// Changes gather until [Realm.Commit] hands out the snapshot that contains them
// together with the answers that tell about them. Whoever commits publishes the
// snapshot first and delivers the answers then, so that a procedure can be called as
// soon as anybody knows that it is registered. A session holds back what reaches it
// early, between the two steps (see Session.Deliver).
type Realm struct {
	members  map[protocol.ID]*member
	internal int // members that are internal
	regs     map[protocol.ID]*Registration
	subs     map[protocol.ID]*topicEntry
	current  Snapshot
	changed  bool
	answers  []Reply
	handed   []Reply // by the last Commit, to be used again
	pending  int     // bytes, roughly
	replays  int     // answers that wait for Mark
	marked   int     // answers that Mark completes; 0 if it is not due
	nextID   protocol.ID
	places   uint64    // that were given away
	now      time.Time // of the change under way
	leaving  *Peer     // it gets no event any more
	lists    metaLists

	retained retention
}

// Reply is a delivery that a Realm has for a session, or for many.
type Reply struct {
	To       *Peer // nil: for Receivers
	Delivery Delivery
	replays  *Subscription // until Mark: the retained events of it are to be added
	audience *audience     // without To
}

// audience is whom an event of the realm is for, as of one moment: many events for many
// subscribers take no more memory than both.
type audience struct {
	peers  Queue[*Peer]
	except *Peer // nil: nobody
	filter *filter
}

// Receivers calls yield for every session that the delivery is for, until it returns false.
func (r *Reply) Receivers(yield func(*Peer) bool) {
	if r.audience == nil {
		yield(r.To)
		return
	}
	for p := range r.audience.peers.All {
		if p != r.audience.except && (r.audience.filter == nil || r.audience.filter.admits(p)) && !yield(p) {
			return
		}
	}
}

// member is a session and what it holds: the places that it has among the callees of registrations
// and the subscribers of subscriptions.
type member struct {
	peer *Peer
	regs map[protocol.ID]uint64
	subs map[protocol.ID]uint64
	last *testaments // nil: none
}

// topicEntry is a subscription, and what is kept of its events.
type topicEntry struct {
	sub     *Subscription
	history *history // nil if there is none: else the subscription stays without subscribers
}

// NewRealm returns an empty realm.
func NewRealm() *Realm {
	return &Realm{
		members: make(map[protocol.ID]*member),
		regs:    make(map[protocol.ID]*Registration),
		subs:    make(map[protocol.ID]*topicEntry),
		current: Snapshot{registrations: newTable[*Registration](), subscriptions: newTable[*Subscription]()},
		changed: true,

		retained: newRetention(),
	}
}

// Authorize has all that follows authorized by a, which is in the next snapshot. What was
// registered or subscribed before stays.
func (r *Realm) Authorize(a *Access) {
	r.current.access = a
	r.changed = true
}

// Join adds a session.
func (r *Realm) Join(now time.Time, p *Peer) {
	r.now = now
	r.members[p.ID] = &member{peer: p}
	r.lists.sessions = nil
	if p.Internal {
		r.internal++
	} else {
		r.metaEvent(onJoin, p)
	}
}

// Leave removes a session with everything it registered and subscribed. One that is not
// a member, because it was killed, is gone already.
func (r *Realm) Leave(now time.Time, p *Peer) {
	r.now = now
	if m := r.members[p.ID]; m != nil && m.peer == p {
		r.remove(m)
		r.farewell(m)
	}
}

// remove takes a session out of the realm without a word about the session itself.
func (r *Realm) remove(m *member) {
	r.leaving = m.peer
	for _, id := range slices.Sorted(maps.Keys(m.regs)) {
		r.dropCallee(r.regs[id], m)
	}
	for _, id := range slices.Sorted(maps.Keys(m.subs)) {
		r.dropSubscriber(r.subs[id], m)
	}
	delete(r.members, m.peer.ID)
	if m.peer.Internal {
		r.internal--
	}
	r.lists.sessions = nil
	r.leaving = nil
}

// farewell publishes the testaments of a session, and says that it has left.
func (r *Realm) farewell(m *member) {
	if m.last != nil {
		for _, p := range slices.Concat(m.last.detached, m.last.destroyed) {
			p.id = newPublication()
			r.publish(r.current.Topic(p.topic), p)
			r.keep(p)
		}
	}
	if p := m.peer; !p.Internal {
		r.metaEvent(onLeave, p.ID, p.AuthID, p.AuthRole)
	}
}

// Size returns the number of sessions of the realm.
func (r *Realm) Size() int { return len(r.members) }

// Members returns the sessions of the realm, in no order.
func (r *Realm) Members() []*Peer {
	peers := make([]*Peer, 0, len(r.members))
	for _, m := range r.members {
		peers = append(peers, m.peer)
	}
	return peers
}

// Apply carries out a command of a session. Commands of sessions that are not
// members are ignored: they left.
func (r *Realm) Apply(now time.Time, c Command) {
	m := r.members[c.From.ID]
	if m == nil || m.peer != c.From {
		return
	}
	r.now = now
	if c.keep != nil {
		r.keep(c.keep)
		r.reply(m.peer, Delivery{Kind: Acknowledge})
		return
	}
	switch msg := c.Message.(type) {
	case *protocol.Subscribe:
		r.subscribe(m, msg)
	case *protocol.Unsubscribe:
		r.unsubscribe(m, msg)
	case *protocol.Register:
		r.register(m, msg)
	case *protocol.Unregister:
		r.unregister(m, msg)
	case *protocol.Call:
		r.meta(m, msg, c.op)
	default: // sessions hand over no other
	}
}

// Commit returns the snapshot that contains every change since the last Commit, nil
// if there is none, and the answers to deliver after it is published. The slice is
// valid until the next call of a method. See Behind for answers that have to wait.
func (r *Realm) Commit() (*Snapshot, []Reply) {
	answers := r.ready()
	if !r.changed {
		return nil, answers
	}
	r.changed = false
	s := r.current
	return &s, answers
}

// ready takes out the answers in front of the first that waits for Mark.
func (r *Realm) ready() []Reply {
	const keep = 4096
	if cap(r.handed) > keep {
		r.handed = nil
	}
	clear(r.handed) // what was delivered is not kept any longer
	n := len(r.answers)
	if r.replays > 0 {
		n = slices.IndexFunc(r.answers, func(a Reply) bool { return a.replays != nil })
	}
	ready, rest := r.answers[:n], r.answers[n:]
	switch {
	case len(rest) == 0:
		r.answers, r.handed = r.handed[:0], ready
		r.pending = 0
	case n > 0:
		r.answers, r.handed = append(r.handed[:0], rest...), ready
	}
	return ready
}

// Pending returns roughly how many bytes the answers occupy that Commit has not handed out.
func (r *Realm) Pending() int { return r.pending }

// reply keeps a delivery for the next Commit.
func (r *Realm) reply(to *Peer, d Delivery) { r.keepReply(Reply{To: to, Delivery: d}) }

func (r *Realm) keepReply(reply Reply) {
	const overhead = 128
	r.answers = append(r.answers, reply)
	r.pending += overhead
}

func (r *Realm) answer(to *Peer, m protocol.Message) {
	r.reply(to, Delivery{Kind: Acknowledge, Message: m})
}

func (r *Realm) refuse(to *Peer, request protocol.Message, id protocol.ID, uri protocol.URI) {
	r.answer(to, &protocol.Error{RequestType: request.Type(), Request: id, Error: uri})
}

func (r *Realm) refuseShape(to *Peer, request protocol.Message, id protocol.ID) {
	refusal := limitExceeded(request.Type(), id, fmt.Sprintf(
		"the patterns with as many components have their wildcards in %d different ways already", maxShapes))
	r.answer(to, &refusal)
}

func (r *Realm) newID() protocol.ID {
	r.nextID = r.nextID.Next()
	return r.nextID
}
