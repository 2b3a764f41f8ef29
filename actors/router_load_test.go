package actors

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// numbered publishes events with the publisher's name and a number.
func (c *wampPeer) numbered(topic protocol.URI, name string, from, to int, pad string) {
	const batch = 64
	for i := from; i < to; {
		msgs := make([]protocol.Message, 0, batch)
		for ; i < to && len(msgs) < batch; i++ {
			msgs = append(msgs, &protocol.Publish{Request: c.request(), Topic: topic, Payload: c.args(name, i, pad)})
		}
		c.send(msgs...)
	}
}

// orderCheck counts events and looks whether those of a publisher come in order.
type orderCheck struct {
	mu   sync.Mutex
	next map[string]int
	n    int
	bad  string
	skip int // where the largest gap ended
	wide int // how wide it was
	want int
	done chan struct{}
}

// watchOrder has events of the client checked as they come. Gaps are allowed if said.
func (c *wampPeer) watchOrder(want int, gaps bool) *orderCheck {
	o := &orderCheck{next: make(map[string]int), want: want, done: make(chan struct{})}
	c.onEvent = func(ev *protocol.Event) {
		var name string
		var i int
		err := codec.DecodeArgs(ev.Payload, &name, &i)
		o.mu.Lock()
		defer o.mu.Unlock()
		if want := o.next[name]; err != nil || i != want && (!gaps || i < want) {
			o.bad = name
		} else if i-want > o.wide {
			o.skip, o.wide = i, i-want
		}
		o.next[name] = i + 1
		if o.n++; o.n == o.want {
			close(o.done)
		}
	}
	return o
}

func (o *orderCheck) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// gap is the number of the event after the largest gap.
func (o *orderCheck) gap() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.skip
}

// last is the number of the last event of the publisher "p", plus one.
func (o *orderCheck) last() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next["p"]
}

func (o *orderCheck) wait(t *testing.T) {
	t.Helper()
	select {
	case <-o.done:
	case <-time.After(testPatience):
		require.Fail(t, "events are missing", "%d of %d came", o.count(), o.want)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Empty(t, o.bad, "out of order")
}

// subscribeWatching joins and subscribes to com.burst with onEvent set from the start.
func (g *rig) subscribeWatching(t *testing.T, l link, want int, gaps bool) (*wampPeer, *orderCheck) {
	t.Helper()
	c := g.dial(t, l)
	o := c.watchOrder(want, gaps)
	c.hello("realm1")
	c.subscribe("com.burst")
	return c, o
}

// requireZero fails unless the counts of queued bytes return to exactly nothing.
func (g *rig) requireZero(flows []*outflow) {
	g.t.Helper()
	for _, f := range flows {
		g.eventually(func() bool { return f.queued.Load() == 0 && f.events.Load() == 0 && f.level() == 0 },
			"queued bytes do not return to 0: %d, events %d", f.queued.Load(), f.events.Load())
	}
}

// Several publishers on several topics, several subscribers of all of them: every
// subscriber sees every publisher's events in order, across topics.
func TestRouterEventOrderUnderLoad(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	const pubs, each = 4, 3000
	topics := []protocol.URI{"com.a", "com.b", "com.c"}
	var subs []*orderCheck
	for _, l := range []link{rawMsgpack, {"ws", protocol.JSON}, {"rs", protocol.CBOR}, {"ws", protocol.MessagePack}} {
		c := g.dial(t, l)
		subs = append(subs, c.watchOrder(pubs*each, false))
		c.hello("realm1")
		for _, topic := range topics {
			c.subscribe(topic)
		}
	}
	flows := g.flows("com.a")
	var wg sync.WaitGroup
	for i := range pubs {
		c := g.join(t, links()[i])
		wg.Go(func() {
			name := string(rune('a' + i))
			for n := 0; n < each; n += 10 {
				c.numbered(topics[n/10%len(topics)], name, n, n+10, "")
			}
		})
	}
	wg.Wait()
	for _, o := range subs {
		o.wait(t)
	}
	g.requireZero(flows)
}

// Invocations of one caller reach one callee in the order of the calls, whatever the
// procedures; so do progressive results on their way back.
func TestRouterCallOrderUnderLoad(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	const callers, calls, parts = 4, 500, 3
	callee := g.join(t, rawMsgpack)
	procs := []protocol.URI{"com.p", "com.q"}
	for _, p := range procs {
		callee.register(p)
	}
	go serveParts(callee, parts)
	var wg sync.WaitGroup
	var failures atomic.Int32
	for i := range callers {
		c := g.join(t, links()[i])
		wg.Go(func() {
			if !callInOrder(c, procs, i, calls, parts) {
				failures.Add(1)
			}
		})
	}
	wg.Wait()
	require.Zero(t, failures.Load())
}

// serveParts answers each call, whose arguments are the caller and a number, with the
// numbers of the parts, and with -1 when a caller's numbers are not in order.
func serveParts(callee *wampPeer, parts int) {
	next := make(map[int]int)
	for {
		m, err := callee.next()
		inv, ok := m.(*protocol.Invocation)
		if err != nil || !ok {
			return
		}
		var caller, n int
		if codec.DecodeArgs(inv.Payload, &caller, &n) != nil || n != next[caller] {
			n = -1
		}
		next[caller] = n + 1
		answers := make([]protocol.Message, parts)
		for i := range answers {
			answers[i] = &protocol.Yield{
				Request: inv.Request, Options: protocol.YieldOptions{Progress: i < parts-1}, Payload: callee.args(n, i),
			}
		}
		callee.send(answers...)
	}
}

func callInOrder(c *wampPeer, procs []protocol.URI, caller, calls, parts int) bool {
	ids := make(map[protocol.ID]int)
	for n := range calls {
		id := c.request()
		ids[id] = n
		c.send(&protocol.Call{
			Request: id, Procedure: procs[n%len(procs)], Payload: c.args(caller, n),
			Options: protocol.CallOptions{ReceiveProgress: true},
		})
	}
	got := make(map[protocol.ID]int)
	for range calls * parts {
		m, err := c.next()
		res, ok := m.(*protocol.Result)
		if err != nil || !ok {
			return false
		}
		var n, part int
		if codec.DecodeArgs(res.Payload, &n, &part) != nil || n != ids[res.Request] || part != got[res.Request] {
			return false
		}
		got[res.Request]++
	}
	return len(got) == calls
}

// SUBSCRIBED comes before the first EVENT and REGISTERED before the first INVOCATION,
// however fast others publish and call; nothing comes after the answer to GOODBYE.
func TestRouterAcknowledgesFirst(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	var stop atomic.Bool
	var wg sync.WaitGroup
	pub, caller := g.join(t, rawMsgpack), g.join(t, rawMsgpack)
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			caller.call("com.busy")
			pub.publish("com.busy", i)
			if m, err := caller.next(); err != nil || answerTo(m) != caller.id {
				return // which the loop below notices: nothing comes any more
			}
		}
	})
	for range 100 {
		c := g.join(t, rawMsgpack)
		var msgs []protocol.Message
		c.send(&protocol.Subscribe{Request: 1, Topic: "com.busy"}, &protocol.Register{Request: 2, Procedure: "com.busy"})
		for len(msgs) < 6 {
			m, err := c.next()
			require.NoError(t, err)
			msgs = append(msgs, m)
			if inv, ok := m.(*protocol.Invocation); ok {
				c.send(&protocol.Yield{Request: inv.Request})
			}
		}
		requireAcknowledgedFirst(t, msgs)
		c.send(&protocol.Goodbye{Reason: protocol.CloseNormal})
		for {
			m, err := c.next()
			require.NoError(t, err)
			if _, bye := m.(*protocol.Goodbye); bye {
				break
			}
		}
		c.close()
		c.requireEnd()
	}
	stop.Store(true)
	wg.Wait()
}

