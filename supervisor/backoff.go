package supervisor

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Defaults of the fields of a Backoff that are zero.
const (
	DefaultInitial = 1500 * time.Millisecond
	DefaultMax     = 300 * time.Second
	DefaultGrowth  = 1.5
	DefaultJitter  = 0.1
)

// NoJitter is a value of Backoff.Jitter that is too small to move any delay. It exists because
// zero asks for the default.
const NoJitter = math.SmallestNonzeroFloat64

// Backoff is the delay before a retry as a function of how many retries came before it:
// exponential growth from Initial to Max, and a random band around the result.
//
// The zero value is ready for use and means the defaults, as does each field that is zero.
// A default never contradicts a field that is set: with Max at 1 s and Initial zero the first
// delay is 1 s, with Initial at 10 min and Max zero every delay is 10 min.
type Backoff struct {
	// Initial is the delay before the first retry. Default 1.5 s.
	Initial time.Duration
	// Max is the longest delay before jitter. Default 300 s.
	Max time.Duration
	// Growth multiplies the delay for each further retry, at least 1. Default 1.5.
	Growth float64
	// Jitter is the half width of the random band, as a fraction of the delay: 0.1 spreads
	// a delay of 10 s evenly over 9 s to 11 s. In [0, 1), default 0.1; see NoJitter.
	Jitter float64
}

// Delay returns how long the given retry waits: min(Initial·Growth^(retry-1), Max) times a
// factor in the band 1±Jitter. Retry 1 is the first attempt after the first failure; zero and
// below are the attempt before any failure, which waits for nothing.
//
// rnd picks the place in the band: 0 is the lower end, 0.5 the middle, 1 the upper end. Pass
// a uniform random number in [0, 1); other values are moved to the nearer end, NaN to the middle.
//
// The band is kept at the cap, where it matters most: clients that lost the same router long
// ago must not come back in step. A delay may therefore exceed Max by the fraction Jitter.
// No delay depends on an earlier random number.
func (b Backoff) Delay(retry int, rnd float64) time.Duration {
	if retry <= 0 {
		return 0
	}
	b = b.withDefaults()
	// The power overflows to +Inf for large retries, which the cap then catches.
	base := math.Min(float64(b.Initial)*math.Pow(b.Growth, float64(retry-1)), float64(b.Max))
	return toDuration(base * (1 + b.Jitter*(2*clampUnit(rnd)-1)))
}

// Validate returns every problem of the configuration, joined, or nil.
func (b Backoff) Validate() error {
	d := b.withDefaults()
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("backoff: "+format, args...)) }
	if d.Initial < 0 {
		add("initial delay %v is negative", d.Initial)
	}
	if d.Max < 0 {
		add("max delay %v is negative", d.Max)
	}
	if d.Initial > d.Max {
		add("initial delay %v is longer than max delay %v", d.Initial, d.Max)
	}
	if !(d.Growth >= 1) || math.IsInf(d.Growth, 0) {
		add("growth %v is not a number of at least 1", d.Growth)
	}
	if !(d.Jitter >= 0 && d.Jitter < 1) {
		add("jitter %v is not in [0, 1)", d.Jitter)
	}
	return errors.Join(errs...)
}

func (b Backoff) withDefaults() Backoff {
	if b.Max == 0 {
		b.Max = max(DefaultMax, b.Initial)
	}
	if b.Initial == 0 {
		b.Initial = min(DefaultInitial, b.Max)
	}
	if b.Growth == 0 {
		b.Growth = DefaultGrowth
	}
	if b.Jitter == 0 {
		b.Jitter = DefaultJitter
	}
	return b
}

func clampUnit(x float64) float64 {
	if math.IsNaN(x) {
		return 0.5
	}
	return math.Min(math.Max(x, 0), 1)
}

// toDuration converts nanoseconds and saturates: Go leaves the conversion of a float that does
// not fit to the processor, and on amd64 a huge delay would become a negative one.
func toDuration(ns float64) time.Duration {
	switch {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns > 0:
		return time.Duration(ns)
	default:
		return 0
	}
}
