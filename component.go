package cloverleaf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

var (
	// ErrStarted says that a component is running already.
	ErrStarted = errors.New("already started")
	// ErrNotStarted says that a component has not been started.
	ErrNotStarted = errors.New("not started")
)

var names atomic.Uint64 //nolint:gochecknoglobals // numbers the components without a name

// Component is a client that stays connected: it joins a realm, keeps its procedures registered
// and its topics subscribed, and comes back when the connection is lost. Create it with
// [NewComponent] and run it with [Run], [Component.Start] or a [Runtime].
//
// Its methods may be called by any goroutine at any time: what is declared while it runs is there
// at once, and in all later sessions. The embedded listeners are documented there.
type Component struct {
	actors.Listeners

	cfg     actors.ComponentConfig
	name    string
	restart supervisor.RestartPolicy

	mu           sync.Mutex
	declarations []*actors.Declaration
	problems     []error
	watchers     []*actor.PID
	run          *componentRun // the present or last one
	keeper       *keeper       // supervises the component now; nil if nobody does

	current atomic.Pointer[session.Session]
}

// componentRun is one life of a component, from Start to its end.
type componentRun struct {
	*life
	pid     *actor.PID    // of the component's actor; changes when it is started again
	ready   chan struct{} // closed while the session is ready, replaced when it is not
	session *session.Session
}

func newComponentRun(l *life) *componentRun {
	return &componentRun{life: l, ready: make(chan struct{})}
}

// NewComponent returns a component that does nothing yet. The error names all fields at fault.
func NewComponent(cfg Config) (*Component, error) {
	c := &Component{cfg: cfg.component(), name: cfg.Name, restart: cfg.Restart}
	if c.name == "" {
		c.name = fmt.Sprintf("component-%d", names.Add(1))
	}
	c.cfg.Name = c.name
	err := c.cfg.Validate()
	if p := cfg.Restart.Validate(); p != nil {
		err = errors.Join(err, fmt.Errorf("restart: %w", p))
	}
	if err != nil {
		return nil, fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	return c, nil
}

// Name returns the component's name.
func (c *Component) Name() string { return c.name }

// send posts a message to the component's actor if there is one. c.mu is held.
func (c *Component) send(m any) {
	if c.running() && c.run.pid != nil {
		c.run.send(c.run.pid, m)
	}
}

// running reports whether the component is between Start and its end. c.mu is held.
func (c *Component) running() bool { return c.run != nil && !c.run.over() }

// Start starts the component in a runtime of its own and returns. When ctx ends, the component is
// stopped in good order. A component that has ended may be started again.
func (c *Component) Start(ctx context.Context) error { return startAlone(ctx, c, c.cfg.Logger) }

// start spawns the component's actor, under one that starts it again if it is to be.
func (c *Component) start(ctx context.Context, r *Runtime, own bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.startable(); err != nil {
		return err
	}
	run := newComponentRun(newLife(r, own))
	cfg := c.config(ctx, r)
	var err error
	if t := c.restart.Type; t == supervisor.RestartDefault || t == supervisor.RestartTemporary {
		cfg.Done = c.ended
		run.top, err = r.host.SpawnComponent(cfg)
	} else {
		run.top, err = c.spawnKept(r, cfg)
	}
	if err != nil {
		c.keeper = nil
		return fmt.Errorf("cloverleaf: %w", err)
	}
	run.stopWith(ctx)
	c.run = run
	return nil
}

// spawnKept spawns the component in a group of its own.
func (c *Component) spawnKept(r *Runtime, cfg actors.ComponentConfig) (*actor.PID, error) {
	props, err := actors.ComponentProps(r.host, cfg)
	if err != nil {
		return nil, err
	}
	k := newKeeper(r, map[string]Runnable{})
	c.keeper = k
	var last error
	return r.host.SpawnGroup(actors.GroupConfig{
		GroupConfig: supervisor.GroupConfig{
			Children:  []supervisor.ChildSpec{{Name: c.name, Restart: c.restart.Type, Props: props}},
			Intensity: c.restart.Intensity, Backoff: c.restart.Backoff,
		},
		Name: c.name, StopTimeout: -1, Logger: cfg.Logger, OnEvent: restartsOnly(cfg.OnEvent), Attach: k.attach,
		OnChildEnded: func(_ string, err error) { last = err },
		Done: func(err error) {
			if tooMany := (*supervisor.IntensityError)(nil); errors.As(err, &tooMany) && tooMany.Child == c.name {
				last = err
			}
			c.release()
			c.ended(last)
		},
	})
}

// restartsOnly leaves out the events of a group that are those of its only child as well.
func restartsOnly(f func(supervisor.Event)) func(supervisor.Event) {
	return func(ev supervisor.Event) {
		if _, ok := ev.(*supervisor.Restarted); ok && f != nil {
			f(ev)
		}
	}
}

// startable reports why the component cannot be started. c.mu is held.
func (c *Component) startable() error {
	if c.running() || c.keeper != nil {
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, ErrStarted)
	}
	return nil
}

