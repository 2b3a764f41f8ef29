package codec

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// writer appends values to b. The separators of JSON come by themselves: a value is
// preceded by a comma unless the last byte opens a list or dict or ends a key. The
// first error stays, and b is worthless after it.
type writer struct {
	f     format
	json  bool
	b     []byte
	start int  // where the output begins in b
	pairs int  // of the dict being written
	sort  bool // whether to sort the keys of dicts
	err   error
}

func newWriter(s protocol.Serializer, dst []byte) writer {
	var w writer
	w.init(s, dst)
	return w
}

func (w *writer) init(s protocol.Serializer, dst []byte) {
	w.f, w.json, w.b, w.start = formatOf(s), s == protocol.JSON, dst, len(dst)
	if w.f == nil {
		w.err = errSerializer
	}
}

// result returns the output, or what dst was before if there was an error.
func (w *writer) result() ([]byte, error) {
	if w.err != nil {
		return w.b[:w.start], w.err
	}
	return w.b, nil
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// sep must precede every value and key.
func (w *writer) sep() {
	if !w.json || len(w.b) == w.start {
		return
	}
	switch w.b[len(w.b)-1] {
	case '[', '{', ':':
	default:
		w.b = append(w.b, ',')
	}
}

func (w *writer) null() {
	w.sep()
	w.b = w.f.appendNil(w.b)
}

func (w *writer) bool(v bool) {
	w.sep()
	w.b = w.f.appendBool(w.b, v)
}

func (w *writer) uint(v uint64) {
	w.sep()
	w.b = w.f.appendUint(w.b, v)
}

func (w *writer) int(v int64) {
	w.sep()
	w.b = w.f.appendInt(w.b, v)
}

// float writes v. JSON has neither NaN nor infinities.
func (w *writer) float(v float64) {
	if w.json && (math.IsNaN(v) || math.IsInf(v, 0)) {
		w.fail(errNotFinite)
		return
	}
	w.sep()
	w.b = w.f.appendFloat(w.b, v)
}

func (w *writer) text(v string) {
	switch {
	case !utf8.ValidString(v):
		w.fail(errUTF8)
	case w.json && v != "" && v[0] == 0:
		w.fail(errNUL)
	default:
		w.sep()
		w.b = w.f.appendText(w.b, v)
	}
}

// textBytes is text for valid UTF-8.
func (w *writer) textBytes(v []byte) {
	if w.json && len(v) > 0 && v[0] == 0 {
		w.fail(errNUL)
		return
	}
	w.sep()
	w.b = w.f.appendTextBytes(w.b, v)
}

func (w *writer) bytes(v []byte) {
	w.sep()
	w.b = w.f.appendBytes(w.b, v)
}

// raw writes a value that is encoded already.
func (w *writer) raw(v []byte) {
	w.sep()
	w.b = append(w.b, v...)
}

// list writes the head of a list of n items; endList must follow these.
func (w *writer) list(n int) {
	w.sep()
	w.b = w.f.appendList(w.b, n)
}

func (w *writer) endList() {
	if w.json {
		w.b = append(w.b, ']')
	}
}

// opened is a list or dict whose length becomes known when it is closed.
type opened struct {
	at    int // the position of its head
	pairs int // of the dict around it
}

// open writes the head of a dict, or a list, of a length to be known later: one
// byte, which stays right for up to 15 pairs.
func (w *writer) open(k kind) opened {
	w.sep()
	o := opened{len(w.b), w.pairs}
	w.pairs = 0
	if k == kindDict {
		w.b = w.f.appendDict(w.b, 0)
	} else {
		w.b = w.f.appendList(w.b, 0)
	}
	return o
}

// close ends what open began, with w.pairs pairs or items.
func (w *writer) close(o opened, k kind) {
	n := w.pairs
	w.pairs = o.pairs
	switch {
	case w.err != nil:
	case w.json && k == kindDict:
		w.b = append(w.b, '}')
	case w.json:
		w.b = append(w.b, ']')
	case n < 16:
		w.b[o.at] += byte(n) // in MessagePack and CBOR alike
	case k == kindDict:
		w.b = slices.Replace(w.b, o.at, o.at+1, w.f.appendDict(nil, n)...)
	default:
		w.b = slices.Replace(w.b, o.at, o.at+1, w.f.appendList(nil, n)...)
	}
}

// key writes the key of the next pair of the open dict.
func (w *writer) key(name string) {
	w.text(name)
	w.colon()
}

func (w *writer) colon() {
	w.pairs++
	if w.json {
		w.b = append(w.b, ':')
	}
}
