// Command quickstart runs a router and two components in one process: a backend with
// procedures and a topic, and a frontend that uses them. One of the procedures is served
// by an ordinary Proto.Actor actor. It prints what happens and ends by itself.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		return err
	}
	defer router.Close(ctx)
	listener, err := router.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := listener.URLs()[0]
	fmt.Fprintln(out, "router:   listening on", url)

	backend, err := newBackend(url, out)
	if err != nil {
		return err
	}
	if err := backend.Start(ctx); err != nil {
		return err
	}
	defer backend.Stop(ctx)
	if _, err := backend.Ready(ctx); err != nil {
		return err
	}
	frontend, err := newFrontend(url, out)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, frontend)
}

// newBackend declares what is served. The runtime connects, registers and subscribes,
// and does it again whenever the connection is lost.
func newBackend(url string, out io.Writer) (*cloverleaf.Component, error) {
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: "backend", Realm: "realm1", Transports: cloverleaf.URLs(url),
	})
	if err != nil {
		return nil, err
	}
	comp.Register("com.example.add2", func(x, y int) int { return x + y })
	comp.Register("com.example.divide", func(x, y float64) (float64, error) {
		if y == 0 {
			return 0, session.NewError("com.example.error.division_by_zero", "cannot divide by zero")
		}
		return x / y, nil
	})
	comp.RegisterActor("com.example.count", actor.PropsFromProducer(func() actor.Actor { return new(counter) }))
	comp.Subscribe("com.example.hello", func(name string) { fmt.Fprintln(out, "backend:  hello from", name) })
	return comp, nil
}

// counter is an ordinary actor: invocations are messages, and what it responds with is
// the result. Its state needs no lock.
type counter struct{ n int }

// Receive implements actor.Actor.
func (c *counter) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actors.Invocation); ok {
		c.n++
		ctx.Respond(c.n)
	}
}

// newFrontend subscribes, calls and publishes, and is done.
func newFrontend(url string, out io.Writer) (*cloverleaf.Component, error) {
	ticks := make(chan int, 1)
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: "frontend", Realm: "realm1", Transports: cloverleaf.URLs(url),
		Main: func(ctx context.Context, s *session.Session) error { return useBackend(ctx, s, ticks, out) },
	})
	if err != nil {
		return nil, err
	}
	comp.Subscribe("com.example.tick", func(n int) { ticks <- n })
	return comp, nil
}

func useBackend(ctx context.Context, s *session.Session, ticks <-chan int, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()

	if _, err := s.Publish(ctx, "com.example.hello", session.Args("frontend"), session.Acknowledge()); err != nil {
		return err
	}
	sum, err := session.Call[int](ctx, s, "com.example.add2", 2, 3)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "frontend: 2 + 3 =", sum)

	_, err = session.Call[float64](ctx, s, "com.example.divide", 1, 0)
	fmt.Fprintln(out, "frontend: 1 / 0 fails with", session.ErrorURI(err))

	for range 3 {
		n, err := session.Call[int](ctx, s, "com.example.count")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "frontend: the actor counted", n)
	}

	// A publisher does not get its own events unless it asks for them.
	if _, err := s.Publish(ctx, "com.example.tick", session.Args(1), session.ExcludeMe(false)); err != nil {
		return err
	}
	select {
	case n := <-ticks:
		fmt.Fprintln(out, "frontend: tick", n)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
