package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

var errBroken = errors.New("broken")

// puppet is a component that does what the test says: Main returns what end is given.
type puppet struct {
	*observed
	play *play
	end  chan error
}

// newPuppet returns one that writes when it joins and when it leaves into the journal.
func newPuppet(t *testing.T, j *journal, cfg cloverleaf.Config) *puppet {
	t.Helper()
	p := &puppet{play: perform(polite), end: make(chan error)}
	cfg.Main = func(ctx context.Context, _ *session.Session) error {
		select {
		case err := <-p.end:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	p.observed = observe(t, cfg, p.play.transport())
	p.OnJoin(func(context.Context, *session.Session) error { j.add("%s joined", cfg.Name); return nil })
	p.OnLeave(func(context.Context, *session.Session, error) { j.add("%s left", cfg.Name) })
	return p
}

// fail ends Main with an error that ends the component, and lets everything that comes at once happen.
func (p *puppet) fail() { p.finish(supervisor.Permanent(errBroken)) }

func (p *puppet) finish(err error) {
	p.end <- err
	synctest.Wait()
}

func newGroup(t *testing.T, cfg cloverleaf.GroupConfig, members ...cloverleaf.Runnable) *cloverleaf.Group {
	t.Helper()
	if cfg.Backoff == (supervisor.Backoff{}) {
		cfg.Backoff = patient
	}
	g, err := cloverleaf.NewGroup(cfg, members...)
	require.NoError(t, err)
	return g
}

// TestRestartPolicy: whether a component that ran by itself is started again when it has ended.
func TestRestartPolicy(t *testing.T) {
	t.Parallel()
	refused := supervisor.Permanent(errBroken)
	tests := []struct {
		restart supervisor.RestartType
		end     error
		again   bool
	}{
		{supervisor.RestartDefault, nil, false},
		{supervisor.RestartDefault, refused, false},
		{supervisor.RestartTemporary, nil, false},
		{supervisor.RestartTemporary, refused, false},
		{supervisor.RestartTransient, nil, false},
		{supervisor.RestartTransient, refused, true},
		{supervisor.RestartPermanent, nil, true},
		{supervisor.RestartPermanent, refused, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.restart, " ", tt.end), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p := newPuppet(t, new(journal), cloverleaf.Config{Name: "p", Restart: supervisor.RestartPolicy{Type: tt.restart, Backoff: patient}})
				s := p.join()
				pid := p.PID()
				p.finish(tt.end)
				if !tt.again {
					require.ErrorIs(t, p.Wait(), tt.end)
					pass(time.Hour)
					require.Equal(t, 1, p.play.attempts())
					return
				}
				require.ErrorIs(t, p.Start(t.Context()), cloverleaf.ErrStarted, "it is about to be started")
				start := time.Now()
				p.next(s)
				require.Equal(t, time.Second, time.Since(start))
				require.NotSame(t, pid, p.PID())
				require.Len(t, happened[*supervisor.Restarted](p.observed), 1)
				p.stop()
				require.NoError(t, p.Wait(), "it was stopped")
				pass(time.Hour)
				require.Equal(t, 2, p.play.attempts(), "for good")
			})
		})
	}
}

// TestRestartPolicyLimits: at the limit and past it, and a stop while it waits.
func TestRestartPolicyLimits(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := perform(turnsAway(protocol.ErrorNoSuchRealm))
		c := observe(t, cloverleaf.Config{Name: "p", Restart: supervisor.RestartPolicy{
			Type: supervisor.RestartTransient, Backoff: patient, Intensity: supervisor.Intensity{MaxRestarts: 2, Window: time.Minute},
		}}, r.transport())
		for range 2 {
			c.start()
			err := c.Wait()
			var spent *supervisor.IntensityError
			require.ErrorAs(t, err, &spent)
			require.Equal(t, "p", spent.Child)
			require.Equal(t, protocol.ErrorNoSuchRealm, session.ErrorURI(err))
			require.ErrorContains(t, err, "component p: ")
			require.ErrorIs(t, c.Stop(t.Context()), spent)
		}
		require.Equal(t, 6, r.attempts())
		c.start()
		pass(1500 * time.Millisecond) // in the second delay
		start := time.Now()
		c.stop()
		require.Equal(t, start, time.Now())
		pass(time.Hour)
		require.Equal(t, 8, r.attempts())
	})
}

