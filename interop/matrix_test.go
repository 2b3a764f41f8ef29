//go:build interop

package interop

import (
	"os"
	"testing"
)

// TestPeersOnOurRouter lets every peer, foreign or not, work with every other one
// through the router of ours, with every transport and serializer they have.
func TestPeersOnOurRouter(t *testing.T) {
	t.Parallel()
	testMatrix(t, startCloverleaf(t))
}

// TestPeersOnCrossbar lets components of ours work with foreign peers through a
// foreign router. Foreign peers with each other are the control group: what fails
// here too is not the fault of the router of ours.
func TestPeersOnCrossbar(t *testing.T) {
	t.Parallel()
	testMatrix(t, startCrossbar(t))
}

// testMatrix runs every scenario for every cell and for the pairs of cells.
func testMatrix(t *testing.T, r *router) {
	t.Helper()
	f := newFixture(t, r, allKinds(t))
	allPairs := r.ours || os.Getenv(envAllPairs) == "true"
	for i, c := range f.cells {
		t.Run(c.String(), func(t *testing.T) {
			testCell(t, f, c)
			for j, other := range f.cells {
				if !allPairs && !f.chosen(i, j) {
					continue
				}
				t.Run("calls/"+other.String(), func(t *testing.T) { testCalls(t, f, c, other) })
				t.Run("publishes-to/"+other.String(), func(t *testing.T) { testPublishes(t, f, c, other) })
			}
		})
	}
}

// chosen tells whether two cells work with each other when not all pairs do.
// Foreign peers meet one cell of each foreign kind. Components of ours meet every
// cell both ways, but only with a third of ours: that is, with ours in both
// transports, and with another serializer on the way there than on the way back.
func (f *fixture) chosen(first, second int) bool {
	a, b := f.cells[first], f.cells[second]
	switch {
	case !a.ours && !b.ours:
		return b.first()
	case first < second:
		return (first+second)%3 == 0
	default:
		return (first+second)%3 == 1
	}
}

// testCell runs the scenarios that are about one peer.
func testCell(t *testing.T, f *fixture, c cell) {
	t.Helper()
	for _, s := range []struct {
		name string
		run  func(*testing.T, *fixture, cell)
	}{
		{"large", testLarge},
		{"unregister", testUnregister},
		{"exclude me", testExcludeMe},
		{"leave", testLeave},
		{"no such realm", testNoSuchRealm},
		{"lost", testLost},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, f, c) })
	}
}

// pair returns the shared peers of two cells and traces them if the test fails.
func (f *fixture) pair(t *testing.T, first, second cell) (*member, *member) {
	t.Helper()
	a := f.shared(t, first)
	a.traceOnFailure(t)
	if first.String() == second.String() {
		return a, a
	}
	b := f.shared(t, second)
	b.traceOnFailure(t)
	return a, b
}
