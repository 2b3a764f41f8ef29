package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// result is what wampload, and our client in its place, say of a run.
type result struct {
	Ops        uint64  `json:"ops"`
	PerSecond  float64 `json:"ops_per_s"`
	CPU        float64 `json:"router_cpu_us_per_op"`
	Writes     float64 `json:"router_writes_per_op"`
	Own        float64 `json:"generator_cpu_us_per_op"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	PerSession float64 `json:"router_rss_per_session_kib,omitempty"`
	Errors     uint64  `json:"errors"`
	Lost       uint64  `json:"lost"`
	Disorder   uint64  `json:"out_of_order"`
	Dead       uint64  `json:"connections_lost"`
	FirstError string  `json:"first_error,omitempty"`
	Other      float64 `json:"other_cores"`
}

// faults is how much went wrong.
func (r result) faults() uint64 {
	n := r.Errors + r.Lost + r.Disorder + r.Dead
	if n == 0 && r.FirstError != "" {
		return 1
	}
	return n
}

// parseResult reads the result from the output of wampload -json.
func parseResult(out []byte) (result, error) {
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "{") {
			var r result
			err := json.Unmarshal([]byte(line), &r)
			return r, err
		}
	}
	return result{}, errors.New("no result in the output")
}

// run is one measurement.
type run struct {
	Load    string `json:"load"`
	Link    string `json:"link"`
	Subject string `json:"subject"` // floor, base, cloverleaf; in the other tables what is in their rows
	Result  result `json:"result"`
}

// bench does the measuring.
type bench struct {
	wampload, daemon, base string
	rounds                 int
	dur                    time.Duration
	env                    []string // of floor and daemon
	log                    io.Writer
	record                 func(run) error
}

// subjects are what is compared in the main table.
func (b *bench) subjects() []string {
	if b.base != "" {
		return []string{"floor", "base", "cloverleaf"}
	}
	return []string{"floor", "cloverleaf"}
}

// start starts a subject afresh.
func (b *bench) start(ctx context.Context, subject string, l link) (*process, error) {
	switch subject {
	case "floor":
		return startFloor(ctx, b.wampload, l, b.env)
	case "base":
		return startDaemon(ctx, b.base, b.env)
	default:
		return startDaemon(ctx, b.daemon, b.env)
	}
}

// scenario measures every subject in turn, as often as there are rounds.
func (b *bench) scenario(ctx context.Context, load string, l link) error {
	for range b.rounds {
		for _, subject := range b.subjects() {
			p, err := b.start(ctx, subject, l)
			if err != nil {
				return err
			}
			args := append(strings.Fields(load), "-pid", fmt.Sprint(p.pid()))
			r := b.load(ctx, args, l, p.address)
			p.stop()
			if err := b.done(run{load, l.String(), subject, r}); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// done keeps a run.
func (b *bench) done(r run) error {
	fmt.Fprintf(b.log, "%-70s %-11s %-17s %8.2f µs %6.3f writes, faults %d %s\n",
		r.Load, r.Link, r.Subject, max(r.Result.CPU, r.Result.Own), r.Result.Writes, r.Result.faults(), r.Result.FirstError)
	return b.record(r)
}

// load runs wampload against a router. A run that fails is one with an error.
func (b *bench) load(ctx context.Context, args []string, l link, address string) result {
	ctx, cancel := context.WithTimeout(ctx, b.dur+2*time.Minute)
	defer cancel()
	r, err := b.tryLoad(ctx, args, l, address)
	if err != nil {
		return result{Errors: 1, FirstError: err.Error()}
	}
	return r
}

func (b *bench) tryLoad(ctx context.Context, args []string, l link, address string) (result, error) {
	args = append(args, "-url", l.url(address), "-ser", l.Serializer, "-dur", b.dur.String(), "-json")
	out, err := exec.CommandContext(ctx, b.wampload, args...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("wampload: %w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return result{}, err
	}
	return parseResult(out)
}
