package router

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestEventsAreUsedAgain: only when all receivers and the publisher are done.
func TestEventsAreUsedAgain(t *testing.T) { //nolint:paralleltest // it looks at what others may use again
	run := newEvents(&Subscription{ID: 7})
	run.add(protocol.Event{Subscription: 7, Publication: 1})
	run.Encoded[3] = append(run.Buffer(), "frames"...)
	run.users.Store(3)
	run.Done()
	run.leave(1)
	require.Len(t, run.List, 1)
	require.Equal(t, "frames", string(run.Encoded[3]))
	size := cap(run.Encoded[3])
	run.Done()
	require.Empty(t, run.List)
	require.Zero(t, run.Size())
	require.Equal(t, [8][]byte{}, run.Encoded)
	require.Equal(t, size, cap(run.Buffer()))
	require.Empty(t, run.Buffer())
	require.Equal(t, protocol.Event{}, run.List[:1][0], "it keeps no payload")
}

// TestEventsOfTheCollector: somebody keeps a part, or the memory is too much.
func TestEventsOfTheCollector(t *testing.T) { //nolint:paralleltest // it looks at what others may use again
	kept := newEvents(&Subscription{ID: 7})
	kept.add(protocol.Event{Publication: 1})
	kept.Done() // a realm's: nobody counts
	kept.Done()
	require.Len(t, kept.List, 1)

	large := newEvents(&Subscription{ID: 7})
	for range maxUsedEvents + 1 {
		large.add(protocol.Event{Publication: 1})
	}
	large.users.Store(1)
	large.Done()
	require.NotEmpty(t, large.List)

	long := newEvents(&Subscription{ID: 7})
	long.add(protocol.Event{Publication: 1})
	long.Encoded[0] = make([]byte, maxUsedBytes+1)
	long.users.Store(1)
	long.Done()
	require.Zero(t, cap(long.Buffer()))
}

// TestEventsAreDoneConcurrently has receivers look at what they share until they are done.
func TestEventsAreDoneConcurrently(t *testing.T) { //nolint:paralleltest // it looks at what others may use again
	const receivers = 8
	for n := range protocol.ID(500) {
		run := newEvents(&Subscription{ID: 7})
		run.add(protocol.Event{Publication: n + 1})
		run.Encoded[0] = append(run.Buffer(), byte(n))
		run.users.Store(receivers + 1)
		var wg sync.WaitGroup
		for range receivers {
			wg.Go(func() {
				if len(run.List) != 1 || run.List[0].Publication != n+1 || run.Encoded[0][0] != byte(n) {
					t.Error("used again too early")
				}
				run.Done()
			})
		}
		run.leave(1)
		wg.Wait()
		if len(run.List) != 0 {
			t.Error("not done")
		}
	}
}

// TestEventsTakeWhatTheySay: a run that waits for a receiver keeps no more than in proportion to its size.
func TestEventsTakeWhatTheySay(t *testing.T) {
	t.Parallel()
	run := &Events{Subscription: 7, List: make([]protocol.Event, 0, maxUsedEvents), spare: make([]byte, 0, maxUsedBytes)}
	run.add(protocol.Event{Publication: 1})
	run.fit()
	require.Len(t, run.List, 1)
	require.LessOrEqual(t, cap(run.List), 8)
	require.Zero(t, cap(run.Buffer()))
}

// TestEventsKept: a copy has nothing of what the payload lay in, nor of other receivers.
func TestEventsKept(t *testing.T) {
	t.Parallel()
	read := []byte(`much else [1,2]`)
	run := &Events{Subscription: 7, size: 50, List: []protocol.Event{{Publication: 1, Payload: protocol.Payload{Serializer: protocol.JSON, Args: read[10:]}}}}
	run.Encoded[2], run.Encoded[3] = []byte("two"), []byte("three")
	kept := run.Kept(3)
	clear(read)
	require.Equal(t, `[1,2]`, string(kept.List[0].Payload.Args))
	require.Equal(t, [8][]byte{3: []byte("three")}, kept.Encoded)
	require.Equal(t, run.Size(), kept.Size())
	require.Equal(t, [8][]byte{}, run.Kept(-1).Encoded)
}

// TestOpenCallKeepsNoMessage: a call may last for hours.
func TestOpenCallKeepsNoMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, SessionConfig{})
	callee, caller := w.join("callee", Peer{}), w.join("caller", Peer{})
	callee.post(&protocol.Register{Request: 1, Procedure: "com.hours"})
	w.drain()
	caller.post(&protocol.Call{Request: 1, Procedure: "com.hours", Options: protocol.CallOptions{Extra: protocol.Dict{"_x": 1}}, Payload: protocol.Payload{Serializer: protocol.JSON, Args: []byte("[1]")}})
	w.drain()
	c := caller.s.underWay(1)
	require.NotNil(t, c)
	require.Equal(t, protocol.Call{}, c.message)
}
