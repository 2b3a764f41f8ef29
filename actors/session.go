package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
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
	// sessionOverdue is the timer of joining and leaving.
	sessionOverdue struct{ of *connection }
)

// Messages from a session actor to its component. id is that of the openSession.
type (
	dialFailed struct {
		id  uint64
		err error
	}
	linkUp struct {
		id  uint64
		url string
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
	dialing      *dialing
	conn         *connection
	declarations []*declared
	runtime      map[*actor.PID]struct{} // actors of registrations that end with the session
	spawned      int                     // children whose name was taken
	later        []func()                // what the machine's effects want done when it has returned
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
		s.batch = s.poster.take(s.batch)
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
	s.runtime = make(map[*actor.PID]struct{})
	for _, d := range s.c.cfg.Declarations {
		s.declare(d)
	}
}

// stop handles a stop in whatever state.
func (s *sessionActor) stop() {
	s.abort(errStopped)
	s.poster.close(&session.EndedError{How: session.EndLost, Cause: errStopped})
}

// errStopped is why a session ends whose actor is stopped.
var errStopped = errors.New("the component was stopped")

func (s *sessionActor) abort(err error) {
	if s.dialing != nil {
		d := s.dialing
		s.dialing = nil
		d.giveUp()
		s.tell(&dialFailed{id: d.id, err: err})
	}
	if s.conn != nil {
		s.machine(func(m *session.Machine) { m.Lost(err) })
		s.cut(err)
	}
}

// cut closes the transport at once.
func (s *sessionActor) cut(err error) {
	switch c := s.conn; {
	case c == nil:
	case c.transport != nil:
		s.c.host.send(c.transport, &abandon{err: err})
	default:
		c.out.close(closeInternalError, "")
	}
}

// failed gives up the connection after a panic of this actor, which is a bug.
func (s *sessionActor) failed(_ actor.Context, err *supervisor.PanicError) {
	s.c.log.Error("session actor failed", "reason", err, stackOf(err))
	s.later = nil
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

func (s *sessionActor) childFailed(m *supervisor.ChildFailed) {
	if s.conn != nil && s.conn.transport != nil && s.conn.transport.Equal(m.Child) {
		s.linkLost(m.Child, m.Reason)
		return
	}
	s.tell(&beyondHelp{err: m.Reason})
}

func (s *sessionActor) tell(m any) { s.c.host.send(s.parent, m) }

// dialed begins a session over an open transport.
func (s *sessionActor) dialed(d *dialing) {
	if d != s.dialing {
		return // given up: what it opened is closed
	}
	s.dialing = nil
	if d.err != nil || !d.take() {
		d.giveUp()
		s.tell(&dialFailed{id: d.id, err: d.err})
		return
	}
	limits := s.c.cfg.inbound
	c := &connection{id: d.id, url: d.cfg.Name(), in: newInflow(limits), flow: new(outflow), attempt: d.attempt, pipe: d.pipe != nil}
	cfg := session.Config{
		Poster: s.poster, Transport: c.url, Hello: d.hello, Verify: d.verify,
		Errors: s.c.cfg.Errors, Context: s.c.cfg.Context, MaxInvocations: s.c.cfg.MaxInvocations,
		JoinTimeout: s.c.cfg.JoinTimeout, LeaveTimeout: s.c.cfg.LeaveTimeout, Shared: c.pipe,
	}
	s.conn = c
	if c.pipe {
		cfg.Serializer = d.pipe.Serializer()
		out := newPipeOutlet(s.c.host, s.self, d.pipe, c.in, c.flow)
		c.out = out
		out.attach()
	} else {
		cfg.Serializer = d.conn.Serializer()
		c.transport = s.ctx.SpawnPrefix(transportProps(transportConfig{
			host: s.c.host, conn: d.conn, owner: s.self, in: c.in, out: c.flow, options: d.cfg.Options.WithDefaults(),
		}), "transport")
		out := newFrameOutlet(s.c.host, c.transport, d.conn, c.flow)
		c.out, c.raw = out, out.framing.Kind == transport.RawSocket
		cfg.Fits = fits(out.serializer, out.maxSend)
	}
	s.poster.flow.Store(c.flow)
	c.m = session.New(cfg, s)
	s.tell(&linkUp{id: c.id, url: c.url})
	s.machine(func(m *session.Machine) { m.Start(time.Now()) })
}

// fits returns a check of messages against what the peer accepts; nil if that is everything.
func fits(serializer protocol.Serializer, maxSend int) func(protocol.Message) error {
	if maxSend <= 0 {
		return nil
	}
	const headroom = 64 << 10 // no options are as long as that, unless they are counted below
	return func(msg protocol.Message) error {
		p, ok := msg.(*protocol.Publish)
		if !ok || p.Options.Filter == nil && p.Options.Extra == nil && p.Payload.Size()+len(p.Topic)+headroom < maxSend {
			return nil
		}
		c := *p
		c.Request = protocol.MaxID
		b, err := codec.Append(nil, serializer, &c)
		if err == nil && len(b) > maxSend {
			err = errTooLong
		}
		return sendError(err)
	}
}

// sendError gives an error of sending the URI that it has for callers.
func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLong):
		return session.NewError(protocol.ErrorPayloadSizeExceeded, err.Error())
	default:
		return session.NewError(protocol.ErrorInvalidPayload, err.Error())
	}
}

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
	}
	if b.err != nil {
		c.m.Violation(b.err)
	}
	b.free()
	s.settle()
}

