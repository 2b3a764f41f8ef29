package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// The picture, in pixels.
const (
	plotWidth, plotHeight  = 800, 460
	plotLeft, plotRight    = 80, 40
	plotTop, plotBottom    = 48, 64
	plotInner              = plotWidth - plotLeft - plotRight
	plotDepth              = plotHeight - plotTop - plotBottom
	maxSeries              = 6
	plotFewest, plotMostly = 2, 7 // decades of the axis of percentiles
)

// Series is a curve of a plot.
type Series struct {
	// Label names it in the legend.
	Label string
	// Histogram is what is drawn.
	Histogram *Histogram
}

const plotStyle = `text { font: 12px system-ui, sans-serif; fill: #555 }
.title { font-size: 15px }
.grid { stroke: #8888; stroke-width: 0.5 }
.axis { stroke: #888; fill: none }
.curve { fill: none; stroke-width: 2 }
.c0 { stroke: #1b7fc4 } .c1 { stroke: #d9661f } .c2 { stroke: #2e9e5b }
.c3 { stroke: #a35bc7 } .c4 { stroke: #b8902a } .c5 { stroke: #d1477a }
@media (prefers-color-scheme: dark) { text { fill: #bbb } }
`

// Plot draws the latencies of the report, see the function of this name.
func (r *Report) Plot(w io.Writer) error {
	var list []Series
	for _, l := range r.Latencies {
		list = append(list, Series{Label: l.Name, Histogram: l.Histogram})
	}
	return Plot(w, strings.Join(nonEmpty(r.Label, r.Mode, r.Router), "  "), list)
}

// PlotSides draws the first latency of two sides, that of all runs of a side together.
func PlotSides(w io.Writer, a, b []*Report) error {
	var list []Series
	for i, side := range [][]*Report{a, b} {
		sum := new(Histogram)
		for _, r := range side {
			if len(r.Latencies) > 0 {
				sum.Merge(r.Latencies[0].Histogram)
			}
		}
		list = append(list, Series{Label: "AB"[i:i+1] + "  " + name(side), Histogram: sum})
	}
	title := a[0].Mode
	if len(a[0].Latencies) > 0 {
		title += "  " + a[0].Latencies[0].Name
	}
	return Plot(w, title, list)
}

// Plot draws latencies by percentile as SVG, without a background: it suits light and dark pages. Both
// axes are logarithmic; that of the percentiles by what is left to 100 %, so that the slowest can be seen.
// Series without a value are left out, and at most six are drawn.
func Plot(w io.Writer, title string, series []Series) error {
	series = slices.DeleteFunc(slices.Clone(series), func(s Series) bool { return s.Histogram == nil || s.Histogram.Count() == 0 })
	series = series[:min(len(series), maxSeries)]
	p := newPlane(series)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>\n%s</style>\n", escaped(title), plotStyle)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="26">%s</text>`+"\n", plotLeft, escaped(title))
	p.axes(&b)
	for i, s := range series {
		p.curve(&b, i, s)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
}

// plane maps percentiles and latencies to pixels.
type plane struct {
	decades     float64 // of 1/(1-q)
	bottom, top float64 // log10 of nanoseconds
}

func newPlane(series []Series) plane {
	p := plane{decades: plotFewest, bottom: 3, top: 4}
	for i, s := range series {
		h := s.Histogram
		p.decades = min(max(p.decades, math.Ceil(math.Log10(float64(h.Count())))), plotMostly)
		low, high := math.Log10(max(float64(h.Min()), 1)), math.Log10(max(float64(h.Max()), 1))
		if i == 0 {
			p.bottom, p.top = low, high
		}
		p.bottom, p.top = min(p.bottom, low), max(p.top, high)
	}
	p.bottom = math.Floor(p.bottom)
	p.top = max(math.Ceil(p.top), p.bottom+1)
	return p
}

// x returns where the fraction q is.
func (p plane) x(q float64) float64 {
	left := p.decades
	if q < 1 {
		left = min(-math.Log10(1-q), p.decades)
	}
	return plotLeft + left/p.decades*plotInner
}

// y returns where a latency is.
func (p plane) y(d time.Duration) float64 {
	v := math.Log10(max(float64(d), 1))
	return plotTop + (p.top-v)/(p.top-p.bottom)*plotDepth
}

func (p plane) axes(b *strings.Builder) {
	line := func(class string, x1, y1, x2, y2 float64) {
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
	}
	text := func(anchor string, x, y float64, s string) {
		fmt.Fprintf(b, `<text text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", anchor, x, y, escaped(s))
	}
	const right, bottom = plotLeft + plotInner, plotTop + plotDepth
	for _, q := range append([]float64{0, 0.5}, nines(int(p.decades))...) {
		x := p.x(q)
		line("grid", x, plotTop, x, bottom)
		text("middle", x, bottom+18, strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", q*100), "0"), ".")+" %")
	}
	for e := p.bottom; e <= p.top; e++ {
		for _, digit := range []float64{1, 2, 5} {
			d := time.Duration(math.Round(digit * math.Pow(10, e)))
			if e == p.top && digit > 1 {
				break
			}
			line("grid", plotLeft, p.y(d), right, p.y(d))
			if digit == 1 || p.top-p.bottom <= 3 {
				text("end", plotLeft-8, p.y(d)+4, axisLabel(d))
			}
		}
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%dH%d"/>`+"\n", plotLeft, plotTop, plotTop+plotDepth, plotLeft+plotInner)
	text("middle", plotLeft+plotInner/2, plotHeight-14, "percentile")
	fmt.Fprintf(b, `<text text-anchor="middle" transform="translate(18 %d) rotate(-90)">latency</text>`+"\n", plotTop+plotDepth/2)
}

// nines returns 0.9, 0.99 and so on.
func nines(n int) []float64 {
	var list []float64
	for i := 1; i <= n; i++ {
		list = append(list, 1-math.Pow10(-i))
	}
	return list
}

// axisLabel returns a round duration.
func axisLabel(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}

func (p plane) curve(b *strings.Builder, index int, s Series) {
	h := s.Histogram
	fmt.Fprintf(b, `<path class="curve c%d" d="M%.1f %.1f`, index, p.x(0), p.y(h.Min()))
	lastX, lastY := p.x(0), p.y(h.Min())
	var seen uint64
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		seen += n
		x, y := p.x(float64(seen)/float64(h.n)), p.y(h.top(i))
		if seen < h.n && math.Abs(x-lastX) < 0.5 && math.Abs(y-lastY) < 0.5 {
			continue // less than can be seen
		}
		fmt.Fprintf(b, "L%.1f %.1f", x, y)
		lastX, lastY = x, y
	}
	b.WriteString(`"/>` + "\n")
	y := plotTop + 16 + 18*float64(index)
	fmt.Fprintf(b, `<line class="curve c%d" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`+"\n", index, plotLeft+12, y-4, plotLeft+36, y-4)
	fmt.Fprintf(b, `<text x="%d" y="%.1f">%s</text>`+"\n", plotLeft+44, y, escaped(s.Label))
}
