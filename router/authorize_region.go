package router

import (
	"slices"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// region is the set of valid URIs that a pattern matches, or that several patterns match.
type region struct {
	parts []part
	more  bool // anything may follow the last part, which is open
}

// part is a set of components: one, or if it is open all that begin with the text.
type part struct {
	text string
	open bool
}

// regionOf returns the URIs that a valid pattern matches.
func regionOf(pattern protocol.URI, m protocol.Match) region {
	components := strings.Split(string(pattern), ".")
	r := region{parts: make([]part, len(components))}
	for i, c := range components {
		r.parts[i] = part{text: c, open: m == protocol.MatchWildcard && c == ""}
	}
	if m == protocol.MatchPrefix {
		r.more = true
		r.parts[len(components)-1].open = true
	}
	return r
}

// intersect returns what is in both regions, and false if that is nothing.
func (r region) intersect(o region) (region, bool) {
	if len(r.parts) > len(o.parts) {
		r, o = o, r
	}
	if len(r.parts) < len(o.parts) && !r.more {
		return region{}, false
	}
	both := region{parts: slices.Clone(o.parts), more: o.more && (r.more || len(r.parts) < len(o.parts))}
	for i, p := range r.parts {
		var ok bool
		if both.parts[i], ok = p.intersect(o.parts[i]); !ok {
			return region{}, false
		}
	}
	return both, true
}

func (p part) intersect(o part) (part, bool) {
	if len(p.text) > len(o.text) {
		p, o = o, p
	}
	if p.text == o.text {
		return part{text: p.text, open: p.open && o.open}, true
	}
	return o, p.open && strings.HasPrefix(o.text, p.text)
}

// contains reports whether all of o is in r.
func (r region) contains(o region) bool {
	if len(o.parts) < len(r.parts) || !r.more && (len(o.parts) > len(r.parts) || o.more) {
		return false
	}
	for i, p := range r.parts {
		if !p.contains(o.parts[i]) {
			return false
		}
	}
	return true
}

func (p part) contains(o part) bool {
	if p.open {
		return strings.HasPrefix(o.text, p.text)
	}
	return !o.open && o.text == p.text
}
