package codec

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Structs and all other types without a fast path go through one library, for all
// three serializers: it writes CBOR, which is transcoded when something else is
// wanted, and the other way round. One library means that a type looks the same
// everywhere; three would disagree on times, text marshalers, byte slices with a
// name and omitempty. The detour costs less than reflection does.

var encodeMode = sync.OnceValues(func() (cbor.EncMode, error) { //nolint:gochecknoglobals // a constant that takes a call
	return cbor.EncOptions{
		Time:                    cbor.TimeRFC3339Nano,
		OmitEmpty:               cbor.OmitEmptyGoValue,
		BinaryMarshaler:         cbor.BinaryMarshalerNone,
		TextMarshaler:           cbor.TextMarshalerTextString,
		JSONMarshalerTranscoder: pipe{protocol.JSON, protocol.CBOR},
	}.EncMode()
})

var decodeMode = sync.OnceValues(func() (cbor.DecMode, error) { //nolint:gochecknoglobals // a constant that takes a call
	return cbor.DecOptions{
		MaxNestedLevels:           MaxDepth,
		MaxArrayElements:          math.MaxInt32,
		MaxMapPairs:               math.MaxInt32,
		IntDec:                    cbor.IntDecConvertSignedOrBigInt,
		DefaultMapType:            reflect.TypeFor[map[string]any](),
		UnrecognizedTagToAny:      cbor.UnrecognizedTagContentToAny,
		TimeTagToAny:              cbor.TimeTagToRFC3339Nano,
		BinaryUnmarshaler:         cbor.BinaryUnmarshalerNone,
		TextUnmarshaler:           cbor.TextUnmarshalerTextString,
		JSONUnmarshalerTranscoder: pipe{protocol.CBOR, protocol.JSON},
	}.DecMode()
})

// pipe lets types with JSON methods of their own take part.
type pipe struct{ from, to protocol.Serializer }

// Transcode implements cbor.Transcoder.
func (p pipe) Transcode(dst io.Writer, src io.Reader) error {
	data, err := io.ReadAll(src)
	if err != nil {
		return err
	}
	w := newWriter(p.to, nil)
	w.transcode(formatOf(p.from), data, MaxDepth)
	if w.err != nil {
		return w.err
	}
	_, err = dst.Write(w.b)
	return err
}

// library writes a value of any type.
func (w *writer) library(v any, levels int) {
	mode, err := encodeMode()
	if err != nil {
		w.fail(err)
		return
	}
	data, err := mode.Marshal(v)
	if err != nil {
		w.fail(err)
		return
	}
	if _, ok := w.f.(cborFormat); !ok {
		w.transcodeValue(data, levels)
		return
	}
	if _, err := w.f.end(data, 0, levels); err != nil { // strings are not checked by the library
		w.fail(err)
		return
	}
	w.raw(data)
}

// library decodes the value at hand into a value of any type.
func (r *reader) library(dst any, levels int) error {
	mode, err := decodeMode()
	if err != nil {
		return err
	}
	end, err := r.f.end(r.data, r.pos, levels)
	if err != nil {
		return err
	}
	raw := r.data[r.pos:end]
	r.pos = end
	data := raw
	if _, ok := r.f.(cborFormat); !ok {
		if data, err = toCBOR(r.f, raw, false); err != nil {
			return err
		}
	}
	err = mode.Unmarshal(data, dst)
	if _, mismatch := errors.AsType[*cbor.UnmarshalTypeError](err); !mismatch {
		return err
	}
	// An integer may be written as a float: 2.0.
	if data, second := toCBOR(r.f, raw, true); second == nil && mode.Unmarshal(data, dst) == nil {
		return nil
	}
	return err
}

// toCBOR transcodes one value, on demand with integral floats as integers.
func toCBOR(from format, raw []byte, integers bool) ([]byte, error) {
	w := newWriter(protocol.CBOR, make([]byte, 0, len(raw)+16))
	src := source{reader: reader{f: from, data: raw}, keepKeys: true, integers: integers}
	w.copy(&src, MaxDepth)
	return w.result()
}

// transcodeValue writes a value that the library has encoded.
func (w *writer) transcodeValue(data []byte, levels int) {
	src := source{reader: reader{f: cborFormat{}, data: data}, keepKeys: !w.json, strict: true}
	w.copy(&src, levels)
}

// checkPointer refuses destinations that nothing can be stored in.
func checkPointer(dst any) error {
	if v := reflect.ValueOf(dst); v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("destination %T is not a pointer, or nil", dst)
	}
	return nil
}
