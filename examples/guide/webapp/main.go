// Command webapp is a web server that publishes an event for each request, and answers 500 while
// there is no session.
//
//	cloverleaf router --demo
//	go run ./examples/guide/webapp
//	curl http://127.0.0.1:8090/
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	addr := flag.String("http", "127.0.0.1:8090", "`ADDR` of the web server")
	example.Main("crossbardemo", example.Roles{"": func(ctx context.Context, cfg cloverleaf.Config) error {
		return run(ctx, cfg, *addr)
	}})
}

func run(ctx context.Context, cfg cloverleaf.Config, addr string) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnJoin(func(context.Context, *session.Session) error {
		fmt.Println("Connected to WAMP router")
		return nil
	})
	comp.OnLeave(func(_ context.Context, _ *session.Session, reason error) {
		fmt.Println("Lost WAMP connection:", reason)
	})

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("Web application on http://%s/\n", listener.Addr())
	server := &http.Server{Handler: published(comp)} //nolint:gosec // a demonstration
	defer server.Close()
	go server.Serve(listener) //nolint:errcheck // it ends with the program
	return cloverleaf.Run(ctx, comp)
}

// published returns the handler of all requests. The component has its own goroutines, and its
// methods may be called from those of the web server.
func published(comp *cloverleaf.Component) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := comp.Session()
		if !ok {
			http.Error(w, "No WAMP session", http.StatusInternalServerError)
			return
		}
		if _, err := s.Publish(r.Context(), "com.myapp.request_served"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "Published to 'com.myapp.request_served'")
	}
}
