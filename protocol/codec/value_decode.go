package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// DecodeValue decodes one value into what dst points to. See the package
// documentation for which types take what.
func DecodeValue(s protocol.Serializer, data []byte, dst any) error {
	f := formatOf(s)
	if f == nil {
		return fmt.Errorf("codec: decode a value: %w", errSerializer)
	}
	if err := checkPointer(dst); err != nil {
		return fmt.Errorf("codec: decode a value: %w", err)
	}
	r := reader{f: f, data: data, pos: f.space(data, 0)}
	if err := r.into(dst, MaxDepth); err != nil {
		return fmt.Errorf("codec: decode a value into %T: %w", dst, err)
	}
	if end := f.space(data, r.pos); end != len(data) {
		return fmt.Errorf("codec: decode a value into %T: %w", dst, malformed(end, "data after the value"))
	}
	return nil
}

// reader reads values one after the other.
type reader struct {
	f    format
	data []byte
	pos  int
}

// preallocated limits how many items are allocated for on the word of a length.
const preallocated = 1024

// any decodes the value at hand into nil, bool, int64, uint64 above that, float64,
// string, []byte, []any or map[string]any.
func (r *reader) any(levels int) (any, error) {
	var t token
	if err := r.scalar(&t); err != nil {
		return nil, err
	}
	switch t.kind {
	case kindNil:
		return nil, nil
	case kindBool:
		return t.n == 1, nil
	case kindUint:
		if t.n > math.MaxInt64 {
			return t.n, nil
		}
		return int64(t.n), nil
	case kindNegative:
		return int64(t.n), nil
	case kindFloat:
		return t.float(), nil
	case kindText:
		return string(t.s), nil
	case kindBytes:
		return r.own(t.s), nil
	case kindList:
		return r.list(&t, levels)
	case kindDict:
		return r.dict(&t, levels)
	default:
		return nil, unsupported(&t)
	}
}

// own returns binary that shares no memory with the data.
func (r *reader) own(b []byte) []byte {
	if _, ok := r.f.(jsonFormat); ok {
		return b // it was decoded from base64
	}
	return bytes.Clone(b)
}

func (r *reader) list(head *token, levels int) ([]any, error) {
	list := make([]any, 0, capacity(head))
	err := r.items(head, levels, func() error {
		v, err := r.any(levels - 1)
		list = append(list, v)
		return err
	})
	return list, err
}

func (r *reader) dict(head *token, levels int) (map[string]any, error) {
	dict := make(map[string]any, capacity(head))
	err := r.pairs(head, levels, func(key string) error {
		v, err := r.any(levels - 1)
		dict[key] = v
		return err
	})
	return dict, err
}

func capacity(head *token) int {
	if head.n == unknownLength {
		return 0
	}
	return int(min(head.n, preallocated))
}

// items calls each for the items of a list.
func (r *reader) items(head *token, levels int, each func() error) error {
	if levels <= 0 {
		return errTooDeep
	}
	for i := uint64(0); ; i++ {
		pos, ok, err := r.f.item(r.data, r.pos, head.kind, head.n, i)
		if err != nil {
			return err
		}
		if r.pos = pos; !ok {
			return nil
		}
		if err := each(); err != nil {
			return err
		}
	}
}

// pairs calls each for the pairs of a dict, the reader being at the value.
func (r *reader) pairs(head *token, levels int, each func(key string) error) error {
	return r.items(head, levels, func() error {
		var key token
		if err := r.scalar(&key); err != nil {
			return err
		}
		text, err := keyText(&key)
		if err != nil {
			return err
		}
		if r.pos, err = r.f.colon(r.data, r.pos); err != nil {
			return err
		}
		return each(string(text))
	})
}

// into decodes the value at hand into what dst points to.
func (r *reader) into(dst any, levels int) error {
	switch dst := dst.(type) {
	case *any:
		v, err := r.any(levels)
		if err == nil {
			*dst = v
		}
		return err
	case *string:
		return textInto(r, dst)
	case *int:
		return signedInto(r, dst)
	case *int64:
		return signedInto(r, dst)
	case *uint64:
		return unsignedInto(r, dst)
	case *float64:
		return floatInto(r, dst)
	case *bool:
		return boolInto(r, dst)
	case *[]byte:
		return bytesInto(r, dst)
	case *map[string]any:
		return r.dictInto(dst, levels)
	case *protocol.Dict:
		return r.dictInto((*map[string]any)(dst), levels)
	case *[]any:
		return listInto(r, dst, levels, func() (any, error) { return r.any(levels - 1) })
	default:
		return r.intoLessFrequent(dst, levels)
	}
}

func (r *reader) intoLessFrequent(dst any, levels int) error {
	switch dst := dst.(type) {
	case *int8:
		return signedInto(r, dst)
	case *int16:
		return signedInto(r, dst)
	case *int32:
		return signedInto(r, dst)
	case *uint:
		return unsignedInto(r, dst)
	case *uint8:
		return unsignedInto(r, dst)
	case *uint16:
		return unsignedInto(r, dst)
	case *uint32:
		return unsignedInto(r, dst)
	case *protocol.ID:
		return unsignedInto(r, dst)
	case *protocol.URI:
		return textInto(r, dst)
	case *time.Time:
		return timeInto(r, dst)
	case *[]string:
		return listInto(r, dst, levels, func() (v string, err error) { err = textInto(r, &v); return v, err })
	case *[]int:
		return listInto(r, dst, levels, func() (v int, err error) { err = signedInto(r, &v); return v, err })
	case *[]int64:
		return listInto(r, dst, levels, func() (v int64, err error) { err = signedInto(r, &v); return v, err })
	case *[]float64:
		return listInto(r, dst, levels, func() (v float64, err error) { err = floatInto(r, &v); return v, err })
	default:
		return r.library(dst, levels)
	}
}

