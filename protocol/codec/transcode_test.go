package codec_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

func fromHex(s string) []byte { return must(hex.DecodeString(strings.ReplaceAll(s, " ", ""))) }

// TestSameValueInThree lists one value in the three serializers; each must become
// each other.
func TestSameValueInThree(t *testing.T) {
	t.Parallel()
	tests := []struct{ json, msgpack, cbor string }{
		{`null`, "c0", "f6"},
		{`true`, "c3", "f5"},
		{`false`, "c2", "f4"},
		{`0`, "00", "00"},
		{`23`, "17", "17"},
		{`24`, "18", "1818"},
		{`127`, "7f", "187f"},
		{`128`, "cc80", "1880"},
		{`256`, "cd0100", "190100"},
		{`65536`, "ce00010000", "1a00010000"},
		{`4294967296`, "cf0000000100000000", "1b0000000100000000"},
		{`18446744073709551615`, "cfffffffffffffffff", "1bffffffffffffffff"},
		{`-1`, "ff", "20"},
		{`-32`, "e0", "381f"},
		{`-33`, "d0df", "3820"},
		{`-129`, "d1ff7f", "3880"},
		{`-32769`, "d2ffff7fff", "398000"},
		{`-2147483649`, "d3ffffffff7fffffff", "3a80000000"},
		{`-9223372036854775808`, "d38000000000000000", "3b7fffffffffffffff"},
		{`1.0`, "cb3ff0000000000000", "fb3ff0000000000000"},
		{`-0.0`, "cb8000000000000000", "fb8000000000000000"},
		{`2.5`, "cb4004000000000000", "fb4004000000000000"},
		{`""`, "a0", "60"},
		{`"a\u0001\"ä"`, "a561" + "01" + "22c3a4", "65" + "61" + "01" + "22c3a4"},
		{`"` + strings.Repeat("x", 40) + `"`, "d928" + strings.Repeat("78", 40), "7828" + strings.Repeat("78", 40)},
		{`"\u0000"`, "c400", "40"},
		{`"\u0000AP8="`, "c40200ff", "4200ff"},
		{`[]`, "90", "80"},
		{`[1,[2],{"a":[]}]`, "9301910281a16190", "83018102a1616180"},
		{`{}`, "80", "a0"},
		{`{"a":{"b":null},"c":"\u0000"}`, "82a16181a162c0a163c400", "a26161a16162f6616340"},
		{`[` + strings.Repeat("0,", 15) + `0]`, "dc0010" + strings.Repeat("00", 16), "90" + strings.Repeat("00", 16)},
		{`[` + strings.Repeat("0,", 29) + `[1]]`, "dc001e" + strings.Repeat("00", 29) + "9101", "981e" + strings.Repeat("00", 29) + "8101"},
	}
	for _, test := range tests {
		forms := map[protocol.Serializer][]byte{protocol.JSON: []byte(test.json), protocol.MessagePack: fromHex(test.msgpack), protocol.CBOR: fromHex(test.cbor)}
		for from, in := range forms {
			for to, out := range forms {
				p, err := codec.Transcode(protocol.Payload{Serializer: from, Args: in, KwArgs: in}, to)
				require.NoError(t, err, "%s to %s: %s", from, to, test.json)
				require.Equal(t, protocol.Payload{Serializer: to, Args: out, KwArgs: out}, p, "%s to %s: %s", from, to, test.json)
			}
		}
	}
}

