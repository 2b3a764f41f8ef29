package actors

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// tight are limits that loopback sockets, with megabytes of buffer, can reach.
func tight(clock time.Duration) Limits {
	return Limits{HighMark: 128 << 10, HardMark: 1 << 20, SlowConsumerTimeout: clock}
}

// publishAcked publishes n events, a few at a time. It returns how often the
// acknowledgements of those few took longer than half the clock, and the longest time.
func (c *wampPeer) publishAcked(n int, clock time.Duration) (heldUp int, longest time.Duration) {
	c.t.Helper()
	const few = 50
	pad := strings.Repeat("x", kilobyte)
	for i := 0; i < n; i += few {
		start := time.Now()
		msgs := make([]protocol.Message, few)
		for k := range msgs {
			msgs[k] = &protocol.Publish{
				Request: c.request(), Topic: "com.burst", Payload: c.args("p", i+k, pad),
				Options: protocol.PublishOptions{Acknowledge: true},
			}
		}
		c.send(msgs...)
		for range msgs {
			expect[*protocol.Published](c)
		}
		took := time.Since(start)
		if took > clock/2 {
			heldUp++
		}
		longest = max(longest, took)
	}
	return heldUp, longest
}

// requireHeldUpOnce publishes n events while a receiver stalls: its sender waits for
// the clock once, not over and over.
func (c *wampPeer) requireHeldUpOnce(n int, clock time.Duration) {
	c.t.Helper()
	heldUp, longest := c.publishAcked(n, clock)
	require.Less(c.t, longest, 20*clock, "the publisher was held up") // generous: machines are busy
	require.Less(c.t, heldUp, n/200, "the publisher was held up again and again")
}

const kilobyte = 1000

// A reader that stalls for good is disconnected after the clock; the publisher is held
// up for no longer than that, and the healthy reader beside it loses nothing.
func TestRouterStalledReaderIsDisconnected(t *testing.T) {
	t.Parallel()
	for _, l := range []link{rawMsgpack, {"ws", protocol.JSON}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			const n, clock = 20_000, 500 * time.Millisecond
			g := newRig(t, RouterConfig{Limits: tight(clock)})
			_, healthy := g.subscribeWatching(t, rawMsgpack, n, false)
			flows := g.flows("com.burst")
			stalled, _ := g.subscribeWatching(t, l, n, false)
			stalled.stall()
			pub := g.join(t, rawMsgpack)
			pub.requireHeldUpOnce(n, clock)
			healthy.wait(t)
			g.eventually(func() bool { return g.router.Stats().SlowConsumers == 1 }, "the stalled reader was not disconnected")
			g.eventually(func() bool { return g.router.Stats().Sessions == 2 }, "its session is left")
			require.Zero(t, g.router.Stats().DroppedEvents)
			g.requireZero(flows)
		})
	}
}

// Above the hard mark a stalled reader is disconnected before the clock.
func TestRouterHardMark(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 1 << 20, HardMark: 1 << 20, SlowConsumerTimeout: time.Hour}})
	stalled, _ := g.subscribeWatching(t, rawMsgpack, 1, false)
	stalled.stall()
	pubs := make([]*wampPeer, 8) // each of them sends once before it is held up
	for i := range pubs {
		pubs[i] = g.join(t, rawMsgpack)
	}
	for range 8 {
		for _, pub := range pubs {
			pub.publish("com.burst", strings.Repeat("x", 600*kilobyte))
		}
	}
	g.eventually(func() bool { return g.router.Stats().SlowConsumers == 1 }, "not disconnected")
	for _, pub := range pubs { // nobody is held up any more
		pub.goodbye()
	}
}

// One message may be as long as it likes: it is no sign of a slow consumer.
func TestRouterLargeMessageIsNoOverrun(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: tight(time.Minute)})
	callee, caller := g.join(t, rawMsgpack), g.join(t, link{"ws", protocol.JSON})
	callee.register("com.big")
	text := strings.Repeat("x", 6<<20)
	for range 2 {
		caller.call("com.big", text)
		inv := expect[*protocol.Invocation](callee)
		callee.send(&protocol.Yield{Request: inv.Request, Payload: inv.Payload})
		require.Len(t, first[string](t, expect[*protocol.Result](caller).Payload), len(text))
	}
	require.Zero(t, g.router.Stats().SlowConsumers)
}

// With the policies that drop, the stalled reader stays. When it reads again it gets
// what had left for it, and of the rest the oldest or the newest.
func TestRouterDropPolicies(t *testing.T) {
	t.Parallel()
	for policy, l := range map[SlowConsumerPolicy]link{SlowDropOldest: rawMsgpack, SlowDropNewest: {"ws", protocol.CBOR}} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			dropsEvents(t, policy, l)
		})
	}
}

