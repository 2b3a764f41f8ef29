package actors

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Every flow of the Basic Profile, over every way to reach the router.
func TestRouterBasicProfile(t *testing.T) {
	t.Parallel()
	flows := []struct {
		name string
		run  func(t *testing.T, g *rig, l link)
	}{
		{"hello and goodbye", flowSession},
		{"call", flowCall},
		{"call errors", flowCallErrors},
		{"unregister", flowUnregister},
		{"publish", flowPublish},
		{"unsubscribe", flowUnsubscribe},
		{"call timeout and cancel", flowCancel},
		{"progressive results", flowProgress},
		{"mixed links", flowMixed},
	}
	g := newRig(t, RouterConfig{})
	for _, l := range links() {
		for _, f := range flows {
			t.Run(l.String()+"/"+f.name, func(t *testing.T) { f.run(t, g, l) })
		}
	}
}

func flowSession(t *testing.T, g *rig, l link) {
	t.Helper()
	c := g.dial(t, l)
	c.send(hello("realm1"))
	w := expect[*protocol.Welcome](c)
	require.NotZero(t, w.Session)
	require.True(t, w.Details.Roles.Has(protocol.Broker) && w.Details.Roles.Has(protocol.Dealer))
	require.Empty(t, w.Details.Extra)
	c.goodbye()

	c = g.dial(t, l)
	c.send(hello("no.such.realm"))
	require.Equal(t, protocol.ErrorNoSuchRealm, expect[*protocol.Abort](c).Reason)
	c.requireEnd()
}

func flowCall(t *testing.T, g *rig, l link) {
	t.Helper()
	callee, caller := g.join(t, l), g.join(t, l)
	reg := callee.register("com.add2")
	for i := range 3 {
		id := caller.call("com.add2", i, "x")
		inv := expect[*protocol.Invocation](callee)
		require.Equal(t, reg, inv.Registration)
		require.Equal(t, protocol.ID(i+1), inv.Request)
		require.Equal(t, i, first[int](t, inv.Payload))
		callee.send(&protocol.Yield{Request: inv.Request, Payload: callee.args(i + 1)})
		res := expect[*protocol.Result](caller)
		require.Equal(t, id, res.Request)
		require.Equal(t, i+1, first[int](t, res.Payload))
	}
	callee.close()
	caller.close()
}

func flowCallErrors(t *testing.T, g *rig, l link) {
	t.Helper()
	callee, caller := g.join(t, l), g.join(t, l)
	callee.register("com.fail")
	id := caller.call("com.fail")
	inv := expect[*protocol.Invocation](callee)
	callee.send(&protocol.Error{RequestType: protocol.TypeInvocation, Request: inv.Request, Error: "com.oops", Payload: callee.args("why")})
	failed := expect[*protocol.Error](caller)
	require.Equal(t, protocol.TypeCall, failed.RequestType)
	require.Equal(t, id, failed.Request)
	require.Equal(t, protocol.URI("com.oops"), failed.Error)
	require.Equal(t, "why", first[string](t, failed.Payload))

	caller.call("com.nobody")
	require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](caller).Error)
	caller.send(&protocol.Register{Request: caller.request(), Procedure: "com.fail"})
	require.Equal(t, protocol.ErrorProcedureAlreadyExists, expect[*protocol.Error](caller).Error)
	callee.close()
	caller.close()
}

func flowUnregister(t *testing.T, g *rig, l link) {
	t.Helper()
	callee, caller := g.join(t, l), g.join(t, l)
	reg := callee.register("com.once")
	id := callee.request()
	callee.send(&protocol.Unregister{Request: id, Registration: reg})
	require.Equal(t, id, expect[*protocol.Unregistered](callee).Request)
	caller.call("com.once")
	require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](caller).Error)
	callee.send(&protocol.Unregister{Request: callee.request(), Registration: reg})
	require.Equal(t, protocol.ErrorNoSuchRegistration, expect[*protocol.Error](callee).Error)
	callee.close()
	caller.close()
}

