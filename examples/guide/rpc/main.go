// Command rpc registers a procedure, in one of two ways, and calls it.
//
//	cloverleaf router
//	go run ./examples/guide/rpc register # or declare
//	go run ./examples/guide/rpc call
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"register": register, "declare": declare, "call": call})
}

func add2(x, y int) int { return x + y }

// register registers by hand in each session. What fails is up to the program.
func register(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnJoin(func(ctx context.Context, s *session.Session) error {
		fmt.Println("session ready")
		if _, err := s.Register(ctx, "com.myapp.add2", add2); err != nil {
			return fmt.Errorf("could not register procedure: %w", err)
		}
		fmt.Println("procedure registered")
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}

// declare leaves it to the component. A refusal ends the session, see Config.OnRefused.
func declare(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.myapp.add2", add2)
	comp.OnReady(func(context.Context, *session.Session) error {
		fmt.Println("procedure registered")
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}

func call(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("session ready")
		sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
		if err != nil {
			return fmt.Errorf("call error: %w", err)
		}
		fmt.Println("call result:", sum)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
