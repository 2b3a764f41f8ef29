package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func TestParseValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"1":                    int64(1),
		"-1":                   int64(-1),
		"1.0":                  1.0,
		"1e3":                  1000.0,
		"9223372036854775807":  int64(math.MaxInt64),
		"-9223372036854775808": int64(math.MinInt64),
		"18446744073709551615": uint64(math.MaxUint64),
		"true":                 true,
		"null":                 nil,
		`"1"`:                  "1",
		`"\u0000AQI="`:         []byte{1, 2},
		`[1, "a", [null]]`:     []any{int64(1), "a", []any{nil}},
		`{"a": {"b": 1}}`:      map[string]any{"a": map[string]any{"b": int64(1)}},
		" 7 ":                  int64(7),
		"":                     "",
		" ":                    " ",
		"hello":                "hello",
		"hello world":          "hello world",
		"0123":                 "0123",
		"1,2":                  "1,2",
		"True":                 "True",
		"com.example.topic":    "com.example.topic",
		"{a: 1}":               "{a: 1}",
		`"open`:                `"open`,
		"1 2":                  "1 2",
		"grüße":                "grüße",
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05Z",
		"line one\nline two":   "line one\nline two",
	} {
		got, err := parseValue(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"\xff":       "neither JSON nor UTF-8",
		`"\u0000!!"`: "not valid base64",
		"1e999":      "out of range",
		`"\ud800"`:   "surrogate",
		"[\"\xff\"]": "not valid UTF-8",
	} {
		_, err := parseValue(text)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestParseKeywords(t *testing.T) {
	t.Parallel()
	got, err := parseKeywords([]string{"a=1", "b=x", "c=", "d=a=b", `e={"f":[1]}`, "a=2"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a": int64(2), "b": "x", "c": "", "d": "a=b", "e": map[string]any{"f": []any{int64(1)}},
	}, got)
	for _, bad := range []string{"", "a", "=1", "a=\xff"} {
		_, err := parseKeywords([]string{bad})
		var usage *usageError
		require.ErrorAs(t, err, &usage, bad)
		require.ErrorContains(t, err, "-k: ")
	}
}

// What is printed can be given as an argument again, and comes out the same, whatever serializer it
// travelled in.
func TestResultLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []any
		kwargs map[string]any
		want   string
	}{
		"nothing":       {nil, nil, `{"args":[],"kwargs":{}}`},
		"one":           {[]any{1}, nil, `1`},
		"two":           {[]any{1, 2}, nil, `{"args":[1,2],"kwargs":{}}`},
		"keywords":      {nil, map[string]any{"a": 1}, `{"args":[],"kwargs":{"a":1}}`},
		"one and a key": {[]any{1}, map[string]any{"a": 1}, `{"args":[1],"kwargs":{"a":1}}`},
		"null":          {[]any{nil}, nil, `null`},
		"list":          {[]any{[]int{1, 2}}, nil, `[1,2]`},
		"largest int":   {[]any{int64(math.MaxInt64)}, nil, `9223372036854775807`},
		"smallest int":  {[]any{int64(math.MinInt64)}, nil, `-9223372036854775808`},
		"largest uint":  {[]any{uint64(math.MaxUint64)}, nil, `18446744073709551615`},
		"float":         {[]any{2.0}, nil, `2.0`},
		"binary":        {[]any{[]byte{0, 255}}, nil, `"\u0000AP8="`},
		"text":          {[]any{"<a & b> \n\x1b \""}, nil, `"<a & b> \n\u001b \""`},
		"nested":        {[]any{map[string]any{"a": []any{"b", 1.5}}}, nil, `{"a":["b",1.5]}`},
	} {
		for _, s := range protocol.Serializers() {
			p, err := codec.EncodePayload(s, c.args, c.kwargs)
			require.NoError(t, err)
			res := &session.Result{}
			res.Payload = p
			line, err := resultLine(res)
			require.NoError(t, err)
			require.Equal(t, c.want+"\n", string(line), "%s in %v", name, s)

			again, err := parseValue(string(line))
			require.NoError(t, err)
			text, err := codec.AppendValue(nil, protocol.JSON, again)
			require.NoError(t, err)
			require.JSONEq(t, c.want, string(text), "%s as an argument", name)
		}
	}
}

// A line stays one even if the peer breaks its JSON into several.
func TestResultLineIsOneLine(t *testing.T) {
	t.Parallel()
	res := &session.Result{}
	res.Payload = protocol.Payload{Serializer: protocol.JSON, Args: []byte("[ {\n \"a\" :\r\n1 }\n]"), KwArgs: []byte("{\n}")}
	line, err := resultLine(res)
	require.NoError(t, err)
	require.Equal(t, "{\"a\":1}\n", string(line))
}

func TestEventLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		details protocol.EventDetails
		args    []any
		want    string
	}{
		"bare":     {protocol.EventDetails{}, nil, `"args":[],"kwargs":{}}`},
		"argument": {protocol.EventDetails{}, []any{[]byte{1}}, `"args":["\u0000AQ=="],"kwargs":{}}`},
		"details": {
			protocol.EventDetails{Publisher: 7, PublisherAuthID: "a\"b", Retained: true, Extra: protocol.Dict{"_x": 1.0}},
			[]any{1},
			`"args":[1],"kwargs":{},"details":{"publisher":7,"publisher_authid":"a\"b","retained":true,"_x":1.0}}`,
		},
		"topic of a pattern": {protocol.EventDetails{Topic: "com.example.\"a"}, nil, `"args":[],"kwargs":{}}`},
	} {
		p, err := codec.EncodePayload(protocol.CBOR, c.args, nil)
		require.NoError(t, err)
		line, err := eventLine("com.example.\"a", &protocol.Event{Publication: 1 << 53, Details: c.details, Payload: p})
		require.NoError(t, err)
		require.Equal(t, `{"topic":"com.example.\"a","publication":9007199254740992,`+c.want+"\n", string(line), name)
	}
}