// TestTranscodeChanges lists what one serializer lacks.
func TestTranscodeChanges(t *testing.T) {
	t.Parallel()
	j, m, c := protocol.JSON, protocol.MessagePack, protocol.CBOR
	tests := []struct {
		name     string
		from     protocol.Serializer
		in       string
		to       protocol.Serializer
		out      string // hexadecimal, or JSON
		contains string // of the error
	}{
		{name: "integer above 64 bits", from: j, in: `18446744073709551616`, to: c, out: "fb43f0000000000000"},
		{name: "integer below 64 bits", from: c, in: "3bffffffffffffffff", to: j, out: `-18446744073709552000.0`},
		{name: "white space", from: j, in: ` [ 1 , { "a" : 2 } ] `, to: m, out: "920181a16102"},
		{name: "bigger integers than needed", from: m, in: "93cf0000000000000001d30000000000000002d3ffffffffffffffff", to: c, out: "83010220"},
		{name: "float32", from: m, in: "ca3fc00000", to: c, out: "fb3ff8000000000000"},
		{name: "float32 of CBOR", from: c, in: "fa3fc00000", to: j, out: "1.5"},
		{name: "half float", from: c, in: "87f93c00f97bfff90001f98001f90000f90400f9fbff", to: j, out: "[1.0,65504.0,5.960464477539063e-08,-5.960464477539063e-08,0.0,0.00006103515625,-65504.0]"},
		{name: "special half floats", from: c, in: "83f97c00f9fc00f97e00", to: m, out: "93cb7ff0000000000000cbfff0000000000000cb7ff8000000000001"},
		{name: "no number in JSON", from: m, in: "93cb7ff0000000000000cbfff0000000000000cb7ff8000000000001", to: j, out: "[null,null,null]"},
		{name: "undefined", from: c, in: "f7", to: j, out: "null"},
		{name: "indefinite lengths", from: c, in: "9f017f61616162ff5f41004101ffbf616101ff9fffff", to: m, out: "9501a26162c402000181a1610190"},
		{name: "tag", from: c, in: "82c074323031332d30332d32315432303a30343a30305ad9d9f701", to: j, out: `["2013-03-21T20:04:00Z",1]`},
		{name: "tag of a list", from: c, in: "d9d9f7820102", to: m, out: "920102"},
		{name: "big integers", from: c, in: "85c2420100c34100c248ffffffffffffffffc249010000000000000000c34a00008000000000000000", to: j, out: `[256,-1,18446744073709551615,18446744073709552000.0,-9223372036854776000.0]`},
		{name: "enormous integer", from: c, in: "c2588101" + strings.Repeat("00", 128), to: m, out: "cb7ff0000000000000"},
		{name: "simple value", from: c, in: "e5", to: j, contains: "simple value 5 has no equivalent"},
		{name: "simple value of two bytes", from: c, in: "f8ff", to: m, contains: "simple value 255 has no equivalent"},
		{name: "extension", from: m, in: "d40501", to: j, contains: "extension type 5 has no equivalent"},
		{name: "timestamp 32", from: m, in: "d6ff00000001", to: c, out: "74" + hex.EncodeToString([]byte("1970-01-01T00:00:01Z"))},
		{name: "timestamp 64", from: m, in: "d7ff0000000400000001", to: j, out: `"1970-01-01T00:00:01.000000001Z"`},
		{name: "timestamp 96", from: m, in: "c70cff00000000ffffffffffffffff", to: j, out: `"1969-12-31T23:59:59Z"`},
		{name: "timestamp after the year 9999", from: m, in: "c70cff000000007fffffffffffffff", to: j, contains: "extension type -1"},
		{name: "timestamp of another length", from: m, in: "d4ff00", to: j, contains: "extension type -1"},
		{name: "integers as keys", from: m, in: "8201c0ffc0", to: c, out: "a26131f6622d31f6"},
		{name: "integers as keys of CBOR", from: c, in: "a201f620f6", to: j, out: `{"1":null,"-1":null}`},
		{name: "boolean as key", from: c, in: "a1f5f6", to: m, contains: "a dict key must be text, not a boolean"},
		{name: "binary as key", from: m, in: "81c40161c0", to: c, contains: "a dict key must be text, not binary"},
		{name: "list as key", from: c, in: "a180f6", to: j, contains: "a dict key must be text, not a list"},
		{name: "text with NUL", from: m, in: "a20061", to: j, contains: "U+0000"},
		{name: "text with NUL as key", from: c, in: "a1610001", to: j, contains: "U+0000"},
		{name: "text with NUL elsewhere", from: m, in: "a20061", to: c, out: "620061"},
		{name: "bad base64", from: j, in: `"\u0000?"`, to: m, contains: "base64"},
		{name: "two values", from: m, in: "c0c0", to: j, contains: "data after the value"},
		{name: "nothing", from: m, in: "", to: j, contains: "unexpected end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in, out := []byte(test.in), []byte(test.out)
			if test.from != j {
				in = fromHex(test.in)
			}
			if test.to != j {
				out = fromHex(test.out)
			}
			p, err := codec.Transcode(protocol.Payload{Serializer: test.from, Args: in}, test.to)
			if test.contains != "" {
				require.ErrorContains(t, err, test.contains)
				require.ErrorContains(t, err, "from "+test.from.String()+" to "+test.to.String())
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(out), string(p.Args))
		})
	}
}

