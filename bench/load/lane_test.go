package load

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// A lane begins what its window allows, in order, and goes on when something has ended.
func TestLaneKeepsItsWindow(t *testing.T) {
	t.Parallel()
	var begun []uint64
	l := &lane{m: newMeter(1), window: 3}
	l.begin = func(n uint64, _ int64) { begun = append(begun, n) }
	l.pump()
	require.Equal(t, []uint64{0, 1, 2}, begun)
	l.pump()
	require.Len(t, begun, 3)
	l.settle()
	require.Equal(t, []uint64{0, 1, 2, 3}, begun)
	l.settleUpTo(3)
	l.settleUpTo(2) // it never goes back
	require.Len(t, begun, 6)
	l.settleUpTo(6)
	l.settle() // of something that was given up
	require.EqualValues(t, 3, l.underWay())
	l.stop.Store(true)
	l.settle()
	require.Len(t, begun, 10)
}

// What ends at once does not pile up on the stack.
func TestLaneWithoutDelay(t *testing.T) {
	t.Parallel()
	const total = 1_000_000
	done := false
	l := &lane{m: newMeter(1), window: 2, total: total, finished: func() { done = true }}
	l.begin = func(uint64, int64) { l.settle() }
	l.pump()
	require.True(t, done)
	require.EqualValues(t, total, l.begun.Load())
}

func TestLaneOfManyGoroutines(t *testing.T) {
	t.Parallel()
	const total = 10_000
	last := uint64(math.MaxUint64)
	l := &lane{m: newMeter(1), window: 8, total: total}
	ended := make(chan struct{}, 8)
	finished := make(chan struct{})
	l.finished = func() { close(finished) }
	l.begin = func(n uint64, _ int64) {
		if n != last+1 { // one at a time
			t.Errorf("%d after %d", n, last)
		}
		last = n
		ended <- struct{}{}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					l.settle()
				case <-finished:
					return
				}
			}
		})
	}
	l.pump()
	wg.Wait()
	require.EqualValues(t, total, l.begun.Load())
}

// With a rate operations begin when they are due, and their latency counts from then, also if the window
// was closed at that time.
func TestLaneWithARate(t *testing.T) {
	t.Parallel()
	var starts []int64
	m := newMeter(1)
	a := &lane{m: m, window: 2, begin: func(_ uint64, start int64) { starts = append(starts, start) }}
	b := &lane{m: m, window: 1, begin: func(uint64, int64) {}}
	newPacer(m, []*lane{a, b}, 1000)
	a.pump()
	require.Empty(t, starts, "nothing is due")
	for range 4 {
		a.due.Add(1)
		a.pump()
	}
	require.Len(t, starts, 2, "the window is closed")
	a.settle()
	a.settle()
	first, ms := a.first, int64(time.Millisecond)
	require.Equal(t, []int64{first, first + 2*ms, first + 4*ms, first + 6*ms}, starts)
	require.Equal(t, ms, b.first-a.first, "the lanes take turns")
}

func TestPacer(t *testing.T) {
	t.Parallel()
	const rate, n = 2000, 20
	m := newMeter(1)
	m.from.Store(0)
	var l *lane
	var starts []int64
	l = &lane{m: m, window: 1000, begin: func(i uint64, start int64) {
		starts = append(starts, start)
		if m.now() < start {
			t.Error("too early")
		}
		l.stop.Store(i == n-1)
	}}
	p := newPacer(m, []*lane{l}, rate)
	p.run()
	require.Len(t, starts, n)
	require.EqualValues(t, (n-1)*time.Second/rate, starts[n-1]-starts[0])
	require.EqualValues(t, n, p.lag.Count())
	require.Positive(t, p.lateness())
}

// Throughput is what ended within the measured time, latencies are of what began in it.
func TestMeter(t *testing.T) {
	t.Parallel()
	m := newMeter(2)
	m.done(0, 0, 1) // before the measurement
	m.from.Store(100)
	m.until.Store(200)
	m.done(1, 90, 110)
	m.done(2, 150, 160)
	m.done(3, 190, 290)
	m.done(4, 200, 201)
	m.count(5, 199)
	m.latency(6, 1, 150, 157)
	total, done := m.counts()
	require.EqualValues(t, 6, total)
	require.EqualValues(t, 3, done)
	h := m.histogram(0)
	require.EqualValues(t, 2, h.Count())
	require.EqualValues(t, 10, h.Min())
	require.EqualValues(t, 100, h.Max())
	require.EqualValues(t, 7, m.histogram(1).Max())
}

