package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func allowAll(uri protocol.URI, m protocol.Match) Permission {
	return Permission{URI: uri, Match: m, Call: true, Register: true, Publish: true, Subscribe: true}
}

// rulesFor returns the rules of the one role of a realm. authorizer may be nil.
func rulesFor(t *testing.T, authorizer Authorizer, permissions ...Permission) *rules {
	t.Helper()
	a, err := NewAccess(AuthorizationConfig{Roles: []Role{{Name: "r", Permissions: permissions, Authorizer: authorizer}}})
	require.NoError(t, err)
	return a.of(&Peer{AuthRole: "r"})
}

var neverAsked = AuthorizerFunc(func(context.Context, AuthorizationRequest) (Authorization, error) {
	panic("asked")
})

func TestRuleSelection(t *testing.T) {
	t.Parallel()
	const exact, prefix, wildcard = protocol.MatchExact, protocol.MatchPrefix, protocol.MatchWildcard
	permissions := []Permission{
		{URI: "", Match: prefix},
		{URI: "com", Match: prefix},
		{URI: "com.a.", Match: prefix},
		{URI: "com.a.b", Match: prefix},
		{URI: "com..b", Match: wildcard},
		{URI: "com.a.", Match: wildcard},
		{URI: "..", Match: wildcard},
		{URI: "com.a.b", Match: exact},
		{URI: "com", Match: exact},
	}
	r := rulesFor(t, nil, permissions...)
	for uri, want := range map[protocol.URI]Permission{
		"com.a.b":   permissions[7], // exact
		"com":       permissions[8],
		"com.a.c":   permissions[5], // the wildcard with the literal first, before prefixes
		"com.x.b":   permissions[4],
		"com.x.y":   permissions[6],
		"com.a.b.c": permissions[3], // the longest prefix
		"com.a.bcd": permissions[5],
		"com.a.c.d": permissions[2],
		"com.b":     permissions[1],
		"common":    permissions[1],
		"org.x":     permissions[0],
	} {
		p, ok := r.rule(uri)
		require.True(t, ok, uri)
		require.Equal(t, want, *p, uri)
	}
	_, ok := rulesFor(t, nil, permissions[1:6]...).rule("org.x")
	require.False(t, ok)
}

func TestRulesDecideEachAction(t *testing.T) {
	t.Parallel()
	r := rulesFor(t, nil,
		Permission{URI: "c", Call: true}, Permission{URI: "r", Register: true},
		Permission{URI: "p", Publish: true}, Permission{URI: "s", Subscribe: true},
		Permission{URI: "dc", Call: true, Publish: true, DiscloseCaller: true},
		Permission{URI: "dp", Call: true, Publish: true, DisclosePublisher: true},
		Permission{URI: "d", DiscloseCaller: true, DisclosePublisher: true},
	)
	for uri, want := range map[protocol.URI][4]grant{
		"c":  {granted, forbidden, forbidden, forbidden},
		"r":  {forbidden, granted, forbidden, forbidden},
		"p":  {forbidden, forbidden, granted, forbidden},
		"s":  {forbidden, forbidden, forbidden, granted},
		"dc": {disclosed, forbidden, granted, forbidden},
		"dp": {granted, forbidden, disclosed, forbidden},
		"d":  {forbidden, forbidden, forbidden, forbidden},
		"x":  {forbidden, forbidden, forbidden, forbidden},
	} {
		for i, a := range []Action{ActionCall, ActionRegister, ActionPublish, ActionSubscribe} {
			require.Equal(t, want[i], r.decide(a, uri, protocol.MatchExact), "%s %s", a, uri)
		}
	}
}

func TestWithoutConfigurationEverythingIsAllowed(t *testing.T) {
	t.Parallel()
	a, err := NewAccess(AuthorizationConfig{Timeout: 1})
	require.NoError(t, err)
	require.Nil(t, a)
	require.True(t, a.Admits("anybody"))
	require.Equal(t, granted, a.of(&Peer{AuthRole: "anybody"}).decide(ActionSubscribe, "", protocol.MatchPrefix))
}

