package supervisor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// history performs the actions of a Group on children that are only counted, in random order.
type history struct {
	t      *testing.T
	rng    *rand.Rand
	halted map[string]bool
	g      *Group
	specs  []ChildSpec
	up     map[string]bool
	stops  []string // asked to stop, still up
	timers []*StartChildren
	clock  float64
	gaveUp bool
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{t: t, rng: rand.New(rand.NewPCG(seed, 1)), up: map[string]bool{}, halted: map[string]bool{}}
	for i := range 1 + h.rng.IntN(5) {
		h.specs = append(h.specs, ChildSpec{Name: fmt.Sprint("c", i), Restart: RestartType(h.rng.IntN(4))})
	}
	g, err := NewGroup(GroupConfig{
		Strategy:  GroupStrategy(h.rng.IntN(3)),
		Children:  h.specs,
		Intensity: Intensity{MaxRestarts: 1 + h.rng.IntN(20), Window: seconds(10)},
	})
	require.NoError(t, err)
	h.g = g
	return h
}

func (h *history) perform(actions []Action) {
	for _, a := range actions {
		require.False(h.t, h.gaveUp, "nothing comes after giving up")
		switch a := a.(type) {
		case *StopChildren:
			for _, name := range a.Names {
				require.True(h.t, h.up[name], "%s is asked to stop but is not up", name)
				require.NotContains(h.t, h.stops, name)
			}
			h.stops = append(h.stops, a.Names...)
		case *StartChildren:
			require.NotEmpty(h.t, a.Names)
			h.timers = append(h.timers, a)
		case *GiveUp:
			h.gaveUp = true
		}
	}
}

func (h *history) step() {
	h.clock += h.rng.Float64()
	switch h.rng.IntN(7) {
	case 0:
		h.perform(h.g.Start())
	case 1, 2:
		h.fire()
	case 3:
		h.end(h.specs[h.rng.IntN(len(h.specs))].Name)
	case 4:
		h.halt(h.specs[h.rng.IntN(len(h.specs))].Name)
	case 5, 6:
		if len(h.stops) > 0 {
			h.end(h.stops[h.rng.IntN(len(h.stops))])
		}
	}
}

// fire lets a timer run out, not necessarily the first.
func (h *history) fire() {
	if len(h.timers) == 0 {
		return
	}
	i := h.rng.IntN(len(h.timers))
	a := h.timers[i]
	h.timers = append(h.timers[:i], h.timers[i+1:]...)
	names := h.g.Started(a.Token)
	require.Subset(h.t, a.Names, names)
	require.False(h.t, h.gaveUp && len(names) > 0)
	for _, name := range names {
		require.False(h.t, h.up[name], "%s is started twice at once", name)
		require.False(h.t, h.halted[name], "%s was stopped for good", name)
		h.up[name] = true
	}
}

// halt stops one child for good, seldom enough that some are left.
func (h *history) halt(name string) {
	if h.rng.IntN(20) > 0 {
		return
	}
	h.halted[name] = true
	h.perform(h.g.StopChild(name))
}

func (h *history) end(name string) {
	if !h.up[name] {
		return
	}
	h.up[name] = false
	h.stops = slices.DeleteFunc(h.stops, func(s string) bool { return s == name })
	reasons := []error{nil, errCrash, Permanent(errCrash), Bug(errCrash)}
	h.perform(h.g.Terminated(name, reasons[h.rng.IntN(len(reasons))], at(h.clock), h.rng.Float64()))
}

// finish stops the group and checks that it notices the end.
func (h *history) finish() {
	h.perform(h.g.Stop())
	for name, up := range h.up {
		require.Equal(h.t, up, slices.Contains(h.stops, name), "%s is up and must be asked to stop", name)
	}
	for len(h.stops) > 0 {
		require.False(h.t, h.g.Done())
		h.end(h.stops[0])
	}
	for len(h.timers) > 0 {
		h.fire()
	}
	require.True(h.t, h.g.Done())
	require.Empty(h.t, h.g.delays)
	for name, up := range h.up {
		require.False(h.t, up, name)
	}
}
