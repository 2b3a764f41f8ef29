// Command rawsocket uses WAMP without WebSocket: the backend over a unix socket, the frontend over
// TCP. Nothing but the URL differs.
//
//	cloverleaf router --listen unix:/tmp/wamp.sock --listen 127.0.0.1:8080
//	go run ./examples/rawsocket backend --url rs+unix:///tmp/wamp.sock
//	go run ./examples/rawsocket frontend
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
	example.MainAt("rs://127.0.0.1:8080", "realm1", example.Roles{"backend": backend, "frontend": frontend})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("connected by", s.Details().Transport, "with", s.Details().Serializer)
		return example.Every(ctx, func(int) error {
			_, err := s.Publish(ctx, "com.myapp.hello", session.Args("Hello, world! Time is "+time.Now().UTC().Format(time.RFC3339)))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		fmt.Println("connected by", s.Details().Transport, "with", s.Details().Serializer)
		for count := range 3 {
			sum, err := session.Call[int](ctx, s, "com.myapp.add2", count, count+1)
			if err != nil {
				return err
			}
			fmt.Println("Got result:", sum)
			if err := example.Sleep(ctx, 2*example.Interval()); err != nil {
				return err
			}
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.hello", func(msg string) { fmt.Println("Got event:", msg) })
	return cloverleaf.Run(ctx, comp)
}
