package router

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() //nolint:gosec // a test is no secret
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test is no secret
	var q, frozen Queue[uint64]
	var want, was []uint64
	for i := range uint64(5000) {
		// It grows beyond some chunks, and shrinks to nothing, and so on.
		if grow := i/1200%2 == 0; len(want) == 0 || (rng.IntN(10) < 8) == grow {
			q, want = q.with(i+1, i+1), append(want, i+1)
		} else {
			out := rng.IntN(len(want))
			q = q.without(want[out])
			want = slices.Delete(want, out, out+1)
		}
		require.Equal(t, len(want), q.Len())
		if i%50 == 0 {
			q.checkInvariants(func(place, v uint64) { holds(place == v, "%d is at %d", v, place) })
			require.Equal(t, want, listed(q))
			require.Equal(t, was, listed(frozen), "a queue that somebody holds has changed")
			frozen, was = q, slices.Clone(want)
			for j := range want {
				holds(*q.at(j) == want[j], "value %d is another", j)
			}
		}
	}
	n := 0
	for range q.All {
		if n++; n == 3 {
			break
		}
	}
	require.LessOrEqual(t, n, 3)
}

func listed[T any](q Queue[T]) []T {
	all := make([]T, 0, q.Len())
	for v := range q.All {
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Few that are left of many do not lie in as many chunks.
func TestQueueThinsOut(t *testing.T) {
	t.Parallel()
	const n = 100 * chunkSize
	var q Queue[uint64]
	for i := range uint64(n) {
		q = q.with(i+1, i)
	}
	for i := range uint64(n) {
		if i%chunkSize != 0 {
			q = q.without(i + 1)
		}
	}
	require.Equal(t, 100, q.Len())
	require.LessOrEqual(t, len(q.chunks), 4)
}

// Two queues made of one must not share what they add.
func TestQueueForks(t *testing.T) {
	t.Parallel()
	var base Queue[string]
	for i := range uint64(chunkSize + 5) {
		base = base.with(i+1, "")
	}
	const next = chunkSize + 6
	a, b := base.with(next, "a"), base.with(next, "b")
	require.Equal(t, "a", *a.at(chunkSize + 5))
	require.Equal(t, "b", *b.at(chunkSize + 5))
}

// A call goes to each callee in turn, wherever it is turned away.
func TestPickOther(t *testing.T) {
	t.Parallel()
	peers := []*Peer{{ID: 1}, {ID: 2}, {ID: 3}}
	var callees Queue[Endpoint]
	for i, p := range peers {
		callees = callees.with(uint64(i+1), Endpoint{Peer: p}) //nolint:gosec // i is small
	}
	for _, policy := range []protocol.InvokePolicy{
		protocol.InvokeFirst, protocol.InvokeLast, protocol.InvokeRandom, protocol.InvokeRoundRobin,
	} {
		r := &Registration{Callees: callees, Invoke: policy, cursor: new(atomic.Uint64)}
		var avoid []*Peer
		for range peers {
			e := r.pickOther(randomBelow, avoid)
			require.NotNil(t, e, policy)
			require.NotContains(t, avoid, e.Peer, policy)
			avoid = append(avoid, e.Peer)
		}
		require.Nil(t, r.pickOther(randomBelow, avoid), policy)
		if policy == protocol.InvokeLast {
			require.Equal(t, []*Peer{peers[2], peers[1], peers[0]}, avoid)
		}
	}
}
