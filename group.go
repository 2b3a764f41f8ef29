package cloverleaf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// GroupConfig configures a Group. The zero value is usable.
type GroupConfig struct {
	// Name names the group in logs, events and errors. Default "group-1", -2, ...
	Name string
	// Strategy says which members are restarted together. Default supervisor.OneForOne.
	Strategy supervisor.GroupStrategy
	// Intensity limits the restarts of the whole group; one more, and it stops its members and ends
	// with an *supervisor.IntensityError. Default 5 in a minute: raise it for groups of many.
	Intensity supervisor.Intensity
	// Backoff is the delay before a restart, see supervisor.GroupConfig.
	Backoff supervisor.Backoff
	// Restart says when this group is started again if it is a member of another one. Default
	// supervisor.RestartTransient.
	Restart supervisor.RestartType
	// Ordered starts each member when the one before it is ready, and stops each when the one after
	// it has left, see actors.GroupConfig.
	Ordered bool
	// StopTimeout is how long a member may take to stop before it is cut off. Default
	// actors.DefaultStopTimeout; negative is no limit.
	StopTimeout time.Duration
	// OnEvent gets the events of the group, such as *supervisor.Restarted. Those of its components
	// go to their own. It must not block.
	OnEvent func(supervisor.Event)
	// Logger gets the events, too. Default: that of the Runtime.
	Logger *slog.Logger
}

// Group runs components, and other groups, under one supervisor: it starts them in order, starts
// those again that have ended, by their restart types and its strategy, and stops them in reverse
// order. It ends when all its members have ended for good, or fail more often than its Intensity
// allows. Create it with [NewGroup], and run it as a component.
//
// Its methods may be called by any goroutine at any time.
type Group struct {
	cfg     GroupConfig
	members []Runnable
	byName  map[string]Runnable

	mu     sync.Mutex
	run    *life // the present or last one
	pid    *actor.PID
	keeper *keeper // supervises the group now; nil if nobody does
}

// NewGroup returns a group that does nothing yet. A member's Config.Restart says by its Type when
// it is started again, by default supervisor.RestartTransient; how often and after which delay is
// for the group to say. The error names all fields at fault.
func NewGroup(cfg GroupConfig, members ...Runnable) (*Group, error) {
	if cfg.Name == "" {
		cfg.Name = fmt.Sprintf("group-%d", names.Add(1))
	}
	g := &Group{cfg: cfg, members: slices.Clone(members), byName: make(map[string]Runnable, len(members))}
	pure := supervisor.GroupConfig{Strategy: cfg.Strategy, Intensity: cfg.Intensity, Backoff: cfg.Backoff}
	errs := []error{pure.Validate()}
	if !cfg.Restart.Valid() {
		errs = append(errs, fmt.Errorf("restart: unknown type %v", cfg.Restart))
	}
	for i, m := range members {
		if m == nil {
			errs = append(errs, fmt.Errorf("member %d is nil", i))
			continue
		}
		p := m.policy()
		if p.Intensity != (supervisor.Intensity{}) || p.Backoff != (supervisor.Backoff{}) {
			errs = append(errs, fmt.Errorf("member %s: restart: intensity and backoff are those of the group", m.Name()))
		}
		if g.byName[m.Name()] != nil {
			errs = append(errs, fmt.Errorf("member %s: name is taken", m.Name()))
		}
		g.byName[m.Name()] = m
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("cloverleaf: group %s: %w", cfg.Name, err)
	}
	return g, nil
}

// Name returns the group's name.
func (g *Group) Name() string { return g.cfg.Name }

// Check reports what is wrong with the declarations of the members.
func (g *Group) Check() error {
	errs := make([]error, len(g.members))
	for i, m := range g.members {
		errs[i] = m.Check()
	}
	return errors.Join(errs...)
}

// Start starts the group in a runtime of its own and returns. When ctx ends, the group is stopped in
// good order. A group that has ended may be started again.
func (g *Group) Start(ctx context.Context) error { return startAlone(ctx, g, g.cfg.Logger) }

func (g *Group) start(ctx context.Context, r *Runtime, own bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.startable(); err != nil {
		return err
	}
	cfg, err := g.config(ctx, r)
	if err != nil {
		return err
	}
	run := newLife(r, own)
	cfg.Done = func(err error) {
		g.disband()
		g.ended(err)
	}
	if run.top, err = r.host.SpawnGroup(cfg); err != nil {
		err = fmt.Errorf("cloverleaf: %w", err)
		g.dismiss(len(g.members), err)
		return err
	}
	run.stopWith(ctx)
	g.run = run
	return nil
}

// startable reports why the group cannot be started. g.mu is held.
func (g *Group) startable() error {
	if g.running() || g.keeper != nil {
		return fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, ErrStarted)
	}
	return nil
}

// running reports whether the group is between its start and its end. g.mu is held.
func (g *Group) running() bool { return g.run != nil && !g.run.over() }

