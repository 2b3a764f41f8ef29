package auth

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSASLprep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string
		err            error
	}{
		{"RFC 4013, soft hyphen", "I\u00adX", "IX", nil},
		{"RFC 4013, no change", "user", "user", nil},
		{"RFC 4013, case", "USER", "USER", nil},
		{"RFC 4013, prohibited", "\u0007", "", errPrepChar},
		{"RFC 4013, bidirectional", "\u06271", "", errPrepBidi},
		{"needs NFKC, feminine ordinal", "\u00aa", "", errPrepChar},
		{"needs NFKC, roman numeral", "\u2168", "", errPrepChar},
		{"needs NFC", "e\u0301", "", errPrepChar},
		{"needs NFC, Hangul", "\u1100\u1161", "", errPrepChar},
		{"precomposed", "\u00e9", "\u00e9", nil},
		{"ASCII", " !\"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~", " !\"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~", nil},
		{"delete", "\u007f", "", errPrepChar},
		{"scripts", "Gr\u00fc\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442 \u4f60\u597d \u3053\u3093 \ud55c\uad6d", "Gr\u00fc\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442 \u4f60\u597d \u3053\u3093 \ud55c\uad6d", nil},
		{"spaces", "a\u00a0b\u3000c\u2003d", "a b c d", nil},
		{"zero width space", "a\u200bb", "ab", nil},
		{"variation selector", "a\ufe0fb", "ab", nil},
		{"Arabic", "\u06271\u0628", "\u06271\u0628", nil},
		{"Hebrew", "\u05d0\u05d1", "\u05d0\u05d1", nil},
		{"Hebrew and Latin", "\u05d0a\u05d1", "", errPrepBidi},
		{"ends left to right", "\u05d01", "", errPrepBidi},
		{"newer than Unicode 3.2", "\U0001f511", "", errPrepChar},
		{"private use", "\ue000", "", errPrepChar},
		{"not a character", "\ufffe", "", errPrepChar},
		{"replacement", "\ufffd", "", errPrepChar},
		{"control", "\u0085", "", errPrepChar},
		{"direction override", "\u202e", "", errPrepChar},
		{"beyond the BMP", "\U00010300", "\U00010300", nil},
		{"empty", "", "", errPrepEmpty},
		{"empty when mapped", "\u00ad", "", errPrepEmpty},
		{"invalid UTF-8", "a\xff", "", errPrepUTF8},
		{"longest", strings.Repeat("a", maxPrepared), strings.Repeat("a", maxPrepared), nil},
		{"too long", strings.Repeat("a", maxPrepared+1), "", errPrepLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := saslprep(tt.in)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSASLprepTables(t *testing.T) {
	t.Parallel()
	type interval struct{ first, last rune }
	var all []interval
	for _, table := range []string{stableLeft, stableRight, stableNeutral} {
		runes := []rune(table)
		require.Zero(t, len(runes)%2)
		for pair := range slices.Chunk(runes, 2) {
			all = append(all, interval{pair[0], pair[1]})
		}
	}
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	count, last := 0, rune(-1)
	for _, i := range all {
		require.Less(t, last, i.first, "two ranges overlap")
		require.LessOrEqual(t, i.first, i.last)
		last = i.last
		count += int(i.last-i.first) + 1
	}
	require.Equal(t, 90361, count)
}

func FuzzSASLprep(f *testing.F) {
	for _, s := range []string{"user", "I\u00adX", "\u06271", "\u00a0", "e\u0301", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		prepared, err := saslprep(s)
		if err != nil {
			require.Empty(t, prepared)
			return
		}
		require.NotEmpty(t, prepared)
		again, err := saslprep(prepared)
		require.NoError(t, err)
		require.Equal(t, prepared, again)
	})
}
