package examples_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// caseTimeout bounds a case on a machine that is busy with other things.
const caseTimeout = 90 * time.Second

// TestPrograms runs every example, each case with a router of its own and with another transport
// and other serializers than the case before.
func TestPrograms(t *testing.T) {
	t.Parallel()
	binary, err := examples.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	for i, c := range examples.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
			defer cancel()
			serializers := protocol.Serializers()
			setup := examples.Setup{
				URL:               newRouter(t)[i%2],
				Serializer:        serializers[i%3].String(),
				BackendSerializer: serializers[(i+i/3)%3].String(),
			}
			require.NoError(t, c.Run(ctx, binary, setup))
		})
	}
}

// newRouter starts a router as the command "cloverleaf router" does, and returns its URLs:
// WebSocket and RawSocket.
func newRouter(t *testing.T) []string {
	t.Helper()
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{
		Realms: []cloverleaf.RealmConfig{{Name: "realm1"}, {Name: "crossbardemo"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close(context.WithoutCancel(t.Context()))) })
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	return l.URLs()
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
