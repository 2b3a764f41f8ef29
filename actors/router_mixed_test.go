package actors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// mixer is a session that stays. In each burst it publishes numbered events, calls, and gives up some of the calls.
type mixer struct {
	*wampPeer
	rnd  *rand.Rand
	name string
	sent int // events
}

// burst sends some of everything in a random order, and waits until each call has had its answer. An answer more
// than that is an error, also of a call of an earlier burst.
func (c *mixer) burst(events int) error {
	open := make(map[protocol.ID]bool)
	var msgs []protocol.Message
	for range 16 {
		if c.rnd.IntN(2) == 0 && c.sent < events {
			msgs = append(msgs, &protocol.Publish{Request: c.request(), Topic: "com.burst", Payload: c.args(c.name, c.sent)})
			c.sent++
			continue
		}
		id := c.request()
		open[id] = true
		procedures := []string{"com.stays", "com.churn"}
		uri := fmt.Sprintf("%s.%d", procedures[c.rnd.IntN(2)], c.rnd.IntN(4))
		msgs = append(msgs, &protocol.Call{Request: id, Procedure: protocol.URI(uri)})
		if c.rnd.IntN(3) == 0 {
			modes := []protocol.CancelMode{protocol.CancelSkip, protocol.CancelKill, protocol.CancelKillNoWait}
			msgs = append(msgs, &protocol.Cancel{Request: id, Mode: modes[c.rnd.IntN(len(modes))]})
		}
	}
	c.send(msgs...)
	for len(open) > 0 {
		m, err := c.next()
		if err != nil {
			return fmt.Errorf("%s has %d calls without an answer: %w", c.name, len(open), err)
		}
		id := answerTo(m)
		if !open[id] {
			return fmt.Errorf("%s: unexpected %T for %d", c.name, m, id)
		}
		delete(open, id)
	}
	return nil
}

// answerAll answers each invocation until the connection ends.
func answerAll(c *wampPeer) {
	for {
		m, err := c.next()
		if err != nil {
			return
		}
		if inv, ok := m.(*protocol.Invocation); ok { // else an INTERRUPT, which crosses the answer
			c.send(&protocol.Yield{Request: inv.Request})
		}
	}
}

// TestRouterMixedLoad: calls, canceled calls and events in the same bursts, over all transports and serializers, while
// other sessions come and go with calls under way. Each call has one answer, and each event reaches each of the
// others in the order of its publisher.
func TestRouterMixedLoad(t *testing.T) {
	t.Parallel()
	for name, access := range map[string]router.AuthorizationConfig{
		"without authorizer": {},
		"with authorizer": {Authorizer: router.AuthorizerFunc(func(_ context.Context, req router.AuthorizationRequest) (router.Authorization, error) {
			runtime.Gosched() // requests wait meanwhile
			return router.Authorization{Allow: true, Cache: req.URI != "com.burst" && req.URI != "com.stays.1"}, nil
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mixedLoad(t, access)
		})
	}
}

func mixedLoad(t *testing.T, access router.AuthorizationConfig) {
	t.Helper()
	const events, churners, each = 500, 2, 100
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{Name: "realm1", Authorization: access}, {Name: "realm2"}}}) // where churners go
	all := links()
	var mixers []*mixer
	var checks []*orderCheck
	for i, l := range all {
		c, o := g.subscribeWatching(t, l, events*(len(all)-1), false)
		mixers = append(mixers, &mixer{wampPeer: c, rnd: rand.New(rand.NewPCG(uint64(i), 1)), name: l.String()}) //nolint:gosec // a test
		checks = append(checks, o)
	}
	for i := range 4 {
		c := g.join(t, all[i])
		c.register(protocol.URI(fmt.Sprintf("com.stays.%d", i)))
		go answerAll(c)
	}
	flows := g.flows("com.burst")
	errs := make([]error, len(mixers))
	var wg sync.WaitGroup
	for i, c := range mixers {
		wg.Go(func() {
			for c.sent < events && errs[i] == nil {
				errs[i] = c.burst(events)
			}
		})
	}
	for i := range churners {
		wg.Go(func() {
			t.Run(fmt.Sprintf("churner %d", i), func(t *testing.T) {
				c := &churner{g: g, t: t, rnd: rand.New(rand.NewPCG(uint64(i), 2)), links: all} //nolint:gosec // a test
				for range each {
					c.session()
				}
			})
		})
	}
	wg.Wait()
	for i, o := range checks {
		require.NoError(t, errs[i])
		o.wait(t)
	}
	for _, c := range mixers {
		require.NoError(t, c.burst(0), "an answer too much would be seen here")
	}
	g.requireZero(flows)
	require.Zero(t, g.router.Stats().Failures)
}
