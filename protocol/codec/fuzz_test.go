package codec_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

func FuzzJSON(f *testing.F)        { fuzz(f, protocol.JSON) }
func FuzzMessagePack(f *testing.F) { fuzz(f, protocol.MessagePack) }
func FuzzCBOR(f *testing.F)        { fuzz(f, protocol.CBOR) }

// fuzz starts from real messages, from malformed values, and from the corpus in
// testdata, which the testing package adds by itself.
func fuzz(f *testing.F, s protocol.Serializer) {
	f.Helper()
	seeds := 0
	for _, m := range messages(f, s) {
		f.Add(must(codec.Append(nil, s, m)))
		seeds++
	}
	for _, value := range malformedValues()[s] {
		data := []byte(value)
		if s != protocol.JSON {
			data = must(hex.DecodeString(strings.ReplaceAll(value, " ", "")))
		}
		f.Add(data)
		seeds++
	}
	require.Greater(f, seeds, 50)
	corpus, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name()))
	require.NoError(f, err)
	require.NotEmpty(f, corpus)
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzValue(t, s, data)
		fuzzMessage(t, s, data)
	})
}

// fuzzMessage checks that what is decoded can be encoded, and that this is a fixed
// point.
func fuzzMessage(t *testing.T, s protocol.Serializer, data []byte) {
	t.Helper()
	m, err := codec.NewDecoder(s).Decode(data)
	if err != nil {
		var violation *protocol.ViolationError
		require.ErrorAs(t, err, &violation)
		return
	}
	first, err := codec.Append(nil, s, m)
	require.NoError(t, err, "%+v", m)
	back, err := codec.Unmarshal(s, first)
	require.NoError(t, err, "%q", first)
	second, err := codec.Append(nil, s, back)
	require.NoError(t, err)
	require.Equal(t, first, second)
	for _, to := range protocol.Serializers() {
		crossed, err := codec.Append(nil, to, m)
		if err != nil {
			continue // extensions, keys, text that JSON cannot have
		}
		_, err = codec.Unmarshal(to, crossed)
		require.NoError(t, err, "%s to %s: %q", s, to, crossed)
	}
}

// fuzzValue takes the data for one value.
func fuzzValue(t *testing.T, s protocol.Serializer, data []byte) {
	t.Helper()
	var v any
	if err := codec.DecodeValue(s, data, &v); err == nil {
		_, err = codec.AppendValue(nil, s, v)
		require.NoError(t, err, "%v", v)
	}
	var structured everything
	_ = codec.DecodeValue(s, data, &structured) // it must not panic
	p := protocol.Payload{Serializer: s, Args: data}
	_, _ = codec.CountArgs(p)
	for _, to := range protocol.Serializers() {
		there, err := codec.Transcode(p, to)
		if err != nil || to == s {
			continue
		}
		again, err := codec.Transcode(there, s)
		require.NoError(t, err, "%s from %s: %q", s, to, there.Args)
		third, err := codec.Transcode(again, to)
		require.NoError(t, err)
		require.Equal(t, there, third)
	}
}