func TestRolesAndAuthorizers(t *testing.T) {
	t.Parallel()
	a, err := NewAccess(AuthorizationConfig{Authorizer: neverAsked})
	require.NoError(t, err)
	require.True(t, a.Admits("anybody"))
	require.Equal(t, undecided, a.of(&Peer{AuthRole: "anybody"}).decide(ActionCall, "a", protocol.MatchExact))

	a, err = NewAccess(AuthorizationConfig{Roles: []Role{
		{Name: "fixed", Permissions: []Permission{{URI: "a", Call: true}}},
		{Name: "mixed", Permissions: []Permission{{URI: "a", Call: true}}, Authorizer: neverAsked},
		{Name: "nothing"},
	}})
	require.NoError(t, err)
	require.True(t, a.Admits("nothing"))
	require.False(t, a.Admits("anybody"))
	for role, want := range map[string][2]grant{
		"fixed": {granted, forbidden}, "mixed": {granted, undecided}, "nothing": {forbidden, forbidden},
		"anybody": {forbidden, forbidden}, // joined before the roles were replaced
	} {
		r := a.of(&Peer{AuthRole: role})
		require.Equal(t, want[0], r.decide(ActionCall, "a", protocol.MatchExact), role)
		require.Equal(t, want[1], r.decide(ActionCall, "b", protocol.MatchExact), role)
	}
	require.Equal(t, forbidden, a.of(&Peer{AuthRole: "mixed"}).decide(ActionPublish, "a", protocol.MatchExact),
		"a rule that matches decides, also when it denies")
}

func TestPatternsAreDecidedAsAWhole(t *testing.T) {
	t.Parallel()
	const prefix, wildcard = protocol.MatchPrefix, protocol.MatchWildcard
	deny := func(uri protocol.URI, m protocol.Match) Permission { return Permission{URI: uri, Match: m} }
	for _, tt := range []struct {
		name    string
		rules   []Permission
		pattern protocol.URI
		match   protocol.Match
		want    grant
	}{
		{"everything", []Permission{allowAll("", prefix)}, "", prefix, granted},
		{"wildcard in everything", []Permission{allowAll("", prefix)}, "..", wildcard, granted},
		{"the text alone is not enough", []Permission{allowAll("com.a", protocol.MatchExact)}, "com.a", prefix, forbidden},
		{"of a wildcard too", []Permission{allowAll("com.a.", prefix)}, "com..b", wildcard, forbidden},
		{"below the prefix", []Permission{allowAll("com.", prefix)}, "com.a", prefix, granted},
		{"above the prefix", []Permission{allowAll("com.", prefix)}, "com", prefix, forbidden},
		{"same prefix", []Permission{allowAll("com", prefix)}, "com", prefix, granted},
		{"a denied URI inside", []Permission{allowAll("com.", prefix), deny("com.a.secret", protocol.MatchExact)}, "com.a", prefix, forbidden},
		{"a denied URI elsewhere", []Permission{allowAll("com.", prefix), deny("com.b.secret", protocol.MatchExact)}, "com.a", prefix, granted},
		{"a denied prefix inside", []Permission{allowAll("", prefix), deny("com.private.", prefix)}, "com", prefix, forbidden},
		{"a denied prefix under a wildcard", []Permission{allowAll("", prefix), deny("com.private.", prefix)}, "com..x", wildcard, forbidden},
		{"of other length", []Permission{allowAll("", prefix), deny("com.private.", prefix)}, "com.", wildcard, granted},
		{"less specific rules that deny", []Permission{deny("", prefix), allowAll("com.", prefix)}, "com.a.", prefix, granted},
		{"wildcard before prefix", []Permission{deny("com.", prefix), allowAll("com..x", wildcard)}, "com..x", wildcard, granted},
		{"wildcard inside wildcard", []Permission{allowAll("com..", wildcard)}, "com.a.", wildcard, granted},
		{"a denied wildcard across", []Permission{allowAll("com..", wildcard), deny("com..x", wildcard)}, "com.a.", wildcard, forbidden},
		{"outranked where they cross", []Permission{allowAll("com.", prefix), deny("com..", wildcard), allowAll("com.a.", wildcard)}, "com.a.", prefix, granted},
		{"by the wrong one", []Permission{allowAll("com.", prefix), deny("com..", wildcard), allowAll("com.b.", wildcard)}, "com.a.", prefix, forbidden},
		{"no rule", nil, "com", prefix, forbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rulesFor(t, nil, tt.rules...)
			require.Equal(t, tt.want, r.decide(ActionSubscribe, tt.pattern, tt.match))
			require.Equal(t, tt.want, r.decide(ActionRegister, tt.pattern, tt.match))
		})
	}
	r := rulesFor(t, neverAsked, allowAll("com.a.", prefix), deny("com.b.", prefix))
	require.Equal(t, granted, r.decide(ActionSubscribe, "com.a.x", prefix))
	require.Equal(t, forbidden, r.decide(ActionSubscribe, "com.", prefix), "a rule denies a part")
	require.Equal(t, undecided, r.decide(ActionSubscribe, "com.a", prefix), "no rule for a part")
}

