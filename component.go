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
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
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

	cfg  actors.ComponentConfig
	name string

	mu           sync.Mutex
	declarations []*actors.Declaration
	problems     []error
	run          *componentRun // the present or last one

	current atomic.Pointer[session.Session]
}

// componentRun is one life of a component, from Start to its end.
type componentRun struct {
	runtime *Runtime
	own     bool // the runtime is for this run alone
	pid     *actor.PID
	detach  func() bool // from the context of Start
	done    chan struct{}
	err     error
	ready   chan struct{} // closed while the session is ready, replaced when it is not
	session *session.Session
}

// NewComponent returns a component that does nothing yet. The error names all fields at fault.
func NewComponent(cfg Config) (*Component, error) {
	c := &Component{cfg: cfg.component(), name: cfg.Name}
	if c.name == "" {
		c.name = fmt.Sprintf("component-%d", names.Add(1))
	}
	c.cfg.Name = c.name
	if err := c.cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	return c, nil
}

// Name returns the component's name.
func (c *Component) Name() string { return c.name }

// Declared is a procedure or topic that was declared.
type Declared struct {
	c   *Component
	d   *actors.Declaration
	err error
}

// Err returns what is wrong with the declaration, nil if nothing is. Run and Start report it, too.
func (d *Declared) Err() error { return d.err }

// Remove takes the declaration back, also from the present session.
func (d *Declared) Remove() {
	if d.err != nil {
		return
	}
	c := d.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.declarations = slices.DeleteFunc(c.declarations, func(x *actors.Declaration) bool { return x == d.d })
	c.send(&actors.RemoveDeclaration{Declaration: d.d})
}

// Register declares a procedure. handler is a function as session.CompileHandler takes it:
//
//	comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
//	comp.Register("com.myapp.user", func(ctx context.Context, name string) (User, error) { ... })
//
// What is wrong with it is reported by Run and Start, and by Declared.Err at once.
func (c *Component) Register(procedure string, handler any, opts ...session.RegisterOption) *Declared {
	d, err := actors.DeclareProcedure(procedure, handler, opts...)
	return c.declare(d, err)
}

// Subscribe declares a topic. handler is a function as session.CompileEventHandler takes it:
//
//	comp.Subscribe("com.myapp.oncounter", func(n int) { ... })
//
// What is wrong with it is reported by Run and Start, and by Declared.Err at once.
func (c *Component) Subscribe(topic string, handler any, opts ...session.SubscribeOption) *Declared {
	d, err := actors.DeclareTopic(topic, handler, opts...)
	return c.declare(d, err)
}

// RegisterActor declares a procedure that an actor serves: it gets *actors.Invocation messages.
// target is a *actor.PID, or a *actor.Props that is spawned and supervised under the session, or
// an *actors.Target for more control.
func (c *Component) RegisterActor(procedure string, target any, opts ...session.RegisterOption) *Declared {
	t, err := targetOf(target)
	if err != nil {
		return c.declare(nil, fmt.Errorf("procedure %q: %w", procedure, err))
	}
	return c.Register(procedure, t, opts...)
}

// SubscribeActor declares a topic whose events an actor gets, as *actors.Event messages. target is
// as for RegisterActor.
func (c *Component) SubscribeActor(topic string, target any, opts ...session.SubscribeOption) *Declared {
	t, err := targetOf(target)
	if err != nil {
		return c.declare(nil, fmt.Errorf("topic %q: %w", topic, err))
	}
	return c.Subscribe(topic, t, opts...)
}

func targetOf(target any) (*actors.Target, error) {
	switch t := target.(type) {
	case *actors.Target:
		return t, nil
	case *actor.PID:
		return actors.To(t), nil
	case *actor.Props:
		return actors.Spawn(t), nil
	default:
		return nil, fmt.Errorf("target must be a *actor.PID, *actor.Props or *actors.Target, not %T", target)
	}
}

func (c *Component) declare(d *actors.Declaration, err error) *Declared {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.problems = append(c.problems, err)
		return &Declared{c: c, err: err}
	}
	c.declarations = append(c.declarations, d)
	c.send(&actors.AddDeclaration{Declaration: d})
	return &Declared{c: c, d: d}
}

