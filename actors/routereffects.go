package actors

import (
	"errors"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// This file is what a routerSession does for its router.Session: router.Effects.

var _ router.Effects = (*routerSession)(nil)

// Send implements router.Effects. A message that cannot be sent to this peer is not
// lost in silence: its sender, or the peer, gets an error instead.
func (s *routerSession) Send(m protocol.Message) {
	err := s.out.send(m)
	if err == nil {
		if s.large.message != nil {
			s.recycle(m)
		}
		return
	}
	uri := protocol.ErrorInvalidPayload
	if errors.Is(err, errTooLong) {
		uri = protocol.ErrorPayloadSizeExceeded
	}
	switch m := m.(type) {
	case *protocol.Invocation:
		failed := &protocol.Error{RequestType: protocol.TypeInvocation, Request: m.Request, Error: uri}
		s.settle(s.session.Receive(failed, s))
	case *protocol.Result:
		if m.Details.Progress { // the call goes on: end it, so that this is its only end
			s.settle(s.session.Receive(&protocol.Cancel{Request: m.Request, Mode: protocol.CancelKillNoWait}, s))
			return
		}
		s.sendError(protocol.TypeCall, m.Request, uri)
	case *protocol.Error:
		s.sendError(m.RequestType, m.Request, uri)
	default:
		s.log.Warn("message cannot be sent", "type", m.Type().String(), "reason", err)
		s.unsendable = err
	}
}

// sendError answers a request whose answer cannot be sent.
func (s *routerSession) sendError(t protocol.MessageType, request protocol.ID, uri protocol.URI) {
	if err := s.out.send(&protocol.Error{RequestType: t, Request: request, Error: uri}); err != nil {
		s.log.Error("error cannot be sent", "reason", err)
	}
}

// SendEvents implements router.Effects.
func (s *routerSession) SendEvents(run *router.Events) {
	if out, ok := s.out.(*frameOutlet); ok {
		variant := handleOf(s.peer).variant
		if frames := run.Encoded[variant]; len(frames) > 0 && out.accepts(frames) {
			out.sendFrames(frames)
			run.Done() // the frames have been copied
			return
		}
	}
	for i := range run.List {
		s.sendEvent(&run.List[i])
	}
}

// sendEvent sends one event. An event that the peer cannot take is sent without its
// payload, and says so (RawSocket, "payload_limit_exceeded").
func (s *routerSession) sendEvent(ev *protocol.Event) {
	err := s.out.send(ev)
	if err == nil {
		return
	}
	stripped := *ev
	stripped.Payload = protocol.Payload{}
	stripped.Details.PayloadLimitExceeded = errors.Is(err, errTooLong)
	s.log.Warn("event sent without its payload", "reason", err, "publication", ev.Publication)
	if err := s.out.send(&stripped); err != nil {
		s.log.Error("event dropped", "reason", errors.Join(errNoReceiver, err), "publication", ev.Publication)
	}
}

// SendRetained implements router.Effects.
func (s *routerSession) SendRetained(ev *protocol.Event) bool {
	if s.flow.owed() <= int64(s.router.cfg.Limits.HardMark) {
		s.sendEvent(ev)
		return true
	}
	if handleOf(s.peer).slow != SlowDisconnect {
		s.router.droppedEvents.Add(1)
	} else if !s.flow.overrun.Swap(true) {
		s.overrun()
	}
	return false
}

// Deliver implements router.Effects. A run of events goes to many: it is posted as it
// is, encoded once for each kind of receiver.
func (s *routerSession) Deliver(to *router.Peer, d router.Delivery) {
	if d.Kind == router.EventRun {
		s.postEvents(to, d.Events)
		return
	}
	const many = 32
	for i := len(s.targets) - 1; i >= 0; i-- { //nolint:modernize // slices.Backward costs a percent of a call
		if b := s.targets[i]; b.to == to {
			s.gather(b, d)
			return
		}
	}
	if len(s.targets) >= many {
		s.postAll()
	}
	b := newDeliveries(to)
	s.gather(b, d)
	s.targets = append(s.targets, b)
}

func (s *routerSession) gather(b *deliveries, d router.Delivery) {
	b.add(d)
	if s.large.is(d.Message) {
		b.large = append(b.large, large{d.Message, s.large.data})
		s.large = large{}
	}
}

// postAll hands over what Deliver gathered.
func (s *routerSession) postAll() {
	for i := 0; i < len(s.targets); i++ {
		b := s.targets[i]
		s.targets[i] = nil
		s.post(b)
	}
	s.targets = s.targets[:0]
}

// post hands over a batch. The receiver may be ending: it sets gone first and stops
// looking at its mailbox later, so a batch it might not see is one that we, who look
// at gone after posting, know to be lost. What it had answered before is in our mailbox
// by then, and comes first. Both sides may answer a call: the first answer removes the
// record, the second finds none.
func (s *routerSession) post(b *deliveries) {
	to := b.to
	handle := handleOf(to)
	if handle.gone.Load() && s.session != nil {
		s.giveBack(b)
		return
	}
	n := b.size
	b.post(s.router.host) // it is the receiver's from now on
	s.watch(handle, n)
	if handle.gone.Load() && s.session != nil {
		s.router.host.send(s.self, &calleeGone{session: s.session, callee: to})
	}
}

func (s *routerSession) calleeGone(m *calleeGone) {
	if m.session != s.session || s.closed {
		return
	}
	s.session.CalleeGone(m.callee, s)
	s.endTurn()
}

// giveBack handles a batch for a session that has ended before it was posted: its calls
// may go to other callees, and nobody waits for the rest.
func (s *routerSession) giveBack(b *deliveries) {
	var back *deliveries
	for _, d := range b.list {
		if d.Kind != router.Invoke {
			continue
		}
		if back == nil {
			back = newDeliveries(s.peer)
		}
		d.Kind, d.Error = router.Refused, protocol.ErrorCanceled
		back.add(d)
	}
	b.free()
	if back != nil {
		back.post(s.router.host)
	}
}

// postEvents posts a run to one subscriber, behind what was gathered for anybody, so
// that a subscriber who is also called sees both in order.
func (s *routerSession) postEvents(to *router.Peer, run *router.Events) {
	if len(s.targets) > 0 {
		s.postAll()
	}
	handle := handleOf(to)
	handle.encode(to, run)
	handle.postEvents(s.router.host, to, run)
	s.watch(handle, run.Size())
}

// encodeRun encodes a run for one kind of receiver, unless the messages were encoded before, for
// the other transport. The result is never nil; empty means that the run has to be sent event by
// event.
func encodeRun(run *router.Events, variant int, ser protocol.Serializer) []byte {
	other := (variant + webSocketVariants) % len(run.Encoded)
	if done := run.Encoded[other]; len(done) > 0 {
		return reframe(done, framingOf(other, ser), framingOf(variant, ser))
	}
	framing := framingOf(variant, ser)
	const header = 64
	b := slices.Grow(run.Buffer(), run.Size()+header*len(run.List))
	var err error
	for i := range run.List {
		if b, err = appendFrame(b, framing, ser, 0, &run.List[i]); err != nil {
			return []byte{}
		}
	}
	return b
}

// reframe makes frames for another transport. The result is empty if a message is too long for it.
func reframe(frames []byte, from, to transport.Framing) []byte {
	b := make([]byte, 0, len(frames)+len(frames)/8)
	var err error
	for m := range from.Messages(frames) {
		start := len(b)
		b = append(to.BeginSized(b, len(m)), m...)
		if b, err = to.End(b, start); err != nil {
			return []byte{}
		}
	}
	return b
}

// framingOf returns what the router sends to receivers of a kind.
func framingOf(variant int, ser protocol.Serializer) transport.Framing {
	if variant < webSocketVariants {
		return transport.Framing{Kind: transport.RawSocket}
	}
	return transport.Framing{Kind: transport.WebSocket, Binary: ser.Binary()}
}

// webSocketVariants is the first index of Events.Encoded for WebSocket.
const webSocketVariants = 4

// variant returns the index of Events.Encoded for this connection.
func (s *routerSession) variant() int {
	if s.conn == nil {
		return -1
	}
	v := int(s.conn.Serializer())
	if s.conn.Framing().Kind == transport.WebSocket {
		v += webSocketVariants
	}
	return v
}

// Command implements router.Effects.
func (s *routerSession) Command(c router.Command) {
	s.brake.commands++
	s.router.host.send(s.realm.pid, &realmCommand{command: c})
	s.session.Route(s.realm.snapshot.Load())
}

// StartTimer implements router.Effects.
func (s *routerSession) StartTimer(request protocol.ID, after time.Duration) {
	if s.timers == nil {
		s.timers = make(map[protocol.ID]*callTimer)
	}
	t := new(callTimer)
	host, self, m := s.router.host, s.self, &callExpired{session: s.session, request: request, timer: t}
	t.Timer = time.AfterFunc(after, func() { host.send(self, m) })
	s.timers[request] = t
}

// StopTimer implements router.Effects.
func (s *routerSession) StopTimer(request protocol.ID) {
	if t := s.timers[request]; t != nil {
		t.Stop()
		delete(s.timers, request)
	}
}

// errNoReceiver is why events for a peer are dropped: it cannot be encoded for it.
var errNoReceiver = errors.New("actors: cannot be encoded for the receiver")
