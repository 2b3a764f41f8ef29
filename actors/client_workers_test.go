package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// TestWorkersAreUsedAgain: as many as run at once, and none for long when there is nothing to do.
func TestWorkersAreUsedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		c := newCallee(t, h, func() { settleAlone(time.Second) })
		w := idleOf(c)
		c.invoke(1, 2, 3)
		settle(time.Second)
		require.Len(t, w(), 3)
		c.invoke(4)
		synctest.Wait()
		require.Len(t, w(), 2, "one is busy")
		settle(1500 * time.Millisecond)
		require.Len(t, w(), 3)
		settle(2 * idleWorkers)
		require.Empty(t, w())
		c.invoke(5)
		settle(time.Second)
		require.Len(t, w(), 1)
		yields, _ := c.answers()
		require.Len(t, yields, 5)
		require.NoError(t, c.stop())
	})
}

// idleOf returns a function that returns the idle workers of the component.
func idleOf(c *callee) func() []*worker {
	process, _ := c.host.system.ProcessRegistry.Get(c.pid)
	_ = process
	w := &c.client.workers
	return func() []*worker {
		w.mu.Lock()
		defer w.mu.Unlock()
		return append([]*worker(nil), w.idle...)
	}
}

// TestWorkersLimit: what comes in a burst does not stay.
func TestWorkersLimit(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		const burst = maxIdleWorkers + 10
		release := make(chan struct{})
		running := 0
		var mu sync.Mutex
		c := newCallee(t, h, func() {
			mu.Lock()
			running++
			mu.Unlock()
			<-release
		})
		for id := range protocol.ID(burst) {
			c.invoke(id + 1)
		}
		synctest.Wait()
		mu.Lock()
		require.Equal(t, burst, running, "none waits for another to end")
		mu.Unlock()
		close(release)
		yields, _ := c.answers()
		require.Len(t, yields, burst)
		require.Len(t, idleOf(c)(), maxIdleWorkers)
		require.NoError(t, c.stop())
		require.Empty(t, idleOf(c)())
	})
}

// TestEventQueueStress is for the race detector: a queue that runs dry all the time.
func TestEventQueueStress(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	c := newTestComponent(t, g.host, g.transport(rawMsgpack))
	const n = 5000
	var got []int
	done := make(chan struct{})
	c.subscribe("com.topic", func(i int) {
		if got = append(got, i); len(got) == n {
			close(done)
		}
	})
	s := c.join()
	for i := range n {
		_, err := s.Publish(t.Context(), "com.topic", session.Args(i), session.ExcludeMe(false))
		require.NoError(t, err)
	}
	<-done
	for i := range n {
		require.Equal(t, i, got[i])
	}
	require.NoError(t, c.stop())
}
