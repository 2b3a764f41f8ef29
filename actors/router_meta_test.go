package actors

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// result returns the RESULT of a call made now.
func (c *wampPeer) result(procedure protocol.URI, args ...any) protocol.Payload {
	c.t.Helper()
	id := c.call(procedure, args...)
	m := expect[*protocol.Result](c)
	require.Equal(c.t, id, m.Request)
	return m.Payload
}

// event returns the payload of the next event, which must be of this subscription.
func (c *wampPeer) event(sub protocol.ID) protocol.Payload {
	c.t.Helper()
	m := expect[*protocol.Event](c)
	require.Equal(c.t, sub, m.Subscription)
	return m.Payload
}

// The meta API speaks every serializer over every transport, and what it says is what the
// sessions see.
func TestRouterMetaAPI(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	for _, l := range links() {
		watcher := g.join(t, l)
		joined, left := watcher.subscribe("wamp.session.on_join"), watcher.subscribe("wamp.session.on_leave")
		registered := watcher.subscribe("wamp.registration.on_create")

		victim := g.dial(t, rawMsgpack)
		id := victim.hello("realm1")
		details := first[map[string]any](t, watcher.event(joined))
		require.EqualValues(t, id, details["session"], l)
		require.Equal(t, "anonymous", details["authmethod"], l)

		reg := victim.register("com.victim")
		created := watcher.event(registered)
		require.Equal(t, id, first[protocol.ID](t, created), l)
		require.Equal(t, reg, first[protocol.ID](t, watcher.result("wamp.registration.match", "com.victim")), l)
		require.Nil(t, first[any](t, watcher.result("wamp.registration.match", "com.nobody")), l)
		got := first[map[string]any](t, watcher.result("wamp.registration.get", reg))
		at, err := time.Parse(time.RFC3339, got["created"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, testPatience)

		require.Equal(t, 2, first[int](t, watcher.result("wamp.session.count")), l)
		require.Len(t, first[[]protocol.ID](t, watcher.result("wamp.session.list")), 2, l)
		require.Empty(t, watcher.result("wamp.session.kill", id).Args, l)
		require.Equal(t, id, first[protocol.ID](t, watcher.event(left)), l)
		require.Equal(t, protocol.CloseKilled, expect[*protocol.Goodbye](victim).Reason, l)
		victim.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
		watcher.call("wamp.session.get", id)
		require.Equal(t, protocol.ErrorNoSuchSession, expect[*protocol.Error](watcher).Error, l)
		watcher.goodbye()
		g.eventually(func() bool { return g.router.Stats().Sessions == 0 }, "sessions are left")
	}
}

// A killed session's connection may carry another session, which a second kill of the
// first one does not touch.
func TestRouterKillSparesTheNextSession(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	admin, victim := g.join(t, rawMsgpack), g.dial(t, rawMsgpack)
	id := victim.hello("realm1")
	admin.result("wamp.session.kill", id)
	expect[*protocol.Goodbye](victim)
	victim.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	next := victim.hello("realm1")
	admin.call("wamp.session.kill", id)
	require.Equal(t, protocol.ErrorNoSuchSession, expect[*protocol.Error](admin).Error)
	require.EqualValues(t, next, first[map[string]any](t, victim.result("wamp.session.get", next))["session"])
}

// Who watches meta events and does not read is a slow consumer like any other.
func TestRouterMetaEventsAreBounded(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 16 << 10, HardMark: 64 << 10, SlowConsumerTimeout: time.Hour}})
	watcher := g.joinPipe(t)
	watcher.subscribe("wamp.subscription.on_create")
	healthy := g.join(t, rawMsgpack)
	sub := healthy.subscribe("wamp.subscription.on_create")
	watcher.stall(true)
	noisy := g.join(t, rawMsgpack)
	for range 2000 {
		id := noisy.subscribe("com.noise")
		healthy.event(sub)
		noisy.send(&protocol.Unsubscribe{Request: noisy.request(), Subscription: id})
		expect[*protocol.Unsubscribed](noisy)
	}
	require.EqualValues(t, 1, g.router.Stats().SlowConsumers)
	watcher.stall(false)
	g.eventually(func() bool { return g.router.Stats().Sessions == 2 }, "its session is left")
}

