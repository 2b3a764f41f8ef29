package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// testPatience is how long a test waits for what must happen.
const testPatience = 20 * time.Second

// rig is a router that listens on loopback.
type rig struct {
	t      *testing.T
	host   *Host
	router *Router
	ln     *transport.Listener
}

func newRig(t *testing.T, cfg RouterConfig) *rig {
	t.Helper()
	return newLoggedRig(t, cfg, HostConfig{})
}

func newLoggedRig(t *testing.T, cfg RouterConfig, host HostConfig) *rig {
	t.Helper()
	return newHostRig(t, cfg, NewHost(host))
}

// newHostRig returns a rig with a host of its own, which ends with it.
func newHostRig(t *testing.T, cfg RouterConfig, host *Host) *rig {
	t.Helper()
	g := &rig{t: t, host: host}
	var err error
	g.router, err = NewRouter(g.host, cfg)
	require.NoError(t, err)
	g.ln, err = transport.Listen(t.Context(), "127.0.0.1:0", transport.ServerConfig{Options: cfg.Options})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- g.ln.Serve(g.router.Accept) }()
	t.Cleanup(func() {
		_ = g.ln.Close()
		require.ErrorIs(t, <-served, net.ErrClosed)
		g.close()
	})
	return g
}

// close ends the router; every connection must be gone then.
func (g *rig) close() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	err := g.router.Close(ctx)
	g.host.Close()
	require.NoError(g.t, err)
	g.requireEmpty()
}

// requireEmpty fails unless nothing of any session is left in the router.
func (g *rig) requireEmpty() {
	g.t.Helper()
	g.eventually(func() bool {
		stats := g.router.Stats()
		g.router.mu.Lock()
		defer g.router.mu.Unlock()
		return stats.Connections == 0 && stats.Sessions == 0 && len(g.router.ids) == 0
	}, "sessions are left")
}

func (g *rig) eventually(cond func() bool, msg string, args ...any) {
	g.t.Helper()
	require.Eventually(g.t, cond, testPatience, time.Millisecond, append([]any{msg}, args...)...)
}

// link is a way to reach a router: a transport with a serializer.
type link struct {
	kind string // "rs", "ws" or "pipe"
	ser  protocol.Serializer
}

func (l link) String() string { return fmt.Sprintf("%s %v", l.kind, l.ser) }

// links are all ways to reach a router.
func links() []link {
	all := []link{{"pipe", protocol.MessagePack}}
	for _, s := range protocol.Serializers() {
		all = append(all, link{"rs", s}, link{"ws", s})
	}
	return all
}

var rawMsgpack = link{"rs", protocol.MessagePack}

// wampPeer is a WAMP client without a session machine: it sends what the test says, and
// queues what it receives.
type wampPeer struct {
	t    *testing.T
	ser  protocol.Serializer
	conn *transport.Conn
	pipe *transport.PipeEnd
	dec  *codec.Decoder
	id   protocol.ID // last request id

	mu      sync.Mutex
	got     []protocol.Message
	err     error // why nothing more will come
	more    chan struct{}
	hold    chan struct{} // closed: go on reading
	onEvent func(*protocol.Event)
	writing sync.Mutex
}

// dial connects without joining.
func (g *rig) dial(t *testing.T, l link) *wampPeer {
	t.Helper()
	c := &wampPeer{t: t, ser: l.ser, dec: codec.NewDecoder(l.ser), more: make(chan struct{}, 1)}
	if l.kind == "pipe" {
		end, served := transport.Pipe()
		g.router.AcceptPipe(served)
		c.pipe = end
		end.OnClose(c.end)
		end.Receive(func(msgs []protocol.Message) {
			for _, m := range msgs {
				c.receive(m)
			}
		})
		t.Cleanup(func() { end.Close(nil) })
		return c
	}
	addr := g.ln.Addr().String()
	cfg := transport.ClientConfig{URL: "rs://" + addr, Serializers: []protocol.Serializer{l.ser}}
	if l.kind == "ws" {
		cfg.URL = "ws://" + addr + "/ws"
	}
	conn, err := transport.Dial(t.Context(), cfg)
	require.NoError(t, err)
	c.serve(conn)
	return c
}

