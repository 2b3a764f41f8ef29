package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Messages to a session actor, besides *commandsPosted, *inbound, *linkLost and *dialed.
type (
	// openSession asks for an attempt to join over a transport.
	openSession struct {
		id        uint64
		transport *TransportConfig
	}
	// closeSession asks to end what there is: dialing, joining or the session.
	closeSession struct {
		reason  protocol.URI
		message string
	}
	// abortSession asks to end it at once, without GOODBYE.
	abortSession struct{ err error }
	// declare adds a registration or subscription to those that every session has.
	declare struct{ d *Declaration }
	// undeclare takes it back.
	undeclare struct{ d *Declaration }
	// challengeAnswered is what became of the answer to a CHALLENGE.
	challengeAnswered struct {
		of     *connection
		answer *protocol.Authenticate
		err    error
	}
	// welcomeApproved is what became of the question about a WELCOME.
	welcomeApproved struct {
		of  *connection
		err error
	}
	// sessionOverdue is the timer of joining and leaving.
	sessionOverdue struct{ of *connection }
)

// Messages from a session actor to its component. id is that of the openSession.
type (
	dialFailed struct {
		id    uint64
		err   error
		hooks *hooks // may still be busy
	}
	linkUp struct {
		id    uint64
		url   string
		hooks *hooks
	}
	sessionUp struct {
		id      uint64
		session *session.Session
	}
	// declarationsDone says that all declarations have been acknowledged, or that one was
	// refused.
	declarationsDone struct {
		id  uint64
		err error
	}
	sessionDown struct {
		id  uint64
		err *session.EndedError
	}
	// linkDown is the last one of an attempt whose transport was open.
	linkDown struct {
		id  uint64
		url string
		err error
	}
	// beyondHelp says that a part of the component failed more often than it may.
	beyondHelp struct{ err error }
)

// connection is what a session actor has while a transport is open.
type connection struct {
	id        uint64
	url       string
	m         *session.Machine
	out       outlet
	in        *inflow
	flow      *outflow
	transport *actor.PID // nil for a pipe
	pipe      bool
	raw       bool // RawSocket: there is no closing handshake
	attempt   *session.Attempt
	cancel    context.CancelFunc // of the answer to a CHALLENGE
	timer     *time.Timer
	deadline  time.Time // the timer's
	down      bool      // sessionDown was reported
	reported  bool      // declarationsDone was reported
}

// sessionActor owns the session of a component: one after the other, each with a machine and a
// transport of its own. It is never restarted: after a panic of its own it gives up the connection.
type sessionActor struct {
	c            *client
	ctx          actor.Context // its own, for the methods that are called during Receive
	self, parent *actor.PID
	poster       *poster
	batch        []session.Command // being carried out, from done on
	done         int
	size         int64 // of the batch, as the poster counts
	dialing      *dialing
	conn         *connection
	declarations []*declared
	spawned      int      // children whose name was taken
	later        []func() // what the machine's effects want done when it has returned
	jobs         []job    // invocations of the batch at hand
}

func sessionProps(c *client) (*actor.Props, error) {
	strategy, err := supervisor.NewStrategy(supervisor.StrategyConfig{
		Decide: func(*actor.PID, error, supervisor.Class) supervisor.Directive { return supervisor.Stop },
	})
	if err != nil {
		return nil, err
	}
	return c.host.props(func() actor.Actor { return &sessionActor{c: c} }, actor.WithSupervisor(strategy)), nil
}

