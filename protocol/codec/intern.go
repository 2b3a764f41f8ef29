package codec

import (
	"hash/maphash"
	"slices"
)

// The bounds of the texts a Decoder remembers: at most maxInterned of them, none
// longer than maxInternedText, so 20 KiB per connection at the worst.
const (
	minInterned     = 8
	maxInterned     = 128
	maxInternedText = 128
)

// interner remembers short texts, so that a connection which uses the same URIs
// again and again allocates each of them once. It is a hash table of pairs of
// slots: the text used last takes the first slot of its pair and moves the other one
// to the second, so that texts used once do not drive out one in use. The nil
// *interner remembers nothing.
type interner struct {
	seed  maphash.Seed
	slots []string
}

// text returns b as a string.
func (in *interner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if in == nil || len(b) > maxInternedText {
		return string(b)
	}
	if in.slots == nil {
		in.seed = maphash.MakeSeed()
		in.slots = make([]string, minInterned)
	}
	i := in.pair(maphash.Bytes(in.seed, b))
	if in.slots[i] == string(b) {
		return in.slots[i]
	}
	if in.slots[i+1] == string(b) {
		in.put(i, in.slots[i+1])
		return in.slots[i]
	}
	s := string(b)
	if in.slots[i+1] != "" && len(in.slots) < maxInterned {
		in.grow()
		i = in.pair(maphash.String(in.seed, s))
	}
	in.put(i, s)
	return s
}

// pair returns the first slot of the pair for a hash.
func (in *interner) pair(hash uint64) int { return int(hash%uint64(len(in.slots))) &^ 1 }

func (in *interner) put(i int, s string) { in.slots[i+1], in.slots[i] = in.slots[i], s }

// grow doubles the table. Of each pair the text used last goes last, to stay in front.
func (in *interner) grow() {
	old := in.slots
	in.slots = make([]string, 2*len(old))
	for _, s := range slices.Backward(old) {
		if s != "" {
			in.put(in.pair(maphash.String(in.seed, s)), s)
		}
	}
}
