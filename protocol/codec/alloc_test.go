package codec_test

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// hot lists the messages of the data path.
func hot(t *testing.T, s protocol.Serializer) []protocol.Message {
	t.Helper()
	p := payload(t, s, []any{"hello", 42}, map[string]any{"key": true})
	return []protocol.Message{
		&protocol.Call{Request: 123456, Procedure: "com.example.procedure", Payload: p},
		&protocol.Call{Request: 123456, Options: protocol.CallOptions{Timeout: 1000, ReceiveProgress: true, DiscloseMe: true}, Procedure: "com.example.procedure", Payload: p},
		&protocol.Result{Request: 123456, Payload: p},
		&protocol.Result{Request: 123456, Details: protocol.ResultDetails{Progress: true}, Payload: p},
		&protocol.Invocation{Request: 123456, Registration: 1 << 40, Payload: p},
		&protocol.Invocation{Request: 123456, Registration: 1 << 40, Details: protocol.InvocationDetails{Caller: 17, CallerAuthID: "joe", CallerAuthRole: "user", Procedure: "com.example.procedure", Timeout: 5}, Payload: p},
		&protocol.Yield{Request: 123456, Payload: p},
		&protocol.Event{Subscription: 1 << 40, Publication: 1 << 50, Payload: p},
		&protocol.Event{Subscription: 1 << 40, Publication: 1 << 50, Details: protocol.EventDetails{Publisher: 17, Topic: "com.example.topic", Retained: true}, Payload: p},
		&protocol.Publish{Request: 123456, Topic: "com.example.topic", Payload: p},
		&protocol.Publish{Request: 123456, Options: protocol.PublishOptions{Acknowledge: true, IncludeMe: true}, Topic: "com.example.topic", Payload: p},
	}
}

func TestAllocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	for _, s := range protocol.Serializers() {
		buf := make([]byte, 0, 512)
		for i, m := range hot(t, s) {
			data := must(codec.Append(nil, s, m))
			decoder := codec.NewDecoder(s)
			name := fmt.Sprintf("%s %s %d", s, m.Type(), i)
			decoding := testing.AllocsPerRun(100, func() {
				if _, err := decoder.Decode(data); err != nil {
					t.Error(err)
				}
			})
			require.InDelta(t, 1, decoding, 0, "decode %s", name)
			encoding := testing.AllocsPerRun(100, func() {
				if _, err := codec.Append(buf, s, m); err != nil {
					t.Error(err)
				}
			})
			require.InDelta(t, 0, encoding, 0, "encode %s", name)
		}
	}
}

// TestArenaAllocatesNothing: the memory of a message that was given back is used for the next one.
func TestArenaAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	p := payload(t, protocol.MessagePack, []any{"hello"}, nil)
	for _, m := range []protocol.Message{
		&protocol.Invocation{Request: 1, Registration: 2, Payload: p, Details: protocol.InvocationDetails{Progress: true}},
		&protocol.Result{Request: 1, Payload: p, Details: protocol.ResultDetails{Progress: true}},
		&protocol.Event{Subscription: 1, Publication: 2, Payload: p, Details: protocol.EventDetails{Retained: true}},
	} {
		full, empty := must(codec.Append(nil, protocol.MessagePack, m)), must(codec.Append(nil, protocol.MessagePack, bare(m)))
		decoder, arena := codec.NewDecoder(protocol.MessagePack), new(codec.Arena)
		decoded := func(data []byte) protocol.Message {
			got, err := decoder.DecodeIn(arena, data)
			if err != nil {
				t.Error(err)
			}
			return got
		}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for range 3 {
				decoded(full)
			}
			arena.Reset()
		}), m.Type())
		first, second := decoded(empty), decoded(empty)
		require.Equal(t, bare(m), first, "nothing is left of the last one")
		require.NotSame(t, first, second)
		for range 1000 { // more than it keeps
			require.Equal(t, m, decoded(full))
		}
		require.Equal(t, bare(m), first, "it is still in use")
	}
}

// bare is a message of the same type without payload or details.
func bare(m protocol.Message) protocol.Message {
	switch m.(type) {
	case *protocol.Invocation:
		return &protocol.Invocation{Request: 1, Registration: 2}
	case *protocol.Result:
		return &protocol.Result{Request: 1}
	default:
		return &protocol.Event{Subscription: 1, Publication: 2}
	}
}

func TestDecodeArgsAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	for _, s := range protocol.Serializers() {
		p := payload(t, s, []any{1, 2.5, true}, nil)
		var x int
		var y float64
		var z bool
		dst := []any{&x, &y, &z}
		require.InDelta(t, 0, testing.AllocsPerRun(100, func() {
			if err := codec.DecodeArgs(p, dst...); err != nil {
				t.Error(err)
			}
		}), 0, s)
	}
}

// TestIdleDecoderIsSmall keeps thousands of idle connections affordable.
func TestIdleDecoderIsSmall(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, unsafe.Sizeof(codec.Decoder{}), uintptr(192))
}

func TestDecoderInternsTexts(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		decoder := codec.NewDecoder(s)
		data := must(codec.Append(nil, s, &protocol.Call{Request: 1, Procedure: "com.example.procedure"}))
		first := must(decoder.Decode(data)).(*protocol.Call)
		clear(data[len(data)/2:])
		require.Equal(t, protocol.URI("com.example.procedure"), first.Procedure, "a URI must not alias the data")
		_, err := decoder.Decode(data[:3])
		require.Error(t, err)
		data = must(codec.Append(nil, s, &protocol.Call{Request: 2, Procedure: "com.example.procedure"}))
		second := must(decoder.Decode(data)).(*protocol.Call)
		require.Equal(t, protocol.ID(2), second.Request, "an error must not stay")
		require.Same(t, unsafe.StringData(string(first.Procedure)), unsafe.StringData(string(second.Procedure)))
	}
}
