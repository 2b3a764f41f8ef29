package load

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// maxErrors is how many different errors are told apart.
const maxErrors = 100

// never is a time that does not come.
const never = math.MaxInt64

// meter counts operations and their latencies. Times are nanoseconds since its base.
type meter struct {
	base        time.Time
	day         int64 // nanoseconds from the beginning of the day, in UTC, to the base
	from, until atomic.Int64
	closed      atomic.Bool
	shards      []shard

	mu     sync.Mutex
	faults report.Faults
}

// shard is the part of a meter that some of the connections write to.
type shard struct {
	mu        sync.Mutex
	total     uint64 // in all of the run
	done      uint64 // within the measured time
	latencies []report.Histogram
}

func newMeter(kinds int) *meter {
	now := time.Now()
	m := &meter{base: now, shards: make([]shard, 2*runtime.GOMAXPROCS(0))}
	m.day = now.UnixNano() % dayNanos
	m.from.Store(never)
	m.until.Store(never)
	m.faults.Errors = make(map[string]uint64)
	for i := range m.shards {
		m.shards[i].latencies = make([]report.Histogram, kinds)
	}
	return m
}

func (m *meter) now() int64 { return int64(time.Since(m.base)) }

// dayNanos are the nanoseconds of a day.
const dayNanos = int64(24 * time.Hour)

// stamp returns a time as nanoseconds of the day, which the clocks of two processes have in common
// and all serializers can carry.
func (m *meter) stamp(t int64) int64 { return (m.day + t) % dayNanos }

// unstamp returns the time that is nearest to now.
func (m *meter) unstamp(stamp, now int64) int64 {
	ago := (m.stamp(now) - stamp) % dayNanos
	switch {
	case ago < -dayNanos/2: // midnight has passed since
		ago += dayNanos
	case ago > dayNanos/2: // it has passed for the other clock only
		ago -= dayNanos
	}
	return now - ago
}

// done counts an operation of a connection that was completed at end, with its latency, the first kind.
func (m *meter) done(key int, start, end int64) {
	s := &m.shards[key%len(m.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	m.tally(s, end)
	m.record(s, 0, start, end)
}

// count is done for an operation without a latency.
func (m *meter) count(key int, end int64) {
	s := &m.shards[key%len(m.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	m.tally(s, end)
}

func (m *meter) tally(s *shard, end int64) {
	s.total++
	if end >= m.from.Load() && end < m.until.Load() {
		s.done++
	}
}

// latency counts a latency only.
func (m *meter) latency(key, kind int, start, end int64) {
	s := &m.shards[key%len(m.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	m.record(s, kind, start, end)
}

// record counts the latency of what began within the measured time. s.mu is held.
func (m *meter) record(s *shard, kind int, start, end int64) {
	if start >= m.from.Load() && start < m.until.Load() {
		s.latencies[kind].Record(time.Duration(end - start))
	}
}

// failed counts an error. What fails because everything ends is not counted.
func (m *meter) failed(err error) {
	if m.closed.Load() {
		return
	}
	key := errorKey(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.faults.Errors[key]; !known && len(m.faults.Errors) >= maxErrors {
		key = "others"
	}
	m.faults.Errors[key]++
}

// corrupt counts data that is not what was sent.
func (m *meter) corrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.Corrupt++
}

// errorKey returns the name under which an error is counted.
func errorKey(err error) string {
	if e, ok := errors.AsType[*session.EndedError](err); ok {
		return "session ended: " + e.How.String()
	}
	if e, ok := errors.AsType[*session.Error](err); ok {
		if !e.URI.Valid() {
			return "invalid URI"
		}
		return string(e.URI)
	}
	if errors.Is(err, session.ErrClosed) {
		return "session ended"
	}
	return "no session"
}

// counts returns how many operations there were, in all of the run and within the measured time.
func (m *meter) counts() (total, done uint64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		total += s.total
		done += s.done
		s.mu.Unlock()
	}
	return total, done
}

// histogram returns all latencies of a kind.
func (m *meter) histogram(kind int) *report.Histogram {
	h := new(report.Histogram)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		h.Merge(&s.latencies[kind])
		s.mu.Unlock()
	}
	return h
}
