package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestURIValid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		uri           protocol.URI
		loose, strict bool
	}{
		{"a", true, true},
		{"com.example.add2", true, true},
		{"com.example.with_underscore", true, true},
		{"0.1", true, true},
		{"com.Example", true, false},
		{"com.exa-mple", true, false},
		{"com.größe.世界", true, false},
		{"com.example/!$%&()=?*+~'\"<>|", true, false},
		{"com.example.\u200b", true, false},     // zero width space is no white space
		{"com.example.\U0001f600", true, false}, // an emoji
		{"com.example.\ufffd", true, false},     // the replacement character itself
		{"", false, false},
		{".", false, false},
		{"..", false, false},
		{".com", false, false},
		{"com.", false, false},
		{"com..example", false, false},
		{"com.exa#mple", false, false},
		{"#", false, false},
		{"com.exa mple", false, false},
		{" com", false, false},
		{"com ", false, false},
		{"com\n", false, false}, // Python's $ would let it pass
		{"com.example\r\n", false, false},
		{"com\texample", false, false},
		{"com\vexample", false, false},
		{"com\fexample", false, false},
		{"com\u0085example", false, false}, // next line
		{"com\u00a0example", false, false}, // no-break space
		{"com\u1680example", false, false},
		{"com\u2003example", false, false}, // em space
		{"com\u2028example", false, false}, // line separator
		{"com\u3000example", false, false}, // ideographic space
		{"com.\xff", false, false},
		{"com.\xc0\x80", false, false},
		{"com.\xed\xa0\x80", false, false}, // half a surrogate pair
	}
	for _, test := range tests {
		require.Equal(t, test.loose, test.uri.Valid(), "%q", test.uri)
		require.Equal(t, test.strict, test.uri.ValidStrict(), "%q strict", test.uri)
		require.Equal(t, test.loose, test.uri.ValidPattern(protocol.MatchExact, false), "%q exact", test.uri)
		require.Equal(t, test.strict, test.uri.ValidPattern(protocol.MatchExact, true), "%q exact, strict", test.uri)
	}
}

func TestURIValidPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		uri              protocol.URI
		prefix, wildcard bool
	}{
		{"", true, true},
		{"a", true, true},
		{"a.b", true, true},
		{"a.", true, true},
		{"a.b.", true, true},
		{".", false, true},
		{"..", false, true},
		{".a", false, true},
		{"a..b", false, true},
		{"a..", false, true},
		{"..a", false, true},
		{"a.#", false, false},
		{"a. ", false, false},
		{"a.\n", false, false},
		{"a.\u00a0.b", false, false},
		{".\xff", false, false},
	}
	for _, test := range tests {
		for _, strict := range []bool{false, true} {
			require.Equal(t, test.prefix, test.uri.ValidPattern(protocol.MatchPrefix, strict), "%q prefix", test.uri)
			require.Equal(t, test.wildcard, test.uri.ValidPattern(protocol.MatchWildcard, strict), "%q wildcard", test.uri)
		}
		require.False(t, test.uri.ValidPattern(protocol.Match(9), false))
	}
	for _, match := range []protocol.Match{protocol.MatchPrefix, protocol.MatchWildcard} {
		require.True(t, protocol.URI("A.b").ValidPattern(match, false))
		require.False(t, protocol.URI("A.b").ValidPattern(match, true))
	}
}

