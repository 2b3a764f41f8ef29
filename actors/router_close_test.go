package actors

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Close says GOODBYE to whoever has joined, ABORT to whoever has not, and returns when
// all have left.
func TestRouterClose(t *testing.T) {
	t.Parallel()
	for _, l := range links() {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{})
			joined, silent := g.join(t, l), g.dial(t, l)
			joined.register("com.p")
			g.eventually(func() bool { return g.router.Stats().Connections == 2 }, "not connected")
			closed := make(chan error, 1)
			go func() { closed <- g.router.Close(t.Context()) }()
			require.Equal(t, protocol.CloseSystemShutdown, expect[*protocol.Goodbye](joined).Reason)
			joined.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
			joined.requireEnd()
			require.Equal(t, protocol.CloseSystemShutdown, expect[*protocol.Abort](silent).Reason)
			silent.requireEnd()
			require.NoError(t, <-closed)
			end, served := transport.Pipe()
			refused := make(chan error, 1)
			end.OnClose(func(err error) { refused <- err })
			g.router.AcceptPipe(served)
			require.ErrorIs(t, <-refused, ErrRouterClosed)
		})
	}
}

// Clients that do not answer are given GoodbyeTimeout.
func TestRouterCloseWithoutAnswers(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{GoodbyeTimeout: 100 * time.Millisecond})
	for _, l := range links() {
		g.join(t, l).stall()
	}
	start := time.Now()
	require.NoError(t, g.router.Close(t.Context()))
	require.Less(t, time.Since(start), 10*time.Second)
	g.requireEmpty()
}

// A client that does not even read GOODBYE, behind a full queue, is cut after the same
// time, not after that for slow consumers.
func TestRouterCloseWithClogged(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{GoodbyeTimeout: 100 * time.Millisecond, Limits: tight(time.Hour)})
	stalled, _ := g.subscribeWatching(t, rawMsgpack, 1, false)
	stalled.stall()
	flow := g.flows("com.burst")[0]
	pub := g.join(t, rawMsgpack)
	go pub.numbered("com.burst", "p", 0, 20_000, strings.Repeat("x", kilobyte))
	before, same := int64(-1), 0
	g.eventually(func() bool { // the kernel takes no more
		level := flow.level()
		if same++; level != before || level <= 64<<10 {
			before, same = level, 0
		}
		return same > 50
	}, "not clogged")
	start := time.Now()
	require.NoError(t, g.router.Close(t.Context()))
	require.Less(t, time.Since(start), 10*time.Second)
}

// When the context ends before, the rest is cut, and Close says so.
func TestRouterCloseIsCut(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{GoodbyeTimeout: time.Hour})
	for _, l := range links() {
		g.join(t, l)
		g.dial(t, l)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, g.router.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	g.requireEmpty()
	require.NoError(t, g.router.Close(t.Context()), "a second time there is nothing to wait for")
}

// Close at any time, by several at once: under load, amid handshakes, with stalled
// clients. Nothing is left behind, goroutines neither (TestMain).
func TestRouterCloseUnderLoad(t *testing.T) {
	t.Parallel()
	for range 2 {
		g := newRig(t, RouterConfig{GoodbyeTimeout: 50 * time.Millisecond, Limits: tight(time.Minute)})
		var clients sync.WaitGroup
		for _, l := range links() {
			sub := g.join(t, l)
			sub.onEvent = func(*protocol.Event) {}
			sub.subscribe("com.load")
			if l.ser == protocol.JSON {
				sub.stall()
			}
			pub := g.join(t, l)
			clients.Go(func() {
				for i := range 500 {
					pub.publish("com.load", i, strings.Repeat("x", kilobyte))
				}
			})
		}
		for range 10 { // handshakes in all stages
			g.dialBytes(t)
			g.dialBytes(t).write("\x7f")
			g.dialRaw(t).write(rawFrame(0, helloJSON))
			g.dialUpgrade(t).write(wsFrame(1, helloJSON)[:9])
		}
		g.eventually(func() bool { return g.router.Stats().Connections > 14 }, "not connected")
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() { _ = g.router.Close(t.Context()) })
		}
		closers.Wait()
		g.requireEmpty()
		require.NoError(t, g.ln.Close())
		clients.Wait()
		require.Zero(t, g.router.Stats().Failures)
	}
}

// What is wrong with a configuration is said by name, all at once.
func TestRouterConfigErrors(t *testing.T) {
	t.Parallel()
	h := NewHost(HostConfig{})
	defer h.Close()
	_, err := NewRouter(h, RouterConfig{
		Realms: []RealmConfig{{Name: "a b"}, {Name: "x"}, {Name: "x", SlowConsumers: "ignore"}, {
			Name: "y", Authenticators: []router.Authenticator{router.Anonymous{}, nil},
			Paths: map[string][]router.Authenticator{"/open": {nil}},
		}},
		Limits:         Limits{HighMark: 2, HardMark: 1, Inbound: -1},
		Options:        transport.Options{MaxMessageSize: 1},
		GoodbyeTimeout: -1,
	})
	for _, part := range []string{
		`"a b" is not a valid URI`, `"x" is there twice`, `slowConsumers: "ignore"`, "HardMark is below HighMark",
		"must not be negative", "maxMessageSize", "goodbyeTimeout",
		`"y": authenticators[1]: is nil`, `"y": paths: "/open": an authenticator is nil`,
	} {
		require.ErrorContains(t, err, part)
	}
	for name, want := range map[string]SlowConsumerPolicy{
		"": SlowDisconnect, "disconnect": SlowDisconnect, "drop-oldest": SlowDropOldest, "drop-newest": SlowDropNewest,
	} {
		p, ok := ParseSlowConsumerPolicy(name)
		require.True(t, ok, name)
		require.Equal(t, want, p)
	}
	_, ok := ParseSlowConsumerPolicy("drop")
	require.False(t, ok)
	require.Equal(t, "disconnect", SlowDisconnect.String())
}
