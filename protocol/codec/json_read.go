package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonFormat is RFC 8259, with byte strings as WAMP has them: a string of U+0000
// followed by padded base64.
type jsonFormat struct{}

// binaryMark starts the JSON form of a byte string.
const binaryMark = `\u0000`

func (jsonFormat) space(data []byte, pos int) int {
	for pos < len(data) {
		switch data[pos] {
		case ' ', '\t', '\n', '\r':
			pos++
		default:
			return pos
		}
	}
	return pos
}

func (jsonFormat) kind(data []byte, pos int) kind {
	if pos >= len(data) {
		return kindOther
	}
	switch c := data[pos]; c {
	case '"':
		return kindText
	case '[':
		return kindList
	case '{':
		return kindDict
	case 'n':
		return kindNil
	case 't', 'f':
		return kindBool
	case '-':
		return kindNegative
	default:
		if c >= '0' && c <= '9' {
			return kindUint
		}
		return kindOther
	}
}

func (f jsonFormat) end(data []byte, pos, levels int) (int, error) {
	if pos >= len(data) {
		return 0, truncated(pos)
	}
	switch data[pos] {
	case '"':
		end, _, err := jsonString(data, pos)
		return end, err
	case '[', '{':
		return f.containerEnd(data, pos, levels)
	case 'n':
		return jsonLiteral(data, pos, "null")
	case 't':
		return jsonLiteral(data, pos, "true")
	case 'f':
		return jsonLiteral(data, pos, "false")
	default:
		return jsonNumber(data, pos)
	}
}

func (f jsonFormat) containerEnd(data []byte, pos, levels int) (int, error) {
	if levels <= 0 {
		return 0, tooDeep(pos)
	}
	k := f.kind(data, pos)
	pos++
	for i := uint64(0); ; i++ {
		next, ok, err := f.item(data, pos, k, unknownLength, i)
		if err != nil || !ok {
			return next, err
		}
		if k == kindDict {
			if next, _, err = jsonString(data, next); err != nil {
				return 0, err
			}
			if next, err = f.colon(data, next); err != nil {
				return 0, err
			}
		}
		if pos, err = f.end(data, next, levels-1); err != nil {
			return 0, err
		}
	}
}

func (f jsonFormat) item(data []byte, pos int, k kind, _, i uint64) (int, bool, error) {
	if pos = f.space(data, pos); pos >= len(data) {
		return 0, false, truncated(pos)
	}
	closer := byte(']')
	if k == kindDict {
		closer = '}'
	}
	switch c := data[pos]; {
	case c == closer:
		return pos + 1, false, nil
	case i == 0:
	case c != ',':
		return 0, false, malformed(pos, "a comma or the end of the list or dict is missing")
	default:
		pos = f.space(data, pos+1)
	}
	if k == kindDict && (pos >= len(data) || data[pos] != '"') {
		return 0, false, malformed(pos, "a key must be a string")
	}
	return pos, true, nil
}

func (f jsonFormat) colon(data []byte, pos int) (int, error) {
	if pos = f.space(data, pos); pos >= len(data) {
		return 0, truncated(pos)
	}
	if data[pos] != ':' {
		return 0, malformed(pos, "a colon is missing")
	}
	return f.space(data, pos+1), nil
}

func (jsonFormat) read(data []byte, pos int) (k kind, n uint64, s []byte, next int, err error) {
	if pos >= len(data) {
		return 0, 0, nil, 0, truncated(pos)
	}
	switch data[pos] {
	case '"':
		k, s, next, err = jsonReadString(data, pos)
	case '[':
		k, n, next = kindList, unknownLength, pos+1
	case '{':
		k, n, next = kindDict, unknownLength, pos+1
	case 'n':
		k = kindNil
		next, err = jsonLiteral(data, pos, "null")
	case 't':
		k, n = kindBool, 1
		next, err = jsonLiteral(data, pos, "true")
	case 'f':
		k = kindBool
		next, err = jsonLiteral(data, pos, "false")
	default:
		k, n, next, err = jsonReadNumber(data, pos)
	}
	return k, n, s, next, err
}

func jsonLiteral(data []byte, pos int, word string) (int, error) {
	end := pos + len(word)
	if end > len(data) || string(data[pos:end]) != word {
		return 0, malformed(pos, "unknown word")
	}
	return end, nil
}