// scalar reads the value at hand into t, field by field: a copy of all of it so soon
// after its parts were written makes the processor wait, which was a third of the time
// of BenchmarkDecodeArgs.
func (r *reader) scalar(t *token) error {
	k, n, s, pos, err := r.f.read(r.data, r.pos)
	if err == nil {
		r.pos, t.kind, t.n, t.s = pos, k, n, s
	}
	return err
}

// listInto decodes a list; null makes it nil.
func listInto[T any](r *reader, dst *[]T, levels int, item func() (T, error)) error {
	var head token
	switch err := r.scalar(&head); {
	case err != nil:
		return err
	case head.kind == kindNil:
		*dst = nil
		return nil
	case head.kind != kindList:
		return mismatched(&head, "a list")
	}
	list := make([]T, 0, capacity(&head))
	err := r.items(&head, levels, func() error {
		v, err := item()
		if err != nil {
			return fmt.Errorf("item %d: %w", len(list), err)
		}
		list = append(list, v)
		return nil
	})
	if err == nil {
		*dst = list
	}
	return err
}

// dictInto decodes a dict; null makes it nil.
func (r *reader) dictInto(dst *map[string]any, levels int) error {
	var head token
	switch err := r.scalar(&head); {
	case err != nil:
		return err
	case head.kind == kindNil:
		*dst = nil
		return nil
	case head.kind != kindDict:
		return mismatched(&head, "a dict")
	}
	dict, err := r.dict(&head, levels)
	if err == nil {
		*dst = dict
	}
	return err
}

func mismatched(t *token, want string) error {
	return errors.New("want " + want + ", not " + t.kind.String())
}

// The conversions: null becomes the zero value.

func boolInto(r *reader, dst *bool) error {
	var t token
	if err := r.scalar(&t); err != nil {
		return err
	}
	if t.kind != kindBool && t.kind != kindNil {
		return mismatched(&t, "a boolean")
	}
	*dst = t.n == 1
	return nil
}

func textInto[T ~string](r *reader, dst *T) error {
	var t token
	if err := r.scalar(&t); err != nil {
		return err
	}
	if t.kind != kindText && t.kind != kindNil {
		return mismatched(&t, "text")
	}
	*dst = T(t.s)
	return nil
}

func bytesInto(r *reader, dst *[]byte) error {
	var t token
	if err := r.scalar(&t); err != nil {
		return err
	}
	switch t.kind {
	case kindNil:
		*dst = nil
	case kindBytes:
		*dst = r.own(t.s)
	default:
		return mismatched(&t, "binary")
	}
	return nil
}

func timeInto(r *reader, dst *time.Time) error {
	var t token
	if err := r.scalar(&t); err != nil {
		return err
	}
	switch t.kind {
	case kindNil:
		*dst = time.Time{}
		return nil
	case kindText:
		at, err := time.Parse(time.RFC3339Nano, string(t.s))
		if err == nil {
			*dst = at
		}
		return err
	default:
		return mismatched(&t, "a time as text")
	}
}

func floatInto(r *reader, dst *float64) error {
	var t token
	if err := r.scalar(&t); err != nil {
		return err
	}
	switch t.kind {
	case kindNil:
		*dst = 0
	case kindFloat:
		*dst = t.float()
	case kindUint:
		*dst = float64(t.n)
	case kindNegative:
		*dst = float64(int64(t.n))
	default:
		return mismatched(&t, "a number")
	}
	return nil
}

// integer reads a scalar, a float that is an integer as one.
func (r *reader) integer(t *token) error {
	err := r.scalar(t)
	if err == nil {
		t.integral()
	}
	return err
}

// integral turns a float that is an integer into one.
func (t *token) integral() {
	if t.kind != kindFloat {
		return
	}
	switch f := t.float(); {
	case f != math.Trunc(f):
	case f >= 0 && f < 1<<64:
		t.kind, t.n = kindUint, uint64(f)
	case f < 0 && f >= -1<<63:
		t.kind, t.n = kindNegative, uint64(int64(f))
	}
}

func signedInto[T ~int | ~int8 | ~int16 | ~int32 | ~int64](r *reader, dst *T) error {
	var t token
	if err := r.integer(&t); err != nil {
		return err
	}
	switch t.kind {
	case kindNil:
		*dst = 0
		return nil
	case kindUint:
		if v := T(t.n); v >= 0 && uint64(v) == t.n {
			*dst = v
			return nil
		}
		return fmt.Errorf("%d is out of range", t.n)
	case kindNegative:
		if v := T(int64(t.n)); int64(v) == int64(t.n) {
			*dst = v
			return nil
		}
		return fmt.Errorf("%d is out of range", int64(t.n))
	default:
		return mismatched(&t, "an integer")
	}
}

func unsignedInto[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](r *reader, dst *T) error {
	var t token
	if err := r.integer(&t); err != nil {
		return err
	}
	switch t.kind {
	case kindNil:
		*dst = 0
		return nil
	case kindUint:
		if v := T(t.n); uint64(v) == t.n {
			*dst = v
			return nil
		}
		return fmt.Errorf("%d is out of range", t.n)
	case kindNegative:
		return fmt.Errorf("%d is out of range", int64(t.n))
	default:
		return mismatched(&t, "an integer")
	}
}
