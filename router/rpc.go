package router

import (
	"fmt"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// This file is the dealer's side of a session: the path of one call is
// call (caller's session) → invoke (callee's) → yield (callee's) → answer (caller's).

// call routes a CALL to a callee.
func (s *Session) call(m *protocol.Call, eff Effects) error {
	if err := s.nextRequest(protocol.TypeCall, m.Request); err != nil {
		return err
	}
	if m.Options.Progress {
		return &protocol.ViolationError{Message: protocol.TypeCall, Field: "progress", Problem: "progressive call invocations were not announced"}
	}
	if s.cfg.LaxRequestIDs && s.underWay(m.Request) != nil {
		return &protocol.ViolationError{Message: protocol.TypeCall, Field: "Request", Problem: "a call with this id is under way"}
	}
	return s.routeCall(m, eff)
}

// routeCall is call without the checks that are made once.
func (s *Session) routeCall(m *protocol.Call, eff Effects) error {
	r, refusal := s.procedure(m.Procedure)
	g := r.call
	if g == undecided {
		options := AuthorizationOptions{DiscloseMe: m.Options.DiscloseMe}
		var known bool
		if g, known = s.consult(m, decisionKey{ActionCall, m.Procedure, options}, eff); !known {
			return nil
		}
	}
	if refusal == "" {
		refusal = g.refusal()
	}
	switch {
	case refusal != "":
	case r.meta != nil:
		s.metaCall(m, r.meta, eff)
		return nil
	case r.reg == nil:
		refusal = protocol.ErrorNoSuchProcedure
	case s.cfg.HideIdentities && m.Options.DiscloseMe:
		refusal = protocol.ErrorDiscloseMeDisallowed
	}
	if refusal != "" {
		s.refuse(protocol.TypeCall, m.Request, refusal, eff)
		return nil
	}
	if s.calls.Len() >= s.cfg.MaxCalls {
		s.refuseLimit(protocol.TypeCall, m.Request, fmt.Sprintf("MaxCalls is %d", s.cfg.MaxCalls), eff)
		return nil
	}
	if g == disclosed && !s.cfg.HideIdentities {
		identified := *m
		identified.Options.DiscloseMe = true
		m = &identified
	}
	s.called = m.Request
	s.dispatch(m, &Call{reg: r.reg, endpoint: r.reg.pick(randomBelow)}, eff)
	return nil
}

// underWay returns the peer's call with that id; nil if there is none, or none any more.
func (s *Session) underWay(request protocol.ID) *Call {
	c, _ := s.calls.Get(request)
	return c
}

// serving returns the call that the peer works on under an invocation id, or nil.
func (s *Session) serving(invocation protocol.ID) *Call {
	c, _ := s.invocations.Get(invocation)
	return c
}

// dispatch hands a call to the callee that was picked for it. It keeps a copy of m.
func (s *Session) dispatch(m *protocol.Call, c *Call, eff Effects) {
	c.caller, c.callee, c.request, c.message = s.peer, c.endpoint.Peer, m.Request, *m
	o := &c.message.Options // nobody looks at these, and Size does not count them
	o.Extra, o.RKey, o.RunMode = nil, nil, ""
	s.calls.Put(m.Request, c)
	if m.Options.Timeout > 0 && !c.endpoint.ForwardTimeout {
		c.timeout = milliseconds(m.Options.Timeout)
		eff.StartTimer(m.Request, c.timeout)
	}
	eff.Deliver(c.callee, Delivery{Kind: Invoke, Call: c, Message: &c.message})
}

// refused handles a call that came too late for its callee, which has never heard of it:
// another callee gets it, if there is one. Not so when the peer has called again in the
// meantime: calls reach a callee in their order (Basic Profile, "Ordering Guarantees").
func (s *Session) refused(d *Delivery, eff Effects) {
	const most = 8
	c := d.Call
	m, ok := d.Message.(*protocol.Call)
	if !ok || s.underWay(c.request) != c {
		return
	}
	r, _ := s.procedure(m.Procedure)
	if c.canceled || s.called != c.request || r.reg == nil || len(c.avoid) >= most {
		s.callFailed(d, eff)
		return
	}
	avoid := append(slices.Clip(c.avoid), c.callee)
	endpoint := r.reg.pickOther(randomBelow, avoid)
	if endpoint == nil {
		s.callFailed(d, eff)
		return
	}
	s.forget(c, eff)
	s.dispatch(m, &Call{reg: r.reg, endpoint: endpoint, avoid: avoid}, eff)
}

// procedure finds the registration or meta procedure that a call of uri selects, if any, and
// what the rules say about the call. Client registrations never catch calls below "wamp",
// not even by a pattern.
func (s *Session) procedure(uri protocol.URI) (route, protocol.URI) {
	r := s.routes[uri]
	if r.known&knowsProcedure == 0 {
		if refusal := s.checkURI(uri, protocol.MatchExact, false); refusal != "" {
			return route{}, refusal
		}
		r.call = s.mayCall(uri)
		if uri.Reserved() {
			r.meta = metaProcedures[uri]
		} else {
			r.reg = s.snap.Procedure(uri)
		}
		r.known |= knowsProcedure
		s.remember(uri, r)
	}
	return r, ""
}

// invoke hands a call to the session's own peer, the callee.
func (s *Session) invoke(d *Delivery, eff Effects) {
	c := d.Call
	m, ok := d.Message.(*protocol.Call)
	if !ok {
		return
	}
	if _, held := s.regs[c.reg.ID]; !held {
		failure := protocol.ErrorNoSuchProcedure // unregistered in the meantime
		if s.closing || s.over {
			failure = protocol.ErrorCanceled
		}
		eff.Deliver(c.caller, Delivery{Kind: Refused, Call: c, Message: m, Error: failure})
		return
	}
	s.invocation = s.invocation.Next()
	c.invocation = s.invocation
	// The specification wants call canceling of such callees too, which Autobahn|JS does
	// not announce. Nothing depends on it: only who understands INTERRUPT is sent one.
	c.progress = m.Options.ReceiveProgress && s.peer.asCallee(protocol.FeatureProgressiveCallResults)
	s.invocations.Put(c.invocation, c)
	out := s.outgoing()
	out.invocation = protocol.Invocation{
		Request:      c.invocation,
		Registration: c.reg.ID,
		Details:      s.invocationDetails(c, m),
		Payload:      m.Payload,
	}
	eff.Send(&out.invocation)
	c.message = protocol.Call{} // a call may last for hours
}

func (s *Session) invocationDetails(c *Call, m *protocol.Call) protocol.InvocationDetails {
	d := protocol.InvocationDetails{ReceiveProgress: c.progress, Passthru: m.Options.Passthru}
	if c.reg.Match != protocol.MatchExact {
		d.Procedure = m.Procedure
	}
	if c.endpoint.ForwardTimeout {
		d.Timeout = m.Options.Timeout
	}
	if m.Options.DiscloseMe || c.endpoint.DiscloseCaller && !s.cfg.HideIdentities {
		d.Caller, d.CallerAuthID, d.CallerAuthRole = c.caller.ID, c.caller.AuthID, c.caller.AuthRole
	}
	return d
}

// yield passes an answer of the session's own peer to the caller's session.
func (s *Session) yield(m *protocol.Yield, eff Effects) error {
	c, err := s.served(protocol.TypeYield, m.Request)
	if c == nil {
		return err
	}
	if m.Options.Progress {
		if c.progress { // else nobody asked for it: the final answer is still to come
			progress := &protocol.Yield{Request: m.Request, Options: m.Options, Payload: m.Payload}
			progress.Options.Extra = nil
			eff.Deliver(c.caller, Delivery{Kind: Yielded, Call: c, Message: progress})
		}
		return nil
	}
	s.invocations.Remove(m.Request)
	c.result = *m
	c.result.Options.Extra = nil
	eff.Deliver(c.caller, Delivery{Kind: Yielded, Call: c, Message: &c.result})
	return nil
}

// calleeError passes an ERROR of the session's own peer to the caller's session.
func (s *Session) calleeError(m *protocol.Error, eff Effects) error {
	if m.RequestType != protocol.TypeInvocation {
		return &protocol.ViolationError{Message: protocol.TypeError, Field: "REQUEST.Type", Problem: "a client may answer INVOCATION only, not " + m.RequestType.String()}
	}
	c, err := s.served(protocol.TypeError, m.Request)
	if c == nil {
		return err
	}
	s.invocations.Remove(m.Request)
	if !m.Error.Valid() { // the caller need not put up with it
		valid := *m
		valid.Error = protocol.ErrorRuntime
		m = &valid
	}
	eff.Deliver(c.caller, Delivery{Kind: CallFailed, Call: c, Message: m})
	return nil
}

// served returns the call behind an invocation id. An id that was issued once but is
// not under way any more is a late answer, to be dropped; one that was never issued
// is a violation.
func (s *Session) served(t protocol.MessageType, id protocol.ID) (*Call, error) {
	if c := s.serving(id); c != nil {
		return c, nil
	}
	if id > s.invocation {
		return nil, &protocol.ViolationError{Message: t, Field: "INVOCATION.Request", Problem: "no such invocation"}
	}
	return nil, nil
}

// answer passes a result on to the session's own peer, the caller.
func (s *Session) answer(d *Delivery, eff Effects) {
	c := d.Call
	m, ok := d.Message.(*protocol.Yield)
	if !ok || s.underWay(c.request) != c {
		return // answered, canceled or timed out before
	}
	if m.Options.Progress {
		if c.timeout > 0 { // the limit is on the gap between answers
			eff.StopTimer(c.request)
			eff.StartTimer(c.request, c.timeout)
		}
	} else {
		s.forget(c, eff)
	}
	out := s.outgoing()
	out.result = protocol.Result{
		Request: c.request,
		Details: protocol.ResultDetails{Progress: m.Options.Progress, Passthru: m.Options.Passthru},
		Payload: m.Payload,
	}
	eff.Send(&out.result)
}

// callFailed passes a final error on to the session's own peer, the caller.
func (s *Session) callFailed(d *Delivery, eff Effects) {
	c := d.Call
	if s.underWay(c.request) != c {
		return
	}
	s.forget(c, eff)
	out := s.outgoing()
	out.failure = protocol.Error{RequestType: protocol.TypeCall, Request: c.request, Error: d.Error}
	if m, ok := d.Message.(*protocol.Error); ok {
		out.failure.Error, out.failure.Payload, out.failure.Details.Passthru = m.Error, m.Payload, m.Details.Passthru
	}
	eff.Send(&out.failure)
}

func (s *Session) forget(c *Call, eff Effects) {
	s.calls.Remove(c.request)
	if c.timeout > 0 {
		eff.StopTimer(c.request)
	}
}

// cancel handles CANCEL (Advanced Profile, "Call Canceling"). The mode is killnowait
// unless the caller chose one; a callee that cannot be interrupted is skipped.
func (s *Session) cancel(m *protocol.Cancel, eff Effects) {
	c := s.underWay(m.Request)
	if c == nil || c.canceled {
		return
	}
	mode := m.Mode
	switch {
	case !c.callee.interruptible():
		mode = protocol.CancelSkip
	case mode != protocol.CancelSkip && mode != protocol.CancelKill:
		mode = protocol.CancelKillNoWait
	}
	s.abandon(c, mode, protocol.ErrorCanceled, eff)
}

// Expire handles the timer of a call: too late, ERROR timeout.
func (s *Session) Expire(request protocol.ID, eff Effects) {
	if c := s.underWay(request); c != nil {
		s.abandon(c, protocol.CancelKillNoWait, protocol.ErrorTimeout, eff)
	}
}

// abandon interrupts the callee and, unless the mode is kill, answers the caller.
func (s *Session) abandon(c *Call, mode protocol.CancelMode, reason protocol.URI, eff Effects) {
	eff.Deliver(c.callee, Delivery{Kind: Interrupt, Call: c, Mode: mode, Error: reason})
	if mode == protocol.CancelKill {
		c.canceled = true
		return
	}
	s.forget(c, eff)
	s.refuse(protocol.TypeCall, c.request, reason, eff)
}

// interruptCallee tells the session's own peer, the callee, that an answer is not
// wanted any more, or wanted at once.
func (s *Session) interruptCallee(d *Delivery, eff Effects) {
	c := d.Call
	if s.serving(c.invocation) != c {
		s.dropHeld(d, eff)
		return
	}
	if d.Mode != protocol.CancelKill {
		s.invocations.Remove(c.invocation)
	}
	if d.Mode == protocol.CancelSkip || !s.peer.interruptible() {
		return
	}
	out := s.outgoing()
	out.interrupt = protocol.Interrupt{Request: c.invocation, Mode: d.Mode, Reason: d.Error}
	eff.Send(&out.interrupt)
}

func (s *Session) register(m *protocol.Register, eff Effects) error {
	if err := s.nextRequest(protocol.TypeRegister, m.Request); err != nil {
		return err
	}
	return s.routeRegister(m, eff)
}

// routeRegister is register without the checks that are made once.
func (s *Session) routeRegister(m *protocol.Register, eff Effects) error {
	refusal := s.checkURI(m.Procedure, m.Options.Match, true)
	if refusal == "" && !validInvoke(m.Options.Invoke) {
		refusal = protocol.ErrorInvalidArgument
	}
	if refusal == "" {
		g, known := s.mayRegister(m, eff)
		if !known {
			return nil
		}
		refusal = g.refusal()
	}
	if refusal != "" {
		s.refuse(protocol.TypeRegister, m.Request, refusal, eff)
		return nil
	}
	used := len(s.regs) + s.registering
	if limit := s.limit(m.Procedure, "MaxRegistrations", s.cfg.MaxRegistrations, used); limit != "" {
		s.refuseLimit(protocol.TypeRegister, m.Request, limit, eff)
		return nil
	}
	s.registering++
	s.command(m, eff)
	return nil
}

func validInvoke(p protocol.InvokePolicy) bool {
	switch p {
	case "", protocol.InvokeSingle, protocol.InvokeRoundRobin, protocol.InvokeRandom, protocol.InvokeFirst, protocol.InvokeLast:
		return true
	default:
		return false
	}
}

func (s *Session) unregister(m *protocol.Unregister, eff Effects) error {
	if err := s.nextRequest(protocol.TypeUnregister, m.Request); err != nil {
		return err
	}
	if !giveNotice(s.regs, m.Registration) {
		s.refuse(protocol.TypeUnregister, m.Request, protocol.ErrorNoSuchRegistration, eff)
		return nil
	}
	s.command(m, eff)
	return nil
}

// CalleeGone fails the calls that wait for a session which has ended.
func (s *Session) CalleeGone(callee *Peer, eff Effects) {
	for _, c := range s.calls.All() {
		if c.callee == callee {
			s.callFailed(&Delivery{Kind: CallFailed, Call: c, Error: protocol.ErrorCanceled}, eff)
		}
	}
}
