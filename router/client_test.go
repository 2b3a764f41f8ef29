package router

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// client is a peer in the random test: it believes nothing but what it is sent, and
// fails the test when it is sent what it has no right, or no use, to get.
type client struct {
	x        *site
	counts   map[string]int // what happened in the whole test
	next     protocol.ID    // the last request id
	seq      int            // of publications and calls
	leaving  bool
	expected protocol.MessageType // GOODBYE or ABORT, when it is due

	pending     map[protocol.ID]protocol.Message
	subs, regs  map[protocol.ID]pattern
	calls       map[protocol.ID]*protocol.Call
	invocation  protocol.ID                          // the last
	invocations map[protocol.ID]*protocol.Invocation // not answered
	events      map[eventKey]int                     // the last seq by publisher and subscription
	callers     map[string]int                       // the last seq by caller
	received    []receipt                            // since the test emptied it
}

type pattern struct {
	uri   protocol.URI
	match protocol.Match
}

type eventKey struct {
	publisher    string
	subscription protocol.ID // 0: any
}

// receipt is an event, an invocation, or the failure of a call.
type receipt struct {
	to      string
	id      protocol.ID // subscription or registration
	payload string
	failure protocol.URI
}

func newClient(x *site, counts map[string]int) *client {
	c := &client{
		x: x, counts: counts,
		pending: make(map[protocol.ID]protocol.Message),
		subs:    make(map[protocol.ID]pattern), regs: make(map[protocol.ID]pattern),
		calls: make(map[protocol.ID]*protocol.Call), invocations: make(map[protocol.ID]*protocol.Invocation),
		events: make(map[eventKey]int), callers: make(map[string]int),
	}
	x.got = func(_ *site, m protocol.Message) { c.receive(m) }
	return c
}

// payload names who sends what for the how-manieth time.
func (c *client) payload() protocol.Payload {
	c.seq++
	return protocol.Payload{Serializer: protocol.JSON, Args: fmt.Appendf(nil, "%s %d", c.x.name, c.seq)}
}

func (c *client) parse(p protocol.Payload) (from string, seq int) {
	from, number, _ := strings.Cut(string(p.Args), " ")
	seq, err := strconv.Atoi(number)
	holds(err == nil, "%s got the payload %q", c.x.name, p.Args)
	return from, seq
}

func (c *client) receive(m protocol.Message) {
	c.counts[m.Type().String()]++
	switch m := m.(type) {
	case *protocol.Subscribed:
		asked := answerTo[*protocol.Subscribe](c, m.Request)
		c.subs[m.Subscription] = pattern{asked.Topic, asked.Options.Match}
	case *protocol.Unsubscribed:
		c.unsubscribed(m)
	case *protocol.Registered:
		asked := answerTo[*protocol.Register](c, m.Request)
		c.regs[m.Registration] = pattern{asked.Procedure, asked.Options.Match}
	case *protocol.Unregistered:
		c.unregistered(m)
	case *protocol.Published:
		answerTo[*protocol.Publish](c, m.Request)
	case *protocol.Error:
		c.failed(m)
	case *protocol.Result:
		c.result(m)
	case *protocol.Event:
		c.event(m)
	case *protocol.Invocation:
		c.invoked(m)
	case *protocol.Interrupt:
		c.interrupted(m)
	case *protocol.Goodbye:
		holds(c.expected == m.Type() || m.Reason == protocol.CloseKilled, "%s was sent %+v", c.x.name, m)
		c.leaving = true
	default:
		holds(c.expected == m.Type(), "%s was sent %+v", c.x.name, m)
		c.leaving = true
	}
}

// answerTo returns the request that id answers; there must be one of this kind.
func answerTo[M protocol.Message](c *client, id protocol.ID) M {
	m, ok := c.pending[id].(M)
	holds(ok, "%s made no such request %d", c.x.name, id)
	delete(c.pending, id)
	return m
}

func (c *client) unsubscribed(m *protocol.Unsubscribed) {
	id := m.Details.ID
	if m.Request != 0 {
		id = answerTo[*protocol.Unsubscribe](c, m.Request).Subscription
	}
	_, held := c.subs[id]
	holds(held, "%s lost subscription %d, which it does not have", c.x.name, id)
	delete(c.subs, id)
}

func (c *client) unregistered(m *protocol.Unregistered) {
	id := m.Details.ID
	if m.Request != 0 {
		id = answerTo[*protocol.Unregister](c, m.Request).Registration
	}
	_, held := c.regs[id]
	holds(held, "%s lost registration %d, which it does not have", c.x.name, id)
	delete(c.regs, id)
}

func (c *client) failed(m *protocol.Error) {
	holds(m.Error.Valid(), "%s was sent %+v", c.x.name, m)
	if m.RequestType != protocol.TypeCall {
		asked := answerTo[protocol.Message](c, m.Request)
		holds(asked.Type() == m.RequestType, "%s asked %+v and was sent %+v", c.x.name, asked, m)
		return
	}
	call := c.calls[m.Request]
	holds(call != nil, "%s got ERROR %s for call %d, which waits for nothing", c.x.name, m.Error, m.Request)
	delete(c.calls, m.Request)
	c.received = append(c.received, receipt{to: c.x.name, payload: string(call.Payload.Args), failure: m.Error})
}

