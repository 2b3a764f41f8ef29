// Command longer authenticates with a key, declares a procedure that takes its time, calls it with
// the same session, and leaves.
//
//	cloverleaf router --demo
//	go run ./examples/guide/longer
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.MainAt("ws://127.0.0.1:8080/auth_ws", "crossbardemo", example.Roles{"": run})
}

func run(ctx context.Context, cfg cloverleaf.Config) error {
	// This key is in every copy of this file. Yours belongs into one of its own, see
	// auth.ReadSigningKey.
	key, err := auth.ParseSigningKey("6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c")
	if err != nil {
		return err
	}
	alice := session.Cryptosign(key)
	alice.AuthID = "alice"
	cfg.Auth = []session.Authenticator{alice}
	// There may be several transports, each with options of its own. They are tried in turn.
	cfg.Transports[0].Options.HandshakeTimeout = 100 * time.Second

	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("joined", s)
		if err := example.Sleep(ctx, example.Interval()); err != nil {
			return err
		}
		fmt.Println("Calling 'example.foo'")
		result, err := session.As[int](s.Call(ctx, "example.foo",
			session.Args(42), session.KwArgs(map[string]any{"something": "nothing"})))
		if err != nil {
			return err
		}
		fmt.Println("Result:", result)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("example.foo", foo)
	return cloverleaf.Run(ctx, comp)
}

// foo takes any arguments. It could also have parameters of their types.
func foo(ctx context.Context, kwargs session.Kw[map[string]any], args ...any) (int, error) {
	fmt.Println("foo called:", args, kwargs.Value)
	for x := 5; x > 0; x-- {
		fmt.Println("  returning in", x)
		if err := example.Sleep(ctx, example.Interval()); err != nil {
			return 0, err // nobody wants the result any more
		}
	}
	fmt.Println("returning '42'")
	return 42, nil
}
