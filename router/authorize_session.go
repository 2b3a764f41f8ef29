package router

import (
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// This file is how the requests of a session wait for an Authorizer. They go on in the
// order in which they came; answers to invocations do not wait.

// Consultation is a question of a session to an Authorizer.
type Consultation struct {
	// Ticket tells the session's consultations apart. There is one at a time.
	Ticket     uint64
	Authorizer Authorizer
	// Request lacks Call, which the surroundings add.
	Request AuthorizationRequest
	// Timeout is how long the decision may take.
	Timeout time.Duration
}

// decisionKey is all that a decision of an Authorizer about one session may depend on.
type decisionKey struct {
	action  Action
	uri     protocol.URI
	options AuthorizationOptions
}

// decision is what an Authorizer said to a question.
type decision struct {
	key   decisionKey
	grant grant
}

// gate is what a session waits for, and what waits in it.
type gate struct {
	ticket  uint64
	asking  protocol.Message // the request that is being decided; nil if none is
	key     decisionKey      // of asking; zero if its decision is not to be remembered
	parked  []protocol.Message
	asked   decisionKey // the question about asking
	answers []decision  // of the earlier questions about asking, while that goes on
	known   map[decisionKey]grant
}

// forget drops the decisions that were remembered.
func (g *gate) forget() {
	if g != nil {
		g.known, g.key = nil, decisionKey{}
	}
}

// parks reports whether m has to wait, and keeps it then.
func (g *gate) parks(s *Session, m protocol.Message) bool {
	if g.asking == nil {
		return false
	}
	switch m := m.(type) {
	case *protocol.Call, *protocol.Publish, *protocol.Register, *protocol.Unregister,
		*protocol.Subscribe, *protocol.Unsubscribe, *protocol.Goodbye:
	case *protocol.Cancel:
		if s.underWay(m.Request) != nil {
			return false // the call is not one of those that wait
		}
	default:
		return false
	}
	g.parked = append(g.parked, m)
	return true
}

// Parked returns how many messages wait for a decision, the one that it is about included.
func (s *Session) Parked() int {
	if s.gate == nil || s.gate.asking == nil {
		return 0
	}
	return 1 + len(s.gate.parked)
}

// consult returns what the Authorizer says about a request of the peer, or false if that
// is not known yet: the request waits then.
func (s *Session) consult(m protocol.Message, key decisionKey, eff Effects) (grant, bool) {
	if s.gate == nil {
		s.gate = new(gate)
	}
	g := s.gate
	for _, a := range g.answers {
		if a.key == key {
			return a.grant, true
		}
	}
	if known, ok := g.known[key]; ok {
		return known, true
	}
	g.ticket++
	g.asking, g.key, g.asked = m, key, key
	eff.Authorize(Consultation{
		Ticket: g.ticket, Authorizer: s.rules.authorizer, Timeout: s.access.timeout,
		Request: AuthorizationRequest{Peer: s.peer, Action: key.action, URI: key.uri, Options: key.options},
	})
	return 0, false
}

// Authorized goes on with the request that a Consultation was about, and with those that
// wait behind it. err is why there is no decision. Like Receive, it follows Route and is
// followed by Flush. Outcomes that nobody waits for any more are ignored.
func (s *Session) Authorized(ticket uint64, a Authorization, err error, eff Effects) Verdict {
	g := s.gate
	if g == nil || g.asking == nil || g.ticket != ticket || s.closing || s.over {
		return Continue
	}
	answer := a.grant()
	if err != nil {
		answer = failed
	} else if a.Cache {
		g.remember(answer)
	}
	g.answers = append(g.answers, decision{g.asked, answer})
	m := g.asking
	g.asking = nil
	v := s.resume(m, eff)
	if g.asking == nil { // else there is another question about it
		g.answers = nil
	}
	for v == Continue && g.asking == nil && len(g.parked) > 0 && !s.closing && !s.over {
		v = s.handle(g.unpark(), eff)
	}
	return v
}

// unpark takes out the message that has waited longest.
func (g *gate) unpark() protocol.Message {
	m := g.parked[0]
	g.parked[0] = nil
	if g.parked = g.parked[1:]; len(g.parked) == 0 {
		g.parked = nil
	}
	return m
}

func (g *gate) remember(answer grant) {
	if g.key == (decisionKey{}) || len(g.key.uri) > maxRouteURI {
		return
	}
	if g.known == nil {
		g.known = make(map[decisionKey]grant)
	}
	if len(g.known) >= maxRoutes {
		clear(g.known)
	}
	g.known[g.key] = answer
}

// resume goes on with a request that has been decided.
func (s *Session) resume(m protocol.Message, eff Effects) Verdict {
	var err error
	switch m := m.(type) {
	case *protocol.Call:
		err = s.routeCall(m, eff)
	case *protocol.Publish:
		err = s.routePublish(m, eff)
	case *protocol.Subscribe:
		err = s.routeSubscribe(m, eff)
	case *protocol.Register:
		err = s.routeRegister(m, eff)
	default: // no other is asked about
	}
	return s.verdict(err, eff)
}

// mayCall returns what the rules say, which have to allow it if the procedure decides for the realm:
// what an authenticator answers to the router may be a secret.
func (s *Session) mayCall(uri protocol.URI) grant {
	g := s.rules.decide(ActionCall, uri, protocol.MatchExact)
	if (g == undecided || s.rules == nil && !s.peer.Internal) && s.access.reserves(uri, protocol.MatchExact) {
		return forbidden
	}
	return g
}

// mayRegister returns what rules or Authorizer say, and false if the request waits.
func (s *Session) mayRegister(m *protocol.Register, eff Effects) (grant, bool) {
	g := s.rules.decide(ActionRegister, m.Procedure, m.Options.Match)
	if g != undecided {
		return g, true
	}
	if s.access.reserves(m.Procedure, m.Options.Match) {
		return forbidden, true
	}
	return s.consult(m, decisionKey{ActionRegister, m.Procedure, AuthorizationOptions{
		Match: m.Options.Match, Invoke: m.Options.Invoke,
		ForceReregister: m.Options.ForceReregister, DiscloseCaller: m.Options.DiscloseCaller,
	}}, eff)
}

// reserves reports whether the pattern matches a procedure that only rules can allow to
// be called or registered.
func (a *Access) reserves(uri protocol.URI, m protocol.Match) bool {
	return a != nil && slices.ContainsFunc(a.reserved, func(p protocol.URI) bool { return p.Matches(uri, m) })
}

// maySubscribe returns what rules or Authorizer say, and false if the request waits.
func (s *Session) maySubscribe(m *protocol.Subscribe, eff Effects) (grant, bool) {
	g := s.rules.decide(ActionSubscribe, m.Topic, m.Options.Match)
	if g != undecided {
		return g, true
	}
	return s.consult(m, decisionKey{ActionSubscribe, m.Topic, AuthorizationOptions{
		Match: m.Options.Match, GetRetained: m.Options.GetRetained,
	}}, eff)
}
