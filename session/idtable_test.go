package session

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestIDTable compares the table with a map: identifiers in order, some of which stay open for
// long, and some of any size.
func TestIDTable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var table idTable[int]
		model := make(map[protocol.ID]int)
		var last protocol.ID
		for n := range 20_000 {
			switch open := len(model); {
			case rnd.IntN(1+open) < 1+int(seed)*10:
				last++
				if rnd.IntN(500) == 0 {
					last += protocol.ID(rnd.IntN(1 << 20))
				}
				table.put(last, n)
				model[last] = n
			default:
				id := anyKey(rnd, model, last)
				table.remove(id)
				delete(model, id)
			}
			require.Equal(t, len(model), table.len())
			id := protocol.ID(rnd.Uint64N(uint64(last) + 2))
			want, ok := model[id]
			got, found := table.get(id)
			require.Equal(t, ok, found)
			require.Equal(t, want, got)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(model)), table.ids())
		require.True(t, slices.IsSorted(table.ids()))
		require.LessOrEqual(t, len(table.ring), maxRing)
		for id, v := range model {
			got, ok := table.get(id)
			require.True(t, ok)
			require.Equal(t, v, got)
		}
		table.clear()
		require.Zero(t, table.len())
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

func TestIDTableEdges(t *testing.T) {
	t.Parallel()
	var table idTable[string]
	_, ok := table.get(1)
	require.False(t, ok)
	table.remove(1)
	for _, id := range []protocol.ID{1, protocol.MaxID, 1 << 40, 9, 17} { // the same place in a ring of 8
		table.put(id, id.String())
	}
	_, ok = table.get(0)
	require.False(t, ok)
	require.Equal(t, []protocol.ID{1, 9, 17, 1 << 40, protocol.MaxID}, table.ids())
	table.remove(0)
	require.Equal(t, 5, table.len())
}
