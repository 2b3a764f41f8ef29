package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/bench/load"
	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
)

// checkFiles finds out before the measurement whether its results can be written.
func (c *bencher) checkFiles() error {
	if c.json == "-" && c.plot == "-" {
		return usagef("--json and --plot cannot both go to stdout")
	}
	for name, file := range map[string]string{"json": c.json, "plot": c.plot} {
		if file == "" || file == "-" {
			continue
		}
		_, err := os.Stat(file)
		isNew := errors.Is(err, fs.ErrNotExist)
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err == nil {
			err = f.Close()
		}
		if isNew && err == nil {
			err = os.Remove(file)
		}
		if err != nil {
			return usagef("--%s: %w", name, err)
		}
	}
	return nil
}

// writeTo writes to a file, or to stdout for "-".
func writeTo(p *program, file string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if file == "-" {
		return p.printLine(b.Bytes())
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// compare shows the files of two runs, or of several of two kinds with "--" between them.
func (c *bencher) compare(p *program, args arguments) error {
	a, b := args.before()[1:], args.rest
	if !args.cut {
		if len(a) != 2 {
			return usagef("compare takes two files, or several, -- and several more")
		}
		a, b = a[:1], a[1:]
	}
	if len(a) == 0 || len(b) == 0 {
		return usagef("compare: there is no file on one side of --")
	}
	left, err := readReports(a)
	if err != nil {
		return err
	}
	right, err := readReports(b)
	if err != nil {
		return err
	}
	err = writeTo(p, "-", func(w io.Writer) error { return report.Compare(w, left, right) })
	if err != nil || c.plot == "" {
		return err
	}
	return writeTo(p, c.plot, func(w io.Writer) error { return report.PlotSides(w, left, right) })
}

func readReports(files []string) ([]*report.Report, error) {
	var list []*report.Report
	for _, name := range files {
		text, err := os.ReadFile(name) //nolint:gosec // it is the user who names it
		if err != nil {
			return nil, err
		}
		rep, err := report.Read(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, rep)
	}
	return list, nil
}

// progressLine tells on stderr how a measurement goes: on a terminal in one line that is written again
// and again, elsewhere only what is begun.
type progressLine struct {
	p        *program
	quiet    bool
	terminal bool
}

func newProgressLine(p *program, quiet bool) *progressLine {
	return &progressLine{p: p, quiet: quiet, terminal: isTerminal(p.stderr)}
}

func isTerminal(w io.Writer) bool {
	if l, ok := w.(*lockedWriter); ok {
		w = l.w
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// eraseLine goes to the beginning of the line and empties it.
const eraseLine = "\r\x1b[K"

func (l *progressLine) show(s load.Progress) {
	switch {
	case l.quiet:
	case l.terminal:
		say(l.p.stderr, eraseLine+progressText(s))
	case s.Begun:
		l.p.note("%s", s.Phase)
	}
}

// clear leaves no trace on a terminal.
func (l *progressLine) clear() {
	if l.terminal && !l.quiet {
		say(l.p.stderr, eraseLine)
	}
}

func progressText(s load.Progress) string {
	parts := []string{s.Phase}
	if !s.Begun {
		parts = append(parts, s.Elapsed.Round(time.Second).String(), fmt.Sprintf("%.0f/s", s.PerSecond))
	}
	if s.P50 > 0 {
		parts = append(parts, "p50 "+report.Duration(s.P50), "p99 "+report.Duration(s.P99))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}
