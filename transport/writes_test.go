package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// writesPatience is how long these tests wait for what must happen.
const writesPatience = 20 * time.Second

// bench is a router on loopback whose writes are counted.
type bench struct {
	t      *testing.T
	urls   []string // WebSocket, RawSocket
	writes atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t}
	options := transport.Options{PingInterval: -1}
	host := actors.NewHost(actors.HostConfig{})
	r, err := actors.NewRouter(host, actors.RouterConfig{Options: options})
	require.NoError(t, err)
	l, err := transport.Listen(t.Context(), "127.0.0.1:0", transport.ServerConfig{Options: options})
	require.NoError(t, err)
	b.urls = l.URLs()
	served := make(chan error, 1)
	go func() {
		served <- l.Serve(func(c *transport.Conn) {
			transport.CountWrites(c, &b.writes)
			r.Accept(c)
		})
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), writesPatience)
		defer cancel()
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-served, net.ErrClosed)
		require.NoError(t, r.Close(ctx))
		host.Close()
	})
	return b
}

// client is a peer that sends a burst of messages in one write.
type client struct {
	conn    *transport.Conn
	decoder *codec.Decoder
	last    protocol.ID
	got     chan protocol.Message
	over    chan struct{} // closed when nothing more comes
}

// join returns clients that have joined the router.
func (b *bench) join(url string, s protocol.Serializer, n int) []*client {
	b.t.Helper()
	list := make([]*client, n)
	for i := range list {
		conn, err := transport.Dial(b.t.Context(), transport.ClientConfig{URL: url, Serializers: []protocol.Serializer{s}})
		require.NoError(b.t, err)
		c := &client{conn: conn, decoder: codec.NewDecoder(s), got: make(chan protocol.Message, 1<<12), over: make(chan struct{})}
		go func() {
			_ = conn.Serve(c)
			close(c.over)
		}()
		b.t.Cleanup(func() {
			_ = conn.Close()
			<-c.over
		})
		roles := protocol.Roles{}.With(protocol.Publisher, 0).With(protocol.Subscriber, 0).With(protocol.Caller, 0).With(protocol.Callee, 0)
		require.NoError(b.t, c.send(&protocol.Hello{Realm: "realm1", Details: protocol.HelloDetails{Roles: roles}}))
		c.want(b.t, protocol.TypeWelcome)
		list[i] = c
	}
	return list
}

// Message implements transport.Handler.
func (c *client) Message(data []byte) error {
	m, err := c.decoder.Decode(data)
	if err == nil {
		c.got <- m
	}
	return err
}

// Ping, Pong and Drained implement transport.Handler.
func (*client) Ping([]byte) error { return nil }
func (*client) Pong([]byte) error { return nil }
func (*client) Drained() error    { return nil }

var errTooMuch = errors.New("a burst that may not arrive by one read")

// send sends messages in one write, which arrives by one read.
func (c *client) send(msgs ...protocol.Message) error {
	const leastRead = 1 << 10 // however little a reader's memory has left
	var b []byte
	var err error
	f, s := c.conn.Framing(), c.conn.Serializer()
	for _, m := range msgs {
		start := len(b)
		if b, err = codec.Append(f.Begin(b), s, m); err == nil {
			b, err = f.End(b, start)
		}
		if err != nil {
			return err
		}
	}
	if len(b) > leastRead {
		return errTooMuch
	}
	_, err = c.conn.Write(b)
	return err
}

// next is the id of the next request.
func (c *client) next() protocol.ID {
	c.last = c.last.Next()
	return c.last
}

var errMissing = errors.New("a message is missing")

// take waits for n messages, which must be of one type.
func (c *client) take(n int, want protocol.MessageType) ([]protocol.Message, error) {
	deadline := time.NewTimer(writesPatience)
	defer deadline.Stop()
	list := make([]protocol.Message, n)
	for i := range list {
		select {
		case list[i] = <-c.got:
		case <-c.over:
			return nil, net.ErrClosed
		case <-deadline.C:
			return nil, errMissing
		}
		if got := list[i].Type(); got != want {
			return nil, fmt.Errorf("got %v, want %v", got, want)
		}
	}
	return list, nil
}

func (c *client) want(t *testing.T, want protocol.MessageType) {
	t.Helper()
	_, err := c.take(1, want)
	require.NoError(t, err)
}

// serve answers invocations, so many by one write.
func (c *client) serve(window int) error {
	for {
		list, err := c.take(window, protocol.TypeInvocation)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		answers := make([]protocol.Message, len(list))
		for i, m := range list {
			answers[i] = &protocol.Yield{Request: m.(*protocol.Invocation).Request}
		}
		if err == nil {
			err = c.send(answers...)
		}
		if err != nil {
			return err
		}
	}
}

var errOrder = errors.New("an answer is not that of the request next in line")

