package load

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const (
	// tick is how often progress is told and a standstill is looked for.
	tick = time.Second
	// drainTick is how often the end of what is under way is looked for.
	drainTick = 20 * time.Millisecond
	// standstill is for how many of these nothing comes until what is missing is given up. Ticks that a
	// busy machine has missed do not count.
	standstill = 100
	// forever is how long to wait for something else.
	forever = time.Duration(-1)
)

// run is the state of one run.
type run struct {
	cfg       Config
	m         *meter
	fleet     *fleet
	kinds     []string // of latencies
	operation string
	first     uint64 // the number of the first sender
	pad       string
	lanes     []*lane
	receivers []*receiver
	pacer     *pacer
	sample    *session.Session // any
	refused   atomic.Uint64    // publications

	cpu      time.Duration
	finished bool // the time asked for was measured
}

// Run does what cfg says and reports it. It fails if not everything could be set up, and with the
// error of ctx if that ends before the measurement has begun; later it only ends the measurement, and
// what is under way is waited for. What goes wrong while it is measured is in the report. A session that
// could not be joined is the error of cloverleaf.Component.Ready. Calls to nobody fail with ErrNoCallee.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	r := &run{
		cfg: cfg, fleet: newFleet(cfg.Component), pad: strings.Repeat("x", cfg.Size),
		first: uint64(rand.Uint32())<<20 + 1, //nolint:gosec // no secret: to tell the senders of several processes apart
	}
	defer r.fleet.stop()
	prepare := map[string]func(context.Context) error{
		RPC: r.rpc, PubSub: r.pubsub, Sessions: r.sessions, Churn: r.churn,
	}[cfg.Mode]
	r.kinds, r.operation = kinds(&cfg)
	r.m = newMeter(len(r.kinds))
	r.tell("connecting")
	err := prepare(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Mode == Sessions {
		r.hold(ctx)
	} else if err := r.measure(ctx); err != nil {
		return nil, err
	}
	r.m.closed.Store(true)
	return r.report(), nil
}

// kinds returns the names of the latencies that a run measures, and of its operation.
func kinds(cfg *Config) (latencies []string, operation string) {
	switch {
	case cfg.Mode == RPC:
		return []string{"call"}, "call"
	case cfg.Mode == PubSub && cfg.Receivers == 0:
		return []string{"acknowledgement"}, "publication"
	case cfg.Mode == PubSub:
		return []string{"event", "acknowledgement"}, "event"
	case cfg.Mode == Sessions:
		return []string{"join"}, "session"
	default:
		return []string{"session", "join"}, "session"
	}
}

func (r *run) tell(phase string) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(Progress{Phase: phase, Begun: true})
	}
}

// measure lets the lanes run, and waits for what is under way in the end.
func (r *run) measure(ctx context.Context) error {
	if r.cfg.Rate > 0 && len(r.lanes) > 0 {
		r.pacer = newPacer(r.m, r.lanes, r.cfg.Rate)
	}
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		if r.pacer != nil {
			r.pacer.run()
		}
	}()
	var cpu time.Duration
	start := func() {
		cpu = cpuTime()
		r.m.from.Store(r.m.now())
	}
	if r.cfg.Warmup == 0 {
		start() // the first operation counts
	}
	for _, l := range r.lanes {
		l.pump()
	}
	r.wait(ctx, "warming up", r.cfg.Warmup, nil)
	err := ctx.Err()
	if err == nil {
		if r.cfg.Warmup > 0 {
			start()
		}
		r.finished = r.wait(ctx, "measuring", cmp.Or(r.cfg.Duration, forever), nil) || r.cfg.Duration == 0
		r.m.until.Store(r.m.now())
		r.cpu = cpuTime() - cpu
	}
	for _, l := range r.lanes {
		l.stop.Store(true)
	}
	<-paced
	if err == nil {
		r.drain()
	}
	return err
}

// hold joins all sessions, which is what is measured, and keeps them for a while.
func (r *run) hold(ctx context.Context) {
	l, cpu := r.lanes[0], cpuTime()
	joined := make(chan struct{})
	r.m.from.Store(r.m.now())
	l.finished = func() { close(joined) }
	l.pump()
	r.finished = r.wait(ctx, "joining", forever, joined)
	r.m.until.Store(r.m.now())
	r.cpu = cpuTime() - cpu
	l.stop.Store(true)
	if r.finished && r.fleet.live.Load() > 0 {
		r.finished = r.wait(ctx, fmt.Sprintf("holding %d sessions", r.fleet.live.Load()), r.cfg.Duration, nil)
	}
}

// wait goes on for a while, or until done is closed. It reports whether that was it, and not the end of
// ctx or of all sessions.
func (r *run) wait(ctx context.Context, phase string, d time.Duration, done <-chan struct{}) bool {
	if d == 0 {
		return true
	}
	r.tell(phase)
	begin := r.m.now()
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last, _ := r.m.counts()
	stalled := make([]uint64, len(r.lanes))
	for {
		select {
		case <-done:
			return true
		case <-timer:
			return true
		case <-ctx.Done():
			return false
		case <-r.fleet.broken:
			return false
		case <-ticker.C:
			r.release(stalled)
			last = r.progress(phase, begin, last)
		}
	}
}

// release lets publishers go on whose subscribers have missed everything that is under way. begun is
// what they had begun a tick ago.
func (r *run) release(begun []uint64) {
	for i, l := range r.lanes {
		n := l.begun.Load()
		if l.lossy && n == begun[i] {
			l.settleUpTo(n)
		}
		begun[i] = n
	}
}

