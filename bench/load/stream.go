package load

import "github.com/cloverleaf-wamp/cloverleaf/bench/report"

// maxGaps is how many gaps of a stream are remembered.
const maxGaps = 1024

// gap is a run of numbers that have not come: from is in it, to is not.
type gap struct{ from, to uint64 }

// stream checks the numbers that come from one sender, which counts from zero. Numbers that are
// missing are lost unless they come later, and those that do are out of order. If there are more than
// maxGaps gaps, the oldest are forgotten: what comes of them still is a duplicate, and stays lost.
type stream struct {
	next      uint64 // one more than the largest number so far
	gaps      []gap
	forgotten uint64
	late      uint64
	twice     uint64
	top       uint64 // the request of the largest number, see seenAs
}

// seen takes the next number that has come, and reports whether it came for the first time.
func (s *stream) seen(n uint64) bool {
	if n < s.next {
		return s.old(n)
	}
	if n > s.next {
		s.gaps = append(s.gaps, gap{s.next, n})
		s.trim()
	}
	s.next = n + 1
	return true
}

// seenAs is seen for a number that the router has sent with a request of its own, which counts upwards.
// Requests are served by several goroutines at once, so that not the order in which they are seen but
// that of the requests tells whether the router has kept it.
func (s *stream) seenAs(n, request uint64) bool {
	late, ahead := s.late, n >= s.next
	first := s.seen(n)
	switch {
	case !ahead && request < s.top:
		s.late = late
	case ahead && request < s.top:
		s.late++
	}
	if ahead {
		s.top = request
	}
	return first
}

func (s *stream) trim() {
	if len(s.gaps) > maxGaps {
		s.forgotten += s.gaps[0].to - s.gaps[0].from
		s.gaps = append(s.gaps[:0], s.gaps[1:]...)
	}
}

// old takes a number that is not beyond the largest.
func (s *stream) old(n uint64) bool {
	for i, g := range s.gaps {
		if n < g.from || n >= g.to {
			continue
		}
		s.late++
		var rest []gap
		if g.from < n {
			rest = append(rest, gap{g.from, n})
		}
		if n+1 < g.to {
			rest = append(rest, gap{n + 1, g.to})
		}
		s.gaps = append(s.gaps[:i], append(rest, s.gaps[i+1:]...)...)
		s.trim()
		return true
	}
	s.twice++
	return false
}

// faults adds what was wrong. sent is how many numbers there were at least.
func (s *stream) faults(sent uint64, f *report.Faults) {
	f.Lost += s.forgotten
	for _, g := range s.gaps {
		f.Lost += g.to - g.from
	}
	if sent > s.next {
		f.Lost += sent - s.next
	}
	f.OutOfOrder += s.late
	f.Duplicates += s.twice
}
