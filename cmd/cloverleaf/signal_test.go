package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Signals end a process with GOODBYE and an exit code that says whether the work was done.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		ready string // on stderr
		told  int    // type of the message that the router waits for before
		code  int
	}{
		{[]string{"call", "a.b"}, "", 48, 130},
		{[]string{"publish", "a.b"}, "", 16, 130},
		{[]string{"subscribe", "a.b"}, "subscribed", 32, 0},
		{[]string{"subscribe", "a.b", "--count", "1"}, "subscribed", 32, 130},
		{[]string{"register", "a.b", "--echo"}, "registered", 64, 0},
	} {
		for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
			r := newRecorder(t, 48, 16)
			j, p := startProcess(t, append(c.args, "--url", r.url, "--serializer", "json")...)
			r.await(t, c.told)
			j.says(c.ready)
			require.NoError(t, p.Signal(s))
			got := j.wait()
			require.Equal(t, c.code, got.code, "%v %v: %s", c.args, s, got.stderr)
			require.Equal(t, []string{`[6,{},"wamp.close.close_realm"]`}, r.told(6), "%v", c.args)
		}
	}
}

// A second signal does not wait for the router.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 6)
	j, p := startProcess(t, "subscribe", "a.b", "--url", r.url, "--serializer", "json")
	j.says("subscribed")
	require.NoError(t, p.Signal(syscall.SIGINT))
	r.await(t, 6)
	require.NoError(t, p.Signal(syscall.SIGINT))
	require.Equal(t, -1, j.wait().code, "the signal has ended it")
}

// A process whose output is read no more ends, as others in a pipe do.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	needs(t, "bash", "head")
	url := newBackend(t)
	script := `"$0" call com.example.add2 1 2 --repeat 100000 --url "$1" | head -1; echo "${PIPESTATUS[0]}"`
	out := bash(t, script, os.Args[0], url)
	require.Equal(t, "3\n141\n", out)
}

// bash runs a script in which this program is the program.
func bash(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"--norc", "-c", script}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}
