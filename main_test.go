package cloverleaf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if goroutines are left when all tests are done.
func TestMain(m *testing.M) {
	signals := make(chan os.Signal, 1) // the goroutine of package signal must not begin in a test with a fake clock
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that run code of this module and do not end.
func leaked() (left string) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		buf := make([]byte, 4<<20)
		var found [][]byte
		for g := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
			if bytes.Contains(g, []byte("cloverleaf/")) && !bytes.Contains(g, []byte(".TestMain(")) {
				found = append(found, g)
			}
		}
		if left = string(bytes.Join(found, []byte("\n\n"))); left == "" {
			return ""
		}
	}
	return left
}