// universe is every URI of up to four of these components. Rules and patterns of
// randomRulePattern use none with a z, so the URIs with a z stand for all that no rule names.
func universe() []protocol.URI {
	components := []string{"a", "b", "ab", "z", "az", "abz"}
	uris := []protocol.URI{}
	last := []string{""}
	for range 4 {
		var next []string
		for _, u := range last {
			for _, c := range components {
				next = append(next, strings.TrimPrefix(u+"."+c, "."))
			}
		}
		for _, u := range next {
			uris = append(uris, protocol.URI(u))
		}
		last = next
	}
	return uris
}

func randomRulePattern(random *rand.Rand) (protocol.URI, protocol.Match) {
	for {
		parts := make([]string, 1+random.IntN(3))
		for i := range parts {
			parts[i] = []string{"a", "b", "ab", ""}[random.IntN(4)]
		}
		m := []protocol.Match{protocol.MatchExact, protocol.MatchPrefix, protocol.MatchWildcard}[random.IntN(3)]
		if uri := protocol.URI(strings.Join(parts, ".")); uri.ValidPattern(m, false) {
			return uri, m
		}
	}
}

// naiveDecision decides about every URI by itself, and finds the rule by looking at all.
func naiveDecision(rules []Permission, uris []protocol.URI, pattern protocol.URI, m protocol.Match) grant {
	all := granted
	for _, u := range uris {
		if !u.Matches(pattern, m) {
			continue
		}
		var best *Permission
		for i := range rules {
			p := &rules[i]
			if u.Matches(p.URI, p.Match) && (best == nil || naiveLess(p, best)) {
				best = p
			}
		}
		switch {
		case best == nil:
			all = undecided
		case !best.Subscribe:
			return forbidden
		}
	}
	return all
}

// naiveLess reports whether p is more specific than q, where both match a URI.
func naiveLess(p, q *Permission) bool {
	order := "exact wildcard prefix"
	if p.Match != q.Match {
		return strings.Index(order, p.Match.String()) < strings.Index(order, q.Match.String())
	}
	if p.Match == protocol.MatchPrefix {
		return len(p.URI) > len(q.URI)
	}
	a, b := strings.Split(string(p.URI), "."), strings.Split(string(q.URI), ".")
	for i := range a {
		if (a[i] == "") != (b[i] == "") {
			return b[i] == ""
		}
	}
	return false
}

func TestDecisionsAgreeWithLookingAtEveryURI(t *testing.T) {
	t.Parallel()
	const rounds = 3000
	uris := universe()
	random := rand.New(rand.NewPCG(1, 2))
	seen := make(map[string]int)
	for range rounds {
		var permissions []Permission
		for range random.IntN(7) {
			p := Permission{Subscribe: random.IntN(3) > 0}
			p.URI, p.Match = randomRulePattern(random)
			dup := false
			for _, q := range permissions {
				dup = dup || q.URI == p.URI && q.Match == p.Match
			}
			if !dup {
				permissions = append(permissions, p)
			}
		}
		pattern, m := randomRulePattern(random)
		want := naiveDecision(permissions, uris, pattern, m)
		got := rulesFor(t, neverAsked, permissions...).decide(ActionSubscribe, pattern, m)
		require.Equal(t, want, got, "%s %q under %+v", m, pattern, permissions)
		seen[fmt.Sprint(m, want)]++
	}
	require.Len(t, seen, 9, "every match with every outcome")
	for k, n := range seen {
		require.Greater(t, n, rounds/100, k)
	}
}

func TestAccessErrorsNameTheKey(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]AuthorizationConfig{
		`roles[1]: name: is empty`:  {Roles: []Role{{Name: "a"}, {}}},
		`roles: "a" is there twice`: {Roles: []Role{{Name: "a"}, {Name: "a"}}},
		`timeout: is negative`:      {Timeout: -1},
		`roles: "a": permissions[1]: uri: "a..b" is not valid for match exact`: {Roles: []Role{{Name: "a", Permissions: []Permission{{URI: "b"}, {URI: "a..b"}}}}},
		`roles: "a": permissions[0]: uri: "a#" is not valid for match prefix`:  {Roles: []Role{{Name: "a", Permissions: []Permission{{URI: "a#", Match: protocol.MatchPrefix}}}}},
		`roles: "a": permissions[0]: uri: "a" is not valid for match invalid`:  {Roles: []Role{{Name: "a", Permissions: []Permission{{URI: "a", Match: 9}}}}},
		`roles: "a": permissions[1]: uri: "b" is there twice with match prefix`: {Roles: []Role{{Name: "a", Permissions: []Permission{
			{URI: "b", Match: protocol.MatchPrefix}, {URI: "b", Match: protocol.MatchPrefix},
		}}}},
	} {
		_, err := NewAccess(cfg)
		require.EqualError(t, err, want)
	}
}
