package codec_test

import (
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

type color string

type named []byte

// celsius has JSON methods only.
type celsius struct{ degrees float64 }

func (c celsius) MarshalJSON() ([]byte, error) {
	return codec.AppendValue(nil, protocol.JSON, map[string]any{"celsius": c.degrees})
}

func (c *celsius) UnmarshalJSON(data []byte) error {
	var v map[string]float64
	if err := codec.DecodeValue(protocol.JSON, data, &v); err != nil {
		return err
	}
	c.degrees = v["celsius"]
	return nil
}

type embedded struct {
	Inside int `json:"inside"`
}

// everything has a field of every sort.
type everything struct {
	embedded

	Int      int                 `json:"int"`
	Small    int8                `json:"small,omitempty"`
	Unsigned uint64              `json:"unsigned"`
	Float    float64             `json:"float"`
	Half     float32             `json:"half"`
	Bool     bool                `json:"bool"`
	Text     string              `json:"text"`
	Color    color               `json:"color"`
	Bytes    []byte              `json:"bytes"`
	Named    named               `json:"named"`
	Array    [3]byte             `json:"array"`
	Time     time.Time           `json:"time"`
	Length   time.Duration       `json:"length"`
	Address  netip.Addr          `json:"address"`
	Celsius  celsius             `json:"celsius"`
	Pointer  *everything         `json:"pointer"`
	List     []embedded          `json:"list"`
	Map      map[string]embedded `json:"map"`
	Any      any                 `json:"any"`
	Empty    string              `json:"empty,omitempty"`
	Hidden   string              `json:"-"`
	NoTag    string
}

func sample() everything {
	return everything{
		embedded: embedded{1}, Int: -5, Unsigned: math.MaxUint64, Float: 2, Half: 0.5, Bool: true, Text: "grüße", Color: "red",
		Bytes: []byte{0, 255}, Named: named{1}, Array: [3]byte{1, 2, 3}, Time: time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC),
		Length: time.Second, Address: netip.MustParseAddr("::1"), Celsius: celsius{36.6}, Pointer: &everything{Int: 3, Address: netip.MustParseAddr("127.0.0.1")},
		List: []embedded{{4}, {5}}, Map: map[string]embedded{"k": {6}}, Any: []any{int64(1), 2.0, "x", []byte("y"), nil, map[string]any{"z": true}}, NoTag: "n",
	}
}

func TestStructsAreAlikeEverywhere(t *testing.T) {
	t.Parallel()
	in := sample()
	var generic any
	for _, s := range protocol.Serializers() {
		data, err := codec.AppendValue(nil, s, in)
		require.NoError(t, err)
		var out everything
		require.NoError(t, codec.DecodeValue(s, data, &out), s)
		require.Equal(t, in, out, s)

		var v map[string]any
		require.NoError(t, codec.DecodeValue(s, data, &v))
		require.Equal(t, "2026-02-03T04:05:06.000007Z", v["time"])
		require.Equal(t, "::1", v["address"])
		require.Equal(t, []byte{1, 2, 3}, v["array"])
		require.Equal(t, []byte{1}, v["named"])
		require.Equal(t, map[string]any{"celsius": 36.6}, v["celsius"])
		require.Equal(t, int64(1), v["inside"])
		require.InDelta(t, 2.0, v["float"], 0)
		require.NotContains(t, v, "empty")
		require.NotContains(t, v, "small")
		require.Contains(t, v, "NoTag")
		if generic == nil {
			generic = v
		}
		require.Equal(t, generic, any(v), "%s differs", s)
	}
}

