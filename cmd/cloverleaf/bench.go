package main

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/bench/load"
	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
)

const benchText = `  rpc       calls: an operation is a call that was answered
  pubsub    events of one topic: an operation is an event that reached a subscriber
  sessions  joins --connections sessions, --in-flight at a time, and keeps them for
            --duration, for a look at the memory of the router
  churn     connects, joins and leaves again and again
  compare   shows two files of --json beside each other; with -- in between, several
            runs of A and of B: bench compare a*.json -- b*.json

Against any router that lets the client register, call, subscribe and publish below
com.example.bench. What is lost, comes twice, in another order or damaged is noticed.

Without --rate each connection has --in-flight operations under way, and begins one when
another has ended. With it operations begin when they are due, whatever the router does, and
the latency counts from then.

SIGINT ends the measurement early, and what was measured is reported. The exit code is 1 if
anything was lost, failed, or came wrong.
`

// benchCompare is the word in the place of a mode that compares.
const benchCompare = "compare"

// bencher is the command bench. A number of -1 is the default of the mode.
type bencher struct {
	client
	connections             int
	callers, callees        int
	publishers, subscribers int
	inFlight, size          int
	duration, warmup        time.Duration
	rate                    float64
	acknowledge             bool
	procedure, topic        string
	json, plot, label       string
	quiet                   bool
	durationGiven           bool
}

