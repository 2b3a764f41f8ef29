package transport

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if goroutines of this package are left when all tests are done.
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

// leaked returns the stacks of goroutines that don't end within two seconds.
func leaked() string {
	var left string
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		left = stacks()
		if left == "" {
			return ""
		}
	}
	return left
}

func stacks() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []byte
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		ours := bytes.Contains(g, []byte("/transport.")) || bytes.Contains(g, []byte("net/http"))
		if ours && !bytes.Contains(g, []byte("transport.TestMain")) {
			left = append(append(left, g...), "\n\n"...)
		}
	}
	return string(left)
}
