package supervisor

import (
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// connector is the smallest supervisor that does everything right: it keeps one disposable
// child, chosen by a Reconnect, and replaces it after a delay. The tests use it to show that
// Reconnect and Strategy fit together in a real actor system.
type connector struct {
	policy   *Reconnect
	children []*actor.Props // by transport
	rnd      float64
	onStop   func(error)

	child  *actor.PID
	failed *ChildFailed // not nil once child has been stopped by the strategy
	gone   bool         // whether child's Terminated came
	timer  *time.Timer
	gen    int // discards timers that fired before they were stopped
}

// dial is posted by the timer.
type dial struct {
	attempt Attempt
	gen     int
}

// up is sent by whoever knows that the child has joined.
type up struct{}

func (c *connector) props(s *Strategy) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor { return c }, actor.WithSupervisor(s))
}

func (c *connector) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.next(ctx)
	case *dial:
		if m.gen == c.gen {
			c.child, c.failed, c.gone = ctx.Spawn(c.children[m.attempt.Transport]), nil, false
		}
	case *up:
		c.policy.Joined()
	case *ChildFailed:
		if m.Child.Equal(c.child) {
			c.failed = m
			c.replace(ctx)
		}
	case *actor.Terminated:
		if m.Who.Equal(c.child) {
			c.gone = true
			c.replace(ctx)
		}
	case *actor.Stopping:
		c.gen++
		if c.timer != nil {
			c.timer.Stop()
		}
	case *actor.Stopped:
		c.onStop(c.policy.Err())
	}
}

// replace goes on when the old child is known to have failed and to be gone: the two messages
// come in either order.
func (c *connector) replace(ctx actor.Context) {
	if c.failed == nil || !c.gone {
		return
	}
	c.policy.Failed(c.failed.Reason)
	c.child, c.failed, c.gone = nil, nil, false
	c.next(ctx)
}

func (c *connector) next(ctx actor.Context) {
	a, ok := c.policy.Next(c.rnd)
	if !ok {
		ctx.Stop(ctx.Self())
		return
	}
	c.gen++
	root, self, msg := ctx.ActorSystem().Root, ctx.Self(), &dial{attempt: a, gen: c.gen}
	c.timer = time.AfterFunc(a.Delay, func() { root.Send(self, msg) })
}

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
