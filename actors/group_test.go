package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

var errCrash = errors.New("crash")

// testGroup is a group under test, whose members are components with a router of their own each.
type testGroup struct {
	t      *testing.T
	h      *Host
	cfg    GroupConfig
	pid    *actor.PID
	start  time.Time
	done   chan struct{}
	err    error
	crash  map[string]chan error // what the present Main of a member returns
	router map[string]*fakeRouter

	mu  sync.Mutex
	log []string
}

func newTestGroup(t *testing.T, h *Host, strategy supervisor.GroupStrategy) *testGroup {
	t.Helper()
	g := &testGroup{t: t, h: h, start: time.Now(), done: make(chan struct{}), crash: map[string]chan error{}, router: map[string]*fakeRouter{}}
	g.cfg = GroupConfig{
		Name: "group", OnChildEnded: func(name string, err error) { g.say("%s over: %v", name, err) },
		OnReady: func() { g.say("all ready") },
		Done:    func(err error) { g.err = err; close(g.done) },
	}
	g.cfg.Strategy = strategy
	g.cfg.Backoff = testBackoff
	return g
}

// say writes down what happened, with the seconds since the start.
func (g *testGroup) say(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log = append(g.log, fmt.Sprint(time.Since(g.start).Seconds(), " ", fmt.Sprintf(format, args...)))
}

func (g *testGroup) take() []string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	log := g.log
	g.log = nil
	return log
}

// config returns the configuration of a member that ends with what is sent to its crash channel.
func (g *testGroup) config(name string) ComponentConfig {
	g.crash[name], g.router[name] = make(chan error), newFakeRouter(welcome)
	return ComponentConfig{
		Name: name, Realm: "realm1", Transports: []TransportConfig{g.router[name].transport()},
		OnReady: func(*session.Session) { g.say("%s ready", name) },
		OnEvent: func(ev supervisor.Event) {
			if _, ok := ev.(*supervisor.Left); ok {
				g.say("%s left", name)
			}
		},
		Main: func(ctx context.Context, _ *session.Session) error {
			select {
			case err := <-g.crash[name]:
				return supervisor.Permanent(err)
			case <-ctx.Done():
				return nil
			}
		},
	}
}

// add adds members. "!" marks permanent ones, "?" temporary ones.
func (g *testGroup) add(names string) *testGroup {
	g.t.Helper()
	for name := range strings.FieldsSeq(names) {
		props, err := ComponentProps(g.h, g.config(strings.Trim(name, "!?")))
		require.NoError(g.t, err)
		g.child(name, props)
	}
	return g
}

func (g *testGroup) child(name string, props *actor.Props) {
	spec := supervisor.ChildSpec{Name: strings.Trim(name, "!?"), Props: props}
	switch {
	case strings.HasSuffix(name, "!"):
		spec.Restart = supervisor.RestartPermanent
	case strings.HasSuffix(name, "?"):
		spec.Restart = supervisor.RestartTemporary
	}
	g.cfg.Children = append(g.cfg.Children, spec)
}

func (g *testGroup) run() {
	g.t.Helper()
	var err error
	g.pid, err = g.h.SpawnGroup(g.cfg)
	require.NoError(g.t, err)
	synctest.Wait()
}

// fail lets a member end with err, and everything that comes at once happen.
func (g *testGroup) fail(name string, err error) {
	g.crash[name] <- err
	synctest.Wait()
}

func (g *testGroup) stop() error {
	g.t.Helper()
	g.h.send(g.pid, &Stop{})
	return g.wait()
}

func (g *testGroup) wait() error {
	g.t.Helper()
	select {
	case <-g.done:
		synctest.Wait()
		return g.err
	case <-time.After(clientPatience):
		require.Fail(g.t, "the group does not end", "%v", g.take())
		return nil
	}
}

