// Command components runs several components in one program, in two realms that know nothing of
// each other, and connects these: a gateway passes calls on from one realm to the other.
//
//	cloverleaf router --demo
//	go run ./examples/guide/components
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
	inner := flag.String("inner", "crossbardemo", "`NAME` of the realm behind the gateway")
	example.Main("realm1", example.Roles{"": func(ctx context.Context, cfg cloverleaf.Config) error {
		return run(ctx, cfg, *inner)
	}})
}

func run(ctx context.Context, cfg cloverleaf.Config, inner string) error {
	behind := cfg
	behind.Name, behind.Realm = "service", inner
	service, err := cloverleaf.NewComponent(behind)
	if err != nil {
		return err
	}
	service.Register("com.myapp.add2", func(x, y int) int {
		fmt.Println("add2 called in", inner)
		return x + y
	})

	front := cfg
	front.Name = "gateway"
	gateway, err := cloverleaf.NewComponent(front)
	if err != nil {
		return err
	}
	gateway.Register("com.myapp.add2", func(ctx context.Context, x, y int) (int, error) {
		s, err := service.Ready(ctx) // the present session in the other realm
		if err != nil {
			return 0, err
		}
		return session.Call[int](ctx, s, "com.myapp.add2", x, y)
	})

	cfg.Name = "client"
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
		fmt.Println("called in", s.Realm(), "with result", sum)
		return err
	}
	client, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}

	// A runtime runs components beside other things, for as long as it is wanted. Run is for the
	// components that the program is about.
	background := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{Logger: cfg.Logger})
	defer background.Stop(context.WithoutCancel(ctx))
	for _, comp := range []*cloverleaf.Component{service, gateway} {
		if err := background.Start(ctx, comp); err != nil {
			return err
		}
		if _, err := comp.Ready(ctx); err != nil {
			return err
		}
	}
	return cloverleaf.Run(ctx, client)
}
