package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// The modes.
const (
	// RPC makes calls.
	RPC = "rpc"
	// PubSub publishes events.
	PubSub = "pubsub"
	// Sessions joins many sessions and keeps them.
	Sessions = "sessions"
	// Churn joins and leaves again and again.
	Churn = "churn"
)

// Modes returns the names of the modes.
func Modes() []string { return []string{RPC, PubSub, Sessions, Churn} }

// Config says what to do. Mode and Component are needed.
type Config struct {
	// Mode is one of Modes.
	Mode string
	// Component is what every connection is made of. It has one transport.
	Component cloverleaf.Config
	// Senders are the callers or publishers, and in the other modes all sessions. Receivers are the
	// callees or subscribers. One of them may be zero: another process is the other side then.
	Senders, Receivers int
	// InFlight is how many operations of one sender are under way at most; with Sessions how many join
	// at a time.
	InFlight int
	// Size is that of an additional argument of calls and events, in bytes.
	Size int
	// Duration is how long is measured, Warmup how long before that. Receivers without senders go on
	// until the context ends if Duration is zero. Sessions are kept for Duration.
	Duration, Warmup time.Duration
	// Rate is how many operations are begun in a second, by all senders together; zero is as many as
	// InFlight allows.
	Rate float64
	// Acknowledge asks the router to acknowledge events.
	Acknowledge bool
	// URI is the topic, and the first part of the names of procedures.
	URI string
	// Progress, if it is not nil, is told every second how it goes, and when a phase begins.
	Progress func(Progress)
}

// Progress is how a run goes.
type Progress struct {
	// Phase is what is being done, for people.
	Phase string
	// Begun says that the phase has just begun. The rest is zero then.
	Begun bool
	// Elapsed is the time in the phase, PerSecond the operations in the last second.
	Elapsed   time.Duration
	PerSecond float64
	// P50 and P99 are those of the latencies measured so far, zero before there are some.
	P50, P99 time.Duration
}

// Check returns what is wrong with the configuration but for the component, nil if nothing is. Run does
// the same.
func (c *Config) Check() error {
	switch {
	case len(c.Component.Transports) != 1:
		return errors.New("component: needs one transport")
	case c.Senders < 0 || c.Receivers < 0:
		return errors.New("connections: a negative number")
	case c.Senders+c.Receivers == 0:
		return errors.New("connections: there are none")
	case c.InFlight < 1:
		return fmt.Errorf("in-flight: %d is less than 1", c.InFlight)
	case c.Size < 0:
		return fmt.Errorf("size: %d is negative", c.Size)
	case !(c.Rate >= 0 && c.Rate <= 1e7):
		return fmt.Errorf("rate: %v is not between 0 and 10,000,000", c.Rate)
	case c.Duration < 0 || c.Warmup < 0:
		return errors.New("duration: a negative time")
	case c.Duration == 0 && c.Senders > 0 && c.Mode != Sessions:
		return errors.New("duration: there is none")
	}
	switch c.Mode {
	case RPC, PubSub:
		if !protocol.URI(c.URI).Valid() {
			return fmt.Errorf("uri: %q is not a valid URI", c.URI)
		}
	case Sessions, Churn:
		if c.Receivers != 0 {
			return errors.New("receivers: this mode has none")
		}
	default:
		return fmt.Errorf("mode: there is no %q", c.Mode)
	}
	if c.Mode == PubSub && c.Receivers == 0 && !c.Acknowledge && c.Rate == 0 {
		return errors.New("without subscribers and acknowledgement a rate is needed: nothing else says how fast the events may come")
	}
	return nil
}