// doAll carries out what handles, handlers and actors have posted.
func (s *sessionActor) doAll() {
	for s.done < len(s.batch) {
		cmd := s.batch[s.done]
		s.batch[s.done] = nil
		s.done++
		n := cmd.Size() // not afterwards: the command may be pooled
		s.do(cmd)
		s.poster.posted.Add(-int64(n))
	}
	s.batch, s.done = s.batch[:0], 0
}

func (s *sessionActor) do(cmd session.Command) {
	c := s.conn
	if c == nil {
		cmd.Reject(session.ErrNotJoined)
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

func (s *sessionActor) close(m *closeSession) {
	if s.dialing != nil {
		s.abort(errStopped)
		return
	}
	s.machine(func(mc *session.Machine) {
		mc.Do(time.Now(), session.NewLeave(m.reason, m.message, func(error) {}))
	})
}

// linkLost handles the end of the transport: nothing will come from it any more.
func (s *sessionActor) linkLost(from *actor.PID, err error) {
	c := s.conn
	if c == nil || !c.pipe && !c.transport.Equal(from) {
		return
	}
	s.machine(func(m *session.Machine) { m.Lost(err) })
	s.conn = nil
	c.flow.dead.Store(true)
	if c.pipe {
		close(c.in.done)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.transport != nil {
		s.ctx.Stop(c.transport)
	}
	s.tell(&linkDown{id: c.id, url: c.url, err: err})
}

// The following are the effects of the machine. They must not call it.

// Send implements session.Effects.
func (s *sessionActor) Send(msg protocol.Message) error {
	if err := s.conn.out.send(msg); err != nil {
		return sendError(err)
	}
	return nil
}

// Challenge implements session.Effects: the answer is worked out on a goroutine.
func (s *sessionActor) Challenge(ch *protocol.Challenge) {
	ctx, cancel := context.WithCancel(s.c.cfg.Context)
	c, host, self := s.conn, s.c.host, s.self
	if c.cancel != nil {
		c.cancel() // a second challenge: nobody waits for the answer to the first
	}
	c.cancel = cancel
	go func() {
		defer cancel()
		m := &challengeAnswered{of: c}
		guard(func() (err error) {
			m.answer, err = c.attempt.Answer(ctx, ch)
			return err
		}, func(err error) {
			m.err = err
			host.send(self, m)
		})
	}()
}

func (s *sessionActor) challengeAnswered(r *challengeAnswered) {
	if r.of != s.conn {
		return
	}
	s.machine(func(m *session.Machine) {
		if r.err != nil {
			m.Refuse(authFailure(fmt.Errorf("authentication: %w", r.err)))
			return
		}
		m.Authenticate(r.answer.Signature, r.answer.Extra)
	})
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
	for pid := range s.runtime {
		s.ctx.Stop(pid)
	}
	clear(s.runtime)
	s.tell(&sessionDown{id: c.id, err: err})
}

// Invoke implements session.Effects.
func (s *sessionActor) Invoke(ref any, inv *session.Invocation) {
	ref.(*procedure).invoke(inv) //nolint:forcetypeassert,errcheck // see attach
}

// Interrupt implements session.Effects.
func (s *sessionActor) Interrupt(ref any, inv *session.Invocation, reason error) {
	ref.(*procedure).interrupt(inv, reason) //nolint:forcetypeassert,errcheck // see attach
}

// Deliver implements session.Effects.
func (s *sessionActor) Deliver(ref any, ev *session.Event) {
	ref.(*topic).deliver(ev) //nolint:forcetypeassert,errcheck // see attach
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
