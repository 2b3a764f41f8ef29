package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == child {
		err = runClient(ctx, os.Args[2:], os.Stdout)
	} else {
		err = measure(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratio:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	wampload, daemon, base string
	rounds, procs          int
	dur                    time.Duration
	only                   string
	json, print            string
	all                    bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("ratio", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.wampload, "wampload", os.Getenv("WAMPLOAD"), "`path` of the load generator; default $WAMPLOAD")
	f.StringVar(&o.daemon, "daemon", "", "`path` of the daemon; it is built if there is none")
	f.StringVar(&o.base, "base", "", "`path` of an older daemon to measure as well")
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	f.IntVar(&o.procs, "procs", 0, "GOMAXPROCS of floor and daemon; 0 leaves it")
	f.DurationVar(&o.dur, "dur", 3*time.Second, "measured time of a run, after a second to warm up")
	f.StringVar(&o.only, "only", "", "`regexp` of what to measure: it looks at the name, the arguments of wampload, and the link; the other two tables are client and mixed")
	f.BoolVar(&o.all, "all", false, "measure the first four scenarios over all transports and serializers")
	f.StringVar(&o.json, "json", "", "`file` that one line of JSON for each run is added to")
	f.StringVar(&o.print, "print", "", "print the tables of such a `file` and measure nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("what is %q?", f.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("rounds: %d is less than 1", o.rounds)
	case o.wampload == "" && o.print == "":
		return o, errors.New("wampload: no load generator; name it by the flag or by WAMPLOAD")
	}
	return o, nil
}

// measure is the program.
func measure(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	var list runs
	table := scenarios(openFiles())
	if o.print != "" {
		if list, err = readRuns(o.print); err == nil {
			tables(stdout, list, table)
		}
		return err
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("only: %w", err)
	}
	if o.daemon == "" {
		dir, err := os.MkdirTemp("", "ratio")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if o.daemon, err = build(ctx, dir); err != nil {
			return err
		}
	}
	b := o.bench(stderr)
	b.record = func(r run) error {
		list = append(list, r)
		return appendRun(o.json, r)
	}
	begun := time.Now()
	err = b.everything(ctx, table, only, o.all)
	tables(stdout, list, table)
	fmt.Fprintf(stderr, "%s; %s, %d processors, %s\n", time.Since(begun).Round(time.Second), runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if n := list.faults(); err == nil && n > 0 {
		err = fmt.Errorf("%d faults", n)
	}
	return err
}

func (o options) bench(log io.Writer) *bench {
	b := &bench{wampload: o.wampload, daemon: o.daemon, base: o.base, rounds: o.rounds, dur: o.dur, log: log}
	if o.procs > 0 {
		b.env = []string{fmt.Sprintf("GOMAXPROCS=%d", o.procs)}
	}
	return b
}

// build builds the daemon of this module.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "cloverleaf")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/cloverleaf-wamp/cloverleaf/cmd/cloverleaf").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
}

// everything measures what is chosen.
func (b *bench) everything(ctx context.Context, table []scenario, only *regexp.Regexp, all bool) error {
	if err := b.scenarios(ctx, table, only, all); err != nil {
		return err
	}
	for _, l := range links() {
		if !l.first {
			continue
		}
		if only.MatchString("client " + l.String()) {
			if err := b.client(ctx, l); err != nil {
				return fmt.Errorf("client: %w", err)
			}
		}
		if only.MatchString("mixed " + l.Transport) {
			if err := b.mixed(ctx, l); err != nil {
				return fmt.Errorf("mixed: %w", err)
			}
		}
	}
	return ctx.Err()
}

// scenarios measures rows of the first table. What was measured for one row is not measured again for another.
func (b *bench) scenarios(ctx context.Context, table []scenario, only *regexp.Regexp, all bool) error {
	done := make(map[string]bool)
	for _, s := range table {
		for _, l := range links() {
			id := s.load + " " + l.String()
			chosen := l.first || all && s.wide
			if !chosen || done[id] || !only.MatchString(s.name+" "+id) {
				continue
			}
			done[id] = true
			if err := b.scenario(ctx, s.load, l); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
	}
	return nil
}

// appendRun adds a run to a file, if there is to be one.
func appendRun(path string, r run) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return json.NewEncoder(f).Encode(r)
}

// readRuns reads what appendRun has written.
func readRuns(path string) (runs, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var list runs
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var r run
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, r)
	}
	return list, lines.Err()
}
