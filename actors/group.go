package actors

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Messages to a group actor, besides *Stop, *StopChild and kill.
type (
	// startDue is the timer of a restart.
	startDue struct{ token uint64 }
	// childReady and childEnded are what a component or a group tells its group.
	childReady struct{ child *groupChild }
	childEnded struct {
		child *groupChild
		err   error
	}
	// childGone says that the actor of a child is no more. The group posts it to itself, behind
	// what the child has told before.
	childGone struct{ child *groupChild }
	// childOverdue is the timer of a child that was asked to stop.
	childOverdue struct{ child *groupChild }
)

// groupActor performs what a supervisor.Group decides.
type groupActor struct {
	host     *Host
	cfg      GroupConfig // with defaults
	ctx      actor.Context
	self     *actor.PID
	group    *supervisor.Group
	specs    map[string]*supervisor.ChildSpec
	watchers watchers
	member   *membership

	children map[string]*groupChild // those that have an actor, by name
	pids     map[string]*groupChild // the same, by PID
	starting []string               // to be spawned, in this order
	gate     *groupChild            // the rest waits for it to be ready
	queue    []string               // to be asked to stop, in this order
	leaving  *groupChild            // the rest waits for it to be gone
	timers   map[uint64]*time.Timer // of restarts

	again    map[string]error // why those ended that are started again
	over     map[string]bool  // ended for good
	readies  int              // how many of children are ready
	isReady  bool             // all of them were since the last one was started
	goodbye  *Stop            // what children are told
	failures []error
	stopping bool
	finished bool
	err      error
}

func newGroupActor(h *Host, cfg GroupConfig) *groupActor {
	return &groupActor{
		host: h, cfg: cfg, watchers: watchers{}, specs: map[string]*supervisor.ChildSpec{},
		children: map[string]*groupChild{}, pids: map[string]*groupChild{}, timers: map[uint64]*time.Timer{},
		again: map[string]error{}, over: map[string]bool{}, goodbye: &Stop{},
	}
}

// Receive implements actor.Actor.
func (a *groupActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *startDue:
		a.start(m.token)
	case *childReady:
		a.ready(m.child)
	case *childEnded:
		m.child.err = m.err
	case *supervisor.ChildFailed:
		if c := a.pids[m.Child.Id]; c != nil {
			c.err = m.Reason
		}
	case *childGone:
		a.gone(m.child)
	case *childOverdue:
		a.overdue(m.child)
	case *Stop:
		a.stop(m)
	case *StopChild:
		a.perform(a.group.StopChild(m.Name))
		a.ended(m.Name, nil)
	case *kill:
		a.kill(m.err)
	case *WatchSession, *UnwatchSession:
		a.watch(ctx, m)
	default:
		a.lifecycle(ctx)
		return
	}
	a.settle()
}

// lifecycle handles the messages of Proto.Actor.
func (a *groupActor) lifecycle(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.begin(ctx)
		a.settle()
	case *actor.Terminated:
		if c := a.pids[m.Who.Id]; c != nil {
			a.host.send(a.self, &childGone{c})
		} else {
			_, _ = a.watchers.update(ctx, m)
		}
	case *actor.Stopping:
		a.cleanUp()
	case *actor.Stopped:
		a.stopped()
	}
}

// failed ends the group after a panic of this actor, which is a bug.
func (a *groupActor) failed(_ actor.Context, err *supervisor.PanicError) {
	a.cfg.Logger.Error("group actor failed", "group", a.cfg.Name, "reason", err, stackOf(err))
	a.failures = append(a.failures, err)
	a.finish()
}

func (a *groupActor) begin(ctx actor.Context) {
	a.ctx, a.self = ctx, ctx.Self()
	if f := a.cfg.Attach; f != nil {
		f(a.self, &a.cfg)
	}
	for i := range a.cfg.Children {
		a.specs[a.cfg.Children[i].Name] = &a.cfg.Children[i]
	}
	var err error
	if a.group, err = supervisor.NewGroup(a.cfg.GroupConfig); err != nil {
		a.group, _ = supervisor.NewGroup(supervisor.GroupConfig{}) // Attach has spoiled it
		a.failures = append(a.failures, err)
		a.finish()
	}
	a.perform(a.group.Start())
}

