// Command complex publishes events without a payload, and events with positional and keyword
// values, some of them structured.
//
//	cloverleaf router --demo
//	go run ./examples/pubsub/complex backend
//	go run ./examples/pubsub/complex frontend
package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

// payload are the keyword values of com.myapp.topic2.
type payload struct {
	C string `json:"c"`
	D object `json:"d"`
}

type object struct {
	Counter int   `json:"counter"`
	Foo     []int `json:"foo"`
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		return example.Every(ctx, func(counter int) error {
			fmt.Println("publish: com.myapp.heartbeat")
			if _, err := s.Publish(ctx, "com.myapp.heartbeat"); err != nil {
				return err
			}
			obj := object{Counter: counter, Foo: []int{1, 2, 3}}
			fmt.Println("publish: com.myapp.topic2", obj)
			_, err := s.Publish(ctx, "com.myapp.topic2",
				session.Args(rand.IntN(100), 23), session.KwArgs(payload{C: "Hello", D: obj}))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// frontend leaves when it has had some events of both topics. Keyword values are decoded into a
// struct, and an *session.Event has the details.
func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	heartbeats, objects := make(chan protocol.ID), make(chan object)
	cfg.Main = func(ctx context.Context, _ *session.Session) error {
		for range 5 {
			if _, err := example.Next(ctx, heartbeats); err != nil {
				return err
			}
			if _, err := example.Next(ctx, objects); err != nil {
				return err
			}
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.heartbeat", func(ctx context.Context, ev *session.Event) {
		fmt.Println("heartbeat, publication", ev.Publication())
		example.Put(ctx, heartbeats, ev.Publication())
	})
	comp.Subscribe("com.myapp.topic2", func(ctx context.Context, a, b int, kw session.Kw[payload]) {
		fmt.Println("Got event:", a, b, kw.Value.C, kw.Value.D)
		example.Put(ctx, objects, kw.Value.D)
	})
	return cloverleaf.Run(ctx, comp)
}
