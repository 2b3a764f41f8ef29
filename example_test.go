package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// demo returns a component that is connected to a router in this process and runs main.
func demo(main func(ctx context.Context, s *session.Session) error) (*cloverleaf.Component, func()) {
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		panic(err)
	}
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: "demo", Realm: "realm1", Transports: []cloverleaf.Transport{router.Transport()}, Main: main,
	})
	if err != nil {
		panic(err)
	}
	return comp, func() { _ = router.Close(context.Background()) }
}

// Listeners are told of the component's life, in order.
func Example_lifecycle() {
	comp, closeRouter := demo(nil)
	defer closeRouter()
	comp.OnConnect(func(context.Context) { fmt.Println("connect") })
	comp.OnJoin(func(_ context.Context, s *session.Session) error {
		fmt.Println("join", s.Realm())
		return nil
	})
	comp.OnReady(func(ctx context.Context, s *session.Session) error {
		fmt.Println("ready")
		return s.Leave(ctx)
	})
	comp.OnLeave(func(_ context.Context, _ *session.Session, reason error) { fmt.Println("leave:", reason) })
	comp.OnDisconnect(func(context.Context, error) { fmt.Println("disconnect") })
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output:
	// connect
	// join realm1
	// ready
	// leave: left: wamp.close.goodbye_and_out
	// disconnect
	// <nil>
}

// A panic is an error for the caller and an event; the session goes on.
func Example_panickingHandler() {
	comp, closeRouter := demo(func(ctx context.Context, s *session.Session) error {
		_, err := s.Call(ctx, "com.example.fragile")
		fmt.Println(session.ErrorURI(err))
		fmt.Println("the session is", s.Err() == nil)
		return nil
	})
	defer closeRouter()
	comp.Register("com.example.fragile", func() { panic("oops") })
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output:
	// wamp.error.runtime_error
	// the session is true
	// <nil>
}

// An error of Main gives up the session, and the component comes back after a delay, as often as
// Restarts allows.
func Example_supervisedRestart() {
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = router.Close(context.Background()) }()
	transport := router.Transport()
	transport.Backoff = supervisor.Backoff{Initial: 1, Max: 1} // nanoseconds
	runs := 0
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: "demo", Realm: "realm1", Transports: []cloverleaf.Transport{transport},
		Restarts: supervisor.Intensity{MaxRestarts: 2},
		Main: func(context.Context, *session.Session) error {
			runs++
			return errors.New("disk full")
		},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	fmt.Println(runs, "runs")
	// Output:
	// cloverleaf: component demo: supervisor: main: more restarts than 2 in 1m0s: main: disk full
	// 3 runs
}

// An actor of yours can serve a procedure: it is spawned and supervised under the session.
func ExampleComponent_RegisterActor() {
	comp, closeRouter := demo(func(ctx context.Context, s *session.Session) error {
		for range 3 {
			n, err := session.Call[int](ctx, s, "com.example.count")
			if err != nil {
				return err
			}
			fmt.Println(n)
		}
		return nil
	})
	defer closeRouter()
	comp.RegisterActor("com.example.count", actor.PropsFromProducer(func() actor.Actor { return &counter{} }))
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output:
	// 1
	// 2
	// 3
	// <nil>
}

type counter struct{ n int }

func (c *counter) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actors.Invocation); ok {
		c.n++
		ctx.Respond(c.n)
	}
}

// Components that share a runtime share its actor system.
func ExampleRuntime() {
	ctx := context.Background()
	server, closeRouter := demo(nil)
	defer closeRouter()
	server.Register("com.example.upper", func(s string) string { return s + "!" })

	rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
	if err := rt.Start(ctx, server); err != nil {
		panic(err)
	}
	s, err := server.Ready(ctx)
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for _, word := range []string{"hello", "hello"} {
		wg.Go(func() {
			text, err := session.Call[string](ctx, s, "com.example.upper", word)
			if err != nil {
				panic(err)
			}
			fmt.Println(text)
		})
	}
	wg.Wait()
	fmt.Println(rt.Stop(ctx))
	// Output:
	// hello!
	// hello!
	// <nil>
}

// A group starts its members in order, and those again that fail, here together with those that come
// after them. It stops them in reverse order.
func ExampleGroup() {
	ctx := context.Background()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		panic(err)
	}
	defer router.Close(ctx)
	member := func(name string) *cloverleaf.Component {
		comp, err := cloverleaf.NewComponent(cloverleaf.Config{
			Name: name, Realm: "realm1", Transports: []cloverleaf.Transport{router.Transport()},
		})
		if err != nil {
			panic(err)
		}
		comp.OnLeave(func(context.Context, *session.Session, error) { fmt.Println(name, "leaves") })
		return comp
	}
	store, api := member("store"), member("api")
	store.Prefix("com.example.store").RegisterAll(map[string]any{"get": func(key string) string { return "value of " + key }})
	api.OnJoin(func(ctx context.Context, s *session.Session) error {
		value, err := session.Call[string](ctx, s, "com.example.store.get", "color") // store is ready
		fmt.Println(value)
		return err
	})

	group, err := cloverleaf.NewGroup(cloverleaf.GroupConfig{
		Name: "shop", Strategy: supervisor.RestForOne, Ordered: true,
		Intensity: supervisor.Intensity{MaxRestarts: 3, Window: time.Minute},
	}, store, api)
	if err != nil {
		panic(err)
	}
	if err := group.Start(ctx); err != nil { // or cloverleaf.Run(ctx, group), until a signal
		fmt.Println(err)
		return
	}
	fmt.Println("ready:", group.WaitReady(ctx) == nil)
	fmt.Println("stopped:", group.Stop(ctx) == nil)
	// Output:
	// value of color
	// ready: true
	// api leaves
	// store leaves
	// stopped: true
}
