package supervisor

import (
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	errRefused = errors.New("connection refused")
	errLost    = errors.New("connection lost")
	errFatal   = errors.New("certificate expired")
	errDenied  = Permanent(errors.New("authentication denied"))
)

// A step of a test asks for the next attempt, compares it, and reports how it went: it joins and
// is then lost with err, or fails with err.
type step struct {
	transport int
	delay     time.Duration
	joins     bool
	err       error
}

func newReconnect(t *testing.T, transports ...TransportPolicy) *Reconnect {
	t.Helper()
	r, err := NewReconnect(ReconnectConfig{Transports: transports})
	require.NoError(t, err)
	return r
}

func drive(t *testing.T, r *Reconnect, steps []step) {
	t.Helper()
	for i, s := range steps {
		require.NoError(t, r.Err(), "step %d", i)
		a, ok := r.Next(middle)
		require.True(t, ok, "step %d: %v", i, r.Err())
		require.Equal(t, s.transport, a.Transport, "step %d: transport", i)
		require.Equal(t, s.delay, a.Delay, "step %d: delay", i)
		if s.joins {
			r.Joined()
		}
		r.Failed(s.err)
	}
}

func exhausted(t *testing.T, r *Reconnect) *ExhaustedError {
	t.Helper()
	_, ok := r.Next(middle)
	require.False(t, ok)
	var e *ExhaustedError
	require.ErrorAs(t, r.Err(), &e)
	return e
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func TestReconnectSequence(t *testing.T) {
	t.Parallel()
	r := newReconnect(t, TransportPolicy{Name: "ws://a", MaxRetries: Forever})
	var steps []step
	for _, s := range []float64{0, 1.5, 2.25, 3.375, 5.0625, 7.59375} {
		steps = append(steps, step{0, seconds(s), false, errRefused})
	}
	drive(t, r, steps)
	for range 1000 {
		_, ok := r.Next(middle)
		require.True(t, ok)
		r.Failed(errRefused)
	}
	a, ok := r.Next(0)
	require.True(t, ok)
	require.Equal(t, Attempt{Transport: 0, Retry: 1006, Delay: 270 * time.Second}, a)
}

func TestReconnectMaxRetries(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ maxRetries, attempts int }{
		"once":  {0, 1},
		"one":   {1, 2},
		"three": {3, 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReconnect(t, TransportPolicy{Name: "ws://a", MaxRetries: tt.maxRetries})
			for range tt.attempts {
				require.NoError(t, r.Err())
				_, ok := r.Next(middle)
				require.True(t, ok)
				require.NoError(t, r.Err(), "an attempt is under way")
				r.Failed(errRefused)
			}
			require.Equal(t, tt.attempts, exhausted(t, r).Causes[0].Failures)
		})
	}
}

func TestReconnectRoundRobinEachWithItsOwnBackoffAndLimit(t *testing.T) {
	t.Parallel()
	r := newReconnect(
		t,
		TransportPolicy{Name: "a", MaxRetries: 2},
		TransportPolicy{Name: "b", MaxRetries: 1, Backoff: Backoff{Initial: time.Second, Growth: 2}},
		TransportPolicy{Name: "c"},
	)
	errs := []error{errors.New("a3"), errors.New("b2"), errors.New("c1")}
	drive(t, r, []step{
		{0, 0, false, errRefused},
		{1, 0, false, errRefused},
		{2, 0, false, errs[2]}, // its only attempt
		{0, seconds(1.5), false, errRefused},
		{1, seconds(1), false, errs[1]}, // its last
		{0, seconds(2.25), false, errs[0]},
	})
	e := exhausted(t, r)
	require.Equal(t, []TransportCause{
		{Transport: "a", Failures: 3, Err: errs[0]},
		{Transport: "b", Failures: 2, Err: errs[1]},
		{Transport: "c", Failures: 1, Err: errs[2]},
	}, e.Causes)
	for _, err := range errs {
		require.ErrorIs(t, r.Err(), err)
	}
	require.EqualError(t, r.Err(),
		"supervisor: no transport left to try: a (3 in a row): a3; b (2 in a row): b2; c (1 in a row): c1")
	require.Equal(t, ClassPermanent, Classify(r.Err()))
}

func TestReconnectJoinResetsAllCounters(t *testing.T) {
	t.Parallel()
	r := newReconnect(t, TransportPolicy{Name: "a", MaxRetries: 1}, TransportPolicy{Name: "b", MaxRetries: 2})
	drive(t, r, []step{
		{0, 0, false, errRefused},
		{1, 0, false, errRefused},
		{0, seconds(1.5), false, errRefused}, // a is given up
		{1, seconds(1.5), true, errLost},     // all of it forgotten; the loss is b's first failure
		{0, seconds(1.5), false, errRefused}, // a is back; its first attempt waits because of the loss
		{1, seconds(1.5), false, errRefused},
		{0, seconds(1.5), false, errRefused}, // two in a row: given up again
		{1, seconds(2.25), false, errRefused},
	})
	require.Len(t, exhausted(t, r).Causes, 2)
}