// TestGroupStrategies: who is stopped and started with whom, in which order, and when.
func TestGroupStrategies(t *testing.T) {
	tests := []struct {
		strategy supervisor.GroupStrategy
		want     []string
	}{
		{supervisor.OneForOne, []string{"5 b left", "6 b ready", "6 all ready"}},
		{supervisor.OneForAll, []string{"5 b left", "5 c left", "5 a left", "6 a ready", "6 b ready", "6 c ready", "6 all ready"}},
		{supervisor.RestForOne, []string{"5 b left", "5 c left", "6 b ready", "6 c ready", "6 all ready"}},
	}
	for _, tt := range tests {
		t.Run(tt.strategy.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				g := newTestGroup(t, h, tt.strategy)
				g.cfg.Ordered = true
				var events []string
				g.cfg.OnEvent = func(ev supervisor.Event) {
					if e, ok := ev.(*supervisor.Restarted); ok {
						events = append(events, fmt.Sprint(e.Component, " ", e.Child, " ", e.Restarts, " ", e.Err))
					}
				}
				g.add("a b c").run()
				require.Equal(t, []string{"0 a ready", "0 b ready", "0 c ready", "0 all ready"}, g.take())
				settle(5 * time.Second)
				g.fail("b", errCrash)
				settle(10 * time.Second)
				require.Equal(t, tt.want, g.take())
				require.Contains(t, events, "group b 1 main: crash")
				require.Equal(t, protocol.CloseRealm, received[*protocol.Goodbye](g.router["b"].conns[0])[0].Reason)
				require.NoError(t, g.stop())
				require.Equal(t, []string{"15 c left", "15 c over: <nil>", "15 b left", "15 b over: <nil>", "15 a left", "15 a over: <nil>"}, g.take())
				for _, r := range g.router {
					r.requireClosed(t)
				}
			})
		})
	}
}

// TestGroupRestartTypes, and the end of a group whose children have all ended.
func TestGroupRestartTypes(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.add("done failed? again!").run()
		g.take()
		g.fail("again", nil)
		g.fail("done", nil)
		g.fail("failed", errCrash)
		settle(time.Second)
		got := g.take()
		slices.Sort(got)
		require.Equal(t, []string{
			"0 again left", "0 done left", "0 done over: <nil>", "0 failed left", "0 failed over: main: crash",
			"1 again ready", "1 all ready",
		}, got)
		h.send(g.pid, &StopChild{Name: "again"}) // for good, although it is permanent
		h.send(g.pid, &StopChild{Name: "nobody"})
		err := g.wait()
		require.ErrorIs(t, err, errCrash)
		require.EqualError(t, err, "failed: main: crash")
		require.Equal(t, []string{"1 again left", "1 again over: <nil>"}, g.take())
	})
}

// TestGroupGivesUp with the cause, when the limit is passed and not before.
func TestGroupGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.cfg.Intensity = supervisor.Intensity{MaxRestarts: 2, Window: time.Hour}
		g.add("a b").run()
		for range 2 {
			g.fail("a", errCrash)
			settle(time.Second)
		}
		g.take()
		g.fail("a", errCrash)
		err := g.wait()
		var spent *supervisor.IntensityError
		require.ErrorAs(t, err, &spent)
		require.Equal(t, "a", spent.Child)
		require.ErrorIs(t, err, errCrash)
		require.EqualError(t, err, "supervisor: a: more restarts than 2 in 1h0m0s: main: crash")
		require.Equal(t, []string{"2 a left", "2 a over: main: crash", "2 b left", "2 b over: <nil>"}, g.take())
		require.Len(t, received[*protocol.Goodbye](g.router["b"].last()), 1, "the others leave in good order")
		require.Equal(t, 1, g.router["b"].attempts())
		require.Equal(t, 3, g.router["a"].attempts())
	})
}

