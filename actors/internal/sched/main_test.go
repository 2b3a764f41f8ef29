package sched_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when a worker outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if leak := leakedWorkers(time.After(5 * time.Second)); leak != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "leaked workers:\n"+leak)
		code = 1
	}
	os.Exit(code)
}

// leakedWorkers waits until no worker is left, or returns their stacks.
func leakedWorkers(timeout <-chan time.Time) string {
	buf := make([]byte, 1<<20)
	for {
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "sched.(*worker).loop") {
			return ""
		}
		select {
		case <-timeout:
			return stacks
		default:
			runtime.Gosched()
		}
	}
}
