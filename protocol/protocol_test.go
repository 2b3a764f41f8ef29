package protocol_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint64(9007199254740992), uint64(protocol.MaxID))
	for id, valid := range map[protocol.ID]bool{0: false, 1: true, protocol.MaxID - 1: true, protocol.MaxID: true, protocol.MaxID + 1: false, math.MaxUint64: false} {
		require.Equal(t, valid, id.Valid(), id)
	}
	require.Equal(t, protocol.ID(1), protocol.ID(0).Next())
	require.Equal(t, protocol.ID(2), protocol.ID(1).Next())
	require.Equal(t, protocol.MaxID, (protocol.MaxID - 1).Next())
	require.Equal(t, protocol.ID(1), protocol.MaxID.Next(), "the counter starts again")
	require.Equal(t, protocol.ID(1), (protocol.MaxID + 1).Next())
	require.Equal(t, "9007199254740992", protocol.MaxID.String())
}

func TestGlobalID(t *testing.T) {
	t.Parallel()
	for random, want := range map[uint64]protocol.ID{
		0: 1, 1: 2, 1<<53 - 2: protocol.MaxID - 1, 1<<53 - 1: protocol.MaxID, 1 << 53: 1, math.MaxUint64: protocol.MaxID, 1 << 63: 1,
	} {
		require.Equal(t, want, protocol.GlobalID(random))
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	all := protocol.Features(0)
	for bit := range 32 {
		flag := protocol.Features(1) << bit
		names := flag.Names()
		if bit > 25 {
			require.Empty(t, names, "no name for bit %d", bit)
			continue
		}
		all |= flag
		require.Len(t, names, 1)
		require.Equal(t, flag, protocol.ParseFeature(names[0]))
	}
	require.Len(t, all.Names(), 26)
	require.Equal(t, protocol.FeatureAcknowledgedEventDelivery, protocol.ParseFeature("x_acknowledged_event_delivery"), "the last constant and the last name")
	require.Equal(t, protocol.FeaturePatternBasedSubscription, protocol.ParseFeature("pattern_based_subscription"))
	require.Equal(t, protocol.FeatureCallCanceling, protocol.ParseFeature("call_canceling"))
	require.Equal(t, protocol.FeatureCallCanceling, protocol.ParseFeature("call_cancelling"), "the other spelling")
	require.Zero(t, protocol.ParseFeature("teleportation"))
	require.Zero(t, protocol.ParseFeature(""))

	set := protocol.FeatureCallTimeout | protocol.FeatureCallCanceling
	require.Equal(t, []string{"call_timeout", "call_canceling"}, set.Names())
	require.True(t, set.Has(protocol.FeatureCallTimeout))
	require.True(t, set.Has(set))
	require.True(t, set.Has(0))
	require.False(t, set.Has(set|protocol.FeatureCallReroute), "all of them are wanted")
}

func TestRoles(t *testing.T) {
	t.Parallel()
	var none protocol.Roles
	require.True(t, none.Empty())
	roles := none.With(protocol.Caller, protocol.FeatureCallTimeout).With(protocol.Callee, 0)
	require.True(t, none.Empty(), "With returns a copy")
	require.False(t, roles.Empty())
	require.True(t, roles.Has(protocol.Caller))
	require.True(t, roles.Has(protocol.Callee))
	require.False(t, roles.Has(protocol.Publisher))
	require.True(t, roles.Supports(protocol.Caller, protocol.FeatureCallTimeout))
	require.False(t, roles.Supports(protocol.Callee, protocol.FeatureCallTimeout))
	require.True(t, roles.Supports(protocol.Callee, 0))
	require.False(t, roles.Supports(protocol.Dealer, 0), "not announced at all")
	more := roles.With(protocol.Caller, protocol.FeatureCallCanceling)
	require.Equal(t, protocol.FeatureCallTimeout|protocol.FeatureCallCanceling, more.Features(protocol.Caller), "With adds")
	require.NotEqual(t, roles, more)
	require.Equal(t, roles, none.With(protocol.Callee, 0).With(protocol.Caller, protocol.FeatureCallTimeout))

	var names []string
	for _, role := range protocol.AllRoles() {
		names = append(names, role.String())
	}
	require.Equal(t, []string{"publisher", "subscriber", "caller", "callee", "broker", "dealer"}, names)
	require.Equal(t, "unknown role", protocol.Role(6).String())
}

func TestSerializers(t *testing.T) {
	t.Parallel()
	require.Len(t, protocol.Serializers(), 3)
	for _, s := range protocol.Serializers() {
		parsed, ok := protocol.ParseSerializer(s.String())
		require.True(t, ok)
		require.Equal(t, s, parsed)
		require.True(t, s.Valid())
		require.Equal(t, s != protocol.JSON, s.Binary())
		require.Equal(t, "wamp.2."+s.String(), s.Subprotocol())
	}
	require.Equal(t, []uint8{1, 2, 3}, []uint8{uint8(protocol.JSON), uint8(protocol.MessagePack), uint8(protocol.CBOR)}, "the numbers of the RawSocket handshake")
	for _, name := range []string{"", "none", "JSON", "ubjson"} {
		_, ok := protocol.ParseSerializer(name)
		require.False(t, ok, name)
	}
	require.False(t, protocol.NoSerializer.Valid())
	require.False(t, protocol.Serializer(4).Valid())
}

func TestPayloadClone(t *testing.T) {
	t.Parallel()
	buffer := []byte("[1]{}")
	tests := []protocol.Payload{
		{},
		{Serializer: protocol.JSON},
		{Serializer: protocol.JSON, Args: buffer[:3:3]},
		{Serializer: protocol.JSON, KwArgs: buffer[3:]},
		{Serializer: protocol.JSON, Args: buffer[:3:3], KwArgs: buffer[3:]},
		{Serializer: protocol.JSON, Args: []byte{}, KwArgs: []byte{}},
	}
	for _, p := range tests {
		c := p.Clone()
		require.Equal(t, p, c)
		require.Equal(t, len(p.Args)+len(p.KwArgs), p.Size())
		require.Equal(t, p.Args == nil && p.KwArgs == nil, p.Empty())
		if len(c.Args) > 0 {
			c.Args[0] = 'x'
			require.Equal(t, byte('['), p.Args[0], "memory is shared")
		}
		grown := append(c.Args, 'y') //nolint:gocritic // the point is that it must not reach KwArgs
		require.NotEmpty(t, grown)
		require.Equal(t, p.KwArgs, c.KwArgs, "appending to Args overwrites KwArgs")
	}
}

func TestMessageTypes(t *testing.T) {
	t.Parallel()
	want := map[protocol.MessageType]string{
		1: "HELLO", 2: "WELCOME", 3: "ABORT", 4: "CHALLENGE", 5: "AUTHENTICATE", 6: "GOODBYE", 8: "ERROR",
		16: "PUBLISH", 17: "PUBLISHED", 32: "SUBSCRIBE", 33: "SUBSCRIBED", 34: "UNSUBSCRIBE", 35: "UNSUBSCRIBED", 36: "EVENT", 337: "EVENT_RECEIVED",
		48: "CALL", 49: "CANCEL", 50: "RESULT", 64: "REGISTER", 65: "REGISTERED", 66: "UNREGISTER", 67: "UNREGISTERED", 68: "INVOCATION", 69: "INTERRUPT", 70: "YIELD",
		7: "message type 7",
	}
	for typ, name := range want {
		require.Equal(t, name, typ.String())
	}
	messages := []protocol.Message{
		&protocol.Hello{}, &protocol.Welcome{}, &protocol.Abort{}, &protocol.Challenge{}, &protocol.Authenticate{}, &protocol.Goodbye{}, &protocol.Error{},
		&protocol.Publish{}, &protocol.Published{}, &protocol.Subscribe{}, &protocol.Subscribed{}, &protocol.Unsubscribe{}, &protocol.Unsubscribed{}, &protocol.Event{}, &protocol.EventReceived{},
		&protocol.Call{}, &protocol.Cancel{}, &protocol.Result{}, &protocol.Register{}, &protocol.Registered{}, &protocol.Unregister{}, &protocol.Unregistered{}, &protocol.Invocation{}, &protocol.Interrupt{}, &protocol.Yield{},
	}
	require.Len(t, messages, len(want)-1)
	for _, m := range messages {
		delete(want, m.Type())
	}
	require.Len(t, want, 1, "a type without a message: %v", want)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	require.Equal(t, protocol.ErrorCanceled, protocol.CanonicalError("wamp.error.cancelled"))
	require.Equal(t, protocol.ErrorTimeout, protocol.CanonicalError(protocol.ErrorTimeout))
	for text, violation := range map[string]*protocol.ViolationError{
		"protocol: CALL: timeout: must be an integer": {Message: protocol.TypeCall, Field: "timeout", Problem: "must be an integer"},
		"protocol: CALL: too many elements":           {Message: protocol.TypeCall, Problem: "too many elements"},
		"protocol: message type: unknown":             {Field: "message type", Problem: "unknown"},
		"protocol: empty":                             {Problem: "empty"},
	} {
		require.EqualError(t, violation, text)
		found, ok := errors.AsType[*protocol.ViolationError](fmt.Errorf("read: %w", violation))
		require.True(t, ok)
		require.Same(t, violation, found)
	}
	for _, uri := range []protocol.URI{protocol.ErrorInvalidURI, protocol.ErrorDiscloseMeDisallowed, protocol.ErrorRuntime, protocol.CloseGoodbyeAndOut} {
		require.True(t, uri.ValidStrict())
		require.True(t, uri.Reserved())
	}
}
