package actors

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// HostConfig configures a Host. The zero value is usable.
type HostConfig struct {
	// System is the actor system to live in; nil makes one that ends with the Host.
	System *actor.ActorSystem
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

// Host is where actors of this package live: an actor system, and the dispatcher that
// runs our actors in it. The actors of others in the same system keep their own. It is
// safe for concurrent use.
type Host struct {
	system     *actor.ActorSystem
	own        bool
	dispatcher *sched.Dispatcher
	logger     *slog.Logger
	guardian   actor.SupervisorStrategy
	names      atomic.Uint64
	closing    sync.Once
}

// NewHost returns a Host. Close it when every actor in it has stopped.
func NewHost(cfg HostConfig) *Host {
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	h := &Host{system: cfg.System, dispatcher: sched.NewDispatcher(sched.DispatcherConfig{}), logger: logger}
	if h.system == nil {
		h.own = true
		h.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler) // what matters is logged here, with its context
		}))
	}
	h.guardian = &guardian{logger: logger}
	return h
}

// System returns the actor system.
func (h *Host) System() *actor.ActorSystem { return h.system }

// Logger returns the logger; it is never nil.
func (h *Host) Logger() *slog.Logger { return h.logger }

// Close ends the dispatcher's idle workers and, if the Host made it, the actor system.
// Actors that are still there go on, more slowly. Close may be called more than once.
func (h *Host) Close() {
	h.closing.Do(func() {
		h.dispatcher.Close()
		if h.own {
			h.system.Shutdown()
		}
	})
}

// send posts m to the actor: no envelope, no sender.
func (h *Host) send(to *actor.PID, m any) { h.system.Root.Send(to, m) }

// props makes the Props of an actor that handles messages as soon as possible and is
// told, by a *sched.Drained, when its mailbox has run dry.
func (h *Host) props(producer actor.Producer, opts ...actor.PropsOption) *actor.Props {
	return actor.PropsFromProducer(guarded(producer), append([]actor.PropsOption{
		actor.WithDispatcher(h.dispatcher),
		actor.WithMailbox(sched.NewMailbox(sched.Draining())),
	}, opts...)...)
}

// rootProps is props for an actor without a parent.
func (h *Host) rootProps(producer actor.Producer) *actor.Props {
	return h.props(producer, actor.WithGuardian(h.guardian))
}

// lowProps is props for an actor that runs when others have had their turn: what they
// produce meanwhile leaves in one batch.
func (h *Host) lowProps(producer actor.Producer) *actor.Props {
	return h.props(producer, actor.WithDispatcher(h.dispatcher.Low()))
}

// spawner starts many actors without a parent by the same Props, to which each of them
// refers as long as it lives. It is safe for concurrent use.
type spawner struct {
	host  *Host
	props *actor.Props

	mu   sync.Mutex
	next actor.Actor // what the producer returns
}

func (h *Host) newSpawner(opts ...actor.PropsOption) *spawner {
	s := &spawner{host: h}
	s.props = h.props(func() actor.Actor { return s.next }, append(opts, actor.WithGuardian(h.guardian))...)
	return s
}

// spawn starts a. It must not panic beyond its Receive: nobody could make it anew.
func (s *spawner) spawn(a failing, name string) (*actor.PID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = a
	pid, err := s.host.system.Root.SpawnNamed(s.props, name) // calls the producer
	s.next = nil
	return pid, err
}

// failing is an actor that deals with its own panics: it goes on, or ends itself in
// order. Its failed method is called in place of the supervisor.
type failing interface {
	actor.Actor
	failed(ctx actor.Context, err *supervisor.PanicError)
}

// guarded wraps the actors of a producer so that a panic keeps its stack.
func guarded(producer actor.Producer) actor.Producer {
	return func() actor.Actor {
		inner := producer()
		if f, ok := inner.(failing); ok {
			return &containedActor{inner: f}
		}
		return &guardedActor{inner: inner}
	}
}

// guardedActor turns a panic into a *supervisor.PanicError with the stack, which is
// gone by the time a supervision strategy runs.
type guardedActor struct{ inner actor.Actor }

// Receive passes the message on.
func (g *guardedActor) Receive(ctx actor.Context) {
	defer rethrow()
	g.inner.Receive(ctx)
}

func rethrow() {
	if v := recover(); v != nil {
		panic(supervisor.NewPanicError(v))
	}
}

// containedActor hands a panic to the actor itself. Nothing panics beyond it: an
// actor that panicked while stopping would never be stopped.
type containedActor struct{ inner failing }

// Receive passes the message on.
func (c *containedActor) Receive(ctx actor.Context) {
	defer func() {
		if v := recover(); v != nil {
			err := supervisor.NewPanicError(v)
			_ = safely(func() error { c.inner.failed(ctx, err); return nil }) // a second panic adds nothing
		}
	}()
	c.inner.Receive(ctx)
}

// safely runs f and turns a panic into a *supervisor.PanicError.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = supervisor.NewPanicError(v)
		}
	}()
	return f()
}

// guardian supervises the actors without a parent: one that panics is stopped.
type guardian struct{ logger *slog.Logger }

// HandleFailure implements actor.SupervisorStrategy. It runs on the failing actor's
// goroutine and must not panic.
func (g *guardian) HandleFailure(system *actor.ActorSystem, _ actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) { //nolint:revive // the interface has so many arguments
	g.logger.Error("actor failed", slog.String("pid", child.Id), slog.Any("reason", reason), stackOf(reason))
	system.Root.Stop(child)
}

// stackOf returns the stack of a panic, if reason is one, for a log record.
func stackOf(reason any) slog.Attr {
	if p, ok := reason.(*supervisor.PanicError); ok {
		return slog.String("stack", string(p.Stack))
	}
	return slog.Attr{}
}