// TestWatchOverRestarts: a watcher hears of all lives, and what is declared between two is there in
// the next.
func TestWatchOverRestarts(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := newPuppet(t, new(journal), cloverleaf.Config{Name: "p", Restart: supervisor.RestartPolicy{Type: supervisor.RestartPermanent, Backoff: patient}})
		rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
		seen := new(journal)
		pid := rt.System().Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *actors.Started, *actors.Ready:
				seen.add("%T", m)
			case *actors.Ended:
				seen.add("%T %v", m, m.Err)
			}
		}))
		unwatch := p.Watch(pid)
		require.NoError(t, rt.Start(t.Context(), p))
		s := p.next(nil)
		p.fail()
		d := p.Register("com.late", func() {})
		require.NoError(t, d.Err())
		s = p.next(s)
		require.Len(t, sent[*protocol.Register](p.play.last()), 1)
		synctest.Wait()
		require.Equal(t, []string{
			"*actors.Started", "*actors.Ready", "*actors.Ended main: broken", "*actors.Started", "*actors.Ready",
		}, seen.all())
		unwatch()
		d.Remove()
		p.fail()
		p.next(s)
		require.Empty(t, sent[*protocol.Register](p.play.last()))
		require.Len(t, seen.all(), 5)
		rt.System().Root.Stop(pid)
		require.NoError(t, rt.Stop(t.Context()))
	})
}

// TestGroupLife: start in order, ready, restart, stop in reverse order, and all of it again.
func TestGroupLife(t *testing.T) {
	virtual(t, func(t *testing.T) {
		j := new(journal)
		a, b, c := newPuppet(t, j, cloverleaf.Config{Name: "a"}), newPuppet(t, j, cloverleaf.Config{Name: "b"}), newPuppet(t, j, cloverleaf.Config{Name: "c"})
		g := newGroup(t, cloverleaf.GroupConfig{Name: "g", Strategy: supervisor.OneForAll, Ordered: true}, a, b, c)
		ctx := t.Context()
		require.ErrorIs(t, g.WaitReady(ctx), cloverleaf.ErrNotStarted)
		require.ErrorIs(t, g.Wait(), cloverleaf.ErrNotStarted)
		require.NoError(t, g.Stop(ctx))
		require.Nil(t, g.PID())
		for i := range 2 {
			require.NoError(t, g.Start(ctx))
			require.NoError(t, g.WaitReady(ctx))
			synctest.Wait()
			require.Equal(t, "group/g", g.PID().Id)
			require.Equal(t, "group/g/b", b.PID().Id)
			require.ErrorIs(t, g.Start(ctx), cloverleaf.ErrStarted)
			require.ErrorIs(t, b.Start(ctx), cloverleaf.ErrStarted)
			b.fail()
			_, ready := a.Session()
			require.False(t, ready)
			require.ErrorIs(t, b.Start(ctx), cloverleaf.ErrStarted, "between two lives as well")
			pass(time.Second)
			require.NoError(t, g.WaitReady(ctx))
			require.NoError(t, g.Stop(ctx))
			require.NoError(t, g.Stop(ctx))
			require.NoError(t, g.Wait())
			require.NoError(t, b.Wait())
			require.Nil(t, b.PID())
			require.Equal(t, []string{
				"a joined", "b joined", "c joined", "b left", "c left", "a left",
				"a joined", "b joined", "c joined", "c left", "b left", "a left",
			}, j.all()[12*i:])
		}
		b.join() // alone
		require.ErrorIs(t, g.Start(ctx), cloverleaf.ErrStarted)
		require.ErrorContains(t, g.Start(ctx), "group g: ")
		require.ErrorContains(t, g.Start(ctx), "component b: already started")
		b.stop()
		a.join() // it was not kept by the group that did not start
		a.stop()
	})
}

// TestGroupErrors have the names of all that failed for good.
func TestGroupErrors(t *testing.T) {
	virtual(t, func(t *testing.T) {
		j := new(journal)
		once := supervisor.RestartPolicy{Type: supervisor.RestartTemporary}
		a, b, c := newPuppet(t, j, cloverleaf.Config{Name: "a", Restart: once}), newPuppet(t, j, cloverleaf.Config{Name: "b", Restart: once}), newPuppet(t, j, cloverleaf.Config{Name: "c"})
		g := newGroup(t, cloverleaf.GroupConfig{Name: "g"}, a, b, c)
		require.NoError(t, g.Start(t.Context()))
		require.NoError(t, g.WaitReady(t.Context()))
		a.fail()
		b.fail()
		require.EqualError(t, a.Wait(), "cloverleaf: component a: main: broken")
		require.ErrorIs(t, g.WaitReady(t.Context()), errBroken)
		c.stop() // for good, and with it the group
		require.EqualError(t, g.Wait(), "cloverleaf: group g: a: main: broken\nb: main: broken")
		require.NoError(t, c.Wait())
	})
}