// config returns the configuration of the component's actor.
func (c *Component) config(ctx context.Context, r *Runtime) actors.ComponentConfig {
	cfg := c.cfg
	if cfg.Logger == nil {
		cfg.Logger = r.host.Logger()
	}
	cfg.Listeners = &c.Listeners
	cfg.Context = context.WithoutCancel(ctx) // what is left to do at the end must not be canceled by it
	cfg.Attach = c.attach
	cfg.OnSession = c.setSession
	cfg.OnReady = c.setReady
	return cfg
}

// enlist makes the component the child of a group that is being started.
func (c *Component) enlist(ctx context.Context, k *keeper) (supervisor.ChildSpec, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.startable(); err != nil {
		return supervisor.ChildSpec{}, err
	}
	props, err := actors.ComponentProps(k.runtime.host, c.config(ctx, k.runtime))
	if err != nil {
		return supervisor.ChildSpec{}, fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	c.keeper, c.run = k, newComponentRun(newLife(k.runtime, false))
	return supervisor.ChildSpec{Name: c.name, Restart: c.restart.Type, Props: props}, nil
}

// release takes enlist back.
func (c *Component) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeper = nil
}

// attach is called by the component's actor as its first act.
func (c *Component) attach(self *actor.PID, cfg *actors.ComponentConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run.over() { // the group around its group has started that again
		c.run = newComponentRun(newLife(c.run.runtime, false))
	}
	c.run.pid = self
	cfg.Declarations, cfg.Watchers = slices.Clone(c.declarations), slices.Clone(c.watchers)
}

func (c *Component) setSession(s *session.Session) {
	c.current.Store(s)
	if s == nil {
		c.setReady(nil)
	}
}

func (c *Component) setReady(s *session.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	run := c.run
	if s != nil && run.session == nil {
		close(run.ready)
	}
	if s == nil && run.session != nil {
		run.ready = make(chan struct{})
	}
	run.session = s
}

// ended is called when the component has ended for good.
func (c *Component) ended(err error) {
	if err != nil {
		err = fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	c.mu.Lock()
	run := c.run
	c.mu.Unlock()
	run.end(c, err)
}

func (c *Component) policy() supervisor.RestartPolicy { return c.restart }

func (c *Component) components() []*Component {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return nil
	}
	return []*Component{c}
}

// Session returns the present session. There is none before the component has joined, and while
// it connects again.
func (c *Component) Session() (*session.Session, bool) {
	s := c.current.Load()
	return s, s != nil
}

// Ready waits until the component has a session that is ready, and returns that. It fails with
// the error of ctx, with why the component has ended for good, and with ErrNotStarted.
func (c *Component) Ready(ctx context.Context) (*session.Session, error) {
	for {
		c.mu.Lock()
		run := c.run
		if run == nil {
			c.mu.Unlock()
			return nil, fmt.Errorf("cloverleaf: component %s: %w", c.name, ErrNotStarted)
		}
		s, ready := run.session, run.ready
		c.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-ready:
		case <-run.done:
			if run.err != nil {
				return nil, run.err
			}
			return nil, fmt.Errorf("cloverleaf: component %s: %w", c.name, session.ErrClosed)
		case <-ctx.Done():
			return nil, fmt.Errorf("cloverleaf: component %s: %w", c.name, ctx.Err())
		}
	}
}

// PID returns the component's actor, for the messages of package actors; nil if the component is
// not running. Each time that the component is started, also by its restart policy or its group,
// it is another one; see Watch.
func (c *Component) PID() *actor.PID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return nil
	}
	return c.run.pid
}

// Watch has an actor told of the component's life from now on: it gets the messages that
// actors.WatchSession is about, those that lead to the present state at once, also when the
// component is started later or again. The function that is returned ends that.
func (c *Component) Watch(pid *actor.PID) (unwatch func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, pid)
	c.send(&actors.WatchSession{PID: pid})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers = slices.DeleteFunc(c.watchers, pid.Equal)
		c.send(&actors.UnwatchSession{PID: pid})
	}
}

// Stop leaves the session, if there is one, and stops the component for good, whatever it is busy
// with and whatever its restart policy says. It returns when everything is gone, the functions of
// the user included; with nil, or with why the component had ended before. When ctx ends first, the
// connection is cut, nobody is waited for any more, and the error of ctx is returned. A component
// that is not running is not stopped again.
func (c *Component) Stop(ctx context.Context) error {
	c.mu.Lock()
	run, k := c.run, c.keeper
	c.mu.Unlock()
	if run == nil {
		return nil
	}
	cut := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.send(actors.Kill(nil))
	}
	if err := run.stop(ctx, k, c.name, cut); err != nil {
		return fmt.Errorf("cloverleaf: component %s: stop: %w", c.name, err)
	}
	return run.err
}

// Wait returns when the component has ended for good, with the reason: nil if it was stopped, if
// somebody left its session, or if Main has returned.
func (c *Component) Wait() error {
	c.mu.Lock()
	run := c.run
	c.mu.Unlock()
	if run == nil {
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, ErrNotStarted)
	}
	<-run.done
	return run.err
}

func (c *Component) awaitReady(ctx context.Context) error {
	_, err := c.Ready(ctx)
	return err
}
