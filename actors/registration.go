package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Messages to a registration actor, besides *session.Invocation.
type (
	// answered says that an invocation which was handed out has its answer.
	answered struct{ inv *session.Invocation }
	// interrupted says that an invocation is not wanted any more.
	interrupted struct {
		inv    *session.Invocation
		reason error
	}
)

// errUnavailable is the answer of a procedure whose actor has stopped.
var errUnavailable = session.NewError(protocol.ErrorUnavailable, "the actor that serves the procedure has stopped")

// procedure is what invocations of one registration go to.
type procedure struct {
	c       *client
	pid     *actor.PID // the registration actor
	handler *session.Function
	direct  bool // no limit and no target: the session actor starts the handler itself
	door    *door
}

// door is where the session actor hands invocations straight to the actor of a user's: there is one
// if there is no limit, and it is open while that actor is known and nothing is on its way to it
// through the registration actor, or calls would not stay in order.
type door struct {
	target  atomic.Pointer[actor.PID] // nil while it is not known, and once it has stopped
	behind  atomic.Int64              // invocations in the mailbox of the registration actor
	replies *replies                  // written before target
}

// pass hands out an invocation, and reports whether it could. It is called by the session actor.
func (d *door) pass(host *Host, inv *session.Invocation) bool {
	if d == nil {
		return false
	}
	pid := d.target.Load()
	if pid == nil || d.behind.Load() > 0 {
		d.behind.Add(1)
		return false
	}
	inv.Notify(d.replies.forget)
	d.replies.hand(host, pid, inv)
	if d.target.Load() == nil { // it stopped meanwhile: whoever saw that may have missed this one
		inv.Fail(errUnavailable)
	}
	return true
}

// interrupt ends an invocation. A handler learns it from its context; the registration actor
// answers for those that have not started, and for actors.
func (p *procedure) interrupt(inv *session.Invocation, reason error) {
	inv.Interrupt(reason)
	if !p.direct {
		p.c.host.send(p.pid, &interrupted{inv: inv, reason: reason})
	}
}

// registrationActor runs the invocations of one registration: so many at a time, as handlers on
// goroutines of their own or by an actor of the user's. It keeps its PID over reconnects.
type registrationActor struct {
	c       *client
	uri     string
	handler *session.Function // nil if there is a target
	limit   int               // 0 is no limit
	self    *actor.PID
	minder  *minder // nil if there is a handler
	replies *replies
	door    *door // nil if there is a limit or a handler
	running int
	queue   []*session.Invocation
}

func registrationProps(c *client, p *procedure, uri string, handler any, limit int) *actor.Props {
	r := &registrationActor{c: c, uri: uri, limit: limit, door: p.door}
	switch h := handler.(type) {
	case *session.Function:
		r.handler = h
	case *Target:
		r.minder = &minder{c: c, kind: supervisor.KindProcedure, uri: uri, target: h, failed: r.targetFailed}
	}
	props := c.host.props(func() actor.Actor { return r })
	if r.minder != nil {
		props = r.minder.props(props)
	}
	return props
}

// Receive implements actor.Actor.
func (r *registrationActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *session.Invocation:
		r.queue = append(r.queue, m)
		r.next()
		if r.door != nil {
			r.door.behind.Add(-1)
		}
	case *answered:
		r.answered(m.inv)
	case *interrupted:
		r.interrupted(m)
	case *actor.Started:
		r.start(ctx)
	case *actor.Terminated:
		if r.minder != nil && r.minder.terminated(m.Who) {
			r.targetGone()
		}
	case *actor.Stopping:
		r.stop()
	}
}

// failed goes on after a panic of this actor, which is a bug.
func (r *registrationActor) failed(ctx actor.Context, err *supervisor.PanicError) {
	r.c.log.Error("registration actor failed", "uri", r.uri, "reason", err, stackOf(err))
	if inv, ok := ctx.Message().(*session.Invocation); ok {
		inv.Fail(errPanicked)
	}
}

func (r *registrationActor) start(ctx actor.Context) {
	r.self = ctx.Self()
	if r.minder == nil {
		return
	}
	r.replies = newReplies(r.c.host.system, r.self)
	if err := r.minder.start(ctx); err != nil {
		r.c.log.Error("target not started", "uri", r.uri, "reason", err)
		return
	}
	if r.door != nil {
		r.door.replies = r.replies
		r.door.target.Store(r.minder.pid)
	}
}

func (r *registrationActor) stop() {
	if r.door != nil {
		r.door.target.Store(nil)
	}
	for _, inv := range r.queue {
		inv.Fail(errUnavailable)
	}
	r.queue = nil
	if r.replies != nil {
		r.replies.close(errUnavailable)
	}
}

// next hands out what the limit allows.
func (r *registrationActor) next() {
	for len(r.queue) > 0 && (r.limit == 0 || r.running < r.limit) {
		inv := r.queue[0]
		r.queue[0] = nil
		if r.queue = r.queue[1:]; len(r.queue) == 0 {
			r.queue = nil // or the array would only grow
		}
		if reason := inv.Reason(); reason != nil {
			inv.Fail(reason)
			continue
		}
		if r.limit > 0 {
			r.running++
			host, self := r.c.host, r.self
			inv.Notify(func(inv *session.Invocation) { host.send(self, &answered{inv: inv}) })
		}
		r.run(inv)
	}
}

