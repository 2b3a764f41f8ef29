package cloverleaf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
)

// RuntimeConfig configures a Runtime. The zero value is usable.
type RuntimeConfig struct {
	// System is the actor system to live in; nil makes one. A Runtime adds actors to it and stops
	// them, and nothing else.
	System *actor.ActorSystem
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

// Runtime runs any number of components and groups in one actor system. It is safe for concurrent use.
type Runtime struct {
	host *actors.Host

	mu      sync.Mutex
	units   []Runnable
	stopped bool
}

// ErrStopped says that a runtime has been stopped.
var ErrStopped = errors.New("runtime is stopped")

// NewRuntime returns a runtime without components. Stop it in the end.
func NewRuntime(cfg RuntimeConfig) *Runtime {
	return &Runtime{host: actors.NewHost(actors.HostConfig{System: cfg.System, Logger: cfg.Logger})}
}

// System returns the actor system.
func (r *Runtime) System() *actor.ActorSystem { return r.host.System() }

// Start starts a component or a group and returns. When ctx ends, it is stopped in good order; its
// Wait says when that is done.
func (r *Runtime) Start(ctx context.Context, u Runnable) error { return r.start(ctx, u, false) }

func (r *Runtime) start(ctx context.Context, u Runnable, own bool) error {
	if err := u.Check(); err != nil {
		return err
	}
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return fmt.Errorf("cloverleaf: %s: %w", u.Name(), ErrStopped)
	}
	r.units = append(r.units, u)
	r.mu.Unlock()
	if err := u.start(ctx, r, own); err != nil {
		r.forget(u)
		return err
	}
	return nil
}

func (r *Runtime) forget(u Runnable) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.units, u); i >= 0 {
		r.units = slices.Delete(r.units, i, i+1)
	}
}

// Components returns those that are running, the members of groups included.
func (r *Runtime) Components() (running []*Component) {
	r.mu.Lock()
	units := slices.Clone(r.units)
	r.mu.Unlock()
	for _, u := range units {
		running = append(running, u.components()...)
	}
	return running
}

// Stop stops all components and groups, all at once, as their Stop does, and ends the runtime. An
// actor system that it made is shut down. It returns what they return, joined.
func (r *Runtime) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	units := slices.Clone(r.units)
	r.mu.Unlock()
	errs := make([]error, len(units))
	var wg sync.WaitGroup
	for i, u := range units {
		wg.Go(func() { errs[i] = u.Stop(ctx) })
	}
	wg.Wait()
	r.host.Close()
	return errors.Join(errs...)
}
