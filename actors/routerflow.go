package actors

import (
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// This file is how a routerSession keeps queues bounded: who sends too much is not read
// for a while, who reads too little loses its events or its connection.

// SlowConsumerPolicy says what becomes of events for a client that does not keep up:
// more than Limits.HardMark waits for it. Results, errors and acknowledgements are never
// dropped; a client that does not read those is disconnected under every policy.
type SlowConsumerPolicy string

// The policies.
const (
	// SlowDisconnect, the zero value, disconnects the client; so does letting nothing
	// through for Limits.SlowConsumerTimeout.
	SlowDisconnect SlowConsumerPolicy = ""
	// SlowDropOldest keeps the client, and drops the events that wait longest.
	SlowDropOldest SlowConsumerPolicy = "drop-oldest"
	// SlowDropNewest keeps the client, and drops the events that come last.
	SlowDropNewest SlowConsumerPolicy = "drop-newest"
)

// ParseSlowConsumerPolicy returns the policy named "disconnect", "drop-oldest" or
// "drop-newest"; "" is "disconnect".
func ParseSlowConsumerPolicy(name string) (SlowConsumerPolicy, bool) {
	if name == "disconnect" {
		return SlowDisconnect, true
	}
	p := SlowConsumerPolicy(name)
	return p, p.valid()
}

// String returns the name.
func (p SlowConsumerPolicy) String() string {
	if p == SlowDisconnect {
		return "disconnect"
	}
	return string(p)
}

func (p SlowConsumerPolicy) valid() bool {
	return p == SlowDisconnect || p == SlowDropOldest || p == SlowDropNewest
}

const (
	// lookFirst and lookLast are how soon a session that is held up, or that has events
	// kept back, looks again: twice as long after each look that changed nothing.
	lookFirst = time.Millisecond
	lookLast  = 32 * time.Millisecond
	// maxCommands is how many commands of a session the realm may have to answer before
	// the session is read no more.
	maxCommands = 1024
)

// brake is why a session is not read at the moment.
type brake struct {
	on       bool
	since    time.Time
	slow     map[*outflow]struct{} // receivers above the high mark
	commands int                   // of this session, not answered by the realm yet
}

// backlog are events that wait in the session actor, because its connection is clogged
// and the policy allows to drop them.
type backlog struct {
	runs    []*router.Events
	bytes   int
	dropped int // in this burst
}

// watch looks whether a receiver keeps up after n bytes were posted to it: above the
// high mark this peer's reader pauses, above the hard mark the receiver is a slow
// consumer. What was posted last does not count there: one large message is no burst.
func (s *routerSession) watch(to *peerHandle, n int) {
	flow, limits := to.flow, &s.router.cfg.Limits
	level := flow.level()
	if level <= int64(limits.HighMark) {
		if level <= int64(limits.HighMark)/2 && flow.since.Load() != 0 {
			flow.since.Store(0)
		}
		return
	}
	if flow.dead.Load() {
		return
	}
	to.checkHardMark(s.router.host, limits.HardMark, n)
	if level-int64(n) <= int64(limits.HighMark)/2 {
		flow.since.Store(s.router.clock())
	} else {
		flow.since.CompareAndSwap(0, s.router.clock())
	}
	if s.tired(flow) {
		return
	}
	if s.brake.slow == nil {
		s.brake.slow = make(map[*outflow]struct{})
	}
	s.brake.slow[flow] = struct{}{}
}

// tired reports whether a receiver has been above the high mark for so long that it
// holds up nobody any more.
func (s *routerSession) tired(flow *outflow) bool {
	since := flow.since.Load()
	return since != 0 && s.router.clock()-since >= int64(s.router.cfg.Limits.SlowConsumerTimeout)
}

// endTurn ends each turn of the actor: what was gathered is handed over, and reading
// pauses if that is too much for somebody.
func (s *routerSession) endTurn() {
	s.postAll()
	if s.session == nil || s.closed || s.brake.on {
		return
	}
	if s.brake.commands < maxCommands && len(s.brake.slow) == 0 && s.flow.owed() <= s.ownMark() {
		return
	}
	s.brake.on, s.brake.since = true, time.Now()
	s.in.pause()
	s.lookAgain(lookFirst)
}

// ownMark is how much this peer may let wait for itself before it is read no more:
// what it asks for then would only be more to wait for.
func (s *routerSession) ownMark() int64 { return int64(s.router.cfg.Limits.HardMark) / 2 }

// held reports whether reading has to pause on. Receivers hold up a sender only for a
// time, that of their own trouble and that of the sender's pause: a stalled receiver
// must not hold up anybody for longer.
func (s *routerSession) held() bool {
	limits := &s.router.cfg.Limits
	over := time.Since(s.brake.since) >= limits.SlowConsumerTimeout
	for flow := range s.brake.slow {
		if over || flow.level() <= int64(limits.HighMark)/2 || flow.dead.Load() || s.tired(flow) {
			delete(s.brake.slow, flow)
		}
	}
	return len(s.brake.slow) > 0 || s.brake.commands >= maxCommands/2 || s.flow.owed() > s.ownMark()/2
}

// release lets reading go on.
func (s *routerSession) release() {
	clear(s.brake.slow)
	if s.brake.on {
		s.brake.on = false
		s.in.resume()
	}
	if len(s.waiting) > 0 {
		s.router.host.send(s.self, &lookDue{})
	}
}

// handleWaiting handles what was put aside, until the brake is on again.
func (s *routerSession) handleWaiting() {
	for len(s.waiting) > 0 && !s.brake.on {
		b := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		s.handle(b)
	}
	if len(s.waiting) > 0 {
		return
	}
	s.waiting = nil
	if m := s.lost; m != nil {
		s.lost = nil
		s.linkLost(m)
	}
}

// lookAgain has look called after a time, once.
func (s *routerSession) lookAgain(after time.Duration) {
	if s.looking {
		return
	}
	s.looking, s.lookDelay = true, after
	if s.lookTimer == nil {
		host, self := s.router.host, s.self
		s.lookTimer = time.AfterFunc(after, func() { host.send(self, &lookDue{}) })
		return
	}
	s.lookTimer.Reset(after)
}

// look lets go on what can go on.
func (s *routerSession) look() {
	s.looking = false
	before := s.backlog.bytes
	if s.session != nil && !s.closed {
		s.unclog()
	}
	if s.brake.on && (s.session == nil || s.closed || !s.held()) {
		s.release()
	}
	s.handleWaiting()
	if !s.brake.on && len(s.backlog.runs) == 0 {
		return
	}
	next := min(2*s.lookDelay, lookLast)
	if s.brake.on || s.backlog.bytes != before {
		next = lookFirst
	}
	s.lookAgain(next)
}

// clogged reports whether events have to wait here instead of in the connection's
// queue, where they could not be dropped any more.
func (s *routerSession) clogged() bool {
	return s.flow.owed() > int64(s.router.cfg.Limits.HighMark)/2
}

// deliverEvents handles a run that was posted for the session to.
func (s *routerSession) deliverEvents(to *router.Peer, run *router.Events) {
	switch handle := handleOf(to); {
	case s.session == nil || to != s.peer || s.closed:
		handle.uncount(run)
	case handle.slow != SlowDisconnect && (len(s.backlog.runs) > 0 || s.clogged()):
		s.backlog.runs = append(s.backlog.runs, run.Kept(handle.variant))
		s.backlog.bytes += run.Size()
		s.dropEvents(handle)
		s.lookAgain(lookFirst)
	default:
		s.passEvents(handle, run)
	}
}

// passEvents sends a run to the peer, whose session may not want it any more.
func (s *routerSession) passEvents(handle *peerHandle, run *router.Events) {
	handle.uncount(run)
	d := router.Delivery{Kind: router.EventRun, Events: run}
	s.session.Deliver(&d, s)
}

// dropEvents brings the backlog below the hard mark.
func (s *routerSession) dropEvents(handle *peerHandle) {
	for s.backlog.bytes > s.router.cfg.Limits.HardMark && len(s.backlog.runs) > 1 {
		i := 0
		if handle.slow == SlowDropNewest {
			i = len(s.backlog.runs) - 1
		}
		run := s.backlog.runs[i]
		s.backlog.take(i)
		handle.uncount(run)
		if s.backlog.dropped == 0 {
			s.log.Warn("events dropped for a slow consumer", "policy", handle.slow.String(), "queued", s.flow.level())
		}
		s.backlog.dropped += len(run.List)
		s.router.droppedEvents.Add(uint64(len(run.List)))
	}
}

// unclog sends what the connection has room for again.
func (s *routerSession) unclog() {
	handle := handleOf(s.peer)
	for len(s.backlog.runs) > 0 && !s.clogged() {
		run := s.backlog.runs[0]
		s.backlog.take(0)
		s.passEvents(handle, run)
	}
	if len(s.backlog.runs) == 0 && s.backlog.dropped > 0 {
		s.log.Info("slow consumer caught up", "dropped", s.backlog.dropped)
		s.backlog = backlog{}
	}
}

// clearBacklog forgets what waits for a session that has ended.
func (s *routerSession) clearBacklog() {
	handle := handleOf(s.peer)
	for _, run := range s.backlog.runs {
		handle.uncount(run)
	}
	s.backlog = backlog{}
}

// take removes the i-th run, which is the first or the last one.
func (b *backlog) take(i int) {
	b.bytes -= b.runs[i].Size()
	b.runs[i] = nil
	if i == 0 {
		b.runs = b.runs[1:]
	} else {
		b.runs = b.runs[:i]
	}
}

// overrun gives up a peer that does not read. There is no use in telling it.
func (s *routerSession) overrun() {
	switch {
	case s.closed:
	case s.pipe != nil:
		s.pipe.Close(ErrSlowConsumer)
	default:
		s.router.host.send(s.transport, &abandon{err: ErrSlowConsumer})
	}
}
