package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

func eachSerializer(b *testing.B, f func(b *testing.B, s protocol.Serializer)) {
	b.Helper()
	for _, s := range protocol.Serializers() {
		b.Run(s.String(), func(b *testing.B) {
			b.ReportAllocs()
			f(b, s)
		})
	}
}

// BenchmarkDecodeCall is what a router does first with a call.
func BenchmarkDecodeCall(b *testing.B) {
	eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
		b.Helper()
		data, err := codec.Append(nil, s, &protocol.Call{Request: 123456, Procedure: "com.example.add2", Payload: payload(b, s, []any{23, 42}, nil)})
		require.NoError(b, err)
		d := codec.NewDecoder(s)
		for b.Loop() {
			if _, err := d.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppendInvocation is what a router does next.
func BenchmarkAppendInvocation(b *testing.B) {
	eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
		b.Helper()
		m := &protocol.Invocation{Request: 123456, Registration: 4711, Payload: payload(b, s, []any{23, 42}, nil)}
		buf := make([]byte, 0, 256)
		for b.Loop() {
			if _, err := codec.Append(buf, s, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkScan decodes a call with an argument of 64 KiB: the time is the check
// of the text.
func BenchmarkScan(b *testing.B) {
	texts := map[string][]byte{
		"ascii": bytes.Repeat([]byte("abcdefgh 0123456"), 4096),
		"utf8":  bytes.Repeat([]byte("grüße, мир 0123"), 3640),
	}
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
				b.Helper()
				data, err := codec.Append(nil, s, &protocol.Call{Request: 1, Procedure: "a.b", Payload: payload(b, s, []any{string(text)}, nil)})
				require.NoError(b, err)
				b.SetBytes(int64(len(data)))
				d := codec.NewDecoder(s)
				for b.Loop() {
					if _, err := d.Decode(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkTranscode(b *testing.B) {
	eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
		b.Helper()
		p := payload(b, s, []any{23, "hello", 2.5, []byte("binary")}, map[string]any{"key": "value"})
		for _, to := range protocol.Serializers() {
			if to == s {
				continue
			}
			b.Run(to.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := codec.Transcode(p, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkDecodeArgs decodes the arguments of a typed handler.
func BenchmarkDecodeArgs(b *testing.B) {
	eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
		b.Helper()
		p := payload(b, s, []any{23, 42}, nil)
		var x, y int
		for b.Loop() {
			if err := codec.DecodeArgs(p, &x, &y); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type order struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Price float64  `json:"price"`
	Tags  []string `json:"tags"`
}

// BenchmarkStruct encodes and decodes what has no fast path.
func BenchmarkStruct(b *testing.B) {
	in := order{ID: 12345, Name: "something", Price: 12.5, Tags: []string{"a", "b"}}
	eachSerializer(b, func(b *testing.B, s protocol.Serializer) {
		b.Helper()
		data, err := codec.AppendValue(nil, s, in)
		require.NoError(b, err)
		b.Run("encode", func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 256)
			for b.Loop() {
				if _, err := codec.AppendValue(buf, s, in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out order
				if err := codec.DecodeValue(s, data, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
