package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Compare writes the figures of two sides beside each other, with the ratio of the second to the
// first. Each side is one run or several of the same thing, of which the median is shown, and the least
// and the largest. It says where the settings differ, and fails if the runs did different things.
func Compare(w io.Writer, a, b []*Report) error {
	if len(a) == 0 || len(b) == 0 {
		return errors.New("a side without a report")
	}
	all := slices.Concat(a, b)
	for _, r := range all {
		if r.Mode != all[0].Mode {
			return fmt.Errorf("%s and %s cannot be compared", all[0].Mode, r.Mode)
		}
	}
	var table, text strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "%s\tA\tB\tB/A\n", all[0].Mode)
	fmt.Fprintf(t, "router\t%s\t%s\t\n", name(a), name(b))
	fmt.Fprintf(t, "runs\t%d\t%d\t\n", len(a), len(b))
	for _, row := range rows(all[0]) {
		writeRow(t, row, a, b)
	}
	_ = t.Flush() // a builder takes everything
	for line := range strings.Lines(table.String()) {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	text.WriteByte('\n')
	for _, line := range remarks(a, b) {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// name returns what a side is called. Not every router says what it is.
func name(side []*Report) string {
	return cmp.Or(side[0].Label, side[0].Router, side[0].Settings["url"])
}

// row is one figure of a report.
type row struct {
	name   string
	value  func(*Report) float64
	format func(float64) string
}

// rows returns the figures that a report of this kind has.
func rows(like *Report) []row {
	count := func(v float64) string { return group(v, 0) }
	list := []row{{like.Operation + "s/s", func(r *Report) float64 { return r.PerSecond }, func(v float64) string { return group(v, 1) }}}
	for i, l := range like.Latencies {
		quantile := func(label string, q float64) row {
			return row{l.Name + " " + label, func(r *Report) float64 { return r.quantile(i, q) }, duration}
		}
		list = append(list, quantile("p50", 0.5), quantile("p90", 0.9), quantile("p99", 0.99), quantile("p99.9", 0.999), quantile("max", 1))
	}
	return append(
		list,
		row{"generator CPU", func(r *Report) float64 { return r.CPUPerOperation * 1e3 }, duration},
		row{"lost", func(r *Report) float64 { return float64(r.Lost) }, count},
		row{"duplicates", func(r *Report) float64 { return float64(r.Duplicates) }, count},
		row{"out of order", func(r *Report) float64 { return float64(r.OutOfOrder) }, count},
		row{"corrupt", func(r *Report) float64 { return float64(r.Corrupt) }, count},
		row{"errors", func(r *Report) float64 { return float64(r.ErrorCount()) }, count},
		row{"unsent", func(r *Report) float64 { return float64(r.Unsent) }, count},
	)
}

// quantile returns one of a latency, NaN if there is no such latency or nothing in it.
func (r *Report) quantile(latency int, q float64) float64 {
	if latency >= len(r.Latencies) || r.Latencies[latency].Histogram.Count() == 0 {
		return math.NaN()
	}
	return float64(r.Latencies[latency].Histogram.Quantile(q))
}

func duration(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return Duration(time.Duration(v))
}

func writeRow(w io.Writer, r row, a, b []*Report) {
	x, y := spread(a, r.value), spread(b, r.value)
	ratio := ""
	if x.median > 0 && y.median > 0 {
		ratio = fmt.Sprintf("%.2f", y.median/x.median)
		if len(a) > 1 && len(b) > 1 && x.overlaps(y) {
			ratio += " ~"
		}
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.name, x.text(r.format), y.text(r.format), ratio)
}

// figures are those of several runs.
type figures struct{ least, median, most float64 }

func spread(side []*Report, value func(*Report) float64) figures {
	var list []float64
	for _, r := range side {
		if v := value(r); !math.IsNaN(v) {
			list = append(list, v)
		}
	}
	if list == nil {
		return figures{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(list)
	n := len(list)
	return figures{list[0], (list[(n-1)/2] + list[n/2]) / 2, list[n-1]}
}

// overlaps reports whether a run of one side was in the range of the other.
func (f figures) overlaps(o figures) bool { return f.least <= o.most && o.least <= f.most }

func (f figures) text(format func(float64) string) string {
	if f.least == f.most || math.IsNaN(f.median) {
		return format(f.median)
	}
	return fmt.Sprintf("%s (%s - %s)", format(f.median), format(f.least), format(f.most))
}

// remarks returns what a reader of the comparison has to know.
func remarks(a, b []*Report) []string {
	var list []string
	all := slices.Concat(a, b)
	if len(a) > 1 && len(b) > 1 {
		list = append(list, "~ the runs of both sides overlap: no difference can be told")
	} else {
		list = append(list, "one run tells little: several for each side show how much they differ by themselves")
	}
	for _, key := range differing(all) {
		list = append(list, fmt.Sprintf("the settings differ: %s is %s", key, values(all, func(r *Report) string { return r.Settings[key] })))
	}
	differs := func(what string, value func(*Report) string) {
		if text := values(all, value); text != quoted(value(all[0])) {
			list = append(list, fmt.Sprintf("%s: %s", what, text))
		}
	}
	differs("the machines differ", func(r *Report) string { return r.Machine })
	differs("the generators differ", func(r *Report) string { return r.Generator })
	for i, side := range [][]*Report{a, b} {
		list = append(list, sideRemarks("AB"[i:i+1], side)...)
	}
	return list
}

func sideRemarks(name string, side []*Report) []string {
	var list []string
	for _, r := range side {
		if r.Interrupted {
			list = append(list, fmt.Sprintf("%s: interrupted after %s s", name, group(r.Seconds, 1)))
		}
		for _, text := range r.Warnings {
			list = append(list, fmt.Sprintf("%s: warning: %s", name, text))
		}
	}
	return slices.Compact(list)
}

// differing returns the settings that are not the same everywhere, but for the address of the router.
func differing(all []*Report) []string {
	var keys []string
	for _, r := range all {
		for _, key := range slices.Collect(maps.Keys(r.Settings)) {
			if key != "url" && r.Settings[key] != all[0].Settings[key] {
				keys = append(keys, key)
			}
		}
		for key, value := range all[0].Settings {
			if key != "url" && r.Settings[key] != value {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// values returns the distinct values, in the order of the reports.
func values(all []*Report, value func(*Report) string) string {
	var list []string
	for _, r := range all {
		if v := quoted(value(r)); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return strings.Join(list, " and ")
}

func quoted(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}
