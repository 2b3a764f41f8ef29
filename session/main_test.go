package session

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines other than the tests' own, once they had a second to end.
func leaked() string {
	var left []string
	for deadline := time.Now().Add(time.Second); ; runtime.Gosched() {
		buf := make([]byte, 1<<20)
		left = left[:0]
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if !strings.Contains(g, "testing.(*M).Run") && !strings.Contains(g, "session.leaked") &&
				!strings.Contains(g, "os/signal.") {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}
