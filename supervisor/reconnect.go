package supervisor

import (
	"errors"
	"fmt"
	"time"
)

// Forever is the TransportPolicy.MaxRetries that never gives up.
const Forever = -1

// TransportPolicy is how one of a component's transports is retried.
type TransportPolicy struct {
	// Name stands for the transport in errors; usually its URL.
	Name string
	// Backoff is the delay before each retry. Its zero value means the defaults.
	Backoff Backoff
	// MaxRetries is how many retries may follow a first failure: after MaxRetries+1 failures in
	// a row the transport is given up. Zero is one attempt and no retry; Forever never gives up.
	MaxRetries int
	// IsFatal reports whether the transport must not be used again after err. The other
	// transports are not affected. It is asked before the class of err is, so an error that is
	// both fatal and permanent removes only this transport. Nil means never.
	IsFatal func(err error) bool
}

// ReconnectConfig is how a component is connected again.
type ReconnectConfig struct {
	// Transports are tried in this order, round robin. At least one.
	Transports []TransportPolicy
	// Classify tells transient from permanent failures. Nil means the function Classify.
	Classify Classifier
	// RetryPermanent treats permanent failures as transient ones. It is for a router whose
	// realms or principals may be configured later than its clients are started.
	RetryPermanent bool
}

// Validate returns every problem of the configuration, joined, or nil.
func (c ReconnectConfig) Validate() error {
	var errs []error
	if len(c.Transports) == 0 {
		errs = append(errs, errors.New("no transports"))
	}
	for i, t := range c.Transports {
		if t.MaxRetries < Forever {
			errs = append(errs, fmt.Errorf("transport %d (%s): max retries %d is below -1", i, t.Name, t.MaxRetries))
		}
		if err := t.Backoff.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("transport %d (%s): %w", i, t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Attempt is the next thing a component does to be connected.
type Attempt struct {
	// Transport is an index into ReconnectConfig.Transports.
	Transport int
	// Retry is how many failures in a row came before it on this transport.
	Retry int
	// Delay is how long to wait before it.
	Delay time.Duration
}

// Reconnect decides which transport a component tries next, after how long, and when it gives
// up. It walks round robin over the transports that are left, each with its own retry counter,
// delays and limit:
//
//   - The first attempt on a transport that has not failed since the last join waits for
//     nothing: when the first router does not answer, the second is tried at once.
//   - Each further attempt on it waits for its Backoff.
//   - A join resets the counters of all transports, so limits count failures in a row only. What
//     IsFatal removed stays removed.
//   - The loss of a joined session is failure number one of its transport, and the attempt that
//     follows waits at least the first delay of whichever transport it goes to. So between two
//     joins there is at least one delay, and a router that accepts sessions and drops them is
//     not flooded.
//   - A permanent failure ends everything, unless RetryPermanent is set.
//   - A session that this side gives up for a reason of its own is nobody's failure.
//
// The owner calls Next for each attempt, and then either Joined and, when the session is over,
// Failed or Closed, or only Failed. Not safe for concurrent use; it has no clock and no randomness.
type Reconnect struct {
	cfg        ReconnectConfig
	transports []transportState
	current    int  // the attempt or session under way, none if it ended
	last       int  // where the round robin stands
	joined     bool // whether current is a session
	lost       bool // whether a session was lost since the last attempt
	permanent  error
}

const none = -1

type transportState struct {
	failures int
	removed  bool
	err      error
}

// NewReconnect returns a Reconnect that has tried nothing yet. The configuration is copied.
func NewReconnect(cfg ReconnectConfig) (*Reconnect, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("supervisor: reconnect: %w", err)
	}
	cfg.Transports = append([]TransportPolicy(nil), cfg.Transports...)
	if cfg.Classify == nil {
		cfg.Classify = Classify
	}
	return &Reconnect{
		cfg:        cfg,
		transports: make([]transportState, len(cfg.Transports)),
		current:    none,
		last:       none,
	}, nil
}

// Next returns the next attempt, or false if there is none: then Err says why. rnd places the
// delay in the jitter band, see Backoff.Delay.
//
// It ends whatever is under way: an attempt or a session that nobody reported as failed counts
// as failed, so that no order of calls leads to attempts without delay.
func (r *Reconnect) Next(rnd float64) (Attempt, bool) {
	r.Failed(nil)
	if r.permanent != nil {
		return Attempt{}, false
	}
	i := r.pick()
	if i == none {
		return Attempt{}, false
	}
	retry := r.transports[i].failures
	wait := retry
	if r.lost {
		wait = max(wait, 1)
	}
	r.current, r.last, r.lost = i, i, false
	return Attempt{Transport: i, Retry: retry, Delay: r.cfg.Transports[i].Backoff.Delay(wait, rnd)}, true
}

// Failed reports that the attempt or the session under way ended with err, and returns the
// class of err. Without one under way it changes nothing, so it does no harm when two sources
// report the same failure. An err of nil stands for an unknown cause.
func (r *Reconnect) Failed(err error) Class {
	if err == nil {
		err = errUnreported
	}
	class := r.cfg.Classify(err)
	if r.current == none {
		return class
	}
	t, policy := &r.transports[r.current], r.cfg.Transports[r.current]
	t.failures++
	t.err = err
	r.lost = r.joined
	r.current, r.joined = none, false
	if policy.IsFatal != nil && policy.IsFatal(err) {
		t.removed = true
	} else if class == ClassPermanent && !r.cfg.RetryPermanent {
		r.permanent = Permanent(fmt.Errorf("supervisor: %s: %w", policy.Name, err))
	}
	return class
}

// Closed reports that the attempt or the session under way was given up by this side, for a reason
// that is not its transport's: that is tried again first, with the delay of the failures it had
// before. How long to wait because of the reason is for whoever knows it to say.
func (r *Reconnect) Closed() {
	if r.current == none {
		return
	}
	n := len(r.transports)
	r.last = (r.current + n - 1) % n
	r.current, r.joined = none, false
}

// Joined reports that the attempt under way became a session. Without one it changes nothing.
func (r *Reconnect) Joined() {
	if r.current == none {
		return
	}
	r.joined = true
	for i := range r.transports {
		if t := &r.transports[i]; !t.removed {
			*t = transportState{}
		}
	}
}

// Err returns why there is no further attempt: a permanent failure, an *ExhaustedError, or nil
// as long as there is one. Its class is ClassPermanent.
func (r *Reconnect) Err() error {
	if r.permanent != nil {
		return r.permanent
	}
	e := &ExhaustedError{Causes: make([]TransportCause, 0, len(r.transports))}
	for i, t := range r.transports {
		if r.eligible(i) {
			return nil
		}
		e.Causes = append(e.Causes, TransportCause{
			Transport: r.cfg.Transports[i].Name, Failures: t.failures, Fatal: t.removed, Err: t.err,
		})
	}
	return e
}

// pick returns the first transport after the last one that may still be tried.
func (r *Reconnect) pick() int {
	n := len(r.transports)
	for k := 1; k <= n; k++ {
		if i := (r.last + k) % n; r.eligible(i) {
			return i
		}
	}
	return none
}

func (r *Reconnect) eligible(i int) bool {
	t, limit := r.transports[i], r.cfg.Transports[i].MaxRetries
	return !t.removed && (limit == Forever || t.failures <= limit)
}
