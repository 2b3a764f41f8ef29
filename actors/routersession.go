package actors

import (
	"errors"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Messages to a router session actor, besides *inbound, *linkLost, *deliveries and
// *router.Events.
type (
	// kick ends the session, with GOODBYE if it is established and reads what it is
	// sent, else with ABORT.
	kick struct {
		reason  protocol.URI
		message string
	}
	// callExpired is the timer of a call.
	callExpired struct {
		session *router.Session
		request protocol.ID
	}
	// overdue is the timer of the handshake and of closing.
	overdue struct{ generation int }
	// overrun says that the peer has let more than the hard mark pile up.
	overrun struct{}
	// resumeCheck looks whether reading may go on.
	resumeCheck struct{}
	// retire comes after everything that was posted before the session was gone.
	retire struct{}
)

// routerSession is the actor of one connection: first of its handshake, then of its
// session; after a GOODBYE perhaps of another session.
type routerSession struct {
	router *Router
	conn   *transport.Conn    // nil for a pipe
	pipe   *transport.PipeEnd // nil for a connection
	self   *actor.PID
	log    *slog.Logger

	in        *inflow
	flow      *outflow
	out       outlet
	transport *actor.PID

	handshake  *router.Handshake
	session    *router.Session
	realm      *realmRef
	peer       *router.Peer
	generation int // of the deadline timer
	closed     bool

	targets  []*deliveries // gathered in this turn
	slow     []*outflow    // receivers above the high mark
	paused   time.Time     // since when reading is paused
	timers   map[protocol.ID]*time.Timer
	deadline *time.Timer
}

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
		s.deliverEvents(m)
	case *sched.Drained:
		s.out.flush()
	case *linkLost:
		s.linkLost(m)
	case *callExpired:
		if m.session == s.session {
			s.session.Expire(m.request, s)
			s.postAll()
		}
	case *resumeCheck:
		s.resumeCheck()
	case *overrun:
		s.overrun()
	case *kick:
		s.kick(m)
	case *overdue:
		s.overdue(m)
	case *retire:
		ctx.Stop(s.self)
	case *actor.Stopping:
		s.end() // a stop from outside: nothing may stay behind
		s.endHandshake()
		if s.pipe != nil {
			s.pipe.Close(ErrRouterClosed)
		} else {
			_ = s.conn.Close()
		}
	case *actor.Stopped:
		s.router.forget(s.self)
	}
}

func (s *routerSession) start(ctx actor.Context) {
	s.self = ctx.Self()
	limits := s.router.cfg.Limits
	s.in = newInflow(int64(limits.Inbound))
	s.flow = new(outflow)
	s.newHandshake()
	if s.pipe != nil {
		s.out = &pipeOutlet{pipe: s.pipe}
		s.attachPipe()
		return
	}
	s.transport = ctx.SpawnPrefix(transportProps(transportConfig{
		host: s.router.host, conn: s.conn, owner: s.self, in: s.in, out: s.flow, options: s.router.cfg.Options,
	}), "transport")
	s.out = newFrameOutlet(s.router.host, s.transport, s.conn, s.flow)
}

func (s *routerSession) attachPipe() {
	host, self, in := s.router.host, s.self, s.in
	s.pipe.OnClose(func(err error) { host.send(self, &linkLost{err: err}) })
	s.pipe.Receive(func(msgs []protocol.Message) {
		host.send(self, &inbound{msgs: msgs, flow: in})
	})
}

// newHandshake waits for a HELLO, but not for ever.
func (s *routerSession) newHandshake() {
	serializer := protocol.MessagePack
	if s.conn != nil {
		serializer = s.conn.Serializer()
	}
	s.handshake = &router.Handshake{Admit: s.router.admit, NewID: s.router.reserveID, Serializer: serializer}
	s.startDeadline(s.router.cfg.Options.HandshakeTimeout)
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
	}
}

func (s *routerSession) overdue(m *overdue) {
	if m.generation != s.generation || s.closed {
		return
	}
	if s.handshake != nil {
		s.Send(&protocol.Abort{Reason: protocol.ErrorTimeout, Details: protocol.CloseDetails{Message: "no session was established in time"}})
	}
	s.close()
}

// receive handles what one read brought.
func (s *routerSession) receive(b *inbound) {
	for i := range b.msgs {
		if s.closed {
			break
		}
		if s.session == nil {
			s.receiveHandshake(b.msgs[i])
			continue
		}
		s.session.Route(s.realm.snapshot.Load())
		s.settle(s.session.Receive(b.msgs[i], s))
	}
	if b.err != nil && !s.closed {
		s.violated(b.err)
	}
	if s.session != nil {
		s.session.Flush(s)
	}
	s.postAll()
	b.free()
	s.pauseIfSlow()
}

func (s *routerSession) receiveHandshake(m protocol.Message) {
	if hello, ok := m.(*protocol.Hello); ok {
		announcePings(s.router.host, s.transport, hello.Details.Agent)
	}
	peer, verdict := s.handshake.Receive(m, s.Send)
	if verdict != router.Continue {
		s.close()
		return
	}
	if peer == nil {
		return
	}
	s.stopDeadline()
	s.handshake = nil // its id is the session's now
	s.realm = s.router.realm(peer.Realm)
	s.peer = peer
	peer.Handle = &peerHandle{pid: s.self, flow: s.flow, variant: s.variant()}
	s.session = router.NewSession(peer, s.router.cfg.Session)
	s.router.host.send(s.realm.pid, &realmJoin{peer: peer})
	s.log = s.router.host.logger.With("realm", peer.Realm, "session", peer.ID)
	s.log.Debug("session joined", "authid", peer.AuthID, "authrole", peer.AuthRole)
}

