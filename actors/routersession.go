package actors

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Messages to a router session actor, besides *inbound, *linkLost, *deliveries,
// *router.Events and *peerEvents.
type (
	// kick ends the session, with GOODBYE if it is established and reads what it is
	// sent, else with ABORT.
	kick struct {
		peer    *router.Peer // nil: whichever session there is
		reason  protocol.URI
		message string
	}
	// callExpired is the timer of a call.
	callExpired struct {
		session *router.Session
		request protocol.ID
		timer   *callTimer
	}
	// calleeGone says that calls of a session may have come too late for a callee.
	calleeGone struct {
		session *router.Session
		callee  *router.Peer
	}
	// overdue is the timer of the handshake and of closing.
	overdue struct{ generation int }
	// overrun says that the peer has let more than the hard mark pile up.
	overrun struct{}
	// lookDue is the timer of looking whether reading and sending may go on.
	lookDue struct{}
	// refresh has a session forget what the realm has replaced.
	refresh struct{}
	// retire comes after everything that was posted before the session was gone.
	retire struct{}
)

// routerSession is the actor of one connection: first of its handshake, then of its
// session; after a GOODBYE perhaps of another session.
type routerSession struct {
	router *Router
	conn   *transport.Conn    // nil for a pipe
	pipe   *transport.PipeEnd // nil for a connection
	as     *router.Principal  // who the program says it is; nil to find out
	// internal is a session of the router itself.
	internal bool
	self     *actor.PID
	log      *slog.Logger

	in        *inflow
	flow      *outflow
	out       outlet
	transport *actor.PID

	handshake  *router.Handshake
	stopWork   context.CancelFunc // of what the handshake waits for; nil if it doesn't
	session    *router.Session
	realm      *realmRef
	peer       *router.Peer
	first      *router.Peer // the first session of the connection
	generation int          // of the deadline timer
	closed     bool
	unsendable error // why the handshake has to end

	targets  []*deliveries // gathered in this turn
	large    large         // what is being handled, if that is large
	timers   map[protocol.ID]*callTimer
	deadline *time.Timer

	consultation *consultation // under way
	parked       []*inbound    // with messages that wait for its outcome

	brake     brake
	waiting   []*inbound // put aside while the brake is on
	lost      *linkLost  // comes after what is put aside
	backlog   backlog
	lookTimer *time.Timer
	looking   bool // the timer is running
	lookDelay time.Duration
}

// callTimer is one run of the timer of a call.
type callTimer struct{ *time.Timer }

// Receive implements actor.Actor.
func (s *routerSession) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *inbound:
		s.receive(m)
	case *deliveries:
		s.deliver(m)
	case *router.Events:
		s.deliverEvents(s.first, m)
	case *peerEvents:
		s.deliverEvents(m.to, m.run)
	case *sched.Drained:
		s.out.flush()
	case *linkLost:
		s.linkLost(m)
	case *callExpired:
		s.expire(m)
	case *calleeGone:
		s.calleeGone(m)
	case *authorized:
		s.authorized(m)
	case *lookDue:
		s.look()
	case *overrun:
		s.overrun()
	case *kick:
		s.kick(m)
	case *overdue:
		s.overdue(m)
	case *decided:
		s.decided(m)
	case *refresh:
		s.refresh()
	case *retire:
		ctx.Stop(s.self)
	case *actor.Stopping:
		s.stop()
	case *actor.Stopped:
		s.router.forget(s)
	}
}

// failed ends the connection, and nothing else, after a panic of this actor. The
// actor stays until everybody who sent it something has been answered.
func (s *routerSession) failed(ctx actor.Context, err *supervisor.PanicError) {
	s.router.failures.Add(1)
	s.log.Error("session actor failed", slog.Any("reason", err), stackOf(err))
	switch ctx.Message().(type) {
	case *actor.Stopping:
		return
	case *actor.Stopped:
		s.router.forget(s)
		return
	}
	s.closed = true
	for _, step := range []func(){s.end, s.endHandshake, s.release} {
		if again := safely(func() error { step(); return nil }); again != nil {
			s.log.Error("session actor failed again", slog.Any("reason", again), stackOf(again))
		}
	}
	switch {
	case s.pipe != nil:
		s.pipe.Close(err) // posts linkLost
	case s.transport != nil:
		s.router.host.send(s.transport, &closeConn{code: closeInternalError, reason: "internal error"})
	default:
		_ = s.conn.Close()
		s.router.host.send(s.self, &linkLost{err: err})
	}
}

