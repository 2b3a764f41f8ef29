package main

import (
	"fmt"
	"strconv"
	"strings"
)

// link is a transport with a serializer.
type link struct {
	Transport, Serializer string
	first                 bool // measured without -all
}

func (l link) String() string { return l.Transport + "/" + l.Serializer }

// links are all ways to reach a router over a network.
func links() []link {
	return []link{
		{"rs", "msgpack", true},
		{"ws", "json", true},
		{"rs", "json", false},
		{"rs", "cbor", false},
		{"ws", "msgpack", false},
		{"ws", "cbor", false},
	}
}

// url is where a router at an address serves the link.
func (l link) url(address string) string {
	if l.Transport == "ws" {
		return "ws://" + address + "/ws"
	}
	return l.Transport + "://" + address
}

// figure is what a scenario is about.
type figure struct {
	name string
	of   func(result) float64
}

func cpu() figure    { return figure{"CPU µs/op", func(r result) float64 { return r.CPU }} }
func median() figure { return figure{"p50 µs", func(r result) float64 { return r.P50 }} }
func memory() figure { return figure{"KiB/session", func(r result) float64 { return r.PerSession }} }

// scenario is a row of the table for each link. Those with the same load are measured at once.
type scenario struct {
	name   string
	load   string // arguments of wampload
	figure figure
	// The targets; zero is none.
	ratio  float64            // of the figure to that of the floor
	most   map[string]float64 // of the figure, by transport
	writes float64            // for each operation
	// wide scenarios are measured over all links with -all.
	wide bool
}

// scenarios is the table of docs/performance.md. No process may have more than so many files open.
func scenarios(files int) []scenario {
	few, many := fit(2_000, files), fit(20_000, files)
	crowd := fit(10_000, files)
	small := map[string]float64{"rs": 12, "ws": 16}
	const extra = ", each with a registration and a subscription"
	return []scenario{
		{name: "calls, 8 callers × window 8", load: "rpc -callers 8 -window 8 -callees 8", figure: cpu(), ratio: 1.7, writes: 0.26, wide: true},
		{name: "events 1 → 10", load: "pubsub -pubs 1 -subs 10", figure: cpu(), ratio: 1.2, writes: 0.15, wide: true},
		{name: "events 1 → 100", load: "pubsub -pubs 1 -subs 100", figure: cpu(), ratio: 1.1, wide: true},
		{name: "events 8 → 8", load: "pubsub -pubs 8 -subs 8", figure: cpu(), ratio: 0.7, writes: 0.06, wide: true},
		{name: "events 1 → 1", load: "pubsub -pubs 1 -subs 1", figure: cpu()},
		{name: "events 1 → " + thousands(crowd), load: fmt.Sprintf("pubsub -pubs 1 -subs %d", crowd), figure: cpu()},
		{name: "one call at a time", load: "rpc -callers 1 -window 1 -callees 1", figure: median(), ratio: 1.3, writes: 2.5},
		{name: "one call at a time", load: "rpc -callers 1 -window 1 -callees 1", figure: cpu()},
		{name: "calls of 64 KiB, 8 × window 2", load: "rpc -callers 8 -window 2 -callees 8 -payload 65536", figure: cpu(), ratio: 1.5},
		{name: "calls of 64 KiB, one at a time", load: "rpc -callers 1 -window 1 -callees 1 -payload 65536", figure: cpu(), ratio: 1.5},
		{name: "idle: " + thousands(few) + " sessions", load: fmt.Sprintf("idle -n %d", few), figure: memory(), most: small},
		{name: "idle: " + thousands(few) + " sessions" + extra, load: fmt.Sprintf("idle -n %d -extra", few), figure: memory()},
		{name: "idle: " + thousands(many) + " sessions", load: fmt.Sprintf("idle -n %d", many), figure: memory(), most: small},
		{name: "idle: " + thousands(many) + " sessions" + extra, load: fmt.Sprintf("idle -n %d -extra", many), figure: memory()},
		{name: "connect, join, leave", load: "churn", figure: cpu()},
		{name: "connect, join, leave" + extra, load: "churn -extra", figure: cpu()},
	}
}

// fit returns how many connections of n a process can have, which may have so many files open.
func fit(n, files int) int {
	const other = 200
	if files <= 0 {
		return n
	}
	return min(n, files-other)
}

// target says what the figure should be on a link, for people.
func (s scenario) target(l link) string {
	var list []string
	if s.ratio > 0 {
		list = append(list, "≤ "+short(s.ratio)+" ×")
	}
	if most := s.most[l.Transport]; most > 0 {
		list = append(list, "≤ "+short(most))
	}
	if s.writes > 0 {
		list = append(list, "≤ "+short(s.writes)+" writes")
	}
	return strings.Join(list, ", ")
}

// misses reports whether what was measured is beyond the target.
func (s scenario) misses(l link, figure, ratio, writes float64) bool {
	most := s.most[l.Transport]
	return s.ratio > 0 && ratio > s.ratio || most > 0 && figure > most || s.writes > 0 && writes > s.writes
}

func short(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// thousands returns a number with a comma.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