// TestAny decodes into any what was encoded from Go values.
func TestAny(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, out any }{
		{nil, nil},
		{true, true},
		{false, false},
		{0, int64(0)},
		{127, int64(127)},
		{128, int64(128)},
		{1 << 20, int64(1 << 20)},
		{int64(math.MaxInt64), int64(math.MaxInt64)},
		{-1, int64(-1)},
		{-32, int64(-32)},
		{-33, int64(-33)},
		{-129, int64(-129)},
		{-40000, int64(-40000)},
		{-1 << 40, int64(-1 << 40)},
		{int64(math.MinInt64), int64(math.MinInt64)},
		{int8(-3), int64(-3)},
		{int16(-300), int64(-300)},
		{int32(-70000), int64(-70000)},
		{uint(7), int64(7)},
		{uint8(200), int64(200)},
		{uint16(65535), int64(65535)},
		{uint32(math.MaxUint32), int64(math.MaxUint32)},
		{uint64(math.MaxInt64) + 1, uint64(math.MaxInt64) + 1},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{0.0, 0.0},
		{math.Copysign(0, -1), math.Copysign(0, -1)},
		{2.0, 2.0},
		{-1.5, -1.5},
		{1e21, 1e21},
		{1e-7, 1e-7},
		{123456789012345680.0, 123456789012345680.0},
		{math.MaxFloat64, math.MaxFloat64},
		{math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64},
		{float32(0.1), float64(float32(0.1))},
		{"", ""},
		{"text", "text"},
		{"quote \" backslash \\ slash / line \n\r\t\b\f control \x01\x1f del \x7f", "quote \" backslash \\ slash / line \n\r\t\b\f control \x01\x1f del \x7f"},
		{"größe 世界 😀 \u2028", "größe 世界 😀 \u2028"},
		{"NUL in the middle \x00", "NUL in the middle \x00"},
		{strings.Repeat("x", 31), strings.Repeat("x", 31)},
		{strings.Repeat("x", 32), strings.Repeat("x", 32)},
		{strings.Repeat("x", 300), strings.Repeat("x", 300)},
		{strings.Repeat("x", 70000), strings.Repeat("x", 70000)},
		{[]byte{}, []byte{}},
		{[]byte{0, 1, 255}, []byte{0, 1, 255}},
		{make([]byte, 300), make([]byte, 300)},
		{make([]byte, 70000), make([]byte, 70000)},
		{[]byte(nil), nil},
		{[]any{}, []any{}},
		{[]any(nil), nil},
		{[]any{1, "a", nil, []any{true}}, []any{int64(1), "a", nil, []any{true}}},
		{[]string{"a", "b"}, []any{"a", "b"}},
		{[]int{1, -1}, []any{int64(1), int64(-1)}},
		{[]int64{1}, []any{int64(1)}},
		{[]float64{1}, []any{1.0}},
		{[]bool{true}, []any{true}},
		{[]protocol.ID{5}, []any{int64(5)}},
		{protocol.ID(5), int64(5)},
		{protocol.URI("a.b"), "a.b"},
		{protocol.Dict{"a": 1}, map[string]any{"a": int64(1)}},
		{[]map[string]any{{"a": 1}}, []any{map[string]any{"a": int64(1)}}},
		{map[string]any{}, map[string]any{}},
		{map[string]any(nil), nil},
		{map[string]any{"a": map[string]any{"b": 1}}, map[string]any{"a": map[string]any{"b": int64(1)}}},
		{map[string]string{"a": "b"}, map[string]any{"a": "b"}},
		{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{map[int]string{-1: "b"}, map[string]any{"-1": "b"}},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z"},
		{netip.MustParseAddr("1.2.3.4"), "1.2.3.4"},
		{[2]int{1, 2}, []any{int64(1), int64(2)}},
		{new(3), int64(3)},
		{(*int)(nil), nil},
		{celsius{1}, map[string]any{"celsius": 1.0}},
		{named{1}, []byte{1}},
		{color("red"), "red"},
		{make([]any, 15), make([]any, 15)},
		{make([]any, 16), make([]any, 16)},
		{make([]any, 24), make([]any, 24)},
		{make([]any, 300), make([]any, 300)},
		{make([]any, 70000), make([]any, 70000)},
	}
	for _, s := range protocol.Serializers() {
		for _, test := range tests {
			data, err := codec.AppendValue([]byte("["), s, test.in)
			require.NoError(t, err, "%s %T", s, test.in)
			require.Equal(t, byte('['), data[0])
			var out any
			require.NoError(t, codec.DecodeValue(s, data[1:], &out), "%s %T %.100q", s, test.in, data)
			require.Equal(t, test.out, out, "%s %T", s, test.in)
		}
	}
}

func TestDictsOfManySizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 15, 16, 23, 24, 255, 256, 65535, 65536} {
		dict := make(map[string]any, size)
		for i := range size {
			dict[strings.Repeat("k", 1+i%3)+string(rune('0'+i%10))+time.Duration(i).String()] = int64(i)
		}
		require.Len(t, dict, size)
		for _, s := range protocol.Serializers() {
			var out map[string]any
			data := must(codec.AppendValue(nil, s, dict))
			require.NoError(t, codec.DecodeValue(s, data, &out))
			require.Equal(t, dict, out)
			crossed := must(codec.Transcode(protocol.Payload{Serializer: s, KwArgs: data}, other(s)))
			require.NoError(t, codec.DecodeKwArgs(crossed, &out))
			require.Equal(t, dict, out)
		}
	}
}

// TestDestinations decodes the same data into many types.
func TestDestinations(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	tests := []struct {
		in   any
		want any // the value expected, of the type to decode into
	}{
		{5, 5},
		{5, int8(5)},
		{5, int16(5)},
		{5, int32(5)},
		{5, int64(5)},
		{5, uint(5)},
		{5, uint8(5)},
		{5, uint16(5)},
		{5, uint32(5)},
		{5, uint64(5)},
		{5, 5.0},
		{5, float32(5)},
		{-5, -5.0},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{-128, int8(-128)},
		{127, int8(127)},
		{2.0, 2},
		{-2.0, int8(-2)},
		{2.0, uint16(2)},
		{1e15, int64(1e15)},
		{1.5, 1.5},
		{1.5, float32(1.5)},
		{2.0, time.Duration(2)},
		{[]any{2.0}, []int{2}},
		{[]any{2.0}, []int8{2}},
		{map[string]any{"inside": 2.0}, embedded{2}},
		{"a", "a"},
		{"a", color("a")},
		{"a", protocol.URI("a")},
		{7, protocol.ID(7)},
		{true, true},
		{[]byte("a"), []byte("a")},
		{[]byte("a"), named("a")},
		{[]byte("abc"), [3]byte{'a', 'b', 'c'}},
		{[]any{"a"}, []string{"a"}},
		{[]any{1}, []int{1}},
		{[]any{1}, []int64{1}},
		{[]any{1, 1.5}, []float64{1, 1.5}},
		{[]any{1, "a"}, []any{int64(1), "a"}},
		{[]any{}, []string{}},
		{[]any{[]any{1}}, [][]int{{1}}},
		{[]any{map[string]any{"inside": 1}}, []embedded{{1}}},
		{map[string]any{"a": 1}, map[string]any{"a": int64(1)}},
		{map[string]any{"a": 1}, protocol.Dict{"a": int64(1)}},
		{map[string]any{"a": 1}, map[string]int{"a": 1}},
		{map[string]any{"inside": 1, "unknown": 2}, embedded{1}},
		{at, at},
		{at, at.Format(time.RFC3339Nano)},
		{"1.2.3.4", netip.MustParseAddr("1.2.3.4")},
		{map[string]any{"celsius": 1.5}, celsius{1.5}},
		{nil, 0},
		{nil, ""},
		{nil, false},
		{nil, 0.0},
		{nil, []byte(nil)},
		{nil, []string(nil)},
		{nil, []any(nil)},
		{nil, map[string]any(nil)},
		{nil, uint8(0)},
		{nil, time.Time{}},
		{nil, (*int)(nil)},
		{nil, embedded{}},
		{3, new(3)},
	}
	for _, s := range protocol.Serializers() {
		for _, test := range tests {
			data := must(codec.AppendValue(nil, s, test.in))
			dst := reflect.New(reflect.TypeOf(test.want))
			require.NoError(t, codec.DecodeValue(s, data, dst.Interface()), "%s %v into %T", s, test.in, test.want)
			require.Equal(t, test.want, dst.Elem().Interface(), "%s %v", s, test.in)
		}
	}
}

