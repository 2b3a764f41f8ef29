package codec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// AppendValue appends one Go value, encoded with s, to dst and returns the result.
// On an error dst is returned as it was. See the package documentation for how
// types are encoded.
func AppendValue(dst []byte, s protocol.Serializer, v any) ([]byte, error) {
	w := newWriter(s, dst)
	w.value(v, MaxDepth)
	if w.err != nil {
		return dst, fmt.Errorf("codec: encode %T in %s: %w", v, s, w.err)
	}
	return w.b, nil
}

// value writes a Go value. The types that occur in decoded payloads and the most
// frequent others are written directly, the rest through the CBOR library.
func (w *writer) value(v any, levels int) {
	if w.err != nil {
		return
	}
	switch v := v.(type) {
	case nil:
		w.null()
	case bool:
		w.bool(v)
	case string:
		w.text(v)
	case int:
		w.int(int64(v))
	case int64:
		w.int(v)
	case uint64:
		w.uint(v)
	case float64:
		w.float(v)
	case []byte:
		if v == nil {
			w.null()
			return
		}
		w.bytes(v)
	case []any:
		writeList(w, v, levels, func(item any) { w.value(item, levels-1) })
	case map[string]any:
		writeDict(w, v, levels, func(item any) { w.value(item, levels-1) })
	default:
		w.lessFrequent(v, levels)
	}
}

func (w *writer) lessFrequent(v any, levels int) {
	switch v := v.(type) {
	case int8:
		w.int(int64(v))
	case int16:
		w.int(int64(v))
	case int32:
		w.int(int64(v))
	case uint:
		w.uint(uint64(v))
	case uint8:
		w.uint(uint64(v))
	case uint16:
		w.uint(uint64(v))
	case uint32:
		w.uint(uint64(v))
	case float32:
		w.float(float64(v))
	case protocol.ID:
		w.uint(uint64(v))
	case protocol.URI:
		w.text(string(v))
	default:
		w.composite(v, levels)
	}
}

func (w *writer) composite(v any, levels int) {
	switch v := v.(type) {
	case protocol.Dict:
		w.value(map[string]any(v), levels)
	case []string:
		writeList(w, v, levels, w.text)
	case []int:
		writeList(w, v, levels, func(item int) { w.int(int64(item)) })
	case []int64:
		writeList(w, v, levels, w.int)
	case []float64:
		writeList(w, v, levels, w.float)
	case []protocol.ID:
		writeList(w, v, levels, func(item protocol.ID) { w.uint(uint64(item)) })
	case []map[string]any:
		writeList(w, v, levels, func(item map[string]any) { w.value(item, levels-1) })
	case map[string]string:
		writeDict(w, v, levels, w.text)
	case Encoded:
		w.encoded(v, levels)
	default:
		w.library(v, levels)
	}
}

// writeList writes null for a nil list, as the library does.
func writeList[T any](w *writer, v []T, levels int, each func(T)) {
	switch {
	case v == nil:
		w.null()
		return
	case levels <= 0:
		w.fail(errTooDeep)
		return
	}
	w.list(len(v))
	for _, item := range v {
		if each(item); w.err != nil {
			return
		}
	}
	w.endList()
}

func writeDict[T any](w *writer, v map[string]T, levels int, each func(T)) {
	switch {
	case v == nil:
		w.null()
		return
	case levels <= 0:
		w.fail(errTooDeep)
		return
	}
	o := w.open(kindDict)
	if w.sort {
		for _, key := range slices.Sorted(maps.Keys(v)) {
			w.key(key)
			each(v[key])
		}
	} else {
		for key, item := range v {
			w.key(key)
			if each(item); w.err != nil {
				return
			}
		}
	}
	w.close(o, kindDict)
}
