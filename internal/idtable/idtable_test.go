package idtable

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestTable compares the table with a map: identifiers in order, some of which stay open for
// long, and some of any size.
func TestTable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var table Table[int]
		model := make(map[protocol.ID]int)
		var last protocol.ID
		for n := range 20_000 {
			switch open := len(model); {
			case rnd.IntN(1+open) < 1+int(seed)*10:
				last++
				if rnd.IntN(500) == 0 {
					last += protocol.ID(rnd.IntN(1 << 20))
				}
				table.Put(last, n)
				model[last] = n
			default:
				id := anyKey(rnd, model, last)
				table.Remove(id)
				delete(model, id)
			}
			require.Equal(t, len(model), table.Len())
			id := protocol.ID(rnd.Uint64N(uint64(last) + 2))
			want, ok := model[id]
			got, found := table.Get(id)
			require.Equal(t, ok, found)
			require.Equal(t, want, got)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(model)), table.ids())
		require.True(t, slices.IsSorted(table.ids()))
		require.LessOrEqual(t, len(table.ring), maxRing)
		for id, v := range model {
			got, ok := table.Get(id)
			require.True(t, ok)
			require.Equal(t, v, got)
		}
		table.Clear()
		require.Zero(t, table.Len())
		require.Empty(t, table.ids())
	}
}

// anyKey returns a recent identifier that is open, mostly, and else any.
func anyKey(rnd *rand.Rand, open map[protocol.ID]int, last protocol.ID) protocol.ID {
	for range 20 {
		if id := last - min(last, protocol.ID(rnd.IntN(40))); id != 0 {
			if _, ok := open[id]; ok {
				return id
			}
		}
	}
	for id := range open {
		return id
	}
	return last
}

func TestTableEdges(t *testing.T) {
	t.Parallel()
	var table Table[string]
	_, ok := table.Get(1)
	require.False(t, ok)
	table.Remove(1)
	for _, id := range []protocol.ID{1, protocol.MaxID, 1 << 40, 9, 17} { // the same place in a ring of 8
		table.Put(id, id.String())
	}
	_, ok = table.Get(0)
	require.False(t, ok)
	table.Put(0, "zero")
	v, ok := table.Get(0)
	require.True(t, ok)
	require.Equal(t, "zero", v)
	require.Equal(t, 6, table.Len())
	table.Remove(0)
	require.Equal(t, []protocol.ID{1, 9, 17, 1 << 40, protocol.MaxID}, table.ids())
	table.Remove(0)
	require.Equal(t, 5, table.Len())
	var seen []protocol.ID
	for id, v := range table.All() {
		require.Equal(t, id.String(), v)
		seen = append(seen, id)
		table.Remove(id)
		table.Remove(17)
		table.Put(id+1, "new")
	}
	require.Equal(t, []protocol.ID{1, 9, 1 << 40, protocol.MaxID}, seen)
	for range table.All() {
		break
	}
}
