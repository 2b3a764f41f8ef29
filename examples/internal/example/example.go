package example

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Roles are the parts that a program can play, by their names on the command line. A program with
// a single part has it under the name "".
type Roles map[string]func(ctx context.Context, cfg cloverleaf.Config) error

// Main plays the role that the command line asks for, with a configuration as the flags say. ctx
// ends with SIGINT and SIGTERM. An error ends the program with exit code 1.
//
// The flags are those of package flag, so a program may have more; their defaults are a router on
// this machine and the given realm.
func Main(realm string, roles Roles) { MainAt(cloverleaf.DefaultURL, realm, roles) }

// MainAt is Main with another default of the URL.
func MainAt(url, realm string, roles Roles) {
	args := os.Args[1:]
	play, ok := roles[""]
	if !ok {
		name := ""
		if len(args) > 0 {
			name, args = args[0], args[1:]
		}
		if play, ok = roles[name]; !ok {
			names := slices.Sorted(maps.Keys(roles))
			fmt.Fprintf(os.Stderr, "usage: %s %s [flags]\n", filepath.Base(os.Args[0]), strings.Join(names, "|"))
			os.Exit(2)
		}
	}
	cfg := parse(url, realm, args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := play(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(url, realm string, args []string) cloverleaf.Config {
	flag.StringVar(&url, "url", url, "`URL` of the router: ws, wss, rs, rss, ws+unix or rs+unix")
	flag.StringVar(&realm, "realm", realm, "`NAME` of the realm")
	verbose := flag.Bool("verbose", false, "log what happens to the connection")
	flag.Duration(intervalFlag, time.Second, "`TIME` between two steps of a program that goes on and on")
	var serializers []protocol.Serializer
	flag.Func("serializer", "`NAME` json, msgpack or cbor (default: what the router prefers of these)", func(name string) error {
		s, ok := protocol.ParseSerializer(name)
		if !ok {
			return fmt.Errorf("there is no serializer %q", name)
		}
		serializers = append(serializers, s)
		return nil
	})
	_ = flag.CommandLine.Parse(args) // it exits
	level := slog.LevelWarn
	if *verbose {
		level = slog.LevelDebug
	}
	return cloverleaf.Config{
		Realm:       realm,
		Transports:  cloverleaf.URLs(url),
		Serializers: serializers,
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		// A lost connection is one thing, a mistake in an example another: it ends the program.
		Restarts: supervisor.Intensity{MaxRestarts: 0, Window: time.Minute},
	}
}

// SayReady prints "ready" whenever everything that the component declares is in place.
func SayReady(comp *cloverleaf.Component) {
	comp.OnReady(func(context.Context, *session.Session) error {
		fmt.Println("ready")
		return nil
	})
}

const intervalFlag = "interval"

// Interval returns the value of the flag --interval. The default is one second.
func Interval() time.Duration {
	d, _ := flag.Lookup(intervalFlag).Value.(flag.Getter).Get().(time.Duration) // see parse
	return d
}

// Every calls f with 0, 1, 2 and so on: at once, and again after each Interval. It ends with the
// error of f, or with that of ctx.
func Every(ctx context.Context, f func(n int) error) error {
	for n := 0; ; n++ {
		if err := f(n); err != nil {
			return err
		}
		if err := Sleep(ctx, Interval()); err != nil {
			return err
		}
	}
}

// Put hands a value to Next, unless ctx ends first: handlers must not outlive their session.
func Put[T any](ctx context.Context, ch chan<- T, v T) {
	select {
	case ch <- v:
	case <-ctx.Done():
	}
}

// Next returns the next value that a handler puts into a channel, or the error of ctx.
func Next[T any](ctx context.Context, ch <-chan T) (T, error) {
	select {
	case v := <-ch:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Sleep returns after d, or with the error of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
