package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/bench/load"
	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const benchCall = "com.example.bench.call.0"

// ranBench runs a load until it was long enough for an operation on a busy machine.
func ranBench(t *testing.T, url, line string) *report.Report {
	t.Helper()
	for d := 300 * time.Millisecond; ; d *= 4 {
		got := newShell(t).run(append(benchArgs(url, line), "--duration", d.String())...)
		require.Zero(t, got.code, "%s: %s", line, got.stderr)
		rep := reported(t, got)
		if rep.Operations > 0 || d > patience/4 {
			return rep
		}
	}
}

// benchArgs are those of a short run whose report goes to stdout as JSON.
func benchArgs(url, line string) []string {
	args := append([]string{"bench"}, strings.Fields(line)...)
	return append(args, "--url", url, "--duration", "300ms", "--json", "-")
}

// reported reads the report that a command has printed.
func reported(t *testing.T, r result) *report.Report {
	t.Helper()
	rep, err := report.Read(strings.NewReader(r.stdout))
	require.NoError(t, err, r.stdout+r.stderr)
	return rep
}

// Every mode works against a router, over both transports, and loses nothing.
func TestBench(t *testing.T) {
	t.Parallel()
	r, ws := newRouter(t, cloverleaf.RouterConfig{})
	rs := strings.TrimSuffix(strings.Replace(ws, "ws:", "rs:", 1), "/ws")
	for line, latencies := range map[string][]string{
		"rpc --warmup 10ms": {"call"},
		"rpc --warmup 0 --connections 3 --callees 2 --in-flight 8 --size 100 --serializer json":     {"call"},
		"rpc --warmup 10ms --rate 500 --callers 2":                                                  {"call"},
		"pubsub --warmup 10ms --connections 2 --in-flight 4 --size 70":                              {"event"},
		"pubsub --warmup 10ms --subscribers 3 --acknowledge --serializer msgpack --in-flight 2":     {"event", "acknowledgement"},
		"pubsub --warmup 10ms --publishers 2 --subscribers 0 --acknowledge --topic com.example.one": {"acknowledgement"},
		"pubsub --warmup 10ms --subscribers 0 --rate 200 --topic com.example.two":                   nil,
		"pubsub --warmup 10ms --rate 300 --topic com.example.three":                                 {"event"},
		"sessions --connections 20 --in-flight 4":                                                   {"join"},
		"churn --warmup 10ms --connections 3":                                                       {"session", "join"},
	} {
		for _, url := range []string{ws, rs} {
			rep := ranBench(t, url, line)
			requireIdle(t, r)
			require.Equal(t, strings.Fields(line)[0], rep.Mode)
			require.Equal(t, "cloverleaf", rep.Router)
			require.Equal(t, url, rep.Settings["url"])
			require.Positive(t, rep.Operations, line)
			require.Positive(t, rep.PerSecond)
			require.False(t, rep.Interrupted)
			var names []string
			for _, l := range rep.Latencies {
				names = append(names, l.Name)
				require.Positive(t, l.Histogram.Count())
				require.Positive(t, l.Histogram.Max())
			}
			require.Equal(t, latencies, names, line)
			require.NoError(t, rep.Err(), line)
		}
	}
}

// requireIdle waits until nobody is at the router any more.
func requireIdle(t *testing.T, r *cloverleaf.Router) {
	t.Helper()
	require.Eventually(t, func() bool { return r.Sessions() == 0 }, patience, time.Millisecond)
}

// Callers find the callees of another process, which go on until they are told to end.
func TestBenchOfTwoProcesses(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	missing := newShell(t).run(benchArgs(url, "rpc --callees 0")...)
	require.Equal(t, exitFailed, missing.code)
	require.Contains(t, missing.stderr, "no callee serves the procedure "+benchCall+"\n")

	callees := newShell(t).start("bench", "rpc", "--url", url, "--callers", "0", "--callees", "2", "--warmup", "0", "--json", "-")
	callees.says("measuring")
	rep := reported(t, newShell(t).run(benchArgs(url, "rpc --callees 0 --callers 3 --warmup 0")...))
	require.NoError(t, rep.Err())
	require.Positive(t, rep.Latencies[0].Histogram.Count())
	callees.interrupt()
	got := callees.wait()
	require.Zero(t, got.code, got.stderr)
	served := reported(t, got)
	require.GreaterOrEqual(t, served.Operations, rep.Operations)
	require.Empty(t, served.Latencies)
	require.False(t, served.Interrupted)

	subscribers := newShell(t).start("bench", "pubsub", "--url", url, "--publishers", "0", "--warmup", "0", "--json", "-")
	subscribers.says("measuring")
	rep = reported(t, newShell(t).run(benchArgs(url, "pubsub --subscribers 0 --acknowledge --warmup 0")...))
	require.NoError(t, rep.Err())
	subscribers.interrupt()
	got = subscribers.wait()
	require.Zero(t, got.code, got.stderr)
	served = reported(t, got)
	require.Positive(t, served.Operations)
	require.Equal(t, "event", served.Latencies[0].Name)
	require.Less(t, served.Latencies[0].Histogram.Max(), 2*patience, "the clocks are the same")
}

