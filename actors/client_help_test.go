package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// clientPatience is how long a test waits for what must happen, on a fake clock mostly.
const clientPatience = 2 * time.Minute

// testBackoff is a delay that tests can count on.
var testBackoff = supervisor.Backoff{Initial: time.Second, Max: time.Second, Jitter: supervisor.NoJitter}

// testComponent is a component under test, and what is known of it.
type testComponent struct {
	t      *testing.T
	host   *Host
	cfg    ComponentConfig
	client *client
	pid    *actor.PID
	done   chan struct{}
	err    error

	mu       sync.Mutex
	events   []supervisor.Event
	sessions chan *session.Session // those that are ready
}

func newTestComponent(t *testing.T, h *Host, transports ...TransportConfig) *testComponent {
	t.Helper()
	c := &testComponent{t: t, host: h, done: make(chan struct{}), sessions: make(chan *session.Session, 100)}
	c.cfg = ComponentConfig{
		Name: "test", Realm: "realm1", Transports: transports, Listeners: &Listeners{},
		OnEvent: func(ev supervisor.Event) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, ev)
		},
		Done: func(err error) {
			c.err = err
			close(c.done)
		},
	}
	c.cfg.Listeners.OnReady(func(_ context.Context, s *session.Session) error {
		c.sessions <- s
		return nil
	})
	return c
}

// register declares a procedure.
func (c *testComponent) register(uri string, handler any, opts ...session.RegisterOption) {
	c.t.Helper()
	d, err := DeclareProcedure(uri, handler, opts...)
	require.NoError(c.t, err)
	c.cfg.Declarations = append(c.cfg.Declarations, d)
}

// subscribe declares a topic.
func (c *testComponent) subscribe(uri string, handler any, opts ...session.SubscribeOption) {
	c.t.Helper()
	d, err := DeclareTopic(uri, handler, opts...)
	require.NoError(c.t, err)
	c.cfg.Declarations = append(c.cfg.Declarations, d)
}

func (c *testComponent) start() *testComponent {
	c.t.Helper()
	require.NoError(c.t, c.cfg.Validate())
	c.client = newClient(c.host, c.cfg)
	var err error
	props := c.host.props(func() actor.Actor { return newComponentActor(c.client) })
	c.pid, err = c.host.system.Root.SpawnNamed(props, "component/"+c.client.cfg.Name)
	require.NoError(c.t, err)
	return c
}

// join starts the component and returns its first session once that is ready.
func (c *testComponent) join() *session.Session {
	c.t.Helper()
	c.start()
	return c.next()
}

// next returns the next session that is ready.
func (c *testComponent) next() *session.Session {
	c.t.Helper()
	select {
	case s := <-c.sessions:
		return s
	case <-c.done:
		require.NoError(c.t, c.err, "the component has ended")
	case <-time.After(clientPatience):
		require.Fail(c.t, "no session", "%v", c.trace())
	}
	return nil
}

// stop stops the component and returns why it ended.
func (c *testComponent) stop() error {
	c.t.Helper()
	c.host.send(c.pid, &Stop{})
	return c.wait()
}

func (c *testComponent) wait() error {
	c.t.Helper()
	select {
	case <-c.done:
		return c.err
	case <-time.After(clientPatience):
		require.Fail(c.t, "the component does not end", "%v", c.trace())
		return nil
	}
}

// trace returns the events so far, as words.
func (c *testComponent) trace() (words []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range c.events {
		words = append(words, fmt.Sprintf("%T", ev)[len("*supervisor."):])
	}
	return words
}

