package supervisor

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/supervisor/supervisortest"
)

// rig runs one supervisor in a bubble of its own and records what can be seen from outside.
type rig struct {
	t     *testing.T
	sys   *actor.ActorSystem
	pid   *actor.PID
	begin time.Time

	mu     sync.Mutex
	events []*actor.SupervisorEvent
	ended  bool
	err    error
}

// bubble runs a test on the fake clock.
func bubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, sys: newSystem(), begin: time.Now()}
		r.sys.EventStream.Subscribe(func(ev any) {
			if s, ok := ev.(*actor.SupervisorEvent); ok {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, s)
			}
		})
		test(r)
		if r.pid != nil {
			r.sys.Root.Stop(r.pid)
		}
		r.after(time.Minute) // a dead letter keeps a goroutine of the actor system for 1 s
	})
}

func (r *rig) connect(policy *Reconnect, children ...*actor.Props) {
	s, err := NewStrategy(StrategyConfig{Decide: func(*actor.PID, error, Class) Directive { return Stop }})
	require.NoError(r.t, err)
	c := &connector{policy: policy, children: children, rnd: middle, onStop: func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended, r.err = true, err
	}}
	r.pid = r.sys.Root.Spawn(c.props(s))
	synctest.Wait()
}

// after lets fake time pass.
func (r *rig) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) send(pid *actor.PID, msg any) {
	r.sys.Root.Send(pid, msg)
	synctest.Wait()
}

func (r *rig) offsets(times []time.Time) []time.Duration {
	out := []time.Duration{}
	for _, t := range times {
		out = append(out, t.Sub(r.begin))
	}
	return out
}

func (r *rig) directives() []actor.Directive {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []actor.Directive{}
	for _, ev := range r.events {
		out = append(out, ev.Directive)
	}
	return out
}

func (r *rig) result() (error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err, r.ended
}

func forever(names ...string) (ps []TransportPolicy) {
	for _, n := range names {
		ps = append(ps, TransportPolicy{Name: n, MaxRetries: Forever})
	}
	return ps
}

func TestConnectorBacksOffAndComesUpWithAFreshChild(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t, errRefused, &supervisortest.Panic{Value: "boom"}, errRefused)
		r.connect(newReconnect(r.t, forever("a")...), c.Props())
		r.after(time.Minute)

		want := []time.Duration{0, seconds(1.5), seconds(3.75), seconds(7.125)}
		require.Equal(t, want, r.offsets(c.Starts()))
		require.True(t, c.Up())
		require.Equal(t, []actor.Directive{actor.StopDirective, actor.StopDirective, actor.StopDirective}, r.directives())
		var pe *PanicError
		require.ErrorAs(t, r.events[1].Reason.(error), &pe)
		require.Equal(t, "boom", pe.Value)

		// The join resets the counters; the loss waits the first delay again, with a new PID.
		old := c.PID()
		r.send(r.pid, &up{})
		r.send(old, &supervisortest.Fail{Err: errLost})
		require.False(t, c.Up())
		r.after(seconds(1.499))
		require.False(t, c.Up())
		r.after(seconds(0.001))
		require.True(t, c.Up())
		require.False(t, c.PID().Equal(old))
	})
}

func TestConnectorWalksItsTransports(t *testing.T) {
	bubble(t, func(r *rig) {
		a := supervisortest.NewCrasher(r.t, errRefused, errRefused)
		b := supervisortest.NewCrasher(r.t, errRefused)
		r.connect(newReconnect(r.t, forever("a", "b")...), a.Props(), b.Props())
		r.after(time.Minute)
		require.Equal(t, []time.Duration{0, seconds(1.5)}, r.offsets(a.Starts()))
		require.Equal(t, []time.Duration{0, seconds(3)}, r.offsets(b.Starts()))
		require.False(t, a.Up())
		require.True(t, b.Up())
	})
}

func TestConnectorGivesUp(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t, errRefused, errRefused, errRefused, errLost)
		r.connect(newReconnect(r.t, TransportPolicy{Name: "a", MaxRetries: 2}), c.Props())
		r.after(seconds(3.749))
		_, ended := r.result()
		require.False(t, ended)
		r.after(seconds(0.001))
		err, ended := r.result()
		require.True(t, ended)
		require.EqualError(t, err, "supervisor: no transport left to try: a (3 in a row): connection refused")
		r.after(time.Hour)
		require.Len(t, c.Starts(), 3)
		require.False(t, c.Up())
	})
}

