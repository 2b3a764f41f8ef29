package examples_test

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// caseTimeout bounds a case on a machine that is busy with other things.
const caseTimeout = 90 * time.Second

// TestPrograms runs every example, each case with a router of its own and with another transport
// and other serializers than the case before.
func TestPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, err := examples.Build(t.Context(), dir)
	require.NoError(t, err)
	for i, c := range examples.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
			defer cancel()
			setup := setups[c.Needs](t, binary, i%2)
			serializers := protocol.Serializers()
			setup.Serializer = serializers[i%3].String()
			setup.BackendSerializer = serializers[(i+i/3)%3].String()
			require.NoError(t, c.Run(ctx, binary, setup))
		})
	}
}

// setups start the routers that cases need. transport chooses WebSocket or RawSocket, if there is
// a choice; binary is the one of all programs.
var setups = map[examples.Router]func(t *testing.T, binary string, transport int) examples.Setup{
	examples.Plain:   plain,
	examples.Realms:  plain,
	examples.Nowhere: nowhere,
	examples.Tickets: tickets,
	examples.History: history,
	examples.Unix:    unix,
	examples.Auth: func(t *testing.T, binary string, _ int) examples.Setup {
		return examples.Setup{URL: startDemo(t, binary, "").plain + "/auth_ws"}
	},
	examples.TLS: func(t *testing.T, binary string, _ int) examples.Setup {
		ca := filepath.Join(t.TempDir(), "demo.pem")
		return examples.Setup{URL: startDemo(t, binary, ca).secure + "/ws", CA: ca}
	},
}

func plain(t *testing.T, _ string, transport int) examples.Setup {
	r := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1"}, {Name: "crossbardemo"}}})
	return examples.Setup{URL: listen(t, r, "127.0.0.1:0")[transport]}
}

func nowhere(*testing.T, string, int) examples.Setup {
	return examples.Setup{URL: "ws://127.0.0.1:1/ws"}
}

func tickets(t *testing.T, _ string, transport int) examples.Setup {
	r := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name:           "crossbardemo",
		Authenticators: []router.Authenticator{router.Tickets{"joe": {Ticket: "s3cr3t", Role: "user"}}},
	}}})
	return examples.Setup{URL: listen(t, r, "127.0.0.1:0")[transport]}
}

func history(t *testing.T, _ string, transport int) examples.Setup {
	r := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "crossbardemo", History: []router.HistoryConfig{{Topic: "com.example.history"}},
	}}})
	return examples.Setup{URL: listen(t, r, "127.0.0.1:0")[transport]}
}

func unix(t *testing.T, _ string, _ int) examples.Setup {
	r := newRouter(t, cloverleaf.RouterConfig{})
	socket := filepath.Join(t.TempDir(), "wamp.sock")
	listen(t, r, "unix:"+socket)
	return examples.Setup{URL: listen(t, r, "127.0.0.1:0")[1], BackendURL: "rs+unix://" + socket}
}

func newRouter(t *testing.T, cfg cloverleaf.RouterConfig) *cloverleaf.Router {
	t.Helper()
	r, err := cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close(context.WithoutCancel(t.Context()))) })
	return r
}

// listen returns the URLs for WebSocket and RawSocket.
func listen(t *testing.T, r *cloverleaf.Router, addr string) []string {
	t.Helper()
	l, err := r.Listen(t.Context(), addr)
	require.NoError(t, err)
	return l.URLs()
}

// demo is the command "cloverleaf router --demo".
type demo struct{ plain, secure string } // URLs without a path

var listening = regexp.MustCompile(`^listening on (wss?://[^/]+)/`)

func startDemo(t *testing.T, binary, cert string) demo {
	t.Helper()
	args := []string{examples.Command, "router", "--demo", "--listen", "127.0.0.1:0", "--demo-tls", "127.0.0.1:0"}
	if cert != "" {
		args = append(args, "--demo-cert", cert)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_, _ = io.Copy(io.Discard, stdout)
		require.NoError(t, cmd.Wait())
	})
	var d demo
	for (d.plain == "" || d.secure == "") && lines.Scan() {
		if match := listening.FindStringSubmatch(lines.Text()); match != nil {
			d.plain, d.secure = d.secure, match[1] // TLS comes last
		}
	}
	require.NotEmpty(t, d.plain, "the router has not said where it listens")
	return d
}

// TestEveryProgramHasACase keeps the table complete.
func TestEveryProgramHasACase(t *testing.T) {
	t.Parallel()
	programs, err := examples.Programs(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, programs)
	var names, tested []string
	for _, c := range examples.Cases() {
		names = append(names, c.Name)
		tested = append(tested, c.Program)
	}
	for _, p := range programs {
		require.Contains(t, tested, p, "give the program a case")
	}
	slices.Sort(names)
	require.Equal(t, slices.Compact(slices.Clone(names)), names, "names of cases are unique")
}
