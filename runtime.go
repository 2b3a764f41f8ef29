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

// Runtime runs any number of components in one actor system. It is safe for concurrent use.
type Runtime struct {
	host *actors.Host

	mu         sync.Mutex
	components []*Component
	stopped    bool
}

// ErrStopped says that a runtime has been stopped.
var ErrStopped = errors.New("runtime is stopped")

// NewRuntime returns a runtime without components. Stop it in the end.
func NewRuntime(cfg RuntimeConfig) *Runtime {
	return &Runtime{host: actors.NewHost(actors.HostConfig{System: cfg.System, Logger: cfg.Logger})}
}

// System returns the actor system.
func (r *Runtime) System() *actor.ActorSystem { return r.host.System() }

// Start starts a component and returns. When ctx ends, the component is stopped in good order;
// Component.Wait says when that is done.
func (r *Runtime) Start(ctx context.Context, c *Component) error { return r.start(ctx, c, false) }

func (r *Runtime) start(ctx context.Context, c *Component, own bool) error {
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, ErrStopped)
	}
	r.components = append(r.components, c)
	r.mu.Unlock()
	if err := c.start(ctx, r, own); err != nil {
		r.forget(c)
		return err
	}
	return nil
}

func (r *Runtime) forget(c *Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.components, c); i >= 0 {
		r.components = slices.Delete(r.components, i, i+1)
	}
}

// Components returns those that are running.
func (r *Runtime) Components() []*Component {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.components)
}

// Stop stops all components, all at once, as Component.Stop does, and ends the runtime. An actor
// system that it made is shut down. It returns what the components return, joined.
func (r *Runtime) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	components := slices.Clone(r.components)
	r.mu.Unlock()
	errs := make([]error, len(components))
	var wg sync.WaitGroup
	for i, c := range components {
		wg.Go(func() { errs[i] = c.Stop(ctx) })
	}
	wg.Wait()
	r.host.Close()
	return errors.Join(errs...)
}