func TestURIMatches(t *testing.T) {
	t.Parallel()
	e, p, w := protocol.MatchExact, protocol.MatchPrefix, protocol.MatchWildcard
	tests := []struct {
		uri, pattern protocol.URI
		match        protocol.Match
		want         bool
	}{
		{"com.a.obj", "com.a.obj", e, true},
		{"com.a.obj.x", "com.a.obj", e, false},
		{"com.a.obj", "", e, false},

		{"com.a.obj", "com.a.obj", p, true},
		{"com.a.obj.x", "com.a.obj", p, true},
		{"com.a.obj-x", "com.a.obj", p, true},
		{"com.a.ob", "com.a.obj", p, false},
		{"com.a.obj", "com.a.", p, true},
		{"com.a", "com.a.", p, false},
		{"com.a", "", p, true},

		{"com.a.b", "com..b", w, true},
		{"com.a.c", "com..b", w, false},
		{"com.a.b.c", "com..b", w, false},
		{"com.a", "com..b", w, false},
		{"com.a.b", "com.a.b", w, true},
		{"com.a.b", "..", w, true},
		{"com.a.b", ".", w, false},
		{"com.a.b", "com.a.", w, true},
		{"com.a.b", ".a.", w, true},
		{"com.a", "com.", w, true},
		{"com", "", w, true},
		{"com.a", "", w, false},
		{"com..b", "com..b", w, false}, // an empty component matches no wildcard
		{"com.ab", "com.a", w, false},
		{"com", "com", protocol.Match(9), false},
	}
	for _, test := range tests {
		require.Equal(t, test.want, test.uri.Matches(test.pattern, test.match), "%q %s %q", test.uri, test.match, test.pattern)
	}
}

// TestMatchesOfTheSpecification has the registrations and calls of the chapter on
// pattern-based registrations: for each call, which of the registrations match.
func TestMatchesOfTheSpecification(t *testing.T) {
	t.Parallel()
	registrations := []struct {
		uri   protocol.URI
		match protocol.Match
	}{
		{"a1.b2.c3.d4.e55", protocol.MatchExact},
		{"a1.b2.c3", protocol.MatchPrefix},
		{"a1.b2.c3.d4", protocol.MatchPrefix},
		{"a1.b2..d4.e5", protocol.MatchWildcard},
		{"a1.b2.c33..e5", protocol.MatchWildcard},
		{"a1.b2..d4.e5..g7", protocol.MatchWildcard},
		{"a1.b2..d4..f6.g7", protocol.MatchWildcard},
	}
	calls := map[protocol.URI][]int{
		"a1.b2.c3.d4.e55":       {1, 2, 3},
		"a1.b2.c3.d98.e74":      {2},
		"a1.b2.c3.d4.e325":      {2, 3},
		"a1.b2.c55.d4.e5":       {4},
		"a1.b2.c33.d4.e5":       {2, 4, 5}, // c33 starts with c3: prefixes are strings
		"a1.b2.c88.d4.e5.f6.g7": {6, 7},
		"a2.b2.c2.d2.e2":        nil,
	}
	for call, want := range calls {
		var got []int
		for i, r := range registrations {
			if call.Matches(r.uri, r.match) {
				got = append(got, i+1)
			}
		}
		require.Equal(t, want, got, call)
	}
}

func TestURIReserved(t *testing.T) {
	t.Parallel()
	for uri, want := range map[protocol.URI]bool{"wamp": true, "wamp.": true, "wamp.session.count": true, "wampx.foo": false, "wam": false, "com.wamp": false, "Wamp.a": false, "": false} {
		require.Equal(t, want, uri.Reserved(), uri)
	}
}

func TestMatchNames(t *testing.T) {
	t.Parallel()
	for _, m := range []protocol.Match{protocol.MatchExact, protocol.MatchPrefix, protocol.MatchWildcard} {
		parsed, ok := protocol.ParseMatch(m.String())
		require.True(t, ok)
		require.Equal(t, m, parsed)
	}
	for _, name := range []string{"", "Exact", "invalid", protocol.Match(9).String()} {
		_, ok := protocol.ParseMatch(name)
		require.False(t, ok, name)
	}
}

func FuzzURI(f *testing.F) {
	f.Add("com.example.add2", "com..add2")
	f.Add("a.\u00a0b", "")
	f.Fuzz(func(t *testing.T, u, p string) {
		uri, pattern := protocol.URI(u), protocol.URI(p)
		if uri.ValidStrict() {
			require.True(t, uri.Valid(), "strict is stricter")
		}
		if uri.Valid() {
			require.True(t, uri.Matches(uri, protocol.MatchWildcard), "a URI matches itself")
			for _, m := range []protocol.Match{protocol.MatchPrefix, protocol.MatchWildcard} {
				require.True(t, uri.ValidPattern(m, false), "a URI is a pattern")
			}
		}
		if uri.Matches(pattern, protocol.MatchPrefix) && uri.Valid() && pattern != "" {
			require.LessOrEqual(t, len(pattern), len(uri))
		}
	})
}
