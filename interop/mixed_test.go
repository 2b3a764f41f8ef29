//go:build interop

package interop

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	programs "github.com/cloverleaf-wamp/cloverleaf/examples"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestMixedExamples plays the pairs that both sides have with one half of ours and one of
// Autobahn's, both ways.
func TestMixedExamples(t *testing.T) {
	t.Parallel()
	binary, err := programs.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	ours := programs.Cases()
	for n, e := range allExamples() {
		i := slices.IndexFunc(ours, func(c programs.Case) bool {
			return c.Program == strings.Replace(e.folder, "decorators", "methods", 1)
		})
		require.GreaterOrEqual(t, i, 0, "%s has no counterpart", e.folder)
		c := ours[i]
		transport := []string{webSocket, rawSocket}[n%2]
		serializer := protocol.Serializers()[n%3].String()
		t.Run("our frontend/"+e.folder, func(t *testing.T) {
			t.Parallel()
			e.serves(t, c, transport, binary, serializer)
		})
		t.Run("our backend/"+e.folder, func(t *testing.T) {
			t.Parallel()
			e.uses(t, c, transport, binary, serializer)
		})
	}
}

// serves runs Autobahn's backend with a frontend of ours.
func (e example) serves(t *testing.T, c programs.Case, transport, binary, serializer string) {
	t.Helper()
	d := startDemo(t)
	backend := d.run(t, "examples/twisted/wamp/"+e.folder+"/backend.py", "AUTOBAHN_DEMO_ROUTER="+d.urls[transport])
	if e.probe != "" {
		d.await(t, e.probe, e.args...)
	} else {
		backend.expect(t, ".*publish.*")
	}
	c.Backend = nil
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	require.NoError(t, c.Run(ctx, binary, programs.Setup{
		URL: d.urls[transport], Realm: demoRealm, Serializer: serializer,
		Interval: time.Second, // that of the backend
	}))
}

// uses runs Autobahn's frontend with a backend of ours.
func (e example) uses(t *testing.T, c programs.Case, transport, binary, serializer string) {
	t.Helper()
	d := startDemo(t)
	want := slices.Clone(e.frontend)
	differs := strings.NewReplacer(
		"publisher None", `publisher \d+`, // ours says who it is
		regexp.QuoteMeta(`{'min': 3, 'max': 10}`), `{'m(?:in|ax)': \d+, 'm(?:in|ax)': \d+}`, // a Go map has no order
	)
	for i := range want {
		want[i] = differs.Replace(want[i])
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	require.NoError(t, c.Run(ctx, binary, programs.Setup{
		URL: d.urls[transport], Realm: demoRealm, BackendSerializer: serializer,
		Frontend: func(context.Context) error {
			frontend := d.run(t, "examples/twisted/wamp/"+e.folder+"/frontend.py", "AUTOBAHN_DEMO_ROUTER="+d.urls[transport])
			frontend.expect(t, want...)
			if !e.endless && !e.endlessTwisted {
				frontend.ends(t)
			}
			return nil
		},
	}))
}