func TestConnectorEndsAtOnceOnAPermanentFailure(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t, errDenied)
		r.connect(newReconnect(r.t, forever("a")...), c.Props())
		err, ended := r.result()
		require.True(t, ended)
		require.ErrorIs(t, err, errDenied)
		require.Zero(t, time.Since(r.begin))
		require.Len(t, c.Starts(), 1)
	})
}

func TestConnectorStopsPromptlyDuringBackoff(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t, errRefused)
		r.connect(newReconnect(r.t, forever("a")...), c.Props())
		r.after(time.Second)
		r.sys.Root.Stop(r.pid)
		synctest.Wait()
		err, ended := r.result()
		require.True(t, ended)
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(r.begin))
		r.after(time.Hour)
		require.Len(t, c.Starts(), 1, "no zombie")
	})
}

func TestConnectorStopsItsChild(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t)
		r.connect(newReconnect(r.t, forever("a")...), c.Props())
		require.True(t, c.Up())
		r.sys.Root.Stop(r.pid)
		synctest.Wait()
		require.False(t, c.Up())
		_, ended := r.result()
		require.True(t, ended)
	})
}

// parent is a supervisor that keeps what it is told.
type parent struct {
	child  *actor.Props
	log    func(any)
	spawns int
}

func (p *parent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		p.spawns++
		ctx.Spawn(p.child)
	case *ChildFailed, *actor.Terminated, *actor.Stopped:
		p.log(m)
	}
}

// watch spawns a parent with the strategy below a grandparent whose strategy stops everything.
func (r *rig) watch(s *Strategy, child *actor.Props) (log func() []any) {
	var mu sync.Mutex
	var got []any
	p := &parent{child: child, log: func(m any) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m)
	}}
	root, err := NewStrategy(StrategyConfig{Decide: func(*actor.PID, error, Class) Directive { return Stop }})
	require.NoError(r.t, err)
	r.pid = r.sys.Root.Spawn(actor.PropsFromProducer(
		func() actor.Actor { return p }, actor.WithSupervisor(s), actor.WithGuardian(root)))
	synctest.Wait()
	return func() []any {
		mu.Lock()
		defer mu.Unlock()
		return append([]any(nil), got...)
	}
}

func newStrategy(t *testing.T, cfg StrategyConfig) *Strategy {
	t.Helper()
	s, err := NewStrategy(cfg)
	require.NoError(t, err)
	return s
}

func find[T any](log []any) (found []T) {
	for _, m := range log {
		if v, ok := m.(T); ok {
			found = append(found, v)
		}
	}
	return found
}

func TestStrategyStopsAndTellsTheSupervisor(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t, nil)
		log := r.watch(newStrategy(t, StrategyConfig{}), c.Props())
		r.send(c.PID(), &supervisortest.Fail{Err: errDenied})

		failed := find[*ChildFailed](log())
		require.Len(t, failed, 1)
		require.Equal(t, &ChildFailed{Child: c.PID(), Reason: errDenied, Class: ClassPermanent}, failed[0])
		require.Len(t, find[*actor.Terminated](log()), 1)
		require.Equal(t, []actor.Directive{actor.StopDirective}, r.directives())
		require.False(t, c.Up())
	})
}

func TestStrategyRestartsBugsWithinTheIntensity(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t)
		s := newStrategy(t, StrategyConfig{Intensity: Intensity{MaxRestarts: 2, Window: time.Minute}})
		log := r.watch(s, c.Props())
		boom := &supervisortest.Panic{Value: "boom"}
		pid := c.PID()
		for range 5 { // always at the limit, never past it
			r.send(pid, boom)
			r.send(pid, boom)
			r.after(time.Minute + 1)
		}
		require.Len(t, c.Starts(), 11)
		require.True(t, c.PID().Equal(pid), "the PID stays")
		require.Empty(t, log())

		r.send(pid, boom)
		r.send(pid, boom)
		require.True(t, c.Up())
		r.send(pid, boom) // one past it: the supervisor fails, and its own supervisor stops it
		require.False(t, c.Up())
		require.Len(t, find[*actor.Stopped](log()), 1)
		require.Empty(t, find[*ChildFailed](log()))
		last := r.events[len(r.events)-1]
		require.Equal(t, actor.StopDirective, last.Directive)
		require.Equal(t, actor.EscalateDirective, r.directives()[len(r.events)-2])
		var ie *IntensityError
		require.ErrorAs(t, last.Reason.(error), &ie)
		require.Equal(t, pid.Id, ie.Child)
		var pe *PanicError
		require.ErrorAs(t, ie, &pe)
		require.Equal(t, "boom", pe.Value)
		require.Empty(t, s.budgets)
	})
}

