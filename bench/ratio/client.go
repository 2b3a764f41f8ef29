package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const (
	// procedure is the one that wampload serves and calls.
	procedure = "com.example.bench.0"
	// child is the first argument of this program when it is our client in wampload's place.
	child = "client"
	// place of the client.
	asCaller, asCallee = "caller", "callee"
	// wamploadItself is the subject that ours are compared with.
	wamploadItself = "wampload"
)

// The ways to call the procedure: our client's two, and what any client has to do.
const (
	blocking = "Call"
	async    = "CallAsync"
	least    = "least"
)

// ways are how to call, or to serve, the procedure.
func ways(place string, l link) []string {
	switch {
	case place == asCallee:
		return []string{"typed", "raw", "actor"}
	case l.Transport == "rs":
		return []string{blocking, async, least}
	default:
		return []string{blocking, async}
	}
}

// clientLoad is the name of a run of the client table.
func clientLoad(place string, window int) string {
	return fmt.Sprintf("%s, %d in flight", place, window)
}

// client measures our client as caller and as callee in the place of wampload, and wampload itself.
func (b *bench) client(ctx context.Context, l link) error {
	for _, window := range []int{64, 1} {
		for range b.rounds {
			for _, subject := range append([]string{wamploadItself}, ways(asCaller, l)...) {
				r := b.withDaemon(ctx, func(p *process) (result, error) { return b.caller(ctx, l, p.address, subject, window) })
				if err := b.done(run{clientLoad(asCaller, window), l.String(), subject, r}); err != nil {
					return err
				}
			}
			for _, subject := range append([]string{wamploadItself}, ways(asCallee, l)...) {
				r := b.withDaemon(ctx, func(p *process) (result, error) { return b.callee(ctx, l, p.address, subject, window) })
				if err := b.done(run{clientLoad(asCallee, window), l.String(), subject, r}); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

// withDaemon measures at a fresh router. What fails is a result with an error.
func (b *bench) withDaemon(ctx context.Context, measure func(*process) (result, error)) result {
	p, err := startDaemon(ctx, b.daemon, b.env)
	var r result
	if err == nil {
		r, err = measure(p)
		p.stop()
	}
	if err != nil {
		return result{Errors: 1, FirstError: err.Error()}
	}
	return r
}

// caller measures a caller; wampload serves.
func (b *bench) caller(ctx context.Context, l link, address, subject string, window int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.dur+time.Minute)
	defer cancel()
	callee, err := b.wamploadCallee(ctx, l, address)
	if err != nil {
		return result{}, err
	}
	defer callee.stop()
	if subject == wamploadItself {
		return b.tryLoad(ctx, []string{"rpc", "-callers", "1", "-callees", "0", "-window", fmt.Sprint(window)}, l, address)
	}
	out, err := exec.CommandContext(ctx, os.Args[0], child, "-as", subject, "-url", l.url(address), "-ser", l.Serializer,
		"-window", fmt.Sprint(window), "-dur", b.dur.String()).Output()
	if err != nil {
		return result{}, err
	}
	return parseResult(out)
}

// wamploadCallee starts wampload as callee. It has registered some time after.
func (b *bench) wamploadCallee(ctx context.Context, l link, address string) (*process, error) {
	p, err := start(exec.CommandContext(ctx, b.wampload, "rpc", "-callers", "0", "-callees", "1",
		"-url", l.url(address), "-ser", l.Serializer, "-dur", "10m"))
	<-time.After(time.Second / 2) // it does not say when it is ready
	return p, err
}

// callee measures a callee; wampload calls, and looks at its process instead of the router's.
func (b *bench) callee(ctx context.Context, l link, address, subject string, window int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.dur+time.Minute)
	defer cancel()
	var p *process
	var err error
	if subject == wamploadItself {
		p, err = b.wamploadCallee(ctx, l, address)
	} else {
		p, err = start(exec.CommandContext(ctx, os.Args[0], child, "-as", subject, "-url", l.url(address), "-ser", l.Serializer))
		if err == nil {
			_, err = p.line()
		}
	}
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	r, err := b.tryLoad(ctx, []string{
		"rpc", "-callers", "1", "-callees", "0", "-window", fmt.Sprint(window),
		"-pid", fmt.Sprint(p.pid()),
	}, l, address)
	r.Own = r.CPU // that of the client, as in the result of a caller
	return r, err
}

// runClient is this program as our client.
func runClient(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet(child, flag.ContinueOnError)
	as := f.String("as", blocking, "what to be: a way to call, or to serve")
	url := f.String("url", "", "router")
	ser := f.String("ser", "msgpack", "serializer")
	window := f.Int("window", 1, "calls in flight")
	dur := f.Duration("dur", time.Second, "measured time of a caller")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *as == least {
		call, err := leastClient(strings.TrimPrefix(*url, "rs://"), *ser, *window)
		return encode(out, func() (result, error) { return callers(ctx, call, *window, *dur) }, err)
	}
	t := cloverleaf.URLs(*url)
	serializer, ok := protocol.ParseSerializer(*ser)
	if !ok {
		return fmt.Errorf("ser: there is no serializer %q", *ser)
	}
	t[0].Serializers = []protocol.Serializer{serializer}
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Transports: t})
	if err != nil {
		return err
	}
	serve(c, *as)
	if err := c.Start(ctx); err != nil {
		return err
	}
	s, err := c.Ready(ctx)
	if err != nil {
		return err
	}
	switch *as {
	case blocking:
		call := func(int) (int, error) { return session.Call[int](ctx, s, procedure, firstArgument, secondArgument) }
		return encode(out, func() (result, error) { return callers(ctx, call, *window, *dur) }, nil)
	case async:
		return encode(out, func() (result, error) { return asyncCallers(ctx, s, *window, *dur) }, nil)
	default:
		fmt.Fprintln(out, "ready")
		<-ctx.Done()
		return c.Stop(context.WithoutCancel(ctx))
	}
}

