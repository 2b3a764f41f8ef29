// Command basic publishes an event every second, and subscribes to it. The subscriber leaves
// after five events.
//
//	cloverleaf router --demo
//	go run ./examples/pubsub/basic backend
//	go run ./examples/pubsub/basic frontend
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

// backend publishes a counter. Its Main runs in every session, and starts anew when the
// connection was lost and is there again.
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

const maxEvents = 5

// frontend leaves from the handler itself: a component whose session is left is done.
func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	received := 0 // the handlers of one topic run one after the other, so this needs no lock
	comp.Subscribe("com.myapp.topic1", func(ctx context.Context, ev *session.Event, counter int) error {
		fmt.Println("Got event:", counter)
		if received++; received < maxEvents {
			return nil
		}
		fmt.Println("Received enough events; leaving.")
		return ev.Session().Leave(ctx)
	})
	return cloverleaf.Run(ctx, comp)
}