// config enlists the members and returns the configuration of the group's actor.
func (g *Group) config(ctx context.Context, r *Runtime) (actors.GroupConfig, error) {
	k := newKeeper(r, g.byName)
	cfg := actors.GroupConfig{
		GroupConfig: supervisor.GroupConfig{Strategy: g.cfg.Strategy, Intensity: g.cfg.Intensity, Backoff: g.cfg.Backoff},
		Name:        g.cfg.Name, Ordered: g.cfg.Ordered, StopTimeout: g.cfg.StopTimeout, OnEvent: g.cfg.OnEvent, Logger: g.cfg.Logger,
		Attach: func(self *actor.PID, cfg *actors.GroupConfig) {
			g.attach(self)
			k.attach(self, cfg)
		},
		OnChildEnded: func(name string, err error) { g.byName[name].ended(err) },
	}
	for i, m := range g.members {
		spec, err := m.enlist(ctx, k)
		if err != nil {
			err = fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, err)
			g.dismiss(i, err)
			return cfg, err
		}
		cfg.Children = append(cfg.Children, spec)
	}
	return cfg, nil
}

// dismiss releases the first n members, which were never started.
func (g *Group) dismiss(n int, err error) {
	for _, m := range g.members[:n] {
		m.release()
		m.ended(err)
	}
}

// disband releases all members.
func (g *Group) disband() {
	for _, m := range g.members {
		m.release()
	}
}

// enlist makes the group the child of another one that is being started.
func (g *Group) enlist(ctx context.Context, k *keeper) (supervisor.ChildSpec, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.startable(); err != nil {
		return supervisor.ChildSpec{}, err
	}
	cfg, err := g.config(ctx, k.runtime)
	if err != nil {
		return supervisor.ChildSpec{}, err
	}
	props, err := actors.GroupProps(k.runtime.host, cfg)
	if err != nil {
		err = fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, err)
		g.dismiss(len(g.members), err)
		return supervisor.ChildSpec{}, err
	}
	g.keeper, g.run = k, newLife(k.runtime, false)
	return supervisor.ChildSpec{Name: g.cfg.Name, Restart: g.cfg.Restart, Props: props}, nil
}

// release takes enlist back.
func (g *Group) release() {
	g.disband()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keeper = nil
}

// attach is called by the group's actor as its first act.
func (g *Group) attach(self *actor.PID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run.over() { // the group around the one around it has started that again
		g.run = newLife(g.run.runtime, false)
	}
	g.pid = self
}

// ended is called when the group has ended for good.
func (g *Group) ended(err error) {
	if err != nil {
		err = fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, err)
	}
	g.mu.Lock()
	run := g.run
	g.mu.Unlock()
	run.end(g, err)
	for _, m := range g.members {
		m.ended(err) // all of them have, unless the group was never started
	}
}

func (g *Group) policy() supervisor.RestartPolicy {
	return supervisor.RestartPolicy{Type: g.cfg.Restart}
}

func (g *Group) components() (running []*Component) {
	for _, m := range g.members {
		running = append(running, m.components()...)
	}
	return running
}

// PID returns the group's actor, for the messages of package actors; nil if the group is not
// running. Each time that the group is started it is another one.
func (g *Group) PID() *actor.PID {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.running() {
		return nil
	}
	return g.pid
}

// WaitReady waits until each member is ready, one after the other. It fails with the error of ctx,
// with why a member has ended for good, and with ErrNotStarted.
func (g *Group) WaitReady(ctx context.Context) error {
	for _, m := range g.members {
		if err := m.awaitReady(ctx); err != nil {
			return fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, err)
		}
	}
	return nil
}

func (g *Group) awaitReady(ctx context.Context) error { return g.WaitReady(ctx) }

// Stop stops the members in reverse order, each of which leaves its session, and then the group,
// whatever they are busy with. It returns when everything is gone; with nil, or with why the group
// had ended before. When ctx ends first, the connections are cut, nobody is waited for any more, and
// the error of ctx is returned. A group that is not running is not stopped again.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	run, k := g.run, g.keeper
	g.mu.Unlock()
	if run == nil {
		return nil
	}
	cut := func() {
		if pid := g.PID(); pid != nil {
			run.send(pid, actors.Kill(nil))
		}
	}
	if err := run.stop(ctx, k, g.cfg.Name, cut); err != nil {
		return fmt.Errorf("cloverleaf: group %s: stop: %w", g.cfg.Name, err)
	}
	return run.err
}

// Wait returns when the group has ended for good, with the reason: the errors of the members that
// have failed for good, joined and with their names.
func (g *Group) Wait() error {
	g.mu.Lock()
	run := g.run
	g.mu.Unlock()
	if run == nil {
		return fmt.Errorf("cloverleaf: group %s: %w", g.cfg.Name, ErrNotStarted)
	}
	<-run.done
	return run.err
}
