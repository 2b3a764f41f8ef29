// Command progress shows progressive results: a procedure tells how far it is, to callers that
// want to know.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/progress backend
//	go run ./examples/rpc/progress frontend
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
	comp.Register("com.myapp.longop", longOperation)
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

// longOperation takes n steps. Progress does nothing if the caller did not ask for it.
func longOperation(ctx context.Context, inv *session.Invocation, n int) (int, error) {
	for i := range n {
		if err := inv.Progress(ctx, i); err != nil {
			return 0, err
		}
		if err := example.Sleep(ctx, example.Interval()); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		steps := 0
		final, err := session.As[int](s.Call(ctx, "com.myapp.longop", session.Args(3),
			session.OnProgress(func(res *session.Result) {
				var step int
				if res.Decode(&step) == nil {
					fmt.Println("Progress:", step)
					steps++
				}
			})))
		if err != nil {
			return err
		}
		fmt.Println("Final:", final)

		// The same procedure is an ordinary one for callers that do not ask for progress.
		final, err = session.Call[int](ctx, s, "com.myapp.longop", 2)
		if err != nil {
			return err
		}
		fmt.Println("Without progress:", final)
		if steps != 3 {
			return fmt.Errorf("there were %d progressive results, not 3", steps)
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
