package load

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const (
	// joiners is how many connections are made at a time.
	joiners = 16
	// leaveTimeout bounds the end of all sessions together.
	leaveTimeout = 10 * time.Second
	// maxInvocations is more than a callee ever has to serve.
	maxInvocations = 1 << 30
)

// fleet makes the connections of a run. Each is a component that tries once and does not come back.
type fleet struct {
	cfg     cloverleaf.Config
	runtime *cloverleaf.Runtime

	live   atomic.Int64  // sessions that were joined to stay
	broken chan struct{} // closed when the last of them has ended
	once   sync.Once
}

func newFleet(cfg cloverleaf.Config) *fleet {
	cfg.Name = "" // each gets one of its own
	cfg.MaxInvocations = maxInvocations
	cfg.Transports = slices.Clone(cfg.Transports)
	cfg.Transports[0].IsFatal = func(error) bool { return true }
	return &fleet{cfg: cfg, runtime: cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{}), broken: make(chan struct{})}
}

// start starts a component and waits for its session.
func (f *fleet) start(ctx context.Context, declare func(*cloverleaf.Component)) (*cloverleaf.Component, *session.Session, error) {
	c, err := cloverleaf.NewComponent(f.cfg)
	if err != nil {
		return nil, nil, err
	}
	if declare != nil {
		declare(c)
	}
	if err := f.runtime.Start(context.WithoutCancel(ctx), c); err != nil {
		return nil, nil, err
	}
	s, err := c.Ready(ctx)
	return c, s, err
}

// join is start for a session that is to stay until the end of the run. ended is called when it does not.
func (f *fleet) join(ctx context.Context, declare func(*cloverleaf.Component), ended func(error)) (*session.Session, error) {
	_, s, err := f.start(ctx, declare)
	if err != nil {
		return nil, err
	}
	f.live.Add(1)
	context.AfterFunc(s.Context(), func() {
		ended(context.Cause(s.Context()))
		if f.live.Add(-1) == 0 {
			f.once.Do(func() { close(f.broken) })
		}
	})
	return s, nil
}

// stop leaves all sessions.
func (f *fleet) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	_ = f.runtime.Stop(ctx) // what did not end well was counted before
}

// each calls f for 0 to n-1, several at a time, and returns the first failure.
func each(parent context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, joiners) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := f(ctx, int(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if err := parent.Err(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
