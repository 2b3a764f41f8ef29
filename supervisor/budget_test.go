package supervisor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(s float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second)))
}

func TestBudgetAtAndPastTheLimit(t *testing.T) {
	t.Parallel()
	b := NewBudget(Intensity{MaxRestarts: 3, Window: 10 * time.Second})
	require.True(t, b.Spend(at(0)))
	require.True(t, b.Spend(at(1)))
	require.True(t, b.Spend(at(2)), "the third is at the limit")
	require.False(t, b.Spend(at(3)), "the fourth is past it")
	require.Equal(t, 3, b.Spent(at(3)), "and was not counted")

	require.False(t, b.Spend(at(10)), "exactly a window ago still counts")
	require.True(t, b.Spend(at(10.001)), "the first has expired")
	require.False(t, b.Spend(at(10.002)))
	require.Equal(t, 2, b.Spent(at(11.5)))
	require.Equal(t, 0, b.Spent(at(60)))
}

func TestBudgetDefaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		i    Intensity
		want int
		text string
	}{
		"zero":          {Intensity{}, DefaultMaxRestarts, "5 in 1m0s"},
		"none at all":   {Intensity{Window: time.Second}, 0, "0 in 1s"},
		"only a number": {Intensity{MaxRestarts: 2}, 2, "2 in 1m0s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, tt.i.Validate())
			require.Equal(t, tt.text, tt.i.String())
			b := NewBudget(tt.i)
			for range tt.want {
				require.True(t, b.Spend(at(0)))
			}
			require.False(t, b.Spend(at(0)))
		})
	}
	var zero Budget
	require.True(t, zero.Spend(at(0)))
}

func TestBudgetMemoryIsBounded(t *testing.T) {
	t.Parallel()
	b := NewBudget(Intensity{MaxRestarts: 4, Window: time.Second})
	for i := range 10_000 {
		b.Spend(at(float64(i) / 5))
	}
	require.LessOrEqual(t, cap(b.restarts), 16)
}

func TestIntensityValidate(t *testing.T) {
	t.Parallel()
	err := Intensity{MaxRestarts: -1, Window: -time.Second}.Validate()
	require.ErrorContains(t, err, "max restarts -1 is negative")
	require.ErrorContains(t, err, "window -1s is negative")
}