func TestReconnectCountsOnlyFailuresInARow(t *testing.T) {
	t.Parallel()
	r := newReconnect(t, TransportPolicy{Name: "a", MaxRetries: 2})
	drive(t, r, []step{{0, 0, true, errLost}})
	for range 50 {
		drive(t, r, []step{
			{0, seconds(1.5), false, errRefused},
			{0, seconds(2.25), true, errLost},
		})
	}
	drive(t, r, []step{
		{0, seconds(1.5), false, errRefused},
		{0, seconds(2.25), false, errRefused},
	})
	require.Equal(t, 3, exhausted(t, r).Causes[0].Failures)
}

func TestReconnectWithoutRetriesEndsWithTheSession(t *testing.T) {
	t.Parallel()
	r := newReconnect(t, TransportPolicy{Name: "a"})
	drive(t, r, []step{{0, 0, true, errLost}})
	require.ErrorIs(t, exhausted(t, r), errLost)
}

// A router that accepts every session and drops it at once must not be flooded, whatever the
// other transports do: between two joins there is a delay.
func TestReconnectNeverLoopsHot(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 4; n++ {
		for joining := range 1 << n { // which of the n transports let sessions join
			t.Run(fmt.Sprintf("%d transports, mask %b", n, joining), func(t *testing.T) {
				t.Parallel()
				policies := make([]TransportPolicy, n)
				for i := range policies {
					policies[i] = TransportPolicy{MaxRetries: Forever}
				}
				r := newReconnect(t, policies...)
				var clock time.Duration
				attempts := 0
				for clock < time.Minute {
					a, ok := r.Next(0)
					require.True(t, ok)
					attempts++
					clock += a.Delay
					if joining&(1<<a.Transport) != 0 {
						r.Joined()
					}
					r.Failed(errLost)
					require.LessOrEqual(t, attempts, n*(2+int(clock/seconds(1.35))))
				}
			})
		}
	}
}

func TestReconnectFloorIsTheDelayOfTheNextTransport(t *testing.T) {
	t.Parallel()
	r := newReconnect(
		t,
		TransportPolicy{Name: "a", MaxRetries: Forever},
		TransportPolicy{Name: "b", MaxRetries: Forever, Backoff: Backoff{Initial: 4 * time.Second}},
		TransportPolicy{Name: "c", MaxRetries: Forever},
	)
	drive(t, r, []step{
		{0, 0, true, errLost},
		{1, 4 * time.Second, false, errRefused},
		{2, 0, false, errRefused}, // only the attempt right after the loss waits for it
		{0, seconds(1.5), false, errRefused},
	})
}

func TestReconnectIsFatalRemovesOnlyItsTransport(t *testing.T) {
	t.Parallel()
	fatal := func(err error) bool { return errors.Is(err, errFatal) || errors.Is(err, errDenied) }
	r := newReconnect(
		t,
		TransportPolicy{Name: "a", MaxRetries: Forever, IsFatal: fatal},
		TransportPolicy{Name: "b", MaxRetries: Forever, IsFatal: fatal},
	)
	drive(t, r, []step{
		{0, 0, false, errDenied}, // permanent too, but being fatal comes first
		{1, 0, true, errLost},
		{1, seconds(1.5), true, errLost}, // a join does not bring a back
		{1, seconds(1.5), false, errRefused},
		{1, seconds(2.25), false, errFatal},
	})
	require.Equal(t, []TransportCause{
		{Transport: "a", Failures: 1, Fatal: true, Err: errDenied},
		{Transport: "b", Failures: 3, Fatal: true, Err: errFatal},
	}, exhausted(t, r).Causes)
	require.EqualError(t, r.Err(),
		"supervisor: no transport left to try: a (fatal): authentication denied; b (fatal): certificate expired")
}

func TestReconnectPermanentEndsEverything(t *testing.T) {
	t.Parallel()
	for _, joined := range []bool{false, true} {
		r := newReconnect(t, TransportPolicy{Name: "ws://a", MaxRetries: Forever}, TransportPolicy{Name: "ws://b", MaxRetries: Forever})
		drive(t, r, []step{{0, 0, joined, errDenied}})
		_, ok := r.Next(middle)
		require.False(t, ok)
		require.ErrorIs(t, r.Err(), errDenied)
		require.EqualError(t, r.Err(), "supervisor: ws://a: authentication denied")
		require.Equal(t, ClassPermanent, Classify(r.Err()))
	}
}

