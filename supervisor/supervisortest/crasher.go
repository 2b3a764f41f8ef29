package supervisortest

import (
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Fail is a message that makes a Crasher fail on purpose, with Err as the reason.
type Fail struct {
	Err error
}

// Panic is a message that makes a Crasher panic with Value. In the plan of a Crasher it does so
// as the first thing the instance does.
type Panic struct {
	Value any
}

// PanicOn is a message that makes a Crasher panic with Value later, when it receives a lifecycle
// message. It replaces an earlier one.
type PanicOn struct {
	// Stopping selects *actor.Stopping, otherwise it is *actor.Stopped.
	Stopping bool
	// Times is how often, over all incarnations.
	Times int
	// Value is the panic's value.
	Value any
}

// Crasher is a remote-controlled child actor. All actors spawned from its Props are incarnations
// of the same child: at most one of them may be up at a time, from its *actor.Started until its
// *actor.Stopped or *actor.Restarting is handled.
//
// Its methods may be called from any goroutine.
type Crasher struct {
	tb   testing.TB
	plan []any

	mu      sync.Mutex
	starts  []time.Time
	stops   []time.Time
	pid     *actor.PID
	running int
	panicOn PanicOn
}

// NewCrasher returns a Crasher. Incarnation number n, counted from zero over all instances,
// starts by doing plan[n]: an error makes it fail with that reason, a *Panic makes it panic, nil
// or the end of the plan lets it stay up until a *Fail or a *Panic is sent to it.
func NewCrasher(tb testing.TB, plan ...any) *Crasher {
	tb.Helper()
	return &Crasher{tb: tb, plan: plan}
}

// Props returns the Props to spawn it with.
func (c *Crasher) Props(opts ...actor.PropsOption) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor { return &crasherActor{c: c} }, opts...)
}

// Starts returns when it was started, once for each incarnation.
func (c *Crasher) Starts() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.starts...)
}

// Stops returns when it was stopped, or restarted, once for each incarnation that is gone.
func (c *Crasher) Stops() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.stops...)
}

// Up reports whether an incarnation is up.
func (c *Crasher) Up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running > 0
}

// PID returns the PID of the last incarnation, nil before the first.
func (c *Crasher) PID() *actor.PID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// started records a start and returns what the plan says about it.
func (c *Crasher) started(pid *actor.PID) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
	if c.running > 1 {
		c.tb.Errorf("crasher: %s was started while %s was still up", pid.Id, c.pid.Id)
	}
	c.starts, c.pid = append(c.starts, time.Now()), pid
	if n := len(c.starts) - 1; n < len(c.plan) {
		return c.plan[n]
	}
	return nil
}

func (c *Crasher) stopped() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.stops = append(c.stops, time.Now())
}

// panics panics if the test has asked for it.
func (c *Crasher) panics(stopping bool) {
	c.mu.Lock()
	p := c.panicOn
	due := p.Times > 0 && p.Stopping == stopping
	if due {
		c.panicOn.Times--
	}
	c.mu.Unlock()
	if due {
		panic(p.Value)
	}
}

// crasherActor is one incarnation.
type crasherActor struct {
	c *Crasher
}

// Receive implements actor.Actor.
func (a *crasherActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.act(ctx, a.c.started(ctx.Self()))
	case *actor.Stopping:
		a.c.panics(true)
	case *actor.Stopped:
		a.c.stopped()
		a.c.panics(false)
	case *actor.Restarting:
		a.c.stopped()
	case *Fail:
		a.act(ctx, m.Err)
	case *Panic:
		a.act(ctx, m)
	case *PanicOn:
		a.c.mu.Lock()
		a.c.panicOn = *m
		a.c.mu.Unlock()
	}
}

func (a *crasherActor) act(ctx actor.Context, what any) {
	switch w := what.(type) {
	case *Panic:
		panic(w.Value)
	case error:
		ctx.(actor.Supervisor).EscalateFailure(w, ctx.Message())
	}
}
