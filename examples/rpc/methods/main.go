// Command methods registers methods of objects, each under a URI of its own.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/methods backend
//	go run ./examples/rpc/methods frontend
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

// service is any object. Its methods may run at the same time, so fields that change need a lock.
type service struct{ name string }

func (s *service) add2(x, y int) int { return s.log("add2", x+y) }

func (s *service) mul2(x, y int) int { return s.log("mul2", x*y) }

func (s *service) square2(x, y int) int { return s.log("square2", x*x+y*y) }

func (s *service) div2(x, y float64) float64 {
	if y == 0 {
		return 0
	}
	return x / y
}

func (s *service) log(method string, result int) int {
	fmt.Println(s.name, method, "returns", result)
	return result
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	first, second := &service{name: "first"}, &service{name: "second"}
	comp.Register("com.mathservice.add2", first.add2)
	comp.Register("com.mathservice.mul2", first.mul2)
	comp.Register("com.mathservice.square2", second.square2)
	comp.Register("com.mathservice.div2", second.div2)
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		for _, procedure := range []string{
			"com.mathservice.add2", "com.mathservice.mul2", "com.mathservice.square2", "com.mathservice.div2",
		} {
			result, err := session.Call[float64](ctx, s, procedure, 2, 3)
			if err != nil {
				return err
			}
			fmt.Printf("%s: %.3g\n", procedure, result)
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
