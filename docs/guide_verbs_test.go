package docs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// within runs a component whose Main is f.
func within(f func(ctx context.Context, s *session.Session) error, declare ...func(*cloverleaf.Component)) {
	r, url := listen()
	defer r.Close(context.Background())
	comp := component(cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs(url), Main: f, Errors: userErrors()})
	for _, d := range declare {
		d(comp)
	}
	if err := cloverleaf.Run(context.Background(), comp); err != nil {
		fmt.Println(err)
	}
}

func Example_registering() {
	declared := func(comp *cloverleaf.Component) {
		comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
	}
	inJoin := func(comp *cloverleaf.Component) {
		comp.OnJoin(func(ctx context.Context, s *session.Session) error {
			registration, err := s.Register(ctx, "com.myapp.sub2", func(x, y int) int { return x - y })
			if err != nil {
				return err // gives up the session: such as wamp.error.procedure_already_exists
			}
			fmt.Println("registered", registration.Procedure())
			return nil
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
		fmt.Println("call result:", sum, err)
		_, err = session.Call[int](ctx, s, "com.myapp.add2", "two")
		fmt.Println("call error:", err)
		_, err = session.Call[int](ctx, s, "com.myapp.add3")
		fmt.Println("call error:", session.ErrorURI(err))
		return nil
	}, declared, inJoin)
	// Output:
	// registered com.myapp.sub2
	// call result: 5 <nil>
	// call error: session: call com.myapp.add2: wamp.error.invalid_argument: argument 0: want an integer, not text
	// call error: wamp.error.no_such_procedure
}

// user is what a procedure returns.
type user struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

// searchOptions are keyword values.
type searchOptions struct {
	Limit int    `json:"limit"`
	Sort  string `json:"sort"`
}

func Example_shapes() {
	handlers := func(comp *cloverleaf.Component) {
		comp.Register("com.myapp.ping", func() {})
		comp.Register("com.myapp.user", func(ctx context.Context, name string) (user, error) {
			return user{Name: name, Age: 42}, ctx.Err()
		})
		comp.Register("com.myapp.split", func(x, y int) (int, int) { return x / y, x % y })
		comp.Register("com.myapp.search", func(words ...string) session.Reply {
			return session.Reply{Args: []any{len(words)}, KwArgs: map[string]any{"words": words}}
		})
		comp.Register("com.myapp.list", func(o session.Kw[searchOptions]) string {
			return fmt.Sprint(o.Value.Limit, " by ", o.Value.Sort)
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		_, err := s.Call(ctx, "com.myapp.ping") // no result
		fmt.Println(err)

		u, err := session.Call[user](ctx, s, "com.myapp.user", "joe") // one result, a struct
		fmt.Println(u, err)

		res, err := s.Call(ctx, "com.myapp.split", session.Args(17, 5)) // several
		if err != nil {
			return err
		}
		var quotient, remainder int
		err = res.Decode(&quotient, &remainder)
		fmt.Println(quotient, remainder, err)

		res, err = s.Call(ctx, "com.myapp.search", session.Args("a", "b")) // keywords
		if err != nil {
			return err
		}
		var found struct{ Words []string }
		err = res.DecodeKw(&found)
		fmt.Println(found.Words, err)

		text, err := session.As[string](s.Call(ctx, "com.myapp.list", session.KwArgs(searchOptions{Limit: 3, Sort: "age"})))
		fmt.Println(text, err)
		return nil
	}, handlers)
	// Output:
	// <nil>
	// {joe 42} <nil>
	// 3 2 <nil>
	// [a b] <nil>
	// 3 by age <nil>
}

var errNoSuchUser = errors.New("there is no such user")

func userErrors() *session.ErrorMap {
	errs := new(session.ErrorMap)
	errs.Define("com.myapp.error.no_such_user", errNoSuchUser)
	return errs // Config.Errors of both sides
}

func Example_errors() {
	handler := func(comp *cloverleaf.Component) {
		comp.Register("com.myapp.delete", func(name string) error {
			if name == "" {
				return session.NewError("com.myapp.error.empty_name", "a name is needed")
			}
			return fmt.Errorf("delete %s: %w", name, errNoSuchUser)
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		_, err := s.Call(ctx, "com.myapp.delete", session.Args("joe"))
		fmt.Println(errors.Is(err, errNoSuchUser), session.ErrorURI(err))

		_, err = s.Call(ctx, "com.myapp.delete", session.Args(""))
		if refused, ok := errors.AsType[*session.Error](err); ok {
			fmt.Println(refused.URI, refused.Args)
		}
		return nil
	}, handler)
	// Output:
	// true com.myapp.error.no_such_user
	// com.myapp.error.empty_name [a name is needed]
}

func Example_progress() {
	handler := func(comp *cloverleaf.Component) {
		comp.Register("com.myapp.longop", func(ctx context.Context, inv *session.Invocation, n int) (int, error) {
			for i := range n {
				if err := inv.Progress(ctx, i); err != nil { // nothing, if the caller did not ask for it
					return 0, err
				}
			}
			return n, nil
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		progress := session.OnProgress(func(r *session.Result) {
			n, err := session.As[int](r, nil)
			fmt.Println("progress:", n, err)
		})
		res, err := session.As[int](s.Call(ctx, "com.myapp.longop", session.Args(3), progress))
		fmt.Println("result:", res, err)
		return nil
	}, handler)
	// Output:
	// progress: 0 <nil>
	// progress: 1 <nil>
	// progress: 2 <nil>
	// result: 3 <nil>
}

func Example_canceling() {
	interrupted := make(chan error, 1)
	handler := func(comp *cloverleaf.Component) {
		comp.Register("com.myapp.sleep", func(ctx context.Context) error {
			<-ctx.Done() // canceled, timed out, or the session is gone
			interrupted <- ctx.Err()
			return ctx.Err()
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		_, err := s.Call(ctx, "com.myapp.sleep", session.Timeout(10*time.Millisecond)) // the router's clock
		fmt.Println(session.ErrorURI(err), <-interrupted)

		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond) // your own
		defer cancel()
		_, err = s.Call(short, "com.myapp.sleep")
		fmt.Println(errors.Is(err, context.DeadlineExceeded), <-interrupted)
		return nil
	}, handler)
	// Output:
	// wamp.error.timeout context canceled
	// true context canceled
}

func Example_subscribing() {
	counted := make(chan int)
	declared := func(comp *cloverleaf.Component) {
		comp.Subscribe("com.myapp.oncounter", func(count int) {
			fmt.Println("event received:", count)
			counted <- count
		})
	}
	within(func(ctx context.Context, s *session.Session) error {
		subscription, err := s.Subscribe(ctx, "com.myapp.", func(ctx context.Context, ev *session.Event) error {
			fmt.Println("something happened:", ev.Topic())
			counted <- 0
			return nil
		}, session.Prefix())
		if err != nil {
			return fmt.Errorf("could not subscribe: %w", err)
		}
		others := session.ExcludeMe(false) // a publisher does not get its own events else
		if _, err := s.Publish(ctx, "com.myapp.onother", others); err != nil {
			return err
		}
		<-counted
		if err := subscription.Unsubscribe(ctx); err != nil {
			return err
		}
		_, err = s.Publish(ctx, "com.myapp.oncounter", session.Args(7), others)
		<-counted
		return err
	}, declared)
	// Output:
	// something happened: com.myapp.onother
	// event received: 7
}

func Example_publishing() {
	const second = time.Millisecond
	within(func(ctx context.Context, s *session.Session) error {
		ctx, stop := context.WithTimeout(ctx, 20*second)
		defer stop()
		publish := func() error {
			tick := time.NewTicker(second)
			defer tick.Stop()
			for counter := 0; ; counter++ {
				if _, err := s.Publish(ctx, "com.myapp.oncounter", session.Args(counter)); err != nil {
					return err // the session has ended
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return nil
				}
			}
		}
		if err := publish(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}

		id, err := s.Publish(context.Background(), "com.myapp.news", session.Args("hello"),
			session.Acknowledge(),                // wait until the router has taken it, or says why not
			session.EligibleAuthRole("frontend"), // who may have it
			session.Retain(),                     // keep it for later subscribers
			session.DiscloseMe(),                 // tell them who I am
		)
		fmt.Println(id != 0, err)

		_, err = s.Publish(context.Background(), "wamp.news", session.Acknowledge())
		fmt.Println(session.ErrorURI(err))
		return nil
	})
	// Output:
	// true <nil>
	// wamp.error.invalid_uri
}

func Example_lifecycle() {
	r, url := listen()
	defer r.Close(context.Background())
	comp := component(cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs(url)})

	comp.OnStart(func(context.Context) error { fmt.Println("started"); return nil })
	comp.OnConnect(func(context.Context) { fmt.Println("transport connected") })
	comp.OnJoin(func(_ context.Context, s *session.Session) error {
		fmt.Println("session joined", s.Realm())
		return nil
	})
	remove := comp.OnReady(func(ctx context.Context, s *session.Session) error {
		fmt.Println("ready: every join listener has returned, every declaration is acknowledged")
		return s.Leave(ctx)
	})
	comp.OnLeave(func(_ context.Context, _ *session.Session, reason error) { fmt.Println("session left:", reason) })
	comp.OnDisconnect(func(context.Context, error) { fmt.Println("transport disconnected") })
	comp.OnConnectFailure(func(_ context.Context, err error) { fmt.Println("attempt failed:", err) })

	fmt.Println(cloverleaf.Run(context.Background(), comp))
	remove() // listeners can be taken back
	// Output:
	// started
	// transport connected
	// session joined realm1
	// ready: every join listener has returned, every declaration is acknowledged
	// session left: left: wamp.close.goodbye_and_out
	// transport disconnected
	// <nil>
}

func Example_embedding() {
	r, url := listen()
	defer r.Close(context.Background())
	ctx := context.Background()
	comp := component(cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs(url)})

	if err := comp.Start(ctx); err != nil { // returns at once
		panic(err)
	}
	s, err := comp.Ready(ctx) // waits for a session, however long it takes
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Realm())
	stopping, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fmt.Println(comp.Stop(stopping)) // GOODBYE, and nothing is left behind
	// Output:
	// realm1
	// <nil>
}

func Example_logging() {
	r, url := listen()
	defer r.Close(context.Background())
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn})
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "realm1",
		Transports: cloverleaf.URLs(url),
		Logger:     slog.New(handler),
		Main:       func(context.Context, *session.Session) error { return nil },
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output: <nil>
}

// counter is an actor that serves a procedure.
type counter struct{ n int }

func (c *counter) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actors.Invocation); ok {
		c.n++
		ctx.Respond(c.n) // or a *actors.Result, an error, a *actors.Progress
	}
}

func Example_actors() {
	declared := func(comp *cloverleaf.Component) {
		comp.RegisterActor("com.myapp.count", actor.PropsFromProducer(func() actor.Actor { return new(counter) }))
	}
	within(func(ctx context.Context, s *session.Session) error {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = s.Call(ctx, "com.myapp.count") })
		}
		wg.Wait()
		n, err := session.Call[int](ctx, s, "com.myapp.count")
		fmt.Println(n, err)
		return nil
	}, declared)
	// Output: 3 <nil>
}
