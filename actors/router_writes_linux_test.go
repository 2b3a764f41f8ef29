package actors

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// The tests of this file count the writes of the router. Its peers are at sockets that keep packets apart: each
// write is one read of the peer, and what the peer sends at once is one read of the router. So the counts
// depend neither on time nor on who runs when. What a burst has at most is a packet of 1 KiB, for which
// a reader always has room.

// packets joins realm1 over such a socket.
func (g *rig) packets(t *testing.T) *wampPeer {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() {
		conn, err := dialPacket(t.Context(), fds[1])
		if err == nil {
			g.router.Accept(conn)
		}
		served <- err
	}()
	conn, err := dialPacket(t.Context(), fds[0])
	require.NoError(t, err)
	require.NoError(t, <-served)
	require.True(t, conn.CanTryWrite(), "it is to be what TCP is")
	c := &wampPeer{t: t, ser: protocol.MessagePack, dec: codec.NewDecoder(protocol.MessagePack), more: make(chan struct{}, 1)}
	c.serve(conn)
	c.hello("realm1")
	return c
}

// dialPacket makes a connection of one end of a pair. Both ends do what a client does: the handshake of RawSocket
// is the same in both directions.
func dialPacket(ctx context.Context, fd int) (*transport.Conn, error) {
	f := os.NewFile(uintptr(fd), "packets") //nolint:gosec // a descriptor is not negative
	nc, err := net.FileConn(f)
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return transport.Dial(ctx, transport.ClientConfig{
		URL: "rs://packets:1", Serializers: []protocol.Serializer{protocol.MessagePack},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil },
	})
}

// several is a number of clients.
func (g *rig) several(t *testing.T, n int) []*wampPeer {
	t.Helper()
	list := make([]*wampPeer, n)
	for i := range list {
		list[i] = g.packets(t)
	}
	return list
}

// writesTo is how often the router has written to clients while f ran. Everything that it has for them has to come
// while it runs.
func writesTo(clients []*wampPeer, f func()) int64 {
	count := func() (n int64) {
		for _, c := range clients {
			n += c.reads.Load()
		}
		return n
	}
	before := count()
	f()
	return count() - before
}

// callBurst calls so many times at once.
func (c *wampPeer) callBurst(procedure protocol.URI, n int) {
	msgs := make([]protocol.Message, n)
	for i := range msgs {
		msgs[i] = &protocol.Call{Request: c.request(), Procedure: procedure, Payload: c.args(i)}
	}
	c.send(msgs...)
}

// answerBurst takes so many invocations and answers all of them at once.
func (c *wampPeer) answerBurst(n int) {
	c.t.Helper()
	msgs := make([]protocol.Message, n)
	for i := range msgs {
		inv := expect[*protocol.Invocation](c)
		msgs[i] = &protocol.Yield{Request: inv.Request, Payload: inv.Payload}
	}
	c.send(msgs...)
}

func (c *wampPeer) expectResults(n int) {
	c.t.Helper()
	for i := range n {
		require.Equal(c.t, i, first[int](c.t, expect[*protocol.Result](c).Payload))
	}
}

// TestBurstOfCallsIsOneWrite has callers call callees of their own: what one read brings leaves in one write, to the
// callee and back. With 8 calls at a time that is a quarter of a write for each call.
func TestBurstOfCallsIsOneWrite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ callers, window int }{{1, 1}, {1, 24}, {8, 1}, {8, 8}} {
		t.Run(fmt.Sprintf("%d callers, window %d", tt.callers, tt.window), func(t *testing.T) {
			t.Parallel()
			const rounds = 50
			g := newRig(t, RouterConfig{})
			callers, callees := g.several(t, tt.callers), g.several(t, tt.callers)
			for i, c := range callees {
				c.register(procedureOf(i))
			}
			writes := writesTo(append(callees, callers...), func() {
				for range rounds {
					callRound(callers, callees, tt.window)
				}
			})
			require.Equal(t, int64(2*tt.callers*rounds), writes, "one to each callee and one to each caller for each burst")
		})
	}
}