func TestStrategyCountsRestartsPerChildAndForgetsThem(t *testing.T) {
	bubble(t, func(r *rig) {
		s := newStrategy(t, StrategyConfig{})
		a, b := supervisortest.NewCrasher(r.t), supervisortest.NewCrasher(r.t)
		logA := r.watch(s, a.Props())
		first := r.pid
		logB := r.watch(s, b.Props()) // the same value serves another supervisor
		for range DefaultMaxRestarts {
			r.send(a.PID(), &supervisortest.Panic{Value: 1})
			r.send(b.PID(), &supervisortest.Panic{Value: 2})
		}
		require.True(t, a.Up())
		require.True(t, b.Up())
		require.Len(t, s.budgets, 2)

		r.send(a.PID(), &supervisortest.Fail{Err: errLost})
		require.Equal(t, DefaultMaxRestarts, find[*ChildFailed](logA())[0].Restarts)
		require.Len(t, s.budgets, 1, "a stopped child is forgotten")
		r.after(DefaultWindow + 1)
		c, second := supervisortest.NewCrasher(r.t), r.pid
		r.watch(s, c.Props())
		r.send(c.PID(), &supervisortest.Fail{Err: errLost})
		require.Empty(t, s.budgets, "so is one whose restarts have expired, whoever fails")
		r.send(b.PID(), &supervisortest.Fail{Err: errLost})
		require.Zero(t, find[*ChildFailed](logB())[0].Restarts)
		r.sys.Root.Stop(first)
		r.sys.Root.Stop(second)
	})
}

func TestStrategyResumes(t *testing.T) {
	bubble(t, func(r *rig) {
		c := supervisortest.NewCrasher(r.t)
		resume := func(*actor.PID, error, Class) Directive { return Resume }
		log := r.watch(newStrategy(t, StrategyConfig{Decide: resume}), c.Props())
		for range 100 {
			r.send(c.PID(), &supervisortest.Panic{Value: 1})
		}
		require.Len(t, c.Starts(), 1)
		require.Empty(t, log())
		r.send(c.PID(), &supervisortest.Fail{Err: io.EOF})
		require.Equal(t, actor.ResumeDirective, r.directives()[100])
	})
}

func TestStrategyDecisionInput(t *testing.T) {
	t.Parallel()
	pe, rt := NewPanicError("kept"), runtimeError()
	tests := map[string]struct {
		reason any
		class  Class
		want   error
	}{
		"error":           {errLost, ClassTransient, errLost},
		"classified":      {errDenied, ClassPermanent, errDenied},
		"panic error":     {pe, ClassBug, pe},
		"panic value":     {42, ClassBug, &PanicError{Value: 42}},
		"nothing":         {nil, ClassBug, &PanicError{}},
		"runtime error":   {rt, ClassBug, &PanicError{Value: rt}},
		"wrapped runtime": {Transient(rt), ClassTransient, Transient(rt)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := asError(tt.reason)
			require.Equal(t, tt.want, err)
			require.Equal(t, tt.class, Classify(err))
		})
	}
}

func runtimeError() (err error) {
	defer func() { err = recover().(error) }()
	var none []int
	return fmt.Errorf("%d", none[len(none)])
}