// eventsOf returns the events of one type so far.
func eventsOf[E supervisor.Event](c *testComponent) (found []E) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range c.events {
		if e, ok := ev.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// transport returns a way to the router of the rig.
func (g *rig) transport(l link) TransportConfig {
	g.t.Helper()
	if l.kind == "pipe" {
		return TransportConfig{Backoff: testBackoff, Pipe: func(context.Context) (*transport.PipeEnd, error) {
			a, b := transport.Pipe()
			g.router.AcceptPipe(b)
			return a, nil
		}}
	}
	urls := g.ln.URLs()
	i := slices.IndexFunc(urls, func(u string) bool { return u[:2] == l.kind })
	require.GreaterOrEqual(g.t, i, 0, "%v", urls)
	return TransportConfig{
		Backoff:      testBackoff,
		ClientConfig: transport.ClientConfig{URL: urls[i], Serializers: []protocol.Serializer{l.ser}},
	}
}

// fakeRouter is a router at the other end of pipes, that does what a test says: each attempt to
// connect is handled by the next of its scripts, the last of which is used for all that follow.
type fakeRouter struct {
	mu      sync.Mutex
	scripts []func(c *fakeConn)
	count   int
	conns   []*fakeConn
}

// fakeConn is one connection of a fakeRouter. Its methods are called by the machinery that sends,
// so a script that answers must do so by reply.
type fakeConn struct {
	pipe  *transport.PipeEnd
	n     int // 1 for the first connection
	on    func(m protocol.Message)
	mu    sync.Mutex
	got   []protocol.Message
	ended error
}

func newFakeRouter(scripts ...func(c *fakeConn)) *fakeRouter { return &fakeRouter{scripts: scripts} }

func (f *fakeRouter) transport() TransportConfig {
	return TransportConfig{Backoff: testBackoff, Pipe: f.dial}
}

var errRefused = errors.New("connection refused")

func (f *fakeRouter) dial(context.Context) (*transport.PipeEnd, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	script := f.scripts[min(f.count, len(f.scripts))-1]
	if script == nil {
		return nil, errRefused
	}
	a, b := transport.Pipe()
	c := &fakeConn{pipe: b, n: f.count}
	f.conns = append(f.conns, c)
	script(c)
	b.OnClose(func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = err
	})
	b.Receive(c.receive)
	return a, nil
}

func (f *fakeRouter) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// last returns the latest connection.
func (f *fakeRouter) last() *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[len(f.conns)-1]
}

func (c *fakeConn) receive(msgs []protocol.Message) {
	for _, m := range msgs {
		c.mu.Lock()
		c.got = append(c.got, m)
		c.mu.Unlock()
		if c.on != nil {
			c.on(m)
		}
	}
}

func (c *fakeConn) send(msgs ...protocol.Message) { _ = c.pipe.Send(msgs) }

// closed reports whether the connection is over.
func (c *fakeConn) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != nil
}

// received returns what came, by type.
func received[M protocol.Message](c *fakeConn) (found []M) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if m, ok := m.(M); ok {
			found = append(found, m)
		}
	}
	return found
}

// welcome is a script: a router that accepts everything.
func welcome(c *fakeConn) { c.on = c.accept }

func (c *fakeConn) accept(m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Hello:
		c.send(&protocol.Welcome{Session: protocol.ID(c.n), Details: protocol.WelcomeDetails{
			Roles: protocol.Roles{}.With(protocol.Broker, 0).With(protocol.Dealer, protocol.FeatureCallCanceling),
		}})
	case *protocol.Register:
		c.send(&protocol.Registered{Request: m.Request, Registration: m.Request + 100})
	case *protocol.Subscribe:
		c.send(&protocol.Subscribed{Request: m.Request, Subscription: m.Request + 200})
	case *protocol.Unregister:
		c.send(&protocol.Unregistered{Request: m.Request})
	case *protocol.Unsubscribe:
		c.send(&protocol.Unsubscribed{Request: m.Request})
	case *protocol.Goodbye:
		c.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	}
}

// silent is a script: a router that says nothing.
func silent(*fakeConn) {}

// welcomeOnly is a script: a router that says nothing after WELCOME.
func welcomeOnly(c *fakeConn) {
	c.on = func(m protocol.Message) {
		if _, ok := m.(*protocol.Hello); ok {
			c.accept(m)
		}
	}
}

// requireClosed fails unless all connections are closed, and sends each a late WELCOME.
func (f *fakeRouter) requireClosed(t *testing.T) {
	t.Helper()
	synctest.Wait()
	for _, c := range f.conns {
		require.True(t, c.closed())
		c.send(&protocol.Welcome{Session: 9})
	}
}

// refuse is a script: a router that does not let anybody join.
func refuse(reason protocol.URI) func(c *fakeConn) {
	return func(c *fakeConn) {
		c.on = func(m protocol.Message) {
			if _, ok := m.(*protocol.Hello); ok {
				c.send(&protocol.Abort{Reason: reason})
			}
		}
	}
}