func requireAcknowledgedFirst(t *testing.T, msgs []protocol.Message) {
	t.Helper()
	subscribed, registered := false, false
	for _, m := range msgs {
		switch m.(type) {
		case *protocol.Subscribed:
			subscribed = true
		case *protocol.Registered:
			registered = true
		case *protocol.Event:
			require.True(t, subscribed, "EVENT before SUBSCRIBED")
		case *protocol.Invocation:
			require.True(t, registered, "INVOCATION before REGISTERED")
		default:
			require.Fail(t, "unexpected", "%T", m)
		}
	}
}

// 60,000 events of 1 KB as fast as possible to a healthy reader: all of them, in order,
// in bounded memory.
func TestRouterBurstToHealthyReader(t *testing.T) { //nolint:paralleltest // it measures the heap
	g := newRig(t, RouterConfig{})
	const n = 60_000
	_, o := g.subscribeWatching(t, rawMsgpack, n, false)
	flows := g.flows("com.burst")
	pub := g.join(t, rawMsgpack)
	before := heapInUse()
	var peak uint64
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			select {
			case <-o.done:
				return
			case <-time.After(20 * time.Millisecond):
				peak = max(peak, heapInUse())
			}
		}
	}()
	pub.numbered("com.burst", "p", 0, n, strings.Repeat("x", 1000))
	o.wait(t)
	<-sampled
	require.Less(t, peak-min(peak, before), uint64(32<<20), "60 MB of events kept too much memory")
	g.requireZero(flows)
	require.Zero(t, g.router.Stats().SlowConsumers)
}

// The same through a slow but steady reader: pausing the publisher is enough.
func TestRouterBurstToSlowReader(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 64 << 10, HardMark: 4 << 20}})
	const n = 20_000
	c := g.dial(t, rawMsgpack)
	o := c.watchOrder(n, false)
	check := c.onEvent
	var seen int
	c.onEvent = func(ev *protocol.Event) {
		if seen++; seen%500 == 0 {
			<-time.After(time.Millisecond)
		}
		check(ev)
	}
	c.hello("realm1")
	c.subscribe("com.burst")
	flows := g.flows("com.burst")
	pub := g.join(t, rawMsgpack)
	pub.numbered("com.burst", "p", 0, n, strings.Repeat("x", 1000))
	o.wait(t)
	g.requireZero(flows)
	require.Zero(t, g.router.Stats().SlowConsumers)
}
