package codec_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		require.Equal(t, protocol.Payload{Serializer: s}, payload(t, s, nil, nil))
		require.Equal(t, protocol.Payload{Serializer: s}, payload(t, s, []any{}, map[string]any{}))
		p := payload(t, s, []any{1, "two", nil}, map[string]any{"a": 1.5, "b": "c"})
		require.Equal(t, []any{int64(1), "two", nil}, must(codec.Args(p)))
		require.Equal(t, map[string]any{"a": 1.5, "b": "c"}, must(codec.KwArgs(p)))
		require.Equal(t, 3, must(codec.CountArgs(p)))
		require.Equal(t, p.Args, must(codec.AppendArgs(nil, s, 1, "two", nil)))
		require.Equal(t, "x"+string(p.Args), string(must(codec.AppendArgs([]byte("x"), s, 1, "two", nil))))

		none := payload(t, s, nil, nil)
		require.Nil(t, must(codec.Args(none)))
		require.Nil(t, must(codec.KwArgs(none)))
		require.Zero(t, must(codec.CountArgs(none)))
		empty := protocol.Payload{Serializer: s, Args: must(codec.AppendArgs(nil, s)), KwArgs: must(codec.AppendValue(nil, s, map[string]any{}))}
		require.Equal(t, []any{}, must(codec.Args(empty)))
		require.Equal(t, map[string]any{}, must(codec.KwArgs(empty)))
		require.Zero(t, must(codec.CountArgs(empty)))
	}
}

func TestDecodeArgs(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		p := payload(t, s, []any{1, "two", map[string]any{"inside": 3}, 4}, nil)
		var one int
		var two string
		var three embedded
		require.NoError(t, codec.DecodeArgs(p, &one, &two, &three), "a surplus argument is ignored")
		require.Equal(t, []any{1, "two", embedded{3}}, []any{one, two, three})
		require.NoError(t, codec.DecodeArgs(p))
		require.NoError(t, codec.DecodeArgs(protocol.Payload{}))

		var argument *codec.ArgumentError
		require.ErrorAs(t, codec.DecodeArgs(p, &one, &one), &argument)
		require.Equal(t, 1, argument.Index)
		require.EqualError(t, argument, "codec: argument 1: want an integer, not text")

		err := codec.DecodeArgs(payload(t, s, []any{1}, nil), &one, &two, &three)
		require.EqualError(t, err, "codec: argument 1: missing")
		err = codec.DecodeArgs(payload(t, s, nil, nil), &one)
		require.EqualError(t, err, "codec: argument 0: missing")
		require.ErrorAs(t, err, &argument)
	}
}

func TestDecodeKwArgs(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		p := payload(t, s, nil, map[string]any{"inside": 3, "more": "x"})
		out := embedded{9}
		require.NoError(t, codec.DecodeKwArgs(p, &out))
		require.Equal(t, embedded{3}, out)
		require.NoError(t, codec.DecodeKwArgs(protocol.Payload{Serializer: s}, &out))
		require.Equal(t, embedded{3}, out, "absent arguments leave it as it is")
		kwargs := map[string]any{"old": 1}
		require.NoError(t, codec.DecodeKwArgs(p, &kwargs))
		require.Equal(t, map[string]any{"inside": int64(3), "more": "x"}, kwargs)
		var argument *codec.ArgumentError
		require.ErrorAs(t, codec.DecodeKwArgs(payload(t, s, nil, map[string]any{"inside": "x"}), &out), &argument)
		require.Equal(t, -1, argument.Index)
	}
	unsupported := protocol.Payload{Serializer: protocol.CBOR, KwArgs: fromHex("a1616be5")}
	_, err := codec.KwArgs(unsupported)
	require.EqualError(t, err, `codec: keyword argument "k": simple value 5 has no equivalent`)
}

func TestPayloadsOfWrongShape(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		list, dict, binary := must(codec.AppendArgs(nil, s, 1)), must(codec.AppendValue(nil, s, map[string]any{"a": 1})), must(codec.AppendValue(nil, s, []byte("b")))
		for _, wrong := range [][]byte{dict, binary, {}, list[:len(list)-1]} {
			p := protocol.Payload{Serializer: s, Args: wrong}
			_, err := codec.Args(p)
			require.Error(t, err, s)
			_, err = codec.CountArgs(p)
			require.Error(t, err, s)
			require.Error(t, codec.DecodeArgs(p, new(int), new(int)), s)
		}
		for _, wrong := range [][]byte{list, binary, {}, dict[:len(dict)-1]} {
			p := protocol.Payload{Serializer: s, KwArgs: wrong}
			_, err := codec.KwArgs(p)
			require.Error(t, err, s)
			require.Error(t, codec.DecodeKwArgs(p, new(embedded)), s)
		}
	}
	_, err := codec.Args(protocol.Payload{Args: []byte("[]")})
	require.ErrorContains(t, err, "no serializer")
}

