// Command reconnect is a client that stays connected. It calls its own procedure, and then cuts
// the connection, several times: the component joins again, registers again, and goes on.
//
//	cloverleaf router --demo
//	go run ./examples/reconnect
package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

func main() {
	example.Main("crossbardemo", example.Roles{"": run})
}

const sessions = 3

// link keeps the connection, so that the example can play the broken cable.
type link struct{ conn net.Conn }

func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	l.conn = conn
	return conn, err
}

func run(ctx context.Context, cfg cloverleaf.Config) error {
	cable := new(link)
	cfg.Transports[0].DialContext = cable.dial
	// The delays between attempts. The defaults are 1.5 s up to 5 minutes; a session that was
	// established starts over with the first.
	cfg.Transports[0].Backoff = supervisor.Backoff{Initial: 100 * time.Millisecond, Max: 5 * time.Second}
	left := sessions
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		for i := range 3 {
			sum, err := session.Call[int](ctx, s, "com.example.add2", 23, i*left)
			if err != nil {
				return err
			}
			fmt.Println("result:", sum)
		}
		if left--; left == 0 {
			return nil // the component leaves and is done
		}
		fmt.Println("cutting the connection")
		_ = cable.conn.Close()
		<-ctx.Done() // the end of the session
		return ctx.Err()
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.example.add2", func(a, b int) int { return a + b })
	comp.OnConnect(func(context.Context) { fmt.Println("transport connected") })
	comp.OnJoin(func(_ context.Context, s *session.Session) error { fmt.Println("joined", s.Realm()); return nil })
	comp.OnLeave(func(_ context.Context, _ *session.Session, reason error) { fmt.Println("session ended:", reason) })
	comp.OnDisconnect(func(context.Context, error) { fmt.Println("transport disconnected") })
	return cloverleaf.Run(ctx, comp)
}
