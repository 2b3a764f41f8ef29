package codec

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// maxOptions is the size in bytes that options, details and extra dicts may have.
// They are decoded into Go values, which takes many times the memory; payloads stay
// as they are and have no such limit.
const (
	maxOptions = 1 << 20
	maxKwArgs  = math.MaxInt
)

// dict walks over the pairs of a dict, usually the options or details of a message.
// After next has returned true the value of key must be read by one of the methods.
type dict struct {
	d     *decoding
	field string // what the dict itself is called
	n     uint64 // pairs, or unknownLength
	index uint64
	start int
	limit int
	key   []byte
}

// options moves to the next element, which must be a dict.
func (d *decoding) options(field string) dict {
	d.require(field)
	return d.dictHere(field, maxOptions)
}

// dictHere starts the dict at hand.
func (d *decoding) dictHere(field string, limit int) dict {
	start := d.pos
	n, _ := d.scalar(field, kindDict, "a dict")
	return dict{d: d, field: field, n: n, start: start, limit: limit}
}

// next moves to the next pair.
func (o *dict) next() bool {
	d := o.d
	if d.err != nil {
		return false
	}
	if o.exceeded(d.pos) || o.index == o.n {
		return false
	}
	pos, ok, err := d.f.item(d.data, d.pos, kindDict, o.n, o.index)
	if err != nil {
		d.fail(o.field, err.Error())
		return false
	}
	o.index++
	if d.pos = pos; !ok {
		return false
	}
	k, _, key, pos, err := d.f.read(d.data, d.pos)
	if err == nil && k != kindText {
		d.mismatch(o.field, "a dict with keys of text", k)
		return false
	}
	if err == nil {
		pos, err = d.f.colon(d.data, pos)
	}
	if err != nil {
		d.fail(o.field, err.Error())
		return false
	}
	o.key, d.pos = key, pos
	return true
}

// exceeded reports, also as an error, whether a dict that reaches to pos is too long.
func (o *dict) exceeded(pos int) bool {
	if pos-o.start <= o.limit {
		return false
	}
	o.d.fail(o.field, "longer than "+strconv.Itoa(o.limit)+" bytes")
	return true
}

// skip passes over the value.
func (o *dict) skip() {
	d := o.d
	pos, err := d.f.end(d.data, d.pos, elementLevels-1)
	if err != nil {
		d.fail(o.field, err.Error())
		return
	}
	d.pos = pos
}

// scalar reads the value, which must be of the wanted kind.
func (o *dict) scalar(want kind, name string) (n uint64, s []byte) {
	d := o.d
	k, n, s, pos, err := d.f.read(d.data, d.pos)
	if err != nil {
		d.fail(string(o.key), err.Error())
		return 0, nil
	}
	if k != want {
		d.mismatch(string(o.key), name, k)
		return 0, nil
	}
	d.pos = pos
	return n, s
}

func (o *dict) bool() bool {
	n, _ := o.scalar(kindBool, "a boolean")
	return n == 1
}

func (o *dict) text() string {
	_, s := o.scalar(kindText, "text")
	return o.d.texts.text(s)
}

func (o *dict) uri() protocol.URI { return protocol.URI(o.text()) }

// uint reads an integer from 0 to limit.
func (o *dict) uint(limit uint64) uint64 {
	n, _ := o.scalar(kindUint, "an integer that is not negative")
	if n > limit {
		o.d.fail(string(o.key), strconv.FormatUint(n, 10)+" exceeds "+strconv.FormatUint(limit, 10))
		return 0
	}
	return n
}

func (o *dict) id() protocol.ID {
	n, _ := o.scalar(kindUint, "an identifier")
	id := protocol.ID(n)
	if !id.Valid() {
		o.d.fail(string(o.key), "identifier "+id.String()+" is not in 1 to 2^53")
		return 0
	}
	return id
}

func (o *dict) match() protocol.Match {
	name := o.text()
	m, ok := protocol.ParseMatch(name)
	if !ok {
		o.d.fail(string(o.key), strconv.Quote(name)+` is not "exact", "prefix" or "wildcard"`)
	}
	return m
}

func (o *dict) trustLevel() *int {
	level := int(o.uint(math.MaxInt32))
	return &level
}

