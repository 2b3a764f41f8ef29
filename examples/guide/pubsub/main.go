// Command pubsub subscribes to a topic, in one of two ways, and publishes to it in a loop.
//
//	cloverleaf router
//	go run ./examples/guide/pubsub subscribe # or declare
//	go run ./examples/guide/pubsub publish
package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	count := flag.Int("count", 0, "`NUMBER` of events to publish; 0 is no end")
	example.Main("realm1", example.Roles{"subscribe": subscribe, "declare": declare, "publish": publish(count)})
}

func onCounter(count int) { fmt.Println("event received:", count) }

// subscribe subscribes by hand in each session. What fails is up to the program.
func subscribe(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnJoin(func(ctx context.Context, s *session.Session) error {
		fmt.Println("session ready")
		if _, err := s.Subscribe(ctx, "com.myapp.oncounter", onCounter); err != nil {
			return fmt.Errorf("could not subscribe to topic: %w", err)
		}
		fmt.Println("subscribed to topic")
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}

// declare leaves it to the component.
func declare(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.oncounter", onCounter)
	comp.OnReady(func(context.Context, *session.Session) error {
		fmt.Println("subscribed to topic")
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}

// publish publishes a counter. Publish waits for the router only if it is asked to.
func publish(count *int) func(context.Context, cloverleaf.Config) error {
	return func(ctx context.Context, cfg cloverleaf.Config) error {
		cfg.Main = func(ctx context.Context, s *session.Session) error {
			for counter := 0; *count == 0 || counter < *count; counter++ {
				if _, err := s.Publish(ctx, "com.myapp.oncounter", session.Args(counter)); err != nil {
					return err
				}
				if err := example.Sleep(ctx, example.Interval()); err != nil {
					return err
				}
			}
			return nil
		}
		comp, err := cloverleaf.NewComponent(cfg)
		if err != nil {
			return err
		}
		return cloverleaf.Run(ctx, comp)
	}
}
