package codec

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// ArgumentError says which argument of a payload could not be encoded or decoded.
type ArgumentError struct {
	Index int    // of the positional argument, from 0; -1 for keyword arguments
	Key   string // of the keyword argument, "" if it could not be told
	Err   error
}

// Error names the argument and the reason.
func (e *ArgumentError) Error() string {
	switch {
	case e.Index >= 0:
		return "codec: argument " + strconv.Itoa(e.Index) + ": " + e.Err.Error()
	case e.Key != "":
		return "codec: keyword argument " + strconv.Quote(e.Key) + ": " + e.Err.Error()
	default:
		return "codec: keyword arguments: " + e.Err.Error()
	}
}

// Unwrap returns the reason.
func (e *ArgumentError) Unwrap() error { return e.Err }

var errMissing = errors.New("missing")

// EncodePayload encodes positional and keyword arguments. Empty ones are absent
// from the result. An error is an *ArgumentError.
func EncodePayload(s protocol.Serializer, args []any, kwargs map[string]any) (protocol.Payload, error) {
	p := protocol.Payload{Serializer: s}
	if !s.Valid() {
		return protocol.Payload{}, fmt.Errorf("codec: encode a payload: %w", errSerializer)
	}
	if len(args) > 0 {
		b, err := AppendArgs(nil, s, args...)
		if err != nil {
			return protocol.Payload{}, err
		}
		p.Args = b
	}
	if len(kwargs) > 0 {
		w := newWriter(s, nil)
		o := w.open(kindDict)
		for key, v := range kwargs {
			w.key(key)
			w.value(v, elementLevels-1)
			if w.err != nil {
				return protocol.Payload{}, &ArgumentError{Index: -1, Key: key, Err: w.err}
			}
		}
		w.close(o, kindDict)
		p.KwArgs = w.b
	}
	return p, nil
}

// AppendArgs appends a list of arguments, encoded with s, to dst and returns the
// result. On an error, an *ArgumentError, dst is returned as it was.
func AppendArgs(dst []byte, s protocol.Serializer, args ...any) ([]byte, error) {
	w := newWriter(s, dst)
	if w.err != nil {
		return dst, fmt.Errorf("codec: encode arguments: %w", w.err)
	}
	w.list(len(args))
	for i, v := range args {
		w.value(v, elementLevels-1)
		if w.err != nil {
			return dst, &ArgumentError{Index: i, Err: w.err}
		}
	}
	w.endList()
	return w.b, nil
}

// DecodeArgs decodes the first positional arguments into what the elements of dst
// point to. A missing argument is an error, surplus arguments are ignored. An error
// is an *ArgumentError.
func DecodeArgs(p protocol.Payload, dst ...any) error {
	if len(dst) == 0 {
		return nil
	}
	var r reader
	var head token
	return r.args(&p, dst, &head)
}

// DecodeAllArgs is DecodeArgs, and reports whether there are surplus arguments.
func DecodeAllArgs(p protocol.Payload, dst ...any) (surplus bool, err error) {
	if p.Args == nil && len(dst) == 0 {
		return false, nil
	}
	var r reader
	var head token
	if err := r.args(&p, dst, &head); err != nil {
		return false, err
	}
	_, surplus, err = r.f.item(r.data, r.pos, head.kind, head.n, uint64(len(dst)))
	if err != nil {
		return false, &ArgumentError{Index: len(dst), Err: err}
	}
	return surplus, nil
}

// args decodes the first positional arguments.
func (r *reader) args(p *protocol.Payload, dst []any, head *token) error {
	if err := r.openPayload(p.Serializer, p.Args, kindList, head); err != nil {
		return &ArgumentError{Index: 0, Err: err}
	}
	for i, v := range dst {
		if err := checkPointer(v); err != nil {
			return &ArgumentError{Index: i, Err: err}
		}
		pos, ok, err := r.f.item(r.data, r.pos, head.kind, head.n, uint64(i))
		if err == nil && !ok {
			err = errMissing
		}
		if err == nil {
			r.pos = pos
			err = r.into(v, MaxDepth-1)
		}
		if err != nil {
			return &ArgumentError{Index: i, Err: err}
		}
	}
	return nil
}

