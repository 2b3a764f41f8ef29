package cloverleaf_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	cloverleaf "github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// newRouter returns a router that ends with the test.
func newRouter(t *testing.T) *cloverleaf.Router {
	t.Helper()
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience) //nolint:usetesting // t.Context is done in Cleanup
		defer cancel()
		require.NoError(t, r.Close(ctx))
	})
	return r
}

// inProcess is a transport to a router of this process.
func inProcess(r *cloverleaf.Router) []cloverleaf.Transport {
	t := r.Transport()
	t.Backoff = supervisor.Backoff{Initial: time.Millisecond, Max: time.Millisecond}
	return []cloverleaf.Transport{t}
}

func newComponent(t *testing.T, cfg cloverleaf.Config) *cloverleaf.Component {
	t.Helper()
	if cfg.Realm == "" {
		cfg.Realm = "realm1"
	}
	c, err := cloverleaf.NewComponent(cfg)
	require.NoError(t, err)
	return c
}

func TestStartStopRestart(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	c := newComponent(t, cloverleaf.Config{Name: "adder", Transports: inProcess(r)})
	c.Register("com.add", func(x, y int) int { return x + y })
	ctx := t.Context()
	require.Equal(t, "adder", c.Name())
	require.Nil(t, c.PID())
	require.NoError(t, c.Stop(ctx), "not started")
	require.ErrorIs(t, c.Wait(), cloverleaf.ErrNotStarted)
	_, err := c.Ready(ctx)
	require.ErrorIs(t, err, cloverleaf.ErrNotStarted)
	_, ok := c.Session()
	require.False(t, ok)
	for range 2 {
		require.NoError(t, c.Start(ctx))
		require.ErrorIs(t, c.Start(ctx), cloverleaf.ErrStarted)
		s, err := c.Ready(ctx)
		require.NoError(t, err)
		current, ok := c.Session()
		require.True(t, ok)
		require.Same(t, s, current)
		require.NotNil(t, c.PID())
		sum, err := session.Call[int](ctx, s, "com.add", 2, 3)
		require.NoError(t, err)
		require.Equal(t, 5, sum)
		require.NoError(t, c.Stop(ctx))
		require.NoError(t, c.Stop(ctx))
		require.NoError(t, c.Wait())
		_, ok = c.Session()
		require.False(t, ok)
		_, err = c.Ready(ctx)
		require.ErrorIs(t, err, session.ErrClosed)
	}
}

func TestContextEndsComponent(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	c := newComponent(t, cloverleaf.Config{Transports: inProcess(r)})
	left := make(chan error, 1)
	c.OnLeave(func(ctx context.Context, _ *session.Session, _ error) { left <- ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, c.Start(ctx))
	_, err := c.Ready(ctx)
	require.NoError(t, err)
	cancel()
	require.NoError(t, c.Wait())
	require.NoError(t, <-left, "listeners at the end still have a context")
}

func TestReadyGivesUp(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	c := newComponent(t, cloverleaf.Config{Transports: []cloverleaf.Transport{{
		Pipe: func(context.Context) (*transport.PipeEnd, error) { return nil, refused }, Backoff: supervisor.Backoff{Initial: time.Hour},
	}}})
	require.NoError(t, c.Start(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Ready(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, c.Stop(t.Context()))
}

func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	running, release := make(chan struct{}), make(chan struct{})
	c := newComponent(t, cloverleaf.Config{
		Transports: inProcess(r),
		Main: func(context.Context, *session.Session) error {
			close(running)
			<-release // does not listen
			return nil
		},
	})
	require.NoError(t, c.Start(t.Context()))
	<-running
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Stop(ctx), context.DeadlineExceeded)
	close(release)
}

func TestDeclarationErrors(t *testing.T) {
	t.Parallel()
	c := newComponent(t, cloverleaf.Config{})
	good := c.Register("com.good", func() {})
	require.NoError(t, good.Err())
	bad := c.Register("com..bad", func() {})
	require.Equal(t, protocol.ErrorInvalidURI, session.ErrorURI(bad.Err()))
	bad.Remove() // does no harm
	again := c.Register("com.good", func() {})
	require.EqualError(t, again.Err(), `procedure "com.good": is declared already`)
	again.Remove()
	good.Remove()
	require.NoError(t, c.Register("com.good", func() {}).Err())
	require.NoError(t, c.Register("com.good", func() {}, session.Prefix()).Err())
	require.NoError(t, c.Subscribe("com.good", func() {}).Err())
	require.NoError(t, c.Subscribe("com.good", func() {}).Err(), "topics may have several handlers")
	c.Subscribe("com.topic", func(chan int) {})
	c.RegisterActor("com.actor", "not an actor")
	c.SubscribeActor("com.actor", (*actor.PID)(nil))
	for _, err := range []error{c.Check(), c.Start(t.Context()), cloverleaf.Run(t.Context(), c)} {
		for _, want := range []string{`"com..bad"`, "com.topic", "chan int cannot be decoded", "com.actor", "not string", "neither a PID nor Props"} {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	_, err := cloverleaf.NewComponent(cloverleaf.Config{Name: "broken", Transports: cloverleaf.URLs("ws://localhost/", "http://localhost")})
	require.ErrorContains(t, err, "component broken")
	require.ErrorContains(t, err, "realm: missing")
	require.ErrorContains(t, err, "transports[1]")
	require.ErrorContains(t, err, `scheme "http"`)
	c := newComponent(t, cloverleaf.Config{})
	require.NotEmpty(t, c.Name(), "without transports there is a default")
}

func TestDeclareAndRemove(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	c := newComponent(t, cloverleaf.Config{Transports: inProcess(r)})
	ctx := t.Context()
	require.NoError(t, c.Start(ctx))
	s, err := c.Ready(ctx)
	require.NoError(t, err)
	d := c.Register("com.late", func() int { return 7 })
	call := func() error {
		_, err := session.Call[int](ctx, s, "com.late")
		return err
	}
	require.Eventually(t, func() bool { return call() == nil }, patience, time.Millisecond)
	d.Remove()
	require.Eventually(t, func() bool { return session.ErrorURI(call()) == protocol.ErrorNoSuchProcedure }, patience, time.Millisecond)
	require.NoError(t, c.Stop(ctx))
}

func TestActorsInOwnSystem(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{System: system})
	require.Same(t, system, rt.System())
	events := make(chan int, 1)
	props := actor.PropsFromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actors.Invocation:
			var x int
			if err := m.Decode(&x); err != nil {
				ctx.Respond(err)
				return
			}
			ctx.Respond(x * x)
		case *actors.Event:
			var x int
			if m.Decode(&x) == nil {
				events <- x
			}
		}
	})
	pid := system.Root.Spawn(props)
	defer system.Root.Stop(pid)
	c := newComponent(t, cloverleaf.Config{Transports: inProcess(r)})
	c.RegisterActor("com.square", props)
	c.RegisterActor("com.square2", pid)
	c.RegisterActor("com.square3", actors.Spawn(props))
	c.SubscribeActor("com.topic", pid)
	ctx := t.Context()
	require.NoError(t, rt.Start(ctx, c))
	require.Equal(t, []*cloverleaf.Component{c}, rt.Components())
	s, err := c.Ready(ctx)
	require.NoError(t, err)
	for _, uri := range []string{"com.square", "com.square2", "com.square3"} {
		got, err := session.Call[int](ctx, s, uri, 7)
		require.NoError(t, err)
		require.Equal(t, 49, got)
	}
	_, err = s.Publish(ctx, "com.topic", session.Args(3), session.ExcludeMe(false))
	require.NoError(t, err)
	require.Equal(t, 3, <-events)
	require.NoError(t, rt.Stop(ctx))
	require.Empty(t, rt.Components())
	require.ErrorIs(t, rt.Start(ctx, c), cloverleaf.ErrStopped)
	require.NotNil(t, system.Root.Spawn(props), "the system goes on")
}

