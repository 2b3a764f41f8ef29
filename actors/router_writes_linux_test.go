package actors

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// packetPeer is a client at a socket that keeps packets apart: each write of the router is one read.
type packetPeer struct {
	*wampPeer
	reads *atomic.Int64
	again bool // the read is counted that a message came by
}

// Message implements transport.Handler. It counts before anybody sees the message.
func (c *packetPeer) Message(data []byte) error {
	if !c.again {
		c.again = true
		c.reads.Add(1)
	}
	return c.wampPeer.Message(data)
}

// Drained implements transport.Handler.
func (c *packetPeer) Drained() error {
	c.again = false
	return c.wampPeer.Drained()
}

// packets joins realm1 over such a socket.
func (g *rig) packets(t *testing.T, reads *atomic.Int64) *wampPeer {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { // as a client, too: the handshake of RawSocket is the same in both directions
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
	c.serveWith(conn, &packetPeer{wampPeer: c, reads: reads})
	c.hello("realm1")
	return c
}

func dialPacket(ctx context.Context, fd int) (*transport.Conn, error) {
	f := os.NewFile(uintptr(fd), "packets") //nolint:gosec // a descriptor is not negative
	nc, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return transport.Dial(ctx, transport.ClientConfig{
		URL: "rs://packets:1", Serializers: []protocol.Serializer{protocol.MessagePack},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil },
	})
}

// TestBurstsThatCoincideAreOneWrite has the only worker busy until eight have published: each of eight subscribers
// gets the events of all of them in one write. That is what makes events from many to many cheap, and the only count of
// writes that depends on scheduling otherwise; package transport has tests of the others.
func TestBurstsThatCoincideAreOneWrite(t *testing.T) {
	t.Parallel()
	const many, rounds, window = 8, 20, 3 // so few that a burst fits into the least that a reader has room for, 1 KiB
	h := NewHost(HostConfig{})
	h.dispatcher = sched.NewDispatcher(sched.DispatcherConfig{Workers: 1, Stall: testPatience})
	g := newHostRig(t, RouterConfig{}, h)
	var writes atomic.Int64
	publishers, subscribers := make([]*wampPeer, many), make([]*wampPeer, many)
	for i := range many {
		publishers[i] = g.join(t, link{"pipe", protocol.MessagePack}) // what it sends is in the mailbox at once
		subscribers[i] = g.packets(t, &writes)
		subscribers[i].subscribe("t.x")
	}
	before := writes.Load()
	for range rounds {
		busy, done := make(chan struct{}), make(chan struct{})
		h.dispatcher.Schedule(func() {
			close(busy)
			<-done
		})
		<-busy
		for _, c := range publishers {
			for i := range window {
				c.publish("t.x", i)
			}
		}
		close(done)
		for _, c := range subscribers {
			for range many * window {
				expect[*protocol.Event](c)
			}
		}
	}
	require.Equal(t, int64(rounds*many), writes.Load()-before)
}