func dropsEvents(t *testing.T, policy SlowConsumerPolicy, l link) {
	t.Helper()
	const n, more, last, clock = 20_000, 2000, 10, 200 * time.Millisecond
	g := newRig(t, RouterConfig{
		Realms: []RealmConfig{{Name: "realm1", SlowConsumers: policy}},
		Limits: Limits{HighMark: 128 << 10, HardMark: 1 << 20, SlowConsumerTimeout: clock},
	})
	_, healthy := g.subscribeWatching(t, rawMsgpack, n+more+last, false)
	stalled, seen := g.subscribeWatching(t, l, n+more+last, true)
	flows := g.flows("com.burst")
	resume := stalled.stall()
	pub := g.join(t, rawMsgpack)
	pub.requireHeldUpOnce(n, clock)
	g.eventually(func() bool { return healthy.count() == n }, "the healthy reader lost events")
	g.eventually(func() bool { return g.router.Stats().DroppedEvents > n/10 }, "nothing was dropped")
	require.Equal(t, 3, g.router.Stats().Sessions, "the stalled reader was disconnected")
	select { // longer than the clock without progress, with events only
	case <-time.After(3 * clock):
	case <-stalled.more:
	}
	require.Zero(t, g.router.Stats().SlowConsumers)
	queued := flows[1].level()
	require.Less(t, queued, int64(3<<20), "more than the marks is kept")

	go func() { // while it catches up, more comes, which must not overtake
		resume()
		pub.numbered("com.burst", "p", n, n+more, "")
	}()
	total := func() int { return seen.count() + int(g.router.Stats().DroppedEvents) } //nolint:gosec // small
	g.eventually(func() bool { return total() == n+more }, "events are missing")
	g.requireZero(flows)
	before := g.router.Stats().DroppedEvents
	if policy == SlowDropOldest {
		require.Equal(t, n+more, seen.last(), "the newest were dropped")
	}
	pub.numbered("com.burst", "p", n+more, n+more+last, "") // caught up: nothing is dropped
	g.eventually(func() bool { return seen.last() == n+more+last }, "events are missing after the burst")
	require.Equal(t, before, g.router.Stats().DroppedEvents)
	require.Empty(t, seen.bad, "out of order")
	require.Equal(t, policy == SlowDropNewest, seen.gap() >= n, "the wrong ones were dropped")
	healthy.wait(t)
	stalled.goodbye()
}

// Replies are not events: a client that does not read them is disconnected under every
// policy, and its callees learn of it.
func TestRouterUnreadReplies(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{
		Realms: []RealmConfig{{Name: "realm1", SlowConsumers: SlowDropNewest}},
		Limits: tight(300 * time.Millisecond),
	})
	callee, caller := g.join(t, rawMsgpack), g.join(t, rawMsgpack)
	callee.register("com.big")
	caller.stall()
	text := strings.Repeat("x", 100*kilobyte)
	for range 300 {
		caller.call("com.big")
	}
	served := 0
	for {
		m, err := callee.next()
		require.NoError(t, err)
		if _, gone := m.(*protocol.Interrupt); gone {
			break
		}
		inv, ok := m.(*protocol.Invocation)
		require.True(t, ok, "%T", m)
		if served++; served < 200 {
			callee.send(&protocol.Yield{Request: inv.Request, Payload: callee.args(text)})
		}
	}
	g.eventually(func() bool { return g.router.Stats().SlowConsumers == 1 }, "not disconnected")
	require.Zero(t, g.router.Stats().DroppedEvents)
	callee.send(&protocol.Goodbye{Reason: protocol.CloseNormal})
}