// TestRunIsolates: one component that fails does not touch another.
func TestRunIsolates(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	bad := newComponent(t, cloverleaf.Config{Name: "bad", Realm: "nowhere", Transports: inProcess(r)})
	release := make(chan struct{})
	good := newComponent(t, cloverleaf.Config{Name: "good", Transports: inProcess(r), Main: func(ctx context.Context, s *session.Session) error {
		<-release
		return s.Err()
	}})
	result := make(chan error, 1)
	go func() { result <- cloverleaf.Run(t.Context(), bad, good) }()
	require.Eventually(t, func() bool {
		_, joined := good.Session()
		return joined && bad.PID() == nil
	}, patience, time.Millisecond)
	require.Empty(t, result)
	close(release)
	err := <-result
	require.ErrorContains(t, err, "component bad")
	require.Equal(t, protocol.ErrorNoSuchRealm, session.ErrorURI(err))
	require.NotContains(t, err.Error(), "good")
}

// TestRunSignal: SIGTERM says GOODBYE, also if the program has a context that ends with it. It must not run beside other
// tests that wait for signals.
func TestRunSignal(t *testing.T) {
	t.Run("by itself", func(t *testing.T) { requireGoodbyeBySignal(t, t.Context()) })
	t.Run("with a context", func(t *testing.T) {
		ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
		defer stop()
		requireGoodbyeBySignal(t, ctx)
	})
}

func requireGoodbyeBySignal(t *testing.T, ctx context.Context) {
	t.Helper()
	r := newRouter(t)
	var mu sync.Mutex
	var left []string
	var components []*cloverleaf.Component
	var units []cloverleaf.Runnable
	for _, name := range []string{"a", "b"} {
		c := newComponent(t, cloverleaf.Config{Name: name, Transports: inProcess(r)})
		c.OnLeave(func(_ context.Context, _ *session.Session, reason error) {
			mu.Lock()
			defer mu.Unlock()
			left = append(left, string(session.ErrorURI(reason)))
		})
		components, units = append(components, c), append(units, c)
	}
	result := make(chan error, 1)
	go func() { result <- cloverleaf.Run(ctx, units...) }()
	for _, c := range components {
		require.Eventually(t, func() bool { _, ok := c.Session(); return ok }, patience, time.Millisecond)
	}
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGTERM))
	require.NoError(t, <-result)
	require.Equal(t, []string{string(protocol.CloseGoodbyeAndOut), string(protocol.CloseGoodbyeAndOut)}, left)
}

// TestSeries: components that come and go leave nothing behind, also with a router that closes.
func TestSeries(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
	ctx := t.Context()
	for range 20 {
		var wg sync.WaitGroup
		for range 10 {
			c := newComponent(t, cloverleaf.Config{Transports: inProcess(r), Main: func(ctx context.Context, s *session.Session) error {
				_, err := s.Publish(ctx, "com.hello", session.Acknowledge())
				return err
			}})
			require.NoError(t, rt.Start(ctx, c))
			wg.Go(func() { require.NoError(t, c.Wait()) })
		}
		wg.Wait()
	}
	require.NoError(t, rt.Stop(ctx))
	require.Eventually(t, func() bool { return r.Sessions() == 0 }, patience, time.Millisecond)
}
