package router

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var (
	exactURIs    = []protocol.URI{"a", "a.b", "a.c", "a.b.c", "b.b", "a.bb", "x.b.c", "a.x.c"}
	prefixes     = []protocol.URI{"", "a", "a.", "a.b", "x.b."}
	wildcards    = []protocol.URI{".", ".b", "a.", "..", "a..c", ".b.c", "a.b"}
	cancelModes  = []protocol.CancelMode{"", protocol.CancelSkip, protocol.CancelKill, protocol.CancelKillNoWait}
	policies     = []protocol.InvokePolicy{"", "single", "roundrobin", "random", "first", "last"}
	roleChoice   = []string{"user", "admin"}
	featureSets  = []protocol.Features{everything, everything, 0, protocol.FeatureCallCanceling, protocol.FeatureProgressiveCallResults}
	randomLimits = []SessionConfig{{}, {}, {LaxRequestIDs: true}, {HideIdentities: true}, {MaxCalls: 3, MaxRegistrations: 3, MaxSubscriptions: 3}}
)

// chaos drives a world with random operations of random clients in a random order of
// delivery.
type chaos struct {
	*world
	t       *testing.T
	rng     *rand.Rand
	clients []*client
	counts  map[string]int
}

// TestRandomOperations compares a realm with what its clients see of it.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	const seeds, steps = 24, 3000
	counts := make(map[string]int)
	base := rand.Uint64() //nolint:gosec // a test is no secret
	for i := range uint64(seeds) {
		playRandom(t, base+i, steps, counts)
	}
	t.Logf("seeds %d to %d: %v", base, base+seeds-1, counts)
	for _, kind := range []string{
		"EVENT", "INVOCATION", "RESULT", "ERROR", "INTERRUPT", "UNREGISTERED", "PUBLISHED", "GOODBYE", "ABORT",
		"held", "meta", "meta results", "retained", "probed events", "probed calls",
	} {
		require.Greater(t, counts[kind], 20, "%s: the test tests little", kind)
	}
}