func TestValuesThatDoNotFit(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, dst any }{
		{300, new(int8)},
		{-129, new(int8)},
		{128, new(int8)},
		{40000, new(int16)},
		{1 << 31, new(int32)},
		{uint64(1) << 63, new(int64)},
		{uint64(1) << 63, new(int)},
		{256, new(uint8)},
		{65536, new(uint16)},
		{1 << 32, new(uint32)},
		{-1, new(uint)},
		{-1, new(uint64)},
		{-1, new(uint8)},
		{-1, new(protocol.ID)},
		{1.5, new(int)},
		{1e300, new(int64)},
		{-1e300, new(uint64)},
		{18446744073709551616.0, new(uint64)},
		{9223372036854775808.0, new(int64)},
		{1e300, new(float32)},
		{"1", new(int)},
		{1, new(string)},
		{[]byte("a"), new(string)},
		{"a", new([]byte)},
		{"a", new(bool)},
		{1, new(bool)},
		{"1.5", new(float64)},
		{"a", new([]string)},
		{[]any{1}, new([]string)},
		{[]any{"a"}, new([]int)},
		{map[string]any{}, new([]any)},
		{[]any{}, new(map[string]any)},
		{1, new(embedded)},
		{map[string]any{"inside": "x"}, new(embedded)},
		{map[string]any{"inside": 1.5}, new(embedded)},
		{"yesterday", new(time.Time)},
		{5, new(time.Time)},
		{"nowhere", new(netip.Addr)},
		{map[string]any{"a": "b"}, new(map[string]int)},
	}
	for _, s := range protocol.Serializers() {
		for _, test := range tests {
			data := must(codec.AppendValue(nil, s, test.in))
			before := reflect.ValueOf(test.dst).Elem().Interface()
			err := codec.DecodeValue(s, data, test.dst)
			require.Error(t, err, "%s %v into %T", s, test.in, test.dst)
			require.ErrorContains(t, err, reflect.TypeOf(test.dst).String())
			if reflect.TypeOf(test.dst).Elem().Kind() != reflect.Map {
				require.Equal(t, before, reflect.ValueOf(test.dst).Elem().Interface(), "an error must not change the destination")
			}
		}
	}
}

func TestValuesThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	deep := any(1)
	for range codec.MaxDepth + 1 {
		deep = []any{deep}
	}
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	everywhere := []any{make(chan int), func() {}, "\xff", map[string]any{"\xff": 1}, color("\xff"), struct{ A string }{"\xff"}, deep, cyclic, complex(1, 2), []any{make(chan int)}, failing{}}
	onlyJSON := []any{math.NaN(), math.Inf(1), float32(math.Inf(-1)), "\x00text", map[string]any{"\x00": 1}, struct{ A float64 }{math.NaN()}, []float64{math.Inf(1)}, struct{ A string }{"\x00"}}
	for _, s := range protocol.Serializers() {
		for i, v := range everywhere {
			data, err := codec.AppendValue([]byte("before"), s, v)
			require.Error(t, err, "%s %d", s, i)
			require.Equal(t, "before", string(data))
		}
		for i, v := range onlyJSON {
			_, err := codec.AppendValue(nil, s, v)
			require.Equal(t, s == protocol.JSON, err != nil, "%s %d: %v", s, i, err)
		}
	}
	_, err := codec.AppendValue(nil, protocol.NoSerializer, 1)
	require.ErrorContains(t, err, "no serializer")
}

var errOwn = errors.New("own error")

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errOwn }

func TestErrorsOfMarshalersCanBeFound(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		_, err := codec.AppendValue(nil, s, failing{})
		require.ErrorIs(t, err, errOwn)
	}
}

func TestDestinationMustBeAPointer(t *testing.T) {
	t.Parallel()
	for _, dst := range []any{nil, 5, (*int)(nil), (*any)(nil), (*embedded)(nil), map[string]any{}} {
		require.ErrorContains(t, codec.DecodeValue(protocol.JSON, []byte("1"), dst), "not a pointer")
		p := payload(t, protocol.CBOR, []any{1}, map[string]any{"k": 1})
		require.ErrorContains(t, codec.DecodeArgs(p, dst), "not a pointer")
		require.ErrorContains(t, codec.DecodeKwArgs(p, dst), "not a pointer")
	}
	require.ErrorContains(t, codec.DecodeValue(protocol.NoSerializer, []byte("1"), new(int)), "no serializer")
}