// encode measures and prints the result, unless there was an error before.
func encode(out io.Writer, measure func() (result, error), err error) error {
	if err != nil {
		return err
	}
	r, err := measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// serve declares the procedure. Its result are its arguments, as with wampload.
func serve(c *cloverleaf.Component, handler string) {
	switch handler {
	case "typed":
		c.Register(procedure, func(x, y int) (int, int) { return x, y })
	case "raw":
		c.Register(procedure, func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			var x, y int
			err := inv.Decode(&x, &y)
			return session.Reply{Args: []any{x, y}}, err
		})
	case "actor":
		c.RegisterActor(procedure, actor.PropsFromFunc(func(ctx actor.Context) {
			inv, ok := ctx.Message().(*actors.Invocation)
			if !ok {
				return
			}
			var x, y int
			if err := inv.Decode(&x, &y); err != nil {
				ctx.Respond(err)
				return
			}
			ctx.Respond(&actors.Result{Args: []any{x, y}})
		}))
	}
}

var errWrongResult = errors.New("wrong result")

// The arguments of each call. wampload answers with its own, which begin with the same.
const (
	firstArgument  = 7
	secondArgument = 1100
)

// load is what callers count.
type load struct {
	ops        atomic.Uint64
	over       atomic.Bool
	cancel     context.CancelCauseFunc
	histograms []report.Histogram // one for each caller
}

// latencyEvery is how many calls one is measured of: reading the clock twice costs a good part of a call.
const latencyEvery = 16

// answered counts a call of caller i, begun then or without a time, and reports whether to go on.
func (l *load) answered(i int, begun time.Time, x int, err error) bool {
	if err == nil && x != firstArgument {
		err = errWrongResult
	}
	if err != nil {
		l.cancel(err) // only the first counts
		return false
	}
	l.ops.Add(1)
	if !begun.IsZero() {
		l.histograms[i].Record(time.Since(begun))
	}
	return !l.over.Load()
}

// begin returns the time for some of the calls, n being the number of the call.
func begin(n int) (t time.Time) {
	if n%latencyEvery == 0 {
		t = time.Now()
	}
	return t
}

// callers calls for a while, each of them one call after the other, and measures this process meanwhile.
func callers(ctx context.Context, call func(caller int) (int, error), window int, dur time.Duration) (result, error) {
	var wg sync.WaitGroup
	return measured(ctx, window, dur, wg.Wait, func(l *load, i int) {
		wg.Go(func() {
			for n, more := 0, true; more; n++ {
				begun := begin(n)
				x, err := call(i)
				more = l.answered(i, begun, x, err)
			}
		})
	})
}

// asyncCallers is callers without goroutines of their own: the answer of a call makes the next one.
func asyncCallers(ctx context.Context, s *session.Session, window int, dur time.Duration) (result, error) {
	var wg sync.WaitGroup
	return measured(ctx, window, dur, wg.Wait, func(l *load, i int) {
		wg.Add(1)
		n, begun := 0, begin(0)
		var reply func(*session.Result, error)
		call := func() { s.CallAsync(procedure, reply, session.Args(firstArgument, secondArgument)) }
		reply = func(res *session.Result, err error) {
			x, err := session.As[int](res, err)
			if !l.answered(i, begun, x, err) {
				wg.Done()
				return
			}
			n++
			begun = begin(n)
			call()
		}
		call()
	})
}

// measured starts so many callers, measures this process when they are warm, and waits for their end.
func measured(ctx context.Context, window int, dur time.Duration, wait func(), start func(l *load, caller int)) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &load{cancel: cancel, histograms: make([]report.Histogram, window)}
	for i := range window {
		start(l, i)
	}
	<-time.After(time.Second) // warm up
	before, err := used(os.Getpid())
	n := l.ops.Load()
	<-time.After(dur)
	after, err2 := used(os.Getpid())
	n = l.ops.Load() - n
	l.over.Store(true)
	if err := errors.Join(context.Cause(ctx), err, err2); err != nil {
		return result{}, err
	}
	wait()
	var all report.Histogram
	for i := range l.histograms {
		all.Merge(&l.histograms[i])
	}
	r := before.to(after, n)
	r.Own, r.CPU = r.CPU, 0
	r.P50, r.P99 = microseconds(all.Quantile(0.5)), microseconds(all.Quantile(0.99))
	return r, nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// to is what was used until after, for each of n operations.
func (u usage) to(after usage, n uint64) result {
	ops := float64(max(n, 1))
	return result{
		Ops: n, PerSecond: float64(n) / after.at.Sub(u.at).Seconds(),
		CPU: microseconds(after.cpu-u.cpu) / ops, Writes: float64(after.writes-u.writes) / ops,
	}
}