// callRound has each caller call its callee, all of them at the same time.
func callRound(callers, callees []*wampPeer, window int) {
	for i, c := range callers {
		c.callBurst(procedureOf(i), window)
	}
	for _, c := range callees {
		c.answerBurst(window)
	}
	for _, c := range callers {
		c.expectResults(window)
	}
}

func procedureOf(i int) protocol.URI { return protocol.URI(fmt.Sprintf("p.n%d", i)) }

// TestBurstsForOneCallee has all callers call the same callee, which answers all of them at once: each of them gets
// what is for it in one write.
func TestBurstsForOneCallee(t *testing.T) {
	t.Parallel()
	const rounds, window = 50, 3
	g := newRig(t, RouterConfig{})
	callers, callees := g.several(t, 8), g.several(t, 1)
	callees[0].register(procedureOf(0))
	var toCallee int64
	toCallers := writesTo(callers, func() {
		for range rounds {
			toCallee += writesTo(callees, func() {
				for _, c := range callers {
					c.callBurst(procedureOf(0), window)
				}
				callees[0].answerBurst(len(callers) * window)
			})
			for _, c := range callers {
				c.expectResults(window)
			}
		}
	})
	require.Equal(t, int64(rounds*len(callers)), toCallers)
	require.LessOrEqual(t, toCallee, int64(rounds*len(callers)), "no more than there were bursts; those that came together are one")
}

// publishBurst publishes so many events at once, each to be acknowledged.
func (c *wampPeer) publishBurst(topic protocol.URI, n int) {
	msgs := make([]protocol.Message, n)
	for i := range msgs {
		msgs[i] = &protocol.Publish{
			Request: c.request(), Options: protocol.PublishOptions{Acknowledge: true}, Topic: topic, Payload: c.args(i),
		}
	}
	c.send(msgs...)
}

func expectAll[T protocol.Message](c *wampPeer, n int) {
	c.t.Helper()
	for range n {
		expect[T](c)
	}
}

// TestBurstOfEventsIsOneWrite publishes to ten: each gets a burst in one write, and so does the publisher with what
// acknowledges it.
func TestBurstOfEventsIsOneWrite(t *testing.T) {
	t.Parallel()
	const rounds = 50
	for _, window := range []int{1, 8, 24} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{})
			publisher, subscribers := g.packets(t), g.several(t, 10)
			for _, c := range subscribers {
				c.subscribe("t.x")
			}
			writes := writesTo(append(subscribers, publisher), func() {
				for range rounds {
					publisher.publishBurst("t.x", window)
					expectAll[*protocol.Published](publisher, window)
					for _, c := range subscribers {
						expectAll[*protocol.Event](c, window)
					}
				}
			})
			require.Equal(t, int64(rounds*(10+1)), writes)
		})
	}
}

// TestBurstsOfManyPublishers has eight publish to eight: nobody gets more writes than there were bursts.
func TestBurstsOfManyPublishers(t *testing.T) {
	t.Parallel()
	const rounds, window = 50, 3 // what comes from all of them together has to be a small packet, too
	g := newRig(t, RouterConfig{})
	publishers, subscribers := g.several(t, 8), g.several(t, 8)
	for _, c := range subscribers {
		c.subscribe("t.x")
	}
	var toPublishers int64
	toSubscribers := writesTo(subscribers, func() {
		for range rounds {
			toPublishers += writesTo(publishers, func() {
				for _, c := range publishers {
					c.publishBurst("t.x", window)
				}
				for _, c := range publishers {
					expectAll[*protocol.Published](c, window)
				}
			})
			for _, c := range subscribers {
				expectAll[*protocol.Event](c, len(publishers)*window)
			}
		}
	})
	require.Equal(t, int64(rounds*len(publishers)), toPublishers)
	require.LessOrEqual(t, toSubscribers, int64(rounds*len(publishers)*len(subscribers)))
}
