package actors

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// churner is a session of the churn: what it does, it may leave unfinished.
type churner struct {
	g     *rig
	rnd   *rand.Rand
	t     *testing.T
	links []link
}

// session joins, registers, subscribes, publishes and calls at random, and leaves in
// one of several ways, with what is under way still under way.
func (c *churner) session() {
	p := c.g.dial(c.t, c.links[c.rnd.IntN(len(c.links))])
	p.hello(protocol.URI(fmt.Sprintf("realm%d", 1+c.rnd.IntN(2))))
	var msgs []protocol.Message
	answers := 0 // that are sure to come
	for range c.rnd.IntN(12) {
		uri := protocol.URI(fmt.Sprintf("com.churn.%d", c.rnd.IntN(4)))
		switch c.rnd.IntN(5) {
		case 0:
			invoke := []protocol.InvokePolicy{protocol.InvokeSingle, protocol.InvokeRoundRobin}[c.rnd.IntN(2)]
			answers++
			msgs = append(msgs, &protocol.Register{Request: p.request(), Procedure: uri, Options: protocol.RegisterOptions{Invoke: invoke}})
		case 1:
			answers++
			msgs = append(msgs, &protocol.Subscribe{Request: p.request(), Topic: uri})
		case 2:
			msgs = append(msgs, &protocol.Publish{Request: p.request(), Topic: uri})
		default:
			msgs = append(msgs, &protocol.Call{Request: p.request(), Procedure: uri, Options: protocol.CallOptions{Timeout: uint64(c.rnd.IntN(3)) * 5000}})
		}
	}
	p.send(msgs...)
	for range answers { // answer a few invocations, leave others
		if m, err := p.next(); err == nil {
			if inv, ok := m.(*protocol.Invocation); ok {
				p.send(&protocol.Yield{Request: inv.Request})
			}
		}
	}
	switch c.rnd.IntN(3) {
	case 0:
		p.send(&protocol.Goodbye{Reason: protocol.CloseNormal})
	case 1:
		p.send(&protocol.Abort{Reason: protocol.CloseNormal})
	}
	p.close()
}

// Sessions come and go by the thousand, with calls and events under way, while others
// stay: nothing of them is left, and each call of those that stay has one answer.
func TestRouterChurn(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{Name: "realm1"}, {Name: "realm2"}}})
	const workers, each = 4, 500
	var stop atomic.Bool
	var stayers sync.WaitGroup
	var bad atomic.Int32
	calls := make([]int, 4)
	for i := range calls {
		c := g.dial(t, []link{rawMsgpack, {"ws", protocol.JSON}, {"pipe", protocol.MessagePack}, {"rs", protocol.CBOR}}[i])
		c.hello("realm1")
		c.onEvent = func(*protocol.Event) {}
		c.subscribe("com.churn.0")
		stayers.Go(func() {
			var ok bool
			if calls[i], ok = callWhile(c, &stop); !ok {
				bad.Add(1)
			}
		})
	}
	before := runtime.NumGoroutine()
	var comers sync.WaitGroup
	for i := range workers {
		// Clients of their own, so that their cleanup does not pile up in this test.
		comers.Go(func() {
			t.Run(fmt.Sprintf("worker %d", i), func(t *testing.T) {
				c := &churner{g: g, t: t, rnd: rand.New(rand.NewPCG(uint64(i), 7)), links: links()} //nolint:gosec // a test
				for range each {
					c.session()
				}
			})
		})
	}
	comers.Wait()
	stop.Store(true)
	stayers.Wait()
	require.Zero(t, bad.Load(), "calls were not answered exactly once")
	for _, n := range calls {
		require.Positive(t, n)
	}
	g.eventually(func() bool { return g.router.Stats().Connections == len(calls) }, "connections are left")
	g.eventually(func() bool { return runtime.NumGoroutine() <= before+2 }, "goroutines are left")
	stats := g.router.Stats()
	require.Equal(t, len(calls), stats.Sessions)
	require.Zero(t, stats.Failures)
	require.Len(t, g.router.ids, len(calls))
	for i := range 4 {
		uri := protocol.URI(fmt.Sprintf("com.churn.%d", i))
		g.eventually(func() bool {
			return g.snapshot("realm1").Procedure(uri) == nil && g.snapshot("realm2").Procedure(uri) == nil
		}, "registrations are left")
		g.eventually(func() bool { return len(g.snapshot("realm2").Topic(uri)) == 0 }, "subscriptions are left")
	}
	g.eventually(func() bool { return len(g.flows("com.churn.0")) == len(calls) }, "subscriptions are left")
	g.requireZero(g.flows("com.churn.0"))
}

// callWhile calls what the others may have registered, a few calls at a time, and
// checks that each has exactly one final answer.
func callWhile(c *wampPeer, stop *atomic.Bool) (answered int, ok bool) {
	const window = 8
	for !stop.Load() {
		open := make(map[protocol.ID]bool)
		msgs := make([]protocol.Message, window)
		for i := range msgs {
			id := c.request()
			open[id] = true
			msgs[i] = &protocol.Call{Request: id, Procedure: protocol.URI(fmt.Sprintf("com.churn.%d", i%4))}
		}
		c.send(msgs...)
		for len(open) > 0 {
			m, err := c.next()
			if err != nil {
				return answered, false
			}
			id := answerTo(m)
			if !open[id] {
				return answered, false
			}
			delete(open, id)
			answered++
		}
	}
	return answered, true
}

func answerTo(m protocol.Message) protocol.ID {
	switch m := m.(type) {
	case *protocol.Result:
		return m.Request
	case *protocol.Error:
		return m.Request
	default:
		return 0
	}
}
