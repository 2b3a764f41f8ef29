// Command unsubscribe takes five events, unsubscribes, waits, subscribes again for five more, and
// leaves.
//
//	cloverleaf router --demo
//	go run ./examples/pubsub/unsubscribe backend
//	go run ./examples/pubsub/unsubscribe frontend
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
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		return example.Every(ctx, func(counter int) error {
			fmt.Println("publish: com.myapp.topic1", counter)
			_, err := s.Publish(ctx, "com.myapp.topic1", session.Args(counter))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// frontend subscribes by hand, and not by a declaration, because it wants to say when.
func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		if err := takeFive(ctx, s); err != nil {
			return err
		}
		fmt.Println("Unsubscribed; going on after a while.")
		if err := example.Sleep(ctx, 5*example.Interval()); err != nil {
			return err
		}
		return takeFive(ctx, s)
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func takeFive(ctx context.Context, s *session.Session) error {
	events := make(chan int)
	done := make(chan struct{})
	sub, err := s.Subscribe(ctx, "com.myapp.topic1", func(counter int) {
		select {
		case events <- counter:
		case <-done:
		}
	})
	if err != nil {
		return err
	}
	fmt.Println("Subscribed with subscription ID", sub.ID())
	defer close(done)
	for range 5 {
		counter, err := example.Next(ctx, events)
		if err != nil {
			return err
		}
		fmt.Println("Got event:", counter)
	}
	return sub.Unsubscribe(ctx)
}
