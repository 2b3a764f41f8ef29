// Command options uses the details of a call: the procedure learns who calls, and publishes
// something that the caller is excluded from.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/options backend
//	go run ./examples/rpc/options frontend
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
	comp.Register("com.myapp.square", square)
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

// square publishes what is not positive, zero only to others than the caller.
func square(ctx context.Context, inv *session.Invocation, x int) (int, error) {
	fmt.Println("square called from", inv.Details.Caller)
	if x > 0 {
		return x * x, nil
	}
	options := []session.PublishOption{session.Args(x)}
	if caller := inv.Details.Caller; x == 0 && caller != 0 {
		options = append(options, session.Exclude(caller))
	}
	_, err := inv.Session().Publish(ctx, "com.myapp.square_on_nonpositive", options...)
	return x * x, err
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	published := make(chan int)
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		for _, x := range []int{2, 0, -2} {
			// The caller is told to the callee if it says so, or if the router is configured to.
			result, err := session.As[int](s.Call(ctx, "com.myapp.square", session.Args(x), session.DiscloseMe()))
			if err != nil {
				return err
			}
			fmt.Printf("Squared %d = %d\n", x, result)
		}
		x, err := example.Next(ctx, published)
		if err == nil && x != -2 {
			err = fmt.Errorf("got the event of %d, which was to be excluded", x)
		}
		return err
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.myapp.square_on_nonpositive", func(ctx context.Context, x int) {
		fmt.Println("Someone requested to square non-positive:", x)
		example.Put(ctx, published, x)
	})
	return cloverleaf.Run(ctx, comp)
}
