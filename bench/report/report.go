package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Format is the version of the JSON of a report. Reports of another one are not read.
const Format = 1

// Report is what one run has found.
type Report struct {
	// Format is the version of this form, see the constant.
	Format int `json:"format"`
	// Mode is what was done, such as rpc.
	Mode string `json:"mode"`
	// Label is the user's own name for the run.
	Label string `json:"label,omitempty"`
	// Router is what the router calls itself, Generator the version of the generator, Machine where that ran.
	Router    string `json:"router"`
	Generator string `json:"generator"`
	Machine   string `json:"machine"`
	// Settings are those of the run, by the names of their flags.
	Settings map[string]string `json:"settings"`
	// Started is when the measurement began, after the warm-up. Seconds is how long it took; Interrupted
	// says that this is less than was asked for.
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"`
	Interrupted bool      `json:"interrupted"`
	// Operation is what was counted, such as call. Operations are those completed within the measured
	// time.
	Operation  string  `json:"operation"`
	Operations uint64  `json:"operations"`
	PerSecond  float64 `json:"per_second"`
	// Latencies are those of what began within the measured time, the most important one first.
	Latencies []Latency `json:"latencies"`
	// Faults count what went wrong in the whole run, with warm-up and end.
	Faults
	// Unsent is how many operations were due at the target rate, and never began.
	Unsent uint64 `json:"unsent"`
	// CPU is the generator's processor time, user and system, within the measured time; 0 is unknown.
	CPU float64 `json:"generator_cpu_seconds"`
	// CPUPerOperation is that for one operation, in microseconds.
	CPUPerOperation float64 `json:"generator_cpu_us_per_operation"`
	// Processors is how many the generator could use at once.
	Processors int `json:"generator_processors"`
	// Warnings are reasons not to trust the figures.
	Warnings []string `json:"warnings,omitempty"`
}

// Faults count what went wrong.
type Faults struct {
	// Lost are answers and events that never came.
	Lost uint64 `json:"lost"`
	// Duplicates came again.
	Duplicates uint64 `json:"duplicates"`
	// OutOfOrder came after something that had been sent later.
	OutOfOrder uint64 `json:"out_of_order"`
	// Corrupt came with other data than was sent.
	Corrupt uint64 `json:"corrupt"`
	// Errors count what failed, by the URI of the error.
	Errors map[string]uint64 `json:"errors"`
}

// Latency is a distribution of durations.
type Latency struct {
	// Name says of what, such as call.
	Name string `json:"name"`
	// The quantiles are for readers of the JSON; this package takes them from the histogram.
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p99_9_ns"`
	// Histogram is all of it.
	Histogram *Histogram `json:"histogram"`
}

// NewLatency returns the distribution that a histogram holds.
func NewLatency(name string, h *Histogram) Latency {
	return Latency{
		Name: name, Histogram: h,
		P50: h.Quantile(0.5), P90: h.Quantile(0.9), P99: h.Quantile(0.99), P999: h.Quantile(0.999),
	}
}

// ErrorCount returns how many operations have failed.
func (f *Faults) ErrorCount() uint64 {
	var sum uint64
	for _, n := range f.Errors {
		sum += n
	}
	return sum
}

// Err returns nil if nothing went wrong, and otherwise what did.
func (f *Faults) Err() error {
	var list []string
	add := func(n uint64, what string) {
		if n > 0 {
			list = append(list, group(float64(n), 0)+" "+what)
		}
	}
	add(f.Lost, "lost")
	add(f.Duplicates, "twice")
	add(f.OutOfOrder, "out of order")
	add(f.Corrupt, "corrupt")
	add(f.ErrorCount(), "failed")
	if list == nil {
		return nil
	}
	return errors.New(strings.Join(list, ", "))
}

// Write writes the report as JSON.
func (r *Report) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Read reads a report that Write has written.
func Read(rd io.Reader) (*Report, error) {
	r := new(Report)
	if err := json.NewDecoder(rd).Decode(r); err != nil {
		return nil, fmt.Errorf("not a report: %w", err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("format: %d, this program reads %d", r.Format, Format)
	}
	for i, l := range r.Latencies {
		if l.Histogram == nil {
			return nil, fmt.Errorf("latencies: %d has no histogram", i)
		}
	}
	return r, nil
}

// Text writes the report for people. It fails if w does.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", strings.Join(nonEmpty(r.Label, r.Mode, r.Settings["url"], r.Router), "  "), r.settingsLine())
	r.figures(&b)
	fmt.Fprintf(&b, "\nlost %s, duplicates %s, out of order %s, corrupt %s, errors %s\n", group(float64(r.Lost), 0),
		group(float64(r.Duplicates), 0), group(float64(r.OutOfOrder), 0), group(float64(r.Corrupt), 0), group(float64(r.ErrorCount()), 0))
	for _, uri := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "  %s  %s\n", uri, group(float64(r.Errors[uri]), 0))
	}
	if r.CPU > 0 {
		fmt.Fprintf(&b, "generator: %.1f µs of CPU per %s, %.2f of %d processors\n", r.CPUPerOperation, r.Operation, r.cores(), r.Processors)
	}
	if r.Interrupted {
		b.WriteString("interrupted: less was measured than asked for\n")
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// figures writes the numbers of operations, and their latencies.
func (r *Report) figures(w io.Writer) {
	fmt.Fprintf(w, "%s %ss in %s s: %s per second", group(float64(r.Operations), 0), r.Operation, group(r.Seconds, 1), group(r.PerSecond, 1))
	if size, _ := strconv.Atoi(r.Settings["size"]); size > 0 {
		fmt.Fprintf(w, ", %s MB of payload", group(r.PerSecond*float64(size)/1e6, 1))
	}
	fmt.Fprintln(w)
	if len(r.Latencies) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\nlatency\tp50\tp90\tp99\tp99.9\tmax\tmean\t\n")
	for _, l := range r.Latencies {
		h := l.Histogram
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Name, Duration(h.Quantile(0.5)), Duration(h.Quantile(0.9)),
			Duration(h.Quantile(0.99)), Duration(h.Quantile(0.999)), Duration(h.Max()), Duration(h.Mean()))
	}
	_ = t.Flush()
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// cores returns how many processors the generator has used.
func (r *Report) cores() float64 {
	if r.Seconds <= 0 {
		return 0
	}
	return r.CPU / r.Seconds
}

// settingsLine returns the settings but for the address, as they are typed.
func (r *Report) settingsLine() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		if name != "url" {
			list = append(list, name+" "+r.Settings[name])
		}
	}
	return strings.Join(list, ", ")
}

// group returns a number with commas between the thousands.
func group(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	text := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	if v < 0 {
		whole = "-" + whole
	}
	return whole
}

// Duration returns a duration with three digits and its unit.
func Duration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + " ms"
	default:
		return digits(float64(d)/1e9) + " s"
	}
}

func digits(v float64) string {
	switch {
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}
