package codec

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// cborFormat is RFC 8949. Tags are passed over: a value counts as what the tag
// encloses, except big integers.
type cborFormat struct{}

// The major types.
const (
	cborUint byte = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborDict
	cborTag
	cborSimple
)

const cborBreak = 0xff

// cborHead is what the first bytes of a value say.
type cborHead struct {
	major byte
	info  byte
	n     uint64 // the argument; unknownLength if the length is not given
	next  int    // where the content starts
}

// head reads the first bytes of the value at pos and checks a length against what
// is left of the data.
func (cborFormat) head(data []byte, pos int) (cborHead, error) {
	if pos >= len(data) {
		return cborHead{}, truncated(pos)
	}
	h := cborHead{major: data[pos] >> 5, info: data[pos] & 0x1f, next: pos + 1}
	switch {
	case h.info < 24:
		h.n = uint64(h.info)
	case h.info < 28:
		size := 1 << (h.info - 24)
		n, err := bigEndian(data, h.next, size)
		if err != nil {
			return h, err
		}
		h.n = n
		h.next += size
	case h.info == 31 && h.major >= cborBytes && h.major <= cborDict:
		h.n = unknownLength
		return h, nil
	case data[pos] == cborBreak:
		return h, malformed(pos, "unexpected break")
	default:
		return h, malformed(pos, "reserved additional information")
	}
	if h.major < cborBytes || h.major > cborDict {
		return h, nil
	}
	left := uint64(len(data) - h.next)
	if h.major == cborDict {
		left /= 2
	}
	if h.n > left {
		return h, malformed(pos, "length exceeds the data")
	}
	return h, nil
}

func (cborFormat) space(_ []byte, pos int) int { return pos }

func (f cborFormat) kind(data []byte, pos int) kind {
	h, err := f.head(data, pos)
	for err == nil && h.major == cborTag {
		h, err = f.head(data, h.next)
	}
	if err != nil {
		return kindOther
	}
	switch h.major {
	case cborUint:
		return kindUint
	case cborNegative:
		return kindNegative
	case cborBytes:
		return kindBytes
	case cborText:
		return kindText
	case cborList:
		return kindList
	case cborDict:
		return kindDict
	}
	switch h.info {
	case 20, 21:
		return kindBool
	case 22, 23:
		return kindNil
	case 25, 26, 27:
		return kindFloat
	default:
		return kindOther
	}
}

func (f cborFormat) end(data []byte, pos, levels int) (int, error) {
	h, err := f.head(data, pos)
	if err != nil {
		return 0, err
	}
	switch h.major {
	case cborUint, cborNegative:
		return h.next, nil
	case cborBytes, cborText:
		return f.stringEnd(data, pos, h)
	case cborSimple:
		if h.info == 24 && h.n < 32 {
			return 0, malformed(pos, "malformed simple value")
		}
		return h.next, nil
	}
	if levels <= 0 {
		return 0, tooDeep(pos)
	}
	switch h.major {
	case cborTag:
		return f.end(data, h.next, levels-1)
	case cborDict:
		return f.itemsEnd(data, h, 2, levels-1)
	default:
		return f.itemsEnd(data, h, 1, levels-1)
	}
}

// itemsEnd passes over the items of a list, or the pairs of a dict.
func (f cborFormat) itemsEnd(data []byte, h cborHead, each, levels int) (int, error) {
	pos := h.next
	for i := uint64(0); i < h.n; i++ {
		if h.n == unknownLength && pos < len(data) && data[pos] == cborBreak {
			return pos + 1, nil
		}
		for range each {
			next, err := f.end(data, pos, levels)
			if err != nil {
				return 0, err
			}
			pos = next
		}
	}
	return pos, nil
}

// stringEnd passes over a text or byte string, whole or in chunks.
func (f cborFormat) stringEnd(data []byte, pos int, h cborHead) (int, error) {
	if h.n != unknownLength {
		end := h.next + int(h.n)
		if h.major == cborText && !utf8.Valid(data[h.next:end]) {
			return 0, malformed(pos, "text is not valid UTF-8")
		}
		return end, nil
	}
	pos = h.next
	for {
		if pos < len(data) && data[pos] == cborBreak {
			return pos + 1, nil
		}
		chunk, err := f.head(data, pos)
		if err != nil {
			return 0, err
		}
		if chunk.major != h.major || chunk.n == unknownLength {
			return 0, malformed(pos, "a chunk of another type")
		}
		if pos, err = f.stringEnd(data, pos, chunk); err != nil {
			return 0, err
		}
	}
}

