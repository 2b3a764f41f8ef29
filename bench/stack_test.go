package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const (
	procedure = "com.example.add2"
	topic     = "com.example.counter"
)

// server is a way to serve the procedure.
type server struct {
	name    string
	declare func(*cloverleaf.Component)
}

// servers add two integers.
func servers() []server {
	return []server{
		{"typed", func(c *cloverleaf.Component) { c.Register(procedure, func(x, y int) int { return x + y }) }},
		{"raw", func(c *cloverleaf.Component) { c.Register(procedure, addRaw) }},
		{"actor", func(c *cloverleaf.Component) { c.RegisterActor(procedure, actor.PropsFromFunc(addActor)) }},
	}
}

func addRaw(_ context.Context, inv *session.Invocation) (session.Reply, error) {
	var x, y int
	if err := inv.Decode(&x, &y); err != nil {
		return session.Reply{}, err
	}
	return session.Reply{Args: []any{x + y}}, nil
}

func addActor(ctx actor.Context) {
	inv, ok := ctx.Message().(*actors.Invocation)
	if !ok {
		return
	}
	var x, y int
	if err := inv.Decode(&x, &y); err != nil {
		ctx.Respond(err)
		return
	}
	ctx.Respond(x + y)
}

var errWrong = errors.New("wrong result")

// benchCall measures calls of one component to another.
func benchCall(b *testing.B, g *rig, open func(*rig) cloverleaf.Transport, declare func(*cloverleaf.Component)) {
	b.Helper()
	g.ready(g.component(open(g), declare))
	caller := g.ready(g.component(open(g), nil))
	ctx := b.Context()
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) {
			inFlight(b, n, func() error {
				sum, err := session.Call[int](ctx, caller, procedure, 23, 42)
				if err == nil && sum != 65 {
					err = errWrong
				}
				return err
			})
		})
	}
}

// BenchmarkInProcessCall is a call through the whole stack over pipes: component, router,
// component and back.
func BenchmarkInProcessCall(b *testing.B) {
	for _, s := range servers() {
		b.Run(s.name, func(b *testing.B) { benchCall(b, newRig(b), (*rig).pipe, s.declare) })
	}
}

// BenchmarkSocketCall is the same over loopback, with a typed handler.
func BenchmarkSocketCall(b *testing.B) {
	for _, l := range sockets() {
		b.Run(l.name, func(b *testing.B) {
			g := newRig(b)
			g.listen()
			benchCall(b, g, l.open, servers()[0].declare)
		})
	}
}

// stream publishes without acknowledgement, as fast as the subscriber allows.
type stream struct {
	window int64
	sent   int64
	got    atomic.Int64
	more   chan struct{} // capacity 1
}

func (s *stream) event(int) {
	s.got.Add(1)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

var errLost = errors.New("an event was lost")

// room waits until no more than the given number of events are on their way.
func (s *stream) room(most int64) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for s.sent-s.got.Load() > most {
		select {
		case <-s.more:
		case <-deadline.C:
			return errLost
		}
	}
	return nil
}

// publish sends n events and waits for the last.
func (s *stream) publish(ctx context.Context, from *session.Session, n int) error {
	args := session.Args(42)
	for range n {
		if s.sent-s.got.Load() >= s.window {
			if err := s.room(s.window - 1); err != nil {
				return err
			}
		}
		if _, err := from.Publish(ctx, topic, args); err != nil {
			return err
		}
		s.sent++
	}
	return s.room(0)
}

// benchPublish measures events from one component to another.
func benchPublish(b *testing.B, g *rig, open func(*rig) cloverleaf.Transport) {
	b.Helper()
	s := &stream{more: make(chan struct{}, 1)}
	g.ready(g.component(open(g), func(c *cloverleaf.Component) { c.Subscribe(topic, s.event) }))
	publisher := g.ready(g.component(open(g), nil))
	for _, n := range []int64{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) {
			s.window = n
			if err := s.publish(b.Context(), publisher, 1000); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime()
			if err := s.publish(b.Context(), publisher, b.N); err != nil {
				b.Fatal(err)
			}
			reportCPU(b, before)
		})
	}
}

// BenchmarkInProcessPublish is an event through the whole stack over pipes.
func BenchmarkInProcessPublish(b *testing.B) { benchPublish(b, newRig(b), (*rig).pipe) }

// BenchmarkSocketPublish is the same over loopback.
func BenchmarkSocketPublish(b *testing.B) {
	for _, l := range sockets() {
		b.Run(l.name, func(b *testing.B) {
			g := newRig(b)
			g.listen()
			benchPublish(b, g, l.open)
		})
	}
}
