package actors

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// What functions of the user return because their session has ended is no failure of theirs, also
// when they are faster than the news of the end.
func TestEndedSessionIsNoFault(t *testing.T) {
	waits := func(ctx context.Context, _ *session.Session) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, prepare := range map[string]func(*testComponent){
		"main":     func(c *testComponent) { c.cfg.Main = waits },
		"listener": func(c *testComponent) { c.cfg.Listeners.OnJoin(waits) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				f := newFakeRouter(nil, welcome)
				c := newTestComponent(t, h, f.transport())
				prepare(c)
				c.cfg.Restarts = supervisor.Intensity{Window: time.Hour} // none
				c.cfg.OnSession = func(s *session.Session) {
					if s == nil {
						settleAlone(time.Second) // the component is told after this
					}
				}
				c.start()
				for range 3 {
					settle(10 * time.Second)
					f.last().pipe.Close(errors.New("the cable is cut"))
				}
				settle(10 * time.Second)
				require.Equal(t, 5, f.attempts(), "one was refused, and each session was followed by another")
				require.NoError(t, c.stop())
			})
		})
	}
}
