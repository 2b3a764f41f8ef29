package actors

import (
	"bufio"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// daemon is the router as a program of its own.
type daemon struct {
	t       *testing.T
	program string
	addr    string
	cmd     *exec.Cmd
	ended   chan error
}

// newDaemon builds the program and finds it a port.
func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, program: filepath.Join(t.TempDir(), "cloverleaf")}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", d.program, "../cmd/cloverleaf").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.addr = ln.Addr().String()
	require.NoError(t, ln.Close())
	return d
}

// start returns when the router listens.
func (d *daemon) start() {
	d.t.Helper()
	d.cmd = exec.CommandContext(d.t.Context(), d.program, "router", "--listen", d.addr)
	stdout, err := d.cmd.StdoutPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, d.cmd.Start())
	cmd, ended, listening := d.cmd, make(chan error, 1), make(chan struct{})
	d.ended = ended
	d.t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.Contains(lines.Text(), d.addr) {
				close(listening)
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case <-listening:
	case err := <-ended:
		require.Fail(d.t, "the router has ended", "%v", err)
	case <-time.After(testPatience):
		require.Fail(d.t, "the router does not listen")
	}
}

// end sends a signal and returns how the program ended.
func (d *daemon) end(sig syscall.Signal) error {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(sig))
	select {
	case err := <-d.ended:
		return err
	case <-time.After(testPatience):
		require.Fail(d.t, "the router does not end")
		return nil
	}
}

// transport is RawSocket for one half of the members and WebSocket for the other.
func (d *daemon) transport(m *member) TransportConfig {
	cfg := TransportConfig{
		Backoff: supervisor.Backoff{Initial: 50 * time.Millisecond, Max: 400 * time.Millisecond, Growth: 2, Jitter: 0.5},
	}
	cfg.ClientConfig = transport.ClientConfig{URL: "rs://" + d.addr, Serializers: []protocol.Serializer{protocol.MessagePack}}
	if m.n%2 == 1 {
		cfg.ClientConfig = transport.ClientConfig{URL: "ws://" + d.addr + "/ws", Serializers: []protocol.Serializer{protocol.JSON}}
	}
	return cfg
}

// TestRestartOfRouterProgram is TestRestartOfRouter with the program, sockets and real time.
func TestRestartOfRouterProgram(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.start()
	f := newFleet(t)
	f.launch(d.transport)
	f.requireAlive()

	o := f.occupy()
	f.press(o)
	var exit *exec.ExitError
	require.ErrorAs(t, d.end(syscall.SIGKILL), &exit)
	f.requireAnswered(o)
	for _, m := range f.members {
		require.Equal(t, session.EndLost, f.endOf(m).How)
	}
	d.start()
	f.awaitReady()
	f.requireAlive()

	o = f.occupy()
	require.NoError(t, d.end(syscall.SIGTERM))
	f.requireAnswered(o)
	for _, m := range f.members {
		end := f.endOf(m)
		require.Equal(t, session.EndGoodbye, end.How, "%v", end)
		require.Equal(t, protocol.CloseSystemShutdown, end.Reason)
	}
	f.stop()
}

// endOf returns why the member's session ended.
func (f *fleet) endOf(m *member) *session.EndedError {
	f.t.Helper()
	var end *session.EndedError
	require.True(f.t, errors.As(m.s.Err(), &end), "%v", m.s.Err())
	return end
}
