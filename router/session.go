package router

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/internal/idtable"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// SessionConfig are the rules a session follows. The zero value is usable.
type SessionConfig struct {
	// StrictURIs allows lower-case letters, digits and underscores only.
	StrictURIs bool
	// LaxRequestIDs accepts request ids that are not sequential, as old clients send
	// them. The specification asks for an ABORT.
	LaxRequestIDs bool
	// HideIdentities refuses disclose_me of callers and publishers.
	HideIdentities bool
	// MaxRegistrations, MaxSubscriptions and MaxCalls limit what one session holds at
	// once; 0 means the default: 100000, 100000 and 65536.
	MaxRegistrations, MaxSubscriptions, MaxCalls int
	// MaxURILength limits, in bytes, the URIs of registrations and subscriptions, which
	// the router keeps; 0 means the default, 1024.
	MaxURILength int
}

func (c SessionConfig) withDefaults() SessionConfig {
	const entries, calls, uriLength = 100_000, 65_536, 1024
	if c.MaxRegistrations == 0 {
		c.MaxRegistrations = entries
	}
	if c.MaxSubscriptions == 0 {
		c.MaxSubscriptions = entries
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = calls
	}
	if c.MaxURILength == 0 {
		c.MaxURILength = uriLength
	}
	return c
}

// Verdict is what a message did to the session.
type Verdict uint8

// The verdicts.
const (
	// Continue means that the session goes on.
	Continue Verdict = iota
	// Ended means that GOODBYE was exchanged; the transport may carry a new session.
	Ended
	// Dropped means that an ABORT was sent or received: close the transport.
	Dropped
	// Waiting means that a handshake goes on with Handshake.Resume.
	Waiting
)

// Session is the data plane of one established session. It belongs to one actor.
//
// The surroundings call Route before, and Flush after, each batch of messages they
// pass to Receive.
type Session struct {
	peer *Peer
	cfg  SessionConfig
	snap *Snapshot

	watermark   protocol.ID          // the last request id of the peer
	called      protocol.ID          // the last CALL.Request that went to a callee
	calls       idtable.Table[*Call] // by CALL.Request: what the peer waits for
	invocation  protocol.ID          // the last invocation id sent
	invocations idtable.Table[*Call] // by INVOCATION.Request: what the peer works on
	// What the peer has registered and subscribed, as of the realm's last answer. True
	// means that it has given notice with UNREGISTER or UNSUBSCRIBE, unanswered yet.
	regs, subs map[protocol.ID]bool
	asked      uint64 // commands handed to the realm
	answered   uint64 // those of them that it answered
	// The unanswered ones among them that are REGISTER and SUBSCRIBE.
	registering, subscribing int
	held                     []heldDelivery // see Deliver
	heldSize                 int            // in bytes
	closing                  bool           // GOODBYE was sent: only the peer's GOODBYE counts
	over                     bool

	routes map[protocol.URI]route // what the snapshot says about the URIs in use
	run    eventRun
	access *Access // that of the snapshot
	rules  *rules  // for this peer
	gate   *gate   // nil until an Authorizer is asked

	out *outgoing
}

// outgoing is where messages are built: Effects.Send does not keep them.
type outgoing struct {
	invocation protocol.Invocation
	result     protocol.Result
	failure    protocol.Error
	published  protocol.Published
	interrupt  protocol.Interrupt
}

// route remembers how a URI is routed in the current snapshot.
type route struct {
	meta  metaProcedure
	reg   *Registration
	subs  []*Subscription
	kept  bool // one of subs has a history
	known uint8
	// What the rules say about the actions whose routing is known.
	call, publish grant
}

const (
	knowsProcedure = 1 << iota
	knowsTopic
	// maxRoutes bounds the memory that a peer can occupy with ever new URIs.
	maxRoutes = 512
	// maxRouteURI does the same for long ones, which are not worth remembering.
	maxRouteURI = 256
)

// NewSession returns the data plane for the peer.
func NewSession(peer *Peer, cfg SessionConfig) *Session {
	return &Session{peer: peer, cfg: cfg.withDefaults()}
}

// Peer returns the session as others see it.
func (s *Session) Peer() *Peer { return s.peer }

// Route has the messages that follow routed against snap.
func (s *Session) Route(snap *Snapshot) {
	if snap == s.snap {
		return
	}
	s.snap = snap
	clear(s.routes)
	if snap.access != s.access {
		s.access, s.rules = snap.access, snap.access.of(s.peer)
		s.gate.forget()
	}
}

// Receive handles a message of the session's own peer. It keeps no CALL, PUBLISH or YIELD, only what
// they point to, unless Parked grows: then the messages that wait are kept until they don't.
func (s *Session) Receive(m protocol.Message, eff Effects) Verdict {
	if s.over {
		return Dropped
	}
	if s.closing {
		return s.receiveClosing(m)
	}
	if s.gate != nil && s.gate.parks(s, m) {
		return Continue
	}
	return s.handle(m, eff)
}

