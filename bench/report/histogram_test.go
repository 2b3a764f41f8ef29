package report

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exact returns the quantile of sorted values.
func exact(sorted []time.Duration, q float64) time.Duration {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// A quantile is never below the exact one, and less than 1/128 above it.
func TestQuantileIsBounded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	distributions := map[string]func() float64{
		"small":       func() float64 { return random.Float64() * 300 },
		"uniform":     func() float64 { return random.Float64() * 1e9 },
		"exponential": func() float64 { return random.ExpFloat64() * 2e5 },
		"log normal":  func() float64 { return math.Exp(random.NormFloat64()*3 + 12) },
		"the same":    func() float64 { return 123_456_789 },
	}
	for name, next := range distributions {
		for _, n := range []int{1, 2, 10, 10_000} {
			var h Histogram
			var list []time.Duration
			var sum float64
			for range n {
				d := time.Duration(next())
				h.Record(d)
				list = append(list, d)
				sum += float64(d)
			}
			slices.Sort(list)
			for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
				want, got := exact(list, q), h.Quantile(q)
				require.GreaterOrEqual(t, got, want, "%s %d %v", name, n, q)
				require.LessOrEqual(t, float64(got-want), float64(want)/128, "%s %d %v", name, n, q)
			}
			require.Equal(t, list[n-1], h.Max())
			require.Equal(t, list[0], h.Min())
			require.Equal(t, uint64(n), h.Count())
			require.InDelta(t, sum/float64(n), float64(h.Mean()), 1+sum/1e12)
		}
	}
}

// Every value is in a bucket that ends at or behind it, and the next one begins right there.
func TestBucketsFollowEachOther(t *testing.T) {
	t.Parallel()
	for i := range bucket(math.MaxInt64) {
		top := highest(i)
		require.Equal(t, i, bucket(top))
		require.Equal(t, i+1, bucket(top+1))
	}
	require.EqualValues(t, math.MaxInt64, highest(bucket(math.MaxInt64)))
}

func TestEdgesOfHistogram(t *testing.T) {
	t.Parallel()
	var h Histogram
	require.Zero(t, h.Quantile(0.5))
	require.Zero(t, h.Mean())
	h.Record(-5)
	h.Record(math.MaxInt64)
	require.Zero(t, h.Min())
	require.Zero(t, h.Quantile(0.5))
	require.EqualValues(t, math.MaxInt64, h.Quantile(1))
}

func TestMerge(t *testing.T) {
	t.Parallel()
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		both.Record(d)
		if i%3 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	a.Merge(&b)
	a.Merge(new(Histogram))
	require.Equal(t, both, a)
	var empty Histogram
	empty.Merge(&both)
	require.Equal(t, both, empty)
}

func TestHistogramAsJSON(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var h, back Histogram
	for range 5000 {
		h.Record(time.Duration(random.ExpFloat64() * 1e6))
	}
	text, err := json.Marshal(h)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &back))
	for q := range 1001 {
		require.Equal(t, h.Quantile(float64(q)/1000), back.Quantile(float64(q)/1000))
	}
	require.Equal(t, h.Count(), back.Count())
	require.Equal(t, h.Min(), back.Min())
	require.Equal(t, h.Max(), back.Max())
	require.Equal(t, h.Mean(), back.Mean())

	text, err = json.Marshal(Histogram{})
	require.NoError(t, err)
	require.JSONEq(t, `{"min_ns":0,"max_ns":0,"mean_ns":0,"buckets":[]}`, string(text))
	require.Error(t, json.Unmarshal([]byte(`{"buckets":[[9223372036854775808,1]]}`), &back))
	require.Error(t, json.Unmarshal([]byte(`{"buckets":[[1,-1]]}`), &back))
}
