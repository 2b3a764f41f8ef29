package supervisortest

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// recorder is a testing.TB that keeps what would have failed the test.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

func TestCrasherFailsTheTestWhenStartedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sys, rec := newSystem(), &recorder{TB: t}
		c := NewCrasher(rec)

		first := sys.Root.Spawn(c.Props())
		synctest.Wait()
		sys.Root.Stop(first)
		synctest.Wait()
		require.False(t, c.Up())
		sys.Root.Spawn(c.Props())
		synctest.Wait()
		require.Empty(t, rec.errors, "one after the other is allowed")

		sys.Root.Spawn(c.Props())
		synctest.Wait()
		require.Len(t, rec.errors, 1)
		require.Contains(t, rec.errors[0], c.PID().Id)
	})
}

func TestCrasherFollowsItsPlan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sys := newSystem()
		var reasons []any
		sys.EventStream.Subscribe(func(ev any) {
			if s, ok := ev.(*actor.SupervisorEvent); ok {
				reasons = append(reasons, s.Reason)
			}
		})
		errPlanned, errSent := errors.New("planned"), errors.New("sent")
		c := NewCrasher(t, errPlanned, &Panic{Value: "boom"}, nil)

		pid := sys.Root.Spawn(c.Props()) // the default strategy restarts it at once
		synctest.Wait()
		require.Equal(t, []any{errPlanned, "boom"}, reasons)
		require.Len(t, c.Starts(), 3)
		require.Len(t, c.Stops(), 2)
		require.True(t, c.Up())

		sys.Root.Send(pid, &Fail{Err: errSent})
		synctest.Wait()
		require.Equal(t, []any{errPlanned, "boom", errSent}, reasons)
		require.Len(t, c.Starts(), 4)
		require.True(t, c.Up())
	})
}
