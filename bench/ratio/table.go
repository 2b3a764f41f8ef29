package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// runs are all measurements.
type runs []run

// of returns the results of a subject.
func (list runs) of(load, link, subject string) []result {
	var found []result
	for _, r := range list {
		if r.Load == load && r.Link == link && r.Subject == subject {
			found = append(found, r.Result)
		}
	}
	return found
}

// faults is how much went wrong in all runs.
func (list runs) faults() uint64 {
	var n uint64
	for _, r := range list {
		n += r.Result.faults()
	}
	return n
}

// span is the median, the least and the largest of some values.
type span struct{ mid, low, high float64 }

// spanOf returns the span of a figure over results, NaN if there are none.
func spanOf(list []result, of func(result) float64) span {
	values := make([]float64, len(list))
	for i, r := range list {
		values[i] = of(r)
	}
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return span{math.NaN(), math.NaN(), math.NaN()}
	}
	return span{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]}
}

func (s span) String() string {
	if math.IsNaN(s.mid) {
		return "–"
	}
	if s.low == s.high {
		return number(s.mid)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.mid), number(s.low), number(s.high))
}

// number returns a value with three digits, at least those before the point.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 1000:
		return thousands(int(math.Round(v)))
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// writes is short for what stays below 10 and matters to the third digit.
func writes(list []result) string {
	w := spanOf(list, func(r result) float64 { return r.Writes }).mid
	if math.IsNaN(w) {
		return "–"
	}
	return fmt.Sprintf("%.3f", w)
}

func latency(list []result) string {
	p50 := spanOf(list, func(r result) float64 { return r.P50 }).mid
	p99 := spanOf(list, func(r result) float64 { return r.P99 }).mid
	if math.IsNaN(p50) || p50 == 0 && p99 == 0 {
		return "–"
	}
	return number(p50) + " / " + number(p99)
}

// faultsOf says what went wrong.
func faultsOf(list []result) string {
	var sum result
	for _, r := range list {
		sum.Errors += r.Errors + r.Dead
		sum.Lost += r.Lost
		sum.Disorder += r.Disorder
		if sum.FirstError == "" {
			sum.FirstError = r.FirstError
		}
	}
	text := fmt.Sprintf("%d / %d / %d", sum.Errors, sum.Lost, sum.Disorder)
	if sum.FirstError != "" {
		text += " " + strings.Join(strings.Fields(strings.ReplaceAll(sum.FirstError, "|", "/")), " ")
	}
	return text
}

// row writes a line of a Markdown table.
func row(w io.Writer, cells ...string) {
	fmt.Fprintln(w, "| "+strings.Join(cells, " | ")+" |")
}

// head writes the first two lines of one.
func head(w io.Writer, cells ...string) {
	row(w, cells...)
	fmt.Fprintln(w, strings.Repeat("|---", len(cells))+"|")
}

// bold marks a cell.
func bold(cell string, mark bool) string {
	if mark {
		return "**" + cell + "**"
	}
	return cell
}

// routerTable writes the table of the scenarios; each link that was measured has a row.
func routerTable(w io.Writer, list runs, table []scenario) {
	base := slices.ContainsFunc(list, func(r run) bool { return r.Subject == "base" })
	titles := []string{
		"scenario", "over", "measured", "floor", "cloverleaf", "ratio", "target",
		"writes/op, floor", "writes/op", "p50 / p99 µs, floor", "p50 / p99 µs", "ops/s", "errors / lost / disordered",
	}
	if base {
		titles = append(titles, "base", "cloverleaf / base")
	}
	head(w, titles...)
	for _, s := range table {
		for _, l := range links() {
			if cells := s.row(list, l, base); cells != nil {
				row(w, cells...)
			}
		}
	}
}