// Retained events cross serializers and transports, right behind SUBSCRIBED.
func TestRouterRetainedEvents(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	pub := g.join(t, link{"ws", protocol.JSON})
	for i, topic := range []protocol.URI{"com.t.a", "com.t.b", "com.t.a"} {
		pub.send(&protocol.Publish{
			Request: pub.request(), Topic: topic, Payload: pub.args(i),
			Options: protocol.PublishOptions{Retain: true, Acknowledge: true},
		})
		expect[*protocol.Published](pub)
	}
	pub.goodbye()
	for _, l := range links() {
		sub := g.join(t, l)
		sub.send(&protocol.Subscribe{Request: sub.request(), Topic: "com.t.", Options: protocol.SubscribeOptions{
			Match: protocol.MatchPrefix, GetRetained: true,
		}})
		expect[*protocol.Subscribed](sub)
		for _, want := range []struct {
			topic protocol.URI
			n     int
		}{{"com.t.a", 2}, {"com.t.b", 1}} {
			ev := expect[*protocol.Event](sub)
			require.True(t, ev.Details.Retained, l)
			require.Equal(t, want.topic, ev.Details.Topic, l)
			require.Equal(t, want.n, first[int](t, ev.Payload), l)
		}
		sub.goodbye()
	}
}

// Who asks for retained events over and over, and does not read, is a slow consumer. With
// a policy that keeps it, the events that are too much are dropped.
func TestRouterRetainedEventsAreBounded(t *testing.T) {
	t.Parallel()
	for _, policy := range []SlowConsumerPolicy{SlowDisconnect, SlowDropNewest} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{
				Realms: []RealmConfig{{Name: "realm1", SlowConsumers: policy}},
				Limits: Limits{HighMark: 16 << 10, HardMark: 64 << 10, SlowConsumerTimeout: time.Hour},
			})
			pub := g.join(t, rawMsgpack)
			pub.send(&protocol.Publish{
				Request: pub.request(), Topic: "com.t", Payload: pub.args(strings.Repeat("x", 10*kilobyte)),
				Options: protocol.PublishOptions{Retain: true, Acknowledge: true},
			})
			expect[*protocol.Published](pub)
			greedy := g.joinPipe(t)
			greedy.stall(true)
			for range 50 {
				require.NoError(t, greedy.out.send(&protocol.Subscribe{
					Request: greedy.request(), Topic: "com.t", Options: protocol.SubscribeOptions{GetRetained: true},
				}))
			}
			greedy.out.flush()
			g.eventually(func() bool {
				stats := g.router.Stats()
				return policy == SlowDisconnect && stats.SlowConsumers == 1 || policy != SlowDisconnect && stats.DroppedEvents > 10
			}, "nothing was done")
			greedy.stall(false)
			pub.goodbye()
		})
	}
}

// A publisher of what is to be kept does not get ahead of the realm.
func TestRouterKeepsPaceWithKeptEvents(t *testing.T) {
	t.Parallel()
	const n = 5000
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{
		Name: "realm1", History: []router.HistoryConfig{{Topic: "com.", Match: protocol.MatchPrefix, Limit: 2 * n}},
	}}})
	pub := g.join(t, rawMsgpack)
	msgs := make([]protocol.Message, n)
	for i := range msgs {
		msgs[i] = &protocol.Publish{Request: pub.request(), Topic: "com.t", Payload: pub.args(i)}
	}
	pub.send(msgs...)
	sub := pub.request()
	pub.send(&protocol.Subscribe{Request: sub, Topic: "com.", Options: protocol.SubscribeOptions{Match: protocol.MatchPrefix}})
	id := expect[*protocol.Subscribed](pub).Subscription
	events := first[[]struct {
		Args []int `json:"args"`
	}](t, pub.result("wamp.subscription.get_events", id))
	require.Len(t, events, n)
	for i, ev := range events {
		require.Equal(t, []int{i}, ev.Args)
	}
}

// The last words of a session whose connection is lost, in every serializer.
func TestRouterTestament(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	watcher := g.join(t, link{"ws", protocol.JSON})
	sub := watcher.subscribe("com.last")
	for _, l := range links() {
		c := g.join(t, l)
		c.result("wamp.session.add_testament", "com.last", []any{l.String()}, map[string]any{})
		c.close()
		require.Equal(t, l.String(), first[string](t, watcher.event(sub)))
	}
}
