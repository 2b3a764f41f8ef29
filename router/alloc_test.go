package router

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocations keeps the routing of calls and events as cheap as it is: each number is what was measured.
// Messages come from the codec and go to it, and are not counted.
func TestAllocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	call, count := callThrough(t)
	require.LessOrEqual(t, testing.AllocsPerRun(1000, call), 1.0)
	calls, answers := count()
	require.Equal(t, calls, answers)
	for _, n := range []int{1, 10, 1000} {
		publish, count := publishThrough(t, n)
		require.LessOrEqual(t, testing.AllocsPerRun(1000, publish), 2.0, fmt.Sprint(n))
		publications, events := count()
		require.Equal(t, publications, events)
	}
}