// jsonNumber passes over a number. Those beyond the range of floats are refused, for
// no other serializer has them.
func jsonNumber(data []byte, pos int) (int, error) {
	end, form, err := jsonNumberEnd(data, pos)
	if err == nil && (form == numberExponent || end-pos > 300) {
		if _, err := strconv.ParseFloat(string(data[pos:end]), 64); err != nil {
			return 0, malformed(pos, "number out of range")
		}
	}
	return end, err
}

// numberForm says how a number is written.
type numberForm uint8

const (
	numberInteger numberForm = iota
	numberFraction
	numberExponent
)

func jsonNumberEnd(data []byte, pos int) (int, numberForm, error) {
	i := pos
	if i < len(data) && data[i] == '-' {
		i++
	}
	first := i
	if i = jsonDigits(data, i); i == first {
		return 0, 0, malformed(i, "a value is missing")
	}
	if data[first] == '0' && i > first+1 {
		return 0, 0, malformed(first, "a number must not start with 0")
	}
	form := numberInteger
	if i < len(data) && data[i] == '.' {
		form = numberFraction
		first = i + 1
		if i = jsonDigits(data, first); i == first {
			return 0, 0, malformed(i, "a digit is missing")
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		form = numberExponent
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		first = i
		if i = jsonDigits(data, first); i == first {
			return 0, 0, malformed(i, "a digit is missing")
		}
	}
	return i, form, nil
}

func jsonDigits(data []byte, pos int) int {
	for pos < len(data) && data[pos]-'0' <= 9 {
		pos++
	}
	return pos
}

func jsonReadNumber(data []byte, pos int) (kind, uint64, int, error) {
	end, form, err := jsonNumberEnd(data, pos)
	if err != nil {
		return 0, 0, 0, err
	}
	if form == numberInteger {
		if k, n, ok := jsonInteger(data[pos:end]); ok {
			return k, n, end, nil
		}
	}
	// An integer beyond 64 bits becomes the nearest float.
	f, err := strconv.ParseFloat(string(data[pos:end]), 64)
	if err != nil {
		return 0, 0, 0, malformed(pos, "number out of range")
	}
	return kindFloat, math.Float64bits(f), end, nil
}

func jsonInteger(digits []byte) (kind, uint64, bool) {
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) > 20 {
		return 0, 0, false
	}
	var n uint64
	for i, c := range digits {
		if i == 19 && (n > math.MaxUint64/10 || n == math.MaxUint64/10 && c > '5') {
			return 0, 0, false // above 18446744073709551615
		}
		n = 10*n + uint64(c-'0')
	}
	switch {
	case !negative || n == 0:
		return kindUint, n, true
	case n <= 1<<63:
		return kindNegative, -n, true
	default:
		return 0, 0, false
	}
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// jsonSpecial sets the high bit of the bytes of w that end a run of plain
// characters: quotes, backslashes and control characters. Bytes above
// the lowest such byte may be set wrongly, so only the lowest bit set is meaningful.
func jsonSpecial(w uint64) uint64 {
	q := w ^ 0x02*eachByte // control characters stay below U+0020, the quote comes next to them
	b := w ^ '\\'*eachByte
	return ((q-0x21*eachByte)&^q | (b-eachByte)&^b) & highBits
}

// jsonPlain returns the start of the first 32 bytes from i on that have a special one
// among them, and all bytes before it or-ed together.
func jsonPlain(data []byte, i int) (next int, seen uint64) {
	i = jsonASCII(data, i)
	for ; i+32 <= len(data); i += 32 {
		b := data[i : i+32 : i+32]
		w0, w1 := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		if jsonSpecial(w0)|jsonSpecial(w1)|jsonSpecial(w2)|jsonSpecial(w3) != 0 {
			break
		}
		seen |= w0 | w1 | w2 | w3
	}
	return i, seen
}

// jsonBlock is how much of a long text is looked at at once where package bytes helps: it
// looks for one byte at several times the speed of jsonPlain.
const jsonBlock = 1 << 10

// jsonASCII returns the start of the first block from i on that is not ASCII without a
// special byte.
func jsonASCII(data []byte, i int) int {
	for ; i+jsonBlock <= len(data); i += jsonBlock {
		b := (*[jsonBlock]byte)(data[i:])
		if bytes.IndexByte(b[:], '\\') >= 0 || bytes.IndexByte(b[:], '"') >= 0 {
			break
		}
		var seen uint64 // the high bit tells what is not ASCII, and control characters
		for j := 0; j < jsonBlock; j += 32 {
			w0, w1 := binary.LittleEndian.Uint64(b[j:]), binary.LittleEndian.Uint64(b[j+8:])
			w2, w3 := binary.LittleEndian.Uint64(b[j+16:]), binary.LittleEndian.Uint64(b[j+24:])
			seen |= w0 | w1 | w2 | w3
			seen |= (w0 - ' '*eachByte) | (w1 - ' '*eachByte) | (w2 - ' '*eachByte) | (w3 - ' '*eachByte)
		}
		if seen&highBits != 0 {
			break
		}
	}
	return i
}

// jsonString passes over the string at pos and reports whether it has no escapes.
// It takes eight bytes at a time: see BenchmarkScan.
func jsonString(data []byte, pos int) (end int, plain bool, err error) {
	i := pos + 1
	plain = true
	var seen uint64 // all bytes or-ed, to know whether any was not ASCII
	for {
		if i+64 <= len(data) {
			next, or := jsonPlain(data, i)
			i, seen = next, seen|or
		}
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			seen |= w
			if m := jsonSpecial(w); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(data) {
			return 0, false, truncated(len(data))
		}
		switch c := data[i]; {
		case c == '"':
			if seen&highBits != 0 && !utf8.Valid(data[pos+1:i]) {
				return 0, false, malformed(pos, "text is not valid UTF-8")
			}
			return i + 1, plain, nil
		case c == '\\':
			plain = false
			if _, i, err = jsonEscape(data, i); err != nil {
				return 0, false, err
			}
		case c < 0x20:
			return 0, false, malformed(i, "control character in a string")
		default:
			seen |= uint64(c)
			i++
		}
	}
}

// jsonEscape decodes the escape sequence at pos. Lone surrogates are refused: no
// other serializer could represent them.
func jsonEscape(data []byte, pos int) (rune, int, error) {
	if pos+1 >= len(data) {
		return 0, 0, truncated(len(data))
	}
	switch c := data[pos+1]; c {
	case '"', '\\', '/':
		return rune(c), pos + 2, nil
	case 'b':
		return '\b', pos + 2, nil
	case 'f':
		return '\f', pos + 2, nil
	case 'n':
		return '\n', pos + 2, nil
	case 'r':
		return '\r', pos + 2, nil
	case 't':
		return '\t', pos + 2, nil
	case 'u':
	default:
		return 0, 0, malformed(pos, "unknown escape sequence")
	}
	r, ok := jsonHex(data, pos)
	if !ok {
		return 0, 0, malformed(pos, "malformed escape sequence")
	}
	if !utf16.IsSurrogate(r) {
		return r, pos + 6, nil
	}
	if low, ok := jsonHex(data, pos+6); ok {
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, pos + 12, nil
		}
	}
	return 0, 0, malformed(pos, "half a surrogate pair")
}

