package router

import (
	"slices"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// naiveMatch reports whether a URI matches a pattern, as the specification words it.
func naiveMatch(uri string, p pattern) bool {
	switch p.match {
	case protocol.MatchExact:
		return uri == string(p.uri)
	case protocol.MatchPrefix:
		return strings.HasPrefix(uri, string(p.uri))
	case protocol.MatchWildcard:
		have, want := strings.Split(uri, "."), strings.Split(string(p.uri), ".")
		return len(have) == len(want) && !slices.ContainsFunc(indexes(have), func(i int) bool {
			return want[i] != "" && want[i] != have[i]
		})
	default:
		return false
	}
}

func indexes(list []string) []int {
	all := make([]int, len(list))
	for i := range all {
		all[i] = i
	}
	return all
}

// naiveBetter reports whether a call prefers a to b, both of which match it.
func naiveBetter(a, b pattern) bool {
	if a.match != b.match {
		return a.match < b.match // exact, prefix, wildcard
	}
	if a.match == protocol.MatchPrefix {
		return len(a.uri) > len(b.uri)
	}
	as, bs := strings.Split(string(a.uri), "."), strings.Split(string(b.uri), ".")
	for i := range as {
		if as[i] != bs[i] {
			return as[i] != ""
		}
	}
	return false
}

// naiveReceives reports whether p may get an event with the filter.
func naiveReceives(p *Peer, f *protocol.EventFilter) bool {
	if f == nil {
		return true
	}
	in := slices.Contains[[]protocol.ID]
	named := slices.Contains[[]string]
	if in(f.Exclude, p.ID) || named(f.ExcludeAuthID, p.AuthID) || named(f.ExcludeAuthRole, p.AuthRole) {
		return false
	}
	if f.Eligible != nil && !in(f.Eligible, p.ID) {
		return false
	}
	if f.EligibleAuthID != nil && !named(f.EligibleAuthID, p.AuthID) {
		return false
	}
	return f.EligibleAuthRole == nil || named(f.EligibleAuthRole, p.AuthRole)
}
