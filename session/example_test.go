package session_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// run runs main in a component with some procedures, against a router in this process.
func run(main func(ctx context.Context, s *session.Session) error) {
	ctx := context.Background()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = router.Close(ctx) }()
	var failures session.ErrorMap
	failures.Define("com.example.error.not_found", errNotFound)
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "realm1", Transports: []cloverleaf.Transport{router.Transport()}, Main: main, Errors: &failures,
	})
	if err != nil {
		panic(err)
	}
	comp.Register("com.example.add", func(x, y int) int { return x + y })
	comp.Register("com.example.search", search)
	comp.Register("com.example.count", count)
	comp.Register("com.example.find", func(name string) error { return fmt.Errorf("%s: %w", name, errNotFound) })
	if err := cloverleaf.Run(ctx, comp); err != nil {
		fmt.Println(err)
	}
}

var errNotFound = errors.New("not found")

type searchOptions struct {
	Limit int  `json:"limit"`
	Exact bool `json:"exact"`
}

func search(text string, opts session.Kw[searchOptions]) session.Reply {
	return session.Reply{Args: []any{text + "-hit"}, KwArgs: map[string]any{"limit": opts.Value.Limit}}
}

func count(ctx context.Context, inv *session.Invocation, n int) (string, error) {
	for i := range n {
		if err := inv.Progress(ctx, i); err != nil {
			return "", err
		}
	}
	return "done", nil
}

func ExampleCall() {
	run(func(ctx context.Context, s *session.Session) error {
		sum, err := session.Call[int](ctx, s, "com.example.add", 2, 3)
		fmt.Println(sum, err)
		return nil
	})
	// Output: 5 <nil>
}

func ExampleSession_Call() {
	run(func(ctx context.Context, s *session.Session) error {
		res, err := s.Call(ctx, "com.example.search", session.Args("wamp"), session.KwArgs(searchOptions{Limit: 5}))
		if err != nil {
			return err
		}
		var hit string
		if err := res.Decode(&hit); err != nil {
			return err
		}
		kwargs, err := res.KwArgs()
		fmt.Println(hit, kwargs["limit"])
		return err
	})
	// Output: wamp-hit 5
}

func ExampleSession_Call_errors() {
	run(func(ctx context.Context, s *session.Session) error {
		_, err := s.Call(ctx, "com.example.nowhere")
		fmt.Println(session.ErrorURI(err), session.IsRemote(err))
		_, err = s.Call(ctx, "com.example.add", session.Args("one", 2))
		fmt.Println(session.ErrorURI(err))
		_, err = s.Call(ctx, "com.example.add", session.Args(make(chan int)))
		fmt.Println(session.ErrorURI(err), session.IsRemote(err))
		_, err = s.Call(ctx, "com.example.find", session.Args("joe"))
		fmt.Println(session.ErrorURI(err), errors.Is(err, errNotFound))
		return nil
	})
	// Output:
	// wamp.error.no_such_procedure true
	// wamp.error.invalid_argument
	// wamp.error.invalid_payload false
	// com.example.error.not_found true
}

func ExampleOnProgress() {
	run(func(ctx context.Context, s *session.Session) error {
		text, err := session.As[string](s.Call(ctx, "com.example.count", session.Args(3), session.OnProgress(func(r *session.Result) {
			var i int
			_ = r.Decode(&i)
			fmt.Println(i)
		})))
		fmt.Println(text)
		return err
	})
	// Output:
	// 0
	// 1
	// 2
	// done
}

func ExampleSession_Subscribe() {
	run(func(ctx context.Context, s *session.Session) error {
		numbers := make(chan int)
		sub, err := s.Subscribe(ctx, "com.example.counter", func(n int) { numbers <- n })
		if err != nil {
			return err
		}
		for i := range 3 {
			if _, err := s.Publish(ctx, "com.example.counter", session.Args(i), session.ExcludeMe(false)); err != nil {
				return err
			}
			fmt.Println(<-numbers)
		}
		return sub.Unsubscribe(ctx)
	})
	// Output:
	// 0
	// 1
	// 2
}

func ExampleSession_Register() {
	run(func(ctx context.Context, s *session.Session) error {
		reg, err := s.Register(ctx, "com.example.greet", func(name string) string { return "hello " + name })
		if err != nil {
			return err
		}
		text, err := session.Call[string](ctx, s, "com.example.greet", "joe")
		fmt.Println(text)
		return errors.Join(err, reg.Unregister(ctx))
	})
	// Output: hello joe
}
