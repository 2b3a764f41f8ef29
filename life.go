package cloverleaf

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Runnable is what Run, a Runtime and a Group run: a *Component or a *Group.
type Runnable interface {
	// Name returns its name.
	Name() string
	// Check reports what is wrong with its declarations.
	Check() error
	// Start starts it in a runtime of its own, which ends with it or with ctx.
	Start(ctx context.Context) error
	// Stop stops it in good order, within ctx.
	Stop(ctx context.Context) error
	// Wait returns when it has ended, with the reason.
	Wait() error

	start(ctx context.Context, r *Runtime, own bool) error
	enlist(ctx context.Context, k *keeper) (supervisor.ChildSpec, error)
	release()
	ended(err error)
	policy() supervisor.RestartPolicy
	awaitReady(ctx context.Context) error
	components() []*Component
}

// life is that of a component or a group, from its start to its end.
type life struct {
	runtime *Runtime
	own     bool       // the runtime is for this life alone
	top     *actor.PID // what was spawned for it; nil in a group
	mu      sync.Mutex
	detach  func() bool // from the context of Start
	done    chan struct{}
	err     error // valid when done is closed
}

func newLife(r *Runtime, own bool) *life {
	return &life{runtime: r, own: own, done: make(chan struct{})}
}

func startAlone(ctx context.Context, u Runnable, logger *slog.Logger) error {
	r := NewRuntime(RuntimeConfig{Logger: logger})
	if err := r.start(ctx, u, true); err != nil {
		r.host.Close()
		return err
	}
	return nil
}

func (l *life) send(pid *actor.PID, m any) { l.runtime.host.System().Root.Send(pid, m) }

// stopWith stops it in good order when ctx ends.
func (l *life) stopWith(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.detach = context.AfterFunc(ctx, func() { l.send(l.top, &actors.Stop{Reason: protocol.CloseSystemShutdown}) })
}

// over reports whether it has ended.
func (l *life) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// end ends it, the first time that it is called.
func (l *life) end(u Runnable, err error) {
	l.mu.Lock()
	if l.over() {
		l.mu.Unlock()
		return
	}
	l.err = err
	close(l.done)
	detach := l.detach
	l.mu.Unlock()
	if detach != nil {
		detach()
	}
	l.runtime.forget(u)
	if l.own {
		l.runtime.host.Close()
	}
}

// stop asks for the end, by the keeper if there is one, and waits for it. When ctx ends before, it
// is forced by cut, and the error of ctx is returned.
func (l *life) stop(ctx context.Context, k *keeper, name string, cut func()) error {
	switch {
	case l.top != nil:
		l.send(l.top, &actors.Stop{})
	case k != nil:
		k.stop(name)
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	if l.top != nil {
		l.send(l.top, actors.Kill(nil))
	} else {
		cut()
	}
	<-l.done
	return ctx.Err()
}

// keeper is the actor that supervises the members of a group. It changes when the group is the
// member of another one that starts it again.
type keeper struct {
	runtime *Runtime
	members map[string]Runnable

	mu      sync.Mutex
	pid     *actor.PID      // of the present one
	stopped map[string]bool // members that are not to be started again
}

func newKeeper(r *Runtime, members map[string]Runnable) *keeper {
	return &keeper{runtime: r, members: members, stopped: make(map[string]bool)}
}

// attach is called by the group's actor as its first act.
func (k *keeper) attach(self *actor.PID, cfg *actors.GroupConfig) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pid = self
	cfg.Children = slices.DeleteFunc(slices.Clone(cfg.Children), func(c supervisor.ChildSpec) bool {
		if !k.stopped[c.Name] {
			return false
		}
		if m := k.members[c.Name]; m != nil {
			m.ended(nil)
		}
		return true
	})
}

// stop stops a member for good.
func (k *keeper) stop(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped[name] = true
	if k.pid != nil {
		k.runtime.host.System().Root.Send(k.pid, &actors.StopChild{Name: name})
	}
}