// openPayload reads the head of the positional or keyword arguments.
func (r *reader) openPayload(s protocol.Serializer, data []byte, want kind, head *token) error {
	if data == nil {
		return errMissing
	}
	f := formatOf(s)
	if f == nil {
		return errSerializer
	}
	r.f, r.data, r.pos = f, data, f.space(data, 0)
	if err := r.scalar(head); err != nil {
		return err
	}
	if head.kind != want {
		return errors.New("arguments must be " + want.String() + ", not " + head.kind.String())
	}
	return nil
}

// DecodeKwArgs decodes the keyword arguments into what dst points to: a
// map[string]any, or a struct whose fields have json tags. Without keyword
// arguments it leaves dst as it is. An error is an *ArgumentError.
func DecodeKwArgs(p protocol.Payload, dst any) error {
	if err := checkPointer(dst); err != nil {
		return &ArgumentError{Index: -1, Err: err}
	}
	if p.KwArgs == nil {
		return nil
	}
	var r reader
	var head token
	if err := r.openPayload(p.Serializer, p.KwArgs, kindDict, &head); err != nil {
		return &ArgumentError{Index: -1, Err: err}
	}
	if m, ok := dst.(*map[string]any); ok {
		kwargs, err := r.kwargs(&head)
		if err == nil {
			*m = kwargs
		}
		return err
	}
	r.pos = r.f.space(p.KwArgs, 0)
	if err := r.into(dst, MaxDepth); err != nil {
		return &ArgumentError{Index: -1, Err: err}
	}
	return nil
}

// kwargs decodes a dict and names the key that fails.
func (r *reader) kwargs(head *token) (map[string]any, error) {
	kwargs := make(map[string]any, capacity(head))
	failed := ""
	err := r.pairs(head, MaxDepth, func(key string) error {
		v, err := r.any(MaxDepth - 1)
		if err != nil {
			failed = key
		}
		kwargs[key] = v
		return err
	})
	if err != nil {
		return nil, &ArgumentError{Index: -1, Key: failed, Err: err}
	}
	return kwargs, nil
}

// Args decodes all positional arguments: nil if there are none. Elements are nil,
// bool, int64, uint64 above that, float64, string, []byte, []any or map[string]any.
// An error is an *ArgumentError.
func Args(p protocol.Payload) ([]any, error) {
	if p.Args == nil {
		return nil, nil
	}
	var r reader
	var head token
	if err := r.openPayload(p.Serializer, p.Args, kindList, &head); err != nil {
		return nil, &ArgumentError{Index: 0, Err: err}
	}
	args := make([]any, 0, capacity(&head))
	err := r.items(&head, MaxDepth, func() error {
		v, err := r.any(MaxDepth - 1)
		if err == nil {
			args = append(args, v)
		}
		return err
	})
	if err != nil {
		return nil, &ArgumentError{Index: len(args), Err: err}
	}
	return args, nil
}

// KwArgs decodes the keyword arguments, with values as in Args: nil if there are
// none. An error is an *ArgumentError.
func KwArgs(p protocol.Payload) (map[string]any, error) {
	var kwargs map[string]any
	err := DecodeKwArgs(p, &kwargs)
	return kwargs, err
}

// CountArgs returns the number of positional arguments. Where the list begins with that, the
// arguments themselves are not looked at. An error is an *ArgumentError.
func CountArgs(p protocol.Payload) (int, error) {
	if p.Args == nil {
		return 0, nil
	}
	var r reader
	var head token
	err := r.openPayload(p.Serializer, p.Args, kindList, &head)
	n := 0
	if err == nil && head.n <= uint64(len(r.data)-r.pos) { // not unknownLength
		return int(head.n), nil //nolint:gosec // it is small
	}
	if err == nil {
		err = r.items(&head, MaxDepth, func() error {
			end, err := r.f.end(r.data, r.pos, MaxDepth-1)
			if err == nil {
				r.pos = end
				n++
			}
			return err
		})
	}
	if err != nil {
		return 0, &ArgumentError{Index: n, Err: err}
	}
	return n, nil
}