// list reads a list, calling each for its items.
func (o *dict) list(each func()) {
	d := o.d
	n, _ := o.scalar(kindList, "a list")
	for i := uint64(0); d.err == nil; i++ {
		pos, ok, err := d.f.item(d.data, d.pos, kindList, n, i)
		if err != nil {
			d.fail(string(o.key), err.Error())
			return
		}
		if d.pos = pos; !ok {
			return
		}
		each()
	}
}

// texts and ids never return nil: an empty list is not an absent one.
func (o *dict) texts() []string {
	texts := []string{}
	o.list(func() { texts = append(texts, o.text()) })
	return texts
}

func (o *dict) ids() []protocol.ID {
	ids := []protocol.ID{}
	o.list(func() { ids = append(ids, o.id()) })
	return ids
}

// any reads a value of any type.
func (o *dict) any() any {
	d := o.d
	end, err := d.f.end(d.data, d.pos, elementLevels-1)
	if err != nil {
		d.fail(string(o.key), err.Error())
		return nil
	}
	if o.exceeded(end) {
		return nil
	}
	r := reader{f: d.f, data: d.data, pos: d.pos}
	v, err := r.any(elementLevels - 1)
	if err != nil {
		d.fail(string(o.key), err.Error())
		return nil
	}
	d.pos = r.pos
	return v
}

// dict reads a dict with values of any type.
func (o *dict) dict() protocol.Dict {
	if k := o.d.f.kind(o.d.data, o.d.pos); k != kindDict {
		o.d.wrongKind(string(o.key), "a dict", k)
		return nil
	}
	m, _ := o.any().(map[string]any)
	return m
}

// extra keeps a pair nobody has asked for.
func (o *dict) extra(extra *protocol.Dict) {
	key := string(o.key)
	v := o.any()
	if *extra == nil {
		*extra = protocol.Dict{}
	}
	(*extra)[key] = v
}

// passthru reads one of the keys of payload passthru mode and reports whether it was one.
func (o *dict) passthru(p **protocol.Passthru) bool {
	switch string(o.key) {
	case "ppt_scheme":
		made(p).Scheme = o.text()
	case "ppt_serializer":
		made(p).Serializer = o.text()
	case "ppt_cipher":
		made(p).Cipher = o.text()
	case "ppt_keyid":
		made(p).KeyID = o.text()
	default:
		return false
	}
	return true
}

// made returns *p, which it makes when it is nil.
func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// active returns p if the mode is on: with a scheme.
func active(p *protocol.Passthru) *protocol.Passthru {
	if p == nil || p.Scheme == "" {
		return nil
	}
	return p
}

// extension keeps a pair the specification does not know, after a check of those
// whose types its test vectors fix: the extensions of Autobahn.
func (o *dict) extension(extra *protocol.Dict) {
	key := string(o.key)
	o.extra(extra)
	if o.d.err != nil {
		return
	}
	v := (*extra)[key]
	switch key {
	case "enc_algo":
		o.oneOf(key, v, "cryptobox", "mqtt", "xbr")
	case "enc_serializer":
		o.oneOf(key, v, "json", "msgpack", "cbor", "ubjson", "flatbuffers", "opaque")
	case "enc_key", "transaction_hash":
		if _, ok := v.(string); !ok {
			o.d.fail(key, "must be text")
		}
	case "x_acknowledged_delivery":
		if _, ok := v.(bool); !ok {
			o.d.fail(key, "must be a boolean")
		}
	case "forward_for":
		if !validForwardFor(v) {
			o.d.fail(key, "must be a list of dicts with session, authid and authrole")
		}
	}
}

// oneOf checks that v is one of the names, or a private one that starts with "x_".
func (o *dict) oneOf(key string, v any, names ...string) {
	text, ok := v.(string)
	if !ok {
		o.d.fail(key, "must be text")
		return
	}
	if !slices.Contains(names, text) && !strings.HasPrefix(text, "x_") {
		o.d.fail(key, "unknown value "+strconv.Quote(text))
	}
}

func validForwardFor(v any) bool {
	list, ok := v.([]any)
	for _, item := range list {
		hop, isDict := item.(map[string]any)
		_, session := hop["session"].(int64)
		_, authID := hop["authid"].(string)
		_, authRole := hop["authrole"].(string)
		ok = ok && isDict && session && authID && authRole
	}
	return ok
}
