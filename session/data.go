package session

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// data is the application data that a result, invocation or event came with. It is decoded only
// when somebody asks for it, straight from the bytes of the message.
type data struct {
	// Payload is the encoded data. It is read-only.
	Payload protocol.Payload
}

// Args returns the positional values, nil if there are none. Each is nil, bool, int64, uint64 if
// it is larger than that, float64, string, []byte, []any or map[string]any.
func (d *data) Args() ([]any, error) {
	args, err := codec.Args(d.Payload)
	if err != nil {
		return nil, invalidPayload(err)
	}
	return args, nil
}

// KwArgs returns the keyword values, nil if there are none, with values as in Args.
func (d *data) KwArgs() (map[string]any, error) {
	kwargs, err := codec.KwArgs(d.Payload)
	if err != nil {
		return nil, invalidPayload(err)
	}
	return kwargs, nil
}

// Decode decodes the positional values into the targets, which are pointers, in order. Fewer
// values than targets, or a value of another type, fail with protocol.ErrorInvalidArgument that
// names the position; values without a target are ignored.
func (d *data) Decode(targets ...any) error { return decodeArgs(d.Payload, targets) }

// DecodeKw decodes the keyword values into a pointer to a struct or to a map with string keys.
// Without keyword values the target is left as it is.
func (d *data) DecodeKw(target any) error { return decodeKwArgs(d.Payload, target) }

func invalidPayload(err error) *Error { return newLocal(protocol.ErrorInvalidPayload, err) }

func invalidArgument(format string, args ...any) *Error {
	return newLocal(protocol.ErrorInvalidArgument, fmt.Errorf(format, args...))
}

// decodeArgs decodes as many positional values as there are targets.
func decodeArgs(p protocol.Payload, targets []any) error {
	if err := codec.DecodeArgs(p, targets...); err != nil {
		return argumentError(err)
	}
	return nil
}

func decodeKwArgs(p protocol.Payload, target any) error {
	if err := codec.DecodeKwArgs(p, target); err != nil {
		return argumentError(err)
	}
	return nil
}

// argumentError says which argument is wrong, in words for a caller on the other side.
func argumentError(err error) *Error {
	var wrong *codec.ArgumentError
	if !errors.As(err, &wrong) {
		return newLocal(protocol.ErrorInvalidArgument, err)
	}
	return newLocal(protocol.ErrorInvalidArgument, errors.New(strings.TrimPrefix(wrong.Error(), "codec: ")))
}

// decodeFirst decodes the first positional value into v, a pointer. A struct without fields
// takes anything.
func decodeFirst(p protocol.Payload, v any) error {
	switch v.(type) {
	case *struct{}:
		return nil
	case *any:
		if p.Args == nil {
			return nil
		}
	}
	return decodeArgs(p, []any{v})
}

// encodeValues encodes the application data of a request into buf, and returns the payload and
// the memory that it is in.
func encodeValues(buf []byte, s protocol.Serializer, args []any, kwargs any) (protocol.Payload, []byte, error) {
	p := protocol.Payload{Serializer: s}
	buf = buf[:0]
	var err error
	if len(args) > 0 {
		if buf, err = codec.AppendArgs(buf, s, args...); err != nil {
			return protocol.Payload{}, buf, invalidPayload(err)
		}
		p.Args = buf
	}
	if kwargs == nil {
		return p, buf, nil
	}
	present, err := checkKwArgs(kwargs)
	if err == nil && present {
		n := len(buf)
		if buf, err = codec.AppendValue(buf, s, kwargs); err == nil {
			p.KwArgs = buf[n:]
			if p.Args != nil {
				p.Args = buf[:n:n]
			}
		}
	}
	if err != nil {
		return protocol.Payload{}, buf, invalidPayload(fmt.Errorf("keyword arguments: %w", err))
	}
	return p, buf, nil
}

// checkKwArgs reports whether there are keyword values at all.
func checkKwArgs(kwargs any) (bool, error) {
	if m, ok := kwargs.(map[string]any); ok {
		return len(m) > 0, nil
	}
	v := reflect.ValueOf(kwargs)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Pointer:
		return false, nil
	case v.Kind() == reflect.Struct:
		return true, nil
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return v.Len() > 0, nil
	default:
		return false, fmt.Errorf("must be a struct or a map with string keys, not %T", kwargs)
	}
}

// encodeError encodes the values of an error that goes to the peer.
func encodeError(s protocol.Serializer, e *Error) (protocol.Payload, error) {
	var kwargs any
	if e.KwArgs != nil {
		kwargs = e.KwArgs
	}
	p, _, err := encodeValues(nil, s, e.Args, kwargs)
	return p, err
}
