//go:build interop

package interop

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Environment that run.sh sets: paths of programs, and why one is missing, for
// example "node not found".
const (
	envRouter        = "INTEROP_CLOVERLEAF"
	envCrossbar      = "INTEROP_CROSSBAR"
	envPython        = "INTEROP_AUTOBAHN_PYTHON"
	envPythonMissing = "INTEROP_AUTOBAHN_PYTHON_MISSING"
	envNode          = "INTEROP_AUTOBAHN_JS"
	envNodeMissing   = "INTEROP_AUTOBAHN_JS_MISSING"
	envNodeFlag      = "INTEROP_NODE_FLAG"
	envNodePath      = "INTEROP_NODE_PATH"
	envExamples      = "INTEROP_AUTOBAHN_EXAMPLES"
	envExamplesLack  = "INTEROP_AUTOBAHN_EXAMPLES_MISSING"
	envRunning       = "INTEROP_RUNNING"   // folder for a file per running router
	envAllPairs      = "INTEROP_ALL_PAIRS" // "true": all pairs on foreign routers too
)

const (
	webSocket = "websocket"
	rawSocket = "rawsocket"
)

// kind is an implementation of WAMP that can be a peer.
type kind struct {
	name  string
	start func(url, serializer, realm string) (peer, error)
	// needs names the variables with the path of the program and with the reason
	// why it is missing; nothing if it needs no program.
	needs program
	// serializers lists what the kind offers for each transport.
	serializers map[string][]string

	// losesNull: a result of one null cannot be told from an empty result.
	losesNull bool
	// losesInt53: integers beyond ±(2^53-1) may turn into floats or fail.
	losesInt53 bool
	// ours: the implementation under test.
	ours bool
	// cancelModes lists the modes in which the kind can cancel a call; "" stands
	// for the one that it chooses itself.
	cancelModes []string
	// interrupts: a running procedure can be interrupted.
	interrupts bool
	// interruptError is what an interrupted procedure answers instead of
	// wamp.error.canceled; a caller with cancel mode kill gets to see it.
	interruptError string
}

// cell is one way for a kind to connect.
type cell struct {
	*kind
	transport, serializer string
}

func (c cell) String() string { return c.name + "/" + c.transport + "/" + c.serializer }

// first tells whether the cell is the first one of its kind.
func (c cell) first() bool { return c.String() == c.cells()[0].String() }

// cells lists every way for the kind to connect.
func (k *kind) cells() []cell {
	var all []cell
	for _, transport := range []string{webSocket, rawSocket} {
		for _, serializer := range k.serializers[transport] {
			all = append(all, cell{kind: k, transport: transport, serializer: serializer})
		}
	}
	return all
}

// allKinds lists the implementations that are here, ours last.
func allKinds(t *testing.T) []*kind {
	t.Helper()
	kinds := []*kind{autobahnPython(), autobahnJS(), ours()}
	return slices.DeleteFunc(kinds, func(k *kind) bool { return !k.needs.present(t, k.name) })
}

func autobahnPython() *kind {
	return &kind{
		name:  "autobahn-python",
		needs: program{envPython, envPythonMissing},
		start: func(url, serializer, realm string) (peer, error) {
			return startProgram(os.Getenv(envPython), []string{
				"peers/autobahn_python/peer.py", "--url", url, "--serializer", serializer, "--realm", realm,
			})
		},
		serializers: map[string][]string{
			webSocket: {"json", "msgpack", "cbor"},
			rawSocket: {"json", "msgpack", "cbor"},
		},
		cancelModes:    []string{""},
		interrupts:     true,
		interruptError: errRuntime,
	}
}

func autobahnJS() *kind {
	return &kind{
		name:  "autobahn-js",
		needs: program{envNode, envNodeMissing},
		start: func(url, serializer, realm string) (peer, error) {
			args := []string{"--no-warnings"}
			if flag := os.Getenv(envNodeFlag); flag != "" {
				args = append(args, flag)
			}
			args = append(args, "peers/autobahn_js/peer.js", "--url", url, "--serializer", serializer, "--realm", realm)
			return startProgram(os.Getenv(envNode), args, "NODE_PATH="+os.Getenv(envNodePath))
		},
		serializers: map[string][]string{
			webSocket: {"json", "msgpack", "cbor"},
			rawSocket: {"json"},
		},
		cancelModes: []string{"kill"},
		losesNull:   true,
		losesInt53:  true,
	}
}

// program is a pair of variables that run.sh sets: the path of a program, or why
// it could not be installed.
type program struct{ path, missing string }

// present tells whether the program is there. It is false only if run.sh has
// said, and shown, why it is not; without run.sh the test fails.
func (p program) present(t *testing.T, name string) bool {
	t.Helper()
	if p.path == "" || os.Getenv(p.path) != "" {
		return true
	}
	reason := os.Getenv(p.missing)
	require.NotEmptyf(t, reason, "%s is not set: use interop/run.sh", p.path)
	t.Logf("without %s: %s", name, reason)
	return false
}
