//go:build interop

package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// bytesKey marks a byte string in the JSON lines exchanged with a peer program.
const bytesKey = "$bytes"

// list holds positional arguments; its JSON form keeps byte strings and exact
// integers, which plain JSON loses.
type list []any

// dict holds keyword arguments; see list.
type dict map[string]any

func (l list) MarshalJSON() ([]byte, error) { return json.Marshal(toWire([]any(l))) }

func (d dict) MarshalJSON() ([]byte, error) { return json.Marshal(toWire(map[string]any(d))) }

func (l *list) UnmarshalJSON(data []byte) error {
	var raw []any
	err := decodeExact(data, &raw)
	if err == nil {
		*l, err = fromWireList(raw)
	}
	return err
}

func (d *dict) UnmarshalJSON(data []byte) error {
	var raw map[string]any
	err := decodeExact(data, &raw)
	if err == nil {
		*d, err = fromWireDict(raw)
	}
	return err
}

func decodeExact(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(v)
}

// toWire replaces byte strings by {"$bytes": base64}.
func toWire(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{bytesKey: base64.StdEncoding.EncodeToString(v)}
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = toWire(e)
		}
		return list
	case map[string]any:
		dict := make(map[string]any, len(v))
		for k, e := range v {
			dict[k] = toWire(e)
		}
		return dict
	default:
		return v
	}
}

// fromWire is the inverse of toWire for what a decoder with UseNumber returns.
// Numbers become int64 if they are written as integers, else float64.
func fromWire(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		return v.Float64()
	case []any:
		return fromWireList(v)
	case map[string]any:
		if text, ok := v[bytesKey].(string); ok && len(v) == 1 {
			return base64.StdEncoding.DecodeString(text)
		}
		return fromWireDict(v)
	default:
		return v, nil
	}
}

func fromWireList(list []any) ([]any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		v, err := fromWire(e)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func fromWireDict(dict map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(dict))
	for k, e := range dict {
		v, err := fromWire(e)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}