func (c *wampPeer) serve(conn *transport.Conn) { c.serveWith(conn, c) }

// serveWith has what is read handed to h, which passes it on to c.
func (c *wampPeer) serveWith(conn *transport.Conn, h transport.Handler) {
	c.conn = conn
	ended := make(chan struct{})
	go func() {
		c.end(conn.Serve(h))
		close(ended)
	}()
	c.t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
}

// Message implements transport.Handler.
func (c *wampPeer) Message(data []byte) error {
	m, err := c.dec.Decode(data)
	if err != nil {
		return err
	}
	c.receive(m)
	return nil
}

// receive queues a message. One goroutine at a time calls it.
func (c *wampPeer) receive(m protocol.Message) {
	if ev, ok := m.(*protocol.Event); ok && c.onEvent != nil {
		c.onEvent(ev)
		return
	}
	c.mu.Lock()
	c.got = append(c.got, m)
	c.mu.Unlock()
	c.signal()
}

// Ping implements transport.Handler.
func (c *wampPeer) Ping(p []byte) error {
	c.write(c.conn.Framing().AppendPong(nil, p))
	return nil
}

// Pong implements transport.Handler.
func (c *wampPeer) Pong([]byte) error { return nil }

// Drained implements transport.Handler.
func (c *wampPeer) Drained() error {
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return nil
}

// stall stops reading after what is being read; resume goes on.
func (c *wampPeer) stall() (resume func()) {
	hold := make(chan struct{})
	c.mu.Lock()
	c.hold = hold
	c.mu.Unlock()
	var once sync.Once
	resume = func() {
		once.Do(func() {
			c.mu.Lock()
			c.hold = nil
			c.mu.Unlock()
			close(hold)
		})
	}
	c.t.Cleanup(resume)
	return resume
}

func (c *wampPeer) end(err error) {
	if err == nil {
		err = errors.New("ended")
	}
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	c.signal()
}

func (c *wampPeer) signal() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

var errNothing = errors.New("nothing came")

// next returns the next message, or why there is none. One goroutine may call it.
func (c *wampPeer) next() (protocol.Message, error) {
	deadline := time.NewTimer(testPatience)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		if len(c.got) > 0 {
			m := c.got[0]
			c.got = c.got[1:]
			c.mu.Unlock()
			return m, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-c.more:
		case <-deadline.C:
			return nil, errNothing
		}
	}
}

// expect returns the next message, which must be of type T.
func expect[T protocol.Message](c *wampPeer) T {
	c.t.Helper()
	m, err := c.next()
	require.NoError(c.t, err)
	got, ok := m.(T)
	require.True(c.t, ok, "got %T %.200v, want %T", m, m, *new(T))
	return got
}

// requireEnd fails unless the connection ends without another message.
func (c *wampPeer) requireEnd() {
	c.t.Helper()
	m, err := c.next()
	require.Error(c.t, err, "got %T %.200v", m, m)
	require.NotErrorIs(c.t, err, errNothing)
}

// requireEndWith is requireEnd with the reason that a pipe gives.
func (c *wampPeer) requireEndWith(reason error) {
	c.t.Helper()
	c.requireEnd()
	require.ErrorIs(c.t, c.err, reason)
}

func (c *wampPeer) write(b []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.conn.Write(b) // the end is seen by reading
}

// send sends messages in one write.
func (c *wampPeer) send(msgs ...protocol.Message) {
	c.t.Helper()
	if c.pipe != nil {
		_ = c.pipe.Send(append([]protocol.Message(nil), msgs...))
		return
	}
	c.write(c.encode(msgs...))
}

func (c *wampPeer) encode(msgs ...protocol.Message) []byte {
	c.t.Helper()
	var b []byte
	var err error
	for _, m := range msgs {
		b, err = appendFrame(b, c.conn.Framing(), c.ser, 0, m)
		require.NoError(c.t, err)
	}
	return b
}

