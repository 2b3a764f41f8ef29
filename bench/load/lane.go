package load

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
)

// lane begins the operations of one sender, one after the other: as many as the window allows, and
// with a rate as many as are due. There is no goroutine for it: whoever makes room, or makes one more
// due, begins the next.
type lane struct {
	m      *meter
	window uint64
	begin  func(n uint64, start int64) // must not block; start is the time from which its latency counts
	dead   atomic.Bool                 // its session has ended
	stop   atomic.Bool

	lossy    bool // what is under way may be gone without a word
	paced    bool
	first    int64   // when the first one is due
	interval float64 // nanoseconds from one to the next
	due      atomic.Uint64
	total    uint64 // end after so many; 0 is no limit
	finished func() // called when all of them have ended, if there is a total

	begun   atomic.Uint64
	settled atomic.Uint64 // how many have ended
	kicks   atomic.Int64
}

// settle says that one operation has ended.
func (l *lane) settle() {
	if n := l.settled.Add(1); n == l.total {
		l.finished()
		return
	}
	l.pump()
}

// settleUpTo says that the first n operations have ended. It never goes back.
func (l *lane) settleUpTo(n uint64) {
	for {
		old := l.settled.Load()
		if n <= old {
			return
		}
		if l.settled.CompareAndSwap(old, n) {
			l.pump()
			return
		}
	}
}

// end ends the lane, because its session has ended.
func (l *lane) end() { l.dead.Store(true) }

// pump begins what may begin. Only one goroutine at a time is in it: others, and this one when what it
// begins ends at once, leave it a note.
func (l *lane) pump() {
	if l.kicks.Add(1) > 1 {
		return
	}
	for {
		seen := l.kicks.Load()
		for l.open() {
			n := l.begun.Load()
			l.begun.Store(n + 1)
			start := l.m.now()
			if l.paced {
				start = l.intended(n)
			}
			l.begin(n, start)
		}
		if l.kicks.CompareAndSwap(seen, 0) {
			return
		}
	}
}

// open reports whether one more may begin.
func (l *lane) open() bool {
	n := l.begun.Load()
	switch {
	case l.stop.Load(), l.dead.Load(), l.total > 0 && n >= l.total:
		return false
	case l.paced && n >= l.due.Load():
		return false
	default:
		return l.underWay() < l.window
	}
}

// intended returns when the nth operation is due.
func (l *lane) intended(n uint64) int64 { return l.first + int64(float64(n)*l.interval) }

// underWay is how many operations have begun and not ended. What was given up may end nevertheless.
func (l *lane) underWay() uint64 {
	settled := l.settled.Load()
	return max(l.begun.Load(), settled) - settled
}

// pacer makes the operations of all lanes due, in turn.
type pacer struct {
	m     *meter
	lanes []*lane
	rate  float64

	mu  sync.Mutex
	lag report.Histogram // how late it was itself, within the measured time
}

// newPacer sets the schedule of the lanes.
func newPacer(m *meter, lanes []*lane, rate float64) *pacer {
	p := &pacer{m: m, lanes: lanes, rate: rate}
	first, interval := m.now(), float64(time.Second)/rate
	for i, l := range lanes {
		l.paced = true
		l.first = first + int64(float64(i)*interval)
		l.interval = interval * float64(len(lanes))
	}
	return p
}

// run goes on until the lanes are stopped.
func (p *pacer) run() {
	const nap = int64(50 * time.Millisecond) // no longer, so that the end is noticed
	for n := 0; ; n++ {
		l := p.lanes[n%len(p.lanes)]
		at := l.intended(uint64(n / len(p.lanes))) //nolint:gosec // not negative
		now := p.m.now()
		for ; now < at; now = p.m.now() {
			if l.stop.Load() {
				return
			}
			sleep(time.Duration(min(at-now, nap)))
		}
		if l.stop.Load() {
			return
		}
		if at >= p.m.from.Load() && at < p.m.until.Load() {
			p.mu.Lock()
			p.lag.Record(time.Duration(now - at))
			p.mu.Unlock()
		}
		l.due.Add(1)
		l.pump()
	}
}

// lateness returns the latency that the pacer itself has added at the 99th percentile.
func (p *pacer) lateness() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lag.Quantile(0.99)
}
