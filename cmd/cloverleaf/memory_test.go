package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 200, 4 << 20: 200, 16 << 20: 200, 20 << 20: 160, 32 << 20: 100, 1 << 30: 100} {
		require.Equal(t, want, gcPercent(live), "%d MiB", live>>20)
	}
}

func TestTrimmer(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	var tr trimmer
	for i, step := range []struct {
		allocated uint64
		due       bool
	}{
		{1 * mib, false},               // busy
		{1 * mib, false},               // at rest, but there is little to gain
		{20 * mib, false},              // busy
		{20*mib + 1000, true},          // at rest
		{20*mib + 2000, false},         // once is enough
		{23 * mib, false},              // busy
		{23 * mib, false},              // little to gain
		{60 * mib, false},              // busy
		{60*mib + 64*1024, true},       // at rest
		{61*mib + 64*1024, false},      // busy
		{61*mib + 64*1024 + 1, false},  // little
		{100 * mib, false},             // busy
		{100*mib + 127*1024 + 1, true}, // nearly at rest
	} {
		require.Equal(t, step.due, tr.due(memoryState{live: 4 * mib, allocated: step.allocated}), "step %d", i)
	}
}

// What was allocated and let go does not stay.
func TestReadMemory(t *testing.T) { //nolint:paralleltest // it looks at the whole process
	before := readMemory()
	garbage := make([]byte, 8<<20)
	runtime.KeepAlive(garbage)
	runtime.GC() // before the first one nothing is known to live
	after := readMemory()
	require.GreaterOrEqual(t, after.allocated-before.allocated, uint64(8<<20))
	require.Positive(t, after.live)
}