// perform does what the Group has decided.
func (a *groupActor) perform(actions []supervisor.Action) {
	for _, action := range actions {
		switch action := action.(type) {
		case *supervisor.StopChildren:
			a.stopChildren(action.Names)
		case *supervisor.StartChildren:
			if action.After <= 0 {
				a.start(action.Token)
				continue
			}
			host, self, m := a.host, a.self, &startDue{token: action.Token}
			a.timers[action.Token] = time.AfterFunc(action.After, func() { host.send(self, m) })
		case *supervisor.GiveUp:
			a.stopping = true
			a.failures = append(a.failures, action.Err)
			a.endAll()
		}
	}
}

func (a *groupActor) start(token uint64) {
	delete(a.timers, token)
	a.starting = append(a.starting, a.group.Started(token)...)
	a.spawnNext()
}

func (a *groupActor) spawnNext() {
	for len(a.starting) > 0 && a.gate == nil {
		name := a.starting[0]
		a.starting = a.starting[1:]
		a.spawn(name)
	}
}

func (a *groupActor) spawn(name string) {
	c := &groupChild{name: name}
	props := a.specs[name].Props.Clone(actor.WithOnInit(func(ctx actor.Context) {
		c.member = enroll(ctx.Actor(), &membership{host: a.host, group: a.self, child: c})
	}))
	if err := safely(func() (err error) { c.pid, err = a.ctx.SpawnNamed(props, name); return err }); err != nil {
		a.terminated(name, fmt.Errorf("spawn: %w", err))
		return
	}
	a.children[name], a.pids[c.pid.Id] = c, c
	if err, ok := a.again[name]; ok {
		delete(a.again, name)
		a.publish(&supervisor.Restarted{Origin: a.origin(), Child: name, Restarts: a.group.Restarts(name, time.Now()), Err: err})
	}
	if !c.member {
		a.ready(c)
		return
	}
	for _, pid := range a.watchers {
		a.host.send(c.pid, &WatchSession{PID: pid})
	}
	if a.cfg.Ordered {
		a.gate = c
	}
}

func (a *groupActor) ready(c *groupChild) {
	if c.ready || a.children[c.name] != c {
		return
	}
	c.ready = true
	a.readies++
	if a.gate == c {
		a.gate = nil
		a.spawnNext()
	}
}

// stopChildren asks children to stop, in this order. Those that were not even spawned are gone.
func (a *groupActor) stopChildren(names []string) {
	for _, name := range names {
		if i := slices.Index(a.starting, name); i >= 0 {
			a.starting = slices.Delete(a.starting, i, i+1)
			a.terminated(name, nil)
			continue
		}
		a.queue = append(a.queue, name)
	}
	a.stopNext()
}

func (a *groupActor) stopNext() {
	for len(a.queue) > 0 && a.leaving == nil {
		c := a.children[a.queue[0]]
		a.queue = a.queue[1:]
		if c == nil {
			continue
		}
		if a.cfg.sequential() {
			a.leaving = c
		}
		a.ask(c)
	}
}

// ask asks a child to stop in good order.
func (a *groupActor) ask(c *groupChild) {
	if c.member {
		a.host.send(c.pid, a.goodbye)
	} else {
		a.ctx.Poison(c.pid)
	}
	if d := a.cfg.StopTimeout; d > 0 {
		host, self, m := a.host, a.self, &childOverdue{c}
		c.timer = time.AfterFunc(d, func() { host.send(self, m) })
	}
}

func (a *groupActor) overdue(c *groupChild) {
	if a.children[c.name] == c {
		a.cfg.Logger.Warn("child cut off", "group", a.cfg.Name, "child", c.name, "reason", errOverdue)
		a.cut(c, errOverdue)
	}
}

// cut stops a child at once.
func (a *groupActor) cut(c *groupChild, err error) {
	if c.member {
		a.host.send(c.pid, Kill(err))
		return
	}
	c.err = err
	a.ctx.Stop(c.pid)
}

// gone handles the end of a child's actor.
func (a *groupActor) gone(c *groupChild) {
	delete(a.children, c.name)
	delete(a.pids, c.pid.Id)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.ready {
		a.readies--
	}
	a.queue = slices.DeleteFunc(a.queue, func(name string) bool { return name == c.name })
	a.terminated(c.name, c.err)
	if a.gate == c {
		a.gate = nil
		a.spawnNext()
	}
	if a.leaving == c {
		a.leaving = nil
		a.stopNext()
	}
}

