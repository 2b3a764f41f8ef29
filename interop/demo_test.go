//go:build interop

package interop

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scriptTimeout bounds the wait for something that an example prints. Some take ten
// seconds by themselves.
const scriptTimeout = 90 * time.Second

const demoRealm = "crossbardemo"

// demo is the router of ours with what Autobahn's examples expect of theirs.
type demo struct {
	*router
	auth string // URL where clients authenticate
	cert string // file
	env  []string
}

// startDemo starts the demonstration on free ports, to which sitecustomize.py leads the
// examples that have those of the original in them.
func startDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{cert: filepath.Join(t.TempDir(), "demo.pem")}
	r, addresses := startOurs(t, 2, "--demo", "--listen", "127.0.0.1:0", "--demo-tls", "127.0.0.1:0", "--demo-cert", d.cert)
	d.router = r
	r.urls = addresses[0]
	d.auth = strings.TrimSuffix(r.urls[webSocket], "/ws") + "/auth_ws"
	d.env = []string{"INTEROP_PORT=" + port(t, r.urls[webSocket]), "INTEROP_PORT_TLS=" + port(t, addresses[1][webSocket])}
	return d
}

func port(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Port()
}

// examples returns the program that runs Autobahn's examples, and the folder with its
// source distribution.
func examples(t *testing.T) (python, source string) {
	t.Helper()
	if !(program{envExamples, envExamplesLack}).present(t, "autobahn-examples") {
		t.SkipNow()
	}
	python = os.Getenv(envExamples)
	return python, filepath.Join(filepath.Dir(filepath.Dir(python)), "source")
}

// script is a running Python program of Autobahn's.
type script struct {
	name    string
	program *exec.Cmd
	done    chan struct{} // closed when the program has ended
	err     error         // how it ended

	mu      sync.Mutex
	lines   []string
	rest    string
	read    int           // lines that expect has gone past
	changed chan struct{} // closed when there are more
}

// run starts an example, given by its path in the source distribution. env may say where
// the router is.
func (d *demo) run(t *testing.T, path string, env ...string) *script {
	t.Helper()
	_, source := examples(t)
	return startScript(t, filepath.Join(source, path), slices.Concat(d.env, env)...)
}

// startScript starts a Python program in its folder.
func startScript(t *testing.T, path string, env ...string) *script {
	t.Helper()
	python, _ := examples(t)
	hook, err := filepath.Abs("peers/autobahn_examples")
	require.NoError(t, err)
	s := &script{name: path, program: exec.Command(python, path), done: make(chan struct{}), changed: make(chan struct{})}
	s.program.Dir = filepath.Dir(path)
	s.program.Env = append(append(os.Environ(), "PYTHONUNBUFFERED=1", "PYTHONPATH="+hook), env...)
	s.program.Stdout, s.program.Stderr = s, s
	s.program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, s.program.Start())
	forget := remember(t, s.program.Process.Pid)
	go func() {
		s.err = s.program.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.program.Process.Pid, syscall.SIGKILL)
		<-s.done
		forget()
		if t.Failed() {
			t.Logf("%s printed:\n%s", s.name, s)
		}
	})
	return s
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := strings.Split(s.rest+string(p), "\n")
	s.rest = lines[len(lines)-1]
	s.lines = append(s.lines, lines[:len(lines)-1]...)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(p), nil
}

func (s *script) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(s.lines, s.rest), "\n")
}

// next returns the next line, and when to look again if there is none yet.
func (s *script) next() (line string, ok bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == len(s.lines) {
		return "", false, s.changed
	}
	s.read++
	return s.lines[s.read-1], true, nil
}

// expect waits for lines that end as the patterns say, in this order; there may be
// others between them. It returns the submatches of each.
func (s *script) expect(t *testing.T, patterns ...string) [][]string {
	t.Helper()
	var matches [][]string
	deadline := time.After(scriptTimeout)
	for _, pattern := range patterns {
		wanted := regexp.MustCompile("(?:^|[ :])" + pattern + `\s*$`)
		for ended := false; ; {
			line, ok, changed := s.next()
			if match := wanted.FindStringSubmatch(line); match != nil {
				matches = append(matches, match)
				break
			}
			if ok {
				continue
			}
			require.Falsef(t, ended, "%s has ended, %q is missing", s.name, pattern)
			select {
			case <-changed:
			case <-s.done:
				ended = true
			case <-deadline:
				require.FailNowf(t, "the example does not go on", "%s: %q is missing", s.name, pattern)
			}
		}
	}
	return matches
}

// ends waits until the example has ended by itself, without an error.
func (s *script) ends(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
		require.NoError(t, s.err, s.name)
	case <-time.After(scriptTimeout):
		require.FailNow(t, "the example does not end", s.name)
	}
}
