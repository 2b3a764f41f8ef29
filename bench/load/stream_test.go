package load

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
)

func TestStream(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		come []uint64
		sent uint64
		want report.Faults
	}{
		"nothing":               {nil, 0, report.Faults{}},
		"all":                   {[]uint64{0, 1, 2, 3}, 4, report.Faults{}},
		"none came":             {nil, 3, report.Faults{Lost: 3}},
		"the first is lost":     {[]uint64{1, 2}, 3, report.Faults{Lost: 1}},
		"the last are lost":     {[]uint64{0, 1}, 5, report.Faults{Lost: 3}},
		"some in the middle":    {[]uint64{0, 4, 5, 7}, 8, report.Faults{Lost: 4}},
		"two swapped":           {[]uint64{0, 2, 1, 3}, 4, report.Faults{OutOfOrder: 1}},
		"all backwards":         {[]uint64{3, 2, 1, 0}, 4, report.Faults{OutOfOrder: 3}},
		"one twice":             {[]uint64{0, 1, 1, 2}, 3, report.Faults{Duplicates: 1}},
		"an old one twice":      {[]uint64{0, 1, 2, 0}, 3, report.Faults{Duplicates: 1}},
		"late, and twice":       {[]uint64{0, 3, 1, 1}, 4, report.Faults{Lost: 1, OutOfOrder: 1, Duplicates: 1}},
		"the middle of a gap":   {[]uint64{0, 9, 5}, 10, report.Faults{Lost: 7, OutOfOrder: 1}},
		"both ends of a gap":    {[]uint64{0, 9, 1, 8}, 10, report.Faults{Lost: 6, OutOfOrder: 2}},
		"a gap that is all":     {[]uint64{0, 2, 1}, 3, report.Faults{OutOfOrder: 1}},
		"sent is not known":     {[]uint64{0, 2}, 0, report.Faults{Lost: 1}},
		"late ones of two gaps": {[]uint64{1, 3, 0, 2}, 4, report.Faults{OutOfOrder: 2}},
	} {
		var s stream
		for _, n := range tt.come {
			s.seen(n)
		}
		var got report.Faults
		s.faults(tt.sent, &got)
		require.Equal(t, tt.want, got, name)
	}
}

// However many gaps there are, memory stays bounded, and what is lost is counted.
func TestStreamForgetsOldGaps(t *testing.T) {
	t.Parallel()
	const n = 3 * maxGaps
	var s stream
	for i := range uint64(n) {
		require.True(t, s.seen(2*i+1))
	}
	require.Len(t, s.gaps, maxGaps)
	require.False(t, s.seen(0), "forgotten")
	require.True(t, s.seen(2*n-2), "remembered")
	var got report.Faults
	s.faults(2*n, &got)
	require.Equal(t, report.Faults{Lost: n - 1, OutOfOrder: 1, Duplicates: 1}, got)
}

// Requests that are only seen in another order than the router has sent them are fine.
func TestStreamOfRequests(t *testing.T) {
	t.Parallel()
	type call struct{ n, request uint64 }
	for name, tt := range map[string]struct {
		come []call
		want report.Faults
	}{
		"in order":           {[]call{{0, 1}, {1, 2}, {2, 3}}, report.Faults{}},
		"seen in another":    {[]call{{1, 2}, {0, 1}, {2, 3}}, report.Faults{}},
		"sent in another":    {[]call{{1, 1}, {0, 2}, {2, 3}}, report.Faults{OutOfOrder: 1}},
		"both":               {[]call{{0, 2}, {1, 1}, {2, 3}}, report.Faults{OutOfOrder: 1}},
		"twice":              {[]call{{0, 1}, {0, 2}}, report.Faults{Duplicates: 1}},
		"other senders too":  {[]call{{0, 10}, {1, 20}, {2, 30}}, report.Faults{}},
		"lost, seen swapped": {[]call{{3, 2}, {1, 1}}, report.Faults{Lost: 2}},
	} {
		var s stream
		for _, c := range tt.come {
			s.seenAs(c.n, c.request)
		}
		var got report.Faults
		s.faults(0, &got)
		require.Equal(t, tt.want, got, name)
	}
}