func (f cborFormat) read(data []byte, pos int) (k kind, n uint64, s []byte, next int, err error) {
	h, err := f.head(data, pos)
	tag := uint64(0)
	for err == nil && h.major == cborTag {
		tag, pos = h.n, h.next
		h, err = f.head(data, pos)
	}
	if err != nil {
		return 0, 0, nil, 0, err
	}
	k, n, next = kindUint, h.n, h.next
	switch h.major {
	case cborUint:
	case cborNegative:
		k, n = cborNegativeInteger(h.n)
	case cborBytes:
		k, n = kindBytes, 0
		s, next, err = f.readString(data, pos, h)
		if err == nil && (tag == 2 || tag == 3) {
			k, n = cborBigInteger(s, tag == 3)
		}
	case cborText:
		k, n = kindText, 0
		s, next, err = f.readString(data, pos, h)
	case cborList:
		k = kindList
	case cborDict:
		k = kindDict
	default:
		k, n, s, err = cborSimpleValue(h, pos)
	}
	return k, n, s, next, err
}

func (f cborFormat) readString(data []byte, pos int, h cborHead) ([]byte, int, error) {
	end, err := f.stringEnd(data, pos, h)
	if err != nil {
		return nil, 0, err
	}
	if h.n != unknownLength {
		return data[h.next:end], end, nil
	}
	joined := make([]byte, 0, end-h.next)
	for pos = h.next; data[pos] != cborBreak; {
		chunk, err := f.head(data, pos)
		if err != nil {
			return nil, 0, err
		}
		pos = chunk.next + int(chunk.n)
		joined = append(joined, data[chunk.next:pos]...)
	}
	return joined, end, nil
}

// cborNegativeInteger returns -1-n; beyond 64 bits the nearest float.
func cborNegativeInteger(n uint64) (kind, uint64) {
	if n > math.MaxInt64 {
		return kindFloat, math.Float64bits(-1 - float64(n))
	}
	return kindNegative, ^n
}

// cborBigInteger returns the big integer of tag 2 or 3 as an integer, and beyond
// 64 bits as the nearest float, as it is done with the integers of JSON.
func cborBigInteger(content []byte, negative bool) (kind, uint64) {
	content = bytes.TrimLeft(content, "\x00")
	if len(content) <= 8 {
		n := uint64(0)
		for _, c := range content {
			n = n<<8 | uint64(c)
		}
		if negative {
			return cborNegativeInteger(n)
		}
		return kindUint, n
	}
	f := math.Inf(1)
	if len(content) <= 128 { // floats end at 2^1024
		f, _ = new(big.Int).SetBytes(content).Float64()
	}
	if negative {
		f = -f
	}
	return kindFloat, math.Float64bits(f)
}

func cborSimpleValue(h cborHead, pos int) (kind, uint64, []byte, error) {
	switch h.info {
	case 20, 21:
		return kindBool, uint64(h.info - 20), nil, nil
	case 22, 23:
		return kindNil, 0, nil, nil
	case 25:
		return kindFloat, math.Float64bits(halfFloat(uint16(h.n))), nil, nil
	case 26:
		return kindFloat, math.Float64bits(float64(math.Float32frombits(uint32(h.n)))), nil, nil
	case 27:
		return kindFloat, h.n, nil, nil
	default:
		if h.info == 24 && h.n < 32 {
			return 0, 0, nil, malformed(pos, "malformed simple value")
		}
		return kindOther, 0, []byte("simple value " + strconv.FormatUint(h.n, 10)), nil
	}
}

// halfFloat converts an IEEE 754 binary16.
func halfFloat(h uint16) float64 {
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		f = math.Inf(1)
		if fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

func (cborFormat) item(data []byte, pos int, _ kind, n, i uint64) (int, bool, error) {
	if n != unknownLength {
		return pos, i < n, nil
	}
	if pos >= len(data) {
		return 0, false, truncated(pos)
	}
	if data[pos] == cborBreak {
		return pos + 1, false, nil
	}
	return pos, true, nil
}

func (cborFormat) colon(_ []byte, pos int) (int, error) { return pos, nil }
