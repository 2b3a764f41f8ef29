package codec

import (
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestInternerIsBounded(t *testing.T) {
	t.Parallel()
	var in interner
	require.Nil(t, in.slots)
	require.Empty(t, in.text(nil))
	require.Nil(t, in.slots, "no memory for nothing")
	for i := range 10_000 {
		s := "com.example." + strconv.Itoa(i)
		require.Equal(t, s, in.text([]byte(s)))
		require.LessOrEqual(t, len(in.slots), maxInterned)
	}
	require.Len(t, in.slots, maxInterned)
	long := strings.Repeat("x", maxInternedText+1)
	require.Equal(t, long, in.text([]byte(long)))
	require.NotContains(t, in.slots, long)
}

// TestInternerKeepsWhatIsUsed mixes one text used again and again with texts used once.
func TestInternerKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	var in interner
	hot := []byte("com.example.hot")
	first := unsafe.StringData(in.text(hot))
	for i := range 1000 {
		in.text([]byte("com.example." + strconv.Itoa(i)))
		require.Same(t, first, unsafe.StringData(in.text(hot)))
	}
}

func TestNilInternerCopies(t *testing.T) {
	t.Parallel()
	var in *interner
	b := []byte("text")
	s := in.text(b)
	b[0] = 'n'
	require.Equal(t, "text", s)
}
