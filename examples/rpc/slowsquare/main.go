// Command slowsquare makes two calls at once, of a slow procedure and a quick one. The answer of
// the second call comes first: nobody waits for others.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/slowsquare backend
//	go run ./examples/rpc/slowsquare frontend
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	comp.Register("com.math.square", func(x int) int { return x * x })
	comp.Register("com.math.slowsquare", func(ctx context.Context, x int) (int, error) {
		return x * x, example.Sleep(ctx, example.Interval())
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		var slow, quick error
		var wg sync.WaitGroup
		wg.Go(func() { slow = square(ctx, s, "Slow Square", "com.math.slowsquare") })
		wg.Go(func() { quick = square(ctx, s, "Quick Square", "com.math.square") })
		wg.Wait()
		fmt.Println("All finished.")
		return errors.Join(slow, quick)
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func square(ctx context.Context, s *session.Session, name, procedure string) error {
	started := time.Now()
	result, err := session.Call[int](ctx, s, procedure, 3)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d in %v\n", name, result, time.Since(started).Round(time.Millisecond))
	return nil
}
