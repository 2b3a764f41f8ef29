package router

import (
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// eventRun gathers consecutive publications to one subscription, so that each
// subscriber is handed one delivery for all of them.
type eventRun struct {
	events    *Events
	sub       *Subscription
	includeMe bool
}

// publish routes a PUBLISH to the subscribers.
func (s *Session) publish(m *protocol.Publish, eff Effects) error {
	if err := s.nextRequest(protocol.TypePublish, m.Request); err != nil {
		return err
	}
	return s.routePublish(m, eff)
}

// routePublish is publish without the checks that are made once.
func (s *Session) routePublish(m *protocol.Publish, eff Effects) error {
	r, refusal := s.topic(m.Topic)
	g := r.publish
	if g == undecided {
		options := AuthorizationOptions{
			DiscloseMe: m.Options.DiscloseMe, Acknowledge: m.Options.Acknowledge, Retain: m.Options.Retain,
		}
		var known bool
		if g, known = s.consult(m, decisionKey{ActionPublish, m.Topic, options}, eff); !known {
			return nil
		}
	}
	if refusal == "" {
		refusal = g.refusal()
	}
	if refusal == "" && s.cfg.HideIdentities && m.Options.DiscloseMe {
		refusal = protocol.ErrorDiscloseMeDisallowed
	}
	if refusal != "" {
		if m.Options.Acknowledge { // else it fails in silence
			s.refuse(protocol.TypePublish, m.Request, refusal, eff)
		}
		return nil
	}
	if g == disclosed && !s.cfg.HideIdentities {
		identified := *m
		identified.Options.DiscloseMe = true
		m = &identified
	}
	publication := newPublication()
	if m.Options.Retain || r.kept {
		s.keep(m, publication, eff) // and only then look who subscribed, see Realm.Behind
		r, _ = s.topic(m.Topic)
	}
	subs := r.subs
	if len(subs) == 1 && m.Options.Filter == nil {
		s.extendRun(m, subs[0], publication, eff)
	} else {
		s.Flush(eff)
		filter := newFilter(m.Options.Filter, subs)
		for _, sub := range subs {
			s.fanOut(sub, s.singleEvent(m, sub, publication), m.Options.IncludeMe, filter, eff)
		}
	}
	if m.Options.Acknowledge {
		out := s.outgoing()
		out.published = protocol.Published{Request: m.Request, Publication: publication}
		eff.Send(&out.published)
	}
	return nil
}

// topic finds the subscriptions that match uri, and what the rules say about publishing
// to it.
func (s *Session) topic(uri protocol.URI) (route, protocol.URI) {
	r := s.routes[uri]
	if r.known&knowsTopic == 0 {
		if refusal := s.checkURI(uri, protocol.MatchExact, true); refusal != "" {
			return route{}, refusal
		}
		r.publish = s.rules.decide(ActionPublish, uri, protocol.MatchExact)
		r.subs = s.snap.Topic(uri)
		r.kept = slices.ContainsFunc(r.subs, func(sub *Subscription) bool { return sub.history })
		r.known |= knowsTopic
		s.remember(uri, r)
	}
	return r, ""
}

// extendRun adds a publication to the run, which it ends first when the run has
// other receivers or is large.
func (s *Session) extendRun(m *protocol.Publish, sub *Subscription, publication protocol.ID, eff Effects) {
	const maxRun = 32 << 10
	if s.run.events != nil && (s.run.sub != sub || s.run.includeMe != m.Options.IncludeMe || s.run.events.size > maxRun) {
		s.Flush(eff)
	}
	if s.run.events == nil {
		s.run = eventRun{events: newEvents(sub), sub: sub, includeMe: m.Options.IncludeMe}
	}
	s.run.events.add(s.eventOf(m, sub, publication))
}

// Flush hands out what Receive gathered. It ends every batch.
func (s *Session) Flush(eff Effects) {
	if s.run.events == nil {
		return
	}
	run := s.run
	s.run = eventRun{}
	s.fanOut(run.sub, run.events, run.includeMe, nil, eff)
}

func (s *Session) fanOut(sub *Subscription, run *Events, includeMe bool, f *filter, eff Effects) {
	run.fit()
	run.users.Store(int64(sub.Subscribers.Len()) + 1)
	others := int64(1) // who does not get it, and this session
	for _, chunk := range sub.Subscribers.chunks {
		for i := range chunk {
			p := chunk[i].value
			if p == s.peer && !includeMe || f != nil && !f.admits(p) {
				others++
				continue
			}
			eff.Deliver(p, Delivery{Kind: EventRun, Events: run})
		}
	}
	run.leave(others)
}

func (s *Session) singleEvent(m *protocol.Publish, sub *Subscription, publication protocol.ID) *Events {
	run := newEvents(sub)
	run.add(s.eventOf(m, sub, publication))
	return run
}

func (s *Session) eventOf(m *protocol.Publish, sub *Subscription, publication protocol.ID) protocol.Event {
	ev := protocol.Event{Subscription: sub.ID, Publication: publication, Payload: m.Payload}
	ev.Details.Passthru = m.Options.Passthru
	if sub.Match != protocol.MatchExact {
		ev.Details.Topic = m.Topic
	}
	if m.Options.DiscloseMe {
		ev.Details.Publisher, ev.Details.PublisherAuthID, ev.Details.PublisherAuthRole = s.peer.ID, s.peer.AuthID, s.peer.AuthRole
	}
	return ev
}

// event passes a run of events on to the session's own peer, unless it
// unsubscribed in the meantime.
func (s *Session) event(d *Delivery, eff Effects) {
	if _, held := s.subs[d.Events.Subscription]; held {
		eff.SendEvents(d.Events)
	}
}

func (s *Session) subscribe(m *protocol.Subscribe, eff Effects) error {
	if err := s.nextRequest(protocol.TypeSubscribe, m.Request); err != nil {
		return err
	}
	return s.routeSubscribe(m, eff)
}

// routeSubscribe is subscribe without the checks that are made once.
func (s *Session) routeSubscribe(m *protocol.Subscribe, eff Effects) error {
	refusal := s.checkURI(m.Topic, m.Options.Match, false)
	if refusal == "" {
		g, known := s.maySubscribe(m, eff)
		if !known {
			return nil
		}
		refusal = g.refusal()
	}
	if refusal != "" {
		s.refuse(protocol.TypeSubscribe, m.Request, refusal, eff)
		return nil
	}
	used := len(s.subs) + s.subscribing
	if limit := s.limit(m.Topic, "MaxSubscriptions", s.cfg.MaxSubscriptions, used); limit != "" {
		s.refuseLimit(protocol.TypeSubscribe, m.Request, limit, eff)
		return nil
	}
	s.subscribing++
	s.command(m, eff)
	return nil
}

func (s *Session) unsubscribe(m *protocol.Unsubscribe, eff Effects) error {
	if err := s.nextRequest(protocol.TypeUnsubscribe, m.Request); err != nil {
		return err
	}
	if !giveNotice(s.subs, m.Subscription) {
		s.refuse(protocol.TypeUnsubscribe, m.Request, protocol.ErrorNoSuchSubscription, eff)
		return nil
	}
	s.command(m, eff)
	return nil
}
