package cloverleaf_test

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// A component declares what it serves. Everything else is the runtime's: connecting,
// joining, registering, and all of it again when the connection is lost.
func Example_component() {
	ctx := context.Background()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{}) // realm1, in this process
	if err != nil {
		panic(err)
	}
	defer router.Close(ctx)

	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "realm1",
		Transports: []cloverleaf.Transport{router.Transport()}, // or cloverleaf.URLs("ws://127.0.0.1:8080/ws")
		Main: func(ctx context.Context, s *session.Session) error {
			sum, err := session.Call[int](ctx, s, "com.example.add2", 2, 3)
			fmt.Println("2 + 3 =", sum)
			return err // done: the component leaves
		},
	})
	if err != nil {
		panic(err)
	}
	comp.Register("com.example.add2", func(x, y int) int { return x + y })
	comp.Subscribe("com.example.news", func(text string) { fmt.Println(text) })

	if err := cloverleaf.Run(ctx, comp); err != nil { // also ends with SIGINT and SIGTERM, after a GOODBYE
		fmt.Println(err)
	}
	// Output: 2 + 3 = 5
}
