package bench

import (
	"flag"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
)

// fleetSize is the number of components in the benchmarks of many.
var fleetSize = flag.Int("fleet", 1000, "components in BenchmarkReconnect and BenchmarkComponentMemory")

// fleet starts components with two procedures and a topic each.
func (g *rig) fleet(t cloverleaf.Transport) []*cloverleaf.Component {
	g.b.Helper()
	list := make([]*cloverleaf.Component, *fleetSize)
	for i := range list {
		list[i] = g.component(t, func(c *cloverleaf.Component) {
			c.Register(fmt.Sprintf("com.example.n%d.first", i), func() int { return i })
			c.Register(fmt.Sprintf("com.example.n%d.second", i), func() int { return i })
			c.Subscribe(fmt.Sprintf("com.example.n%d.topic", i), func(int) {})
		})
	}
	for _, c := range list {
		g.ready(c)
	}
	return list
}

// BenchmarkReconnect is the time from the death of a router with many components to the moment
// when all of them are ready at the next one, which is there at once.
func BenchmarkReconnect(b *testing.B) {
	g := newRig(b)
	list := g.fleet(g.pipe())
	before := cpuTime()
	for b.Loop() {
		old := g.router.Load()
		g.start()
		require.NoError(b, old.Close(b.Context())) // every session has ended then
		for _, c := range list {
			for g.ready(c).Err() != nil {
				runtime.Gosched() // the component has not heard of the end yet
			}
		}
	}
	reportCPU(b, before)
	require.Equal(b, *fleetSize, g.router.Load().Sessions())
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(*fleetSize), "µs/component")
}

// BenchmarkComponentMemory is what many components with two procedures and a topic each keep, and
// what their sessions keep in the router. The time is that of starting them.
func BenchmarkComponentMemory(b *testing.B) {
	links := append([]link{{"pipe", (*rig).pipe}}, sockets()...)
	for _, l := range links {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				benchMemory(b, l)
			}
		})
	}
}

func benchMemory(b *testing.B, l link) {
	b.Helper()
	g := newRig(b)
	g.listen()
	bytes, goroutines := inUse()
	list := g.fleet(l.open(g))
	moreBytes, moreGoroutines := inUse()
	runtime.KeepAlive(list)
	g.close()
	b.ReportMetric(float64(moreBytes-bytes)/float64(*fleetSize), "bytes/component")
	b.ReportMetric(float64(moreGoroutines-goroutines)/float64(*fleetSize), "goroutines/component")
}

// inUse is how many bytes of heap and stacks, and how many goroutines, there are after a
// collection.
func inUse() (bytes, goroutines int) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools had kept
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine() //nolint:gosec // far from overflowing
}