func TestEncodePayloadErrors(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		var argument *codec.ArgumentError
		_, err := codec.EncodePayload(s, []any{1, make(chan int)}, nil)
		require.ErrorAs(t, err, &argument)
		require.Equal(t, 1, argument.Index)
		_, err = codec.EncodePayload(s, nil, map[string]any{"bad": func() {}})
		require.ErrorAs(t, err, &argument)
		require.Equal(t, "bad", argument.Key)
		require.ErrorContains(t, err, `codec: keyword argument "bad": `)
		dst, err := codec.AppendArgs([]byte("x"), s, "\xff")
		require.EqualError(t, err, "codec: argument 0: text is not valid UTF-8")
		require.Equal(t, "x", string(dst))
	}
	_, err := codec.EncodePayload(protocol.NoSerializer, nil, nil)
	require.ErrorContains(t, err, "no serializer")
	_, err = codec.AppendArgs(nil, protocol.NoSerializer)
	require.ErrorContains(t, err, "no serializer")
}

// TestEncodedPayloadsFitMessages checks that what can be encoded is not too deep
// for the peer.
func TestEncodedPayloadsFitMessages(t *testing.T) {
	t.Parallel()
	deep := any(1)
	levels := 0
	for _, s := range protocol.Serializers() {
		for ; ; levels++ {
			p, err := codec.EncodePayload(s, []any{deep}, map[string]any{"k": deep})
			if err != nil {
				break
			}
			data, err := codec.Append(nil, s, &protocol.Call{Request: 1, Procedure: "a", Payload: p})
			require.NoError(t, err)
			_, err = codec.Unmarshal(s, data)
			require.NoError(t, err, levels)
			deep = []any{deep}
		}
		require.Equal(t, codec.MaxDepth-1, levels)
		deep, levels = 1, 0
	}
}

