//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// A canceled call kills the command and what that has started.
func TestRegisterCommandIsKilled(t *testing.T) {
	t.Parallel()
	needs(t, "sh", "sleep")
	s, caller := newCaller(t)
	pids := filepath.Join(t.TempDir(), "pids")
	j := s.start("register", "com.example.sleep", "--", "sh", "-c", `trap '' TERM; sleep 1000 & echo $! $$ >"$0"; echo started >&2; while true; do wait; done`, pids)
	j.says("registered")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := caller.Call(ctx, "com.example.sleep", session.OnCancel(protocol.CancelKill))
		ended <- err
	}()
	j.says("started")
	cancel()
	require.Equal(t, protocol.ErrorCanceled, session.ErrorURI(<-ended))
	requireGone(t, pids)
	require.NotContains(t, j.stderr.String(), "cloverleaf register: wamp")

	// So does the end of the program.
	go func() {
		_, err := caller.Call(t.Context(), "com.example.sleep")
		ended <- err
	}()
	require.Eventually(t, func() bool { return strings.Count(j.stderr.String(), "started") == 2 }, patience, patience/1000)
	j.interrupt()
	require.Zero(t, j.wait().code)
	require.Error(t, <-ended)
	requireGone(t, pids)
}

// requireGone waits until the processes are gone whose identifiers are in a file.
func requireGone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, patience, patience/1000, "%d lives", pid)
	}
}
