package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// payload encodes arguments for a test.
func payload(tb testing.TB, s protocol.Serializer, args []any, kwargs map[string]any) protocol.Payload {
	tb.Helper()
	p, err := codec.EncodePayload(s, args, kwargs)
	require.NoError(tb, err)
	return p
}

// messages returns every message type, with few and with all of its options.
func messages(tb testing.TB, s protocol.Serializer) []protocol.Message {
	tb.Helper()
	extra := protocol.Dict{"_private": []any{int64(1), "two", nil, true, -1.5, []byte{3}}, "x": map[string]any{"y": int64(-4)}}
	passthru := &protocol.Passthru{Scheme: "x_mine", Serializer: "cbor", Cipher: "aes", KeyID: "0x12"}
	one := payload(tb, s, []any{1}, nil)
	both := payload(tb, s, []any{"a", 2.5, nil}, map[string]any{"key": []byte("value")})
	keywords := payload(tb, s, nil, map[string]any{"key": "value"})
	keywords.Args = payload(tb, s, []any{0}, nil).Args
	roles := protocol.Roles{}.With(protocol.Caller, protocol.FeatureCallCanceling|protocol.FeatureCallTimeout).With(protocol.Subscriber, 0)
	level := new(3)
	return []protocol.Message{
		&protocol.Hello{Realm: "realm1"},
		&protocol.Hello{Realm: "realm1", Details: protocol.HelloDetails{Agent: "a", Roles: roles, AuthMethods: []string{"ticket", "anonymous"}, AuthID: "joe", AuthRole: "user", AuthExtra: protocol.Dict{"nonce": "n"}, Extra: extra}},
		&protocol.Welcome{Session: protocol.MaxID, Details: protocol.WelcomeDetails{Agent: "a", Roles: protocol.Roles{}.With(protocol.Broker, protocol.FeatureEventHistory).With(protocol.Dealer, 0), Realm: "r", AuthID: "joe", AuthRole: "user", AuthMethod: "ticket", AuthProvider: "static", AuthExtra: protocol.Dict{"k": int64(1)}, Extra: extra}},
		&protocol.Abort{Reason: protocol.ErrorNoSuchRealm},
		&protocol.Abort{Details: protocol.CloseDetails{Message: "no", Extra: extra}, Reason: protocol.ErrorNoSuchRealm, Payload: both},
		&protocol.Challenge{Method: "wampcra", Extra: protocol.Dict{"challenge": "c"}},
		&protocol.Authenticate{Signature: "s", Extra: extra},
		&protocol.Goodbye{Details: protocol.CloseDetails{Message: "bye"}, Reason: protocol.CloseNormal},
		&protocol.Error{RequestType: protocol.TypeCall, Request: 1, Error: "a.b"},
		&protocol.Error{RequestType: protocol.TypeInvocation, Request: 1, Details: protocol.ErrorDetails{Passthru: passthru, Extra: extra}, Error: "a.b", Payload: both},
		&protocol.Publish{Request: 1, Topic: "a.b"},
		&protocol.Publish{Request: 70000, Options: protocol.PublishOptions{Acknowledge: true, IncludeMe: true, DiscloseMe: true, Retain: true, Filter: &protocol.EventFilter{
			Exclude: []protocol.ID{1, 2}, ExcludeAuthID: []string{"a"}, ExcludeAuthRole: []string{}, Eligible: []protocol.ID{}, EligibleAuthID: []string{"b"}, EligibleAuthRole: []string{"c"},
		}, RKey: "r", Passthru: passthru, Extra: extra}, Topic: "a.b", Payload: keywords},
		&protocol.Published{Request: 1, Publication: 2},
		&protocol.Subscribe{Request: 1, Topic: "a"},
		&protocol.Subscribe{Request: 1, Options: protocol.SubscribeOptions{Match: protocol.MatchPrefix, GetRetained: true, NKey: int64(5), Extra: extra}, Topic: "a"},
		&protocol.Subscribed{Request: 1, Subscription: 2},
		&protocol.Unsubscribe{Request: 1, Subscription: 2},
		&protocol.Unsubscribe{Request: 1, Subscription: 2, Extra: extra},
		&protocol.Unsubscribed{Request: 1},
		&protocol.Unsubscribed{Details: protocol.RevocationDetails{ID: 7, Reason: "why", Extra: extra}},
		&protocol.Event{Subscription: 1, Publication: 2, Payload: one},
		&protocol.Event{Subscription: 1, Publication: 2, Details: protocol.EventDetails{Publisher: 3, PublisherAuthID: "joe", PublisherAuthRole: "user", Topic: "a", Retained: true, PayloadLimitExceeded: true, TrustLevel: level, Passthru: passthru, Extra: extra}, Payload: both},
		&protocol.EventReceived{Publication: 9},
		&protocol.Call{Request: 1, Procedure: "a", Payload: one},
		&protocol.Call{Request: 1, Options: protocol.CallOptions{Timeout: 1000, Progress: true, ReceiveProgress: true, DiscloseMe: true, RunMode: "partition", RKey: []any{"k"}, Passthru: passthru, Extra: extra}, Procedure: "a", Payload: both},
		&protocol.Cancel{Request: 1, Mode: protocol.CancelKill, Extra: extra},
		&protocol.Result{Request: 1, Payload: one},
		&protocol.Result{Request: 1, Details: protocol.ResultDetails{Progress: true, Passthru: passthru, Extra: extra}, Payload: both},
		&protocol.Register{Request: 1, Procedure: "a"},
		&protocol.Register{Request: 1, Options: protocol.RegisterOptions{Match: protocol.MatchWildcard, Invoke: protocol.InvokeRoundRobin, Concurrency: 4, DiscloseCaller: true, ForwardTimeout: true, ForceReregister: true, Extra: extra}, Procedure: "a"},
		&protocol.Registered{Request: 1, Registration: 2},
		&protocol.Unregister{Request: 1, Registration: 2, Extra: extra},
		&protocol.Unregistered{Request: 1},
		&protocol.Unregistered{Details: protocol.RevocationDetails{ID: 7}},
		&protocol.Invocation{Request: 1, Registration: 2, Payload: one},
		&protocol.Invocation{Request: 1, Registration: 2, Details: protocol.InvocationDetails{Progress: true, ReceiveProgress: true, Timeout: 5, Caller: 6, CallerAuthID: "joe", CallerAuthRole: "user", Procedure: "a", TrustLevel: level, Passthru: passthru, Extra: extra}, Payload: both},
		&protocol.Interrupt{Request: 1, Mode: protocol.CancelKillNoWait, Reason: protocol.ErrorTimeout, Extra: extra},
		&protocol.Yield{Request: 1, Payload: one},
		&protocol.Yield{Request: 1, Options: protocol.YieldOptions{Progress: true, Passthru: passthru, Extra: extra}, Payload: both},
	}
}

func TestMessagesSurvive(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		decoder := codec.NewDecoder(s)
		types := map[protocol.MessageType]bool{}
		for _, m := range messages(t, s) {
			types[m.Type()] = true
			data, err := codec.Append(nil, s, m)
			require.NoError(t, err, "%s %+v", s, m)
			back, err := codec.Unmarshal(s, data)
			require.NoError(t, err, "%s %s %q", s, m.Type(), data)
			require.Equal(t, m, back, "%s %q", s, data)
			again, err := decoder.Decode(data)
			require.NoError(t, err)
			require.Equal(t, m, again)
			bytes, err := codec.Append([]byte("before"), s, back)
			require.NoError(t, err)
			require.Equal(t, "before"+string(data), string(bytes))
		}
		require.Len(t, types, 25)
	}
}
