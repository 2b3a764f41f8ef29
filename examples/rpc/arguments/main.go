// Command arguments shows procedures with all kinds of arguments: none, positional ones, keyword
// arguments, some of which have defaults, and any number of either.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/arguments backend
//	go run ./examples/rpc/arguments frontend
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

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.arguments.ping", func() {})
	comp.Register("com.arguments.add2", func(a, b int) int { return a + b })
	comp.Register("com.arguments.stars", stars)
	comp.Register("com.arguments.orders", orders)
	comp.Register("com.arguments.arglen", func(kwargs session.Kw[map[string]any], args ...any) []int {
		return []int{len(args), len(kwargs.Value)}
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

type rating struct {
	Nick  string `json:"nick,omitempty"`
	Stars int    `json:"stars,omitempty"`
}

// stars has keyword arguments. One that is absent leaves its field at zero.
func stars(kwargs session.Kw[rating]) string {
	r := kwargs.Value
	if r.Nick == "" {
		r.Nick = "somebody"
	}
	return fmt.Sprintf("%s starred %dx", r.Nick, r.Stars)
}

type paging struct {
	Limit *int `json:"limit"`
}

// orders tells a keyword argument that is absent from one that is zero by a pointer.
func orders(product string, kwargs session.Kw[paging]) []string {
	limit := 5
	if kwargs.Value.Limit != nil {
		limit = min(max(*kwargs.Value.Limit, 0), 50)
	}
	list := make([]string, limit)
	for i := range list {
		list[i] = fmt.Sprintf("Product %d", i)
	}
	return list
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		if _, err := s.Call(ctx, "com.arguments.ping"); err != nil {
			return err
		}
		fmt.Println("Pinged!")

		sum, err := session.Call[int](ctx, s, "com.arguments.add2", 2, 3)
		if err != nil {
			return err
		}
		fmt.Println("Add2:", sum)

		// The generic Call is for positional values. With options, As decodes the result.
		for i, r := range []rating{{}, {Nick: "Homer"}, {Stars: 5}, {Nick: "Homer", Stars: 5}} {
			starred, err := session.As[string](s.Call(ctx, "com.arguments.stars", session.KwArgs(r)))
			if err != nil {
				return err
			}
			fmt.Printf("Starred %d: %s\n", i+1, starred)
		}
		if err := order(ctx, s); err != nil {
			return err
		}
		return countArguments(ctx, s)
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func order(ctx context.Context, s *session.Session) error {
	list, err := session.Call[[]string](ctx, s, "com.arguments.orders", "coffee")
	if err != nil {
		return err
	}
	fmt.Println("Orders 1:", list)
	limit := 10
	list, err = session.As[[]string](s.Call(ctx, "com.arguments.orders",
		session.Args("coffee"), session.KwArgs(paging{Limit: &limit})))
	if err != nil {
		return err
	}
	fmt.Println("Orders 2:", list)
	if len(list) != limit {
		return fmt.Errorf("ordered %d, got %d", limit, len(list))
	}
	return nil
}

func countArguments(ctx context.Context, s *session.Session) error {
	args, kwargs := session.Args(1, 2, 3), session.KwArgs(map[string]any{"a": 1, "b": 2, "c": 3})
	for i, opts := range [][]session.CallOption{{}, {args}, {kwargs}, {args, kwargs}} {
		lengths, err := session.As[[2]int](s.Call(ctx, "com.arguments.arglen", opts...))
		if err != nil {
			return err
		}
		fmt.Printf("Arglen %d: %v\n", i+1, lengths)
	}
	return nil
}
