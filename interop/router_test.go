//go:build interop

package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	realm        = "realm1"
	startTimeout = 150 * time.Second
	pollInterval = 50 * time.Millisecond
)

// listening matches the line the router of ours prints for each address.
var listening = regexp.MustCompile(`^listening on (wss?://\S+) (rss?://\S+)`)

// router is a running router program with one realm that allows everything.
type router struct {
	name    string
	ours    bool
	program *exec.Cmd
	urls    map[string]string // transport → URL
	log     *tail
	exited  chan error
}

// startCloverleaf starts the router of ours on a free port.
func startCloverleaf(t *testing.T) *router {
	t.Helper()
	r, addresses := startOurs(t, 1, "--listen", "127.0.0.1:0", "--realm", realm)
	r.urls = addresses[0]
	return r
}

// startOurs starts the router of ours, and returns the URLs of each address by transport.
func startOurs(t *testing.T, count int, args ...string) (*router, []map[string]string) {
	t.Helper()
	require.NotEmptyf(t, os.Getenv(envRouter), "%s is not set: use interop/run.sh", envRouter)
	r := newRouter("cloverleaf", os.Getenv(envRouter), append([]string{"router"}, args...)...)
	r.ours = true
	stdout, err := r.program.StdoutPipe()
	require.NoError(t, err)
	r.start(t)

	found := make(chan map[string]string, count)
	go func() {
		lines := bufio.NewScanner(io.TeeReader(stdout, r.log))
		for lines.Scan() {
			if match := listening.FindStringSubmatch(lines.Text()); match != nil {
				found <- map[string]string{webSocket: match[1], rawSocket: match[2]}
			}
		}
		r.exited <- r.program.Wait()
	}()
	var addresses []map[string]string
	deadline := time.After(startTimeout)
	for len(addresses) < count {
		select {
		case urls := <-found:
			addresses = append(addresses, urls)
		case err := <-r.exited:
			require.FailNowf(t, "router ended before it listened", "%v\n%s", err, r.log)
		case <-deadline:
			require.FailNowf(t, "router does not listen", "%s", r.log)
		}
	}
	return r, addresses
}

// crossbarConfig has one realm that allows everything to anybody, and one port
// for WebSocket and RawSocket. The verb takes the port.
const crossbarConfig = `{
  "version": 2,
  "workers": [{
    "type": "router",
    "realms": [{
      "name": "realm1",
      "roles": [{
        "name": "anonymous",
        "permissions": [{
          "uri": "",
          "match": "prefix",
          "allow": {"call": true, "register": true, "publish": true, "subscribe": true},
          "disclose": {"caller": true, "publisher": true}
        }]
      }]
    }],
    "transports": [{
      "type": "universal",
      "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": %d},
      "rawsocket": {"serializers": ["json", "msgpack", "cbor"]},
      "websocket": {"ws": {"type": "websocket", "serializers": ["json", "msgpack", "cbor"]}}
    }]
  }]
}
`

// crossbar is a configured node of Crossbar.io, which can be started again.
type crossbar struct {
	node string // its folder
	port int
}

// newCrossbar configures a node for a port that was free a moment ago.
func newCrossbar(t *testing.T) crossbar {
	t.Helper()
	require.NotEmptyf(t, os.Getenv(envCrossbar), "%s is not set: use interop/run.sh", envCrossbar)
	c := crossbar{node: t.TempDir(), port: freePort(t)}
	config := fmt.Appendf(nil, crossbarConfig, c.port)
	require.NoError(t, os.WriteFile(filepath.Join(c.node, "config.json"), config, 0o600))
	return c
}

// startCrossbar starts a new node of Crossbar.io.
func startCrossbar(t *testing.T) *router {
	t.Helper()
	return newCrossbar(t).start(t)
}

func (c crossbar) start(t *testing.T) *router {
	t.Helper()
	r := newRouter("crossbar", os.Getenv(envCrossbar), "start", "--cbdir", c.node, "--color", "false")
	r.program.Stdout = r.log
	r.urls = map[string]string{
		webSocket: fmt.Sprintf("ws://127.0.0.1:%d/ws", c.port),
		rawSocket: fmt.Sprintf("rs://127.0.0.1:%d", c.port),
	}
	r.start(t)
	go func() { r.exited <- r.program.Wait() }()

	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(startTimeout)
	for {
		select {
		case <-tick.C:
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
			if err == nil {
				require.NoError(t, conn.Close())
				return r
			}
		case err := <-r.exited:
			require.FailNowf(t, "crossbar ended before it listened", "%v\n%s", err, r.log)
		case <-deadline:
			require.FailNowf(t, "crossbar does not listen", "%s", r.log)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	return port
}

func newRouter(name, program string, args ...string) *router {
	r := &router{name: name, program: exec.Command(program, args...), log: &tail{}, exited: make(chan error, 1)}
	r.program.Stderr = r.log
	r.program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return r
}

func (r *router) start(t *testing.T) {
	t.Helper()
	require.NoError(t, r.program.Start())
	forget := remember(t, r.program.Process.Pid)
	t.Cleanup(func() {
		defer forget()
		if err := r.terminate(); err != nil && !t.Failed() {
			t.Logf("%s: %v", r.name, err)
		}
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", r.name, r.log)
		}
	})
}

// remember leaves a note for run.sh, which ends the program if this test cannot.
func remember(t *testing.T, pid int) (forget func()) {
	t.Helper()
	folder := os.Getenv(envRunning)
	if folder == "" {
		return func() {}
	}
	note := filepath.Join(folder, strconv.Itoa(pid))
	require.NoError(t, os.WriteFile(note, nil, 0o600))
	return func() { _ = os.Remove(note) }
}

// terminate sends SIGTERM and returns how the program ended. A program that
// does not end in time is killed together with its children.
func (r *router) terminate() error {
	if err := r.program.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case err := <-r.exited:
		return err
	case <-time.After(stopTimeout):
		_ = syscall.Kill(-r.program.Process.Pid, syscall.SIGKILL)
		killed := <-r.exited
		return fmt.Errorf("did not end %v after SIGTERM: %w", stopTimeout, killed)
	}
}

// kill ends the program and its children as if the machine had lost power.
func (r *router) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, syscall.Kill(-r.program.Process.Pid, syscall.SIGKILL))
	require.Error(t, <-r.exited)
}
