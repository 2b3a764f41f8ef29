package transport

import (
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// quiet is a Handler that does nothing.
type quiet struct{}

func (quiet) Message([]byte) error { return nil }
func (quiet) Ping([]byte) error    { return nil }
func (quiet) Pong([]byte) error    { return nil }
func (quiet) Drained() error       { return nil }

// memory is the heap in use after a collection. Two are needed to empty the pools.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIdleMemory bounds the heap that an idle connection costs the server after
// traffic, beyond two bare sockets and a goroutine that waits to read one of them. It
// is not parallel: it looks at the whole process.
func TestIdleMemory(t *testing.T) {
	bare := idleCost(t, func(l net.Listener) net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		return nc
	})
	t.Logf("bare sockets: %d B", bare)
	for kind, limit := range map[Kind]int64{RawSocket: 1 << 10, WebSocket: 3 << 10} {
		cost := idleConns(t, kind) - bare
		t.Logf("%v: %d B more", kind, cost)
		require.LessOrEqual(t, cost, limit, "%v", kind)
	}
}

const idleCount = 500

// idleCost measures pairs of bare sockets.
func idleCost(t *testing.T, open func(net.Listener) net.Conn) int64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	before := memory()
	var all []net.Conn
	ends := make(chan struct{}, idleCount)
	for range idleCount {
		peer := open(l)
		nc, err := l.Accept()
		require.NoError(t, err)
		all = append(all, peer, nc)
		go func() {
			_, _ = nc.Read(make([]byte, 1))
			ends <- struct{}{}
		}()
	}
	waitParked()
	cost := (memory() - before) / idleCount
	for _, nc := range all {
		_ = nc.Close()
	}
	for range idleCount {
		<-ends
	}
	return cost
}

// idleConns measures connections of ours whose peers are bare sockets.
func idleConns(t *testing.T, kind Kind) int64 {
	t.Helper()
	got := make(chan struct{}, 2*idleCount)
	l, err := Listen(t.Context(), "127.0.0.1:0", ServerConfig{})
	require.NoError(t, err)
	conns := make(chan *Conn, idleCount)
	go func() {
		_ = l.Serve(func(c *Conn) {
			conns <- c
			_ = c.Serve(&counter{got: got})
			got <- struct{}{}
		})
	}()
	one := frame(t, Framing{Kind: kind, Binary: true, Mask: kind == WebSocket}, body(200))
	before := memory()
	peers := make([]net.Conn, 0, idleCount)
	for range idleCount {
		peer := rawPeer(t, l, kind)
		peers = append(peers, peer)
		_, err := peer.Write(one)
		require.NoError(t, err)
		<-got
	}
	waitParked()
	cost := (memory() - before) / idleCount
	for _, peer := range peers {
		_ = peer.Close()
	}
	for range idleCount {
		<-got
		_ = (<-conns).Close()
	}
	require.NoError(t, l.Close())
	return cost
}

// counter is a Handler that tells of each batch.
type counter struct {
	quiet
	got chan<- struct{}
}

func (c *counter) Drained() error {
	c.got <- struct{}{}
	return nil
}

// waitParked gives goroutines that are done the time to end, and readers to wait.
func waitParked() {
	for range 100 {
		runtime.Gosched()
	}
}

// rawPeer runs the client's handshake with as little memory as possible.
func rawPeer(t *testing.T, l *Listener, kind Kind) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	if kind == WebSocket {
		d := websocket.Dialer{
			NetDial:         func(string, string) (net.Conn, error) { return nc, nil },
			Subprotocols:    []string{"wamp.2.cbor"},
			ReadBufferSize:  200,
			WriteBufferPool: &wsWriteBuffers,
		}
		_, resp, err := d.Dial(l.URLs()[0], nil)
		require.NoError(t, err)
		_ = resp.Body.Close()
		return nc
	}
	_, err = nc.Write([]byte{rawMagic, 0xF3, 0, 0})
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, 4))
	require.NoError(t, err)
	return nc
}
