package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
)

const want = `joined realm1
the bank is open
alice has 120
mallory fails with com.example.error.no_such_account
left
`

func TestActorSystemInProcess(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(t.Context(), "", "realm1", &out))
	require.Equal(t, want, out.String())
}

func TestActorSystemOverSockets(t *testing.T) {
	t.Parallel()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	require.NoError(t, err)
	defer func() { require.NoError(t, router.Close(t.Context())) }()
	listener, err := router.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	for _, url := range listener.URLs() {
		var out strings.Builder
		require.NoError(t, run(t.Context(), url, "realm1", &out), url)
		require.Equal(t, want, out.String(), url)
	}
}
