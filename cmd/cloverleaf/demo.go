package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

const (
	demoRealm = "crossbardemo"
	demoTLS   = "127.0.0.1:8083"
	// demoAuthPath is where clients authenticate; the usual path is for anonymous clients.
	demoAuthPath = "/auth_ws"
)

// demoFlags are the flags of the demonstration router: one that offers what the examples of
// Autobahn|Python expect of the router beside them.
type demoFlags struct {
	on   bool
	tls  string
	cert string
}

func (f *demoFlags) define(set *flag.FlagSet) {
	set.BoolVar(&f.on, "demo", false, "be the router that the examples of Autobahn|Python expect: insecure, with users whose secrets everybody knows, and for clients of this machine only")
	set.StringVar(&f.tls, "demo-tls", "", "`ADDR` with --demo: address to listen on with TLS (default "+demoTLS+")")
	set.StringVar(&f.cert, "demo-cert", "", "`FILE` with --demo: where to write the certificate, which is made anew at every start")
}

// check completes the flags; listen and realms are those of --listen and --realm.
func (f *demoFlags) check(listen, realms list) error {
	switch {
	case !f.on && f.tls != "":
		return errors.New("--demo-tls goes with --demo only")
	case !f.on && f.cert != "":
		return errors.New("--demo-cert goes with --demo only")
	case !f.on:
		return nil
	case len(realms) > 0:
		return errors.New("--realm: --demo has realms of its own")
	}
	if f.tls == "" {
		f.tls = demoTLS
	}
	for _, addr := range listen {
		if !isLoopback(addr) {
			return fmt.Errorf("--listen: %s: --demo is insecure and listens on loopback addresses and unix sockets only", addr)
		}
	}
	if strings.HasPrefix(f.tls, "unix:") || !isLoopback(f.tls) {
		return fmt.Errorf("--demo-tls: %s: --demo is insecure and listens on loopback addresses only", f.tls)
	}
	return nil
}

// isLoopback tells whether only programs of this machine can reach the address.
func isLoopback(addr string) bool {
	if strings.HasPrefix(addr, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// demoConfig makes a configuration that of the demonstration router.
func demoConfig(cfg *cloverleaf.RouterConfig) error {
	methods, err := demoAuthenticators()
	if err != nil {
		return err
	}
	cfg.Transport.Options = demoOptions()
	cfg.Realms = []cloverleaf.RealmConfig{
		{
			Name: demoRealm, Paths: map[string][]router.Authenticator{demoAuthPath: methods}, Authorization: demoAccess(),
			History: []router.HistoryConfig{{Topic: "com.example.history", Limit: 100}},
		},
		{Name: "realm1"},
	}
	return nil
}

// demoOptions leaves time to derive carol's key, which takes seconds on a slow machine.
func demoOptions() transport.Options { return transport.Options{HandshakeTimeout: 30 * time.Second} }

// loopbackOrigin admits the pages of all servers on this machine, so that one can try one's own, and
// no others: a page of the internet must not be able to use the demonstration.
func loopbackOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopbackHost(u.Hostname())
}

// demo is a running demonstration.
type demo struct {
	listeners []*transport.Listener
	page      []byte // complete before anything is served
}

// startDemo starts the demonstration and says what there is. It returns the component that decides
// for the router and has to be stopped before it, nil if there is none.
func startDemo(ctx context.Context, r *cloverleaf.Router, flags routerFlags, logger *slog.Logger, stdout io.Writer) (*cloverleaf.Component, error) {
	approver, err := newDemoApprover(r, logger)
	if err != nil {
		return nil, err
	}
	if err := approver.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	if _, err := approver.Ready(ctx); err != nil {
		return approver, fmt.Errorf("demo: %w", err)
	}
	return approver, serveDemo(ctx, r, flags.demo, flags.listen, stdout)
}

// serveDemo opens the listeners and serves them.
func serveDemo(ctx context.Context, r *cloverleaf.Router, f demoFlags, listen list, stdout io.Writer) error {
	cert, err := newDemoCertificate(time.Now())
	if err != nil {
		return err
	}
	if f.cert != "" {
		if err := writeCertificate(f.cert, cert); err != nil {
			return err
		}
	}
	d, offer := &demo{}, newDemoOffer(f.cert, cert)
	err = d.open(ctx, f.tls, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, listen)
	for _, l := range d.listeners {
		offer.add(l.URLs())
	}
	if err == nil {
		d.page, err = offer.page()
	}
	for _, l := range d.listeners {
		if err != nil {
			_ = l.Close()
			continue
		}
		say(stdout, "listening on "+strings.Join(l.URLs(), " ")+"\n")
		err = r.Serve(l)
	}
	if err != nil {
		return err
	}
	return offer.banner(stdout)
}

// open opens the listeners, that with TLS last.
func (d *demo) open(ctx context.Context, addrTLS string, secure *tls.Config, listen list) error {
	cfg := transport.ServerConfig{Options: demoOptions(), HTTP: d, WebSocketPaths: []string{demoAuthPath}, CheckOrigin: loopbackOrigin}
	for _, addr := range append(slices.Clone(listen), addrTLS) {
		if len(d.listeners) == len(listen) {
			cfg.TLS = secure
		}
		l, err := transport.Listen(ctx, addr, cfg)
		if err != nil {
			return err
		}
		d.listeners = append(d.listeners, l)
	}
	return nil
}

// ServeHTTP serves everything but the WebSocket paths.
func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "there is only something to read", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_, _ = w.Write(d.page) // a client that is gone gets no page
	}
}
