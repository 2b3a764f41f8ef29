package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// output gathers what several goroutines print.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func TestQuickstart(t *testing.T) {
	t.Parallel()
	var out output
	require.NoError(t, run(t.Context(), &out))
	for _, line := range []string{
		"listening on ws://127.0.0.1:", "2 + 3 = 5", "1 / 0 fails with com.example.error.division_by_zero",
		"the actor counted 1", "the actor counted 3", "tick 1", "hello from frontend",
	} {
		require.Contains(t, out.text.String(), line)
	}
}
