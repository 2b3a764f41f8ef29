package codec

import (
	"errors"
	"math"
	"strconv"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// MaxDepth is the number of lists, dicts and CBOR tags that may be nested in one
// message or payload. Deeper ones are refused, for writing as for reading.
const MaxDepth = 64

// kind classifies a value on the wire.
type kind uint8

const (
	kindNil kind = iota
	kindBool
	kindUint     // an integer >= 0
	kindNegative // an integer < 0
	kindFloat
	kindText
	kindBytes
	kindList
	kindDict
	kindOther // without an equivalent elsewhere: MessagePack extensions, CBOR simple values
)

// String returns the word used in error texts.
func (k kind) String() string {
	switch k {
	case kindNil:
		return "null"
	case kindBool:
		return "a boolean"
	case kindUint:
		return "an integer"
	case kindNegative:
		return "a negative integer"
	case kindFloat:
		return "a float"
	case kindText:
		return "text"
	case kindBytes:
		return "binary"
	case kindList:
		return "a list"
	case kindDict:
		return "a dict"
	default:
		return "an extension value"
	}
}

// unknownLength is the length of a list or dict that ends with a mark instead of
// starting with a count.
const unknownLength = math.MaxUint64

// token is a scalar, or the head of a list or dict.
type token struct {
	kind kind
	// n is the value of kindUint, the two's complement of kindNegative, the bits of
	// kindFloat, 0 or 1 of kindBool, and the number of items or pairs of a list or
	// dict, or unknownLength.
	n uint64
	// s is the content of kindText and kindBytes. It aliases the data read unless the
	// value had to be unescaped, decoded or joined. For kindOther it is a description.
	s []byte
}

func (t *token) float() float64 { return math.Float64frombits(t.n) }

// format is the grammar of one serializer. Implementations have no state.
//
// Reading methods take the data and the position of a value in it, and return the
// position behind what they read. They check what they pass over, read no further
// than the end of data, and allocate nothing that the data does not account for.
type format interface {
	// space returns the position of the first byte from pos on that is not white space.
	space(data []byte, pos int) int
	// kind classifies the value at pos by its first bytes, at no cost. Binary in JSON
	// counts as text. A position behind the data is kindOther.
	kind(data []byte, pos int) kind
	// end passes over the value at pos, which may open so many levels of nesting.
	end(data []byte, pos, levels int) (int, error)
	// read reads the scalar, or the head of the list or dict, at pos: the fields of a
	// token, one by one because a struct of that size is passed through memory, which
	// cost a third of the time of BenchmarkDecodeCall.
	read(data []byte, pos int) (k kind, n uint64, s []byte, next int, err error)
	// item moves to item i of a list or dict whose head said n. At the end it returns
	// false and the position behind the list or dict. Of a dict, an item is a key;
	// colon and the value follow.
	item(data []byte, pos int, k kind, n, i uint64) (int, bool, error)
	// colon moves from the end of a key to its value.
	colon(data []byte, pos int) (int, error)

	appendNil(dst []byte) []byte
	appendBool(dst []byte, v bool) []byte
	appendUint(dst []byte, v uint64) []byte
	appendInt(dst []byte, v int64) []byte
	appendFloat(dst []byte, v float64) []byte
	appendText(dst []byte, v string) []byte
	appendTextBytes(dst []byte, v []byte) []byte
	appendBytes(dst []byte, v []byte) []byte
	// appendList and appendDict append the head of a list of n items or a dict of n
	// pairs: one byte for n = 0.
	appendList(dst []byte, n int) []byte
	appendDict(dst []byte, n int) []byte
}

// formatOf returns the grammar of s, and nil if s is not implemented.
func formatOf(s protocol.Serializer) format {
	switch s {
	case protocol.JSON:
		return jsonFormat{}
	case protocol.MessagePack:
		return msgpackFormat{}
	case protocol.CBOR:
		return cborFormat{}
	default:
		return nil
	}
}

// syntaxError says where data is malformed.
type syntaxError struct {
	pos     int
	problem string
}

func (e *syntaxError) Error() string { return e.problem + " at byte " + strconv.Itoa(e.pos) }

func malformed(pos int, problem string) error { return &syntaxError{pos, problem} }

func truncated(pos int) error { return &syntaxError{pos, "unexpected end of data"} }

func tooDeep(pos int) error {
	return &syntaxError{pos, "nested deeper than " + strconv.Itoa(MaxDepth) + " levels"}
}

var (
	errSerializer = errors.New("no serializer")
	errTooDeep    = errors.New("nested deeper than " + strconv.Itoa(MaxDepth) + " levels")
	errUTF8       = errors.New("text is not valid UTF-8")
	errNUL        = errors.New("text that starts with U+0000 has no form in JSON")
)
