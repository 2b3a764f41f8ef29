package codec

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Transcode returns p in another serializer: p itself when it is in that one
// already, and a payload with memory of its own when not.
//
// Integers, floats, booleans, null, text, binary, lists and dicts survive every way
// and back; a float stays a float (1.0 in JSON). What one of the serializers lacks
// changes as follows:
//   - integers beyond 64 bits (JSON, CBOR) become the nearest float
//   - NaN and infinities become null in JSON
//   - dict keys that are integers become decimal text; other keys are an error
//   - MessagePack timestamps become text by RFC 3339, other extensions are an error
//   - CBOR tags go, their content stays; undefined becomes null, other simple
//     values are an error
//   - text that starts with U+0000 cannot be told from binary in JSON: an error
func Transcode(p protocol.Payload, to protocol.Serializer) (protocol.Payload, error) {
	if p.Serializer == to {
		return p, nil
	}
	if !to.Valid() {
		return protocol.Payload{}, fmt.Errorf("codec: transcode a payload: %w", errSerializer)
	}
	if p.Empty() {
		return protocol.Payload{Serializer: to}, nil
	}
	from := formatOf(p.Serializer)
	if from == nil {
		return protocol.Payload{}, fmt.Errorf("codec: transcode a payload: %w", errPayload)
	}
	out := protocol.Payload{Serializer: to}
	w := newWriter(to, make([]byte, 0, p.Size()+p.Size()/4+16))
	if p.Args != nil {
		w.transcode(from, p.Args)
	}
	split := len(w.b)
	if p.KwArgs != nil {
		w.start = split
		w.transcode(from, p.KwArgs)
	}
	if w.err != nil {
		return protocol.Payload{}, fmt.Errorf("codec: transcode a payload from %s to %s: %w", p.Serializer, to, w.err)
	}
	if p.Args != nil {
		out.Args = w.b[:split:split]
	}
	if p.KwArgs != nil {
		out.KwArgs = w.b[split:]
	}
	return out, nil
}

// transcode writes the value that data is in another format.
func (w *writer) transcode(from format, data []byte) {
	if w.err != nil {
		return
	}
	t := transcoder{w: w, from: from, data: data, pos: from.space(data, 0)}
	t.value(MaxDepth)
	if w.err == nil && from.space(data, t.pos) != len(data) {
		w.fail(malformed(t.pos, "data after the value"))
	}
}

// transcoder writes what it reads in another format.
type transcoder struct {
	w        *writer
	from     format
	data     []byte
	pos      int
	keepKeys bool // integers as dict keys stay integers
	strict   bool // what JSON has no form for is an error
	integers bool // integral floats become integers
}

// value writes the value at t.pos and moves behind it.
func (t *transcoder) value(levels int) {
	w := t.w
	head, pos, err := t.from.read(t.data, t.pos)
	if err != nil {
		w.fail(err)
		return
	}
	t.pos = pos
	if t.integers {
		head = integer(head)
	}
	switch head.kind {
	case kindNil:
		w.null()
	case kindBool:
		w.bool(head.n == 1)
	case kindUint:
		w.uint(head.n)
	case kindNegative:
		w.int(int64(head.n))
	case kindFloat:
		t.float(head.float())
	case kindText:
		w.textBytes(head.s)
	case kindBytes:
		w.bytes(head.s)
	case kindList, kindDict:
		t.items(head, levels)
	default:
		w.fail(unsupported(head))
	}
}

func unsupported(t token) error { return errors.New(string(t.s) + " has no equivalent") }

// float writes null for what JSON lacks: the peer that sent it broke no rule.
func (t *transcoder) float(v float64) {
	if t.w.json && !t.strict && (math.IsNaN(v) || math.IsInf(v, 0)) {
		t.w.null()
		return
	}
	t.w.float(v)
}

// items writes a list or dict.
func (t *transcoder) items(head token, levels int) {
	w := t.w
	if levels <= 0 {
		w.fail(errTooDeep)
		return
	}
	o := w.open(head.kind)
	for i := uint64(0); w.err == nil; i++ {
		pos, ok, err := t.from.item(t.data, t.pos, head, i)
		if err != nil {
			w.fail(err)
			return
		}
		if t.pos = pos; !ok {
			break
		}
		if head.kind == kindDict {
			t.key()
		} else {
			w.pairs++
		}
		if w.err == nil {
			t.value(levels - 1)
		}
	}
	w.close(o, head.kind)
}

// key writes the key at t.pos and moves to its value.
func (t *transcoder) key() {
	w := t.w
	key, pos, err := t.from.read(t.data, t.pos)
	if err == nil {
		pos, err = t.from.colon(t.data, pos)
	}
	if err != nil {
		w.fail(err)
		return
	}
	t.pos = pos
	switch {
	case key.kind == kindText:
		w.textBytes(key.s)
	case t.keepKeys && key.kind == kindUint:
		w.uint(key.n)
	case t.keepKeys && key.kind == kindNegative:
		w.int(int64(key.n))
	default:
		text, err := keyText(key)
		if err != nil {
			w.fail(err)
			return
		}
		w.textBytes(text)
	}
	w.colon()
}

// keyText returns the text that a dict key stands for.
func keyText(key token) ([]byte, error) {
	switch key.kind {
	case kindText:
		return key.s, nil
	case kindUint:
		return strconv.AppendUint(nil, key.n, 10), nil
	case kindNegative:
		return strconv.AppendInt(nil, int64(key.n), 10), nil
	default:
		return nil, errors.New("a dict key must be text, not " + key.kind.String())
	}
}
