package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// patience bounds every wait of a benchmark.
const patience = time.Minute

// rig is a router and the runtime of its clients, in this process.
type rig struct {
	b       testing.TB
	runtime *cloverleaf.Runtime
	router  atomic.Pointer[cloverleaf.Router] // nil while there is none
	rs, ws  string                            // URLs, if it listens
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	g := &rig{b: tb, runtime: cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})}
	g.start()
	tb.Cleanup(g.close)
	return g
}

// close ends everything. It may be called more than once.
func (g *rig) close() {
	g.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(g.b, g.runtime.Stop(ctx))
	g.kill()
}

// start starts a router.
func (g *rig) start() {
	g.b.Helper()
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	require.NoError(g.b, err)
	g.router.Store(r)
}

// kill ends the router.
func (g *rig) kill() {
	g.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r := g.router.Swap(nil); r != nil {
		require.NoError(g.b, r.Close(ctx))
	}
}

// listen has the router listen on loopback.
func (g *rig) listen() {
	g.b.Helper()
	l, err := g.router.Load().Listen(g.b.Context(), "127.0.0.1:0")
	require.NoError(g.b, err)
	addr := l.Addr().String()
	g.rs, g.ws = "rs://"+addr, "ws://"+addr+"/ws"
}

var errNoRouter = errors.New("no router")

// backoff is so short that the work shows, and not the waiting.
var backoff = supervisor.Backoff{Initial: time.Millisecond, Max: 10 * time.Millisecond}

// pipe is a way to whatever router there is.
func (g *rig) pipe() cloverleaf.Transport {
	return cloverleaf.Transport{Backoff: backoff, Pipe: func(context.Context) (*transport.PipeEnd, error) {
		if r := g.router.Load(); r != nil {
			return r.Pipe(), nil
		}
		return nil, errNoRouter
	}}
}

// link is a way to the router with a name.
type link struct {
	name string
	open func(g *rig) cloverleaf.Transport
}

func sockets() []link {
	return []link{
		{"rs-msgpack", func(g *rig) cloverleaf.Transport { return socket(g.rs, protocol.MessagePack) }},
		{"ws-json", func(g *rig) cloverleaf.Transport { return socket(g.ws, protocol.JSON) }},
	}
}

func socket(url string, s protocol.Serializer) cloverleaf.Transport {
	t := cloverleaf.URLs(url)[0]
	t.Serializers = []protocol.Serializer{s}
	return t
}

// component starts a component that declare has been called with.
func (g *rig) component(t cloverleaf.Transport, declare func(*cloverleaf.Component)) *cloverleaf.Component {
	g.b.Helper()
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Transports: []cloverleaf.Transport{t}})
	require.NoError(g.b, err)
	if declare != nil {
		declare(c)
	}
	require.NoError(g.b, g.runtime.Start(context.WithoutCancel(g.b.Context()), c))
	return c
}

// ready returns the session of a component.
func (g *rig) ready(c *cloverleaf.Component) *session.Session {
	g.b.Helper()
	ctx, cancel := context.WithTimeout(g.b.Context(), patience)
	defer cancel()
	s, err := c.Ready(ctx)
	require.NoError(g.b, err)
	return s
}

// inFlight calls op b.N times, on so many goroutines, and reports the processor time besides.
func inFlight(b *testing.B, goroutines int, op func() error) {
	b.Helper()
	for range 1000 { // pools, routes and stacks
		if err := op(); err != nil {
			b.Fatal(err)
		}
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	errs := make(chan error, goroutines)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := op(); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	reportCPU(b, before)
	b.StopTimer()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
}

// reportCPU reports the processor time since before, user and system, of the whole process.
func reportCPU(b *testing.B, before time.Duration) {
	b.Helper()
	if after := cpuTime(); after > 0 {
		b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}
