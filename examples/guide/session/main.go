// Command session has a type of its own for sessions, whose methods are called in the life of each:
// for programs that were written that way, or that keep something for each session.
//
//	cloverleaf router
//	go run ./examples/guide/session
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("realm1", example.Roles{"": run})
}

// custom is one session. It embeds the session itself, so it has the methods of that.
type custom struct {
	*session.Session

	limit int
}

func newCustom(cfg cloverleaf.SessionConfig) *custom {
	fmt.Println("session created for", cfg.Realm)
	limit, _ := cfg.Extra.(int)
	return &custom{limit: limit}
}

// OnConnect is called before HELLO is sent, and may change it.
func (c *custom) OnConnect(context.Context, *protocol.Hello) error {
	fmt.Println("transport connected")
	return nil
}

// OnJoin is called when the realm has been joined.
func (c *custom) OnJoin(ctx context.Context, _ *session.Session) error {
	fmt.Println("session joined")
	_, err := c.Register(ctx, "com.myapp.limit", func() int { return c.limit })
	return err
}

// OnReady is called last, with everything in place.
func (c *custom) OnReady(ctx context.Context, s *session.Session) error {
	limit, err := session.Call[int](ctx, s, "com.myapp.limit")
	if err != nil {
		return err
	}
	fmt.Println("the limit is", limit)
	return c.Leave(ctx)
}

// OnLeave is called when the session has ended.
func (c *custom) OnLeave(_ context.Context, reason error) { fmt.Println("session left:", reason) }

// OnDisconnect is called when the transport is closed.
func (c *custom) OnDisconnect(context.Context, error) { fmt.Println("transport disconnected") }

func run(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.SessionFactory = cloverleaf.NewSessionFactory(newCustom)
	cfg.Extra = 7 // configuration of the application
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
