package settings

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Value is a value of a document. The zero Value stands for one that is not there.
type Value struct {
	path string
	key  string // the last part of path, if that is a member of a mapping
	v    any
	*problems
}

// problems are the mistakes of one document.
type problems struct{ errs []error }

func (p *problems) add(path, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if path != "" {
		err = fmt.Errorf("%s: %w", path, err)
	}
	p.errs = append(p.errs, err)
}

// Count returns how many mistakes of the document have been found so far.
func (p *problems) Count() int { return len(p.errs) }

// Err returns the mistakes that have been found in the document, joined, each with the path of the value.
func (p *problems) Err() error { return errors.Join(p.errs...) }

// Exists reports whether the value is there, and is not null.
func (v Value) Exists() bool { return v.v != nil }

// Errorf notes a mistake in the value.
func (v Value) Errorf(format string, args ...any) { v.add(v.path, format, args...) }

// ErrorAt notes a mistake in a member of the value, which need not be there.
func (v Value) ErrorAt(key, format string, args ...any) { v.add(join(v.path, key), format, args...) }

// ErrorBelow notes a mistake whose text begins with a path from the value on.
func (v Value) ErrorBelow(err error) {
	if v.path != "" {
		err = fmt.Errorf("%s.%w", v.path, err)
	}
	v.errs = append(v.errs, err)
}

// IsText reports whether the value is text.
func (v Value) IsText() bool { _, ok := v.v.(string); return ok }

// IsList reports whether the value is a list.
func (v Value) IsList() bool { _, ok := v.v.([]any); return ok }

// IsMap reports whether the value is a mapping.
func (v Value) IsMap() bool { _, ok := v.v.(*mapping); return ok }

// IsBool reports whether the value is true or false.
func (v Value) IsBool() bool { _, ok := v.v.(bool); return ok }

// kind names what the value is.
func (v Value) kind() string {
	switch v.v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "text"
	case []byte:
		return "binary"
	case []any:
		return "a list"
	case *mapping:
		return "a mapping"
	default:
		return "a number"
	}
}

func (v Value) wrong(want string) { v.Errorf("must be %s, not %s", want, v.kind()) }

// Keys says what to do with the members of a mapping.
type Keys map[string]func(Value)

// Map hands the members of a mapping to their functions, in the order of the document. Those that are null are
// left out. A key without a function is a mistake.
func (v Value) Map(keys Keys) {
	for _, member := range v.Members() {
		f, ok := keys[member.Key()]
		switch {
		case !ok:
			member.Unknown(slices.Sorted(maps.Keys(keys)))
		case member.Exists():
			f(member)
		}
	}
}

// Members returns the members of a mapping, also those that are null, in the order of the document.
func (v Value) Members() []Value {
	m, ok := v.v.(*mapping)
	if !ok {
		v.wrong("a mapping")
		return nil
	}
	members := make([]Value, len(m.keys))
	for i, key := range m.keys {
		members[i] = Value{path: join(v.path, key), key: key, v: m.values[key], problems: v.problems}
	}
	return members
}

// Key returns the name of a member.
func (v Value) Key() string { return v.key }

