// Command options publishes with an acknowledgement, and so that the publisher gets its own
// event. The subscriber prints the details of the event: its publication and who published it.
//
//	cloverleaf router --demo
//	go run ./examples/pubsub/options backend
//	go run ./examples/pubsub/options frontend
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
			// Only an acknowledged publication has an id, and can be refused.
			id, err := s.Publish(ctx, "com.myapp.topic1", session.Args(counter),
				session.Acknowledge(), session.ExcludeMe(false), session.DiscloseMe())
			if err != nil {
				return err
			}
			fmt.Println("Published with publication ID", id)
			return nil
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.topic1", func(counter int) { fmt.Println("Got event:", counter) })
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	received := 0
	comp.Subscribe("com.myapp.topic1", func(ctx context.Context, ev *session.Event, counter int) error {
		// The publisher is 0 if neither it nor the router discloses who it is.
		fmt.Printf("Got event, publication ID %d, publisher %d: %d\n", ev.Publication(), ev.Details.Publisher, counter)
		if received++; received < 5 {
			return nil
		}
		return ev.Session().Leave(ctx)
	})
	return cloverleaf.Run(ctx, comp)
}