// A callee that fails, is wrong, or does not answer.
func TestBenchNoticesFaultsOfCalls(t *testing.T) {
	t.Parallel()
	for want, handler := range map[string]func(n int64, args []any) (session.Reply, error){
		"failed": func(_ int64, args []any) (session.Reply, error) {
			return session.Reply{Args: args}, session.NewError("com.example.broken")
		},
		"corrupt": func(n int64, args []any) (session.Reply, error) {
			return session.Reply{Args: append([]any{args[0], n + 1}, args[2:]...)}, nil
		},
	} {
		r, url := newRouter(t, cloverleaf.RouterConfig{})
		backend(t, r, func(c *cloverleaf.Component) {
			c.Register(benchCall, func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
				args, err := inv.Args()
				if err != nil || args[0] == int64(0) { // the question whether it is there
					return session.Reply{Args: args}, err
				}
				return handler(args[1].(int64), args)
			})
		})
		got := newShell(t).run(benchArgs(url, "rpc --callees 0 --warmup 0")...)
		require.Equal(t, exitFailed, got.code)
		require.Regexp(t, `cloverleaf bench: [\d,]+ `+want+"\n", got.stderr)
		rep := reported(t, got)
		require.Zero(t, rep.Operations)
		if want == "failed" {
			require.Positive(t, rep.Errors["com.example.broken"])
		}
	}
}

// Calls that are not answered are lost, and an interrupt ends the measurement with a report.
func TestBenchNoticesLostCalls(t *testing.T) {
	t.Parallel()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	var calls atomic.Int64
	reached := make(chan struct{})
	backend(t, r, func(c *cloverleaf.Component) {
		c.Register(benchCall, func(ctx context.Context, id, n uint64) (uint64, uint64) {
			if id != 0 && calls.Add(1) > 100 {
				if calls.Load() == 103 {
					close(reached)
				}
				<-ctx.Done()
			}
			return id, n
		})
	})
	j := newShell(t).start("bench", "rpc", "--url", url, "--callees", "0", "--in-flight", "3", "--duration", "1h", "--warmup", "0", "--json", "-")
	<-reached
	j.interrupt()
	got := j.wait()
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "cloverleaf bench: 3 lost\n")
	rep := reported(t, got)
	require.True(t, rep.Interrupted)
	require.EqualValues(t, 3, rep.Lost)
	require.EqualValues(t, 100, rep.Operations)
}

// The router goes away while it is measured: that is an error, and it is reported what there was.
func TestBenchNoticesTheEndOfTheRouter(t *testing.T) {
	t.Parallel()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	j := newShell(t).start("bench", "rpc", "--url", url, "--duration", "1h", "--warmup", "0", "--connections", "2", "--json", "-")
	j.says("measuring")
	require.NoError(t, r.Close(t.Context()))
	rep := reported(t, j.wait())
	require.Equal(t, exitFailed, j.code)
	require.True(t, rep.Interrupted)
	require.EqualValues(t, 4, rep.ErrorCount(), "%v", rep.Errors)
	require.Zero(t, rep.Lost)
}

func TestBenchWritesFiles(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		got := newShell(t).run("bench", "rpc", "--url", url, "--duration", "50ms", "--warmup", "0", "--label", name,
			"--json", file(name+".json"), "--plot", file(name+".svg"))
		require.Zero(t, got.code, got.stderr)
		require.Regexp(t, `^`+name+`  rpc  ws://.*\n(?s).*per second.*p99\.9.*lost 0, `, got.stdout)
		require.Equal(t, "connecting\nmeasuring\n", strings.ReplaceAll(got.stderr, "waiting for the last ones\n", ""))
		requireXML(t, file(name+".svg"))
	}
	quiet := newShell(t).run("bench", "rpc", "--url", url, "--duration", "50ms", "--warmup", "0", "--quiet", "--plot", "-")
	require.Empty(t, quiet.stderr)
	require.Contains(t, quiet.stdout, "<svg ")

	s := newShell(t)
	require.Regexp(t, `(?m)^router +a +b$`, s.works("bench", "compare", file("a.json"), file("b.json")))
	several := s.works("bench", "compare", file("a.json"), file("b.json"), "--plot", file("c.svg"), "--", file("b.json"), file("a.json"))
	require.Regexp(t, `(?m)^runs +2 +2$`, several)
	require.Contains(t, several, "1.00 ~")
	requireXML(t, file("c.svg"))
}

