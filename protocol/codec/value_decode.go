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
	t, err := r.scalar()
	if err != nil {
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
		return r.list(t, levels)
	case kindDict:
		return r.dict(t, levels)
	default:
		return nil, unsupported(t)
	}
}

// own returns binary that shares no memory with the data.
func (r *reader) own(b []byte) []byte {
	if _, ok := r.f.(jsonFormat); ok {
		return b // it was decoded from base64
	}
	return bytes.Clone(b)
}

func (r *reader) list(head token, levels int) ([]any, error) {
	list := make([]any, 0, capacity(head))
	err := r.items(head, levels, func() error {
		v, err := r.any(levels - 1)
		list = append(list, v)
		return err
	})
	return list, err
}

func (r *reader) dict(head token, levels int) (map[string]any, error) {
	dict := make(map[string]any, capacity(head))
	err := r.pairs(head, levels, func(key string) error {
		v, err := r.any(levels - 1)
		dict[key] = v
		return err
	})
	return dict, err
}

func capacity(head token) int {
	if head.n == unknownLength {
		return 0
	}
	return int(min(head.n, preallocated))
}

// items calls each for the items of a list.
func (r *reader) items(head token, levels int, each func() error) error {
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
func (r *reader) pairs(head token, levels int, each func(key string) error) error {
	return r.items(head, levels, func() error {
		key, err := r.scalar()
		if err != nil {
			return err
		}
		text, err := keyText(key)
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
		return scalarInto(r, dst, textOf)
	case *int:
		return scalarInto(r, dst, signedOf)
	case *int64:
		return scalarInto(r, dst, signedOf)
	case *uint64:
		return scalarInto(r, dst, unsignedOf)
	case *float64:
		return scalarInto(r, dst, floatOf)
	case *bool:
		return scalarInto(r, dst, boolOf)
	case *[]byte:
		return scalarInto(r, dst, r.bytesOf)
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
		return scalarInto(r, dst, signedOf)
	case *int16:
		return scalarInto(r, dst, signedOf)
	case *int32:
		return scalarInto(r, dst, signedOf)
	case *uint:
		return scalarInto(r, dst, unsignedOf)
	case *uint8:
		return scalarInto(r, dst, unsignedOf)
	case *uint16:
		return scalarInto(r, dst, unsignedOf)
	case *uint32:
		return scalarInto(r, dst, unsignedOf)
	case *protocol.ID:
		return scalarInto(r, dst, unsignedOf)
	case *protocol.URI:
		return scalarInto(r, dst, textOf)
	case *time.Time:
		return scalarInto(r, dst, timeOf)
	case *[]string:
		return listInto(r, dst, levels, itemOf(r, textOf[string]))
	case *[]int:
		return listInto(r, dst, levels, itemOf(r, signedOf[int]))
	case *[]int64:
		return listInto(r, dst, levels, itemOf(r, signedOf[int64]))
	case *[]float64:
		return listInto(r, dst, levels, itemOf(r, floatOf))
	default:
		return r.library(dst, levels)
	}
}

func (r *reader) scalar() (token, error) {
	t, pos, err := readToken(r.f, r.data, r.pos)
	if err == nil {
		r.pos = pos
	}
	return t, err
}

func scalarInto[T any](r *reader, dst *T, convert func(token) (T, error)) error {
	t, err := r.scalar()
	if err != nil {
		return err
	}
	v, err := convert(t)
	if err == nil {
		*dst = v
	}
	return err
}

func itemOf[T any](r *reader, convert func(token) (T, error)) func() (T, error) {
	return func() (T, error) {
		var v T
		err := scalarInto(r, &v, convert)
		return v, err
	}
}

// listInto decodes a list; null makes it nil.
func listInto[T any](r *reader, dst *[]T, levels int, item func() (T, error)) error {
	head, err := r.scalar()
	switch {
	case err != nil:
		return err
	case head.kind == kindNil:
		*dst = nil
		return nil
	case head.kind != kindList:
		return mismatched(head, "a list")
	}
	list := make([]T, 0, capacity(head))
	err = r.items(head, levels, func() error {
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
	head, err := r.scalar()
	switch {
	case err != nil:
		return err
	case head.kind == kindNil:
		*dst = nil
		return nil
	case head.kind != kindDict:
		return mismatched(head, "a dict")
	}
	dict, err := r.dict(head, levels)
	if err == nil {
		*dst = dict
	}
	return err
}

func mismatched(t token, want string) error {
	return errors.New("want " + want + ", not " + t.kind.String())
}

// The conversions: null becomes the zero value.

func boolOf(t token) (bool, error) {
	if t.kind == kindBool || t.kind == kindNil {
		return t.n == 1, nil
	}
	return false, mismatched(t, "a boolean")
}

func textOf[T ~string](t token) (T, error) {
	if t.kind == kindText || t.kind == kindNil {
		return T(t.s), nil
	}
	return "", mismatched(t, "text")
}

func (r *reader) bytesOf(t token) ([]byte, error) {
	switch t.kind {
	case kindNil:
		return nil, nil
	case kindBytes:
		return r.own(t.s), nil
	default:
		return nil, mismatched(t, "binary")
	}
}

func timeOf(t token) (time.Time, error) {
	switch t.kind {
	case kindNil:
		return time.Time{}, nil
	case kindText:
		return time.Parse(time.RFC3339Nano, string(t.s))
	default:
		return time.Time{}, mismatched(t, "a time as text")
	}
}

func floatOf(t token) (float64, error) {
	switch t.kind {
	case kindNil:
		return 0, nil
	case kindFloat:
		return t.float(), nil
	case kindUint:
		return float64(t.n), nil
	case kindNegative:
		return float64(int64(t.n)), nil
	default:
		return 0, mismatched(t, "a number")
	}
}

// integer turns a float that is an integer into one.
func integer(t token) token {
	if t.kind != kindFloat {
		return t
	}
	switch f := t.float(); {
	case f != math.Trunc(f):
		return t
	case f >= 0 && f < 1<<64:
		return token{kind: kindUint, n: uint64(f)}
	case f < 0 && f >= -1<<63:
		return token{kind: kindNegative, n: uint64(int64(f))}
	default:
		return t
	}
}

func signedOf[T ~int | ~int8 | ~int16 | ~int32 | ~int64](t token) (T, error) {
	t = integer(t)
	switch t.kind {
	case kindNil:
		return 0, nil
	case kindUint:
		if v := T(t.n); v >= 0 && uint64(v) == t.n {
			return v, nil
		}
		return 0, fmt.Errorf("%d is out of range", t.n)
	case kindNegative:
		if v := T(int64(t.n)); int64(v) == int64(t.n) {
			return v, nil
		}
		return 0, fmt.Errorf("%d is out of range", int64(t.n))
	default:
		return 0, mismatched(t, "an integer")
	}
}

func unsignedOf[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](t token) (T, error) {
	t = integer(t)
	switch t.kind {
	case kindNil:
		return 0, nil
	case kindUint:
		if v := T(t.n); uint64(v) == t.n {
			return v, nil
		}
		return 0, fmt.Errorf("%d is out of range", t.n)
	case kindNegative:
		return 0, fmt.Errorf("%d is out of range", int64(t.n))
	default:
		return 0, mismatched(t, "an integer")
	}
}
