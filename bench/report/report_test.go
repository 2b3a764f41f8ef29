package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sample returns a report of a router that needs so long for a call.
func sample(router string, latency time.Duration) *Report {
	h := new(Histogram)
	for i := range 1000 {
		h.Record(latency + time.Duration(i)*time.Microsecond)
	}
	return &Report{
		Format: Format, Mode: "rpc", Router: router, Machine: "m", Generator: "g", Operation: "call",
		Settings: map[string]string{"url": "rs://" + router, "callers": "4", "size": "100"},
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 2, Operations: 1_234_567, PerSecond: 617_283.5,
		Latencies: []Latency{NewLatency("call", h)}, CPU: 1.5, CPUPerOperation: 1.215, Processors: 2,
		Faults: Faults{Errors: map[string]uint64{}},
	}
}

func TestReportIsReadBack(t *testing.T) {
	t.Parallel()
	r := sample("a<b", time.Millisecond)
	r.Lost, r.Errors["wamp.error.canceled"] = 3, 4
	var b bytes.Buffer
	require.NoError(t, r.Write(&b))
	for _, key := range []string{`"lost": 3`, `"wamp.error.canceled": 4`, `"p99_9_ns": `, `"a<b"`} {
		require.Contains(t, b.String(), key)
	}
	back, err := Read(&b)
	require.NoError(t, err)
	require.Equal(t, r.Latencies[0].Histogram.Quantile(0.9), back.Latencies[0].Histogram.Quantile(0.9))
	r.Latencies, back.Latencies = nil, nil
	require.Equal(t, r, back)
}

func TestReadRejects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "not a report",
		"{}":                             "format: 0, this program reads 1",
		`{"format":2}`:                   "format: 2",
		`{"format":1,"latencies":[{}]}`:  "latencies: 0 has no histogram",
		`{"format":1,"operations":"no"}`: "not a report",
	} {
		_, err := Read(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	r := sample("router", time.Millisecond)
	r.Errors["com.example.wrong"], r.Interrupted, r.Warnings = 2, true, []string{"too slow"}
	var b bytes.Buffer
	require.NoError(t, r.Text(&b))
	for _, want := range []string{
		"rpc  rs://router  router\n", "callers 4, size 100\n", "1,234,567 calls in 2.0 s: 617,283.5 per second, 61.7 MB of payload\n", "1.50 ms", "2.00 ms",
		"errors 2\n", "com.example.wrong  2\n", "1.2 µs of CPU per call, 0.75 of 2 processors", "interrupted", "warning: too slow\n",
	} {
		require.Contains(t, b.String(), want)
	}
	require.NotContains(t, b.String(), " \n", "no line ends with a space")
	require.ErrorIs(t, r.Text(broken{}), io.ErrClosedPipe)
	r.Latencies = nil
	b.Reset()
	require.NoError(t, r.Text(&b))
	require.NotContains(t, b.String(), "latency")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFaults(t *testing.T) {
	t.Parallel()
	require.NoError(t, (&Faults{}).Err())
	f := Faults{Lost: 1, Duplicates: 2000, OutOfOrder: 3, Corrupt: 4, Errors: map[string]uint64{"a": 2, "b": 3}}
	require.EqualError(t, f.Err(), "1 lost, 2,000 twice, 3 out of order, 4 corrupt, 5 failed")
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ns", 999: "999 ns", 1500: "1.50 µs", 76_800: "76.8 µs", 999_000: "999 µs", 12_345_678: "12.3 ms",
		time.Minute: "60.0 s", 2500 * time.Millisecond: "2.50 s",
	} {
		require.Equal(t, want, Duration(d))
	}
}

func compared(t *testing.T, a, b []*Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Compare(&out, a, b))
	return out.String()
}

func TestCompareTwo(t *testing.T) {
	t.Parallel()
	a, b := sample("one", time.Millisecond), sample("two", 3*time.Millisecond)
	b.PerSecond, b.Settings["callers"], b.Settings["rate"], b.Machine = a.PerSecond/2, "8", "5", "other"
	b.Interrupted, b.Warnings, b.Lost = true, []string{"slow"}, 7
	text := compared(t, []*Report{a}, []*Report{b})
	for _, want := range []string{
		`(?m)^calls/s +617,283.5 +308,641.8 +0.50$`, `(?m)^call p50 +1.5\d ms +3.5\d ms +2.3\d$`, `(?m)^lost +0 +7 *$`,
		`the settings differ: callers is 4 and 8`, `the settings differ: rate is not set and 5`, `the machines differ: m and other`,
		`B: interrupted after 2.0 s`, `B: warning: slow`, `one run tells little`,
	} {
		require.Regexp(t, want, text)
	}
	require.NotContains(t, text, "url is", "that is what is compared")
	require.NotContains(t, text, "generators differ")
}

