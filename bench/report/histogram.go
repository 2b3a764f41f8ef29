package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// subBits makes a bucket at most a 128th of its values wide.
const subBits = 7

// Histogram counts durations in buckets that grow with them: below 256 ns each nanosecond has its
// own, above that a bucket spans less than 0.8 % of its values. The zero value is empty and ready for use.
type Histogram struct {
	counts   []uint64
	n        uint64
	min, max time.Duration
	sum      float64
}

// bucket returns the index of the bucket of a value. Up to 2^(subBits+1) it is the value, beyond that
// there are 2^subBits buckets for each power of two.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-(subBits+1), 0)
	return shift<<subBits + int(v>>shift) //nolint:gosec // below 2^(subBits+1)
}

// highest returns the largest value of a bucket.
func highest(index int) uint64 {
	if index < 2<<subBits {
		return uint64(index) //nolint:gosec // an index is not negative
	}
	shift := index>>subBits - 1
	return uint64(index-shift<<subBits+1)<<shift - 1 //nolint:gosec // as above
}

// Record counts a duration; one below zero counts as zero.
func (h *Histogram) Record(d time.Duration) { h.record(d, 1) }

func (h *Histogram) record(d time.Duration, n uint64) {
	d = max(d, 0)
	i := bucket(uint64(d)) //nolint:gosec // not negative
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, i+1-len(h.counts))...)
	}
	h.counts[i] += n
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.n += n
	h.sum += float64(d) * float64(n)
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.n == 0 {
		return
	}
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]uint64, len(o.counts)-len(h.counts))...)
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	if h.n == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.n += o.n
	h.sum += o.sum
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.n }

// Min returns the shortest duration, exactly; zero if there is none.
func (h *Histogram) Min() time.Duration { return h.min }

// Max returns the longest duration, exactly; zero if there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean returns the mean, of the durations and not of the buckets; zero if there is none.
func (h *Histogram) Mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.n))
}

// Quantile returns a duration that the fraction q of all durations does not exceed. It is never less
// than the exact one, and less than 0.8 % more. Of an empty histogram it is zero.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(min(max(math.Ceil(q*float64(h.n)), 1), float64(h.n)))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return h.top(i)
		}
	}
	return h.max
}

// top returns the largest duration that may be in a bucket.
func (h *Histogram) top(index int) time.Duration {
	return time.Duration(min(highest(index), uint64(h.max))) //nolint:gosec // no duration is negative
}

// histogramJSON is the form of a histogram in JSON. A bucket is the largest duration in it, in
// nanoseconds, and its count; empty ones are left out.
type histogramJSON struct {
	Min     time.Duration `json:"min_ns"`
	Max     time.Duration `json:"max_ns"`
	Mean    time.Duration `json:"mean_ns"`
	Buckets [][2]uint64   `json:"buckets"`
}

// MarshalJSON implements json.Marshaler.
func (h Histogram) MarshalJSON() ([]byte, error) {
	j := histogramJSON{Min: h.min, Max: h.max, Mean: h.Mean(), Buckets: [][2]uint64{}}
	for i, n := range h.counts {
		if n > 0 {
			j.Buckets = append(j.Buckets, [2]uint64{uint64(h.top(i)), n}) //nolint:gosec // not negative
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler. Quantiles are what they were.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*h = Histogram{}
	for _, entry := range j.Buckets {
		if entry[0] > math.MaxInt64 {
			return fmt.Errorf("buckets: %d is no duration", entry[0])
		}
		h.record(time.Duration(entry[0]), entry[1])
	}
	if h.n > 0 {
		h.min, h.max = j.Min, j.Max
		h.sum = float64(j.Mean) * float64(h.n)
	}
	return nil
}
