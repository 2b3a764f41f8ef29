package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// URI is a WAMP URI: a realm, topic, procedure, error or reason. Components are
// separated by dots.
type URI string

// Match is a matching policy of subscriptions and registrations. The zero value
// is MatchExact.
type Match uint8

// The matching policies.
const (
	// MatchExact matches the very same URI.
	MatchExact Match = iota
	// MatchPrefix matches every URI that starts with the pattern, as a string.
	MatchPrefix
	// MatchWildcard matches URIs of as many components; an empty component of the
	// pattern matches any component that is not empty.
	MatchWildcard
)

// String returns "exact", "prefix" or "wildcard".
func (m Match) String() string {
	switch m {
	case MatchExact:
		return "exact"
	case MatchPrefix:
		return "prefix"
	case MatchWildcard:
		return "wildcard"
	default:
		return "invalid"
	}
}

// ParseMatch returns the policy with the given name.
func ParseMatch(name string) (Match, bool) {
	switch name {
	case "exact":
		return MatchExact, true
	case "prefix":
		return MatchPrefix, true
	case "wildcard":
		return MatchWildcard, true
	default:
		return MatchExact, false
	}
}

// Reserved reports whether the first component of the URI is "wamp". Clients must
// neither register nor publish below it.
func (u URI) Reserved() bool { return u == "wamp" || strings.HasPrefix(string(u), "wamp.") }

// Valid reports whether u is a URI by the loose rules: components that are not
// empty and contain neither white space nor '#'.
func (u URI) Valid() bool { return checkURI(string(u), false, emptyNever) }

// ValidStrict reports whether u is a URI by the strict rules: components of
// lower-case letters, digits and underscores that are not empty.
func (u URI) ValidStrict() bool { return checkURI(string(u), true, emptyNever) }

// ValidPattern reports whether u may be used with the matching policy: exact URIs
// have no empty component, prefixes may end in one, wildcards may have any.
func (u URI) ValidPattern(m Match, strict bool) bool {
	switch m {
	case MatchExact:
		return checkURI(string(u), strict, emptyNever)
	case MatchPrefix:
		return checkURI(string(u), strict, emptyLast)
	case MatchWildcard:
		return checkURI(string(u), strict, emptyAny)
	default:
		return false
	}
}

// Matches reports whether topic or procedure u is matched by the pattern under
// the policy m.
func (u URI) Matches(pattern URI, m Match) bool {
	switch m {
	case MatchExact:
		return u == pattern
	case MatchPrefix:
		return strings.HasPrefix(string(u), string(pattern))
	case MatchWildcard:
		return matchWildcard(string(u), string(pattern))
	default:
		return false
	}
}

func matchWildcard(u, pattern string) bool {
	for {
		uc, urest, umore := strings.Cut(u, ".")
		pc, prest, pmore := strings.Cut(pattern, ".")
		if uc == "" || (pc != "" && pc != uc) || umore != pmore {
			return false
		}
		if !umore {
			return true
		}
		u, pattern = urest, prest
	}
}

type emptyRule uint8

const (
	emptyNever emptyRule = iota // no component may be empty
	emptyLast                   // only the last component may be empty
	emptyAny                    // every component may be empty
)

// checkURI walks the components instead of using the expressions of the
// specification: those were written for Python, and Go's \s knows ASCII only.
func checkURI(u string, strict bool, empty emptyRule) bool {
	allowed := asciiLoose
	if strict {
		allowed = asciiStrict
	}
	start := 0
	for i := range len(u) {
		switch c := u[i]; {
		case c == '.':
			if i == start && empty != emptyAny {
				return false
			}
			start = i + 1
		case c >= utf8.RuneSelf:
			return !strict && checkUnicodeURI(u, empty)
		case allowed[c/64]&(1<<(c%64)) == 0:
			return false
		}
	}
	return start < len(u) || empty != emptyNever
}

// The ASCII characters that components may contain, one bit each: all but white space,
// '#' and '.', and those of the strict rules.
var (
	asciiLoose  = asciiSet(func(r rune) bool { return r != '#' && r != '.' && !unicode.IsSpace(r) }) //nolint:gochecknoglobals // a constant
	asciiStrict = asciiSet(strictRune)                                                               //nolint:gochecknoglobals // a constant
)

func asciiSet(has func(rune) bool) (set [2]uint64) {
	for r := range rune(utf8.RuneSelf) {
		if has(r) {
			set[r/64] |= 1 << (r % 64)
		}
	}
	return set
}

// checkUnicodeURI is checkURI by the loose rules for characters of all kinds.
func checkUnicodeURI(u string, empty emptyRule) bool {
	length := 0
	for i, r := range u {
		switch {
		case r == '.':
			if length == 0 && empty != emptyAny {
				return false
			}
			length = 0
			continue
		case r == '#', unicode.IsSpace(r):
			return false
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(u[i:]); size == 1 {
				return false
			}
		}
		length++
	}
	return length > 0 || empty != emptyNever
}

func strictRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_'
}