// jsonHex decodes the escape sequence \uXXXX at pos.
func jsonHex(data []byte, pos int) (rune, bool) {
	if pos+6 > len(data) || data[pos] != '\\' || data[pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range data[pos+2 : pos+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func jsonReadString(data []byte, pos int) (kind, []byte, int, error) {
	end, plain, err := jsonString(data, pos)
	if err != nil {
		return 0, nil, 0, err
	}
	content := data[pos+1 : end-1]
	if plain {
		return kindText, content, end, nil
	}
	mark := bytes.HasPrefix(content, []byte(binaryMark))
	if mark {
		content = content[len(binaryMark):]
	}
	if bytes.IndexByte(content, '\\') >= 0 {
		content = jsonUnescape(content)
	}
	if !mark {
		return kindText, content, end, nil
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(content)))
	n, err := base64.StdEncoding.Decode(decoded, content)
	if err != nil {
		return 0, nil, 0, malformed(pos, "binary is not valid base64")
	}
	return kindBytes, decoded[:n], end, nil
}

// jsonUnescape returns the content of a string that jsonString has checked.
func jsonUnescape(content []byte) []byte {
	out := make([]byte, 0, len(content))
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 {
			return append(out, content...)
		}
		out = append(out, content[:i]...)
		r, next, err := jsonEscape(content, i)
		if err != nil {
			return out
		}
		out = utf8.AppendRune(out, r)
		content = content[next:]
	}
}