// TestGroupInGroup: one that gives up is restarted as a whole by the one around it, within the limits
// of that, and its children are told to leave by the outer one.
func TestGroupInGroup(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		outer := newTestGroup(t, h, supervisor.RestForOne)
		outer.cfg.Ordered = true
		outer.cfg.Intensity = supervisor.Intensity{MaxRestarts: 1}
		outer.add("before")
		inner := newTestGroup(t, h, supervisor.OneForOne)
		inner.cfg.Name, inner.cfg.Done = "inner", nil
		inner.cfg.Intensity = supervisor.Intensity{MaxRestarts: 1, Window: time.Hour}
		inner.add("a b")
		props, err := GroupProps(h, inner.cfg)
		require.NoError(t, err)
		outer.child("inner", props)
		outer.add("after").run()
		require.Equal(t, []string{"0 before ready", "0 after ready", "0 all ready"}, outer.take())
		require.Len(t, inner.take(), 3)

		fail := func() {
			inner.fail("a", errCrash)
			settle(time.Second)
		}
		fail()
		require.Equal(t, []string{"0 a left", "1 a ready", "1 all ready"}, inner.take())
		fail()
		require.Equal(t, []string{
			"1 a left", "1 a over: main: crash", "1 b left", "1 b over: <nil>", "2 a ready", "2 b ready", "2 all ready",
		}, sorted(inner.take(), 4))
		require.Equal(t, []string{"1 after left", "2 after ready", "2 all ready"}, outer.take())
		fail()
		fail()
		err = outer.wait()
		require.ErrorIs(t, err, errCrash)
		require.EqualError(t, err, "supervisor: inner: more restarts than 1 in 1m0s: supervisor: a: more restarts than 1 in 1h0m0s: main: crash")
		require.Contains(t, outer.take(), "3 before over: <nil>")
	})
}

// sorted sorts the lines from n on, which may come in any order.
func sorted(lines []string, n int) []string {
	slices.SortFunc(lines[min(n, len(lines)):], func(a, b string) int {
		return strings.Compare(strings.Replace(a, "all", "z", 1), strings.Replace(b, "all", "z", 1))
	})
	return lines
}

// TestGroupOrdered: a child that does not get ready keeps those after it from being started, and a
// stop comes at any time.
func TestGroupOrdered(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForAll)
		g.cfg.Ordered = true
		g.add("a b c")
		g.router["b"].scripts = []func(*fakeConn){nil, nil, welcome, nil}
		g.run()
		require.Equal(t, []string{"0 a ready"}, g.take())
		require.Zero(t, g.router["c"].attempts())
		settle(2 * time.Second)
		require.Equal(t, []string{"2 b ready", "2 c ready", "2 all ready"}, g.take())
		g.fail("b", errCrash)
		settle(3 * time.Second)
		require.Equal(t, []string{"2 b left", "2 c left", "2 a left", "3 a ready"}, g.take())
		g.fail("a", errCrash) // while b is connecting and c is not there
		settle(time.Second)
		require.Equal(t, []string{"5 a left", "6 a ready"}, g.take(), "all of them again")
		require.Equal(t, 1, g.router["c"].attempts())
		require.NoError(t, g.stop())
		require.Equal(t, []string{"6 c over: <nil>", "6 b over: <nil>", "6 a left", "6 a over: <nil>"}, g.take())
	})
}

// TestGroupStops in whatever state its children are.
func TestGroupStops(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.add("joined waiting joining silent stuck")
		g.router["joining"].scripts = []func(*fakeConn){silent}
		g.router["silent"].scripts = []func(*fakeConn){welcomeOnly}
		release := make(chan struct{})
		stuck := g.config("stuck")
		stuck.Main = func(context.Context, *session.Session) error { <-release; return nil } // does not listen
		props, err := ComponentProps(h, stuck)
		require.NoError(t, err)
		g.cfg.Children[4].Props = props
		g.cfg.Backoff = supervisor.Backoff{Initial: time.Hour}
		g.run()
		g.fail("waiting", errCrash)
		g.take()
		h.send(g.pid, &Stop{Reason: "com.myapp.maintenance"})
		h.send(g.pid, &Stop{})
		err = g.wait()
		require.ErrorIs(t, err, errOverdue)
		require.EqualError(t, err, "stuck: did not stop in time")
		require.Equal(t, DefaultStopTimeout, time.Since(g.start))
		require.Equal(t, protocol.URI("com.myapp.maintenance"), received[*protocol.Goodbye](g.router["joined"].last())[0].Reason)
		for _, r := range g.router {
			r.requireClosed(t)
		}
		close(release)
	})
}

