// Command meta listens to everything that happens in a realm, by a subscription whose prefix is
// empty: sessions that come and go, registrations, subscriptions, and all events of applications.
//
//	cloverleaf router --demo
//	go run ./examples/meta backend
//	go run ./examples/meta listener
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "listener": listener})
}

// backend does a bit of everything, again and again.
func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("ready")
		return example.Every(ctx, func(counter int) error { return doSomething(ctx, s, counter) })
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func doSomething(ctx context.Context, s *session.Session, counter int) error {
	if _, err := s.Publish(ctx, fmt.Sprintf("event.foo.%d", counter), session.Args("some data")); err != nil {
		return err
	}
	sub, err := s.Subscribe(ctx, fmt.Sprintf("event.sub_%d", counter), func() {})
	if err != nil {
		return err
	}
	procedure := fmt.Sprintf("event.rpc.test_%d", counter)
	reg, err := s.Register(ctx, procedure, func() int { return 42 })
	if err != nil {
		return err
	}
	result, err := session.Call[int](ctx, s, procedure)
	if err != nil {
		return err
	}
	fmt.Println("called", procedure, "with result", result)
	if err := reg.Unregister(ctx); err != nil {
		return err
	}
	return sub.Unsubscribe(ctx)
}

// listener leaves when it has seen an event of each kind that the backend causes.
func listener(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	missing := map[string]bool{
		"wamp.subscription.on_create": true, "wamp.subscription.on_subscribe": true,
		"wamp.subscription.on_unsubscribe": true, "wamp.subscription.on_delete": true,
		"wamp.registration.on_create": true, "wamp.registration.on_register": true,
		"wamp.registration.on_unregister": true, "wamp.registration.on_delete": true,
	}
	comp.Subscribe("", func(ctx context.Context, ev *session.Event, args ...any) error {
		fmt.Println("meta:", ev.Topic(), args)
		delete(missing, string(ev.Topic()))
		if len(missing) > 0 {
			return nil
		}
		fmt.Println("I have seen it all.")
		return ev.Session().Leave(ctx)
	}, session.Prefix())
	return cloverleaf.Run(ctx, comp)
}