func (s *routerSession) start(ctx actor.Context) {
	s.self = ctx.Self()
	limits := s.router.cfg.Limits
	s.log = s.router.host.logger
	s.in = newInflow(int64(limits.Inbound))
	s.flow = new(outflow)
	s.newHandshake()
	if s.pipe != nil {
		out := newPipeOutlet(s.router.host, s.self, s.pipe, s.in, s.flow)
		out.hard = int64(limits.HardMark)
		s.out = out
		out.attach()
		return
	}
	// It has no parent either: the list of children costs as much as the actor itself.
	pid, err := s.router.transportActors.spawn(newTransportActor(transportConfig{
		host: s.router.host, conn: s.conn, owner: s.self, in: s.in, out: s.flow,
		options: s.router.cfg.Options, stall: limits.SlowConsumerTimeout,
	}), s.self.Id+"/transport")
	if err != nil {
		panic(err) // the name is ours alone
	}
	s.transport = pid
	s.out = newFrameOutlet(s.router.host, s.transport, s.conn, s.flow)
}

// stop handles a stop from outside: nothing may stay behind.
func (s *routerSession) stop() {
	s.closed = true
	if s.pipe != nil {
		s.pipe.Close(ErrRouterClosed)
	} else {
		s.router.host.system.Root.Stop(s.transport)
	}
	s.endInflow()
	s.end()
	s.endHandshake()
	if s.lookTimer != nil {
		s.lookTimer.Stop()
	}
}

func (s *routerSession) startDeadline(d time.Duration) {
	s.stopDeadline()
	host, self, m := s.router.host, s.self, &overdue{generation: s.generation}
	s.deadline = time.AfterFunc(d, func() { host.send(self, m) })
}

func (s *routerSession) stopDeadline() {
	s.generation++
	if s.deadline != nil {
		s.deadline.Stop()
		s.deadline = nil
	}
}

func (s *routerSession) overdue(m *overdue) {
	if m.generation != s.generation || s.closed {
		return
	}
	switch {
	case s.handshake != nil:
		s.Send(abort(protocol.ErrorTimeout, "no session was established in time"))
	case s.transport != nil && s.flow.level() > 0: // it has not even read our GOODBYE
		s.router.host.send(s.transport, &abandon{})
		return
	}
	s.close(closeGoingAway)
}

func abort(reason protocol.URI, message string) *protocol.Abort {
	return &protocol.Abort{Reason: reason, Details: protocol.CloseDetails{Message: message}}
}

// receive handles what one read brought. The other end of a pipe cannot be kept from
// sending: what it sends while it should wait is put aside.
func (s *routerSession) receive(b *inbound) {
	if s.pipe != nil && (s.brake.on || len(s.waiting) > 0) && !s.closed {
		s.waiting = append(s.waiting, b)
		return
	}
	s.handle(b)
}

func (s *routerSession) handle(b *inbound) {
	waiting := 0
	if s.session != nil {
		waiting = s.session.Parked()
	}
	for i := range b.msgs {
		if s.closed {
			break
		}
		if s.session == nil {
			s.receiveHandshake(b.msgs[i])
			continue
		}
		s.session.Route(s.realm.snapshot.Load())
		if len(b.large) > 0 {
			s.large = largeOf(b.large, b.msgs[i])
		}
		s.settle(s.session.Receive(b.msgs[i], s))
	}
	s.large = large{}
	if b.err != nil && !s.closed {
		s.violated(b.err)
	}
	if s.session != nil {
		s.session.Flush(s)
	}
	s.endTurn()
	if s.session != nil && s.session.Parked() > waiting {
		s.park(b)
		return
	}
	b.free()
}

// join begins a session.
func (s *routerSession) join(peer *router.Peer) {
	s.realm = s.router.realm(peer.Realm)
	s.peer = peer
	handle := &peerHandle{pid: s.self, flow: s.flow, variant: s.variant(), slow: s.realm.slow, later: s.first != nil}
	peer.Handle = handle
	if s.first == nil {
		s.first = peer
	}
	s.flow.patient.Store(handle.slow != SlowDisconnect)
	s.brake.commands = 0 // late answers to a session before this one counted too
	s.session = router.NewSession(peer, s.router.cfg.Session)
	s.countJoined(1)
	s.router.host.send(s.realm.pid, &realmJoin{peer: peer})
	s.log = s.router.host.logger.With("realm", peer.Realm, "session", peer.ID)
	s.log.Debug("session joined", "authid", peer.AuthID, "authrole", peer.AuthRole)
}

// countJoined counts the session for RouterStats.
func (s *routerSession) countJoined(n int64) {
	if !s.internal {
		s.router.joined.Add(n)
	}
}

