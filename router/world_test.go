package router

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// world is one realm and its sessions, wired together by queues. Nothing moves by
// itself: each step takes the first item out of one queue, so that a test chooses the
// interleaving.
type world struct {
	t       *testing.T
	cfg     SessionConfig
	realm   *Realm
	snap    *Snapshot // what sessions route against
	control []func()  // the realm's mailbox
	replies []Reply   // handed out by Commit, not posted yet
	sites   []*site   // in the order of joining
	lose    func() bool
	now     time.Time
	consult func(x *site, c Consultation)
}

// site is one session with its mailbox, and its Effects.
type site struct {
	w      *world
	name   string
	peer   *Peer
	s      *Session
	in     []func()                          // mailbox
	gone   bool                              // others cannot reach it any more
	closed bool                              // GOODBYE or ABORT was exchanged, or the link is lost
	out    []func()                          // deliveries that are not posted yet
	slow   bool                              // deliveries are posted by mail only, not by step
	lost   []*Peer                           // gone peers that something was posted to
	timers map[protocol.ID]time.Duration     // running
	got    func(x *site, m protocol.Message) // what the peer receives
	asked  *Consultation                     // of an authorizer that has not answered
}

// firstSession is the id of the first session; the others follow.
const firstSession protocol.ID = 101

func newWorld(t *testing.T, cfg SessionConfig) *world {
	t.Helper()
	w := &world{t: t, cfg: cfg, realm: NewRealm(), now: time.Unix(1e9, 0)}
	w.commit()
	return w
}

// everything is what a peer announces that knows all this router knows.
const everything = protocol.FeatureProgressiveCallResults | protocol.FeatureCallCanceling |
	protocol.FeatureCallTimeout | protocol.FeatureRegistrationRevocation | protocol.FeatureSubscriptionRevocation

func rolesWith(f protocol.Features) protocol.Roles {
	var r protocol.Roles
	for _, role := range []protocol.Role{protocol.Publisher, protocol.Subscriber, protocol.Caller, protocol.Callee} {
		r = r.With(role, f)
	}
	return r
}

// join adds a session with the peer's authid, authrole and roles.
func (w *world) join(name string, p Peer) *site {
	p.ID = firstSession + protocol.ID(len(w.sites))
	p.Realm, p.Serializer = "realm1", protocol.JSON
	x := &site{w: w, name: name, peer: &p, timers: make(map[protocol.ID]time.Duration)}
	p.Handle = x
	x.s = NewSession(x.peer, w.cfg)
	w.sites = append(w.sites, x)
	w.control = append(w.control, func() { w.realm.Join(w.now, x.peer) })
	return x
}

func (w *world) site(name string) *site {
	i := slices.IndexFunc(w.sites, func(x *site) bool { return x.name == name })
	require.GreaterOrEqual(w.t, i, 0, "no session %q", name)
	return w.sites[i]
}

// stepRealm has the realm handle its next message.
func (w *world) stepRealm() bool {
	if !step(&w.control) {
		return false
	}
	w.realm.checkInvariants()
	return true
}

// commit publishes what the realm changed; its answers are not posted yet.
func (w *world) commit() {
	snap, replies := w.realm.Commit()
	if snap != nil {
		w.snap = snap
	}
	w.replies = append(w.replies, replies...)
	if w.realm.Behind() {
		w.control = append(w.control, w.realm.Mark)
	}
}

// postReply posts one committed answer.
func (w *world) postReply() bool {
	if len(w.replies) == 0 {
		return false
	}
	r := w.replies[0]
	w.replies = w.replies[1:]
	if r.Delivery.Kind == Kill {
		bye := r.Delivery.Message.(*protocol.Goodbye)
		r.To.Handle.(*site).kick(bye.Reason, bye.Details.Message)
		return true
	}
	for p := range r.Receivers {
		to := p.Handle.(*site)
		to.in = append(to.in, func() { to.s.Deliver(&r.Delivery, to) })
	}
	return true
}

// step has the session handle its next message.
func (x *site) step() bool {
	if !step(&x.in) {
		return false
	}
	if !x.slow {
		x.mail()
	}
	x.s.checkInvariants()
	return true
}

func step(queue *[]func()) bool {
	if len(*queue) == 0 {
		return false
	}
	next := (*queue)[0]
	*queue = (*queue)[1:]
	next()
	return true
}

// drain handles everything, the sessions in the order of joining.
func (w *world) drain() {
	for moved := true; moved; {
		moved = false
		for w.stepRealm() {
			moved = true
		}
		w.commit()
		for w.postReply() {
			moved = true
		}
		moved = moved || len(w.control) > 0
		for _, x := range w.sites {
			for x.step() || x.mail() {
				moved = true
			}
		}
	}
	w.checkAtRest()
}

// post has the peer send one batch of messages.
func (x *site) post(batch ...protocol.Message) {
	x.in = append(x.in, func() {
		waiting := x.s.Parked()
		var lent []protocol.Message
		for _, m := range batch {
			if x.closed {
				return
			}
			x.s.Route(x.w.snap)
			m = lend(m)
			lent = append(lent, m)
			if x.s.Receive(m, x) != Continue {
				x.leave()
				x.closed = true
			}
		}
		x.s.Flush(x)
		if x.s.Parked() <= waiting {
			useAgain(lent)
		}
	})
}