func (c *client) result(m *protocol.Result) {
	call := c.calls[m.Request]
	holds(call != nil, "%s got RESULT for call %d, which waits for nothing", c.x.name, m.Request)
	if call.Procedure.Reserved() {
		c.counts["meta results"]++
		delete(c.calls, m.Request)
		return
	}
	holds(string(call.Payload.Args) == string(m.Payload.Args), "%s got the result of another call", c.x.name)
	if m.Details.Progress {
		holds(call.Options.ReceiveProgress, "%s was sent %+v", c.x.name, m)
		return
	}
	delete(c.calls, m.Request)
}

func (c *client) event(m *protocol.Event) {
	p, subscribed := c.subs[m.Subscription]
	holds(subscribed, "%s got an event of subscription %d, which it does not have", c.x.name, m.Subscription)
	if m.Details.Topic.Reserved() {
		c.counts["meta"]++
		holds(naiveMatch(string(m.Details.Topic), p) && m.Payload.Serializer == protocol.MessagePack, "%s was sent %+v", c.x.name, m)
		return
	}
	from, seq := c.parse(m.Payload)
	if m.Details.Topic != "" {
		holds(naiveMatch(string(m.Details.Topic), p), "%s was sent %+v", c.x.name, m)
	} else {
		holds(p.match == protocol.MatchExact, "%s was sent %+v", c.x.name, m)
	}
	if m.Details.Retained { // it may have had it before
		c.counts["retained"]++
		return
	}
	holds(seq > c.events[eventKey{from, m.Subscription}], "%s got event %d of %s out of order", c.x.name, seq, from)
	holds(seq >= c.events[eventKey{from, 0}], "%s got event %d of %s out of order", c.x.name, seq, from)
	c.events[eventKey{from, m.Subscription}], c.events[eventKey{from, 0}] = seq, seq
	c.received = append(c.received, receipt{to: c.x.name, id: m.Subscription, payload: string(m.Payload.Args)})
}

func (c *client) invoked(m *protocol.Invocation) {
	p, registered := c.regs[m.Registration]
	holds(registered, "%s got a call of registration %d, which it does not have", c.x.name, m.Registration)
	if m.Details.Procedure != "" {
		holds(naiveMatch(string(m.Details.Procedure), p), "%s was sent %+v", c.x.name, m)
	} else {
		holds(p.match == protocol.MatchExact, "%s was sent %+v", c.x.name, m)
	}
	c.invocation++
	holds(m.Request == c.invocation, "%s got invocation %d, the next is %d", c.x.name, m.Request, c.invocation)
	from, seq := c.parse(m.Payload)
	holds(seq > c.callers[from], "%s got call %d of %s out of order", c.x.name, seq, from)
	c.callers[from] = seq
	kept := *m
	c.invocations[m.Request] = &kept
	c.received = append(c.received, receipt{to: c.x.name, id: m.Registration, payload: string(m.Payload.Args)})
}

func (c *client) interrupted(m *protocol.Interrupt) {
	holds(m.Request <= c.invocation && m.Mode != protocol.CancelSkip, "%s was sent %+v", c.x.name, m)
	holds(c.x.peer.interruptible(), "%s was sent %+v", c.x.name, m)
	if m.Mode == protocol.CancelKillNoWait {
		delete(c.invocations, m.Request)
	}
}

// checkAtRest fails the test when the client waits for what will not come.
func (c *client) checkAtRest() {
	if c.leaving || c.x.gone {
		return
	}
	holds(len(c.pending) == 0, "%s waits for answers to %v", c.x.name, c.pending)
	holds(len(c.calls) == c.x.s.calls.Len(), "%s has calls its session does not have", c.x.name)
	for id := range c.calls {
		holds(c.x.s.underWay(id) != nil, "%s waits for an answer to call %d", c.x.name, id)
	}
	if !c.x.peer.Roles.Supports(protocol.Subscriber, protocol.FeatureSubscriptionRevocation) { // it was not told of removals
		maps.DeleteFunc(c.subs, func(id protocol.ID, _ pattern) bool {
			_, held := c.x.s.subs[id]
			return !held
		})
	}
	holds(slices.Equal(sorted(c.subs), sorted(c.x.s.subs)), "%s has subscriptions %v, its session %v", c.x.name, c.subs, c.x.s.subs)
	if !c.x.peer.asCallee(protocol.FeatureRegistrationRevocation) { // it was not told of evictions
		maps.DeleteFunc(c.regs, func(id protocol.ID, _ pattern) bool {
			_, held := c.x.s.regs[id]
			return !held
		})
	}
	holds(slices.Equal(sorted(c.regs), sorted(c.x.s.regs)), "%s has registrations %v, its session %v", c.x.name, c.regs, c.x.s.regs)
}

func sorted[V any](set map[protocol.ID]V) []protocol.ID { return slices.Sorted(maps.Keys(set)) }