func TestEmptyArgumentsAreLeftOut(t *testing.T) {
	t.Parallel()
	empties := map[protocol.Serializer][2][]string{
		protocol.JSON:        {{"[]", "[ ]"}, {"{}", "{ }"}},
		protocol.MessagePack: {{"\x90", "\xdc\x00\x00", "\xdd\x00\x00\x00\x00"}, {"\x80", "\xde\x00\x00"}},
		protocol.CBOR:        {{"\x80", "\x98\x00", "\x9f\xff"}, {"\xa0", "\xbf\xff"}},
	}
	for s, forms := range empties {
		full := payload(t, s, []any{1}, map[string]any{"k": 1})
		for _, to := range protocol.Serializers() {
			bare := must(codec.Append(nil, to, &protocol.Yield{Request: 1}))
			args := must(codec.Append(nil, to, &protocol.Yield{Request: 1, Payload: payload(t, to, []any{1}, nil)}))
			keywords := protocol.Payload{Serializer: to, Args: must(codec.AppendArgs(nil, to)), KwArgs: payload(t, to, nil, map[string]any{"k": 1}).KwArgs}
			for _, list := range forms[0] {
				for _, dict := range forms[1] {
					p := protocol.Payload{Serializer: s, Args: []byte(list), KwArgs: []byte(dict)}
					require.Equal(t, bare, must(codec.Append(nil, to, &protocol.Yield{Request: 1, Payload: p})))
					p.Args = full.Args
					require.Equal(t, args, must(codec.Append(nil, to, &protocol.Yield{Request: 1, Payload: p})))
				}
			}
			back, err := codec.Unmarshal(to, must(codec.Append(nil, to, &protocol.Yield{Request: 1, Payload: protocol.Payload{Serializer: s, KwArgs: full.KwArgs}})))
			require.NoError(t, err)
			require.Equal(t, keywords, back.(*protocol.Yield).Payload, "arguments must be there when keyword arguments are")
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	bad := protocol.Payload{Serializer: protocol.CBOR, Args: fromHex("81e5")}
	tests := []struct {
		m        protocol.Message
		contains string
	}{
		{nil, "codec: encode a message: no message"},
		{&protocol.Call{Procedure: "a"}, "codec: encode CALL: Request: identifier 0 is not in 1 to 2^53"},
		{&protocol.Published{Request: 1, Publication: protocol.MaxID + 1}, "codec: encode PUBLISHED: Publication: identifier"},
		{&protocol.Unsubscribed{}, "codec: encode UNSUBSCRIBED: subscription: identifier 0"},
		{&protocol.Publish{Request: 1, Topic: "a\xff"}, "codec: encode PUBLISH: Topic: text is not valid UTF-8"},
		{&protocol.Publish{Request: 1, Options: protocol.PublishOptions{Filter: &protocol.EventFilter{Exclude: []protocol.ID{0}}}, Topic: "a"}, "codec: encode PUBLISH: exclude: identifier 0"},
		{&protocol.Hello{Realm: "r", Details: protocol.HelloDetails{AuthID: "\xff"}}, "codec: encode HELLO: authid: text"},
		{&protocol.Hello{Realm: "r", Details: protocol.HelloDetails{AuthExtra: protocol.Dict{"k": make(chan int)}}}, "codec: encode HELLO: authextra: "},
		{&protocol.Call{Request: 1, Options: protocol.CallOptions{Extra: protocol.Dict{"_mine": make(chan int)}}, Procedure: "a"}, "codec: encode CALL: _mine: "},
		{&protocol.Error{RequestType: protocol.TypeResult, Request: 1, Error: "a"}, "codec: encode ERROR: RequestType: RESULT is not a request"},
		{&protocol.Yield{Request: 1, Payload: protocol.Payload{Args: []byte("[]")}}, "codec: encode YIELD: payload: a payload without serializer"},
		{&protocol.Event{Subscription: 1, Publication: 1, Details: protocol.EventDetails{TrustLevel: new(-1)}}, "codec: encode EVENT: trustlevel: a trust level must not be negative"},
		{&protocol.Yield{Request: 1, Payload: bad}, "codec: encode YIELD: Args: simple value 5 has no equivalent"},
	}
	for _, test := range tests {
		dst, err := codec.Append([]byte("before"), protocol.JSON, test.m)
		require.ErrorContains(t, err, test.contains)
		require.Equal(t, "before", string(dst))
	}
	_, err := codec.Append(nil, protocol.NoSerializer, &protocol.Published{Request: 1, Publication: 1})
	require.ErrorContains(t, err, "no serializer")
	_, err = codec.Append(nil, protocol.JSON, &protocol.Publish{Request: 1, Topic: "\x00a"})
	require.ErrorContains(t, err, "Topic: text that starts with U+0000")
}

func TestExtraDoesNotRepeatKeys(t *testing.T) {
	t.Parallel()
	m := &protocol.Result{Request: 1, Details: protocol.ResultDetails{Progress: true, Extra: protocol.Dict{"progress": false, "b": 1, "a": 2}}}
	require.Equal(t, `[50,1,{"progress":true,"a":2,"b":1}]`, string(must(codec.Append(nil, protocol.JSON, m))))
	require.Equal(t, fromHex("933201"+"83"+"a870726f6772657373c3a16102a16201"), must(codec.Append(nil, protocol.MessagePack, m)))
}

func TestOptionsInOrder(t *testing.T) {
	t.Parallel()
	invocation := &protocol.Invocation{Request: 1, Registration: 2, Details: protocol.InvocationDetails{
		Progress: true, ReceiveProgress: true, Timeout: 3, Caller: 4, CallerAuthID: "i", CallerAuthRole: "r", Procedure: "p", TrustLevel: new(0),
		Passthru: &protocol.Passthru{Scheme: "s", KeyID: "k"}, Extra: protocol.Dict{"_z": 1, "_a": 2},
	}}
	require.Equal(t, `[68,1,2,{"progress":true,"receive_progress":true,"timeout":3,"caller":4,"caller_authid":"i","caller_authrole":"r","procedure":"p","trustlevel":0,"ppt_scheme":"s","ppt_keyid":"k","_a":2,"_z":1}]`,
		string(must(codec.Append(nil, protocol.JSON, invocation))))
	many := protocol.Dict{}
	for i := range 300 {
		many[string(rune('a'+i%26))+string(rune('0'+i/26))] = int64(i)
	}
	for _, s := range protocol.Serializers() {
		for _, extra := range []protocol.Dict{many, {"nan": math.MaxInt64}} {
			m := &protocol.Cancel{Request: 1, Mode: "kill", Extra: extra}
			back, err := codec.Unmarshal(s, must(codec.Append(nil, s, m)))
			require.NoError(t, err)
			require.Len(t, back.(*protocol.Cancel).Extra, len(extra))
		}
	}
}

// TestPassthruNeedsAScheme: the mode is on when there is a scheme.
func TestPassthruNeedsAScheme(t *testing.T) {
	t.Parallel()
	m, err := codec.Unmarshal(protocol.JSON, []byte(`[48,1,{"ppt_serializer":"cbor","ppt_scheme":""},"a"]`))
	require.NoError(t, err)
	require.Equal(t, &protocol.Call{Request: 1, Procedure: "a"}, m)
	require.Equal(t, `[48,1,{},"a"]`, string(must(codec.Append(nil, protocol.JSON, &protocol.Call{Request: 1, Options: protocol.CallOptions{Passthru: &protocol.Passthru{Cipher: "c"}}, Procedure: "a"}))))
}

// TestBareBinary keeps what enc_algo announces in place of arguments.
func TestBareBinary(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		binary := must(codec.AppendValue(nil, s, []byte{1, 2}))
		m := &protocol.Event{Subscription: 1, Publication: 2, Details: protocol.EventDetails{Extra: protocol.Dict{"enc_algo": "cryptobox"}}, Payload: protocol.Payload{Serializer: s, Args: binary}}
		back, err := codec.Unmarshal(s, must(codec.Append(nil, s, m)))
		require.NoError(t, err)
		require.Equal(t, m, back)
		for _, to := range protocol.Serializers() {
			crossed, err := codec.Unmarshal(to, must(codec.Append(nil, to, m)))
			require.NoError(t, err)
			require.Equal(t, must(codec.AppendValue(nil, to, []byte{1, 2})), crossed.(*protocol.Event).Payload.Args)
		}
	}
}
