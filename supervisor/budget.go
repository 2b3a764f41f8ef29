package supervisor

import (
	"errors"
	"fmt"
	"time"
)

// Defaults of an Intensity that is zero. They fit the default Backoff of a Group: the delays of
// five restarts add up to 19.8 s, well within the window, so a child that fails at once each
// time it is started is given up. A window shorter than the delays would never see five of them.
const (
	DefaultMaxRestarts = 5
	DefaultWindow      = time.Minute
)

// Intensity is a restart intensity as OTP defines it: a child, or a group of children, may be
// restarted at most MaxRestarts times within Window. The next failure is one too many, and the
// supervisor gives up.
//
// The zero value means DefaultMaxRestarts within DefaultWindow. With a Window and MaxRestarts
// zero, no restart is allowed; with MaxRestarts and no Window, the window is DefaultWindow.
type Intensity struct {
	// MaxRestarts is the number of restarts that are still allowed within Window.
	MaxRestarts int
	// Window is how long a restart counts. One that is exactly Window ago still counts.
	Window time.Duration
}

// Validate returns every problem of the configuration, joined, or nil.
func (i Intensity) Validate() error {
	var errs []error
	if i.MaxRestarts < 0 {
		errs = append(errs, fmt.Errorf("intensity: max restarts %d is negative", i.MaxRestarts))
	}
	if i.Window < 0 {
		errs = append(errs, fmt.Errorf("intensity: window %v is negative", i.Window))
	}
	return errors.Join(errs...)
}

// String returns the intensity as "5 in 1m0s", with the defaults filled in.
func (i Intensity) String() string {
	i = i.withDefaults()
	return fmt.Sprintf("%d in %v", i.MaxRestarts, i.Window)
}

func (i Intensity) withDefaults() Intensity {
	if i.Window == 0 {
		if i.MaxRestarts == 0 {
			i.MaxRestarts = DefaultMaxRestarts
		}
		i.Window = DefaultWindow
	}
	return i
}

// Budget counts restarts against an Intensity in a sliding window. Its zero value is a full
// budget of the default intensity. It holds at most MaxRestarts times. Not safe for concurrent use.
type Budget struct {
	intensity Intensity
	restarts  []time.Time // oldest first
}

// NewBudget returns a full budget of the given intensity.
func NewBudget(i Intensity) *Budget { return &Budget{intensity: i} }

// Spend takes one restart at the given time out of the budget and reports whether it was in
// it. A refused restart is not counted. Times must not decrease.
func (b *Budget) Spend(now time.Time) bool {
	if b.Spent(now) >= b.intensity.withDefaults().MaxRestarts {
		return false
	}
	b.restarts = append(b.restarts, now)
	return true
}

// Spent returns how many restarts count at the given time.
func (b *Budget) Spent(now time.Time) int {
	window := b.intensity.withDefaults().Window
	expired := 0
	for expired < len(b.restarts) && now.Sub(b.restarts[expired]) > window {
		expired++
	}
	b.restarts = append(b.restarts[:0], b.restarts[expired:]...)
	return len(b.restarts)
}
