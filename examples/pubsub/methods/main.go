// Command methods subscribes methods of an object, each to a topic of its own.
//
//	cloverleaf router --demo
//	go run ./examples/pubsub/methods backend
//	go run ./examples/pubsub/methods frontend
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
			if _, err := s.Publish(ctx, "com.myapp.topic1", session.Args(counter)); err != nil {
				return err
			}
			fmt.Println("publish: com.myapp.topic2")
			_, err := s.Publish(ctx, "com.myapp.topic2", session.Args("Hello world."))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// listener is any object. Handlers of different topics run at the same time, so what they share
// needs a lock, or a channel as here.
type listener struct{ greetings chan string }

func (l *listener) onEvent1(counter int) { fmt.Println("Got event on topic1:", counter) }

func (l *listener) onEvent2(ctx context.Context, msg string) {
	fmt.Println("Got event on topic2:", msg)
	example.Put(ctx, l.greetings, msg)
}

// wait returns after five greetings.
func (l *listener) wait(ctx context.Context, _ *session.Session) error {
	for range 5 {
		if _, err := example.Next(ctx, l.greetings); err != nil {
			return err
		}
	}
	return nil
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	l := &listener{greetings: make(chan string)}
	cfg.Main = l.wait
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.topic1", l.onEvent1)
	comp.Subscribe("com.myapp.topic2", l.onEvent2)
	return cloverleaf.Run(ctx, comp)
}
