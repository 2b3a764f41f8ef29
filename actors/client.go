package actors

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// client is what the actors of one component share.
type client struct {
	host    *Host
	cfg     ComponentConfig // with defaults
	log     *slog.Logger
	workers workers
}

// publish makes an event of the component known.
func (c *client) publish(ev supervisor.Event) { c.host.publish(c.log, c.cfg.OnEvent, ev) }

// publish makes an event known: to the log, the event stream, and to onEvent if it is not nil.
func (h *Host) publish(log *slog.Logger, onEvent func(supervisor.Event), ev supervisor.Event) {
	level, msg, attrs := ev.Log()
	log.LogAttrs(context.Background(), level, msg, attrs...) //nolint:sloglint // events have constant messages
	// Whoever listens must not be able to harm the actor that publishes.
	if err := safely(func() error { h.system.EventStream.Publish(ev); return nil }); err != nil {
		log.Error("event stream subscriber failed", "reason", err, stackOf(err))
	}
	if onEvent == nil {
		return
	}
	if err := safely(func() error { onEvent(ev); return nil }); err != nil {
		log.Error("event listener failed", "reason", err, stackOf(err))
	}
}

func (c *client) origin() supervisor.Origin {
	return supervisor.Origin{Component: c.cfg.Name, Time: time.Now()}
}

// handlerFailed publishes what became of a user's function, if it is not fine.
func (c *client) handlerFailed(kind supervisor.Kind, name string, err error) {
	var bug *supervisor.PanicError
	switch {
	case err == nil:
	case errors.As(err, &bug):
		c.publish(&supervisor.HandlerPanicked{Origin: c.origin(), Kind: kind, Name: name, Err: bug})
	default:
		c.publish(&supervisor.HandlerFailed{Origin: c.origin(), Kind: kind, Name: name, Err: err})
	}
}

// errGoexit is why a handler that called runtime.Goexit did not return.
var errGoexit = errors.New("actors: handler called runtime.Goexit")

// guard runs a user's function and calls done with its error, also if it panics or never returns.
func guard(f func() error, done func(error)) {
	err := errGoexit
	defer func() {
		if v := recover(); v != nil {
			err = supervisor.NewPanicError(v)
		}
		done(err)
	}()
	err = f()
}

// errPanicked is what callers get to know of a panic.
var errPanicked = session.NewError(protocol.ErrorRuntime, "the handler failed")

// serve runs a handler for one invocation, on a goroutine that is a worker's.
func (c *client) serve(h *session.Function, inv *session.Invocation) {
	if ms := inv.Details.Timeout; ms > 0 {
		timeout := session.NewError(protocol.ErrorTimeout, "the callee did not answer in time")
		t := time.AfterFunc(milliseconds(ms), func() {
			inv.Interrupt(timeout)
			inv.Fail(timeout)
		})
		defer t.Stop()
	}
	guard(func() error {
		h.Serve(inv)
		return nil
	}, func(err error) {
		if err != nil {
			inv.Fail(errPanicked)
			c.handlerFailed(supervisor.KindProcedure, string(inv.Procedure()), err)
		}
	})
}

func milliseconds(ms uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}

func (c *client) random() float64 { return rand.Float64() } //nolint:gosec // jitter
