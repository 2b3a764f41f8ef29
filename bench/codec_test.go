package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// eachSerializer runs f with a payload of two small integers, in every serializer.
func eachSerializer(b *testing.B, f func(b *testing.B, p protocol.Payload)) {
	b.Helper()
	for _, s := range protocol.Serializers() {
		b.Run(s.String(), func(b *testing.B) {
			p, err := codec.EncodePayload(s, []any{23, 42}, nil)
			require.NoError(b, err)
			b.ReportAllocs()
			f(b, p)
		})
	}
}

// BenchmarkCodecDecodeCall decodes a CALL as the reader of a connection does.
func BenchmarkCodecDecodeCall(b *testing.B) {
	eachSerializer(b, func(b *testing.B, p protocol.Payload) {
		b.Helper()
		data, err := codec.Append(nil, p.Serializer, &protocol.Call{Request: 123456, Procedure: "com.example.add2", Payload: p})
		require.NoError(b, err)
		d := codec.NewDecoder(p.Serializer)
		for b.Loop() {
			if _, err := d.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchAppend(b *testing.B, s protocol.Serializer, m protocol.Message) {
	b.Helper()
	buf := make([]byte, 0, 256)
	for b.Loop() {
		if _, err := codec.Append(buf, s, m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCodecAppendInvocation encodes what a router sends to a callee.
func BenchmarkCodecAppendInvocation(b *testing.B) {
	eachSerializer(b, func(b *testing.B, p protocol.Payload) {
		b.Helper()
		benchAppend(b, p.Serializer, &protocol.Invocation{Request: 123456, Registration: 4711, Payload: p})
	})
}

// BenchmarkCodecAppendResult encodes what a router sends to a caller.
func BenchmarkCodecAppendResult(b *testing.B) {
	eachSerializer(b, func(b *testing.B, p protocol.Payload) {
		b.Helper()
		benchAppend(b, p.Serializer, &protocol.Result{Request: 123456, Payload: p})
	})
}

// BenchmarkCodecDecodeArgs decodes the arguments of a call into the parameters of a handler.
func BenchmarkCodecDecodeArgs(b *testing.B) {
	eachSerializer(b, func(b *testing.B, p protocol.Payload) {
		b.Helper()
		var x, y int
		for b.Loop() {
			if err := codec.DecodeArgs(p, &x, &y); err != nil {
				b.Fatal(err)
			}
		}
		require.Equal(b, []int{23, 42}, []int{x, y})
	})
}

// BenchmarkCodecAppendArgs encodes the arguments of a call.
func BenchmarkCodecAppendArgs(b *testing.B) {
	eachSerializer(b, func(b *testing.B, p protocol.Payload) {
		b.Helper()
		buf := make([]byte, 0, 256)
		for b.Loop() {
			if _, err := codec.AppendArgs(buf, p.Serializer, 23, 42); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCodecTranscode moves a payload with a dict of some size to another serializer.
func BenchmarkCodecTranscode(b *testing.B) {
	user := map[string]any{"id": 4711, "name": "Grete Müller", "tags": []any{"a", "b", "c"}, "score": 2.5, "active": true}
	for _, from := range protocol.Serializers() {
		for _, to := range protocol.Serializers() {
			if from == to {
				continue
			}
			b.Run(fmt.Sprintf("%v-%v", from, to), func(b *testing.B) {
				p, err := codec.EncodePayload(from, []any{user}, nil)
				require.NoError(b, err)
				b.ReportAllocs()
				b.SetBytes(int64(p.Size()))
				for b.Loop() {
					if _, err := codec.Transcode(p, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
