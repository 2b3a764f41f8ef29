// Command errors shows how errors travel: a plain Go error, an error with a URI and values, and a
// Go error type that a URI stands for on both sides.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/errors backend
//	go run ./examples/rpc/errors frontend
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

// tooSmallError is an error of the application. It has a URI by errorMap.
type tooSmallError struct{ By int }

func (e *tooSmallError) Error() string { return fmt.Sprintf("too small by %d", e.By) }

// errorMap translates between Go errors and URIs.
func errorMap() *session.ErrorMap {
	m := new(session.ErrorMap)
	session.DefineError(m, "com.myapp.error1",
		func(e *tooSmallError) ([]any, map[string]any) { return []any{e.By}, nil },
		func(e *session.Error) (*tooSmallError, error) {
			local := new(tooSmallError)
			return local, e.Decode(&local.By)
		})
	return m
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Errors = errorMap()
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.myapp.sqrt", sqrt)
	comp.Register("com.myapp.checkname", checkName)
	comp.Register("com.myapp.compare", func(a, b int) error {
		if a < b {
			return &tooSmallError{By: b - a}
		}
		return nil
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

// sqrt fails with plain errors, which are sent as wamp.error.runtime_error.
func sqrt(x float64) (float64, error) {
	switch {
	case x == 0:
		return 0, errors.New("don't ask foolish questions;)")
	case x < 0:
		return 0, errors.New("math domain error")
	default:
		return math.Sqrt(x), nil
	}
}

// checkName fails with URIs and values.
func checkName(name string) error {
	switch {
	case name == "foo" || name == "bar":
		return session.NewError("com.myapp.error.reserved")
	case strings.ToLower(name) != strings.ToUpper(name):
		return session.NewError("com.myapp.error.mixed_case", strings.ToLower(name), strings.ToUpper(name))
	case len(name) < 3 || len(name) > 10:
		return &session.Error{URI: "com.myapp.error.invalid_length", KwArgs: map[string]any{"min": 3, "max": 10}}
	default:
		return nil
	}
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Errors = errorMap()
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		for _, x := range []float64{2, 0, -2} {
			root, err := session.Call[float64](ctx, s, "com.myapp.sqrt", x)
			if err != nil {
				fmt.Println("Error:", err)
				continue
			}
			fmt.Printf("Result: %.4f\n", root)
		}
		if err := checkNames(ctx, s); err != nil {
			return err
		}
		_, err := s.Call(ctx, "com.myapp.compare", session.Args(3, 17))
		tooSmall, ok := errors.AsType[*tooSmallError](err)
		if !ok {
			return errors.Join(errors.New("compare: not the error that was expected"), err)
		}
		fmt.Println("Compare Error:", tooSmall)
		fmt.Println("Exiting; we received only errors we expected.")
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func checkNames(ctx context.Context, s *session.Session) error {
	for name, want := range map[string]protocol.URI{
		"foo":                   "com.myapp.error.reserved",
		"a":                     "com.myapp.error.mixed_case",
		strings.Repeat("*", 11): "com.myapp.error.invalid_length",
		"Hello":                 "com.myapp.error.mixed_case",
	} {
		_, err := s.Call(ctx, "com.myapp.checkname", session.Args(name))
		wampError, ok := errors.AsType[*session.Error](err)
		if !ok || wampError.URI != want {
			return errors.Join(fmt.Errorf("check %q: want %s", name, want), err)
		}
		fmt.Println("Error:", name, wampError.URI, wampError.Args, wampError.KwArgs)
	}
	return nil
}
