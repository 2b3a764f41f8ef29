//go:build interop

package interop

import (
	"math"
	"strings"
)

const (
	maxSafe = 1<<53 - 1 // the largest integer JavaScript can tell from its neighbours
	maxID   = 1 << 53   // the largest WAMP ID
)

// sample is a payload that has to arrive as it was sent.
type sample struct {
	name string
	payload
	// int53: needs integers beyond ±(2^53-1).
	int53 bool
	// long: not worth sending more than once for each pair of peers.
	long bool
}

// samples covers the types of WAMP payloads and, with the lengths and numbers
// at which MessagePack and CBOR change their encoding, every form of each.
func samples() []sample {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	kwargs := dict{"text": "Grüße", "bytes": everyByte[:3], "null": nil, "list": []any{int64(1), 2.5}}
	return []sample{
		{name: "nothing"},
		{name: "nulls and booleans", payload: payload{Args: list{nil, true, false}}},
		{name: "integers", payload: payload{Args: list{
			int64(0), int64(1), int64(-1), int64(23), int64(24), int64(-24), int64(-25), int64(31), int64(-32), int64(-33),
			int64(127), int64(128), int64(-128), int64(-129), int64(255), int64(256), int64(32767), int64(32768),
			int64(-32768), int64(-32769), int64(65535), int64(65536), int64(math.MaxInt32), int64(math.MaxInt32 + 1),
			int64(math.MinInt32), int64(math.MinInt32 - 1), int64(math.MaxUint32), int64(math.MaxUint32 + 1),
			int64(maxSafe), int64(-maxSafe),
		}}},
		{name: "largest id", int53: true, payload: payload{Args: list{int64(maxID), int64(-maxID)}}},
		{name: "floats", payload: payload{Args: list{
			0.5, -2.25, math.Pi, 0.1, 1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, float64(float32(0.1)),
		}}},
		{name: "text", payload: payload{Args: list{
			"", "plain", "Grüße", "日本語", "🍀", "\"\\/\b\f\n\r\t", "a\x00b", "\u2028\u2029\x7f", "<&>",
		}}},
		{name: "long text", long: true, payload: payload{Args: list{
			strings.Repeat("x", 23), strings.Repeat("x", 24), strings.Repeat("x", 31), strings.Repeat("x", 32),
			strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("é", 32767), strings.Repeat("é", 32768),
		}}},
		{name: "bytes", payload: payload{Args: list{
			[]byte{}, []byte{0}, everyByte, []byte("text as bytes"), everyByte[:23], everyByte[:24],
		}}},
		{name: "lists and dicts", payload: payload{Args: list{
			[]any{},
			map[string]any{},
			[]any{[]any{[]any{nil}}},
			repeated(int64(7), 15), repeated(int64(7), 16),
			map[string]any{"": "empty", "a": map[string]any{"b": []any{everyByte[:2], map[string]any{"c": nil}}}},
		}}},
		{name: "many arguments", payload: payload{Args: list(repeated("argument", 300))}},
		{name: "keywords only", payload: payload{Args: list{}, KwArgs: kwargs}},
		{name: "arguments and keywords", payload: payload{Args: list{"first", int64(2)}, KwArgs: kwargs}},
	}
}

// samplesFor leaves out what one of the peers cannot represent.
func samplesFor(members ...*member) []sample {
	var some []sample
	for _, s := range samples() {
		exact := true
		for _, m := range members {
			exact = exact && !m.losesInt53
		}
		if exact || !s.int53 {
			some = append(some, s)
		}
	}
	return some
}

func repeated(v any, n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// normal returns p as a peer reports it: absent and empty payloads are the same.
func (p payload) normal() payload {
	if p.Args == nil {
		p.Args = list{}
	}
	if p.KwArgs == nil {
		p.KwArgs = dict{}
	}
	return p
}
