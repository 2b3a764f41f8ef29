package cloverleaf

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// StopTimeout is how long Run waits for a component to leave in good order.
const StopTimeout = 10 * time.Second

// Run runs components in one runtime and returns when all of them have ended. When ctx ends, or
// with the first SIGINT or SIGTERM, each leaves its session with a GOODBYE and stops; one that
// takes longer than StopTimeout is cut off. A second signal ends the process as it always does.
//
// The errors of the components are returned joined, each with the component's name; nil if all of
// them ended well. A component that fails does not touch the others. If one cannot be started,
// because of a mistake in its declarations, none is.
func Run(ctx context.Context, components ...*Component) error {
	var problems []error
	for _, c := range components {
		problems = append(problems, c.Check())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The components get a context that outlives the signal: they are stopped in order below.
	runCtx := context.WithoutCancel(ctx)
	r := NewRuntime(RuntimeConfig{})
	errs := make([]error, len(components))
	var wg sync.WaitGroup
	for i, c := range components {
		if errs[i] = r.Start(runCtx, c); errs[i] != nil {
			continue
		}
		wg.Go(func() { errs[i] = c.Wait() })
	}
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		stop() // the next signal is not for us
	}
	stopCtx, cancel := context.WithTimeout(runCtx, StopTimeout)
	defer cancel()
	err := r.Stop(stopCtx)
	<-ended
	if errors.Is(err, context.DeadlineExceeded) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
