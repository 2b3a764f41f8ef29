package actors

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// TestRunIsEncodedOnceForASerializer: the second transport takes what was encoded for the first.
func TestRunIsEncodedOnceForASerializer(t *testing.T) {
	t.Parallel()
	texts := protocol.Payload{Serializer: protocol.JSON, Args: []byte(`["text",1]`)}
	for _, ser := range protocol.Serializers() {
		raw := int(ser)
		for _, order := range [][2]int{{raw, raw + webSocketVariants}, {raw + webSocketVariants, raw}} {
			run := new(router.Events)
			for i := range 3 {
				run.List = append(run.List, protocol.Event{Subscription: 1, Publication: protocol.ID(1 << (20 * i)), Payload: texts})
			}
			want := encodeRun(run, order[1], ser)
			require.NotEmpty(t, want)
			run.Encoded[order[0]] = encodeRun(run, order[0], ser)
			clear(run.List) // to encode them again would give something else
			require.Equal(t, want, encodeRun(run, order[1], ser), "%v, %v", ser, order)
		}
	}
}

// TestEventsForAPeerWithALimit: a run is longer than the peer accepts, each event of it is not.
func TestEventsForAPeerWithALimit(t *testing.T) {
	t.Parallel()
	o := &frameOutlet{serializer: protocol.MessagePack, maxSend: 512}
	run := new(router.Events)
	long := protocol.Event{Subscription: 1, Publication: 2}
	long.Details.Topic = protocol.URI(fmt.Sprintf("com.%0600d", 1))
	for range 100 {
		run.List = append(run.List, protocol.Event{Subscription: 1, Publication: 2})
	}
	frames := encodeRun(run, int(o.serializer), o.serializer)
	require.Greater(t, len(frames), o.maxSend)
	require.True(t, o.accepts(frames))
	run.List = append(run.List, long)
	require.False(t, o.accepts(encodeRun(run, int(o.serializer), o.serializer)))
}
