package codec

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// msgpackFormat is MessagePack with str and bin kept apart.
type msgpackFormat struct{}

// msgpackHead is what the first bytes of a value say.
type msgpackHead struct {
	kind kind
	n    uint64 // as in token; the length of text, binary and extensions
	next int    // where the content starts
	ext  int8   // the type of a kindOther
}

func (msgpackFormat) space(_ []byte, pos int) int { return pos }

func (msgpackFormat) kind(data []byte, pos int) kind {
	if pos >= len(data) {
		return kindOther
	}
	switch c := data[pos]; {
	case c < 0x80:
		return kindUint
	case c < 0x90, c == 0xde, c == 0xdf:
		return kindDict
	case c < 0xa0, c == 0xdc, c == 0xdd:
		return kindList
	case c < 0xc0, c >= 0xd9 && c <= 0xdb:
		return kindText
	case c == 0xc0:
		return kindNil
	case c == 0xc2, c == 0xc3:
		return kindBool
	case c >= 0xc4 && c <= 0xc6:
		return kindBytes
	case c == 0xca, c == 0xcb:
		return kindFloat
	case c >= 0xcc && c <= 0xcf:
		return kindUint
	case c >= 0xd0 && c <= 0xd3:
		head, err := msgpackNumber(data, pos)
		if err != nil {
			return kindOther
		}
		return head.kind
	case c >= 0xe0:
		return kindNegative
	default:
		return kindOther
	}
}

// head reads the first bytes of the value at pos and checks a length against what
// is left of the data.
func (msgpackFormat) head(data []byte, pos int) (msgpackHead, error) {
	if pos >= len(data) {
		return msgpackHead{}, truncated(pos)
	}
	c := data[pos]
	h := msgpackHead{next: pos + 1}
	switch {
	case c < 0x80:
		h.kind, h.n = kindUint, uint64(c)
		return h, nil
	case c < 0x90:
		h.kind, h.n = kindDict, uint64(c&0x0f)
	case c < 0xa0:
		h.kind, h.n = kindList, uint64(c&0x0f)
	case c < 0xc0:
		h.kind, h.n = kindText, uint64(c&0x1f)
	case c >= 0xe0:
		h.kind, h.n = kindNegative, uint64(int64(int8(c)))
		return h, nil
	case c == 0xc0:
		return h, nil
	case c == 0xc1:
		return h, malformed(pos, "unused first byte")
	case c <= 0xc3:
		h.kind, h.n = kindBool, uint64(c&1)
		return h, nil
	case c >= 0xca && c <= 0xd3:
		return msgpackNumber(data, pos)
	default:
		var err error
		if h, err = msgpackLength(data, pos); err != nil {
			return h, err
		}
	}
	left := uint64(len(data) - h.next)
	if h.kind == kindDict {
		left /= 2
	}
	if h.n > left {
		return h, malformed(pos, "length exceeds the data")
	}
	return h, nil
}

// bigEndian reads the unsigned integer of 1, 2, 4 or 8 bytes at pos.
func bigEndian(data []byte, pos, size int) (uint64, error) {
	if len(data)-pos < size {
		return 0, truncated(len(data))
	}
	switch size {
	case 1:
		return uint64(data[pos]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(data[pos:])), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(data[pos:])), nil
	default:
		return binary.BigEndian.Uint64(data[pos:]), nil
	}
}

// msgpackNumber reads the numbers 0xca to 0xd3.
func msgpackNumber(data []byte, pos int) (msgpackHead, error) {
	c := data[pos]
	size := 1 << (c & 3) // 0xcc to 0xcf, 0xd0 to 0xd3: 1, 2, 4, 8
	if c <= 0xcb {
		size = 4 << (c & 1)
	}
	n, err := bigEndian(data, pos+1, size)
	if err != nil {
		return msgpackHead{}, err
	}
	h := msgpackHead{kind: kindUint, n: n, next: pos + 1 + size}
	switch {
	case c == 0xca:
		h.kind, h.n = kindFloat, math.Float64bits(float64(math.Float32frombits(uint32(n))))
	case c == 0xcb:
		h.kind = kindFloat
	case c >= 0xd0:
		shift := 64 - 8*size
		signed := int64(n<<shift) >> shift
		if h.n = uint64(signed); signed < 0 {
			h.kind = kindNegative
		}
	}
	return h, nil
}

