//go:build !race

package bench

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// operations is how many there are.
const operations = 6400

// allocations is how many objects the whole process allocates for each of many operations. Nothing is collected
// meanwhile, so that pools keep what they have and the number is the same each time.
func allocations(t *testing.T, f func(n int) error) float64 {
	t.Helper()
	require.NoError(t, f(operations/4)) // pools, routes and stacks
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := f(operations)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	return float64(after.Mallocs-before.Mallocs) / operations
}

// callsBy makes n calls on so many goroutines.
func callsBy(ctx context.Context, s *session.Session, goroutines int) func(n int) error {
	return func(n int) error {
		errs := make([]error, goroutines)
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() { errs[i] = calls(ctx, s, n/goroutines) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
}

func calls(ctx context.Context, s *session.Session, n int) error {
	for range n {
		sum, err := session.Call[int](ctx, s, procedure, 23, 42)
		if err == nil && sum != 65 {
			err = errWrong
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// slack is how much of an allocation more there may be for each operation: some happen now and then, such as
// that of a larger table. One more for each operation is too much.
const slack = 0.5

// TestCallAllocations keeps calls as cheap as they are: caller, router and callee together, each number is what was
// measured.
func TestCallAllocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	pipe := link{"pipe", (*rig).pipe}
	rs, ws := sockets()[0], sockets()[1]
	for _, tt := range []struct {
		link      link
		server    string
		one, many float64 // with one call in flight, and with 64
	}{
		{pipe, "typed", 6, 6},
		{pipe, "raw", 6, 6},
		{pipe, "actor", 10, 9},
		{rs, "typed", 4, 4},
		{rs, "raw", 5, 5},
		{rs, "actor", 9, 8},
		{ws, "typed", 4, 4},
		{ws, "raw", 5, 5},
		{ws, "actor", 9, 8},
	} {
		t.Run(tt.link.name+" "+tt.server, func(t *testing.T) {
			g := newRig(t)
			g.listen()
			for _, s := range servers() {
				if s.name == tt.server {
					g.ready(g.component(tt.link.open(g), s.declare))
				}
			}
			s := g.ready(g.component(tt.link.open(g), nil))
			require.LessOrEqual(t, allocations(t, callsBy(t.Context(), s, 1)), tt.one+slack)
			require.LessOrEqual(t, allocations(t, callsBy(t.Context(), s, 64)), tt.many+slack)
		})
	}
}

// TestPublishAllocations does the same for events to one subscriber.
func TestPublishAllocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	links := append([]link{{"pipe", (*rig).pipe}}, sockets()...)
	for i, most := range []struct{ one, many float64 }{{9, 4.2}, {9, 3.2}, {9, 3.2}} {
		t.Run(links[i].name, func(t *testing.T) {
			g := newRig(t)
			g.listen()
			s := &stream{more: make(chan struct{}, 1)}
			g.ready(g.component(links[i].open(g), func(c *cloverleaf.Component) { c.Subscribe(topic, s.event) }))
			publisher := g.ready(g.component(links[i].open(g), nil))
			publish := func(n int) error { return s.publish(t.Context(), publisher, n) }
			s.window = 1
			require.LessOrEqual(t, allocations(t, publish), most.one+slack)
			s.window = 64
			require.LessOrEqual(t, allocations(t, publish), most.many+slack)
		})
	}
}
