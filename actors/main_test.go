package actors

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if goroutines are left when all tests are done.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			fmt.Fprintln(os.Stderr, "leaked goroutines:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that don't end within five seconds.
func leaked() string {
	var left string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if left = ourStacks(); left == "" {
			return ""
		}
	}
	return left
}

// ourStacks returns the stacks of goroutines that run code of this module.
func ourStacks() string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []byte
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if bytes.Contains(g, []byte("cloverleaf/")) && !bytes.Contains(g, []byte(".TestMain(")) {
			left = append(append(left, g...), "\n\n"...)
		}
	}
	return string(left)
}