// handle carries out a message whose turn it is.
func (s *Session) handle(m protocol.Message, eff Effects) Verdict {
	if m.Type() != protocol.TypePublish {
		s.Flush(eff)
	}
	var err error
	switch m := m.(type) {
	case *protocol.Publish:
		err = s.publish(m, eff)
	case *protocol.Call:
		err = s.call(m, eff)
	case *protocol.Yield:
		err = s.yield(m, eff)
	case *protocol.Error:
		err = s.calleeError(m, eff)
	case *protocol.Cancel:
		s.cancel(m, eff)
	case *protocol.Subscribe:
		err = s.subscribe(m, eff)
	case *protocol.Unsubscribe:
		err = s.unsubscribe(m, eff)
	case *protocol.Register:
		err = s.register(m, eff)
	case *protocol.Unregister:
		err = s.unregister(m, eff)
	case *protocol.EventReceived: // asked for by nobody: there is nothing to do
	case *protocol.Goodbye:
		eff.Send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
		s.over = true
		return Ended
	case *protocol.Abort:
		s.over = true
		return Dropped
	default:
		err = &protocol.ViolationError{Message: m.Type(), Problem: "not allowed from a client in an established session"}
	}
	return s.verdict(err, eff)
}

// verdict aborts the session if the peer has broken the protocol.
func (s *Session) verdict(err error, eff Effects) Verdict {
	if err != nil {
		s.Abort(protocol.ErrorProtocolViolation, err.Error(), eff)
		return Dropped
	}
	return Continue
}

func (s *Session) receiveClosing(m protocol.Message) Verdict {
	switch m.(type) {
	case *protocol.Goodbye:
		s.over = true
		return Ended
	case *protocol.Abort:
		s.over = true
		return Dropped
	default:
		return Continue // too late: neither answered nor a violation
	}
}

// Abort tells the peer that its session ends at once. Call Leave next.
func (s *Session) Abort(reason protocol.URI, message string, eff Effects) {
	if s.over {
		return
	}
	s.over = true
	eff.Send(&protocol.Abort{Reason: reason, Details: protocol.CloseDetails{Message: message}})
}

// Goodbye asks the peer to leave. Call Leave next; the peer's answer is awaited.
func (s *Session) Goodbye(reason protocol.URI, message string, eff Effects) {
	if s.over || s.closing {
		return
	}
	s.closing = true
	eff.Send(&protocol.Goodbye{Reason: reason, Details: protocol.CloseDetails{Message: message}})
}

// Leave ends what the session has under way with others: callees are interrupted,
// callers get ErrorCanceled. Nothing is sent to the peer.
func (s *Session) Leave(eff Effects) {
	s.Flush(eff)
	for id, c := range s.calls.All() {
		eff.StopTimer(id)
		eff.Deliver(c.callee, Delivery{Kind: Interrupt, Call: c, Mode: protocol.CancelKillNoWait, Error: protocol.ErrorCanceled})
	}
	for _, c := range s.invocations.All() {
		eff.Deliver(c.caller, Delivery{Kind: CallFailed, Call: c, Error: protocol.ErrorCanceled})
	}
	s.calls.Clear()
	s.invocations.Clear()
	s.regs, s.subs, s.routes = nil, nil, nil
	s.answered, s.registering, s.subscribing = s.asked, 0, 0
	s.closing, s.gate = true, nil
	s.release(eff)
}

// acknowledge passes on the realm's answer to a command, and then what waited for it.
// Between its answers, the session knows exactly what the realm knows of its peer.
func (s *Session) acknowledge(d *Delivery, eff Effects) {
	if s.closing || s.over {
		return
	}
	s.answered++
	switch m := d.Message.(type) {
	case *protocol.Registered:
		s.registering--
		s.regs = addID(s.regs, m.Registration)
	case *protocol.Subscribed:
		s.subscribing--
		s.subs = addID(s.subs, m.Subscription)
	case *protocol.Unregistered:
		delete(s.regs, m.Details.ID)
	case *protocol.Unsubscribed:
		delete(s.subs, m.Details.ID)
	case *protocol.Error:
		switch m.RequestType {
		case protocol.TypeRegister:
			s.registering--
		case protocol.TypeSubscribe:
			s.subscribing--
		default: // notice of what was revoked in the meantime
		}
	default: // realms send no other
	}
	if d.Message != nil {
		eff.Send(d.Message)
	}
	if d.late != nil {
		s.finish(d.late, eff)
	}
	s.release(eff)
}