// TestGroupIsCut: a group that does not stop in time is cut off with everything in it, and so is a member.
func TestGroupIsCut(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := perform(absent)
		a := observe(t, cloverleaf.Config{Name: "a", LeaveTimeout: -1}, r.transport())
		b := observe(t, cloverleaf.Config{Name: "b", LeaveTimeout: -1}, r.transport())
		inner := newGroup(t, cloverleaf.GroupConfig{Name: "inner", StopTimeout: -1, Strategy: supervisor.OneForAll}, b)
		g := newGroup(t, cloverleaf.GroupConfig{Name: "g", StopTimeout: -1, Strategy: supervisor.OneForAll}, a, inner)
		for _, stop := range []func(context.Context) error{g.Stop, inner.Stop, a.Stop} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			require.NoError(t, g.Start(t.Context()))
			require.NoError(t, g.WaitReady(ctx))
			require.ErrorIs(t, stop(ctx), context.DeadlineExceeded)
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			_ = g.Stop(ctx)
			cancel()
			require.NoError(t, g.Wait())
			synctest.Wait()
			for _, l := range r.links {
				require.True(t, l.closed())
			}
		}
	})
}

// TestGroupsInGroup: an inner group that gives up is started again by the outer one with all its
// members, also those that had ended, but not those that were stopped.
func TestGroupsInGroup(t *testing.T) {
	virtual(t, func(t *testing.T) {
		j := new(journal)
		a, b, c := newPuppet(t, j, cloverleaf.Config{Name: "a"}), newPuppet(t, j, cloverleaf.Config{Name: "b"}), newPuppet(t, j, cloverleaf.Config{Name: "c"})
		once := supervisor.Intensity{MaxRestarts: 1, Window: time.Hour}
		inner := newGroup(t, cloverleaf.GroupConfig{Name: "inner", Intensity: once}, a, b, c)
		outer := newGroup(t, cloverleaf.GroupConfig{Name: "outer", Intensity: once}, inner)
		rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
		require.NoError(t, rt.Start(t.Context(), outer))
		require.NoError(t, outer.WaitReady(t.Context()))
		require.Len(t, rt.Components(), 3)
		b.finish(nil)
		c.stop()
		require.NoError(t, b.Wait())
		for range 2 {
			a.fail()
			pass(time.Second)
		}
		_, alive := b.Session()
		require.True(t, alive)
		require.Equal(t, 1, c.play.attempts())
		require.Equal(t, "group/outer/inner/a", a.PID().Id)
		require.Len(t, rt.Components(), 2)
		require.NoError(t, c.Stop(t.Context()), "once more")
		for range 2 {
			a.fail()
			pass(time.Second)
		}
		err := outer.Wait()
		require.EqualError(t, err, "cloverleaf: group outer: supervisor: inner: more restarts than 1 in 1h0m0s: "+
			"supervisor: a: more restarts than 1 in 1h0m0s: main: broken")
		require.ErrorContains(t, inner.Wait(), "group inner: supervisor: a: more restarts")
		require.NoError(t, rt.Stop(t.Context()))
	})
}

// TestRunGroups: groups run beside components, and the error tells of all that failed. (Not parallel:
// it waits for signals to the process.)
func TestRunGroups(t *testing.T) {
	virtually(t, func(t *testing.T) {
		j := new(journal)
		a, b := newPuppet(t, j, cloverleaf.Config{Name: "a"}), newPuppet(t, j, cloverleaf.Config{Name: "b"})
		lone := newPuppet(t, j, cloverleaf.Config{Name: "lone"})
		g := newGroup(t, cloverleaf.GroupConfig{Name: "g", Intensity: supervisor.Intensity{Window: time.Second}}, a, b)
		result := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { result <- cloverleaf.Run(ctx, g, lone) }()
		synctest.Wait()
		a.fail()
		require.NoError(t, b.Stop(t.Context())) // it has left with its group
		_, alive := lone.Session()
		require.True(t, alive, "who is in no group is not touched")
		cancel()
		require.EqualError(t, <-result, "cloverleaf: group g: supervisor: a: more restarts than 0 in 1s: main: broken")
		require.Equal(t, 1, j.count("lone left"))
	})
	wrong := observe(t, cloverleaf.Config{Name: "wrong"})
	wrong.Register("not a URI", func() {})
	err := cloverleaf.Run(t.Context(), newGroup(t, cloverleaf.GroupConfig{}, wrong))
	require.ErrorContains(t, err, "component wrong: ")
	require.ErrorContains(t, newGroup(t, cloverleaf.GroupConfig{}, wrong).Start(t.Context()), "component wrong: ")
}

// TestRunSecondSignal cuts off what does not leave.
func TestRunSecondSignal(t *testing.T) {
	r := perform(absent)
	c := observe(t, cloverleaf.Config{Name: "c", LeaveTimeout: -1}, r.transport())
	result := make(chan error, 1)
	go func() { result <- cloverleaf.Run(t.Context(), c) }()
	require.Eventually(t, func() bool { _, ok := c.Session(); return ok }, patience, time.Millisecond)
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return len(sent[*protocol.Goodbye](r.last())) == 1 }, patience, time.Millisecond)
	require.Empty(t, result)
	require.NoError(t, self.Signal(syscall.SIGINT))
	err = <-result
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "component c: stop: ")
	require.True(t, r.last().closed())
}

