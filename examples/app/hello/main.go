// Command hello serves a procedure that calls another one.
//
//	cloverleaf router --demo
//	go run ./examples/app/hello backend
//	go run ./examples/app/hello frontend
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.example.add2", func(a, b int) int {
		fmt.Println("add2() called")
		return a + b
	})
	comp.Register("com.example.hello", func(ctx context.Context, inv *session.Invocation) (string, error) {
		fmt.Println("hello() called")
		sum, err := session.Call[int](ctx, inv.Session(), "com.example.add2", 2, 3)
		return fmt.Sprint("Hello ", sum), err
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		greeting, err := session.Call[string](ctx, s, "com.example.hello")
		if err != nil {
			return err
		}
		fmt.Println(greeting)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
