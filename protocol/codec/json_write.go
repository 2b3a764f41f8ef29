package codec

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

func (jsonFormat) appendNil(dst []byte) []byte { return append(dst, "null"...) }

func (jsonFormat) appendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }

func (jsonFormat) appendUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }

func (jsonFormat) appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// appendFloat appends the shortest text that reads back as v and as a float: with
// a point or an exponent. v must be finite.
func (jsonFormat) appendFloat(dst []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
	if v == math.Trunc(v) {
		dst = append(dst, '.', '0')
	}
	return dst
}

func (jsonFormat) appendText(dst []byte, v string) []byte { return appendJSONText(dst, v) }

func (jsonFormat) appendTextBytes(dst []byte, v []byte) []byte { return appendJSONText(dst, v) }

func (jsonFormat) appendBytes(dst []byte, v []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, binaryMark...)
	dst = base64.StdEncoding.AppendEncode(dst, v)
	return append(dst, '"')
}

func (jsonFormat) appendList(dst []byte, _ int) []byte { return append(dst, '[') }

func (jsonFormat) appendDict(dst []byte, _ int) []byte { return append(dst, '{') }

// appendJSONText appends v, which must be valid UTF-8, with the fewest escapes.
func appendJSONText[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(v)
		dst = append(dst, v[:n]...)
		if n == len(v) {
			return append(dst, '"')
		}
		switch c := v[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		v = v[n+1:]
	}
}

// plainPrefix returns the number of bytes in front of the first one that JSON escapes.
func plainPrefix[T string | []byte](v T) int {
	i := 0
	var word [8]byte
	for ; i+8 <= len(v); i += 8 {
		copy(word[:], v[i:i+8])
		if m := jsonSpecial(binary.LittleEndian.Uint64(word[:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(v); i++ {
		if c := v[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}
