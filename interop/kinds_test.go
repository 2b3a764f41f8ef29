//go:build interop

package interop

import (
	"os"
	"testing"
)

// Environment that run.sh sets. A variable that names what is missing holds the
// reason, for example "node not found".
const (
	envRouter          = "INTEROP_CLOVERLEAF"
	envCrossbar        = "INTEROP_CROSSBAR"
	envCrossbarMissing = "INTEROP_CROSSBAR_MISSING"
	envPython          = "INTEROP_AUTOBAHN_PYTHON"
	envPythonMissing   = "INTEROP_AUTOBAHN_PYTHON_MISSING"
	envNode            = "INTEROP_AUTOBAHN_JS"
	envNodeMissing     = "INTEROP_AUTOBAHN_JS_MISSING"
	envNodeFlag        = "INTEROP_NODE_FLAG"
	envNodePath        = "INTEROP_NODE_PATH"
	envRunning         = "INTEROP_RUNNING"   // folder for a file per running router
	envAllPairs        = "INTEROP_ALL_PAIRS" // "true": all pairs on foreign routers too
)

const (
	webSocket = "websocket"
	rawSocket = "rawsocket"
)

// kind is an implementation of WAMP that can be a peer.
type kind struct {
	name  string
	start func(url, serializer, realm string) (peer, error)
	// missing tells why the kind cannot run here; empty if it can.
	missing string
	// serializers lists what the kind offers for each transport.
	serializers map[string][]string

	// losesNull: a result of one null cannot be told from an empty result.
	losesNull bool
	// losesInt53: integers beyond ±(2^53-1) may turn into floats or fail.
	losesInt53 bool
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

// requirePresent skips the test if the kind cannot run here; in continuous
// integration, where everything has to run, it fails instead.
func (k *kind) requirePresent(t *testing.T) {
	t.Helper()
	requireReason(t, k.name, k.missing)
}

func requireReason(t *testing.T, name, missing string) {
	t.Helper()
	switch {
	case missing == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %s", name, missing)
	default:
		t.Skipf("SKIP %s: %s", name, missing)
	}
}

// foreignKinds lists the implementations that are not ours.
func foreignKinds() []*kind {
	return []*kind{autobahnPython(), autobahnJS()}
}

func autobahnPython() *kind {
	return &kind{
		name:    "autobahn-python",
		missing: missing(envPython, envPythonMissing),
		start: func(url, serializer, realm string) (peer, error) {
			return startProgram(os.Getenv(envPython), []string{
				"peers/autobahn_python/peer.py", "--url", url, "--serializer", serializer, "--realm", realm,
			})
		},
		serializers: map[string][]string{
			webSocket: {"json", "msgpack", "cbor"},
			rawSocket: {"json", "msgpack", "cbor"},
		},
		interrupts:     true,
		interruptError: errRuntime,
	}
}

func autobahnJS() *kind {
	return &kind{
		name:    "autobahn-js",
		missing: missing(envNode, envNodeMissing),
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
		losesNull:  true,
		losesInt53: true,
	}
}

// missing tells why the program named by the variable path cannot run.
func missing(path, reason string) string {
	if os.Getenv(path) != "" {
		return ""
	}
	if text := os.Getenv(reason); text != "" {
		return text
	}
	return path + " is not set, use interop/run.sh"
}
