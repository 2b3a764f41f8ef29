package main

import (
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	d, err := parseStat([]byte("42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0"))
	require.NoError(t, err)
	require.Equal(t, 1750*time.Millisecond, d)
	for _, bad := range []string{"", "42 (a)", "42 (a) S 1 2", "42 (a) S 1 2 3 4 5 6 7 8 9 10 x 25 0"} {
		_, err := parseStat([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func TestParseIO(t *testing.T) {
	t.Parallel()
	n, err := parseIO([]byte("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4567\nread_bytes: 0\n"))
	require.NoError(t, err)
	require.Equal(t, int64(4567), n)
	_, err = parseIO([]byte("rchar: 1\n"))
	require.Error(t, err)
	_, err = parseIO([]byte("syscw: many\n"))
	require.Error(t, err)
}

func TestAddress(t *testing.T) {
	t.Parallel()
	require.Equal(t, "127.0.0.1:41075", address("listening on ws://127.0.0.1:41075/ws rs://127.0.0.1:41075"))
	require.Empty(t, address("cannot listen"))
}

func TestParseResult(t *testing.T) {
	t.Parallel()
	r, err := parseResult([]byte("warming up\n" + `{"mode":"rpc","ops":7,"router_cpu_us_per_op":2.5,"lost":1,"out_of_order":2,"errors":3,"connections_lost":4}` + "\n"))
	require.NoError(t, err)
	require.InDelta(t, 2.5, r.CPU, 0)
	require.Equal(t, uint64(10), r.faults())
	require.Equal(t, uint64(1), result{FirstError: "odd"}.faults())
	for _, bad := range []string{"", "panic: x\n", "{\n"} {
		_, err := parseResult([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	of := func(values ...float64) string {
		list := make([]result, len(values))
		for i, v := range values {
			list[i].CPU = v
		}
		return spanOf(list, func(r result) float64 { return r.CPU }).String()
	}
	require.Equal(t, "–", of())
	require.Equal(t, "1.50", of(1.5))
	require.Equal(t, "2.00 (1.00–30.0)", of(30, 1, 2))
	require.Equal(t, "2.50 (1.00–4.00)", of(4, 1, 2, 3))
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0.12": 0.123, "-3.46": -3.456, "12.3": 12.34, "123": 123.4, "1,234": 1234.4, "1,234,567": 1234567, "1,000,005": 1000005, "–": math.NaN(),
	} {
		require.Equal(t, want, number(v))
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	table := []scenario{
		{name: "calls", load: "rpc", figure: cpu(), ratio: 1.7, writes: 0.26},
		{name: "idle", load: "idle", figure: memory(), most: map[string]float64{"rs": 12}},
	}
	path := filepath.Join(t.TempDir(), "runs")
	for _, r := range []run{
		{"rpc", "rs/msgpack", "floor", result{CPU: 2, Writes: 0.25, P50: 100, P99: 200}},
		{"rpc", "rs/msgpack", "cloverleaf", result{CPU: 4, Writes: 0.25, P50: 150, P99: 300, PerSecond: 1000}},
		{"rpc", "ws/json", "floor", result{CPU: 2, Other: 0.5}},
		{"rpc", "ws/json", "cloverleaf", result{CPU: 3, Writes: 0.2, Lost: 1}},
		{"idle", "rs/msgpack", "cloverleaf", result{PerSession: 12.5}},
		{clientLoad(asCallee, 64), "rs/msgpack", wamploadItself, result{Own: 1}},
		{clientLoad(asCallee, 64), "rs/msgpack", "typed", result{Own: 5, Writes: 0.02}},
		{mixedLoad, "rs", "10 json", result{CPU: 1}},
		{mixedLoad, "rs", "5 msgpack, 5 cbor", result{CPU: 2}},
	} {
		require.NoError(t, appendRun(path, r))
	}
	list, err := readRuns(path)
	require.NoError(t, err)
	require.Equal(t, uint64(1), list.faults())
	var b strings.Builder
	tables(&b, list, table)
	for _, line := range []string{
		"| calls | rs/msgpack | CPU µs/op | 2.00 | 4.00 | **2.00** | ≤ 1.7 ×, ≤ 0.26 writes | 0.250 | 0.250 | 100 / 200 | 150 / 300 | 1,000 | 0 / 0 / 0 |",
		"| calls | ws/json | CPU µs/op | 2.00 | 3.00 | 1.50 | ≤ 1.7 ×, ≤ 0.26 writes | 0.000 | 0.200 | – | – | 0.00 | 0 / 1 / 0 |",
		"| idle | rs/msgpack | KiB/session | – | 12.5 | **–** | ≤ 12 | – | 0.000 | – | – | 0.00 | 0 / 0 / 0 |",
		"| callee, 64 in flight | typed | rs/msgpack | 1.00 | 5.00 | **5.00** | ≤ 4 × | 0.020 | – | – | 0.00 | 0 / 0 / 0 |",
		"| 5 msgpack, 5 cbor | rs | 2.00 | 2.00 | 0.000 | 0.00 | 0 / 0 / 0 |",
		"In 1 of 5 runs of the first table other processes used more than 0.3 of a processor.",
	} {
		require.Contains(t, b.String(), line+"\n")
	}
	for block := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n\n") {
		lines := strings.Split(block, "\n")
		for _, line := range lines {
			if strings.HasPrefix(line, "|") {
				require.Equal(t, strings.Count(lines[0], "|"), strings.Count(line, "|"), line)
			}
		}
	}
}

func TestScenariosFitTheMachine(t *testing.T) {
	t.Parallel()
	names := func(files int) (list []string) {
		for _, s := range scenarios(files) {
			list = append(list, s.name)
		}
		return list
	}
	require.Contains(t, names(0), "idle: 20,000 sessions")
	require.Contains(t, names(0), "events 1 → 10,000")
	require.Contains(t, names(5000), "idle: 4,800 sessions")
	require.Contains(t, names(5000), "events 1 → 4,800")
}

func TestParseRefuses(t *testing.T) {
	t.Setenv("WAMPLOAD", "")
	for want, args := range map[string][]string{
		"wampload": {},
		"rounds":   {"-wampload", "x", "-rounds", "0"},
		"extra":    {"-wampload", "x", "extra"},
	} {
		_, err := parse(args, io.Discard)
		require.ErrorContains(t, err, want)
	}
	_, err := parse([]string{"-wampload", "x"}, io.Discard)
	require.NoError(t, err)
}
