package actors

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// pipeClient is the client's end of a pipe as an actor of this package has it.
type pipeClient struct {
	*wampPeer
	out  *pipeOutlet
	flow *outflow
	in   *inflow

	mu      sync.Mutex
	stalled bool
	kept    []*inbound // received while stalled
}

// Receive implements actor.Actor.
func (p *pipeClient) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *inbound:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stalled {
			p.kept = append(p.kept, m)
			return
		}
		p.handle(m)
	case *linkLost:
		p.end(m.err)
	}
}

func (p *pipeClient) handle(b *inbound) {
	for _, m := range b.msgs {
		p.receive(m)
	}
	b.free()
}

func (p *pipeClient) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	for !on && len(p.kept) > 0 {
		p.handle(p.kept[0])
		p.kept = p.kept[1:]
	}
}

// joinPipe connects with flow control and joins.
func (g *rig) joinPipe(t *testing.T) *pipeClient {
	t.Helper()
	end, served := transport.Pipe()
	g.router.AcceptPipe(served)
	p := &pipeClient{
		wampPeer: &wampPeer{t: t, ser: protocol.MessagePack, pipe: end, more: make(chan struct{}, 1)},
		flow:     new(outflow),
		in:       newInflow(64 << 10),
	}
	pid := g.host.system.Root.Spawn(g.host.rootProps(func() actor.Actor { return p }))
	p.out = newPipeOutlet(g.host, pid, end, p.in, p.flow)
	p.out.attach()
	t.Cleanup(func() {
		end.Close(nil)
		g.host.system.Root.Stop(pid)
	})
	require.NoError(t, p.out.send(hello("realm1")))
	p.out.flush()
	require.Empty(t, expect[*protocol.Welcome](p.wampPeer).Details.Extra)
	require.NotNil(t, p.flow.pipe.Load(), "the router offered no inflow")
	return p
}

// publishPaced publishes n events and waits whenever the router asks for it.
func (p *pipeClient) publishPaced(topic protocol.URI, name string, n int, pad string) error {
	for i := range n {
		if err := p.flow.pipe.Load().wait(); err != nil {
			return err
		}
		if err := p.out.send(&protocol.Publish{Request: p.request(), Topic: topic, Payload: p.args(name, i, pad)}); err != nil {
			return err
		}
		p.out.flush()
	}
	return nil
}

// A publisher in the process is held up like one behind a socket: what it sends does
// not pile up, and the subscriber gets all of it.
func TestRouterPipePublisherIsPaced(t *testing.T) {
	t.Parallel()
	const n = 20_000
	limits := Limits{Inbound: 64 << 10, HighMark: 128 << 10, HardMark: 4 << 20, SlowConsumerTimeout: time.Minute}
	g := newRig(t, RouterConfig{Limits: limits})
	c, o := g.subscribeWatching(t, rawMsgpack, n, false)
	flow := g.flows("com.burst")[0]
	resume := c.stall()
	p := g.joinPipe(t)
	sent := make(chan error, 1)
	go func() { sent <- p.publishPaced("com.burst", "p", n, strings.Repeat("x", kilobyte)) }()
	in := p.flow.pipe.Load()
	g.eventually(in.paused.Load, "the publisher is not held up")
	require.LessOrEqual(t, in.pending.Load(), int64(limits.Inbound)+2*kilobyte)
	require.Less(t, flow.level(), int64(limits.HardMark))
	resume()
	require.NoError(t, <-sent)
	o.wait(t)
	g.requireZero([]*outflow{flow, p.flow})
	require.Zero(t, g.router.Stats().SlowConsumers)
}

// What a subscriber in the process has not handled counts as queued for it.
func TestRouterPipeSubscriberIsCounted(t *testing.T) {
	t.Parallel()
	const n = 3_000
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 128 << 10, SlowConsumerTimeout: time.Minute}})
	p := g.joinPipe(t)
	o := p.watchOrder(n, false)
	p.subscribe("com.burst")
	flow := g.flows("com.burst")[0]
	p.stall(true)
	pub := g.join(t, rawMsgpack)
	go pub.numbered("com.burst", "p", 0, n, strings.Repeat("x", kilobyte))
	g.eventually(func() bool { return flow.level() > 128<<10 }, "what is not handled does not count")
	require.Less(t, flow.level(), int64(1<<20), "the publisher was not held up")
	p.stall(false)
	o.wait(t)
	g.requireZero([]*outflow{flow})
}

// A subscriber in the process that handles nothing is a slow consumer like others.
func TestRouterPipeSubscriberStalls(t *testing.T) {
	t.Parallel()
	for _, policy := range []SlowConsumerPolicy{SlowDisconnect, SlowDropOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			const n = 10_000
			g := newRig(t, RouterConfig{
				Realms: []RealmConfig{{Name: "realm1", SlowConsumers: policy}}, Limits: tight(200 * time.Millisecond),
			})
			p := g.joinPipe(t)
			o := p.watchOrder(n, true)
			p.subscribe("com.burst")
			flow := g.flows("com.burst")[0]
			p.stall(true)
			pub := g.join(t, rawMsgpack)
			pub.requireHeldUpOnce(n, 200*time.Millisecond)
			if policy == SlowDisconnect {
				g.eventually(func() bool { return g.router.Stats().SlowConsumers == 1 }, "not disconnected")
				p.requireEndWith(ErrSlowConsumer)
				return
			}
			require.Less(t, flow.level(), int64(3<<20))
			p.stall(false)
			g.eventually(func() bool { return o.count()+int(g.router.Stats().DroppedEvents) == n }, "events are missing")
			require.Equal(t, n, o.last())
			g.requireZero([]*outflow{flow})
			p.goodbye()
		})
	}
}

// A program that uses its end of the pipe itself does not know when to wait. What it
// sends meanwhile is put aside, and the pipe is closed when that is too much.
func TestRouterPipeWithoutFlowControl(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 128 << 10, HardMark: 4 << 20, SlowConsumerTimeout: time.Minute}})
	const n = 20_000
	c, o := g.subscribeWatching(t, rawMsgpack, n, true)
	flow := g.flows("com.burst")[0]
	resume := c.stall()
	p := g.join(t, link{"pipe", protocol.MessagePack})
	go p.numbered("com.burst", "p", 0, n, strings.Repeat("x", kilobyte))
	p.requireEndWith(errPipeOverrun)
	resume()
	g.requireZero([]*outflow{flow})
	g.eventually(func() bool { return o.count() > 0 }, "nothing arrived")
	require.Zero(t, g.router.Stats().SlowConsumers)
	c.goodbye()
	require.Empty(t, o.bad)
}

// What was sent before the pipe was closed is still handled, in order, although it was
// put aside.
func TestRouterPipeClosedWhilePaused(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Limits: Limits{HighMark: 64 << 10, HardMark: 64 << 20, SlowConsumerTimeout: time.Minute}})
	const n = 10_000
	c, o := g.subscribeWatching(t, rawMsgpack, n, false)
	resume := c.stall()
	p := g.join(t, link{"pipe", protocol.MessagePack})
	p.numbered("com.burst", "p", 0, n, strings.Repeat("x", kilobyte))
	p.close()
	resume()
	o.wait(t)
}