// revoke takes a registration or subscription away. Only peers that understand it are
// told (Advanced Profile, "Registration Revocation", "Subscription Revocation").
func (s *Session) revoke(d *Delivery, eff Effects) {
	if s.closing || s.over {
		return
	}
	switch m := d.Message.(type) {
	case *protocol.Unregistered:
		delete(s.regs, m.Details.ID)
		if s.peer.asCallee(protocol.FeatureRegistrationRevocation) {
			eff.Send(m)
		}
	case *protocol.Unsubscribed:
		delete(s.subs, m.Details.ID)
		if s.peer.Roles.Supports(protocol.Subscriber, protocol.FeatureSubscriptionRevocation) {
			eff.Send(m)
		}
	default: // realms send no other
	}
}

// addID adds what the peer has now. That it has given notice already, for a
// subscription that it asked for twice, stays so.
func addID(set map[protocol.ID]bool, id protocol.ID) map[protocol.ID]bool {
	if set == nil {
		set = make(map[protocol.ID]bool, 1)
	}
	if _, known := set[id]; !known {
		set[id] = false
	}
	return set
}

// giveNotice reports whether the peer has id and did not end it yet, which it does
// now. Nobody can end in good faith what the realm has not answered.
func giveNotice(set map[protocol.ID]bool, id protocol.ID) bool {
	ending, known := set[id]
	if !known || ending {
		return false
	}
	set[id] = true
	return true
}

// nextRequest checks a request id: they count up from 1 (Basic Profile, "IDs").
func (s *Session) nextRequest(t protocol.MessageType, id protocol.ID) error {
	want := s.watermark.Next()
	s.watermark = id
	if id == 0 || id != want && !s.cfg.LaxRequestIDs {
		return &protocol.ViolationError{Message: t, Field: "Request", Problem: fmt.Sprintf("is %d, want the next id, %d", id, want)}
	}
	return nil
}

// checkURI returns the error for a URI that the peer may not use, or "".
func (s *Session) checkURI(uri protocol.URI, m protocol.Match, claims bool) protocol.URI {
	if !uri.ValidPattern(m, s.cfg.StrictURIs) || claims && uri.Reserved() {
		return protocol.ErrorInvalidURI
	}
	return ""
}

func (s *Session) refuse(t protocol.MessageType, id protocol.ID, uri protocol.URI, eff Effects) {
	out := s.outgoing()
	out.failure = protocol.Error{RequestType: t, Request: id, Error: uri}
	eff.Send(&out.failure)
}

// refuseLimit refuses a request because of a limit, and says which.
func (s *Session) refuseLimit(t protocol.MessageType, id protocol.ID, limit string, eff Effects) {
	out := s.outgoing()
	out.failure = limitExceeded(t, id, limit)
	eff.Send(&out.failure)
}

func limitExceeded(t protocol.MessageType, id protocol.ID, limit string) protocol.Error {
	return protocol.Error{
		RequestType: t, Request: id, Error: protocol.ErrorLimitExceeded,
		Details: protocol.ErrorDetails{Extra: protocol.Dict{"message": limit}},
	}
}

// limit returns which limit forbids one more entry for the URI, or "". name is that of
// the limit for the entries, most its value, used how much of it is.
func (s *Session) limit(uri protocol.URI, name string, most, used int) string {
	switch {
	case len(uri) > s.cfg.MaxURILength:
		return fmt.Sprintf("MaxURILength is %d bytes", s.cfg.MaxURILength)
	case used >= most:
		return fmt.Sprintf("%s is %d", name, most)
	default:
		return ""
	}
}

// outgoing returns the scratch space, which sessions that never talk do without.
func (s *Session) outgoing() *outgoing {
	if s.out == nil {
		s.out = new(outgoing)
	}
	return s.out
}

func (s *Session) command(m protocol.Message, eff Effects) {
	eff.Command(s.asking(Command{From: s.peer, Message: m}))
}

// asking counts a command: each has an answer coming.
func (s *Session) asking(c Command) Command {
	s.asked++
	return c
}

func (s *Session) remember(uri protocol.URI, r route) {
	if len(uri) > maxRouteURI {
		return
	}
	if s.routes == nil {
		s.routes = make(map[protocol.URI]route)
	}
	if len(s.routes) >= maxRoutes {
		clear(s.routes)
	}
	s.routes[uri] = r
}

// randomBelow and newPublication use the runtime's generator: neither an invocation
// choice nor a publication id is a secret.
func randomBelow(n int) int { return rand.IntN(n) } //nolint:gosec // see above

func newPublication() protocol.ID { return protocol.GlobalID(rand.Uint64()) } //nolint:gosec // see above

func milliseconds(ms uint64) time.Duration {
	const maxMS = uint64(1<<63-1) / uint64(time.Millisecond)
	return time.Duration(min(ms, maxMS)) * time.Millisecond
}
