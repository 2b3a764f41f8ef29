// Command overview shows the two patterns of WAMP in one pair of programs: a remote procedure
// call, and publish and subscribe. Start a router, and then each in its own terminal:
//
//	cloverleaf router --demo
//	go run ./examples/overview backend
//	go run ./examples/overview frontend
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

// backend serves a procedure and publishes an event every second.
func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		return example.Every(ctx, func(int) error {
			_, err := s.Publish(ctx, "com.myapp.hello", session.Args("Hello, world!"))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

// frontend calls the procedure, waits for one event, and is done.
func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	events := make(chan string)
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
		if err != nil {
			return err
		}
		fmt.Println("Got result:", sum)
		if sum != 5 {
			return fmt.Errorf("2 + 3 is not %d", sum)
		}
		msg, err := example.Next(ctx, events)
		if err != nil {
			return err
		}
		fmt.Println("Got event:", msg)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.hello", func(ctx context.Context, msg string) {
		example.Put(ctx, events, msg)
	})
	return cloverleaf.Run(ctx, comp)
}
