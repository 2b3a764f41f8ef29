package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
)

// list collects a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(v string) error {
	*l = append(*l, v)
	return nil
}

type routerFlags struct {
	listen, realms list
	slow           actors.SlowConsumerPolicy
	verbose        bool
	shutdown       time.Duration
	profile        string
	demo           demoFlags
}

func (f *routerFlags) define(set *flag.FlagSet) {
	set.Var(&f.listen, "listen", "`ADDR` address to listen on, HOST:PORT or unix:PATH; may be repeated (default 127.0.0.1:8080)")
	set.Var(&f.realms, "realm", "`NAME` realm to serve; may be repeated (default realm1)")
	set.Func("slow-consumers", "`POLICY` what becomes of events that a client does not read: disconnect, drop-oldest or drop-newest (default disconnect)", f.setSlow)
	set.BoolVar(&f.verbose, "verbose", false, "log sessions and connections to stderr")
	set.DurationVar(&f.shutdown, "shutdown-timeout", 5*time.Second, "`DURATION` how long clients may take to leave at the end (default 5s)")
	set.StringVar(&f.profile, "cpu-profile", "", "`FILE` write a CPU profile there, for go tool pprof and go build -pgo, until the end")
	f.demo.define(set)
}

func routerCommand() *command {
	flags := flag.NewFlagSet("router", flag.ContinueOnError)
	new(routerFlags).define(flags)
	return &command{
		name: "router", summary: "run a router until SIGINT or SIGTERM", flags: flags,
		main: func(ctx context.Context, p *program, args []string) int {
			return runRouter(ctx, args, p.stdout, p.stderr)
		},
	}
}

func parseRouterFlags(args []string, stderr io.Writer) (routerFlags, error) {
	var f routerFlags
	set := flag.NewFlagSet("cloverleaf router", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() { say(stderr, routerCommand().help()) }
	f.define(set)
	set.BoolVar(&f.verbose, "v", false, "short for --verbose")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("cloverleaf router: unexpected argument %q", set.Arg(0))
		say(stderr, err.Error()+"\n")
		return f, err
	}
	if err := f.demo.check(f.listen, f.realms); err != nil {
		say(stderr, "cloverleaf router: "+err.Error()+"\n")
		return f, err
	}
	if len(f.listen) == 0 {
		f.listen = list{"127.0.0.1:8080"}
	}
	if len(f.realms) == 0 {
		f.realms = list{"realm1"}
	}
	return f, nil
}

func (f *routerFlags) setSlow(name string) error {
	p, ok := actors.ParseSlowConsumerPolicy(name)
	if !ok || name == "" {
		return errors.New("is none of disconnect, drop-oldest, drop-newest")
	}
	f.slow = p
	return nil
}

// runRouter serves until ctx ends.
func runRouter(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, err := parseRouterFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if err := serve(ctx, flags, stdout, stderr); err != nil {
		say(stderr, "cloverleaf router: "+err.Error()+"\n")
		return exitFailed
	}
	return exitOK
}

func serve(ctx context.Context, flags routerFlags, stdout, stderr io.Writer) (err error) {
	cfg, err := flags.config(stderr)
	if err != nil {
		return err
	}
	stop, err := profile(flags.profile)
	if err != nil {
		return fmt.Errorf("--cpu-profile: %w", err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	r, err := cloverleaf.NewRouter(cfg)
	if err != nil {
		return err
	}
	go tendMemory(ctx, time.Second)
	var approver *cloverleaf.Component
	if flags.demo.on {
		approver, err = startDemo(ctx, r, flags, cfg.Logger, stdout)
	} else {
		err = listen(ctx, r, flags.listen, stdout)
	}
	if err == nil {
		<-ctx.Done()
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), flags.shutdown)
	defer cancel()
	if approver != nil {
		err = errors.Join(err, approver.Stop(deadline))
	}
	if closing := r.Close(deadline); closing != nil && !errors.Is(closing, context.DeadlineExceeded) {
		err = errors.Join(err, closing) // clients that did not leave in time were cut: no failure
	}
	return err
}

// config returns the configuration of the router.
func (f *routerFlags) config(stderr io.Writer) (cloverleaf.RouterConfig, error) {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	cfg := cloverleaf.RouterConfig{Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))}
	for _, name := range f.realms {
		cfg.Realms = append(cfg.Realms, cloverleaf.RealmConfig{Name: name})
	}
	if f.demo.on {
		if err := demoConfig(&cfg); err != nil {
			return cfg, err
		}
	}
	for i := range cfg.Realms {
		cfg.Realms[i].SlowConsumers = f.slow
	}
	return cfg, nil
}

func listen(ctx context.Context, r *cloverleaf.Router, addrs []string, stdout io.Writer) error {
	for _, addr := range addrs {
		l, err := r.Listen(ctx, addr)
		if err != nil {
			return err
		}
		say(stdout, "listening on "+strings.Join(l.URLs(), " ")+"\n")
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