func (c *wampPeer) close() {
	if c.pipe != nil {
		c.pipe.Close(nil)
		return
	}
	_ = c.conn.Close()
}

func (c *wampPeer) request() protocol.ID {
	c.id = c.id.Next()
	return c.id
}

// args encodes positional arguments in the client's format.
func (c *wampPeer) args(args ...any) protocol.Payload {
	c.t.Helper()
	p, err := codec.EncodePayload(c.ser, args, nil)
	require.NoError(c.t, err)
	return p
}

// first returns the first positional argument.
func first[T any](t *testing.T, p protocol.Payload) T {
	t.Helper()
	var v T
	require.NoError(t, codec.DecodeArgs(p, &v))
	return v
}

func peerRoles() protocol.Roles {
	return protocol.Roles{}.With(protocol.Publisher, 0).With(protocol.Subscriber, 0).With(protocol.Caller, 0).
		With(protocol.Callee, protocol.FeatureCallCanceling|protocol.FeatureProgressiveCallResults)
}

func hello(realm protocol.URI) *protocol.Hello {
	return &protocol.Hello{Realm: realm, Details: protocol.HelloDetails{Roles: peerRoles()}}
}

// join dials and joins realm1.
func (g *rig) join(t *testing.T, l link) *wampPeer {
	t.Helper()
	c := g.dial(t, l)
	c.hello("realm1")
	return c
}

func (c *wampPeer) hello(realm protocol.URI) protocol.ID {
	c.t.Helper()
	c.id = 0
	c.send(hello(realm))
	return expect[*protocol.Welcome](c).Session
}

func (c *wampPeer) subscribe(topic protocol.URI) protocol.ID {
	c.t.Helper()
	id := c.request()
	c.send(&protocol.Subscribe{Request: id, Topic: topic})
	m := expect[*protocol.Subscribed](c)
	require.Equal(c.t, id, m.Request)
	return m.Subscription
}

func (c *wampPeer) register(procedure protocol.URI) protocol.ID {
	c.t.Helper()
	id := c.request()
	c.send(&protocol.Register{Request: id, Procedure: procedure})
	m := expect[*protocol.Registered](c)
	require.Equal(c.t, id, m.Request)
	return m.Registration
}

func (c *wampPeer) call(procedure protocol.URI, args ...any) protocol.ID {
	c.t.Helper()
	id := c.request()
	c.send(&protocol.Call{Request: id, Procedure: procedure, Payload: c.args(args...)})
	return id
}

func (c *wampPeer) publish(topic protocol.URI, args ...any) {
	c.t.Helper()
	c.send(&protocol.Publish{Request: c.request(), Topic: topic, Payload: c.args(args...)})
}

func (c *wampPeer) goodbye() {
	c.t.Helper()
	c.send(&protocol.Goodbye{Reason: protocol.CloseNormal})
	require.Equal(c.t, protocol.CloseGoodbyeAndOut, expect[*protocol.Goodbye](c).Reason)
}

// snapshot is what sessions of a realm route by now.
func (g *rig) snapshot(realm protocol.URI) *router.Snapshot {
	return g.router.realm(realm).snapshot.Load()
}

// flows returns the outflow of every subscriber of a topic of realm1.
func (g *rig) flows(topic protocol.URI) []*outflow {
	var flows []*outflow
	for _, sub := range g.snapshot("realm1").Topic(topic) {
		for p := range sub.Subscribers.All {
			flows = append(flows, handleOf(p).flow)
		}
	}
	return flows
}

// heapInUse is how many bytes are occupied after a collection.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// eventRun is a run of one event, as a publisher's actor makes it.
func eventRun(sub protocol.ID, p protocol.Payload) *router.Events {
	return &router.Events{Subscription: sub, List: []protocol.Event{{Subscription: sub, Publication: 1, Payload: p}}}
}