// settle ends the session if the verdict says so.
func (s *routerSession) settle(v router.Verdict) {
	switch v {
	case router.Continue:
	case router.Ended:
		s.end()
		if s.pipe != nil || s.router.closing.Load() {
			s.close()
			return
		}
		s.newHandshake() // the transport may carry another session
	case router.Dropped:
		s.close()
	}
}

// violated ends the connection of a peer that sent something malformed.
func (s *routerSession) violated(err error) {
	if s.session != nil {
		s.session.Abort(protocol.ErrorProtocolViolation, err.Error(), s)
	} else {
		s.Send(&protocol.Abort{Reason: protocol.ErrorProtocolViolation, Details: protocol.CloseDetails{Message: err.Error()}})
	}
	s.close()
}

// deliver handles what another session, or the realm, has for this one.
func (s *routerSession) deliver(b *deliveries) {
	s.flow.queued.Add(-int64(b.size))
	if s.session != nil && b.to == s.peer {
		for i := range b.list {
			s.session.Deliver(&b.list[i], s)
		}
		s.postAll()
	} // else it is for a session that is gone: whoever sent it sees that
	b.free()
}

func (s *routerSession) deliverEvents(run *router.Events) {
	s.flow.queued.Add(-int64(run.Size()))
	if s.session != nil {
		d := router.Delivery{Kind: router.EventRun, Events: run}
		s.session.Deliver(&d, s)
	}
}

// linkLost handles the end of the transport.
func (s *routerSession) linkLost(m *linkLost) {
	if m.err != nil && s.log != nil {
		s.log.Debug("connection lost", "reason", m.err)
	}
	s.closed = true
	s.flow.dead.Store(true)
	s.end()
	s.endHandshake()
	s.router.host.send(s.self, &retire{})
}

// overrun gives up a peer that does not read. There is no use in telling it.
func (s *routerSession) overrun() {
	if s.closed || s.transport == nil {
		return
	}
	s.log.Warn("slow consumer disconnected", "queued", s.flow.queued.Load())
	s.router.host.send(s.transport, &abandon{err: ErrSlowConsumer})
}

// kick ends the session on the router's side.
func (s *routerSession) kick(m *kick) {
	if s.closed {
		return
	}
	if s.session == nil {
		s.Send(&protocol.Abort{Reason: m.reason, Details: protocol.CloseDetails{Message: m.message}})
		s.close()
		return
	}
	s.session.Goodbye(m.reason, m.message, s)
	s.retirePeer()
	s.startDeadline(s.router.cfg.GoodbyeTimeout)
}

// close ends the session, if there is one, and the connection, once what was sent is
// written.
func (s *routerSession) close() {
	if s.closed {
		return
	}
	s.closed = true
	s.end()
	s.endHandshake()
	s.out.close(closeNormal, "")
}

// endHandshake gives back what a handshake without success has reserved.
func (s *routerSession) endHandshake() {
	s.stopDeadline()
	if s.handshake == nil {
		return
	}
	if id := s.handshake.Reserved(); id != 0 {
		s.router.releaseID(id)
	}
	s.handshake = nil
}

const closeNormal = 1000 // RFC 6455

// end takes the session out of the router: its calls are canceled both ways, then its
// registrations and subscriptions are withdrawn.
func (s *routerSession) end() {
	if s.session == nil {
		return
	}
	s.retirePeer()
	s.session, s.realm, s.peer = nil, nil, nil
}

// retirePeer makes the session unreachable. Its machine stays to answer what was on its
// way, and for the peer's GOODBYE.
func (s *routerSession) retirePeer() {
	handle := handleOf(s.peer)
	if handle.gone.Swap(true) {
		return
	}
	s.session.Leave(s)
	s.postAll()
	for id, t := range s.timers {
		t.Stop()
		delete(s.timers, id)
	}
	s.router.host.send(s.realm.pid, &realmLeave{peer: s.peer})
	s.router.releaseID(s.peer.ID)
	s.log.Debug("session left")
}

// pauseIfSlow stops reading from a peer whose messages fill the queue of a receiver.
func (s *routerSession) pauseIfSlow() {
	if len(s.slow) == 0 || s.closed {
		return
	}
	s.in.pause()
	s.paused = time.Now()
	s.recheck()
}

func (s *routerSession) recheck() {
	const interval = time.Millisecond
	host, self := s.router.host, s.self
	time.AfterFunc(interval, func() { host.send(self, &resumeCheck{}) })
}

// resumeCheck lets reading go on when the receivers have caught up, or have had their
// time: a stalled receiver holds nobody up for longer than that.
func (s *routerSession) resumeCheck() {
	limits := s.router.cfg.Limits
	if time.Since(s.paused) < limits.SlowConsumerTimeout && !s.closed {
		for _, flow := range s.slow {
			if !flow.dead.Load() && flow.queued.Load() > int64(limits.HighMark)/2 {
				s.recheck()
				return
			}
		}
	}
	s.slow = s.slow[:0]
	s.in.resume()
}

// errNoReceiver is why events for a peer are dropped: it cannot be encoded for it.
var errNoReceiver = errors.New("actors: cannot be encoded for the receiver")