func (r *run) progress(phase string, begin int64, last uint64) uint64 {
	if r.cfg.Progress == nil {
		return last
	}
	total, _ := r.m.counts()
	h := r.m.histogram(0)
	r.cfg.Progress(Progress{
		Phase: phase, Elapsed: time.Duration(r.m.now() - begin), PerSecond: float64(total-last) / tick.Seconds(),
		P50: h.Quantile(0.5), P99: h.Quantile(0.99),
	})
	return total
}

// drain waits for what is under way, until nothing has come for a while.
func (r *run) drain() {
	if r.quiet() {
		return
	}
	r.tell("waiting for the last ones")
	ticker := time.NewTicker(drainTick)
	defer ticker.Stop()
	last := r.arrived()
	for idle := 0; !r.quiet() && idle < standstill; idle++ {
		<-ticker.C
		if now := r.arrived(); now != last {
			last, idle = now, 0
		}
	}
}

// arrived changes with everything that comes.
func (r *run) arrived() uint64 {
	n, _ := r.m.counts()
	for _, l := range r.lanes {
		n += l.settled.Load()
	}
	return n
}

// quiet reports whether nothing is under way.
func (r *run) quiet() bool {
	for _, l := range r.lanes {
		if !l.dead.Load() && l.underWay() > 0 {
			return false
		}
	}
	return r.cfg.Mode != PubSub || r.delivered()
}

func (r *run) report() *report.Report {
	_, done := r.m.counts()
	seconds := time.Duration(r.m.until.Load() - r.m.from.Load()).Seconds()
	rep := &report.Report{
		Format: report.Format, Mode: r.cfg.Mode, Settings: r.settings(), Seconds: seconds,
		Started:     r.m.base.Add(time.Duration(r.m.from.Load())).UTC(),
		Machine:     fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version()),
		Interrupted: !r.finished, Operation: r.operation, Operations: done, CPU: r.cpu.Seconds(), Processors: runtime.GOMAXPROCS(0),
	}
	if r.sample != nil {
		rep.Router = r.sample.Details().Agent
	}
	if seconds > 0 {
		rep.PerSecond = float64(done) / seconds
	}
	if done > 0 {
		rep.CPUPerOperation = rep.CPU * 1e6 / float64(done)
	}
	for i, kind := range r.kinds {
		if h := r.m.histogram(i); h.Count() > 0 {
			rep.Latencies = append(rep.Latencies, report.NewLatency(kind, h))
		}
	}
	rep.Faults = r.faults()
	for _, l := range r.lanes {
		if due := l.due.Load(); l.paced && due > l.begun.Load() {
			rep.Unsent += due - l.begun.Load()
		}
	}
	rep.Warnings = r.warnings(rep)
	return rep
}

func (r *run) settings() map[string]string {
	s := map[string]string{"duration": r.cfg.Duration.String(), "in-flight": strconv.Itoa(r.cfg.InFlight)}
	if r.sample != nil {
		s["serializer"] = r.sample.Details().Serializer.String()
	}
	senders, receivers := "connections", ""
	switch r.cfg.Mode {
	case RPC:
		senders, receivers = "callers", "callees"
	case PubSub:
		senders, receivers = "publishers", "subscribers"
		s["acknowledge"] = strconv.FormatBool(r.cfg.Acknowledge)
	}
	s[senders] = strconv.Itoa(r.cfg.Senders)
	if receivers != "" {
		s[receivers] = strconv.Itoa(r.cfg.Receivers)
		s["size"] = strconv.Itoa(r.cfg.Size)
	}
	if r.cfg.Mode != Sessions {
		s["warmup"] = r.cfg.Warmup.String()
		s["rate"] = strconv.FormatFloat(r.cfg.Rate, 'g', -1, 64)
	}
	return s
}

// warnings returns why the figures may not be those of the router.
func (r *run) warnings(rep *report.Report) []string {
	var list []string
	cores := 0.0
	if rep.Seconds > 0 {
		cores = rep.CPU / rep.Seconds / float64(rep.Processors)
	}
	switch {
	case cores >= 0.8:
		list = append(list, "the generator used nearly all processors: it, and not the router, was the bottleneck")
	case cores >= 0.5:
		list = append(list, "the generator used more than half of the processors: if the router runs on this machine, it had to wait for them")
	}
	if rep.Unsent > 0 {
		list = append(list, fmt.Sprintf("the rate was not reached: %d operations were due and never begun", rep.Unsent))
	}
	if r.pacer != nil && len(rep.Latencies) > 0 {
		if late := r.pacer.lateness(); late > rep.Latencies[0].P99/10 {
			list = append(list, fmt.Sprintf("the generator itself was late by %s (p99), which is part of the latencies: the processors were busy", report.Duration(late)))
		}
	}
	return append(list, r.receiverWarnings()...)
}

func (r *run) receiverWarnings() []string {
	var list []string
	var others uint64
	known := true
	for _, v := range r.receivers {
		n, ordered := v.notes()
		others += n
		known = known && ordered
	}
	if others > 0 {
		list = append(list, fmt.Sprintf("%d calls or events of others came, which were not counted", others))
	}
	if !known {
		list = append(list, "the router does not number its requests one by one: the order of the calls was not checked")
	}
	return list
}