// lend returns a copy of a message whose memory is used again after its batch.
func lend(m protocol.Message) protocol.Message {
	switch m := m.(type) {
	case *protocol.Call:
		return new(*m)
	case *protocol.Yield:
		return new(*m)
	case *protocol.Publish:
		return new(*m)
	default:
		return m
	}
}

// useAgain has something else in the memory of the messages.
func useAgain(lent []protocol.Message) {
	other := protocol.Payload{Serializer: protocol.JSON, Args: []byte(`["of another message"]`)}
	for _, m := range lent {
		switch m := m.(type) {
		case *protocol.Call:
			*m = protocol.Call{Request: protocol.MaxID, Procedure: "com.other", Payload: other}
		case *protocol.Yield:
			*m = protocol.Yield{Request: protocol.MaxID, Payload: other}
		case *protocol.Publish:
			*m = protocol.Publish{Request: protocol.MaxID, Topic: "com.other", Payload: other}
		}
	}
}

// leave makes the session unreachable, as its actor does when it ends.
func (x *site) leave() {
	if x.gone {
		return
	}
	x.gone = true
	x.s.Leave(x)
	x.w.control = append(x.w.control, func() { x.w.realm.Leave(x.w.now, x.peer) })
}

// disconnect is the end of the transport.
func (x *site) disconnect() {
	x.in = append(x.in, func() {
		x.leave()
		x.closed = true
	})
}

// kick has the router close the session.
func (x *site) kick(reason protocol.URI, message string) {
	x.in = append(x.in, func() {
		if x.closed {
			return
		}
		x.s.Goodbye(reason, message, x)
		x.leave()
	})
}

// expire lets the timer of a call run out.
func (x *site) expire(request protocol.ID) {
	x.in = append(x.in, func() {
		if _, running := x.timers[request]; running {
			delete(x.timers, request)
			x.s.Expire(request, x)
		}
	})
}

// mail posts the deliveries, and fails the calls to peers that turned out to be gone.
func (x *site) mail() bool {
	n := len(x.out)
	for step(&x.out) {
	}
	lost := x.lost
	x.lost = nil
	for _, p := range lost {
		x.s.CalleeGone(p, x)
	}
	return n > 0
}

// Send implements Effects. Senders reuse m: got must not keep it.
func (x *site) Send(m protocol.Message) {
	holds(!x.closed, "%s is closed, and was sent %s", x.name, m.Type())
	_, abort := m.(*protocol.Abort)
	holds(!x.gone || abort, "%s has left, and was sent %s", x.name, m.Type())
	if x.got != nil {
		x.got(x, m)
	}
}

// SendEvents implements Effects.
func (x *site) SendEvents(run *Events) {
	holds(len(run.List) > 0, "a run without events")
	for i := range run.List {
		holds(run.List[i].Subscription == run.Subscription, "a run of two subscriptions")
		x.Send(new(run.List[i]))
	}
	run.Done()
}

// SendRetained implements Effects.
func (x *site) SendRetained(ev *protocol.Event) bool {
	x.Send(ev)
	return true
}

// Deliver implements Effects: who posts to a peer that is gone gets to know it, and
// the item may or may not be looked at.
func (x *site) Deliver(to *Peer, d Delivery) {
	y := to.Handle.(*site)
	x.out = append(x.out, func() {
		if y.gone && d.Kind == Invoke && !x.gone { // the surroundings know it for certain
			d.Kind, d.Error = Refused, protocol.ErrorCanceled
			x.in = append(x.in, func() { x.refresh(); x.s.Deliver(&d, x) })
			return
		}
		if y.gone {
			x.lost = append(x.lost, to)
			if x.w.lose != nil && x.w.lose() {
				return
			}
		}
		y.in = append(y.in, func() { y.refresh(); y.s.Deliver(&d, y) })
	})
}

// refresh has the session route by the latest snapshot, as its actor does.
func (x *site) refresh() {
	if !x.gone {
		x.s.Route(x.w.snap)
	}
}

// Command implements Effects.
func (x *site) Command(c Command) {
	x.w.control = append(x.w.control, func() { x.w.realm.Apply(x.w.now, c) })
	x.s.Route(x.w.snap)
}

// Authorize implements Effects.
func (x *site) Authorize(c Consultation) {
	holds(!x.gone && x.asked == nil, "%s must not ask", x.name)
	x.asked = &c
	x.w.consult(x, c)
}

// authorized answers what the session asks.
func (x *site) authorized(a Authorization, err error) {
	c := x.asked
	x.asked = nil
	x.in = append(x.in, func() {
		x.s.Route(x.w.snap)
		if x.s.Authorized(c.Ticket, a, err, x) != Continue {
			x.leave()
			x.closed = true
		}
		x.s.Flush(x)
	})
}

// StartTimer implements Effects.
func (x *site) StartTimer(request protocol.ID, after time.Duration) {
	_, running := x.timers[request]
	holds(!running, "%s: the timer of call %d is running", x.name, request)
	x.timers[request] = after
}

// StopTimer implements Effects.
func (x *site) StopTimer(request protocol.ID) { delete(x.timers, request) }