// A client that asks and asks, and reads no answer, is not read either, and in the end
// disconnected: its own answers must not pile up.
func TestRouterUnreadAcknowledgements(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"publish":   `[16,%,{"acknowledge":true},"com.x"]`,
		"subscribe": `[32,%,{},"wamp..invalid uri"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := tight(time.Second)
			g := newRig(t, RouterConfig{Limits: limits})
			b := g.dialRaw(t)
			b.write(rawFrame(0, helloJSON) + rawFrame(0, `[32,1,{},"com.x"]`))
			require.Contains(t, b.nextRaw(), "[2,")
			require.Contains(t, b.nextRaw(), "[33,")
			flow := g.flows("com.x")[0]
			var batch strings.Builder
			id := protocol.ID(1)
			for range 100_000 {
				batch.Reset()
				for range 100 {
					id = id.Next()
					batch.WriteString(rawFrame(0, strings.Replace(message, "%", id.String(), 1)))
				}
				if _, err := b.nc.Write([]byte(batch.String())); err != nil {
					break
				}
				require.Less(t, flow.level(), int64(limits.HardMark), "answers pile up")
			}
			g.eventually(func() bool { return g.router.Stats().Connections == 0 }, "not disconnected")
			require.Equal(t, uint64(1), g.router.Stats().SlowConsumers)
		})
	}
}

// A flood of pings without reading the pongs does not grow memory without bound.
func TestRouterPingFlood(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: tight(300 * time.Millisecond)})
	b := g.dialRaw(t)
	b.write(rawFrame(0, helloJSON))
	require.Contains(t, b.nextRaw(), "[2,")
	b.write(rawFrame(0, `[32,1,{},"com.x"]`))
	require.Contains(t, b.nextRaw(), "[33,")
	flow := g.flows("com.x")[0]
	ping := strings.Repeat(rawFrame(1, strings.Repeat("x", 60*kilobyte)), 4)
	for range 400 { // about 100 MB
		if _, err := b.nc.Write([]byte(ping)); err != nil {
			break
		}
		require.Less(t, flow.queued.Load(), int64(4<<20))
	}
	g.eventually(func() bool { return g.router.Stats().Connections == 0 }, "not disconnected")
	require.Equal(t, uint64(1), g.router.Stats().SlowConsumers)
}

// busyRealm is a realm's actor that answers nobody.
type busyRealm struct{ commands atomic.Int32 }

// Receive implements actor.Actor.
func (r *busyRealm) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*realmCommand); ok {
		r.commands.Add(1)
	}
}

// Commands do not pile up at a realm that cannot keep up: a session has only so many
// under way.
func TestRouterCommandsAreBounded(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	realm := new(busyRealm)
	g.router.mu.Lock()
	ref := g.router.realms["realm1"]
	real := ref.pid
	ref.pid = g.host.system.Root.Spawn(g.host.rootProps(func() actor.Actor { return realm }))
	g.router.mu.Unlock()
	t.Cleanup(func() { g.host.system.Root.Stop(real) })
	c := g.join(t, rawMsgpack)
	go func() {
		for range 50_000 {
			c.send(&protocol.Subscribe{Request: c.request(), Topic: "com.same"})
		}
	}()
	g.eventually(func() bool { return realm.commands.Load() >= maxCommands }, "nothing arrives")
	require.Never(t, func() bool { return realm.commands.Load() > 10*maxCommands }, 300*time.Millisecond, 10*time.Millisecond)
}

// As many commands as a client likes are carried out, one after the other.
func TestRouterCommandFlood(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	c := g.join(t, rawMsgpack)
	const n = 20_000
	go func() {
		for range n / 100 {
			var msgs []protocol.Message
			for range 100 {
				msgs = append(msgs, &protocol.Subscribe{Request: c.request(), Topic: "com.same"})
			}
			c.send(msgs...)
		}
	}()
	for i := range n {
		require.Equal(t, protocol.ID(i+1), expect[*protocol.Subscribed](c).Request)
	}
	g.requireZero(g.flows("com.same"))
}

// Queued bytes return to exactly nothing after errors and oversize messages too, and
// a reader that was paused goes on.
func TestRouterAccounting(t *testing.T) {
	t.Parallel()
	limits := tight(time.Minute)
	limits.HardMark = 4 << 20
	g := newRig(t, RouterConfig{Limits: limits, Options: transport.Options{MaxMessageSize: 1 << 20}})
	for _, l := range links() {
		c, other := g.dial(t, l), g.join(t, l)
		o := c.watchOrder(400, false)
		c.hello("realm1")
		c.subscribe("com.acc")
		c.register("com.acc")
		other.call("com.none")
		require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](other).Error)
		other.numbered("com.acc", "p", 0, 400, strings.Repeat("x", 2*kilobyte))
		for range 20 {
			other.call("com.acc", strings.Repeat("x", 50*kilobyte))
		}
		for range 20 {
			inv := expect[*protocol.Invocation](c)
			c.send(&protocol.Error{RequestType: protocol.TypeInvocation, Request: inv.Request, Error: "com.no", Payload: inv.Payload})
			require.Equal(t, protocol.URI("com.no"), expect[*protocol.Error](other).Error)
		}
		o.wait(t)
		g.requireZero(g.flows("com.acc"))
		c.goodbye()
		other.goodbye()
		c.close()
		other.close()
	}
}

// Two realms have nothing in common.
func TestRouterRealmsAreIsolated(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{Name: "one"}, {Name: "two"}}})
	a, b := g.dial(t, rawMsgpack), g.dial(t, rawMsgpack)
	a.hello("one")
	b.hello("two")
	a.register("com.p")
	a.subscribe("com.t")
	b.call("com.p")
	require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](b).Error)
	b.register("com.p")
	b.send(&protocol.Publish{Request: b.request(), Topic: "com.t", Options: protocol.PublishOptions{Acknowledge: true}})
	expect[*protocol.Published](b)
	a.goodbye()
	b.goodbye()
}