// send posts a message to the component's actor if it is running. c.mu is held.
func (c *Component) send(m any) {
	if c.running() {
		c.run.runtime.host.System().Root.Send(c.run.pid, m)
	}
}

// running reports whether the component is between Start and its end. c.mu is held.
func (c *Component) running() bool {
	if c.run == nil {
		return false
	}
	select {
	case <-c.run.done:
		return false
	default:
		return true
	}
}

// Check reports what is wrong with the declarations made so far.
func (c *Component) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.check()
}

func (c *Component) check() error {
	if err := errors.Join(c.problems...); err != nil {
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	return nil
}

// Start starts the component in a runtime of its own and returns. When ctx ends, the component is
// stopped in good order. A component that has ended may be started again.
func (c *Component) Start(ctx context.Context) error {
	r := NewRuntime(RuntimeConfig{Logger: c.cfg.Logger})
	if err := r.start(ctx, c, true); err != nil {
		r.host.Close()
		return err
	}
	return nil
}

// start spawns the component's actor.
func (c *Component) start(ctx context.Context, r *Runtime, own bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(); err != nil {
		return err
	}
	if c.running() {
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, ErrStarted)
	}
	run := &componentRun{runtime: r, own: own, done: make(chan struct{}), ready: make(chan struct{})}
	cfg := c.cfg
	cfg.Declarations = slices.Clone(c.declarations)
	cfg.Listeners = &c.Listeners
	cfg.Context = context.WithoutCancel(ctx) // what is left to do at the end must not be canceled by it
	cfg.OnSession = func(s *session.Session) { c.setSession(run, s) }
	cfg.Done = func(err error) { c.ended(run, err) }
	cfg.OnReady = func(s *session.Session) { c.setReady(run, s) }
	pid, err := r.host.SpawnComponent(cfg)
	if err != nil {
		return fmt.Errorf("cloverleaf: %w", err)
	}
	run.pid = pid
	run.detach = context.AfterFunc(ctx, func() {
		r.host.System().Root.Send(pid, &actors.Stop{Reason: protocol.CloseSystemShutdown})
	})
	c.run = run
	return nil
}

func (c *Component) setSession(run *componentRun, s *session.Session) {
	c.current.Store(s)
	if s == nil {
		c.setReady(run, nil)
	}
}

func (c *Component) setReady(run *componentRun, s *session.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s != nil && run.session == nil {
		close(run.ready)
	}
	if s == nil && run.session != nil {
		run.ready = make(chan struct{})
	}
	run.session = s
}

// ended is called by the component's actor as its last act.
func (c *Component) ended(run *componentRun, err error) {
	if err != nil {
		err = fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	c.mu.Lock()
	run.err = err
	detach := run.detach
	c.mu.Unlock()
	if detach != nil {
		detach()
	}
	run.runtime.forget(c)
	close(run.done)
	if run.own {
		run.runtime.host.Close()
	}
}

// Session returns the present session. There is none before the component has joined, and while
// it connects again.
func (c *Component) Session() (*session.Session, bool) {
	s := c.current.Load()
	return s, s != nil
}

// Ready waits until the component has a session that is ready, and returns that. It fails with
// the error of ctx, with why the component has ended, and with ErrNotStarted.
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
// not running.
func (c *Component) PID() *actor.PID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return nil
	}
	return c.run.pid
}

// Stop leaves the session, if there is one, and stops the component, whatever it is busy with. It
// returns when everything is gone, the functions of the user included; with nil, or with why the
// component had ended before. When ctx ends first, the connection is cut, nobody is waited for any
// more, and the error of ctx is returned. A component that is not running is not stopped again.
func (c *Component) Stop(ctx context.Context) error {
	c.mu.Lock()
	run := c.run
	c.send(&actors.Stop{})
	c.mu.Unlock()
	if run == nil {
		return nil
	}
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
	}
	run.runtime.host.System().Root.Send(run.pid, actors.Kill(nil))
	<-run.done
	return fmt.Errorf("cloverleaf: component %s: stop: %w", c.name, ctx.Err())
}

// Wait returns when the component has ended, with the reason: nil if it was stopped, if somebody
// left its session, or if Main has returned.
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
