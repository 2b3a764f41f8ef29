package router

import (
	"iter"
	"maps"
	"slices"
	"strings"

	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// table finds what is stored under a URI and matching policy. It is immutable:
// changing it yields a new table that shares almost everything with the old one.
type table[T any] struct {
	exact, prefix, wildcard *iradix.Tree[T]
	// shapes lists, by number of components, where the stored wildcard patterns have
	// their wildcards. Matching a URI means asking for one key per shape, so its cost
	// grows with the number of different shapes, not of patterns.
	shapes map[int][]shape
}

// shape has one byte per component of a pattern: '0' for a literal, '1' for a
// wildcard. Sorted ascending, the better match comes first: at the first component
// where two patterns differ the literal wins (Advanced Profile,
// "Pattern-based Registrations").
type shape struct {
	mask  string
	count int // patterns of this shape
}

func newTable[T any]() table[T] {
	return table[T]{exact: iradix.New[T](), prefix: iradix.New[T](), wildcard: iradix.New[T]()}
}

func (t table[T]) tree(m protocol.Match) *iradix.Tree[T] {
	switch m {
	case protocol.MatchPrefix:
		return t.prefix
	case protocol.MatchWildcard:
		return t.wildcard
	case protocol.MatchExact:
		return t.exact
	default:
		return t.exact
	}
}

// get returns what is stored under exactly this URI and policy.
func (t table[T]) get(uri protocol.URI, m protocol.Match) (T, bool) {
	return t.tree(m).Get([]byte(uri))
}

// maxShapes bounds the shapes of each number of components, so that no peer can make
// every lookup slow for all.
const maxShapes = 128

// admits reports whether there is room for the pattern's shape.
func (t table[T]) admits(uri protocol.URI, m protocol.Match) bool {
	if m != protocol.MatchWildcard {
		return true
	}
	mask := shapeOf(uri)
	shapes := t.shapes[len(mask)]
	_, found := findShape(shapes, mask)
	return found || len(shapes) < maxShapes
}

// with returns the table with v stored under (uri, m), replacing what was there.
func (t table[T]) with(uri protocol.URI, m protocol.Match, v T) table[T] {
	tree, _, replaced := t.tree(m).Insert([]byte(uri), v)
	t = t.replace(m, tree)
	if m == protocol.MatchWildcard && !replaced {
		t.shapes = changeShape(t.shapes, uri, 1)
	}
	return t
}

// without returns the table with nothing stored under (uri, m).
func (t table[T]) without(uri protocol.URI, m protocol.Match) table[T] {
	tree, _, deleted := t.tree(m).Delete([]byte(uri))
	t = t.replace(m, tree)
	if m == protocol.MatchWildcard && deleted {
		t.shapes = changeShape(t.shapes, uri, -1)
	}
	return t
}

func (t table[T]) replace(m protocol.Match, tree *iradix.Tree[T]) table[T] {
	switch m {
	case protocol.MatchPrefix:
		t.prefix = tree
	case protocol.MatchWildcard:
		t.wildcard = tree
	case protocol.MatchExact:
		t.exact = tree
	}
	return t
}

// best returns the one entry that a call of uri selects: exact, else the longest
// prefix, else the best wildcard.
func (t table[T]) best(uri protocol.URI) (T, bool) {
	key := []byte(uri)
	if v, ok := t.exact.Get(key); ok {
		return v, true
	}
	if _, v, ok := t.prefix.Root().LongestPrefix(key); ok {
		return v, true
	}
	for v := range t.wildcards(uri) {
		return v, true
	}
	var none T
	return none, false
}

// all returns every entry that matches uri: the exact one, prefixes from short to
// long, wildcards from specific to general.
func (t table[T]) all(uri protocol.URI) []T {
	var found []T
	key := []byte(uri)
	if v, ok := t.exact.Get(key); ok {
		found = append(found, v)
	}
	if t.prefix.Len() > 0 {
		t.prefix.Root().WalkPath(key, func(_ []byte, v T) bool {
			found = append(found, v)
			return false
		})
	}
	for v := range t.wildcards(uri) {
		found = append(found, v)
	}
	return found
}

// wildcards returns the entries whose wildcard pattern matches uri, the best match first.
func (t table[T]) wildcards(uri protocol.URI) iter.Seq[T] {
	return func(yield func(T) bool) {
		if len(t.shapes) == 0 {
			return
		}
		shapes := t.shapes[components(uri)]
		if len(shapes) == 0 {
			return
		}
		parts := strings.Split(string(uri), ".")
		key := make([]byte, 0, len(uri))
		for _, s := range shapes {
			key = s.apply(key[:0], parts)
			if v, ok := t.wildcard.Get(key); ok && !yield(v) {
				return
			}
		}
	}
}

func components(uri protocol.URI) int { return strings.Count(string(uri), ".") + 1 }

// apply appends to key a URI with these components, those blanked that are wildcards in the shape.
func (s shape) apply(key []byte, parts []string) []byte {
	for i, part := range parts {
		if i > 0 {
			key = append(key, '.')
		}
		if s.mask[i] == '0' {
			key = append(key, part...)
		}
	}
	return key
}

func shapeOf(pattern protocol.URI) string {
	parts := strings.Split(string(pattern), ".")
	mask := make([]byte, len(parts))
	for i, p := range parts {
		mask[i] = '0'
		if p == "" {
			mask[i] = '1'
		}
	}
	return string(mask)
}

func findShape(shapes []shape, mask string) (int, bool) {
	return slices.BinarySearchFunc(shapes, mask, func(s shape, m string) int { return strings.Compare(s.mask, m) })
}

// changeShape returns the shapes with n more patterns of the pattern's shape.
func changeShape(shapes map[int][]shape, pattern protocol.URI, n int) map[int][]shape {
	changed := make(map[int][]shape, len(shapes)+1)
	maps.Copy(changed, shapes)
	mask := shapeOf(pattern)
	list := slices.Clone(changed[len(mask)])
	i, found := findShape(list, mask)
	if !found {
		list = slices.Insert(list, i, shape{mask: mask})
	}
	list[i].count += n
	if list[i].count == 0 {
		list = slices.Delete(list, i, i+1)
	}
	changed[len(mask)] = list
	if len(list) == 0 {
		delete(changed, len(mask))
	}
	return changed
}
