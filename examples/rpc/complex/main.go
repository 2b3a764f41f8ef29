// Command complex shows results that are more than one value: keyword values, and several
// positional ones.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/complex backend
//	go run ./examples/rpc/complex frontend
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

// number are the keyword values of com.myapp.add_complex.
type number struct {
	C  int `json:"c"`
	CI int `json:"ci"`
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.myapp.add_complex", func(a, ai, b, bi int) session.Reply {
		return session.Reply{KwArgs: number{C: a + b, CI: ai + bi}}
	})
	comp.Register("com.myapp.split_name", func(fullname string) (forename, surname string) {
		forename, surname, _ = strings.Cut(fullname, " ")
		return forename, surname
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		res, err := s.Call(ctx, "com.myapp.add_complex", session.Args(2, 3, 4, 5))
		if err != nil {
			return err
		}
		var sum number
		if err := res.DecodeKw(&sum); err != nil {
			return err
		}
		fmt.Printf("Result: %d + %di\n", sum.C, sum.CI)
		if want := (number{C: 6, CI: 8}); sum != want {
			return fmt.Errorf("got %v, not %v", sum, want)
		}

		res, err = s.Call(ctx, "com.myapp.split_name", session.Args("Homer Simpson"))
		if err != nil {
			return err
		}
		var forename, surname string
		if err := res.Decode(&forename, &surname); err != nil {
			return err
		}
		fmt.Printf("Forename: %s, Surname: %s\n", forename, surname)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
