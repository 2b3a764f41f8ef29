package actors

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// largeText is a text that tells apart from others wherever it is cut.
func largeText(seed, n int) string {
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	var b strings.Builder
	for b.Len() < n {
		b.WriteByte(byte('a' + r.IntN(26)))
	}
	return b.String()
}

// TestLargeCalls: the memory of large arguments and results is used again by many
// connections at a time, and nobody ever sees anything of another message: not who reads
// it from a socket, nor who keeps it, behind a pipe or as a retained event.
func TestLargeCalls(t *testing.T) { //nolint:gocognit // one story, told in order
	t.Parallel()
	const calls, window = 60, 4
	g := newRig(t, RouterConfig{})
	texts := make([]string, 23)
	for i := range texts {
		texts[i] = largeText(i, 1500<<(i%8)+i)
	}
	publisher := g.join(t, rawMsgpack)
	publisher.send(&protocol.Publish{
		Request: publisher.request(), Topic: "com.kept", Payload: publisher.args(texts[7]),
		Options: protocol.PublishOptions{Retain: true},
	})
	var callers, callees sync.WaitGroup
	for i, from := range links() {
		to := links()[(i*3+2)%len(links())]
		procedure := protocol.URI("com.echo." + strings.ReplaceAll(from.String(), " ", "."))
		callee, caller := g.join(t, to), g.join(t, from)
		callee.register(procedure)
		callees.Go(func() {
			kept := make([]protocol.Payload, 0, calls)
			for range calls {
				inv, err := callee.next()
				if err != nil {
					t.Errorf("%v: %v", procedure, err)
					return
				}
				m := inv.(*protocol.Invocation)
				kept = append(kept, m.Payload)
				callee.send(&protocol.Yield{Request: m.Request, Payload: m.Payload})
			}
			for n, p := range kept {
				if got := first[string](t, p); got != texts[(n+i)%len(texts)] {
					t.Errorf("%v: arguments %d of %d bytes have changed", procedure, n, len(got))
				}
			}
		})
		callers.Go(func() {
			sent := 0
			for n := range calls {
				for ; sent < min(calls, n+window); sent++ {
					caller.call(procedure, texts[(sent+i)%len(texts)])
				}
				res, err := caller.next()
				if err != nil {
					t.Errorf("%v: %v", procedure, err)
					return
				}
				if m, ok := res.(*protocol.Result); !ok || first[string](t, m.Payload) != texts[(n+i)%len(texts)] {
					t.Errorf("%v: %.100v is not the result of call %d", procedure, res, n)
				}
			}
		})
	}
	callers.Wait()
	callees.Wait()

	late := g.join(t, rawMsgpack)
	late.send(&protocol.Subscribe{Request: late.request(), Topic: "com.kept", Options: protocol.SubscribeOptions{GetRetained: true}})
	expect[*protocol.Subscribed](late)
	require.Equal(t, texts[7], first[string](t, expect[*protocol.Event](late).Payload))
}

// TestLargeCallRefused: a large call whose callee has gone comes to another callee whole.
func TestLargeCallRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	caller := g.join(t, rawMsgpack)
	text := largeText(1, 70_000)
	answered := 0
	var echoes sync.WaitGroup
	for range 20 {
		callees := []*wampPeer{g.join(t, rawMsgpack), g.join(t, rawMsgpack)}
		for _, c := range callees {
			c.send(&protocol.Register{Request: c.request(), Procedure: "com.shared", Options: protocol.RegisterOptions{Invoke: protocol.InvokeRoundRobin}})
			expect[*protocol.Registered](c)
		}
		echoes.Go(func() {
			for m, err := callees[1].next(); err == nil; m, err = callees[1].next() {
				if inv, ok := m.(*protocol.Invocation); ok {
					callees[1].send(&protocol.Yield{Request: inv.Request, Payload: inv.Payload})
				}
			}
		})
		callees[0].send(&protocol.Goodbye{Reason: protocol.CloseNormal})
		caller.call("com.shared", text)
		m, err := caller.next()
		require.NoError(t, err)
		if res, ok := m.(*protocol.Result); ok {
			require.Equal(t, text, first[string](t, res.Payload))
			answered++
		} else { // the one that was leaving had it
			require.Equal(t, protocol.ErrorCanceled, m.(*protocol.Error).Error)
		}
		callees[0].close()
		callees[1].close()
		echoes.Wait()
	}
	t.Log("answered:", answered)
}