// Receive implements actor.Actor.
func (s *sessionActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *inbound:
		s.receive(m)
	case *commandsPosted:
		s.doAll()
	case *sched.Drained:
		if s.conn != nil {
			s.conn.out.flush()
		}
	case *openSession:
		s.dial(m.id, m.transport)
	case *dialed:
		s.dialed(m.d)
	case *linkLost:
		s.linkLost(m.transport, m.err)
	case *challengeAnswered:
		s.challengeAnswered(m)
	case *welcomeApproved:
		s.welcomeApproved(m)
	case *sessionOverdue:
		s.overdue(m)
	case *closeSession:
		s.close(m)
	case *abortSession:
		s.abort(m.err)
	case *declare:
		s.declare(m.d)
	case *undeclare:
		s.undeclare(m.d)
	case *supervisor.ChildFailed:
		s.childFailed(m)
	case *actor.Started:
		s.start(ctx)
	case *actor.Stopping:
		s.stop()
	}
}

func (s *sessionActor) start(ctx actor.Context) {
	s.ctx, s.self, s.parent = ctx, ctx.Self(), ctx.Parent()
	s.poster = &poster{host: s.c.host, pid: s.self}
	for _, d := range s.c.cfg.Declarations {
		s.declare(d)
	}
}

// stop handles a stop in whatever state.
func (s *sessionActor) stop() {
	s.abort(errStopped)
	err := &session.EndedError{How: session.EndLost, Cause: errStopped}
	for _, cmd := range s.batch[s.done:] { // left after a panic
		cmd.Reject(err)
	}
	s.batch, s.done = nil, 0
	s.poster.close(err)
}

// errStopped is why a session ends whose actor is stopped.
var errStopped = errors.New("the component was stopped")

// failed gives up the connection after a panic of this actor, which is a bug.
func (s *sessionActor) failed(_ actor.Context, err *supervisor.PanicError) {
	s.c.log.Error("session actor failed", "reason", err, stackOf(err))
	s.later = nil
	s.startJobs()
	if len(s.batch) > 0 { // the panic was in the middle of it: go on with the rest
		s.c.host.send(s.self, &commandsPosted{})
	}
	c := s.conn
	if c == nil {
		return
	}
	if again := safely(func() error { c.m.Lost(err); return nil }); again != nil {
		s.sessionEnded(&session.EndedError{How: session.EndLost, Cause: err, Joined: c.m.Session() != nil})
	}
	s.cut(err)
}

func (s *sessionActor) tell(m any) { s.c.host.send(s.parent, m) }

// machine calls the machine, and then does what its effects left for later.
func (s *sessionActor) machine(f func(*session.Machine)) {
	if s.conn == nil {
		return
	}
	f(s.conn.m)
	s.settle()
}

// settle does what the effects of the machine could not do themselves, and looks at its deadline.
func (s *sessionActor) settle() {
	for len(s.later) > 0 {
		f := s.later[0]
		s.later = s.later[1:]
		f()
	}
	s.later = nil
	if s.conn != nil {
		s.arm(s.conn)
	}
}

func (s *sessionActor) arm(c *connection) {
	if d := c.m.Deadline(); !d.Equal(c.deadline) {
		c.deadline = d
		if c.timer != nil {
			c.timer.Stop()
			c.timer = nil
		}
		if !d.IsZero() {
			host, self, m := s.c.host, s.self, &sessionOverdue{of: c}
			c.timer = time.AfterFunc(time.Until(d), func() { host.send(self, m) })
		}
	}
}

func (s *sessionActor) overdue(m *sessionOverdue) {
	if m.of == s.conn {
		s.machine(func(m *session.Machine) { m.Expire(time.Now()) })
	}
}

// receive handles what one read brought.
func (s *sessionActor) receive(b *inbound) {
	c := s.conn
	if c == nil || b.flow != c.in {
		b.free()
		return
	}
	for _, msg := range b.msgs {
		if w, ok := msg.(*protocol.Welcome); ok {
			announcePings(s.c.host, c.transport, w.Details.Agent)
		}
		c.m.Receive(msg)
		if c.pipe && c.flow.pipe.Load() != nil {
			recycle(msg)
		}
	}
	if b.err != nil {
		c.m.Violation(b.err)
	}
	b.free()
	s.startJobs()
	s.settle()
}

