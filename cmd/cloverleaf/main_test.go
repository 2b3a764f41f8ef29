package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asProgram makes the test binary be the program.
const asProgram = "CLOVERLEAF_TEST_AS_PROGRAM"

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running router.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr *bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	p := &process{t: t, cmd: exec.CommandContext(ctx, os.Args[0], args...), stderr: new(bytes.Buffer)} //nolint:gosec // this program
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

func (p *process) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(p.t, err, p.stderr)
	return strings.TrimSuffix(line, "\n")
}

// address returns host:port of a line.
func (p *process) address() string {
	p.t.Helper()
	m := regexp.MustCompile(`^listening on ws://(127\.0\.0\.1:[1-9]\d*)/ws rs://(127\.0\.0\.1:[1-9]\d*)$`).FindStringSubmatch(p.line())
	require.Len(p.t, m, 3)
	require.Equal(p.t, m[1], m[2])
	return m[1]
}

func (p *process) signal(s os.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// requireSuccess fails unless the process ends with 0, and says nothing more.
func (p *process) requireSuccess() {
	p.t.Helper()
	rest, _ := io.ReadAll(p.out)
	require.Empty(p.t, string(rest))
	require.NoError(p.t, p.cmd.Wait(), p.stderr)
}

// peer is a RawSocket client with JSON.
type peer struct {
	t  *testing.T
	nc net.Conn
}

func join(t *testing.T, network, addr string) *peer {
	t.Helper()
	nc, err := (&net.Dialer{}).DialContext(t.Context(), network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	p := &peer{t: t, nc: nc}
	_, err = io.WriteString(nc, "\x7f\xf1\x00\x00")
	require.NoError(t, err)
	var reply [4]byte
	_, err = io.ReadFull(nc, reply[:])
	require.NoError(t, err)
	p.send(`[1,"realm1",{"roles":{"caller":{}}}]`)
	require.Contains(t, p.next(), `[2,`)
	return p
}

func (p *peer) send(text string) {
	p.t.Helper()
	var h [4]byte
	binary.BigEndian.PutUint32(h[:], uint32(len(text))) //nolint:gosec // short
	_, err := p.nc.Write(append(h[:], text...))
	require.NoError(p.t, err)
}

func (p *peer) next() string {
	p.t.Helper()
	var h [4]byte
	_, err := io.ReadFull(p.nc, h[:])
	require.NoError(p.t, err)
	body := make([]byte, binary.BigEndian.Uint32(h[:]))
	_, err = io.ReadFull(p.nc, body)
	require.NoError(p.t, err)
	return string(body)
}

// SIGTERM and SIGINT say GOODBYE to everybody and end the process with 0.
func TestRouterShutdown(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			r := start(t, "router", "--listen", "127.0.0.1:0")
			addr := r.address()
			peers := []*peer{join(t, "tcp", addr), join(t, "tcp", addr), join(t, "tcp", addr)}
			r.signal(sig)
			for _, p := range peers {
				require.Regexp(t, `^\[6,.*"wamp.close.system_shutdown"\]$`, p.next())
				p.send(`[6,{},"wamp.close.goodbye_and_out"]`)
			}
			for _, p := range peers {
				_, err := p.nc.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF)
			}
			r.requireSuccess()
			require.Empty(t, r.stderr.String())
		})
	}
}

// Clients that do not answer, or do not even read, hold nothing up beyond the timeout.
func TestRouterShutdownTimeout(t *testing.T) {
	t.Parallel()
	r := start(t, "router", "--listen", "127.0.0.1:0", "--shutdown-timeout", "300ms")
	addr := r.address()
	for range 3 {
		join(t, "tcp", addr)
	}
	begin := time.Now()
	r.signal(syscall.SIGTERM)
	r.requireSuccess()
	require.Less(t, time.Since(begin), 5*time.Second)
}

func TestRouterCPUProfile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "cpu.pprof")
	r := start(t, "router", "--listen", "127.0.0.1:0", "--cpu-profile", name)
	join(t, "tcp", r.address())
	r.signal(syscall.SIGTERM)
	r.requireSuccess()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, []byte{0x1f, 0x8b}, b[:2], "a profile is compressed by gzip")
}

// A second signal does not wait for anybody.
func TestRouterSecondSignal(t *testing.T) {
	t.Parallel()
	r := start(t, "router", "--listen", "127.0.0.1:0", "--shutdown-timeout", "1h")
	p := join(t, "tcp", r.address())
	r.signal(syscall.SIGTERM)
	require.Contains(t, p.next(), "system_shutdown")
	r.signal(syscall.SIGTERM)
	require.Error(t, r.cmd.Wait())
}

// Several listeners, a unix socket among them: one line for each, in order.
func TestRouterListeners(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "clover") //nolint:usetesting // the path of a socket must be short
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(dir) }()
	sock := filepath.Join(dir, "s")
	r := start(t, "router", "--listen", "127.0.0.1:0", "--listen", "unix:"+sock, "--listen", "127.0.0.1:0", "--realm", "other", "--realm", "realm1")
	a := r.address()
	require.Equal(t, "listening on ws+unix://"+sock+" rs+unix://"+sock, r.line())
	b := r.address()
	require.NotEqual(t, a, b)
	join(t, "tcp", a)
	join(t, "tcp", b)
	join(t, "unix", sock)
	r.signal(syscall.SIGTERM)
	r.requireSuccess()
	_, err = os.Stat(sock)
	require.ErrorIs(t, err, os.ErrNotExist, "the socket is left")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"nothing":         {nil, 2, "", "Usage:"},
		"help":            {[]string{"help"}, 0, "Usage:", ""},
		"version":         {[]string{"version"}, 0, "cloverleaf ", ""},
		"unknown command": {[]string{"dance"}, 2, "", `unknown command "dance"`},
		"router help":     {[]string{"router", "-h"}, 0, "", "-listen"},
		"unknown flag":    {[]string{"router", "--nonsense"}, 2, "", "-nonsense"},
		"bad duration":    {[]string{"router", "--shutdown-timeout", "soon"}, 2, "", "soon"},
		"bad policy":      {[]string{"router", "--slow-consumers", "ignore"}, 2, "", "drop-oldest"},
		"argument":        {[]string{"router", "realm1"}, 2, "", `unexpected argument "realm1"`},
		"bad realm":       {[]string{"router", "--realm", "a b"}, 1, "", `"a b" is not a valid URI`},
		"bad profile":     {[]string{"router", "--cpu-profile", "."}, 1, "", "--cpu-profile: open .: "},
		"bad address":     {[]string{"router", "--listen", "127.0.0.1:0", "--listen", "nowhere"}, 1, "listening on", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.code, run(t.Context(), c.args, &stdout, &stderr))
			require.Contains(t, stdout.String(), c.stdout)
			require.Contains(t, stderr.String(), c.stderr)
		})
	}
}
