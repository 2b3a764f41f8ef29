//go:build interop

package interop

import (
	"os"
	"testing"
)

// TestForeignPeersOnOurRouter lets every foreign peer work with every other one
// through the router of ours, with every transport and serializer they have.
func TestForeignPeersOnOurRouter(t *testing.T) {
	t.Parallel()
	testMatrix(t, startCloverleaf(t), foreignKinds())
}

// TestForeignPeersOnCrossbar is the control group: what fails here too is not
// the fault of the router of ours.
func TestForeignPeersOnCrossbar(t *testing.T) {
	t.Parallel()
	testMatrix(t, startCrossbar(t), foreignKinds())
}

// testMatrix runs every scenario for every cell and for every pair of cells.
func testMatrix(t *testing.T, r *router, kinds []*kind) {
	t.Helper()
	f := newFixture(t, r, kinds)
	for _, k := range kinds {
		if k.missing != "" {
			t.Run(k.name, k.requirePresent)
		}
	}
	others := f.cells
	if r.name != "cloverleaf" && os.Getenv(envAllPairs) != "true" {
		others = oneOfEach(f.cells)
	}
	for _, c := range f.cells {
		t.Run(c.String(), func(t *testing.T) {
			testCell(t, f, c)
			for _, other := range others {
				t.Run("calls/"+other.String(), func(t *testing.T) { testCalls(t, f, c, other) })
				t.Run("publishes-to/"+other.String(), func(t *testing.T) { testPublishes(t, f, c, other) })
			}
		})
	}
}

// oneOfEach returns the first cell of every kind.
func oneOfEach(cells []cell) []cell {
	var firsts []cell
	for _, c := range cells {
		if len(firsts) == 0 || firsts[len(firsts)-1].kind != c.kind {
			firsts = append(firsts, c)
		}
	}
	return firsts
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
