package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// newRouter starts a router in this process and returns it with the URL of its WebSocket.
func newRouter(t *testing.T, cfg cloverleaf.RouterConfig) (*cloverleaf.Router, string) {
	t.Helper()
	r, err := cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = r.Close(ctx)
	})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	return r, l.URLs()[0]
}

// backend joins the router with a component of its own, and waits until it is ready.
func backend(t *testing.T, r *cloverleaf.Router, declare func(c *cloverleaf.Component)) *session.Session {
	t.Helper()
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Transports: []cloverleaf.Transport{r.Transport()}})
	require.NoError(t, err)
	declare(c)
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = c.Stop(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := c.Ready(ctx)
	require.NoError(t, err)
	return s
}

// shell is where command lines are run: in this process, with an environment of their own.
type shell struct {
	t       *testing.T
	environ []string
	stdin   string
}

func newShell(t *testing.T, environ ...string) *shell { return &shell{t: t, environ: environ} }

// result is what became of a command line.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) lines() []string { return strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n") }

// run runs a command line to its end.
func (s *shell) run(args ...string) result {
	s.t.Helper()
	return s.start(args...).wait()
}

// works runs a command line that must do so, and returns its output.
func (s *shell) works(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	require.Zero(s.t, r.code, r.stderr)
	return r.stdout
}

// job is a command line that is being run.
type job struct {
	t              *testing.T
	interrupt      context.CancelFunc
	stdout, stderr *watched
	done           chan struct{}
	code           int
}

func (s *shell) start(args ...string) *job {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	j := &job{t: s.t, interrupt: cancel, stdout: newWatched(), stderr: newWatched(), done: make(chan struct{})}
	p := &program{stdin: strings.NewReader(s.stdin), stdout: j.stdout, stderr: j.stderr, environ: s.environ}
	go func() {
		defer close(j.done)
		j.code = p.run(ctx, args)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-j.done
	})
	return j
}

// startProcess runs a command line in a process of its own.
func startProcess(t *testing.T, args ...string) (*job, *os.Process) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	j := &job{t: t, interrupt: cancel, stdout: newWatched(), stderr: newWatched(), done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdout, cmd.Stderr = j.stdout, j.stderr
	require.NoError(t, cmd.Start())
	go func() {
		defer close(j.done)
		_ = cmd.Wait()
		j.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		cancel()
		<-j.done
	})
	return j, cmd.Process
}

// wait waits for the end of the command line.
func (j *job) wait() result {
	j.t.Helper()
	select {
	case <-j.done:
	case <-time.After(patience):
		require.FailNow(j.t, "the command does not end", "stdout: %s\nstderr: %s", j.stdout, j.stderr)
	}
	return result{j.code, j.stdout.String(), j.stderr.String()}
}

// says waits until the command has written a text to stderr.
func (j *job) says(text string) {
	j.t.Helper()
	j.stderr.await(j, text)
}

// prints waits until the command has written a text to stdout.
func (j *job) prints(text string) {
	j.t.Helper()
	j.stdout.await(j, text)
}

// watched is a buffer that can be waited for.
type watched struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.buf.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *watched) await(j *job, text string) {
	j.t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		found, changed := strings.Contains(w.buf.String(), text), w.changed
		w.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-j.done:
			require.Contains(j.t, w.String(), text, "the command has ended with %d: %s", j.code, j.stderr)
			return
		case <-timeout:
			require.FailNow(j.t, "the command does not write "+text, "stdout: %s\nstderr: %s", j.stdout, j.stderr)
		}
	}
}

// brokenWriter is an output that nobody reads.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
