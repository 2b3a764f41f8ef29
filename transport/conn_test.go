package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestMessagesOfAllSizes(t *testing.T) {
	t.Parallel()
	sizes := []int{
		0, 1, 125, 126, 127, 1000, 4095, 4096, 5000, slabSize - 4, slabSize, slabSize + 1,
		32 << 10, 65535, 65536, 100_000, 1 << 20, MaxMessageSize - 1, MaxMessageSize,
	}
	for _, kind := range []Kind{RawSocket, WebSocket} {
		for _, s := range protocol.Serializers() {
			t.Run(kind.String()+" "+s.String(), func(t *testing.T) {
				t.Parallel()
				c, srv := pair(t, ServerConfig{}, ClientConfig{Serializers: only(s)}, kind)
				require.Equal(t, s, c.Serializer())
				require.Equal(t, s, srv.Serializer())
				atClient, atServer := record(c), record(srv)
				sendAll(t, c, atServer, sizes)
				sendAll(t, srv, atClient, sizes)
				_, err := c.Write(c.Framing().AppendClose(nil, 1000, ""))
				require.NoError(t, err)
				require.NoError(t, c.Close())
				require.ErrorIs(t, atServer.end(t), io.EOF)
			})
		}
	}
}

// sendAll sends messages of the sizes to the peer that r records.
func sendAll(tb testing.TB, c *Conn, r *recorder, sizes []int) {
	tb.Helper()
	go func() {
		for _, n := range sizes {
			send(tb, c, body(n))
		}
	}()
	for _, n := range sizes {
		r.wantMessage(tb, body(n))
	}
}

// TestTryWrite fills the kernel's buffers of a peer that doesn't read, and goes on when
// it does.
func TestTryWrite(t *testing.T) {
	t.Parallel()
	c, srv := pair(t, ServerConfig{}, ClientConfig{}, RawSocket)
	if !srv.CanTryWrite() {
		t.Skip("not on this system")
	}
	const size = 1 << 20
	one := frame(t, srv.Framing(), body(size))
	var sent, frames int
	rest := one
	for { // until the kernel takes no more
		n, err := srv.TryWrite(rest)
		require.NoError(t, err)
		sent += n
		if n < len(rest) {
			rest = rest[n:]
			break
		}
		frames++
		rest = one
		require.Less(t, sent, 1<<30)
	}
	n, err := srv.TryWrite(rest)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = srv.TryWrite(nil)
	require.NoError(t, err)
	require.Zero(t, n)

	require.NoError(t, srv.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	n, err = srv.Write(rest)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	rest = rest[n:]
	_, err = srv.TryWrite(rest)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, srv.SetWriteDeadline(time.Time{}))

	r := record(c)
	go func() { _, _ = srv.Write(rest) }()
	for range frames + 1 {
		r.wantMessage(t, body(size))
	}
}

func TestTryWriteToGone(t *testing.T) {
	t.Parallel()
	c, srv := pair(t, ServerConfig{}, ClientConfig{}, RawSocket)
	if !srv.CanTryWrite() {
		t.Skip("not on this system")
	}
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool {
		_, err := srv.TryWrite(frame(t, srv.Framing(), body(1000)))
		return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	}, patience, time.Millisecond)
	require.NoError(t, srv.Close())
	_, err := srv.TryWrite([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = srv.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, srv.SetWriteDeadline(time.Now()), net.ErrClosed)
}

func TestTryWriteAllocatesNothing(t *testing.T) {
	c, srv := pair(t, ServerConfig{}, ClientConfig{}, RawSocket)
	if !srv.CanTryWrite() {
		t.Skip("not on this system")
	}
	go func() { _, _ = io.Copy(io.Discard, c.nc) }()
	one := frame(t, srv.Framing(), body(100))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if n, err := srv.TryWrite(one); n != len(one) || err != nil {
			panic(err)
		}
	}))
	require.NoError(t, c.Close())
}

func TestCloseUnblocks(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	secure := ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	trusting := ClientConfig{TLS: &tls.Config{RootCAs: roots}}
	for _, kind := range []Kind{RawSocket, WebSocket} {
		closeUnblocks(t, ServerConfig{}, ClientConfig{}, kind)
		closeUnblocks(t, secure, trusting, kind)
	}
}

func closeUnblocks(t *testing.T, server ServerConfig, client ClientConfig, kind Kind) {
	t.Helper()
	c, srv := pair(t, server, client, kind)
	r := record(srv)
	wrote := make(chan error, 1)
	go func() {
		one := frame(t, srv.Framing(), body(1<<20))
		for {
			if _, err := srv.Write(one); err != nil {
				wrote <- err
				return
			}
		}
	}()
	send(t, c, body(1)) // so that Serve runs for sure
	r.wantMessage(t, body(1))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = srv.Close() })
	}
	wg.Wait()
	require.ErrorIs(t, r.end(t), net.ErrClosed)
	require.Error(t, <-wrote)
}

// TestDrained: it comes once after what one read brought, and holds reading up.
func TestDrained(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{RawSocket, WebSocket} {
		c, srv := pair(t, ServerConfig{}, ClientConfig{}, kind)
		h := &gate{recorder: recorder{events: make(chan event, 16)}, open: make(chan struct{})}
		go func() {
			h.events <- event{what: "end", err: srv.Serve(h)}
		}()
		f := c.Framing()
		batch := append(frame(t, f, body(1)), frame(t, f, body(2))...)
		half := len(batch)
		batch = append(batch, frame(t, f, body(3))...)
		_, err := c.Write(batch[:half+3]) // the third is not complete
		require.NoError(t, err)
		require.Equal(t, "message", (<-h.events).what)
		require.Equal(t, "message", (<-h.events).what)
		require.Equal(t, "drained", (<-h.events).what)
		_, err = c.Write(batch[half+3:])
		require.NoError(t, err)
		select {
		case e := <-h.events:
			require.Fail(t, "read on although Drained had not returned", e.what)
		case <-time.After(20 * time.Millisecond):
		}
		h.open <- struct{}{}
		require.Equal(t, "message", (<-h.events).what)
		require.Equal(t, "drained", (<-h.events).what)
		h.open <- struct{}{}
		require.NoError(t, c.Close())
		require.Equal(t, "end", (<-h.events).what)
	}
}

// gate is a recorder that waits in Drained.
type gate struct {
	recorder
	open chan struct{}
}

func (g *gate) Drained() error {
	g.events <- event{what: "drained"}
	<-g.open
	return nil
}

// TestNetConns runs over connections without direct access to the socket.
func TestNetConns(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{RawSocket, WebSocket} {
		srv := serve(t, "127.0.0.1:0", ServerConfig{})
		c := dial(t, ClientConfig{
			URL: srv.url(kind),
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return struct{ net.Conn }{nc}, err
			},
		})
		require.False(t, c.CanTryWrite())
		s := srv.accept(t)
		r := record(c)
		var all []byte
		sizes := []int{minRoom - 4, minRoom, 0, 2 * minRoom, slabSize, 5, 70_000, 1}
		for _, n := range sizes {
			all = append(all, frame(t, s.Framing(), body(n))...)
		}
		for len(all) > 0 {
			n := min(len(all), 1024)
			_, err := s.Write(all[:n])
			require.NoError(t, err)
			all = all[n:]
		}
		for _, n := range sizes {
			r.wantMessage(t, body(n))
		}
		require.NoError(t, c.Close())
		require.ErrorIs(t, r.end(t), net.ErrClosed)
	}
}
