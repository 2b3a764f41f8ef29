package router

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// randomURI returns a URI of few components from a small alphabet, so that many match;
// with empty components if empty is set.
func randomURI(rng *rand.Rand, empty bool) protocol.URI {
	alphabet := []string{"a", "b", "aa", "ab", "é"}
	if empty {
		alphabet = append(alphabet, "", "")
	}
	parts := make([]string, 1+rng.IntN(5))
	for i := range parts {
		parts[i] = pick(rng, alphabet)
	}
	return protocol.URI(strings.Join(parts, "."))
}

func randomPattern(rng *rand.Rand) pattern {
	p := pattern{match: protocol.Match(rng.IntN(3))} //nolint:gosec // 0 to 2
	switch p.match {
	case protocol.MatchWildcard:
		p.uri = randomURI(rng, true)
	case protocol.MatchPrefix:
		p.uri = randomURI(rng, false)
		p.uri = p.uri[:rng.IntN(len(p.uri)+1)] // a prefix may end anywhere
	case protocol.MatchExact:
		p.uri = randomURI(rng, false)
	}
	return p
}

func TestTableAgreesWithNaiveMatching(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() //nolint:gosec // a test is no secret
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test is no secret
	for range 30 {
		now := newTable[int]()
		stored := make(map[pattern]int)
		frozen, was := now, map[pattern]int{}
		for i := range 120 {
			p := randomPattern(rng)
			if rng.IntN(3) == 0 {
				now = now.without(p.uri, p.match)
				delete(stored, p)
			} else {
				now = now.with(p.uri, p.match, i)
				stored[p] = i
			}
			now.checkInvariants(len(stored))
			if i == 60 {
				frozen, was = now, maps.Clone(stored)
			}
		}
		for range 60 {
			uri := randomURI(rng, false)
			compareTable(t, now, stored, uri)
			compareTable(t, frozen, was, uri)
		}
	}
}

func compareTable(t *testing.T, x table[int], stored map[pattern]int, uri protocol.URI) {
	t.Helper()
	want := []int{}
	var best pattern
	found := false
	for p, v := range stored {
		got, ok := x.get(p.uri, p.match)
		holds(ok && got == v, "%v is stored as %d, not %d", p, v, got)
		if !naiveMatch(string(uri), p) {
			continue
		}
		want = append(want, v)
		if !found || naiveBetter(p, best) {
			best, found = p, true
		}
		require.True(t, uri.Matches(p.uri, p.match), "%s %v", uri, p)
	}
	require.ElementsMatch(t, want, x.all(uri), "%s in %v", uri, stored)
	got, ok := x.best(uri)
	require.Equal(t, found, ok, "%s in %v", uri, stored)
	if found {
		require.Equal(t, stored[best], got, "%s in %v", uri, stored)
	}
}

// Names that share parts with others, and deep ones.
func TestTableEdges(t *testing.T) {
	t.Parallel()
	deep := protocol.URI(strings.Repeat("a.", 300) + "a")
	x := newTable[string]().
		with("", protocol.MatchPrefix, "all").
		with("", protocol.MatchWildcard, "one component").
		with(deep, protocol.MatchExact, "deep").
		with(protocol.URI(strings.Repeat(".", 300)), protocol.MatchWildcard, "301 components").
		with(deep[:301], protocol.MatchPrefix, "half")
	require.Equal(t, []string{"all", "one component"}, x.all("x"))
	require.Equal(t, []string{"deep", "all", "half", "301 components"}, x.all(deep))
	best, _ := x.best(deep)
	require.Equal(t, "deep", best)
	best, _ = x.best(deep + "b")
	require.Equal(t, "half", best)
	best, _ = x.without("", protocol.MatchPrefix).best("x")
	require.Equal(t, "one component", best)
	_, ok := x.without("", protocol.MatchPrefix).without("", protocol.MatchWildcard).best("x")
	require.False(t, ok)
	require.Empty(t, newTable[string]().all("x"))
}

// Filters decide alike whether their lists are long or short.
func TestFilterAgreesWithNaiveFilter(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() //nolint:gosec // a test is no secret
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test is no secret
	var peers []*Peer
	sub := &Subscription{}
	for i := range 60 {
		p := &Peer{ID: protocol.ID(i + 1), AuthID: fmt.Sprint("id", i%20), AuthRole: fmt.Sprint("role", i%5)} //nolint:gosec // i is small
		peers = append(peers, p)
		sub.Subscribers = sub.Subscribers.with(uint64(i+1), p) //nolint:gosec // i is small
	}
	require.Nil(t, newFilter(nil, nil))
	for range 500 {
		f := &protocol.EventFilter{
			Exclude:          randomList(rng, func(i int) protocol.ID { return protocol.ID(i) }), //nolint:gosec // i is small
			Eligible:         randomList(rng, func(i int) protocol.ID { return protocol.ID(i) }), //nolint:gosec // i is small
			ExcludeAuthID:    randomList(rng, func(i int) string { return fmt.Sprint("id", i) }),
			EligibleAuthID:   randomList(rng, func(i int) string { return fmt.Sprint("id", i) }),
			ExcludeAuthRole:  randomList(rng, func(i int) string { return fmt.Sprint("role", i) }),
			EligibleAuthRole: randomList(rng, func(i int) string { return fmt.Sprint("role", i) }),
		}
		compiled := newFilter(f, []*Subscription{sub})
		for _, p := range peers {
			require.Equal(t, naiveReceives(p, f), compiled.admits(p), "%+v %+v", f, p)
		}
	}
}

// randomList returns a list that is mostly absent, or empty, short or long.
func randomList[T any](rng *rand.Rand, of func(int) T) []T {
	n := pick(rng, []int{-1, -1, -1, 0, 3, 60})
	if n < 0 {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = of(rng.IntN(70))
	}
	return list
}

// A list as long as a message allows does not cost its length for every receiver.
func TestLongFilterForManyReceivers(t *testing.T) {
	t.Parallel()
	long := &protocol.EventFilter{Exclude: make([]protocol.ID, 1000), EligibleAuthID: make([]string, 1000)}
	one, many := &Subscription{}, &Subscription{}
	one.Subscribers = one.Subscribers.with(1, &Peer{ID: 1})
	for i := range 100 {
		many.Subscribers = many.Subscribers.with(uint64(i+1), &Peer{ID: protocol.ID(i + 1)}) //nolint:gosec // i is small
	}
	f := newFilter(long, []*Subscription{one, many})
	require.NotNil(t, f.exclude.many)
	require.NotNil(t, f.eligibleAuthID.many)
	f = newFilter(long, []*Subscription{one})
	require.Nil(t, f.exclude.many, "a set is not worth it for one receiver")
}

func TestPick(t *testing.T) {
	t.Parallel()
	r := &Registration{}
	for place := range uint64(3) {
		r.Callees = r.Callees.with(place+1, Endpoint{Peer: &Peer{ID: protocol.ID(place + 1)}})
	}
	for _, tt := range []struct {
		policy protocol.InvokePolicy
		random int
		want   int
	}{
		{protocol.InvokeSingle, 2, 0},
		{protocol.InvokeFirst, 2, 0},
		{protocol.InvokeLast, 1, 2},
		{protocol.InvokeRandom, 0, 0},
		{protocol.InvokeRandom, 1, 1},
		{protocol.InvokeRandom, 2, 2},
		{"", 2, 0},
	} {
		r.Invoke = tt.policy
		got := r.pick(func(n int) int {
			require.Equal(t, 3, n)
			return tt.random
		})
		require.Same(t, r.Callees.at(tt.want), got, "%s", tt.policy)
	}
}
