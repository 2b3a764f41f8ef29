package actors

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
	t.Parallel()
	c := &client{}
	c.workers.c = c
	var running sync.WaitGroup
	var done atomic.Int32
	release := make(chan struct{})
	for range maxIdleWorkers + 10 {
		k := &worker{jobs: make(chan job, 1)}
		running.Add(1)
		go func() {
			defer running.Done()
			<-release
			if c.workers.rest(k) {
				<-k.jobs
			} else {
				done.Add(1)
			}
		}()
	}
	close(release)
	require.Eventually(t, func() bool { return done.Load() == 10 }, testPatience, time.Millisecond)
	c.workers.close()
	running.Wait()
	require.False(t, c.workers.rest(&worker{}), "closed")
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