func TestMeterCountsErrors(t *testing.T) {
	t.Parallel()
	m := newMeter(1)
	for _, err := range []error{
		session.NewError("com.example.a"), fmt.Errorf("call: %w", session.NewError("com.example.a")), session.NewError("not valid"),
		&session.EndedError{How: session.EndLost}, session.ErrClosed, errors.New("dial"),
	} {
		m.failed(err)
	}
	require.Equal(t, map[string]uint64{
		"com.example.a": 2, "invalid URI": 1, "session ended: " + session.EndLost.String(): 1, "session ended": 1, "no session": 1,
	}, m.faults.Errors)
	for i := range 2 * maxErrors {
		m.failed(session.NewError("com.example.other", i))
		m.faults.Errors[fmt.Sprint(i)] = 1
	}
	m.failed(session.NewError("com.example.one.too.many"))
	require.EqualValues(t, 1, m.faults.Errors["others"])
	m.closed.Store(true)
	m.failed(session.NewError("com.example.a"))
	require.EqualValues(t, 2, m.faults.Errors["com.example.a"])
}

// The time of the day tells the latency, also around midnight, and if the clocks differ a little.
func TestStamps(t *testing.T) {
	t.Parallel()
	for _, day := range []int64{0, dayNanos / 2, dayNanos - 10} {
		m := newMeter(1)
		m.day = day
		for _, sent := range []int64{0, 5, 100, 1000} {
			for _, now := range []int64{sent, sent + 3, sent + 1_000_000, sent - 4} {
				require.Equal(t, sent, m.unstamp(m.stamp(sent), now), "%d %d %d", day, sent, now)
			}
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, v := range []any{int64(7), uint64(7), float64(7)} {
		n, ok := number(v)
		require.True(t, ok)
		require.EqualValues(t, 7, n)
	}
	for _, v := range []any{int64(-1), 7.5, -7.0, math.NaN(), math.Inf(1), "7", nil} {
		_, ok := number(v)
		require.False(t, ok, v)
	}
}

// The slowest subscriber closes the window of a publisher.
func TestPublisherWaitsForTheSlowest(t *testing.T) {
	t.Parallel()
	r := &run{cfg: Config{Mode: PubSub, Senders: 1, Receivers: 3, InFlight: 10}, m: newMeter(1)}
	p := r.newPublisher(0)
	p.lane.begun.Store(10)
	p.lane.stop.Store(true)
	p.passed(0, 5)
	p.passed(1, 7)
	require.Zero(t, p.lane.settled.Load())
	p.passed(2, 3)
	require.EqualValues(t, 3, p.lane.settled.Load())
	p.passed(2, 2) // late
	require.EqualValues(t, 3, p.lane.settled.Load())
	p.passed(2, math.MaxUint64) // its session has ended
	require.EqualValues(t, 5, p.lane.settled.Load())
	p.passed(0, math.MaxUint64)
	p.passed(1, math.MaxUint64)
	require.EqualValues(t, 10, p.lane.settled.Load(), "no more than there was")

	begun := []uint64{0}
	p = r.newPublisher(0)
	r.lanes = []*lane{p.lane}
	p.lane.stop.Store(true)
	p.lane.begun.Store(4)
	r.release(begun)
	require.EqualValues(t, 4, p.lane.underWay())
	r.release(begun)
	require.Zero(t, p.lane.underWay(), "given up after a tick without anything")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"":                                 func(*Config) {},
		"component: needs one transport":   func(c *Config) { c.Component.Transports = nil },
		"connections: a negative number":   func(c *Config) { c.Senders = -2 },
		"connections: there are none":      func(c *Config) { c.Senders, c.Receivers = 0, 0 },
		"in-flight: 0 is less than 1":      func(c *Config) { c.InFlight = 0 },
		"size: -1 is negative":             func(c *Config) { c.Size = -1 },
		"rate: NaN is not":                 func(c *Config) { c.Rate = math.NaN() },
		"rate: -1 is not":                  func(c *Config) { c.Rate = -1 },
		"duration: a negative time":        func(c *Config) { c.Warmup = -1 },
		"duration: there is none":          func(c *Config) { c.Duration = 0 },
		`uri: "a b" is not a valid URI`:    func(c *Config) { c.URI = "a b" },
		"receivers: this mode has none":    func(c *Config) { c.Mode = Churn },
		`mode: there is no "x"`:            func(c *Config) { c.Mode = "x" },
		"without subscribers and acknowle": func(c *Config) { c.Mode, c.Receivers = PubSub, 0 },
	} {
		c := Config{
			Mode: RPC, Senders: 1, Receivers: 1, InFlight: 1, Duration: 1, URI: "com.example",
			Component: cloverleaf.Config{Transports: cloverleaf.URLs(cloverleaf.DefaultURL)},
		}
		change(&c)
		if want == "" {
			require.NoError(t, c.Check())
			continue
		}
		require.ErrorContains(t, c.Check(), want)
		_, err := Run(t.Context(), c)
		require.ErrorContains(t, err, want)
	}
}
