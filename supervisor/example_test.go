package supervisor_test

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

func ExampleBackoff() {
	b := supervisor.Backoff{} // the defaults
	for retry := range 5 {
		fmt.Println(retry, b.Delay(retry, 0), b.Delay(retry, 0.5), b.Delay(retry, 1))
	}
	fmt.Println(100, b.Delay(100, 0), b.Delay(100, 0.5), b.Delay(100, 1))
	// Output:
	// 0 0s 0s 0s
	// 1 1.35s 1.5s 1.65s
	// 2 2.025s 2.25s 2.475s
	// 3 3.0375s 3.375s 3.7125s
	// 4 4.55625s 5.0625s 5.56875s
	// 100 4m30s 5m0s 5m30s
}

func ExampleReconnect() {
	policy, err := supervisor.NewReconnect(supervisor.ReconnectConfig{
		Transports: []supervisor.TransportPolicy{
			{Name: "ws://a", MaxRetries: 1},
			{Name: "ws://b", MaxRetries: 0},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		attempt, ok := policy.Next(0.5) // rand.Float64() outside of examples
		if !ok {
			break
		}
		fmt.Printf("transport %d after %v\n", attempt.Transport, attempt.Delay)
		policy.Failed(errors.New("connection refused"))
	}
	fmt.Println(policy.Err())
	// Output:
	// transport 0 after 0s
	// transport 1 after 0s
	// transport 0 after 1.5s
	// supervisor: no transport left to try: ws://a (2 in a row): connection refused; ws://b (1 in a row): connection refused
}

func ExampleGroup() {
	group, err := supervisor.NewGroup(supervisor.GroupConfig{
		Strategy: supervisor.RestForOne,
		Children: []supervisor.ChildSpec{{Name: "store"}, {Name: "api"}, {Name: "ui"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	perform := func(actions []supervisor.Action) {
		for _, a := range actions {
			switch a := a.(type) {
			case *supervisor.StopChildren:
				fmt.Println("stop", a.Names)
			case *supervisor.StartChildren: // on a timer that posts the token, if After is not zero
				fmt.Println("start", group.Started(a.Token), "after", a.After)
			case *supervisor.GiveUp:
				fmt.Println(a.Err)
			}
		}
	}
	now := time.Now()
	perform(group.Start())
	perform(group.Terminated("api", errors.New("out of memory"), now, 0.5))
	perform(group.Terminated("ui", nil, now, 0.5))
	// Output:
	// start [store api ui] after 0s
	// stop [ui]
	// start [api ui] after 1.5s
}

// worker fails the first time it is started.
type worker struct {
	attempt int
	done    chan<- string
}

func (w *worker) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actor.Started); !ok {
		return
	}
	if w.attempt == 1 {
		// The way to fail on purpose; a panic would be a bug.
		ctx.(actor.Supervisor).EscalateFailure(errors.New("connection refused"), ctx.Message())
		return
	}
	w.done <- fmt.Sprintf("worker %d is up", w.attempt)
}

// boss replaces its worker after a delay.
type boss struct {
	backoff supervisor.Backoff
	attempt int
	done    chan<- string
}

type startWorker struct{}

func (b *boss) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started, *startWorker:
		b.attempt++
		w := worker{attempt: b.attempt, done: b.done}
		ctx.Spawn(actor.PropsFromProducer(func() actor.Actor { return &w }))
	case *supervisor.ChildFailed:
		b.done <- fmt.Sprintf("%v: %v", m.Class, m.Reason)
		root, self := ctx.ActorSystem().Root, ctx.Self()
		time.AfterFunc(b.backoff.Delay(b.attempt, 0.5), func() { root.Send(self, &startWorker{}) })
	}
}

func ExampleStrategy() {
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	strategy, err := supervisor.NewStrategy(supervisor.StrategyConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan string)
	pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &boss{backoff: supervisor.Backoff{Initial: time.Millisecond}, done: done}
	}, actor.WithSupervisor(strategy)))
	fmt.Println(<-done)
	fmt.Println(<-done)
	_ = system.Root.StopFuture(pid).Wait()
	// Output:
	// transient: connection refused
	// worker 2 is up
}