func benchCommand() *command {
	c := &bencher{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	c.define(flags)
	flags.IntVar(&c.connections, "connections", -1, "`N` callers and as many callees, publishers and subscribers, or sessions (default 1; sessions 1000, churn 16)")
	flags.IntVar(&c.callers, "callers", -1, "`N` rpc: other than --connections; 0 leaves them to another process")
	flags.IntVar(&c.callees, "callees", -1, "`N` rpc: other than --connections; 0 leaves them to another process")
	flags.IntVar(&c.publishers, "publishers", -1, "`N` pubsub: other than --connections; 0 leaves them to another process")
	flags.IntVar(&c.subscribers, "subscribers", -1, "`N` pubsub: other than --connections; 0 leaves them to another process")
	flags.IntVar(&c.inFlight, "in-flight", -1, "`N` how many operations of a connection are under way at most (default 1; 1000 with --rate; sessions 16)")
	flags.DurationVar(&c.duration, "duration", 10*time.Second, "`DURATION` how long to measure (default 10s; callees or subscribers alone until they are told to end)")
	flags.DurationVar(&c.warmup, "warmup", time.Second, "`DURATION` how long to work before measuring (default 1s)")
	flags.Float64Var(&c.rate, "rate", 0, "`N` operations to begin in a second, by all connections together (default as many as there can be)")
	flags.IntVar(&c.size, "size", 0, "`BYTES` rpc, pubsub: text to send along, and back with calls")
	flags.BoolVar(&c.acknowledge, "acknowledge", false, "pubsub: have events acknowledged")
	flags.StringVar(&c.procedure, "procedure", "com.example.bench.call", "`URI` rpc: procedures begin with it (default com.example.bench.call)")
	flags.StringVar(&c.topic, "topic", "com.example.bench.topic", "`URI` pubsub: topic (default com.example.bench.topic)")
	flags.StringVar(&c.json, "json", "", "`FILE` write everything there, for compare; - is stdout")
	flags.StringVar(&c.plot, "plot", "", "`FILE` draw the latencies as SVG")
	flags.StringVar(&c.label, "label", "", "`TEXT` name of the run")
	flags.BoolVar(&c.quiet, "quiet", false, "tell nothing while it goes on")
	return &command{
		name: "bench", arguments: "rpc|pubsub|sessions|churn|compare A.json B.json", summary: "put a router under load and measure it",
		text: benchText, flags: flags, common: &c.client,
		run: func(ctx context.Context, p *program, args arguments) error { return c.run(ctx, p, flags, args) },
	}
}

func benchWords() []string { return append(load.Modes(), benchCompare) }

// benchFlags returns the flags that only some modes have.
func benchFlags() map[string][]string {
	loads := load.Modes()
	return map[string][]string{
		"callers": {load.RPC}, "callees": {load.RPC}, "procedure": {load.RPC},
		"publishers": {load.PubSub}, "subscribers": {load.PubSub}, "topic": {load.PubSub}, "acknowledge": {load.PubSub},
		"size":      {load.RPC, load.PubSub},
		"in-flight": {load.RPC, load.PubSub, load.Sessions},
		"warmup":    {load.RPC, load.PubSub, load.Churn}, "rate": {load.RPC, load.PubSub, load.Churn},
		"connections": loads, "duration": loads, "json": loads, "label": loads, "quiet": loads,
	}
}

func (c *bencher) run(ctx context.Context, p *program, flags *flag.FlagSet, args arguments) error {
	if len(args.list) == 0 {
		return usagef("what to do is missing: %s", strings.Join(benchWords(), ", "))
	}
	mode := args.list[0]
	if !slices.Contains(benchWords(), mode) {
		return usagef("there is no %q%s", mode, didYouMean(mode, benchWords()))
	}
	var misplaced error
	flags.Visit(func(f *flag.Flag) {
		c.durationGiven = c.durationGiven || f.Name == "duration"
		if modes, limited := benchFlags()[f.Name]; limited && !slices.Contains(modes, mode) {
			misplaced = usagef("%s is not for bench %s", dashed(f.Name), mode)
		}
	})
	if misplaced != nil {
		return misplaced
	}
	if mode == benchCompare {
		return c.compare(p, args)
	}
	if len(args.list) > 1 {
		return usagef("unexpected argument %q", args.list[1])
	}
	return c.measure(ctx, p, mode)
}

// measure runs a load and says what came of it.
func (c *bencher) measure(ctx context.Context, p *program, mode string) error {
	cfg, err := c.loadConfig(p, mode)
	if err != nil {
		return err
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	progress := newProgressLine(p, c.quiet)
	cfg.Progress = progress.show
	rep, err := load.Run(ctx, cfg)
	progress.clear()
	if err != nil {
		return c.failure(ctx, err)
	}
	rep.Label, rep.Generator = c.label, "cloverleaf "+version()
	rep.Settings["url"], rep.Settings["realm"] = withoutQuery(c.url), c.realm
	if err := c.write(p, rep); err != nil {
		return err
	}
	if err := rep.Err(); err != nil {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return nil
}

// failure returns why nothing was measured.
func (c *bencher) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, load.ErrNoCallee) {
		return err
	}
	return (&connection{url: withoutQuery(c.url)}).failure(err)
}

// loadConfig returns what to do. Mistakes are usage errors.
func (c *bencher) loadConfig(p *program, mode string) (load.Config, error) {
	component, err := c.config(p)
	if err != nil {
		return load.Config{}, err
	}
	if _, err := cloverleaf.NewComponent(component); err != nil {
		return load.Config{}, &usageError{inner(err)}
	}
	cfg := load.Config{
		Mode: mode, Component: component, Size: c.size, Duration: c.duration, Warmup: c.warmup, Rate: c.rate,
		Acknowledge: c.acknowledge,
	}
	connections := c.connections
	given := func(n, otherwise int) int {
		if n == -1 {
			return otherwise
		}
		return n
	}
	window := 1
	switch mode {
	case load.RPC:
		cfg.URI = c.procedure
		connections = given(connections, 1)
		cfg.Senders, cfg.Receivers = given(c.callers, connections), given(c.callees, connections)
	case load.PubSub:
		cfg.URI = c.topic
		connections = given(connections, 1)
		cfg.Senders, cfg.Receivers = given(c.publishers, connections), given(c.subscribers, connections)
	case load.Sessions:
		cfg.Senders, window = given(connections, 1000), 16
	case load.Churn:
		cfg.Senders = given(connections, 16)
	}
	if c.rate > 0 && mode != load.Churn {
		window = 1000
	}
	cfg.InFlight = given(c.inFlight, window)
	if cfg.Senders == 0 && !c.durationGiven {
		cfg.Duration = 0
	}
	if err := cfg.Check(); err != nil {
		return cfg, &usageError{err}
	}
	return cfg, nil
}

// write writes the report wherever it is wanted.
func (c *bencher) write(p *program, rep *report.Report) error {
	var errs []error
	if c.json != "" {
		errs = append(errs, writeTo(p, c.json, rep.Write))
	}
	if c.plot != "" {
		errs = append(errs, writeTo(p, c.plot, rep.Plot))
	}
	if c.json != "-" && c.plot != "-" {
		errs = append(errs, writeTo(p, "-", rep.Text))
	}
	return errors.Join(errs...)
}