func TestDataAfterAValue(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		data := append(must(codec.AppendValue(nil, s, 1)), must(codec.AppendValue(nil, s, nil))...)
		require.Error(t, codec.DecodeValue(s, data, new(int)))
		require.Error(t, codec.DecodeValue(s, data, new(any)))
		data = append(must(codec.AppendValue(nil, s, embedded{1})), must(codec.AppendValue(nil, s, nil))...)
		require.Error(t, codec.DecodeValue(s, data, new(embedded)))
	}
	var n int
	require.NoError(t, codec.DecodeValue(protocol.JSON, []byte(" \t\r\n 1 \n"), &n))
	require.Equal(t, 1, n)
}

func TestJSONForms(t *testing.T) {
	t.Parallel()
	forms := []struct {
		v    any
		text string
	}{
		{2.0, "2.0"},
		{-0.5, "-0.5"},
		{1e21, "1e+21"},
		{1e20, "100000000000000000000.0"},
		{1e-7, "1e-07"},
		{[]byte{}, `"\u0000"`},
		{[]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, `"\u0000AAECAwQFBgcICQoLDA0ODw=="`},
		{[]byte("\x10\xe3\xff\x90\x53\x07\x5c\x52\x6f\x5f\xc0\x6d\x4f\xe3\x7c\xdb"), `"\u0000EOP/kFMHXFJvX8BtT+N82w=="`},
		{"<&>\u2028\x7f/", "\"<&>\u2028\x7f/\""},
		{"\x1b\"\\\n", `"\u001b\"\\\n"`},
		{struct{ B []byte }{[]byte{1}}, `{"B":"\u0000AQ=="}`},
		{struct{ F float64 }{2}, `{"F":2.0}`},
		{[]any{map[string]any{"a": []any{}}, map[string]any{}}, `[{"a":[]},{}]`},
	}
	for _, form := range forms {
		require.Equal(t, form.text, string(must(codec.AppendValue(nil, protocol.JSON, form.v))))
	}
	readings := []struct {
		text string
		v    any
	}{
		{`"\u0000AQ=="`, []byte{1}},
		{`"\u0000AQ\u003d="`, []byte{1}},
		{`"\/\u00e4\ud83d\ude00\u0041"`, "/ä😀A"},
		{`-0`, int64(0)},
		{`-0.0`, math.Copysign(0, -1)},
		{`1e3`, 1000.0},
		{`1E-3`, 0.001},
		{`-9223372036854775808`, int64(math.MinInt64)},
		{`-9223372036854775809`, -9223372036854775809.0},
		{`18446744073709551615`, uint64(math.MaxUint64)},
		{`18446744073709551616`, 18446744073709551616.0},
		{`100000000000000000000000`, 1e23},
		{"[ 1 ,\t{ \"a\" :\n2 , \"b\":[ ] } ]", []any{int64(1), map[string]any{"a": int64(2), "b": []any{}}}},
		{`{"a":1,"a":2}`, map[string]any{"a": int64(2)}},
	}
	for _, r := range readings {
		var v any
		require.NoError(t, codec.DecodeValue(protocol.JSON, []byte(r.text), &v), r.text)
		require.Equal(t, r.v, v, r.text)
	}
	for _, text := range []string{`"\u0000A"`, `"\u0000AQ"`, `"\u0000-_=="`, `"\u0000AQ== "`} {
		require.ErrorContains(t, codec.DecodeValue(protocol.JSON, []byte(text), new(any)), "base64", text)
	}
}

func TestBigIntegerInsideStruct(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		var out struct{ A any }
		data := must(codec.AppendValue(nil, s, map[string]any{"A": uint64(math.MaxUint64)}))
		require.NoError(t, codec.DecodeValue(s, data, &out))
		require.Equal(t, *new(big.Int).SetUint64(math.MaxUint64), out.A)
	}
}
