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

// StopTimeout is how long Run waits for everything to leave in good order.
const StopTimeout = 10 * time.Second

// Run runs components and groups in one runtime and returns when all of them have ended. When ctx
// ends, or with the first SIGINT or SIGTERM, each leaves its session with a GOODBYE and stops; what
// takes longer than StopTimeout, or until a second signal, is cut off. After that signals end the
// process as they always do.
//
// Their errors are returned joined, each with its name; nil if all of them ended well. One that
// fails does not touch the others; a Group is for those that depend on each other. If one cannot be
// started, because of a mistake in its declarations, none is.
func Run(ctx context.Context, units ...Runnable) error {
	var problems []error
	for _, u := range units {
		problems = append(problems, u.Check())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// What runs gets a context that outlives ctx: it is stopped in order below.
	lasting := context.WithoutCancel(ctx)
	r := NewRuntime(RuntimeConfig{})
	errs := make([]error, len(units))
	var wg sync.WaitGroup
	for i, u := range units {
		if errs[i] = r.Start(lasting, u); errs[i] != nil {
			continue
		}
		wg.Go(func() { errs[i] = u.Wait() })
	}
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	patience := 2 // signals: the first may be what has ended ctx, too
	select {
	case <-ended:
	case <-ctx.Done():
	case <-signals:
		patience--
	}
	err := stopUntil(lasting, r, signals, patience, ended)
	<-ended
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stopUntil stops the runtime in good order, at most until StopTimeout or so many signals.
func stopUntil(ctx context.Context, r *Runtime, signals chan os.Signal, patience int, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, StopTimeout)
	defer cancel()
	go func() {
		for range patience {
			select {
			case <-signals:
			case <-ended:
				return
			}
		}
		signal.Stop(signals) // the next one is not for us
		cancel()
	}()
	return r.Stop(ctx)
}
