package codec

import (
	"strconv"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Unmarshal decodes one message. The payload of the message aliases data.
//
// An error is a *protocol.ViolationError that names the message, as far as it
// could be told, and the element or option at fault. The whole message is checked,
// the bytes of the payload included.
func Unmarshal(s protocol.Serializer, data []byte) (protocol.Message, error) {
	d := decoding{f: formatOf(s), serializer: s}
	return d.run(data)
}

// Decoder decodes the messages of one connection. It is like Unmarshal and
// remembers the URIs and other short texts it has seen, 128 at most, so that a
// CALL, EVENT, RESULT, INVOCATION, PUBLISH or YIELD costs one allocation. Until the
// first message it needs no memory of its own. It is not safe for concurrent use.
type Decoder struct {
	texts    interner
	decoding decoding // kept here so as not to be allocated for each message
}

// NewDecoder returns a decoder for messages in s.
func NewDecoder(s protocol.Serializer) *Decoder {
	d := &Decoder{decoding: decoding{f: formatOf(s), serializer: s}}
	d.decoding.texts = &d.texts
	return d
}

// Decode decodes one message as Unmarshal does.
func (d *Decoder) Decode(data []byte) (protocol.Message, error) {
	return d.decoding.run(data)
}

// DecodeIn is Decode with memory of the arena for the message, if it has some for its type.
func (d *Decoder) DecodeIn(a *Arena, data []byte) (protocol.Message, error) {
	d.decoding.arena = a
	m, err := d.decoding.run(data)
	d.decoding.arena = nil
	return m, err
}

// decoding is a message being decoded, element by element. The first error stays
// and makes everything after it do nothing.
type decoding struct {
	f          format
	serializer protocol.Serializer
	texts      *interner
	arena      *Arena // nil without one

	data  []byte
	pos   int
	n     uint64 // elements of the message, or unknownLength
	index uint64 // of the next element
	typ   protocol.MessageType
	ended bool
	err   *protocol.ViolationError
}

// elementLevels is how deeply an element of a message may be nested.
const elementLevels = MaxDepth - 1

// run decodes the message.
func (d *decoding) run(data []byte) (protocol.Message, error) {
	if d.f == nil {
		return nil, &protocol.ViolationError{Problem: "cannot decode a message: " + errSerializer.Error()}
	}
	d.data, d.pos, d.index, d.typ, d.ended, d.err = data, 0, 0, 0, false, nil
	d.open()
	m := d.message()
	d.close()
	d.data = nil
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

func (d *decoding) fail(field, problem string) {
	if d.err == nil {
		d.err = &protocol.ViolationError{Message: d.typ, Field: field, Problem: problem}
	}
}

// mismatch reports a value of the wrong type.
func (d *decoding) mismatch(field, want string, got kind) {
	d.fail(field, "must be "+want+", not "+got.String())
}

// open reads the head of the message and its type.
func (d *decoding) open() {
	d.pos = d.f.space(d.data, 0)
	if d.pos >= len(d.data) {
		d.fail("", "a message must not be empty")
		return
	}
	k, n, _, pos, err := d.f.read(d.data, d.pos)
	switch {
	case err != nil:
		d.fail("", err.Error())
		return
	case k != kindList:
		d.fail("", "a message must be a list, not "+k.String())
		return
	}
	d.n, d.pos = n, pos
	t, _ := d.element("message type", kindUint, "an integer")
	if d.typ = protocol.MessageType(t); uint64(d.typ) != t {
		d.unknownType(t)
	}
}

func (d *decoding) unknownType(t uint64) {
	d.typ = 0
	d.fail("message type", "unknown type "+strconv.FormatUint(t, 10))
}

// advance moves to the next element and reports whether there is one.
func (d *decoding) advance() bool {
	if d.err != nil || d.ended {
		return false
	}
	i := d.index
	d.index++
	if d.n != unknownLength { // saves two of the three serializers a call
		d.ended = i >= d.n
		return !d.ended
	}
	pos, ok, err := d.f.item(d.data, d.pos, kindList, d.n, i)
	if err != nil {
		d.fail("", err.Error())
		return false
	}
	d.pos, d.ended = pos, !ok
	return ok
}

// require moves to the next element, which must be there.
func (d *decoding) require(field string) bool {
	if d.advance() {
		return true
	}
	d.fail(field, "missing")
	return false
}

// close checks that the message and the data end here.
func (d *decoding) close() {
	if d.advance() {
		d.fail("", "too many elements")
	}
	if d.err == nil && d.pos != len(d.data) && d.f.space(d.data, d.pos) != len(d.data) {
		d.fail("", "data after the message")
	}
}

// scalar reads the value at hand, which must be of the wanted kind, and returns the
// fields of its token.
func (d *decoding) scalar(field string, want kind, name string) (n uint64, s []byte) {
	if d.err != nil {
		return 0, nil
	}
	k, n, s, pos, err := d.f.read(d.data, d.pos)
	if err != nil {
		d.fail(field, err.Error())
		return 0, nil
	}
	if k != want {
		d.mismatch(field, name, k)
		return 0, nil
	}
	d.pos = pos
	return n, s
}

// element reads the next element, a scalar or the head of a dict.
func (d *decoding) element(field string, want kind, name string) (n uint64, s []byte) {
	if !d.require(field) {
		return 0, nil
	}
	return d.scalar(field, want, name)
}

func (d *decoding) id(field string) protocol.ID {
	id := d.idOrZero(field)
	if id == 0 {
		d.fail(field, "identifier 0 is not in 1 to 2^53")
	}
	return id
}

// idOrZero reads an identifier where 0 has a meaning of its own.
func (d *decoding) idOrZero(field string) protocol.ID {
	n, _ := d.element(field, kindUint, "an identifier")
	id := protocol.ID(n)
	if id > protocol.MaxID {
		d.fail(field, "identifier "+id.String()+" is not in 1 to 2^53")
	}
	return id
}

func (d *decoding) text(field string) string {
	_, s := d.element(field, kindText, "text")
	return d.texts.text(s)
}

func (d *decoding) uri(field string) protocol.URI { return protocol.URI(d.text(field)) }

// The names of the payload elements in errors.
const (
	fieldArgs   = "Args"
	fieldKwArgs = "KwArgs"
)

// payload reads the optional positional and keyword arguments. In place of the
// former a message with extra["enc_algo"] may have one binary or text element.
func (d *decoding) payload(extra protocol.Dict) protocol.Payload {
	if !d.advance() {
		return protocol.Payload{}
	}
	p := protocol.Payload{Serializer: d.serializer}
	start := d.pos
	switch k := d.f.kind(d.data, d.pos); {
	case k == kindList:
	case (k == kindBytes || k == kindText) && extra["enc_algo"] != nil:
	default:
		d.wrongKind(fieldArgs, "a list", k)
		return protocol.Payload{}
	}
	pos, err := d.f.end(d.data, d.pos, elementLevels)
	if err != nil {
		d.fail(fieldArgs, err.Error())
		return protocol.Payload{}
	}
	d.pos = pos
	p.Args = d.data[start:pos:pos]
	if d.advance() {
		start = d.pos
		for dict := d.dictHere(fieldKwArgs, maxKwArgs); dict.next(); {
			dict.skip()
		}
		p.KwArgs = d.data[start:d.pos:d.pos]
	}
	return p
}

// wrongKind reports a value that is not of the wanted kind, or that it is malformed.
func (d *decoding) wrongKind(field, want string, got kind) {
	if _, _, _, _, err := d.f.read(d.data, d.pos); err != nil {
		d.fail(field, err.Error())
		return
	}
	d.mismatch(field, want, got)
}
