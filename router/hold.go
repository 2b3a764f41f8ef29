package router

import "github.com/cloverleaf-wamp/cloverleaf/protocol"

// maxHeld bounds, in bytes, what a session holds back. What is too much is treated as
// if the answer it waits for were not to come: nothing was promised before it.
const maxHeld = 1 << 20

// heldDelivery is a delivery that may have come too early.
type heldDelivery struct {
	Delivery
	// asked is how many commands the realm had been handed when it came. Only their
	// answers can be the one that it waits for.
	asked uint64
}

// Deliver handles what another session or the realm has for this one. A delivery may
// come before the realm's answer that makes it understandable; it is held back then,
// and what comes behind it too (Basic Profile, "Ordering Guarantees": REGISTERED
// before INVOCATION, SUBSCRIBED before EVENT).
func (s *Session) Deliver(d *Delivery, eff Effects) {
	switch d.Kind {
	case Invoke, EventRun:
		if len(s.held) > 0 || s.registering+s.subscribing > 0 && s.early(d) {
			s.hold(d, eff)
			return
		}
		s.pass(d, eff)
	case Interrupt:
		s.interruptCallee(d, eff)
	case Refused:
		s.refused(d, eff)
	case Yielded:
		s.answer(d, eff)
	case CallFailed:
		s.callFailed(d, eff)
	case Acknowledge:
		s.acknowledge(d, eff)
	case Revoke:
		s.revoke(d, eff)
	case Kill: // the surroundings do it
	}
}

// pass hands on an Invoke or an EventRun.
func (s *Session) pass(d *Delivery, eff Effects) {
	if d.Kind == Invoke {
		s.invoke(d, eff)
	} else {
		s.event(d, eff)
	}
}

// early reports whether the realm's answer to a command may make d deliverable.
func (s *Session) early(d *Delivery) bool {
	var known bool
	switch {
	case d.Kind == Invoke && s.registering > 0:
		_, known = s.regs[d.Call.reg.ID]
	case d.Kind == EventRun && s.subscribing > 0:
		_, known = s.subs[d.Events.Subscription]
	default:
		return false
	}
	return !known
}

func (s *Session) hold(d *Delivery, eff Effects) {
	s.held = append(s.held, heldDelivery{Delivery: *d, asked: s.asked})
	s.heldSize += d.Size()
	if s.heldSize > maxHeld {
		s.release(eff)
	}
}

// release passes on what is held back, up to the first that is early still.
func (s *Session) release(eff Effects) {
	for len(s.held) > 0 {
		h := s.held[0]
		if s.heldSize <= maxHeld && h.asked > s.answered && s.early(&h.Delivery) {
			return
		}
		s.unhold(0)
		s.pass(&h.Delivery, eff)
	}
}

// unhold takes the i-th delivery out of those that are held back.
func (s *Session) unhold(i int) {
	s.heldSize -= s.held[i].Size()
	if i == 0 {
		s.held[0] = heldDelivery{}
		s.held = s.held[1:]
	} else {
		s.held = append(s.held[:i], s.held[i+1:]...)
	}
	if len(s.held) == 0 {
		s.held = nil
	}
}

// dropHeld forgets a call that is held back. With mode kill the caller waits for the
// callee's answer, which has never heard of the call.
func (s *Session) dropHeld(d *Delivery, eff Effects) {
	for i := range s.held {
		if s.held[i].Kind == Invoke && s.held[i].Call == d.Call {
			s.unhold(i)
			if d.Mode == protocol.CancelKill {
				eff.Deliver(d.Call.caller, Delivery{Kind: CallFailed, Call: d.Call, Error: d.Error})
			}
			s.release(eff)
			return
		}
	}
}