func flowPublish(t *testing.T, g *rig, l link) {
	t.Helper()
	a, b, pub := g.join(t, l), g.join(t, l), g.join(t, l)
	sub := a.subscribe("com.topic")
	require.Equal(t, sub, b.subscribe("com.topic"))
	pub.subscribe("com.topic")
	id := pub.request()
	pub.send(&protocol.Publish{Request: id, Topic: "com.topic", Options: protocol.PublishOptions{Acknowledge: true}, Payload: pub.args(7)})
	published := expect[*protocol.Published](pub)
	require.Equal(t, id, published.Request)
	for _, c := range []*wampPeer{a, b} {
		ev := expect[*protocol.Event](c)
		require.Equal(t, sub, ev.Subscription)
		require.Equal(t, published.Publication, ev.Publication)
		require.Equal(t, 7, first[int](t, ev.Payload))
	}
	pub.publish("com.topic", 8) // not to itself: the next thing it sees is the answer to GOODBYE
	require.Equal(t, 8, first[int](t, expect[*protocol.Event](a).Payload))
	for _, c := range []*wampPeer{a, pub} {
		c.goodbye()
		c.close()
	}
	b.close()
}

func flowUnsubscribe(t *testing.T, g *rig, l link) {
	t.Helper()
	c, pub := g.join(t, l), g.join(t, l)
	sub := c.subscribe("com.gone")
	id := c.request()
	c.send(&protocol.Unsubscribe{Request: id, Subscription: sub})
	require.Equal(t, id, expect[*protocol.Unsubscribed](c).Request)
	pub.send(&protocol.Publish{Request: pub.request(), Topic: "com.gone", Options: protocol.PublishOptions{Acknowledge: true}})
	expect[*protocol.Published](pub)
	c.goodbye()
	pub.close()
	c.close()
}

func flowCancel(t *testing.T, g *rig, l link) {
	t.Helper()
	callee, caller := g.join(t, l), g.join(t, l)
	callee.register("com.slow")
	id := caller.call("com.slow")
	inv := expect[*protocol.Invocation](callee)
	caller.send(&protocol.Cancel{Request: id, Mode: protocol.CancelKillNoWait})
	require.Equal(t, protocol.ErrorCanceled, expect[*protocol.Error](caller).Error)
	require.Equal(t, inv.Request, expect[*protocol.Interrupt](callee).Request)

	caller.send(&protocol.Call{Request: caller.request(), Procedure: "com.slow", Options: protocol.CallOptions{Timeout: 1}})
	inv = expect[*protocol.Invocation](callee)
	require.Equal(t, protocol.ErrorTimeout, expect[*protocol.Error](caller).Error)
	require.Equal(t, inv.Request, expect[*protocol.Interrupt](callee).Request)
	callee.send(&protocol.Yield{Request: inv.Request}) // too late: dropped
	caller.goodbye()
	callee.close()
	caller.close()
}

func flowProgress(t *testing.T, g *rig, l link) {
	t.Helper()
	callee, caller := g.join(t, l), g.join(t, l)
	callee.register("com.parts")
	id := caller.request()
	caller.send(&protocol.Call{Request: id, Procedure: "com.parts", Options: protocol.CallOptions{ReceiveProgress: true}})
	inv := expect[*protocol.Invocation](callee)
	require.True(t, inv.Details.ReceiveProgress)
	for i := range 3 {
		callee.send(&protocol.Yield{Request: inv.Request, Options: protocol.YieldOptions{Progress: i < 2}, Payload: callee.args(i)})
	}
	for i := range 3 {
		res := expect[*protocol.Result](caller)
		require.Equal(t, id, res.Request)
		require.Equal(t, i < 2, res.Details.Progress)
		require.Equal(t, i, first[int](t, res.Payload))
	}
	callee.close()
	caller.close()
}

