package actors

import (
	"fmt"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

const (
	// maxEvents and maxEventBytes bound what waits for a slow event handler. What comes beyond
	// is dropped, and reported.
	maxEvents     = 10_000
	maxEventBytes = 16 << 20
)

// topic is what events of one subscription go to.
type topic struct {
	pid   *actor.PID // the subscription actor
	c     *client
	queue *eventQueue // nil if an actor gets the events
}

// deliver hands out an event. It is called by the session actor.
func (t *topic) deliver(ev *session.Event) {
	if t.queue != nil {
		t.queue.add(ev)
		return
	}
	t.c.host.send(t.pid, ev)
}

// eventQueue calls a handler with one event after the other.
type eventQueue struct {
	c       *client
	uri     string
	handler session.EventHandler

	mu      sync.Mutex
	events  []*session.Event
	bytes   int
	running bool
	dropped int // in this burst

	batch []*session.Event // what run is busy with; it belongs to that goroutine
	array []*session.Event // of batch, from its start
}

func (q *eventQueue) add(ev *session.Event) {
	q.mu.Lock()
	n := ev.Payload.Size()
	if len(q.events) >= maxEvents || q.bytes+n > maxEventBytes {
		q.dropped++
		first := q.dropped == 1
		q.mu.Unlock()
		if first {
			q.c.handlerFailed(supervisor.KindTopic, q.uri, fmt.Errorf("the handler is too slow: events are dropped, %d are waiting", maxEvents))
		}
		return
	}
	q.events = append(q.events, ev)
	q.bytes += n
	start := !q.running
	q.running = true
	q.mu.Unlock()
	if start {
		q.c.workers.start(job{queue: q})
	}
}

// run handles events until there are none, on a worker. A handler that ends the goroutine does not
// end the queue.
func (q *eventQueue) run() {
	over := false
	defer func() {
		if !over {
			q.c.workers.start(job{queue: q})
		}
	}()
	for {
		for len(q.batch) > 0 {
			ev := q.batch[0]
			q.batch[0] = nil
			q.batch = q.batch[1:]
			q.handle(ev)
		}
		more, dropped := q.take()
		if dropped > 0 {
			q.c.handlerFailed(supervisor.KindTopic, q.uri, fmt.Errorf("%d events were dropped", dropped))
		}
		if over = !more; over {
			return
		}
	}
}

// take makes the queue the batch, and reports whether there is one. If not, the goroutine has to
// end without a further look: another one may have been started.
func (q *eventQueue) take() (more bool, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped = q.dropped
	if q.running = len(q.events) > 0; !q.running {
		q.bytes, q.dropped = 0, 0
		return false, dropped
	}
	spare := q.array[:0]
	if cap(spare) > maxSpare {
		spare = nil
	}
	q.batch, q.array = q.events, q.events
	q.events, q.bytes, q.dropped = spare, 0, 0
	return q.running, dropped
}

// handle calls the handler, unless the session of the event has ended.
func (q *eventQueue) handle(ev *session.Event) {
	if ev.Session().Err() != nil {
		return
	}
	guard(func() error { return q.handler(ev.Context(), ev) }, func(err error) {
		q.c.handlerFailed(supervisor.KindTopic, q.uri, err)
	})
}

// subscriptionActor stands for one subscription of a component, and looks after the actor that
// takes its events. It keeps its PID over reconnects.
type subscriptionActor struct {
	c      *client
	uri    string
	minder *minder // nil if there is a handler
}

func subscriptionProps(c *client, uri string, handler any) *actor.Props {
	s := &subscriptionActor{c: c, uri: uri}
	p := c.host.props(func() actor.Actor { return s })
	if t, ok := handler.(*Target); ok {
		s.minder = &minder{c: c, kind: supervisor.KindTopic, uri: uri, target: t}
		p = s.minder.props(p)
	}
	return p
}

// Receive implements actor.Actor.
func (s *subscriptionActor) Receive(ctx actor.Context) {
	if s.minder == nil {
		return
	}
	switch m := ctx.Message().(type) {
	case *session.Event:
		if s.minder.pid != nil {
			s.c.host.send(s.minder.pid, &Event{m})
		}
	case *actor.Started:
		if err := s.minder.start(ctx); err != nil {
			s.c.log.Error("target not started", "uri", s.uri, "reason", err)
		}
	case *actor.Terminated:
		if s.minder.terminated(m.Who) {
			s.c.log.Warn("the actor that takes the events has stopped", "uri", s.uri)
		}
	}
}

// failed goes on after a panic of this actor, which is a bug.
func (s *subscriptionActor) failed(_ actor.Context, err *supervisor.PanicError) {
	s.c.log.Error("subscription actor failed", "uri", s.uri, "reason", err, stackOf(err))
}
