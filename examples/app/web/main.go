// Command web connects a web server to WAMP both ways: pages that call and publish, and a procedure
// that tells WAMP clients about the web server.
//
//	cloverleaf router --demo
//	go run ./examples/app/web
//	curl http://127.0.0.1:8090/
//	curl -d x=7 http://127.0.0.1:8090/square/submit
//	cloverleaf call com.example.visits
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	addr := flag.String("http", "127.0.0.1:8090", "`ADDR` of the web server")
	example.Main("realm1", example.Roles{"": func(ctx context.Context, cfg cloverleaf.Config) error {
		return run(ctx, cfg, *addr)
	}})
}

func run(ctx context.Context, cfg cloverleaf.Config, addr string) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	server := &site{comp: comp}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", server.home)
	mux.HandleFunc("GET /square/{x}", server.square)
	mux.HandleFunc("POST /square/submit", server.square)
	// WAMP clients may call what the web server knows. Somewhere else is the procedure that the web
	// server calls; here it is the same component.
	comp.Register("com.example.visits", server.visits.Load)
	comp.Register("com.example.square", func(x int) int { return x * x })
	comp.Subscribe("com.example.onvisit", func(kw session.Kw[visit]) { fmt.Println("visits:", kw.Value.Visits) })

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: mux} //nolint:gosec // a demonstration
	comp.OnReady(func(context.Context, *session.Session) error {
		fmt.Printf("open http://%s/\n", listener.Addr())
		return nil
	})
	defer web.Close()
	go web.Serve(listener) //nolint:errcheck // it ends with the program
	return cloverleaf.Run(ctx, comp)
}

// visit are the keyword values of com.example.onvisit.
type visit struct {
	Visits int64 `json:"visits"`
}

// site has the pages. Requests come at any time, also while there is no session.
type site struct {
	comp   *cloverleaf.Component
	visits atomic.Int64
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	n := s.visits.Add(1)
	if wamp, ok := s.comp.Session(); ok {
		_, err := wamp.Publish(r.Context(), "com.example.onvisit", session.KwArgs(visit{n}), session.ExcludeMe(false))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	fmt.Fprintf(w, "visit %d\n", n)
}

func (s *site) square(w http.ResponseWriter, r *http.Request) {
	text := r.PathValue("x")
	if text == "" {
		text = r.FormValue("x")
	}
	x, err := strconv.Atoi(text)
	if err != nil {
		http.Error(w, "x must be a number", http.StatusBadRequest)
		return
	}
	wamp, err := s.comp.Ready(r.Context()) // waits for a session as long as the browser does
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	result, err := session.Call[int](r.Context(), wamp, "com.example.square", x)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "%d squared is %d\n", x, result)
}