// Unknown notes that the key of the value is none of those that are known.
func (v Value) Unknown(known []string) {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '_' || r == '-' {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	for _, k := range known {
		if plain(k) == plain(v.key) {
			v.Errorf("unknown key; did you mean %s?", k)
			return
		}
	}
	v.Errorf("unknown key; known are %s", strings.Join(known, ", "))
}

// List returns the elements of a list.
func (v Value) List() []Value {
	items, ok := v.v.([]any)
	if !ok {
		v.wrong("a list")
		return nil
	}
	list := make([]Value, len(items))
	for i, item := range items {
		list[i] = Value{path: index(v.path, i), v: item, problems: v.problems}
	}
	return list
}

// Text returns a text that is not empty.
func (v Value) Text() string {
	s, ok := v.v.(string)
	switch _, composite := v.v.(*mapping); {
	case ok && s == "":
		v.Errorf("is empty")
	case !ok && (composite || v.IsList() || !v.Exists()):
		v.wrong("text")
	case !ok:
		v.Errorf("must be text, not %s: put it in quotes", v.kind())
	}
	return s
}

// OneOf returns a text that is one of a few.
func (v Value) OneOf(words ...string) string {
	s, ok := v.v.(string)
	if !ok {
		v.Text()
		return ""
	}
	if !slices.Contains(words, s) {
		v.Errorf("%q is none of %s", s, strings.Join(words, ", "))
	}
	return s
}

// Bool returns true or false.
func (v Value) Bool() bool {
	b, ok := v.v.(bool)
	if !ok {
		v.wrong("true or false")
	}
	return b
}

// Int returns an integer between two.
func (v Value) Int(least, most int) int {
	i, ok := v.v.(int64)
	if u, big := v.v.(uint64); big {
		i, ok = math.MaxInt64, u > math.MaxInt64
	}
	switch {
	case !ok:
		v.wrong("an integer")
		return 0
	case i < int64(least) || i > int64(most):
		v.Errorf("%v is not in %d..%d", v.v, least, most)
		return 0
	}
	return int(i)
}

// Number returns a number, which is finite.
func (v Value) Number() float64 {
	switch n := v.v.(type) {
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		if !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n
		}
		v.Errorf("must be a finite number")
	default:
		v.wrong("a number")
	}
	return 0
}

// Duration returns a time that is not negative: a number of seconds, or a text such as "1.5s".
func (v Value) Duration() time.Duration {
	const longest = float64(math.MaxInt64 / time.Second)
	d := time.Duration(0)
	switch n := v.v.(type) {
	case string:
		var err error
		if d, err = time.ParseDuration(n); err != nil {
			v.Errorf("must be a number of seconds, or a duration such as 1.5s")
			return 0
		}
	case int64, uint64, float64:
		before := v.Count()
		seconds := v.Number()
		switch {
		case v.Count() > before:
			return 0
		case math.Abs(seconds) > longest:
			v.Errorf("is too long")
			return 0
		}
		d = time.Duration(math.Round(seconds * float64(time.Second)))
	default:
		v.wrong("a number of seconds, or a duration such as 1.5s")
	}
	if d < 0 {
		v.Errorf("is negative")
		return 0
	}
	return d
}

// Positive is Duration without zero.
func (v Value) Positive() time.Duration {
	before := v.Count()
	d := v.Duration()
	if d == 0 && v.Count() == before {
		v.Errorf("must be longer than 0")
	}
	return d
}

// Any returns the value as it is: nil, bool, int64, uint64, float64, string, []byte, []any or map[string]any.
func (v Value) Any() any { return plain(v.v) }

// Dict returns a mapping as it is.
func (v Value) Dict() map[string]any {
	if !v.IsMap() {
		v.wrong("a mapping")
		return nil
	}
	m, _ := v.Any().(map[string]any)
	return m
}

func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case *mapping:
		m := make(map[string]any, len(v.keys))
		for key, value := range v.values {
			m[key] = plain(value)
		}
		return m
	default:
		return v
	}
}

// Secret returns a text that no mistake may show. One that has the form ${NAME} is the value of that environment
// variable, which must be set.
func (v Value) Secret(lookup func(name string) (string, bool)) string {
	before := v.Count()
	text := v.Text()
	if v.Count() > before || !strings.Contains(text, "${") {
		return text
	}
	name, start := strings.CutPrefix(text, "${")
	name, end := strings.CutSuffix(name, "}")
	if !start || !end || strings.ContainsAny(name, "${}") || name == "" {
		v.Errorf("${NAME} must be all of it")
		return ""
	}
	text, _ = lookup(name)
	if text == "" {
		v.Errorf("the environment variable %s is not set", name)
	}
	return text
}
