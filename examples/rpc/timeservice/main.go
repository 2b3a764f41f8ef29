// Command timeservice is the "hello, world" of remote procedure calls: a procedure that tells the
// time.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/timeservice backend
//	go run ./examples/rpc/timeservice frontend
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
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
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
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		now, err := session.Call[time.Time](ctx, s, "com.timeservice.now")
		if err != nil {
			return err
		}
		fmt.Println("Current time from time service:", now)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
