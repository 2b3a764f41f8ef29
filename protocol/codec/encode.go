package codec

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var (
	errNotFinite = errors.New("JSON has no form for NaN and infinities")
	errPayload   = errors.New("a payload without serializer")
)

// Append appends m, encoded with s, to dst and returns the result. On an error dst
// is returned as it was.
//
// The bytes of the payload are copied when they are in s and transcoded when not.
// Empty arguments at the end are left out. Options and details appear in the order
// in which the fields of their Go types are declared, those without a field of
// their own (Extra) behind them and sorted, as are the dicts inside them; a key of Extra that stands for a field
// which is set is left out.
func Append(dst []byte, s protocol.Serializer, m protocol.Message) ([]byte, error) {
	var e encoding
	e.serializer, e.sort = s, true
	if e.init(s, dst); e.err == nil {
		e.message(m)
	}
	if e.err != nil {
		return dst, e.describe(m)
	}
	return e.b, nil
}

// encoding is a message being encoded.
type encoding struct {
	writer
	serializer protocol.Serializer
	field      string // the element being written, for errors
	typ        protocol.MessageType
	payload    *protocol.Payload
	parts      int      // of the payload
	extra      bool     // whether to note the keys written
	written    []string // the keys written, if there is an Extra
}

func (e *encoding) describe(m protocol.Message) error {
	if m == nil {
		return fmt.Errorf("codec: encode a message: %w", e.err)
	}
	if e.field == "" {
		return fmt.Errorf("codec: encode %s: %w", e.typ, e.err)
	}
	return fmt.Errorf("codec: encode %s: %s: %w", e.typ, e.field, e.err)
}

// head writes the head of a message with n elements and its type.
func (e *encoding) head(t protocol.MessageType, n int) {
	e.typ = t
	e.list(n)
	e.uint(uint64(t))
}

// headWith is head for a message that ends with a payload.
func (e *encoding) headWith(t protocol.MessageType, n int, p *protocol.Payload) {
	if p.Args != nil || p.KwArgs != nil {
		e.measure(p)
	}
	e.head(t, n+e.parts)
}

// measure notes how many elements the payload needs: empty ones at the end need none.
func (e *encoding) measure(p *protocol.Payload) {
	f := formatOf(p.Serializer)
	if f == nil {
		e.field = "payload"
		e.fail(errPayload)
		return
	}
	e.payload = p
	switch {
	case p.KwArgs != nil && !emptyContainer(f, p.KwArgs):
		e.parts = 2
	case p.Args != nil && !emptyContainer(f, p.Args):
		e.parts = 1
	}
}

// emptyContainer reports whether data is a list or dict without items.
func emptyContainer(f format, data []byte) bool {
	if len(data) > 16 { // no serializer needs so much for nothing but by intent
		return false
	}
	k, n, _, pos, err := f.read(data, 0)
	if err != nil || k != kindList && k != kindDict {
		return false
	}
	_, more, err := f.item(data, pos, k, n, 0)
	return err == nil && !more
}

// end writes the payload and ends the message.
func (e *encoding) end() {
	p := e.payload
	if e.parts > 0 {
		if p.Args == nil {
			e.list(0)
			e.endList()
		} else {
			e.part(fieldArgs, p.Args)
		}
	}
	if e.parts > 1 {
		e.part(fieldKwArgs, p.KwArgs)
	}
	e.endList()
}

// part writes the positional or the keyword arguments.
func (e *encoding) part(field string, data []byte) {
	if e.payload.Serializer == e.serializer {
		e.raw(data)
		return
	}
	e.field = field
	e.transcode(formatOf(e.payload.Serializer), data, MaxDepth)
}

func (e *encoding) id(field string, id protocol.ID) {
	if !id.Valid() {
		e.field = field
		e.fail(fmt.Errorf("identifier %d is not in 1 to 2^53", id))
	}
	e.uint(uint64(id))
}

func (e *encoding) uri(field string, v protocol.URI) { e.textField(field, string(v)) }

func (e *encoding) textField(field, v string) {
	e.text(v)
	e.note(field)
}

// note names the element at fault for the first error.
func (e *encoding) note(field string) {
	if e.err != nil && e.field == "" {
		e.field = field
	}
}

// dict writes a dict: what pairs are written between dict and endDict.
func (e *encoding) dict(extra protocol.Dict) opened {
	e.extra = len(extra) > 0
	return e.open(kindDict)
}

// endDict ends a dict with the pairs of extra whose keys were not written yet.
func (e *encoding) endDict(o opened, extra protocol.Dict) {
	if len(extra) > 0 {
		e.extra = false
		for _, key := range slices.Sorted(maps.Keys(extra)) {
			if slices.Contains(e.written, key) {
				continue
			}
			e.key(key)
			e.value(extra[key], elementLevels-1)
			e.note(key)
		}
	}
	e.close(o, kindDict)
}

// plainDict writes a dict without keys of its own.
func (e *encoding) plainDict(extra protocol.Dict) { e.endDict(e.dict(extra), extra) }

// option writes the key of an option.
func (e *encoding) option(key string) {
	e.key(key)
	if e.extra {
		e.written = append(e.written, key)
	}
}

// The following write an option unless it has its zero value. Those of the frequent
// messages are so short that they are inlined: most options are absent.

func (e *encoding) boolOption(key string, v bool) {
	if v {
		e.putBool(key)
	}
}

func (e *encoding) putBool(key string) {
	e.option(key)
	e.bool(true)
}

func (e *encoding) textOption(key, v string) {
	if v != "" {
		e.putText(key, v)
	}
}

func (e *encoding) putText(key, v string) {
	e.option(key)
	e.textField(key, v)
}

func (e *encoding) uintOption(key string, v uint64) {
	if v != 0 {
		e.putUint(key, v)
	}
}

func (e *encoding) putUint(key string, v uint64) {
	e.option(key)
	e.uint(v)
}

func (e *encoding) anyOption(key string, v any) {
	if v != nil {
		e.option(key)
		e.value(v, elementLevels-1)
		e.note(key)
	}
}

func (e *encoding) dictOption(key string, v protocol.Dict) {
	if v != nil {
		e.anyOption(key, map[string]any(v))
	}
}

func (e *encoding) textsOption(key string, v []string) {
	if v == nil {
		return
	}
	e.option(key)
	e.list(len(v))
	for _, s := range v {
		e.textField(key, s)
	}
	e.endList()
}

func (e *encoding) idsOption(key string, v []protocol.ID) {
	if v == nil {
		return
	}
	e.option(key)
	e.list(len(v))
	for _, id := range v {
		e.id(key, id)
	}
	e.endList()
}

func (e *encoding) matchOption(m protocol.Match) {
	if m != protocol.MatchExact {
		e.textOption("match", m.String())
	}
}

func (e *encoding) trustLevel(level *int) {
	if level != nil {
		e.putTrustLevel(*level)
	}
}

func (e *encoding) putTrustLevel(level int) {
	if level < 0 {
		e.fail(errors.New("a trust level must not be negative"))
		e.note("trustlevel")
	}
	e.putUint("trustlevel", uint64(level))
}

func (e *encoding) passthru(p *protocol.Passthru) {
	if p != nil && p.Scheme != "" {
		e.putPassthru(p)
	}
}

func (e *encoding) putPassthru(p *protocol.Passthru) {
	e.textOption("ppt_scheme", p.Scheme)
	e.textOption("ppt_serializer", p.Serializer)
	e.textOption("ppt_cipher", p.Cipher)
	e.textOption("ppt_keyid", p.KeyID)
}