// calls makes calls, so many by one write, and waits for the results.
func (c *client) calls(procedure protocol.URI, window int) error {
	burst := make([]protocol.Message, window)
	first := c.last
	for i := range burst {
		burst[i] = &protocol.Call{Request: c.next(), Procedure: procedure}
	}
	if err := c.send(burst...); err != nil {
		return err
	}
	results, err := c.take(window, protocol.TypeResult)
	for _, m := range results {
		if first = first.Next(); m.(*protocol.Result).Request != first {
			return errOrder
		}
	}
	return err
}

// publishes publishes events, so many by one write, and waits for the acknowledgements.
func (c *client) publishes(topic protocol.URI, window int) error {
	burst := make([]protocol.Message, window)
	first := c.last
	for i := range burst {
		burst[i] = &protocol.Publish{Request: c.next(), Topic: topic, Options: protocol.PublishOptions{Acknowledge: true}}
	}
	if err := c.send(burst...); err != nil {
		return err
	}
	answers, err := c.take(window, protocol.TypePublished)
	for _, m := range answers {
		if first = first.Next(); m.(*protocol.Published).Request != first {
			return errOrder
		}
	}
	return err
}

// all runs f with each of the clients at the same time.
func all(list []*client, f func(i int, c *client) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		wg.Go(func() { errs[i] = f(i, c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// load is what the clients of a router do, again and again.
type load struct {
	name  string
	start func(b *bench, join func(n int) []*client, window int) (round func() error)
	// least and most are the writes of the router for one round.
	least, most int
}

// pairs are callers, each of which calls the callee of its number.
func pairs(callers, callees int) func(*bench, func(int) []*client, int) func() error {
	return func(b *bench, join func(int) []*client, window int) func() error {
		procedure := func(i int) protocol.URI { return protocol.URI(string(rune('a' + i%callees))) }
		for i, c := range join(callees) {
			require.NoError(b.t, c.send(&protocol.Register{Request: c.next(), Procedure: procedure(i)}))
			c.want(b.t, protocol.TypeRegistered)
			served := make(chan error, 1)
			go func() { served <- c.serve(window) }()
			b.t.Cleanup(func() {
				_ = c.conn.Close()
				require.NoError(b.t, <-served)
			})
		}
		list := join(callers)
		return func() error {
			return all(list, func(i int, c *client) error { return c.calls(procedure(i), window) })
		}
	}
}

// fan are publishers and subscribers of one topic.
func fan(publishers, subscribers int) func(*bench, func(int) []*client, int) func() error {
	return func(b *bench, join func(int) []*client, window int) func() error {
		subs, pubs := join(subscribers), join(publishers)
		for _, c := range subs {
			require.NoError(b.t, c.send(&protocol.Subscribe{Request: c.next(), Topic: "t"}))
			c.want(b.t, protocol.TypeSubscribed)
		}
		return func() error {
			err := all(pubs, func(_ int, c *client) error { return c.publishes("t", window) })
			for _, c := range subs {
				if err == nil {
					_, err = c.take(publishers*window, protocol.TypeEvent)
				}
			}
			return err
		}
	}
}

// TestWritesOfRouter: what comes by one read leaves by one write for each receiver. Nothing of that depends on
// scheduling: who puts a message into a mailbox puts all that there is for its receiver into one. What does is whether
// the writes of several senders become one, so there is a range.
//
// With 8 messages at a time these are 0.25 writes for a call, 0.1375 for an event to 10 and at most 0.14 for an event of
// 8 to 8; with one at a time they are 2 for a call.
func TestWritesOfRouter(t *testing.T) {
	t.Parallel()
	const rounds = 20
	loads := []load{
		{"calls 1 to 1", pairs(1, 1), 1 + 1, 1 + 1},
		{"calls 8 to 8", pairs(8, 8), 8 + 8, 8 + 8},
		{"calls 8 to 1", pairs(8, 1), 8 + 1, 8 + 8},
		{"events 1 to 10", fan(1, 10), 10 + 1, 10 + 1},
		{"events 8 to 8", fan(8, 8), 8 + 8, 8*8 + 8},
	}
	for i, s := range []protocol.Serializer{protocol.JSON, protocol.MessagePack} { // over WebSocket and RawSocket
		for _, l := range loads {
			for _, window := range []int{1, 8, 24} {
				t.Run(fmt.Sprintf("%v, %s, %d at a time", s, l.name, window), func(t *testing.T) {
					t.Parallel()
					b := newBench(t)
					round := l.start(b, func(n int) []*client { return b.join(b.urls[i], s, n) }, window)
					before := b.writes.Load()
					for range rounds {
						require.NoError(t, round())
					}
					n := int(b.writes.Load() - before)
					require.GreaterOrEqual(t, n, l.least*rounds)
					require.LessOrEqual(t, n, l.most*rounds)
				})
			}
		}
	}
}
