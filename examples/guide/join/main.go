// Command join is the smallest component: it joins a realm and says so, again whenever the
// connection was lost and is there again, until it is interrupted.
//
//	cloverleaf router
//	go run ./examples/guide/join
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"": run})
}

// run gets cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs("ws://127.0.0.1:8080/ws")},
// unless flags say otherwise.
func run(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnJoin(func(_ context.Context, s *session.Session) error {
		fmt.Println("session ready:", s)
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}
