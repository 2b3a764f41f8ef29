package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/internal/settings"
)

func parse(t *testing.T, text string) settings.Value {
	t.Helper()
	v, err := settings.Parse(strings.NewReader(text))
	require.NoError(t, err, text)
	return v
}

func TestAny(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"a: 1":                          map[string]any{"a": int64(1)},
		`{"a": 1, "b": [1.0, -2e3]}`:    map[string]any{"a": int64(1), "b": []any{1.0, -2000.0}},
		`["\ud83d\ude00", null, true]`:  []any{"\U0001F600", nil, true},
		"- !!binary aGk=\n- 2026-01-01": []any{[]byte("hi"), "2026-01-01"},
		"- &x {a: yes}\n- *x":           []any{map[string]any{"a": "yes"}, map[string]any{"a": "yes"}},
		"- !!str 5\n- 0x10\n- 1_000":    []any{"5", int64(16), int64(1000)},
		"- 18446744073709551615":        []any{uint64(18446744073709551615)},
		"[18446744073709551615]":        []any{uint64(18446744073709551615)},
		"\uFEFF{a: b}":                  map[string]any{"a": "b"},
		"{}":                            map[string]any{},
	} {
		v := parse(t, text)
		require.Equal(t, want, v.Any(), text)
		require.NoError(t, v.Err(), text)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "empty",
		"# nothing":                             "empty",
		"null":                                  "empty",
		"a: 1\n---\nb: 2":                       "more than one document",
		"a: [":                                  "yaml: line 1",
		`{"a": 1} x`:                            "json: line 1",
		"[1,\n2":                                "json: line 2: unexpected EOF",
		"a: \xff":                               "not UTF-8",
		"a: &a [*a]":                            "nested more than 100 deep",
		strings.Repeat("[", 200):                "nested more than 100 deep",
		"[" + strings.Repeat("1,", 100_000):     "more than 100000 values",
		strings.Repeat(" ", settings.MaxSize+1): "longer than 1048576 octets",
		"a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]": "more than 100000 values",
	} {
		_, err := settings.Parse(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	member := func(f func(settings.Value)) func(settings.Value) {
		return func(v settings.Value) { v.Map(settings.Keys{"a": f}) }
	}
	for _, tc := range []struct {
		text string
		read func(settings.Value)
		want string
	}{
		{"a: 1", member(func(v settings.Value) { v.Text() }), "a: must be text, not a number: put it in quotes"},
		{"a: [1]", member(func(v settings.Value) { v.Text() }), "a: must be text, not a list"},
		{"a: {b: c}", member(func(v settings.Value) { v.Bool() }), "a: must be true or false, not a mapping"},
		{"a: 1.5", member(func(v settings.Value) { v.Int(0, 9) }), "a: must be an integer, not a number"},
		{"a: 18446744073709551615", member(func(v settings.Value) { v.Int(0, 9) }), "a: 18446744073709551615 is not in 0..9"},
		{"a: .inf", member(func(v settings.Value) { v.Number() }), "a: must be a finite number"},
		{"a: .nan", member(func(v settings.Value) { v.Duration() }), "a: must be a finite number"},
		{"a: true", member(func(v settings.Value) { v.Duration() }), "a: must be a number of seconds, or a duration such as 1.5s, not a boolean"},
		{"a: -1s", member(func(v settings.Value) { v.Duration() }), "a: is negative"},
		{"a: 1e-12", member(func(v settings.Value) { v.Positive() }), "a: must be longer than 0"},
		{"a: !!binary aGk=", member(func(v settings.Value) { v.List() }), "a: must be a list, not binary"},
		{"a: {b: [{c: 1}]}", member(func(v settings.Value) { v.Members()[0].List()[0].Map(nil) }), "a.b[0].c: unknown key; known are "},
		{"a: x", member(func(v settings.Value) { v.Dict() }), "a: must be a mapping, not text"},
		{"a: !!int x", member(func(settings.Value) {}), "a: malformed int"},
		{"<<: {a: 1}", member(func(settings.Value) {}), "merge keys (<<) are not supported"},
		{"a: {}\nb: 1\nB: 2", func(settings.Value) {}, ""},
		{"x:\n  - y z: 1\n    y z: 2", func(settings.Value) {}, `x[0]."y z": is there twice`},
	} {
		v := parse(t, tc.text)
		tc.read(v)
		if tc.want == "" {
			require.NoError(t, v.Err(), tc.text)
			continue
		}
		require.EqualError(t, v.Err(), tc.want, tc.text)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1": time.Second, "0.1": 100 * time.Millisecond, "1.5": 1500 * time.Millisecond, "2m": 2 * time.Minute, "0": 0, "9007199254": 9007199254 * time.Second,
	} {
		v := parse(t, "["+text+"]")
		require.Equal(t, want, v.List()[0].Duration(), text)
		require.NoError(t, v.Err())
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) { return map[string]string{"SET": "found"}[name], name != "UNSET" }
	for text, want := range map[string]string{"plain": "plain", "${SET}": "found", "$SET": "$SET", "a}": "a}"} {
		v := parse(t, "['"+text+"']")
		require.Equal(t, want, v.List()[0].Secret(lookup), text)
		require.NoError(t, v.Err())
	}
	for text, want := range map[string]string{
		"${UNSET}": "[0]: the environment variable UNSET is not set", "${EMPTY}": "[0]: the environment variable EMPTY is not set",
		"x${SET}": "[0]: ${NAME} must be all of it", "${SET}x": "[0]: ${NAME} must be all of it", "${}": "[0]: ${NAME} must be all of it",
		"${SET}${SET}": "[0]: ${NAME} must be all of it",
	} {
		v := parse(t, "['"+text+"']")
		require.Empty(t, v.List()[0].Secret(lookup), text)
		require.EqualError(t, v.Err(), want)
	}
}