// settle ends the session if the verdict says so.
func (s *routerSession) settle(v router.Verdict) {
	switch v {
	case router.Continue, router.Waiting: // sessions do not wait
	case router.Ended:
		s.end()
		if s.pipe != nil || s.router.closing.Load() {
			s.close(closeGoingAway)
			return
		}
		s.newHandshake() // the transport may carry another session
	case router.Dropped:
		s.close(closeProtocolError)
	}
}

// violated ends the connection of a peer that sent something malformed.
func (s *routerSession) violated(err error) {
	if s.session != nil {
		s.session.Abort(protocol.ErrorProtocolViolation, err.Error(), s)
	} else {
		s.Send(abort(protocol.ErrorProtocolViolation, err.Error()))
	}
	s.close(closeCode(err))
}

// deliver handles what another session, or the realm, has for this one.
func (s *routerSession) deliver(b *deliveries) {
	s.flow.queued.Add(-int64(b.size))
	session := s.session
	if session == nil || b.to != s.peer {
		// For a session that has ended since. Its machine would cancel the calls: one
		// that has left at once does the same.
		session = router.NewSession(b.to, s.router.cfg.Session)
		session.Leave(s)
	} else {
		session.Route(s.realm.snapshot.Load())
	}
	for i := range b.list {
		if b.list[i].Kind == router.Acknowledge && session == s.session {
			s.brake.commands--
		}
		if len(b.large) > 0 {
			s.large = largeOf(b.large, b.list[i].Message)
		}
		session.Deliver(&b.list[i], s)
	}
	s.large = large{}
	b.free()
	s.endTurn()
}

// refresh lets go of a snapshot that the realm has replaced, and of what was remembered of it.
func (s *routerSession) refresh() {
	if s.session != nil {
		s.session.Route(s.realm.snapshot.Load())
	}
}

func (s *routerSession) expire(m *callExpired) {
	if m.session != s.session || s.timers[m.request] != m.timer {
		return
	}
	s.session.Expire(m.request, s)
	s.endTurn()
}

// linkLost handles the end of the transport, after what was put aside: that came before.
func (s *routerSession) linkLost(m *linkLost) {
	if len(s.waiting) > 0 && !s.closed && m.err == io.EOF { //nolint:errorlint // a pipe closed in order says just this
		s.lost = m
		return
	}
	switch {
	case errors.Is(m.err, ErrSlowConsumer):
		s.router.slowConsumers.Add(1)
		s.log.Warn("slow consumer disconnected", "queued", s.flow.level())
	case m.err != nil:
		s.log.Debug("connection lost", "reason", m.err)
	}
	s.closed = true
	s.endInflow()
	s.end()
	s.endHandshake()
	s.router.host.send(s.self, &retire{})
}

// endInflow lets nobody wait any more for a connection that is over.
func (s *routerSession) endInflow() {
	if s.pipe != nil && !s.flow.dead.Load() { // else the transport actor does it
		close(s.in.done)
	}
	s.flow.dead.Store(true)
}

// kick ends the session on the router's side.
func (s *routerSession) kick(m *kick) {
	if s.closed || m.peer != nil && m.peer != s.peer {
		return
	}
	if s.session == nil {
		s.Send(abort(m.reason, m.message))
		s.close(closeGoingAway)
		return
	}
	s.session.Goodbye(m.reason, m.message, s)
	s.retirePeer()
	s.startDeadline(s.router.cfg.GoodbyeTimeout)
}

// close ends the session, if there is one, and the connection, once what was sent is
// written. code is for a WebSocket close frame.
func (s *routerSession) close(code int) {
	if s.closed {
		return
	}
	s.closed = true
	s.end()
	s.endHandshake()
	s.release() // the peer's end is still to be read
	s.out.close(code, "")
}

// end takes the session out of the router: its calls are canceled both ways, then its
// registrations and subscriptions are withdrawn.
func (s *routerSession) end() {
	if s.session == nil {
		return
	}
	defer func() { s.session, s.realm, s.peer = nil, nil, nil }()
	s.retirePeer()
}

// retirePeer makes the session unreachable. Its machine stays to answer what was on its
// way, and for the peer's GOODBYE.
func (s *routerSession) retirePeer() {
	handle := handleOf(s.peer)
	s.postAll() // answers, before anybody can see that they are the last
	if handle.gone.Swap(true) {
		return
	}
	defer func() { // also when the machine has failed
		s.router.host.send(s.realm.pid, &realmLeave{peer: s.peer})
		s.router.releaseID(s.peer.ID)
		s.countJoined(-1)
		s.log.Debug("session left")
	}()
	s.clearBacklog()
	s.endConsultation()
	s.brake.commands = 0
	s.flow.patient.Store(false)
	s.release()
	for id, t := range s.timers {
		t.Stop()
		delete(s.timers, id)
	}
	s.session.Leave(s)
	s.postAll()
}
