//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	programs "github.com/cloverleaf-wamp/cloverleaf/examples"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// exampleTimeout bounds one example on a loaded machine.
const exampleTimeout = 60 * time.Second

// TestOurExamplesOnCrossbar runs the examples of ours that need nothing special of a router, by
// WebSocket and by RawSocket.
func TestOurExamplesOnCrossbar(t *testing.T) {
	t.Parallel()
	type run struct {
		programs.Case
		transport, realm string
	}
	var runs []run
	var realms []string
	for i, c := range programs.Cases() {
		if c.Bare || c.Needs != programs.Plain {
			continue
		}
		for _, transport := range []string{webSocket, rawSocket} {
			// Several examples use the same URIs.
			realms = append(realms, fmt.Sprintf("example%d.%s", i, strings.ToLower(transport)))
			runs = append(runs, run{c, transport, realms[len(realms)-1]})
		}
	}
	require.Greater(t, len(runs), 40)
	binary, err := programs.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	urls := startCrossbarWithRealms(t, realms)
	serializers := protocol.Serializers()
	for i, r := range runs {
		t.Run(r.Name+"/"+r.transport, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), exampleTimeout)
			defer cancel()
			require.NoError(t, r.Run(ctx, binary, programs.Setup{
				URL: urls[r.transport], Realm: r.realm,
				Serializer: serializers[i%3].String(), BackendSerializer: serializers[(i+i/3)%3].String(),
			}))
		})
	}
}

// startCrossbarWithRealms starts a node of Crossbar.io whose realms are all like that of the other
// tests, and returns its URLs.
func startCrossbarWithRealms(t *testing.T, names []string) map[string]string {
	t.Helper()
	node := newCrossbar(t)
	file := filepath.Join(node.node, "config.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var config struct {
		Version int              `json:"version"`
		Workers []map[string]any `json:"workers"`
	}
	require.NoError(t, json.Unmarshal(text, &config))
	pattern := config.Workers[0]["realms"].([]any)[0].(map[string]any)
	var realms []any
	for _, name := range names {
		realms = append(realms, map[string]any{"name": name, "roles": pattern["roles"]})
	}
	config.Workers[0]["realms"] = realms
	text, err = json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return node.start(t).urls
}
