// Command subscribe subscribes when it is called, and not from the start.
//
//	cloverleaf router --demo
//	go run ./examples/app/subscribe backend
//	go run ./examples/app/subscribe frontend
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"backend": backend, "frontend": frontend})
}

// backend subscribes with the session that was called, for as long as that lasts. The component's
// own Subscribe works while it runs, too, and is for all later sessions as well.
func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.example.triggersubscribe", func(ctx context.Context, inv *session.Invocation) error {
		fmt.Println("triggersubscribe() called")
		_, err := inv.Session().Subscribe(ctx, "com.example.topic1", func(msg string) { fmt.Println("got event:", msg) })
		return err
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		// The call returns when the backend has subscribed, so the event reaches it.
		if _, err := s.Call(ctx, "com.example.triggersubscribe"); err != nil {
			return err
		}
		_, err := s.Publish(ctx, "com.example.topic1", session.Args("Hello!"), session.Acknowledge())
		fmt.Println("published")
		return err
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