// flowMixed has peers of different links talk to each other.
func flowMixed(t *testing.T, g *rig, l link) {
	t.Helper()
	for _, other := range []link{{"ws", protocol.JSON}, {"rs", protocol.CBOR}, {"pipe", protocol.MessagePack}} {
		a, b := g.join(t, l), g.join(t, other)
		a.register("com.echo")
		b.subscribe("com.mixed")
		text := "gr\u00fc\u00dfe \U0001F340"
		b.call("com.echo", text)
		inv := expect[*protocol.Invocation](a)
		require.Equal(t, text, first[string](t, inv.Payload))
		a.send(&protocol.Yield{Request: inv.Request, Payload: inv.Payload})
		require.Equal(t, text, first[string](t, expect[*protocol.Result](b).Payload))
		a.publish("com.mixed", text)
		require.Equal(t, text, first[string](t, expect[*protocol.Event](b).Payload))
		a.goodbye()
		a.close()
		b.close()
	}
}

// A transport carries several sessions, one after another, and nothing of the former
// one reaches the next.
func TestRouterSessionsInSequence(t *testing.T) {
	t.Parallel()
	for _, l := range []link{rawMsgpack, {"ws", protocol.JSON}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{})
			c, other := g.dial(t, l), g.join(t, l)
			seen := make(map[protocol.ID]bool)
			for range 5 {
				id := c.hello("realm1")
				require.False(t, seen[id])
				seen[id] = true
				reg := c.register("com.mine")
				sub := c.subscribe("com.events")
				other.call("com.mine")
				require.Equal(t, reg, expect[*protocol.Invocation](c).Registration)
				other.publish("com.events", 1)
				require.Equal(t, sub, expect[*protocol.Event](c).Subscription)
				c.goodbye()
				require.Equal(t, protocol.ErrorCanceled, expect[*protocol.Error](other).Error)
				other.publish("com.events", 2)
				g.eventually(func() bool { return g.snapshot("realm1").Procedure("com.mine") == nil }, "registration is left")
				other.call("com.mine")
				require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](other).Error)
			}
			require.Equal(t, 2, g.router.Stats().Connections)
			require.Equal(t, 1, g.router.Stats().Sessions)
		})
	}
}

// An event that was on its way to a session that has left is not given to the next
// session on the transport, which may be somebody else.
func TestRouterEventsOfFormerSession(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	c, keeper := g.dial(t, rawMsgpack), g.join(t, rawMsgpack)
	keeper.subscribe("com.secret") // keeps the id of the subscription
	var late []func()
	for range 3 { // the first session of a connection and later ones differ
		id := c.hello("realm1")
		sub := c.subscribe("com.secret")
		for _, post := range late {
			post()
		}
		keeper.publish("com.secret", 1)
		require.Equal(t, 1, first[int](t, expect[*protocol.Event](c).Payload))
		for p := range g.snapshot("realm1").Topic("com.secret")[0].Subscribers.All {
			if p.ID == id {
				run := eventRun(sub, c.args(99))
				late = append(late, func() { handleOf(p).postEvents(g.host, p, run) })
			}
		}
		c.goodbye()
	}
	require.Len(t, late, 3)
}

// Both sides say GOODBYE at the same time: each takes the other's for the answer.
func TestRouterGoodbyeCrossing(t *testing.T) {
	t.Parallel()
	for _, l := range links() {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{})
			c := g.join(t, l)
			closed := make(chan error, 1)
			go func() { closed <- g.router.Close(t.Context()) }()
			bye := expect[*protocol.Goodbye](c)
			require.Equal(t, protocol.CloseSystemShutdown, bye.Reason)
			c.send(&protocol.Goodbye{Reason: protocol.CloseNormal}) // not the answer, but as good
			c.requireEnd()
			require.NoError(t, <-closed)
		})
	}
}
