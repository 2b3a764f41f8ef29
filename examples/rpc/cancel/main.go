// Command cancel cancels calls: one because the caller does not want it any more, and one because
// its time is up. The procedure learns of both by the end of its context.
//
//	cloverleaf router --demo
//	go run ./examples/rpc/cancel backend
//	go run ./examples/rpc/cancel frontend
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"backend": backend, "frontend": frontend})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.example.wait", func(ctx context.Context, inv *session.Invocation) error {
		fmt.Println("waiting")
		if err := inv.Progress(ctx); err != nil { // tells the caller that it has begun
			return err
		}
		<-ctx.Done()
		fmt.Println("stopped:", inv.Reason())
		return ctx.Err()
	})
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		// A call whose context ends is canceled, and fails with the context's error.
		callCtx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := s.Call(callCtx, "com.example.wait", session.OnProgress(func(*session.Result) {
			fmt.Println("canceling the call")
			cancel()
		}))
		if !errors.Is(err, context.Canceled) {
			return errors.Join(errors.New("the call was not canceled"), err)
		}
		fmt.Println("canceled:", err)

		// A call with a timeout is canceled by the router.
		_, err = s.Call(ctx, "com.example.wait", session.Timeout(100*time.Millisecond))
		if session.ErrorURI(err) != protocol.ErrorTimeout {
			return errors.Join(errors.New("the call did not time out"), err)
		}
		fmt.Println("timed out:", err)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
