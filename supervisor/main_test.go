package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if a goroutine of the tests outlives them. Tests in a synctest bubble can't
// leak one (the bubble waits for its goroutines or reports a deadlock); this is for the others.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if stacks := leaked(2 * time.Second); len(stacks) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines leaked:\n\n%s\n", len(stacks), bytes.Join(stacks, []byte("\n\n")))
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of the goroutines that are left after the patience has run out.
func leaked(patience time.Duration) [][]byte {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		stacks := otherGoroutines()
		if len(stacks) == 0 {
			return nil
		}
		select {
		case <-deadline:
			return stacks
		case <-tick.C:
		}
	}
}

// otherGoroutines returns the stacks of all goroutines but the calling one, which runtime.Stack
// lists first, and the one that os/signal keeps for the testing package's own interrupt handler.
func otherGoroutines() [][]byte {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var others [][]byte
	for i, stack := range bytes.Split(bytes.TrimSpace(buf), []byte("\n\n")) {
		if i > 0 && !bytes.Contains(stack, []byte("os/signal.")) {
			others = append(others, stack)
		}
	}
	return others
}
