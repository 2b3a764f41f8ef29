package sched_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// inBubble runs test in a bubble with an actor system, and props that put
// actors on a dispatcher of ours. Whatever goroutine stays fails the test.
func inBubble(t *testing.T, test func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		system := newSystem()
		d := sched.NewDispatcher(sched.DispatcherConfig{})
		defer d.Close()
		test(t, system.Root, func(receive actor.ReceiveFunc) *actor.Props {
			return actor.PropsFromFunc(receive, actor.WithDispatcher(d), actor.WithMailbox(sched.NewMailbox(sched.Draining())))
		})
		<-time.After(2 * time.Second) // Proto.Actor's dead letter throttle sleeps for one
	})
}

func TestActorLifecycle(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props) {
		var log []string
		pid := root.Spawn(props(func(c actor.Context) { log = append(log, fmt.Sprintf("%T", c.Message())) }))
		root.Send(pid, 1)
		synctest.Wait()
		root.Send(pid, 2)
		synctest.Wait()
		require.NoError(t, root.PoisonFuture(pid).Wait())
		root.Send(pid, 3)
		synctest.Wait()
		require.Equal(t, []string{
			"*actor.Started", "int", "*sched.Drained", "int", "*sched.Drained", "*actor.Stopping", "*actor.Stopped",
		}, log)
	})
}

func TestActorStopOvertakesMessages(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props) {
		handled := 0
		pid := root.Spawn(props(func(c actor.Context) {
			if n, ok := c.Message().(int); ok {
				handled++
				if n == 0 {
					c.Stop(c.Self())
				}
			}
		}))
		for n := range 10 {
			root.Send(pid, n)
		}
		require.NoError(t, root.StopFuture(pid).Wait())
		require.LessOrEqual(t, handled, 1)
	})
}

func TestActorWatchAndChildren(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props) {
		const children = 20
		target := root.Spawn(props(func(actor.Context) {}))
		var terminated, stopped int
		parent := root.Spawn(props(func(c actor.Context) {
			switch m := c.Message().(type) {
			case *actor.Started:
				c.Watch(target)
				for range children {
					c.Spawn(props(func(actor.Context) {}))
				}
			case *actor.Terminated:
				if m.Who.Equal(target) {
					terminated++
				} else {
					stopped++
				}
			}
		}))
		synctest.Wait()
		root.Stop(target)
		synctest.Wait()
		require.Equal(t, 1, terminated)
		require.NoError(t, root.StopFuture(parent).Wait())
		require.Equal(t, children, stopped)
	})
}

// TestActorRestartKeepsMessages lets a child fail in the middle of a batch; the
// supervisor restarts it a second later.
func TestActorRestartKeepsMessages(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props) {
		var log []any
		receive := func(c actor.Context) {
			switch m := c.Message().(type) {
			case string:
				for n := range 5 {
					c.Send(c.Self(), n)
				}
			case int:
				log = append(log, m)
				if m == 2 {
					panic("boom")
				}
			case *sched.Drained:
				log = append(log, "drained")
			case *actor.Restarting:
				log = append(log, "restarting")
			}
		}
		later := restartLater{props: props(receive)}
		parent := root.Spawn(props(nil).Configure(actor.WithProducer(func() actor.Actor { return &later })))
		synctest.Wait()
		root.Send(later.child, "five")
		synctest.Wait()
		require.Equal(t, []any{0, 1, 2}, log, "suspended")
		root.Send(later.child, 5)
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, []any{0, 1, 2, "restarting", 3, 4, 5, "drained"}, log)
		require.NoError(t, root.StopFuture(parent).Wait())
	})
}

// restartLater is a parent that restarts its child one second after a failure.
type restartLater struct {
	props *actor.Props
	child *actor.PID
}

func (r *restartLater) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		r.child = c.Spawn(r.props)
	case string:
		c.(actor.Supervisor).RestartChildren(r.child)
	}
}

//nolint:revive // the interface has that many arguments
func (r *restartLater) HandleFailure(system *actor.ActorSystem, s actor.Supervisor, _ *actor.PID, _ *actor.RestartStatistics, _, _ any) {
	self := s.(actor.Context).Self()
	time.AfterFunc(time.Second, func() { system.Root.Send(self, "restart") })
}

// TestActorBlocking lets actors wait for each other's answers in Receive.
func TestActorBlocking(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, root *actor.RootContext, props func(actor.ReceiveFunc) *actor.Props) {
		const askers = 30
		echo := root.Spawn(props(func(c actor.Context) {
			if m, ok := c.Message().(string); ok {
				c.Respond(m)
			}
		}))
		var answers atomic.Int32
		pids := make([]*actor.PID, askers)
		for i := range pids {
			pids[i] = root.Spawn(props(func(c actor.Context) {
				if _, ok := c.Message().(int); ok {
					answer, err := c.RequestFuture(echo, "hello", time.Minute).Result()
					if err == nil && answer == "hello" {
						answers.Add(1)
					}
				}
			}))
			root.Send(pids[i], 1)
		}
		for _, pid := range append(pids, echo) {
			require.NoError(t, root.PoisonFuture(pid).Wait())
		}
		require.EqualValues(t, askers, answers.Load())
	})
}

// TestSpawnNamedRace sends to a name before its actor has been set up.
func TestSpawnNamedRace(t *testing.T) {
	t.Parallel()
	system := newSystem()
	d := newDispatcher(t, sched.DispatcherConfig{})
	for i := range 300 {
		name := fmt.Sprint("known", i)
		started, got := false, make(chan bool, 1)
		props := actor.PropsFromFunc(func(c actor.Context) {
			switch c.Message().(type) {
			case *actor.Started:
				started = true
			case string:
				select {
				case got <- started:
				default:
				}
			}
		}, actor.WithDispatcher(d), actor.WithMailbox(sched.NewMailbox()))
		go func() {
			pid := actor.NewPID(system.Address(), name)
			for {
				if process, ok := system.ProcessRegistry.GetLocal(name); ok {
					process.SendUserMessage(pid, "early")
					return
				}
			}
		}()
		pid, err := system.Root.SpawnNamed(props, name)
		require.NoError(t, err)
		require.True(t, <-got, "Started comes first")
		require.NoError(t, system.Root.StopFuture(pid).Wait())
	}
}