// TestGroupKilled: at once, whatever the children do; and when its PID is stopped.
func TestGroupKilled(t *testing.T) {
	for _, how := range []string{"kill", "pid"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				g := newTestGroup(t, h, supervisor.OneForAll)
				g.add("a b")
				g.router["b"].scripts = []func(*fakeConn){welcomeOnly}
				g.run()
				g.take()
				want := "<nil>"
				if how == "pid" {
					want = errStopped.Error()
					h.system.Root.Stop(g.pid)
					require.ErrorIs(t, g.wait(), errStopped)
				} else {
					h.send(g.pid, &Stop{})
					synctest.Wait()
					h.send(g.pid, Kill(nil))
					require.NoError(t, g.wait())
				}
				require.Equal(t, g.start, time.Now())
				over := strings.Join(g.take(), "; ")
				require.Contains(t, over, "a over: "+want)
				require.Contains(t, over, "b over: "+want)
				for _, r := range g.router {
					r.requireClosed(t)
				}
			})
		})
	}
}

// TestGroupOfActors: any actor may be a child; one that fails is made anew.
func TestGroupOfActors(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.RestForOne)
		g.add("wamp")
		lives := make(chan *actor.PID, 10)
		own := actor.PropsFromFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *actor.Started:
				lives <- ctx.Self()
			case string:
				g.say("got %s", m)
			case error:
				panic(m)
			case *actor.Stopped:
				g.say("own stopped")
			}
		})
		g.child("own", own)
		g.run()
		g.take()
		first := <-lives
		require.Equal(t, "group/group/own", first.Id)
		h.system.Root.Send(first, errCrash)
		settle(time.Second)
		second := <-lives
		require.Equal(t, []string{"0 own stopped", "1 all ready"}, g.take())
		g.fail("wamp", errCrash)
		settle(time.Second)
		third := <-lives
		require.Equal(t, first.Id, third.Id)
		require.NotSame(t, second, third)
		g.take()
		h.system.Root.Send(third, "last words")
		require.NoError(t, g.stop())
		require.Equal(t, []string{"2 got last words", "2 own stopped", "2 own over: <nil>", "2 wamp left", "2 wamp over: <nil>"}, g.take())
	})
}

// TestGroupBadProps: a child that cannot be spawned counts as one that failed.
func TestGroupBadProps(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.child("bad?", actor.PropsFromProducer(func() actor.Actor { panic("no actor today") }))
		g.add("good").run()
		require.Equal(t, []string{"0 bad over: spawn: panic: no actor today", "0 good ready", "0 all ready"}, g.take())
		require.EqualError(t, g.stop(), "bad: spawn: panic: no actor today")
	})
}

