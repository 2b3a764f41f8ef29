// Command component is a backend with a procedure that takes a while, and clients of it: one that
// calls it from Main, one that does not wait for the result, and two that authenticate, by WAMP-CRA and
// by SCRAM. The one with WAMP-CRA tries to do what it may not, too.
//
//	cloverleaf router --demo
//	go run ./examples/component backend
//	go run ./examples/component frontend
//	go run ./examples/component cancel
//	go run ./examples/component wampcra
//	go run ./examples/component scram
//
// The role credential makes what a router stores for a user who authenticates by SCRAM:
//
//	go run ./examples/component credential --password p4ssw0rd
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	password := flag.String("password", "p4ssw0rd", "`PASSWORD` to make a credential of")
	example.MainAt("ws://127.0.0.1:8080/auth_ws", "crossbardemo", example.Roles{
		"backend": backend, "frontend": frontend, "cancel": cancel, "wampcra": wampCRA, "scram": scram,
		"credential": func(context.Context, cloverleaf.Config) error { return credential(*password) },
	})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	// Options of the connection are those of its transport.
	cfg.Transports[0].Options.HandshakeTimeout = 100 * time.Second
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnJoin(func(_ context.Context, s *session.Session) error {
		fmt.Println("joined", s)
		return nil
	})
	comp.Register("example.foo", func(ctx context.Context, args ...any) (int, error) {
		fmt.Println("foo", args)
		for x := 5; x > 0; x-- {
			fmt.Println("  returning in", x)
			if err := example.Sleep(ctx, example.Interval()); err != nil {
				fmt.Println("nobody waits for foo any more")
				return 0, err
			}
		}
		fmt.Println("returning '42'")
		return 42, nil
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = call
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func call(ctx context.Context, s *session.Session) error {
	fmt.Println("calling 'example.foo'")
	result, err := session.Call[int](ctx, s, "example.foo")
	if err != nil {
		return err
	}
	fmt.Println("example.foo() =", result)
	if result != 42 {
		return errors.New("that is wrong")
	}
	return nil
}

// wampCRA is a frontend of bob, who may not do everything.
func wampCRA(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Auth = []session.Authenticator{session.CRA("bob", "p4ssw0rd")}
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		_, err := s.Register(ctx, "com.foo.private", func() {})
		if session.ErrorURI(err) != protocol.ErrorNotAuthorized {
			return errors.Join(errors.New("com.foo.private should have been refused"), err)
		}
		fmt.Println("com.foo.private was refused, as expected")
		return call(ctx, s)
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// scram is a frontend of carol. Deriving her keys takes a second or two.
func scram(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Auth = []session.Authenticator{session.SCRAM("carol", "p4ssw0rd")}
	return frontend(ctx, cfg)
}

func cancel(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		ctx, cancel := context.WithTimeout(ctx, 2*example.Interval())
		defer cancel()
		_, err := s.Call(ctx, "example.foo", session.Args("some", "args"))
		if !errors.Is(err, context.DeadlineExceeded) {
			return errors.Join(errors.New("somehow the call was not canceled"), err)
		}
		fmt.Println("call was canceled successfully")
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