// startJobs starts the handlers of the invocations that a batch brought.
func (s *sessionActor) startJobs() {
	if len(s.jobs) == 0 {
		return
	}
	s.c.workers.start(s.jobs...)
	clear(s.jobs)
	if s.jobs = s.jobs[:0]; cap(s.jobs) > maxSpare {
		s.jobs = nil
	}
}

// doAll carries out what handles, handlers and actors have posted.
func (s *sessionActor) doAll() {
	batch, size := s.poster.take(s.batch)
	s.batch = batch
	s.size += size
	for s.done < len(s.batch) {
		cmd := s.batch[s.done]
		s.batch[s.done] = nil
		s.done++
		s.do(cmd)
	}
	s.poster.done(s.size)
	s.batch, s.done, s.size = s.batch[:0], 0, 0
}

func (s *sessionActor) do(cmd session.Command) {
	c := s.conn
	if c == nil {
		session.Reject(cmd)
		return
	}
	if err := s.attach(cmd); err != nil {
		cmd.Reject(err)
		return
	}
	var now time.Time
	if session.TakesTime(cmd) {
		now = time.Now()
	}
	c.m.Do(now, cmd)
	if len(s.later) > 0 || now != (time.Time{}) {
		s.settle()
	}
}

// The following are the effects of the machine. They must not call it.

// Send implements session.Effects.
func (s *sessionActor) Send(msg protocol.Message) error {
	if err := s.conn.out.send(msg); err != nil {
		return sendError(err)
	}
	return nil
}

// Joined implements session.Effects.
func (s *sessionActor) Joined(sess *session.Session) {
	if f := s.c.cfg.OnSession; f != nil {
		f(sess)
	}
	s.tell(&sessionUp{id: s.conn.id, session: sess})
	s.later = append(s.later, s.attachDeclared)
}

// Ended implements session.Effects.
func (s *sessionActor) Ended(err *session.EndedError) {
	s.sessionEnded(err)
	code := closeNormal
	switch err.How {
	case session.EndViolation:
		code = closeProtocolError
	case session.EndLeft, session.EndTimeout:
		code = closeGoingAway
	default: // it is the router's wish, or there is nobody to tell
	}
	if c := s.conn; err.How == session.EndLeft && err.Reason != "" && c.raw {
		s.cut(nil) // the router has read everything: it has answered
		return
	}
	s.conn.out.close(code, "")
}

func (s *sessionActor) sessionEnded(err *session.EndedError) {
	c := s.conn
	if c.down {
		return
	}
	c.down = true
	if c.cancel != nil {
		c.cancel()
	}
	if f := s.c.cfg.OnSession; f != nil && c.m.Session() != nil {
		f(nil)
	}
	for _, d := range s.declarations {
		d.detached()
	}
	s.tell(&sessionDown{id: c.id, err: err})
}

// Invoke implements session.Effects. The handlers start once the whole batch has been looked at.
func (s *sessionActor) Invoke(ref any, inv *session.Invocation) {
	p := ref.(*procedure) //nolint:forcetypeassert // see attach
	switch {
	case p.direct:
		s.jobs = append(s.jobs, job{handler: p.handler, inv: inv})
	case p.door.pass(s.c.host, inv):
	default:
		s.c.host.send(p.pid, inv)
	}
}

// Interrupt implements session.Effects.
func (s *sessionActor) Interrupt(ref any, inv *session.Invocation, reason error) {
	ref.(*procedure).interrupt(inv, reason) //nolint:forcetypeassert // see attach
}

// Deliver implements session.Effects.
func (s *sessionActor) Deliver(ref any, ev *session.Event) {
	ref.(*topic).deliver(ev) //nolint:forcetypeassert // see attach
}

// Release implements session.Effects.
func (s *sessionActor) Release(ref any, reason error) {
	switch r := ref.(type) {
	case *procedure:
		s.released(r.pid, ref, reason)
	case *topic:
		s.released(r.pid, ref, reason)
	}
}