// Of several runs there is the median, the range, and a mark where the ranges overlap.
func TestCompareSeveral(t *testing.T) {
	t.Parallel()
	side := func(rates ...float64) (list []*Report) {
		for _, rate := range rates {
			r := sample("r", time.Millisecond)
			r.PerSecond = rate
			list = append(list, r)
		}
		return list
	}
	text := compared(t, side(100, 300, 200), side(400, 500))
	require.Regexp(t, `(?m)^calls/s +200.0 \(100.0 - 300.0\) +450.0 \(400.0 - 500.0\) +2.25$`, text)
	require.Regexp(t, `(?m)^call p50 .* 1.00 ~$`, text)
	require.NotContains(t, text, "one run")
	require.Regexp(t, `(?m)^calls/s .* 1.00 ~$`, compared(t, side(100, 300), side(200, 200)))
}

func TestCompareFails(t *testing.T) {
	t.Parallel()
	a, b := sample("one", 1), sample("two", 1)
	b.Mode = "pubsub"
	require.EqualError(t, Compare(io.Discard, []*Report{a}, []*Report{b}), "rpc and pubsub cannot be compared")
	require.Error(t, Compare(io.Discard, nil, []*Report{b}))
	require.ErrorIs(t, Compare(broken{}, []*Report{a}, []*Report{a}), io.ErrClosedPipe)
}

// A report without latencies has nothing to compare there.
func TestCompareWithoutLatencies(t *testing.T) {
	t.Parallel()
	a, b := sample("one", 1), sample("two", 1)
	b.Latencies, b.Router = nil, ""
	require.Regexp(t, `(?m)^router +one +rs://two$`, compared(t, []*Report{a}, []*Report{b}))
	require.Regexp(t, `(?m)^call p99 +\S+ \S+ +- *$`, compared(t, []*Report{a}, []*Report{b}))
}

// shapes parses a picture and counts its elements.
func shapes(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			counts[e.Name.Local]++
			for _, a := range e.Attr {
				require.NotContains(t, a.Value, "NaN")
				require.NotContains(t, a.Value, "Inf")
			}
		}
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	t.Parallel()
	one := new(Histogram)
	one.Record(time.Second)
	zero := new(Histogram)
	zero.Record(0)
	wide := sample("", time.Microsecond).Latencies[0].Histogram
	wide.Record(20 * time.Second)
	for name, series := range map[string][]Series{
		"none":    nil,
		"empty":   {{"x", new(Histogram)}, {"y", nil}},
		"one":     {{"<&\">", one}},
		"zero":    {{"x", zero}},
		"several": {{"a", wide}, {"b", one}, {"c", zero}},
		"many":    {{"a", one}, {"b", one}, {"c", one}, {"d", one}, {"e", one}, {"f", one}, {"g", one}},
	} {
		var b bytes.Buffer
		require.NoError(t, Plot(&b, "title <&>", series), name)
		curves := 0
		for _, s := range series {
			if s.Histogram != nil && s.Histogram.Count() > 0 && curves < maxSeries {
				curves++
			}
		}
		got := shapes(t, b.Bytes())
		require.Equal(t, 1, got["svg"], name)
		require.Equal(t, curves+1, got["path"], "%s: the curves and the axes", name)
		require.Contains(t, b.String(), "percentile")
		require.Contains(t, b.String(), "latency")
	}
}

func TestPlotOfReports(t *testing.T) {
	t.Parallel()
	a, b := sample("one", time.Millisecond), sample("two", time.Millisecond)
	b.Latencies = append(b.Latencies, b.Latencies[0])
	var out bytes.Buffer
	require.NoError(t, b.Plot(&out))
	require.Equal(t, 3, shapes(t, out.Bytes())["path"])
	out.Reset()
	require.NoError(t, PlotSides(&out, []*Report{a, a}, []*Report{b}))
	require.Equal(t, 3, shapes(t, out.Bytes())["path"])
	require.Contains(t, out.String(), "A  one")
	require.Contains(t, out.String(), "B  two")
	a.Latencies = nil
	require.NoError(t, PlotSides(io.Discard, []*Report{a}, []*Report{a}))
	require.ErrorIs(t, Plot(broken{}, "", nil), io.ErrClosedPipe)
}
