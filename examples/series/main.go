// Command series has three sessions one after the other. A component that has ended may be
// started again; each session has a connection of its own.
//
//	cloverleaf router --demo
//	go run ./examples/series backend
//	go run ./examples/series frontend
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"backend": backend, "frontend": frontend})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.timeservice.now", func() string { return time.Now().UTC().Format("2006-01-02T15:04:05Z") })
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	for range 3 {
		if err := once(ctx, comp); err != nil {
			return err
		}
	}
	return nil
}

// once starts the component, uses its session, and stops it.
func once(ctx context.Context, comp *cloverleaf.Component) error {
	if err := comp.Start(ctx); err != nil {
		return err
	}
	defer comp.Stop(ctx)
	s, err := comp.Ready(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Realm joined, session", s.ID())
	now, err := session.Call[string](ctx, s, "com.timeservice.now")
	if err != nil {
		return err
	}
	fmt.Println("Current time from time service:", now)
	if err := s.Leave(ctx); err != nil {
		return err
	}
	fmt.Println("Realm left.")
	return comp.Wait()
}
