package supervisor

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const middle = 0.5 // of the jitter band: no jitter

func TestBackoffDefaultSequence(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		0,
		1500 * time.Millisecond,
		2250 * time.Millisecond,
		3375 * time.Millisecond,
		5062500 * time.Microsecond,
		7593750 * time.Microsecond,
	}
	for retry, d := range want {
		require.Equal(t, d, Backoff{}.Delay(retry, middle), "retry %d", retry)
	}
	require.Equal(t, 291929*time.Millisecond, Backoff{}.Delay(14, middle).Round(time.Millisecond), "the last below the cap")
	require.Equal(t, 300*time.Second, Backoff{}.Delay(15, middle))
}

func TestBackoffDelay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		b     Backoff
		retry int
		rnd   float64
		want  time.Duration
	}{
		"no retry":                 {Backoff{}, 0, middle, 0},
		"negative retry":           {Backoff{}, -7, 1, 0},
		"lower end":                {Backoff{}, 1, 0, 1350 * time.Millisecond},
		"upper end":                {Backoff{}, 1, 1, 1650 * time.Millisecond},
		"lower end at the cap":     {Backoff{}, 100, 0, 270 * time.Second},
		"upper end at the cap":     {Backoff{}, 100, 1, 330 * time.Second},
		"wide band":                {Backoff{Initial: time.Second, Jitter: 0.5}, 1, 0.25, 750 * time.Millisecond},
		"no jitter":                {Backoff{Initial: time.Second, Jitter: NoJitter}, 1, 0, time.Second},
		"rnd below":                {Backoff{}, 1, -3, 1350 * time.Millisecond},
		"rnd above":                {Backoff{}, 1, math.Inf(1), 1650 * time.Millisecond},
		"rnd not a number":         {Backoff{}, 1, math.NaN(), 1500 * time.Millisecond},
		"huge retry":               {Backoff{}, math.MaxInt, middle, 300 * time.Second},
		"constant":                 {Backoff{Initial: time.Second, Growth: 1}, math.MaxInt, middle, time.Second},
		"no overflow at the top":   {Backoff{Initial: math.MaxInt64, Max: math.MaxInt64}, 9, 1, math.MaxInt64},
		"max below the default":    {Backoff{Max: time.Second}, 1, middle, time.Second},
		"initial above default":    {Backoff{Initial: 10 * time.Minute}, 3, middle, 10 * time.Minute},
		"invalid, but no surprise": {Backoff{Initial: -time.Second, Max: -time.Second, Growth: math.NaN()}, 2, middle, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.b.Delay(tt.retry, tt.rnd))
		})
	}
}

func TestBackoffStaysInItsBandAndGrows(t *testing.T) {
	t.Parallel()
	b := Backoff{Initial: 100 * time.Millisecond, Max: 20 * time.Second, Growth: 1.7, Jitter: 0.25}
	for retry := 1; retry < 40; retry++ {
		base := b.Delay(retry, middle)
		require.GreaterOrEqual(t, base, b.Delay(retry-1, middle))
		require.LessOrEqual(t, base, b.Max)
		seen := map[time.Duration]bool{}
		for i := range 11 {
			d := b.Delay(retry, float64(i)/10)
			seen[d] = true
			require.InDelta(t, float64(base), float64(d), 0.25*float64(base)+1)
		}
		require.Len(t, seen, 11, "retry %d has jitter", retry)
	}
}

func TestBackoffValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, Backoff{}.Validate())
	require.NoError(t, Backoff{Max: time.Second}.Validate())
	require.NoError(t, Backoff{Initial: time.Hour}.Validate())
	require.NoError(t, Backoff{Growth: 1, Jitter: NoJitter}.Validate())
	tests := map[string]struct {
		b    Backoff
		want []string
	}{
		"negative initial":   {Backoff{Initial: -1}, []string{"initial delay -1ns is negative"}},
		"negative max":       {Backoff{Max: -1}, []string{"max delay -1ns is negative"}},
		"initial over max":   {Backoff{Initial: 2, Max: 1}, []string{"initial delay 2ns is longer than max delay 1ns"}},
		"shrinking":          {Backoff{Growth: 0.99}, []string{"growth 0.99"}},
		"growth NaN":         {Backoff{Growth: math.NaN()}, []string{"growth NaN"}},
		"growth infinite":    {Backoff{Growth: math.Inf(1)}, []string{"growth +Inf"}},
		"jitter of one":      {Backoff{Jitter: 1}, []string{"jitter 1 is not in [0, 1)"}},
		"negative jitter":    {Backoff{Jitter: -0.1}, []string{"jitter -0.1"}},
		"jitter NaN":         {Backoff{Jitter: math.NaN()}, []string{"jitter NaN"}},
		"all of it, at once": {Backoff{Initial: -1, Max: -2, Growth: -1, Jitter: 7}, []string{"initial", "max", "growth", "jitter"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.b.Validate()
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