// TestRunPatience: the signal that has ended the context, too, is not a second one.
func TestRunPatience(t *testing.T) {
	t.Parallel()
	r := perform(absent)
	c := observe(t, cloverleaf.Config{Name: "c", LeaveTimeout: -1}, r.transport())
	rt := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
	require.NoError(t, rt.Start(t.Context(), c))
	_, err := c.Ready(t.Context())
	require.NoError(t, err)
	signals, ended, result := make(chan os.Signal), make(chan struct{}), make(chan error, 1)
	go func() { result <- cloverleaf.StopUntil(t.Context(), rt, signals, 2, ended) }()
	signals <- syscall.SIGTERM
	require.Empty(t, result)
	signals <- syscall.SIGTERM // somebody still waits for it
	require.ErrorIs(t, <-result, context.Canceled)
}

func TestGroupConfigErrors(t *testing.T) {
	t.Parallel()
	a, again := observe(t, cloverleaf.Config{Name: "a"}), observe(t, cloverleaf.Config{Name: "a"})
	own := observe(t, cloverleaf.Config{Name: "own", Restart: supervisor.RestartPolicy{Backoff: patient}})
	_, err := cloverleaf.NewGroup(cloverleaf.GroupConfig{
		Name: "g", Strategy: 9, Restart: 9, Intensity: supervisor.Intensity{MaxRestarts: -1},
	}, a, again, own, nil)
	for _, want := range []string{
		"group g: ", "unknown strategy", "restart: unknown type", "max restarts -1", "member a: name is taken",
		"member own: restart: intensity and backoff are those of the group", "member 3 is nil",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Restart: supervisor.RestartPolicy{Type: 9}})
	require.ErrorContains(t, err, "restart: unknown restart type")
}

// calculator is an object whose methods are procedures.
type calculator struct{ sum int }

func (c *calculator) Add(n int) int { c.sum += n; return c.sum }
func (c *calculator) Sum() int      { return c.sum }

// TestScope: what is declared below a prefix is there under the full URI, and reports its mistakes with it.
func TestScope(t *testing.T) {
	t.Parallel()
	c := newComponent(t, cloverleaf.Config{Transports: inProcess(newRouter(t))})
	calc := &calculator{}
	app := c.Prefix("com.myapp")
	all := app.Prefix("calc.").RegisterAll(map[string]any{"sum": calc.Sum, "add": calc.Add})
	require.Len(t, all, 2)
	got := make(chan string, 10)
	app.Subscribe("news", func(text string) { got <- "news " + text })
	app.Subscribe("", func(text string) { got <- "app " + text }, session.Prefix())
	c.SubscribeAll(map[string]any{"com.other": func(text string) { got <- "other " + text }})
	own := actor.PropsFromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actors.Invocation:
			ctx.Respond("served")
		case *actors.Event:
			got <- "actor " + string(m.Topic())
		}
	})
	app.RegisterActor("served", own)
	app.SubscribeActor("seen", own)
	require.NoError(t, c.Start(t.Context()))
	ctx := t.Context()
	s, err := c.Ready(ctx)
	require.NoError(t, err)
	sum, err := session.Call[int](ctx, s, "com.myapp.calc.add", 5)
	require.NoError(t, err)
	require.Equal(t, 5, sum)
	sum, err = session.Call[int](ctx, s, app.URI("calc.sum"))
	require.NoError(t, err)
	require.Equal(t, 5, sum)
	text, err := session.Call[string](ctx, s, "com.myapp.served")
	require.NoError(t, err)
	require.Equal(t, "served", text)
	publish := func(topic, text string) {
		_, err := s.Publish(ctx, topic, session.Args(text), session.Acknowledge(), session.ExcludeMe(false))
		require.NoError(t, err)
	}
	publish("com.myapp.news", "a")
	require.ElementsMatch(t, []string{"news a", "app a"}, []string{<-got, <-got})
	publish("com.other", "b")
	require.Equal(t, "other b", <-got)
	publish("com.myapp.seen", "c")
	require.ElementsMatch(t, []string{"actor com.myapp.seen", "app c"}, []string{<-got, <-got})
	require.NoError(t, c.Stop(ctx))

	bad := c.RegisterAll(map[string]any{"com.fine": func() {}, "com.wrong": 7})
	require.NoError(t, bad[0].Err())
	require.ErrorContains(t, bad[1].Err(), "com.wrong")
	require.ErrorContains(t, c.Check(), "com.wrong")
}