func playRandom(t *testing.T, seed uint64, steps int, counts map[string]int) {
	t.Helper()
	defer func() {
		r := recover()
		if text, ok := r.(broken); ok {
			t.Errorf("seed %d: %s", seed, text)
		} else if r != nil {
			t.Errorf("seed %d: panic: %v\n%s", seed, r, debug.Stack())
		} else if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test is no secret
	c := &chaos{t: t, rng: rng, counts: counts, world: newWorld(t, randomLimits[rng.IntN(len(randomLimits))])}
	c.realm.Record(c.now, HistoryConfig{Topic: "a", Match: protocol.MatchPrefix, Limit: 10})
	c.commit()
	c.lose = func() bool { return rng.IntN(2) == 0 }
	for i := range steps {
		switch {
		case i%500 == 499:
			c.drain()
			c.probe()
		case rng.IntN(5) < 2:
			c.operate()
		default:
			c.step()
		}
	}
	for _, cl := range c.clients {
		if !cl.leaving {
			c.leave(cl)
		}
	}
	c.drain()
	c.realm.checkEmpty()
	for _, x := range c.sites {
		require.True(t, x.gone, x.name)
		require.Empty(t, x.timers, x.name)
	}
}

// drain also asks the clients.
func (c *chaos) drain() {
	c.world.drain()
	for _, cl := range c.clients {
		cl.checkAtRest()
	}
}

// step moves one thing, if the queue it chose holds any.
func (c *chaos) step() {
	n := c.rng.IntN(3 + 3*len(c.sites))
	switch n {
	case 0:
		c.stepRealm()
	case 1:
		c.commit()
	case 2:
		c.postReply()
	default:
		x := c.sites[(n-3)/3]
		if n%3 == 0 {
			x.mail()
		} else {
			x.step()
		}
		if len(x.s.held) > 0 {
			c.counts["held"]++
		}
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// live returns a client that is not leaving; there are two at least.
func (c *chaos) live() *client {
	var live []*client
	for _, cl := range c.clients {
		if !cl.leaving {
			live = append(live, cl)
		}
	}
	if len(live) < 2 || len(live) < 6 && c.rng.IntN(20) == 0 {
		x := c.join(fmt.Sprintf("c%d", len(c.sites)), Peer{
			AuthID: fmt.Sprintf("id%d", c.rng.IntN(3)), AuthRole: pick(c.rng, roleChoice), Roles: rolesWith(pick(c.rng, featureSets)),
		})
		x.slow = c.rng.IntN(2) == 0
		c.clients = append(c.clients, newClient(x, c.counts))
		return c.clients[len(c.clients)-1]
	}
	return pick(c.rng, live)
}

// operate has one client send a batch.
func (c *chaos) operate() {
	cl := c.live()
	if c.rng.IntN(150) == 0 {
		c.leave(cl)
		return
	}
	var batch []protocol.Message
	for range 1 + c.rng.IntN(3) {
		if m := c.message(cl); m != nil {
			batch = append(batch, m)
		}
	}
	if len(batch) > 0 {
		cl.x.post(batch...)
	}
	for id := range cl.x.timers {
		if c.rng.IntN(4) == 0 {
			cl.x.expire(id)
		}
	}
}

// leave ends a session in one of the ways there are.
func (c *chaos) leave(cl *client) {
	cl.leaving = true
	switch c.rng.IntN(5) {
	case 0:
		cl.expected = protocol.TypeGoodbye
		cl.x.post(&protocol.Goodbye{Reason: protocol.CloseRealm})
	case 1:
		cl.x.disconnect()
	case 2:
		cl.x.post(&protocol.Abort{Reason: protocol.ErrorCanceled})
	case 3:
		cl.expected = protocol.TypeAbort
		cl.x.post(&protocol.Yield{Request: protocol.MaxID})
	case 4:
		cl.expected = protocol.TypeGoodbye
		cl.x.kick(protocol.CloseKilled, "")
		cl.x.post(&protocol.Call{Request: cl.next, Procedure: "a"}, &protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	}
}

// message returns what the client sends next, and notes what it will wait for.
func (c *chaos) message(cl *client) protocol.Message {
	switch c.rng.IntN(12) {
	case 0:
		return c.subscribe(cl)
	case 1:
		cl.next++
		m := &protocol.Unsubscribe{Request: cl.next, Subscription: c.someID(sorted(cl.subs))}
		cl.pending[cl.next] = m
		return m
	case 2:
		return c.register(cl)
	case 3:
		cl.next++
		m := &protocol.Unregister{Request: cl.next, Registration: c.someID(sorted(cl.regs))}
		cl.pending[cl.next] = m
		return m
	case 4, 5:
		return c.publish(cl)
	case 6, 7:
		return c.call(cl)
	case 8:
		if c.rng.IntN(2) == 0 {
			return c.meta(cl)
		}
		return &protocol.Cancel{Request: c.someID(sorted(cl.calls)), Mode: pick(c.rng, cancelModes)}
	default:
		return c.answer(cl)
	}
}

// someID returns one of the ids, or another one.
func (c *chaos) someID(ids []protocol.ID) protocol.ID {
	if len(ids) == 0 || c.rng.IntN(8) == 0 {
		return protocol.ID(1 + c.rng.IntN(20)) //nolint:gosec // it is positive
	}
	return pick(c.rng, ids)
}

func (c *chaos) pattern() (protocol.URI, protocol.Match) {
	switch c.rng.IntN(4) {
	case 0:
		return pick(c.rng, prefixes), protocol.MatchPrefix
	case 1:
		return pick(c.rng, wildcards), protocol.MatchWildcard
	default:
		return pick(c.rng, exactURIs), protocol.MatchExact
	}
}

func (c *chaos) subscribe(cl *client) protocol.Message {
	cl.next++
	m := &protocol.Subscribe{Request: cl.next}
	m.Topic, m.Options.Match = c.pattern()
	m.Options.GetRetained = c.rng.IntN(3) == 0
	cl.pending[cl.next] = m
	return m
}

func (c *chaos) register(cl *client) protocol.Message {
	cl.next++
	m := &protocol.Register{Request: cl.next}
	m.Procedure, m.Options.Match = c.pattern()
	m.Options.Invoke = pick(c.rng, policies)
	m.Options.ForceReregister = c.rng.IntN(6) == 0
	cl.pending[cl.next] = m
	return m
}

func (c *chaos) publish(cl *client) *protocol.Publish {
	cl.next++
	m := &protocol.Publish{Request: cl.next, Topic: pick(c.rng, exactURIs), Payload: cl.payload()}
	m.Options.Acknowledge = c.rng.IntN(3) == 0
	m.Options.IncludeMe = c.rng.IntN(4) == 0
	m.Options.Retain = c.rng.IntN(4) == 0
	if c.rng.IntN(4) == 0 {
		m.Options.Filter = c.filter()
	}
	if m.Options.Acknowledge {
		cl.pending[cl.next] = m
	}
	return m
}

func (c *chaos) filter() *protocol.EventFilter {
	ids := func() []protocol.ID {
		list := []protocol.ID{}
		for range c.rng.IntN(3) {
			list = append(list, pick(c.rng, c.clients).x.peer.ID)
		}
		return list
	}
	f := &protocol.EventFilter{}
	switch c.rng.IntN(6) {
	case 0:
		f.Eligible = ids()
	case 1:
		f.Exclude = ids()
	case 2:
		f.EligibleAuthID = []string{"id0", "id1"}
	case 3:
		f.ExcludeAuthID = []string{"id1"}
	case 4:
		f.EligibleAuthRole = []string{pick(c.rng, roleChoice)}
	case 5:
		f.ExcludeAuthRole, f.Exclude = []string{pick(c.rng, roleChoice)}, ids()
	}
	return f
}

func (c *chaos) call(cl *client) *protocol.Call {
	cl.next++
	m := &protocol.Call{Request: cl.next, Procedure: pick(c.rng, exactURIs), Payload: cl.payload()}
	m.Options.ReceiveProgress = c.rng.IntN(3) == 0
	if c.rng.IntN(4) == 0 {
		m.Options.Timeout = 100
	}
	cl.calls[cl.next] = m
	return m
}

// meta calls a meta procedure.
func (c *chaos) meta(cl *client) *protocol.Call {
	cl.next++
	someone := pick(c.rng, c.clients)
	m := &protocol.Call{Request: cl.next, Procedure: "wamp.session.list"}
	m.Payload.Serializer = protocol.JSON
	switch c.rng.IntN(12) {
	case 0:
		m.Procedure, m.Payload.Args = "wamp.session.kill", fmt.Appendf(nil, "[%d]", someone.x.peer.ID)
	case 1, 2:
		m.Procedure = "wamp.registration.remove_callee"
		m.Payload.Args = fmt.Appendf(nil, "[%d,%d]", c.someID(sorted(someone.regs)), someone.x.peer.ID)
	case 3, 4:
		m.Procedure = "wamp.subscription.remove_subscriber"
		m.Payload.Args = fmt.Appendf(nil, "[%d,%d]", c.someID(sorted(someone.subs)), someone.x.peer.ID)
	case 5:
		m.Procedure = "wamp.subscription.list"
	case 6:
		m.Procedure, m.Payload.Args = "wamp.registration.get", fmt.Appendf(nil, "[%d]", c.someID(sorted(someone.regs)))
	}
	cl.calls[cl.next] = m
	return m
}

// answer answers an invocation, or one that is answered already.
func (c *chaos) answer(cl *client) protocol.Message {
	ids := sorted(cl.invocations)
	if len(ids) == 0 {
		if cl.invocation == 0 {
			return nil
		}
		return &protocol.Yield{Request: 1 + cl.invocation/2}
	}
	inv := cl.invocations[pick(c.rng, ids)]
	switch c.rng.IntN(4) {
	case 0:
		return &protocol.Yield{Request: inv.Request, Payload: inv.Payload, Options: protocol.YieldOptions{Progress: true}}
	case 1:
		delete(cl.invocations, inv.Request)
		return &protocol.Error{RequestType: protocol.TypeInvocation, Request: inv.Request, Error: "app.error"}
	default:
		delete(cl.invocations, inv.Request)
		return &protocol.Yield{Request: inv.Request, Payload: inv.Payload}
	}
}

// probe publishes and calls while everything is at rest, when it is clear who gets it.
func (c *chaos) probe() {
	cl := c.live()
	c.drain() // it may have joined right now
	for range 4 {
		if cl.leaving {
			return // it sent a bad request before
		}
		c.probeTopic(cl)
		c.probeProcedure(cl)
	}
}

func (c *chaos) receipts() []receipt {
	var all []receipt
	for _, cl := range c.clients {
		all = append(all, cl.received...)
		cl.received = nil
	}
	return all
}

func (c *chaos) probeTopic(cl *client) {
	m := c.publish(cl)
	var want []receipt
	for _, to := range c.clients {
		if to.x.gone || to == cl && !m.Options.IncludeMe || !naiveReceives(to.x.peer, m.Options.Filter) {
			continue
		}
		for id, p := range to.subs {
			if naiveMatch(string(m.Topic), p) {
				want = append(want, receipt{to: to.x.name, id: id, payload: string(m.Payload.Args)})
			}
		}
	}
	c.receipts()
	cl.x.post(m)
	c.drain()
	require.ElementsMatch(c.t, want, c.receipts(), "%s published %+v", cl.x.name, m)
	c.counts["probed events"] += len(want)
}

func (c *chaos) probeProcedure(cl *client) {
	m := c.call(cl)
	m.Options.Timeout = 0
	best, callees := c.naiveCallees(string(m.Procedure))
	full := c.cfg.MaxCalls > 0 && cl.x.s.calls.Len() >= c.cfg.MaxCalls
	c.receipts()
	cl.x.post(m)
	c.drain()
	got := c.receipts()
	require.Len(c.t, got, 1, "%s called %+v", cl.x.name, m)
	require.Equal(c.t, string(m.Payload.Args), got[0].payload)
	switch {
	case len(callees) == 0:
		require.Equal(c.t, protocol.ErrorNoSuchProcedure, got[0].failure)
	case full:
		require.Equal(c.t, protocol.ErrorLimitExceeded, got[0].failure)
	default:
		require.Empty(c.t, got[0].failure, "%s is served", m.Procedure)
		require.Equal(c.t, best, got[0].id)
		require.Contains(c.t, callees, got[0].to, strings.Join(callees, " "))
		c.counts["probed calls"]++
	}
}

// naiveCallees returns the registration that a call selects, and who serves it.
func (c *chaos) naiveCallees(uri string) (best protocol.ID, callees []string) {
	var chosen pattern
	for _, cl := range c.clients {
		if cl.x.gone {
			continue
		}
		for id, p := range cl.regs {
			switch {
			case !naiveMatch(uri, p):
			case best == id:
				callees = append(callees, cl.x.name)
			case best == 0 || naiveBetter(p, chosen):
				best, chosen, callees = id, p, []string{cl.x.name}
			}
		}
	}
	slices.Sort(callees)
	return best, callees
}
