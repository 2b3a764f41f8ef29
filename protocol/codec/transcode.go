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
//   - integers beyond 64 bits (JSON, CBOR) become the nearest float, and infinity
//     beyond the range of floats
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
		w.transcode(from, p.Args, MaxDepth)
	}
	split := len(w.b)
	if p.KwArgs != nil {
		w.start = split
		w.transcode(from, p.KwArgs, MaxDepth)
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

// Encoded is a value that is encoded already, such as the arguments of a payload. Where it stands
// for a value that is to be encoded, it is copied, or transcoded as by [Transcode], without being
// decoded into Go values, which take many times its memory.
type Encoded struct {
	Serializer protocol.Serializer
	Data       []byte
}

// encoded writes a value that may be nested in others.
func (w *writer) encoded(v Encoded, levels int) {
	if from := formatOf(v.Serializer); from != nil {
		w.transcode(from, v.Data, levels)
	} else {
		w.fail(errSerializer)
	}
}

// transcode writes the value that data is in another format.
func (w *writer) transcode(from format, data []byte, levels int) {
	if w.err != nil {
		return
	}
	src := source{reader: reader{f: from, data: data, pos: from.space(data, 0)}}
	w.copy(&src, levels)
	if w.err == nil && from.space(data, src.pos) != len(data) {
		w.fail(malformed(src.pos, "data after the value"))
	}
}

// source is what is transcoded. It must not point to the writer: that would move
// every writer to the heap.
type source struct {
	reader
	keepKeys bool // integers as dict keys stay integers
	strict   bool // what JSON has no form for is an error
	integers bool // integral floats become integers
}

// copy writes the value at hand and moves behind it.
func (w *writer) copy(src *source, levels int) {
	var head token
	if err := src.scalar(&head); err != nil {
		w.fail(err)
		return
	}
	if src.integers {
		head.integral()
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
		w.copyFloat(head.float(), src.strict)
	case kindText:
		w.textBytes(head.s)
	case kindBytes:
		w.bytes(head.s)
	case kindList, kindDict:
		w.copyItems(src, &head, levels)
	default:
		w.fail(unsupported(&head))
	}
}

func unsupported(t *token) error { return errors.New(string(t.s) + " has no equivalent") }

// copyFloat writes null for what JSON lacks, unless strict: the peer that sent it
// broke no rule.
func (w *writer) copyFloat(v float64, strict bool) {
	if w.json && !strict && (math.IsNaN(v) || math.IsInf(v, 0)) {
		w.null()
		return
	}
	w.float(v)
}

// copyItems writes a list or dict.
func (w *writer) copyItems(src *source, head *token, levels int) {
	if levels <= 0 {
		w.fail(errTooDeep)
		return
	}
	o := w.open(head.kind)
	for i := uint64(0); w.err == nil; i++ {
		pos, ok, err := src.f.item(src.data, src.pos, head.kind, head.n, i)
		if err != nil {
			w.fail(err)
			return
		}
		if src.pos = pos; !ok {
			break
		}
		if head.kind == kindDict {
			w.copyKey(src)
		} else {
			w.pairs++
		}
		if w.err == nil {
			w.copy(src, levels-1)
		}
	}
	w.close(o, head.kind)
}

// copyKey writes the key at hand and moves to its value.
func (w *writer) copyKey(src *source) {
	var key token
	err := src.scalar(&key)
	if err == nil {
		src.pos, err = src.f.colon(src.data, src.pos)
	}
	if err != nil {
		w.fail(err)
		return
	}
	switch {
	case key.kind == kindText:
		w.textBytes(key.s)
	case src.keepKeys && key.kind == kindUint:
		w.uint(key.n)
	case src.keepKeys && key.kind == kindNegative:
		w.int(int64(key.n))
	default:
		text, err := keyText(&key)
		if err != nil {
			w.fail(err)
			return
		}
		w.textBytes(text)
	}
	w.colon()
}

// keyText returns the text that a dict key stands for.
func keyText(key *token) ([]byte, error) {
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