func TestTranscodeOfNothing(t *testing.T) {
	t.Parallel()
	p := protocol.Payload{Serializer: protocol.JSON, Args: []byte("[ 1 ]")}
	same, err := codec.Transcode(p, protocol.JSON)
	require.NoError(t, err)
	require.Equal(t, p, same, "left as it is")
	empty, err := codec.Transcode(protocol.Payload{}, protocol.CBOR)
	require.NoError(t, err)
	require.Equal(t, protocol.Payload{Serializer: protocol.CBOR}, empty)
	_, err = codec.Transcode(p, protocol.NoSerializer)
	require.ErrorContains(t, err, "no serializer")
	_, err = codec.Transcode(protocol.Payload{Args: []byte("[]")}, protocol.CBOR)
	require.ErrorContains(t, err, "without serializer")
	kwargs, err := codec.Transcode(protocol.Payload{Serializer: protocol.JSON, KwArgs: []byte(`{"a":1}`)}, protocol.CBOR)
	require.NoError(t, err)
	require.Nil(t, kwargs.Args)
	require.Equal(t, fromHex("a1616101"), kwargs.KwArgs)
}

// TestAppendTranscodes encodes messages whose payload is in another serializer.
func TestAppendTranscodes(t *testing.T) {
	t.Parallel()
	args, kwargs := []any{int64(1), 2.0, []byte("b"), uint64(math.MaxUint64)}, map[string]any{"k": nil}
	for _, from := range protocol.Serializers() {
		p := payload(t, from, args, kwargs)
		for _, to := range protocol.Serializers() {
			for _, m := range []protocol.Message{
				&protocol.Yield{Request: 1, Payload: p},
				&protocol.Event{Subscription: 1, Publication: 2, Details: protocol.EventDetails{Topic: "a"}, Payload: p},
				&protocol.Abort{Reason: "a", Payload: p},
			} {
				back, err := codec.Unmarshal(to, must(codec.Append(nil, to, m)))
				require.NoError(t, err)
				var got protocol.Payload
				switch m := back.(type) {
				case *protocol.Yield:
					got = m.Payload
				case *protocol.Event:
					got = m.Payload
				case *protocol.Abort:
					got = m.Payload
				default:
					require.Fail(t, "another message", "%T", m)
				}
				require.Equal(t, args, must(codec.Args(got)))
				require.Equal(t, kwargs, must(codec.KwArgs(got)))
			}
		}
	}
}

// What is encoded already stands for its value, in every place and in every serializer.
func TestEncoded(t *testing.T) {
	t.Parallel()
	list := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, to := range protocol.Serializers() {
		v := codec.Encoded{Serializer: protocol.JSON, Data: []byte(` {"a": [1, "x", null]} `)}
		p, err := codec.EncodePayload(to, []any{v, []any{v}, 7}, map[string]any{"k": v})
		require.NoError(t, err)
		want := map[string]any{"a": []any{int64(1), "x", nil}}
		args, err := codec.Args(p)
		require.NoError(t, err)
		require.Equal(t, []any{want, []any{want}, int64(7)}, args)
		kwargs, err := codec.KwArgs(p)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"k": want}, kwargs)

		_, err = codec.AppendValue(nil, to, codec.Encoded{Serializer: protocol.JSON, Data: list(codec.MaxDepth)})
		require.NoError(t, err)
		for _, wrong := range []codec.Encoded{
			{},
			{Serializer: protocol.JSON},
			{Serializer: protocol.JSON, Data: []byte("1 2")},
			{Serializer: protocol.MessagePack, Data: []byte{0xc1}},
			{Serializer: protocol.JSON, Data: list(codec.MaxDepth)},
		} {
			_, err = codec.AppendValue(nil, to, []any{wrong})
			require.Error(t, err, "%v", wrong)
		}
	}
}
