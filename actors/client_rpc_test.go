package actors

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// TestClientOverAllLinks has a component call itself over every transport and serializer.
func TestClientOverAllLinks(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	for _, l := range links() {
		t.Run(l.String(), func(t *testing.T) {
			c := newTestComponent(t, g.host, g.transport(l))
			events := make(chan int, 10)
			c.register("com.add", func(x, y int) int { return x + y })
			c.register("com.echo", func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
				args, err := inv.Args()
				if err != nil {
					return session.Reply{}, err
				}
				kwargs, err := inv.KwArgs()
				return session.Reply{Args: args, KwArgs: kwargs}, err
			})
			c.subscribe("com.counter", func(n int) { events <- n })
			s := c.join()
			ctx := t.Context()
			sum, err := session.Call[int](ctx, s, "com.add", 2, 3)
			require.NoError(t, err)
			require.Equal(t, 5, sum)
			res, err := s.Call(ctx, "com.echo", session.Args([]byte{1, 0, 255}, "text", 1<<53, nil, []any{true}),
				session.KwArgs(map[string]any{"k": map[string]any{"deep": 1.5}}))
			require.NoError(t, err)
			args, err := res.Args()
			require.NoError(t, err)
			require.Equal(t, []any{[]byte{1, 0, 255}, "text", int64(1 << 53), nil, []any{true}}, args)
			kwargs, err := res.KwArgs()
			require.NoError(t, err)
			require.Equal(t, map[string]any{"k": map[string]any{"deep": 1.5}}, kwargs)

			_, err = s.Publish(ctx, "com.counter", session.Args(7), session.Acknowledge())
			require.NoError(t, err)
			id, err := s.Publish(ctx, "com.counter", session.Args(8), session.ExcludeMe(false), session.Acknowledge())
			require.NoError(t, err)
			require.NotZero(t, id)
			require.Equal(t, 8, <-events)

			_, err = s.Call(ctx, "com.nowhere")
			require.Equal(t, protocol.ErrorNoSuchProcedure, session.ErrorURI(err))
			require.Equal(t, l.ser, s.Details().Serializer)
			require.NoError(t, s.Leave(ctx))
			require.NoError(t, c.wait())
			require.Equal(t, []string{"Started", "AttemptScheduled", "Connected", "Joined", "Ready", "Left", "Disconnected", "Stopped"}, c.trace())
		})
	}
}