func (r *registrationActor) run(inv *session.Invocation) {
	switch {
	case r.handler != nil:
		r.c.workers.start(job{handler: r.handler, inv: inv})
	case r.minder.pid == nil:
		inv.Fail(errUnavailable)
	default:
		if r.limit == 0 {
			inv.Notify(r.replies.forget)
		}
		r.replies.hand(r.c.host, r.minder.pid, inv)
	}
}

func (r *registrationActor) answered(inv *session.Invocation) {
	r.running--
	if r.replies != nil {
		r.replies.remove(inv)
	}
	r.next()
}

// interrupted answers for those who cannot do it themselves: invocations that wait for their
// turn, and actors, which may not look at their mailbox for a while.
func (r *registrationActor) interrupted(m *interrupted) {
	for i, inv := range r.queue {
		if inv == m.inv {
			r.queue = append(r.queue[:i], r.queue[i+1:]...)
			inv.Fail(m.reason)
			return
		}
	}
	if r.replies == nil {
		return
	}
	if msg := r.replies.get(m.inv); msg != nil && m.inv.Fail(m.reason) && r.minder.pid != nil {
		r.c.host.send(r.minder.pid, &Interrupted{Invocation: msg, Reason: m.reason})
	}
}

func (r *registrationActor) targetFailed(message any) {
	if m, ok := message.(*Invocation); ok {
		m.Fail(errPanicked)
	}
}

func (r *registrationActor) targetGone() {
	if r.door != nil {
		r.door.target.Store(nil)
	}
	r.replies.failAll(errUnavailable)
}

// replies is the process that the actors of users answer to: one for a registration, whatever the
// number of its invocations. The RequestId of the sender's PID, which nothing else uses, tells
// which invocation an answer is for.
type replies struct {
	system *actor.ActorSystem
	pid    *actor.PID

	mu   sync.Mutex
	last uint32
	open map[uint32]*Invocation
	ids  map[*session.Invocation]uint32

	forget func(*session.Invocation) // remove: a method value is an allocation
}

var _ actor.Process = (*replies)(nil)

func newReplies(system *actor.ActorSystem, owner *actor.PID) *replies {
	r := &replies{system: system, open: make(map[uint32]*Invocation), ids: make(map[*session.Invocation]uint32)}
	r.forget = r.remove
	r.pid, _ = system.ProcessRegistry.Add(r, owner.Id+"/replies")
	return r
}

// handed is an invocation that an actor of a user's has, and the PID to answer it to.
type handed struct {
	Invocation
	sender actor.PID
}

// hand gives an invocation to an actor. Whoever calls it sees to it that remove is called.
func (r *replies) hand(host *Host, to *actor.PID, inv *session.Invocation) {
	h := &handed{Invocation: Invocation{inv}}
	h.sender.Address, h.sender.Id = r.pid.Address, r.pid.Id
	r.mu.Lock()
	for r.last++; r.open[r.last] != nil || r.last == 0; r.last++ {
	}
	h.sender.RequestId = r.last
	r.open[r.last], r.ids[inv] = &h.Invocation, r.last
	r.mu.Unlock()
	host.system.Root.RequestWithCustomSender(to, &h.Invocation, &h.sender)
}

func (r *replies) get(inv *session.Invocation) *Invocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[r.ids[inv]]
}

func (r *replies) remove(inv *session.Invocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, r.ids[inv])
	delete(r.ids, inv)
}

// failAll answers what is open.
func (r *replies) failAll(err error) {
	r.mu.Lock()
	open := make([]*Invocation, 0, len(r.open))
	for _, m := range r.open {
		open = append(open, m)
	}
	r.mu.Unlock()
	for _, m := range open {
		m.Fail(err)
	}
}

func (r *replies) close(err error) {
	r.failAll(err)
	r.system.ProcessRegistry.Remove(r.pid)
}

// SendUserMessage implements actor.Process: it is what ctx.Respond comes down to. It runs on the
// goroutine of the user's actor.
func (r *replies) SendUserMessage(pid *actor.PID, message any) {
	r.mu.Lock()
	inv := r.open[pid.RequestId]
	r.mu.Unlock()
	if inv == nil {
		return // answered already
	}
	_, answer, _ := actor.UnwrapEnvelope(message)
	switch a := answer.(type) {
	case *Result:
		inv.Respond(session.Reply{Args: a.Args, KwArgs: a.KwArgs})
	case *Progress:
		// Nobody waits here, so there is nobody to tell that it cannot be sent.
		_ = inv.YieldAsync(session.Reply{Args: a.Args, KwArgs: a.KwArgs})
	case error:
		inv.Fail(a)
	case *actor.DeadLetterResponse:
		inv.Fail(errUnavailable)
	default:
		inv.Respond(session.Reply{Args: []any{answer}})
	}
}

// SendSystemMessage implements actor.Process.
func (r *replies) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (r *replies) Stop(*actor.PID) {}