func requireXML(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	d := xml.NewDecoder(bytes.NewReader(text))
	for err == nil {
		_, err = d.Token()
	}
	require.True(t, errors.Is(err, io.EOF), err)
}

func TestWrongBench(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "no", "file")
	for line, want := range map[string]string{
		"":                                      "what to do is missing: rpc, pubsub, sessions, churn, compare",
		"rcp":                                   `there is no "rcp", did you mean rpc?`,
		"rpc x":                                 `unexpected argument "x"`,
		"rpc --topic a":                         "--topic is not for bench rpc",
		"pubsub --callers 1":                    "--callers is not for bench pubsub",
		"sessions --rate 5":                     "--rate is not for bench sessions",
		"churn --in-flight 5":                   "--in-flight is not for bench churn",
		"compare a b --json x":                  "--json is not for bench compare",
		"compare a":                             "compare takes two files, or several, -- and several more",
		"compare a --":                          "compare: there is no file on one side of --",
		"rpc --callers 0 --callees 0":           "connections: there are none",
		"rpc --callers -5":                      "connections: a negative number",
		"rpc --in-flight 0":                     "in-flight: 0 is less than 1",
		"rpc --procedure a..b":                  `uri: "a..b" is not a valid URI`,
		"rpc --duration 0":                      "duration: there is none",
		"pubsub --subscribers 0":                "without subscribers and acknowledgement a rate is needed",
		"rpc --url x:":                          "url",
		"rpc --json - --plot -":                 "--json and --plot cannot both go to stdout",
		"rpc --json " + missing:                 "--json: open ",
		"rpc --secret x":                        "--authid is missing",
		"rpc --connections two":                 `--connections "two"`,
		"rpc --realm a..b --url ws://localhost": "realm",
	} {
		got := newShell(t).run(append([]string{"bench"}, strings.Fields(line)...)...)
		require.Equal(t, exitUsage, got.code, line)
		require.Contains(t, got.stderr, want, line)
		require.Empty(t, got.stdout)
	}
}

func TestBenchWithoutARouter(t *testing.T) {
	t.Parallel()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	refused := newShell(t).run("bench", "rpc", "--url", url, "--realm", "com.example.other")
	require.Equal(t, exitNoSession, refused.code)
	require.Contains(t, refused.stderr, "no_such_realm")
	backend(t, r, func(c *cloverleaf.Component) { c.Register(benchCall, func() {}) })
	taken := newShell(t).run("bench", "rpc", "--url", url)
	require.NotZero(t, taken.code)
	require.Contains(t, taken.stderr, "wamp.error.procedure_already_exists")
	require.NoError(t, r.Close(t.Context()))
	for _, mode := range load.Modes() {
		gone := newShell(t).run("bench", mode, "--url", url)
		require.Equal(t, exitNoSession, gone.code)
		require.Contains(t, gone.stderr, "connection refused")
		require.Empty(t, gone.stdout)
	}
}

func TestBenchIsInterruptedEarly(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	j := newShell(t).start("bench", "rpc", "--url", url, "--warmup", "1h")
	j.says("warming up")
	j.interrupt()
	got := j.wait()
	require.Equal(t, exitInterrupted, got.code)
	require.Empty(t, got.stdout, "nothing was measured")

	timed := newShell(t).run("bench", "rpc", "--url", url, "--warmup", "0", "--timeout", "3s", "--duration", "1h", "--json", "-")
	require.Equal(t, exitTimeout, timed.code)
	require.True(t, reported(t, timed).Interrupted)

	j = newShell(t).start("bench", "sessions", "--url", url, "--connections", "5", "--duration", "1h")
	j.says("holding 5 sessions")
	j.interrupt()
	got = j.wait()
	require.Zero(t, got.code)
	require.Contains(t, got.stdout, "5 sessions in ")
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := &progressLine{p: &program{stderr: &b}, terminal: true}
	l.show(load.Progress{Phase: "measuring", Begun: true})
	l.show(load.Progress{Phase: "measuring", Elapsed: 2*time.Second + time.Millisecond, PerSecond: 12345.6, P50: time.Millisecond, P99: time.Second})
	l.clear()
	require.Equal(t, eraseLine+"measuring"+eraseLine+"measuring  2s  12346/s  p50 1.00 ms  p99 1.00 s"+eraseLine, b.String())
	require.False(t, isTerminal(&lockedWriter{w: &b}))
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	require.False(t, isTerminal(&lockedWriter{w: f}))
	require.NoError(t, f.Close())
	require.False(t, isTerminal(f))
	b.Reset()
	l.quiet = true
	l.show(load.Progress{Phase: "measuring", Begun: true})
	l.clear()
	require.Empty(t, b.String())
}
