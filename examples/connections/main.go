// Command connections runs two components in one program, each with a connection of its own. The
// program ends when both have ended, and one that fails would not touch the other.
//
//	cloverleaf router --demo
//	go run ./examples/connections
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"": run})
}

func run(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Name = "alice"
	alice, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	// A listener may leave, too; otherwise the component goes on until it is stopped.
	alice.OnReady(func(ctx context.Context, s *session.Session) error {
		fmt.Println("alice joined", s.Realm())
		if err := example.Sleep(ctx, 2*example.Interval()); err != nil {
			return err
		}
		fmt.Println("alice leaves")
		return s.Leave(ctx)
	})

	// Main is for a component that does something and is done: it leaves when Main returns.
	cfg.Name = "bob"
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("bob joined", s.Realm())
		err := example.Sleep(ctx, example.Interval())
		fmt.Println("bob is done")
		return err
	}
	bob, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, alice, bob)
}
