package load

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const patience = 20 * time.Second

// A publisher that leaves numbers out, repeats some, and sends others late.
func TestRunNoticesFaultsOfEvents(t *testing.T) {
	t.Parallel()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	require.NoError(t, err)
	end := func(close func(context.Context) error) {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
			defer cancel()
			_ = close(ctx)
		})
	}
	end(router.Close)
	component := cloverleaf.Config{Realm: "realm1", Transports: []cloverleaf.Transport{router.Transport()}}
	publisher, err := cloverleaf.NewComponent(component)
	require.NoError(t, err)
	require.NoError(t, publisher.Start(t.Context()))
	end(publisher.Stop)
	s, err := publisher.Ready(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	come := 0
	rep, err := Run(ctx, Config{
		Mode: PubSub, Component: component, Receivers: 1, InFlight: 1, URI: "com.example.topic",
		Progress: func(p Progress) {
			if come += int(p.PerSecond * tick.Seconds()); come == 5 { // all but the one that came twice
				cancel()
			}
			if p.Phase != "measuring" || !p.Begun {
				return
			}
			_, _ = s.Publish(ctx, "com.example.topic", session.Args("nonsense"))
			for _, n := range []int{5, 6, 6, 9, 8, 10} { // 7 is lost
				_, _ = s.Publish(ctx, "com.example.topic", session.Args(77, n, 0))
			}
		},
	})
	require.NoError(t, err)
	require.EqualError(t, rep.Err(), "1 lost, 1 twice, 1 out of order, 1 corrupt")
	require.EqualValues(t, 5, rep.Operations)
	require.False(t, rep.Interrupted, "there was no time to be measured")
}