func TestStrategySurvivesItsCallbacks(t *testing.T) {
	configs := map[string]StrategyConfig{
		"classify panics": {Classify: func(error) Class { panic("oops") }},
		"decide panics":   {Decide: func(*actor.PID, error, Class) Directive { panic("oops") }},
		"no directive":    {Decide: func(*actor.PID, error, Class) Directive { return 99 }},
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.sys.EventStream.Subscribe(func(ev any) {
					if _, ok := ev.(*actor.SupervisorEvent); ok {
						panic("subscriber")
					}
				})
				c := supervisortest.NewCrasher(r.t)
				log := r.watch(newStrategy(t, cfg), c.Props())
				r.send(c.PID(), &supervisortest.Panic{Value: 1})
				require.Len(t, find[*ChildFailed](log()), 1)
				require.Len(t, find[*actor.Terminated](log()), 1)
				require.Empty(t, find[*actor.Stopped](log()), "the supervisor lives")
			})
		})
	}
}

func TestStrategyAsGuardian(t *testing.T) {
	for _, d := range []Directive{Stop, Escalate} {
		t.Run(d.String(), func(t *testing.T) {
			bubble(t, func(r *rig) {
				s := newStrategy(t, StrategyConfig{Decide: func(*actor.PID, error, Class) Directive { return d }})
				c := supervisortest.NewCrasher(r.t)
				pid := r.sys.Root.Spawn(c.Props(actor.WithGuardian(s)))
				synctest.Wait()
				r.send(pid, &supervisortest.Panic{Value: 1})
				require.False(t, c.Up())
				require.Equal(t, []actor.Directive{actor.StopDirective}, r.directives())
			})
		})
	}
}

func TestStrategyStopsAChildThatPanicsWhileStopping(t *testing.T) {
	tests := map[string]struct {
		on     supervisortest.PanicOn
		starts int
	}{
		"once on stopping":  {supervisortest.PanicOn{Stopping: true, Times: 1}, 2},
		"always, stopping":  {supervisortest.PanicOn{Stopping: true, Times: 1000}, 1 + DefaultMaxRestarts},
		"on stopped":        {supervisortest.PanicOn{Times: 1}, 1},
		"always on stopped": {supervisortest.PanicOn{Times: 1000}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				c := supervisortest.NewCrasher(r.t)
				log := r.watch(newStrategy(t, StrategyConfig{}), c.Props())
				r.send(c.PID(), &tt.on)
				r.sys.Root.Stop(c.PID())
				synctest.Wait()
				require.Len(t, find[*actor.Terminated](log()), 1)
				require.NotEmpty(t, find[*ChildFailed](log()))
				require.Len(t, c.Starts(), tt.starts)
				_, registered := r.sys.ProcessRegistry.Get(c.PID())
				require.False(t, registered)

				r.sys.Root.Stop(r.pid) // and the supervisor can be stopped
				synctest.Wait()
				require.Len(t, find[*actor.Stopped](log()), 1)
			})
		})
	}
}

// An actor with children is stopped by the end of its last child, not by the Stop itself.
func TestStrategyStopsAParentThatPanicsOnStopped(t *testing.T) {
	bubble(t, func(r *rig) {
		var pid *actor.PID
		leaf := actor.PropsFromFunc(func(actor.Context) {})
		child := actor.PropsFromFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				pid = ctx.Self()
				ctx.Spawn(leaf)
			case *actor.Stopped:
				panic("boom")
			}
		})
		log := r.watch(newStrategy(t, StrategyConfig{}), child)
		r.sys.Root.Stop(pid)
		synctest.Wait()
		require.Len(t, find[*actor.Terminated](log()), 1)
		require.Len(t, find[*ChildFailed](log()), 1)
	})
}

// A panic about the end of a child of its own is an ordinary one.
func TestStrategyRestartsAParentThatPanicsOnTerminated(t *testing.T) {
	bubble(t, func(r *rig) {
		var leaf *actor.PID
		starts := 0
		child := actor.PropsFromFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				starts++
				leaf = ctx.Spawn(actor.PropsFromFunc(func(actor.Context) {}))
			case *actor.Terminated:
				panic("boom")
			}
		})
		log := r.watch(newStrategy(t, StrategyConfig{}), child)
		r.sys.Root.Stop(leaf)
		synctest.Wait()
		require.Equal(t, 2, starts)
		require.Empty(t, log())
	})
}

func TestNewStrategyValidates(t *testing.T) {
	t.Parallel()
	_, err := NewStrategy(StrategyConfig{Intensity: Intensity{Window: -1}})
	require.EqualError(t, err, "supervisor: strategy: intensity: window -1ns is negative")
}