// TestGroupUnderActor: an actor of a user is the parent, and is told what happens.
func TestGroupUnderActor(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.add("a b?")
		props, err := GroupProps(h, g.cfg)
		require.NoError(t, err)
		o, late := newObserver(h, 0), newObserver(h, 0)
		ended := make(chan *Ended, 1)
		parent := h.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *actor.Started:
				g.pid, _ = ctx.SpawnNamed(props, "wamp")
				ctx.Send(g.pid, &WatchSession{PID: o.pid})
				ctx.Request(g.pid, &WatchSession{})
			case *Ended:
				if m.Component.Equal(g.pid) {
					ended <- m
				}
			}
		}))
		synctest.Wait()
		require.Subset(t, o.take(), []string{"Joined 1", "Ready 1"})
		h.send(g.pid, &WatchSession{PID: late.pid})
		g.fail("a", errCrash)
		settle(time.Second)
		require.Equal(t, []string{"Left 1 wamp.close.goodbye_and_out", "Disconnected", "Ended main: crash", "Started", "Connected", "Joined 2", "Ready 2"}, o.take())
		h.send(g.pid, &UnwatchSession{PID: late.pid})
		g.fail("b", errCrash)
		h.send(g.pid, &Stop{})
		m := <-ended
		require.EqualError(t, m.Err, "b: main: crash")
		synctest.Wait()
		require.Contains(t, o.take(), "Ended b: main: crash")
		require.NotContains(t, late.take(), "Ended b: main: crash")
		for _, pid := range []*actor.PID{parent, o.pid, late.pid} {
			h.system.Root.Stop(pid)
		}
	})
}

// TestGroupOfThousand under one supervisor: they all join, all of them fail at once when their
// router goes, and what they do then is spread over time and bounded.
func TestGroupOfThousand(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		const n = 1000
		g := newTestGroup(t, h, supervisor.OneForOne)
		g.cfg.Intensity = supervisor.Intensity{MaxRestarts: 10 * n, Window: time.Hour}
		g.cfg.Backoff = supervisor.Backoff{Initial: 10 * time.Second, Jitter: 0.5}
		var mu sync.Mutex
		up, dials := true, map[time.Duration]int{}
		var pipes []*transport.PipeEnd
		dial := func(context.Context) (*transport.PipeEnd, error) {
			mu.Lock()
			defer mu.Unlock()
			dials[time.Since(g.start)]++
			if !up {
				return nil, errRefused
			}
			a, b := transport.Pipe()
			welcome := newFakeRouter(welcome)
			c := &fakeConn{pipe: b, n: len(pipes) + 1}
			welcome.scripts[0](c)
			b.Receive(c.receive)
			pipes = append(pipes, b)
			return a, nil
		}
		ready := make(chan struct{}, 10)
		g.cfg.OnReady = func() { ready <- struct{}{} }
		g.cfg.OnChildEnded = nil
		for i := range n {
			props, err := ComponentProps(h, ComponentConfig{
				Name: fmt.Sprint("c", i), Realm: "realm1", Transports: []TransportConfig{{Pipe: dial, MaxRetries: -1}},
			})
			require.NoError(t, err)
			g.child(fmt.Sprint("c", i), props)
		}
		g.run()
		<-ready
		require.Len(t, pipes, n)

		mu.Lock()
		up, dials = false, map[time.Duration]int{}
		lost := pipes
		pipes = nil
		mu.Unlock()
		for _, p := range lost {
			p.Close(nil) // and with no retries the components fail, all at the same moment
		}
		settle(20 * time.Second)
		mu.Lock()
		total, most := 0, 0
		for at, k := range dials {
			total += k
			most = max(most, k)
			require.GreaterOrEqual(t, at, 5*time.Second)
		}
		up = true
		mu.Unlock()
		require.GreaterOrEqual(t, total, n)
		require.LessOrEqual(t, total, 3*n)
		require.LessOrEqual(t, most, 3, "no two of them come back in step")
		settle(time.Minute)
		<-ready
		require.Len(t, pipes, n)
		start := time.Now()
		require.NoError(t, g.stop())
		require.Equal(t, start, time.Now(), "they leave side by side")
	})
}

func TestGroupConfigErrors(t *testing.T) {
	t.Parallel()
	h := NewHost(HostConfig{})
	defer h.Close()
	_, err := h.SpawnGroup(GroupConfig{GroupConfig: supervisor.GroupConfig{Strategy: 9, Children: []supervisor.ChildSpec{{Name: "a"}}}})
	for _, want := range []string{"actors: group: ", "unknown strategy", "child 0 (a): props: missing"} {
		require.ErrorContains(t, err, want)
	}
}