// terminated asks the Group what to do about a child that is gone.
func (a *groupActor) terminated(name string, err error) {
	actions := a.group.Terminated(name, err, time.Now(), rand.Float64()) //nolint:gosec // jitter
	if n := len(actions); n > 0 {
		if _, gaveUp := actions[n-1].(*supervisor.GiveUp); gaveUp {
			a.over[name] = true // its error is that of the group
			a.tellEnded(name, err)
		}
	}
	if !a.group.Ended(name) {
		a.again[name], a.isReady = err, false
	}
	a.ended(name, err)
	a.perform(actions)
}

// ended takes note if a child has ended for good.
func (a *groupActor) ended(name string, err error) {
	if a.over[name] || !a.group.Ended(name) {
		return
	}
	a.over[name] = true
	if err != nil {
		a.failures = append(a.failures, fmt.Errorf("%s: %w", name, err))
	}
	a.tellEnded(name, err)
}

func (a *groupActor) tellEnded(name string, err error) {
	if f := a.cfg.OnChildEnded; f != nil {
		a.callback("child ended", func() { f(name, err) })
	}
}

// endAll takes note of those that were about to be started again when the group ended.
func (a *groupActor) endAll() {
	for i := range a.cfg.Children {
		a.ended(a.cfg.Children[i].Name, nil)
	}
	for _, t := range a.timers {
		t.Stop()
	}
}

func (a *groupActor) stop(m *Stop) {
	if !a.stopping {
		a.goodbye = m
		a.end()
	}
}

// end stops all children, in reverse order.
func (a *groupActor) end() {
	a.stopping = true
	a.perform(a.group.Stop())
	a.endAll()
}

// kill stops all children at once.
func (a *groupActor) kill(err error) {
	if err != nil {
		a.failures = append(a.failures, err)
	}
	a.end()
	a.queue = nil
	for _, c := range a.children {
		a.cut(c, nil)
	}
}

// settle looks whether the group has become ready, or has ended.
func (a *groupActor) settle() {
	switch {
	case a.finished:
	case len(a.children) == 0 && a.group.Done():
		a.finish()
	case !a.isReady && !a.stopping && a.readies > 0 && a.readies+len(a.over) == len(a.cfg.Children):
		a.isReady = true
		if f := a.cfg.OnReady; f != nil {
			a.callback("ready", f)
		}
		a.member.ready()
	}
}

func (a *groupActor) finish() {
	if a.finished {
		return
	}
	a.finished = true
	if a.err = errors.Join(a.failures...); len(a.failures) == 1 {
		a.err = a.failures[0]
	}
	a.host.system.Root.Stop(a.self)
}

// cleanUp is the beginning of the end. What is left of the children is stopped by Proto.Actor.
func (a *groupActor) cleanUp() {
	for _, t := range a.timers {
		t.Stop()
	}
	for _, c := range a.children {
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	if !a.finished {
		a.finished, a.err = true, errStopped // its PID was stopped
	}
}

// stopped is the last thing that a group does, after its children are gone and its name is free.
func (a *groupActor) stopped() {
	for i := range a.cfg.Children {
		if name := a.cfg.Children[i].Name; !a.over[name] {
			a.over[name] = true
			a.tellEnded(name, errStopped)
		}
	}
	if a.err != nil {
		a.publish(&supervisor.Stopped{Origin: a.origin(), Err: a.err})
	}
	a.watchers.notify(a.host, &Ended{Component: a.self, Err: a.err})
	a.member.ended(a.err)
	if done := a.cfg.Done; done != nil {
		a.callback("done", func() { done(a.err) })
	}
}

// watch keeps the list of those who want to know, and passes the wish on to the children.
func (a *groupActor) watch(ctx actor.Context, m any) {
	added, removed := a.watchers.update(ctx, m)
	for _, c := range a.children {
		switch {
		case !c.member:
		case added != nil:
			a.host.send(c.pid, &WatchSession{PID: added})
		case removed != nil:
			a.host.send(c.pid, &UnwatchSession{PID: removed})
		}
	}
}

func (a *groupActor) publish(ev supervisor.Event) {
	a.host.publish(a.cfg.Logger, a.cfg.OnEvent, ev)
}

func (a *groupActor) origin() supervisor.Origin {
	return supervisor.Origin{Component: a.cfg.Name, Time: time.Now()}
}

// callback calls a function of the user's.
func (a *groupActor) callback(what string, f func()) {
	if err := safely(func() error { f(); return nil }); err != nil {
		a.cfg.Logger.Error("callback failed", "group", a.cfg.Name, "callback", what, "reason", err, stackOf(err))
	}
}