func (s scenario) row(list runs, l link, base bool) []string {
	floor, ours := list.of(s.load, l.String(), "floor"), list.of(s.load, l.String(), "cloverleaf")
	if len(ours) == 0 {
		return nil
	}
	a, b := spanOf(floor, s.figure.of), spanOf(ours, s.figure.of)
	ratio := b.mid / a.mid
	missed := s.misses(l, b.mid, ratio, spanOf(ours, func(r result) float64 { return r.Writes }).mid)
	cells := []string{
		s.name, l.String(), s.figure.name, a.String(), b.String(), bold(number(ratio), missed), s.target(l),
		writes(floor), writes(ours), latency(floor), latency(ours),
		number(spanOf(ours, func(r result) float64 { return r.PerSecond }).mid), faultsOf(ours),
	}
	if base {
		old := spanOf(list.of(s.load, l.String(), "base"), s.figure.of)
		cells = append(cells, old.String(), number(b.mid/old.mid))
	}
	return cells
}

// clientTarget is the ratio of our client to wampload in its place.
const clientTarget = 4

// clientTable writes what our client costs in the place of wampload.
func clientTable(w io.Writer, list runs) {
	head(w, "our client as", "way", "over", "wampload, CPU µs/call", "cloverleaf, CPU µs/call", "ratio", "target",
		"writes/call", "p50 / p99 µs, wampload", "p50 / p99 µs", "calls/s", "errors / lost / disordered")
	for _, place := range []string{asCaller, asCallee} {
		for _, window := range []int{64, 1} {
			for _, l := range links() {
				for _, subject := range ways(place, l) {
					clientRow(w, list, clientLoad(place, window), l.String(), subject)
				}
			}
		}
	}
}

func clientRow(w io.Writer, list runs, load, link, subject string) {
	theirs, ours := list.of(load, link, wamploadItself), list.of(load, link, subject)
	if len(ours) == 0 {
		return
	}
	own := func(r result) float64 { return r.Own }
	a, b := spanOf(theirs, own), spanOf(ours, own)
	ratio, target := b.mid/a.mid, ""
	if !strings.HasSuffix(load, " 1 in flight") && subject != least {
		target = fmt.Sprintf("≤ %d ×", clientTarget)
	}
	row(w, load, subject, link, a.String(), b.String(), bold(number(ratio), target != "" && ratio > clientTarget), target,
		writes(ours), latency(theirs), latency(ours), number(spanOf(ours, func(r result) float64 { return r.PerSecond }).mid), faultsOf(ours))
}

// mixedTable writes what different serializers cost.
func mixedTable(w io.Writer, list runs) {
	head(w, mixedLoad, "over", "CPU µs/event", "ratio", "writes/event", "events/s", "errors / lost / disordered")
	of := func(r result) float64 { return r.CPU }
	for _, l := range links() {
		if !l.first {
			continue
		}
		same := spanOf(list.of(mixedLoad, l.Transport, mixtures()[0].String()), of)
		for _, m := range mixtures() {
			found := list.of(mixedLoad, l.Transport, m.String())
			if len(found) == 0 {
				continue
			}
			s := spanOf(found, of)
			row(w, m.String(), l.Transport, s.String(), number(s.mid/same.mid), writes(found),
				number(spanOf(found, func(r result) float64 { return r.PerSecond }).mid), faultsOf(found))
		}
	}
}

// disturbed is how many runs of the scenarios had to share the processors with somebody else, and how many there are.
func (list runs) disturbed() (n, all int) {
	const much = 0.3
	for _, r := range list {
		switch r.Subject {
		case "floor", "base", "cloverleaf":
			all++
			if r.Result.Other > much {
				n++
			}
		}
	}
	return n, all
}

// tables writes all tables that something was measured for.
func tables(w io.Writer, list runs, table []scenario) {
	has := func(of func(run) bool) bool { return slices.ContainsFunc(list, of) }
	if has(func(r run) bool { return r.Subject == "cloverleaf" }) {
		routerTable(w, list, table)
		fmt.Fprintln(w)
	}
	if has(func(r run) bool { return r.Subject == wamploadItself }) {
		clientTable(w, list)
		fmt.Fprintln(w)
	}
	if has(func(r run) bool { return r.Load == mixedLoad }) {
		mixedTable(w, list)
		fmt.Fprintln(w)
	}
	if n, of := list.disturbed(); n > 0 {
		fmt.Fprintf(w, "In %d of %d runs of the first table other processes used more than 0.3 of a processor.\n", n, of)
	}
}