func TestReconnectRetryPermanent(t *testing.T) {
	t.Parallel()
	r, err := NewReconnect(ReconnectConfig{
		Transports:     []TransportPolicy{{Name: "a", MaxRetries: 1}},
		RetryPermanent: true,
	})
	require.NoError(t, err)
	drive(t, r, []step{{0, 0, false, errDenied}, {0, seconds(1.5), false, errDenied}})
	require.ErrorIs(t, exhausted(t, r), errDenied)
}

func TestReconnectUsesItsClassifier(t *testing.T) {
	t.Parallel()
	r, err := NewReconnect(ReconnectConfig{
		Transports: []TransportPolicy{{Name: "a", MaxRetries: Forever}},
		Classify: func(err error) Class {
			if errors.Is(err, io.EOF) {
				return ClassPermanent
			}
			return ClassBug
		},
	})
	require.NoError(t, err)
	_, _ = r.Next(middle)
	require.Equal(t, ClassBug, r.Failed(errDenied))
	require.NoError(t, r.Err(), "a bug is retried")
	_, _ = r.Next(middle)
	require.Equal(t, ClassPermanent, r.Failed(io.EOF))
	require.ErrorIs(t, r.Err(), io.EOF)
	require.Equal(t, ClassPermanent, Classify(r.Err()), "whatever the cause carries")
}

func TestReconnectReportsOutOfTurn(t *testing.T) {
	t.Parallel()
	r := newReconnect(t, TransportPolicy{Name: "a", MaxRetries: 2})
	r.Joined()
	r.Failed(errRefused)
	a, ok := r.Next(middle)
	require.True(t, ok)
	require.Equal(t, Attempt{}, a, "reports without an attempt change nothing")

	r.Failed(errRefused)
	r.Failed(errLost)
	r.Joined()
	a, _ = r.Next(middle)
	require.Equal(t, 1, a.Retry, "the second report of one failure changes nothing")

	a, ok = r.Next(middle)
	require.True(t, ok)
	require.Equal(t, Attempt{Transport: 0, Retry: 2, Delay: seconds(2.25)}, a, "an attempt nobody reported has failed")
	r.Joined()
	a, ok = r.Next(middle)
	require.True(t, ok)
	require.Equal(t, Attempt{Transport: 0, Retry: 1, Delay: seconds(1.5)}, a, "and so has a session")
	r.Failed(nil)
	_, _ = r.Next(middle)
	r.Failed(nil)
	require.ErrorContains(t, exhausted(t, r), "without a reported cause")
}

func TestNewReconnectCopiesAndValidates(t *testing.T) {
	t.Parallel()
	cfg := ReconnectConfig{Transports: []TransportPolicy{{Name: "a"}}}
	r, err := NewReconnect(cfg)
	require.NoError(t, err)
	cfg.Transports[0].MaxRetries = Forever
	drive(t, r, []step{{0, 0, false, errRefused}})
	require.Len(t, exhausted(t, r).Causes, 1)

	_, err = NewReconnect(ReconnectConfig{})
	require.EqualError(t, err, "supervisor: reconnect: no transports")
	_, err = NewReconnect(ReconnectConfig{Transports: []TransportPolicy{
		{Name: "ws://a", MaxRetries: -2},
		{Name: "ws://b", Backoff: Backoff{Growth: math.NaN()}},
	}})
	require.ErrorContains(t, err, "transport 0 (ws://a): max retries -2 is below -1")
	require.ErrorContains(t, err, "transport 1 (ws://b): backoff: growth NaN")
}

// A session that this side gave up is no failure: the same transport comes first, at once, also
// with no retries left, and nothing that was lost before is forgotten.
func TestReconnectClosed(t *testing.T) {
	t.Parallel()
	r, err := NewReconnect(ReconnectConfig{Transports: []TransportPolicy{{Name: "a"}, {Name: "b"}}})
	require.NoError(t, err)
	r.Closed() // nothing is under way
	a, ok := r.Next(middle)
	require.True(t, ok)
	require.Zero(t, a.Transport)
	r.Closed() // before it became a session
	a, ok = r.Next(middle)
	require.True(t, ok)
	require.Equal(t, Attempt{Transport: 0}, a)
	r.Failed(errors.New("refused"))
	for range 3 {
		a, ok = r.Next(middle)
		require.True(t, ok)
		require.Equal(t, Attempt{Transport: 1}, a)
		r.Joined()
		r.Closed()
		require.Equal(t, ClassTransient, r.Failed(errors.New("ended")), "counts for nothing")
	}
	require.NoError(t, r.Err())
}

func TestRestartPolicyValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, RestartPolicy{}.Validate())
	err := RestartPolicy{Type: 9, Intensity: Intensity{Window: -1}, Backoff: Backoff{Growth: 0.5}}.Validate()
	for _, want := range []string{"unknown restart type RestartType(9)", "window -1ns", "growth 0.5"} {
		require.ErrorContains(t, err, want)
	}
}