// msgpackLength reads the heads with a length of its own: 0xc4 to 0xc9 and 0xd4 to 0xdf.
func msgpackLength(data []byte, pos int) (msgpackHead, error) {
	c := data[pos]
	h := msgpackHead{kind: kindOther, next: pos + 1}
	size := 0
	switch {
	case c <= 0xc6:
		h.kind, size = kindBytes, 1<<(c-0xc4)
	case c <= 0xc9:
		size = 1 << (c - 0xc7)
	case c <= 0xd8:
		h.n = 1 << (c - 0xd4)
	case c <= 0xdb:
		h.kind, size = kindText, 1<<(c-0xd9)
	case c <= 0xdd:
		h.kind, size = kindList, 2<<(c-0xdc)
	default:
		h.kind, size = kindDict, 2<<(c-0xde)
	}
	if size > 0 {
		n, err := bigEndian(data, h.next, size)
		if err != nil {
			return h, err
		}
		h.n = n
		h.next += size
	}
	if h.kind == kindOther {
		if h.next >= len(data) {
			return h, truncated(h.next)
		}
		h.ext = int8(data[h.next])
		h.next++
	}
	return h, nil
}

func (f msgpackFormat) end(data []byte, pos, levels int) (int, error) {
	h, err := f.head(data, pos)
	if err != nil {
		return 0, err
	}
	switch h.kind {
	case kindText:
		end := h.next + int(h.n)
		if !utf8.Valid(data[h.next:end]) {
			return 0, malformed(pos, "text is not valid UTF-8")
		}
		return end, nil
	case kindBytes, kindOther:
		return h.next + int(h.n), nil
	case kindList, kindDict:
	default:
		return h.next, nil
	}
	if levels <= 0 {
		return 0, tooDeep(pos)
	}
	n := h.n
	if h.kind == kindDict {
		n *= 2
	}
	pos = h.next
	for ; n > 0; n-- {
		if pos, err = f.end(data, pos, levels-1); err != nil {
			return 0, err
		}
	}
	return pos, nil
}

func (f msgpackFormat) read(data []byte, pos int) (k kind, n uint64, s []byte, next int, err error) {
	h, err := f.head(data, pos)
	if err != nil {
		return 0, 0, nil, 0, err
	}
	switch h.kind {
	case kindText, kindBytes, kindOther:
	default:
		return h.kind, h.n, nil, h.next, nil
	}
	end := h.next + int(h.n)
	content := data[h.next:end]
	if h.kind == kindText && !utf8.Valid(content) {
		return 0, 0, nil, 0, malformed(pos, "text is not valid UTF-8")
	}
	if h.kind == kindOther {
		h.kind, content = msgpackExtension(h.ext, content)
	}
	return h.kind, 0, content, end, nil
}

// msgpackExtension turns a timestamp into text by RFC 3339.
func msgpackExtension(ext int8, content []byte) (kind, []byte) {
	if ext == -1 {
		if at, ok := msgpackTime(content); ok {
			return kindText, at.UTC().AppendFormat(nil, time.RFC3339Nano)
		}
	}
	return kindOther, []byte("extension type " + strconv.Itoa(int(ext)))
}

func msgpackTime(content []byte) (time.Time, bool) {
	var seconds int64
	var nanos uint32
	switch len(content) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(content))
	case 8:
		n := binary.BigEndian.Uint64(content)
		seconds, nanos = int64(n&(1<<34-1)), uint32(n>>34)
	case 12:
		nanos, seconds = binary.BigEndian.Uint32(content), int64(binary.BigEndian.Uint64(content[4:]))
	default:
		return time.Time{}, false
	}
	// RFC 3339 has the years 0000 to 9999.
	if seconds < -62167219200 || seconds > 253402300799 || nanos > 999999999 {
		return time.Time{}, false
	}
	return time.Unix(seconds, int64(nanos)), true
}

func (msgpackFormat) item(_ []byte, pos int, _ kind, n, i uint64) (int, bool, error) {
	return pos, i < n, nil
}

func (msgpackFormat) colon(_ []byte, pos int) (int, error) { return pos, nil }
