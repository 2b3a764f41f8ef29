package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// oracle is somebody else's implementation of a serializer.
type oracle struct {
	serializer protocol.Serializer
	marshal    func(any) ([]byte, error)
	unmarshal  func([]byte, any) error
}

func oracles() []oracle {
	return []oracle{
		{protocol.MessagePack, msgpack.Marshal, msgpack.Unmarshal},
		{protocol.CBOR, cbor.Marshal, cborMode().Unmarshal},
		{protocol.JSON, json.Marshal, func(b []byte, v any) error {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			return d.Decode(v)
		}},
	}
}

func cborMode() cbor.DecMode {
	mode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any](), IntDec: cbor.IntDecConvertNone}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}

// TestValuesAgreeWithOtherImplementations encodes random values here and decodes them
// there, and the other way round.
func TestValuesAgreeWithOtherImplementations(t *testing.T) {
	t.Parallel()
	for _, o := range oracles() {
		t.Run(o.serializer.String(), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(7, uint64(o.serializer)))
			for range 2000 {
				v := randomValue(rnd, 3, o.serializer != protocol.JSON)
				theirs, err := o.marshal(v)
				require.NoError(t, err)
				var here any
				require.NoError(t, codec.DecodeValue(o.serializer, theirs, &here), "theirs: %x", theirs)
				require.Equal(t, v, here, "theirs: %x", theirs)

				ours, err := codec.AppendValue(nil, o.serializer, v)
				require.NoError(t, err)
				var there any
				require.NoError(t, o.unmarshal(ours, &there), "ours: %x", ours)
				require.Equal(t, v, plain(there), "ours: %x", ours)
			}
		})
	}
}

// randomValue returns a value in the types that DecodeValue makes of an any.
func randomValue(rnd *rand.Rand, depth int, binary bool) any {
	kinds := 6
	if depth > 0 {
		kinds = 8
	}
	switch rnd.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return rnd.IntN(2) == 0
	case 2:
		return int64(rnd.Uint64()) >> rnd.IntN(64) //nolint:gosec // any bits will do
	case 3:
		if !binary { // encoding/json writes 2.0 as 2: only fractions stay floats
			return math.Floor(rnd.Float64()*1e6) + 0.25
		}
		return math.Float64frombits(rnd.Uint64()&^(0x7ff<<52) | uint64(rnd.IntN(2046))<<52)
	case 4:
		return string([]rune("aß€😀\"\\\n ")[:rnd.IntN(8)])
	case 5:
		if !binary {
			return "plain"
		}
		b := make([]byte, rnd.IntN(40))
		for i := range b {
			b[i] = byte(rnd.IntN(256))
		}
		return b
	case 6:
		list := make([]any, rnd.IntN(20))
		for i := range list {
			list[i] = randomValue(rnd, depth-1, binary)
		}
		return list
	default:
		m := make(map[string]any)
		for range rnd.IntN(20) {
			m[string(rune('a'+rnd.IntN(26)))] = randomValue(rnd, depth-1, binary)
		}
		return m
	}
}

// plain turns what the other implementations make of an any into our types.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case int8, int16, int32:
		return reflect.ValueOf(v).Int()
	case uint8, uint16, uint32, uint64: // the values are those of an int64
		return int64(reflect.ValueOf(v).Uint()) //nolint:gosec // see above
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
		return v
	default:
		return v
	}
}
