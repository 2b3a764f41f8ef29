package actors

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// What a session remembers of its calls and publications does not keep alive, for as long as it is idle,
// who served and subscribed then.
func TestIdleSessionsForgetThoseWhoLeft(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	idle, busy := g.join(t, rawMsgpack), g.join(t, rawMsgpack)
	gone := leaver(t, g, idle)
	require.NotNil(t, gone.Value(), "the session is there still, or the test proves nothing")
	for range 300 {
		id := busy.register("com.again")
		busy.send(&protocol.Unregister{Request: busy.request(), Registration: id})
		expect[*protocol.Unregistered](busy)
	}
	g.eventually(func() bool {
		runtime.GC()
		return gone.Value() == nil
	}, "a session that left is kept")
	idle.call("com.gone")
	require.Equal(t, protocol.ErrorNoSuchProcedure, expect[*protocol.Error](idle).Error)
}

// leaver has a session serve a call and an event of another one, and leave.
func leaver(t *testing.T, g *rig, from *wampPeer) weak.Pointer[router.Peer] {
	t.Helper()
	c := g.join(t, rawMsgpack)
	c.register("com.gone")
	c.subscribe("com.topic")
	from.call("com.gone")
	inv := expect[*protocol.Invocation](c)
	c.send(&protocol.Yield{Request: inv.Request})
	expect[*protocol.Result](from)
	from.send(&protocol.Publish{Request: from.request(), Topic: "com.topic", Options: protocol.PublishOptions{Acknowledge: true}})
	expect[*protocol.Published](from)
	expect[*protocol.Event](c)
	var peer weak.Pointer[router.Peer]
	for p := range g.snapshot("realm1").Topic("com.topic")[0].Subscribers.All {
		peer = weak.Make(p)
	}
	c.goodbye()
	c.close()
	g.eventually(func() bool { return g.router.Stats().Sessions == 2 }, "it has not left")
	return peer
}
