package codec_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// The test vectors of the WAMP specification (folder testsuite of its repository)
// are not part of this module, for the sake of their licence.
const vectorsVariable = "WAMP_TESTSUITE"

type vectorFile struct {
	Type    int            `json:"wamp_message_code"`
	Samples []vectorSample `json:"samples"`
}

type vectorSample struct {
	Description string `json:"description"`

	// A serialization sample.
	Serializers map[string][]struct {
		Hex string `json:"bytes_hex"`
	} `json:"serializers"`
	Attributes map[string]any `json:"expected_attributes"`

	// A validation sample.
	Message json.RawMessage `json:"wmsg"`
	Error   *struct {
		Contains string `json:"contains"`
	} `json:"expected_error"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(vectorsVariable)
	if dir == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "%s must name the folder of the test vectors", vectorsVariable)
		t.Skipf("%s does not name the folder of the test vectors", vectorsVariable)
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "singlemessage"), func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.IsDir() || filepath.Ext(path) != ".json" {
			return nil
		}
		files++
		var file vectorFile
		unmarshalNumbers(t, must(os.ReadFile(path)), &file) //nolint:gosec // a file the tester has named
		require.NotEmpty(t, file.Samples, "%s has no samples", path)
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			for _, sample := range file.Samples {
				t.Run(sample.Description, func(t *testing.T) {
					t.Parallel()
					require.NotEqual(t, len(sample.Serializers) > 0, len(sample.Message) > 0, "either bytes or a message")
					if len(sample.Message) > 0 {
						sample.validate(t)
					} else {
						sample.serialize(t, protocol.MessageType(file.Type))
					}
				})
			}
		})
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, files, "no vectors below %s", dir)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func unmarshalNumbers(tb testing.TB, data []byte, v any) {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	require.NoError(tb, d.Decode(v))
}

// validate checks that a message is accepted, or refused with the right reason, by
// all serializers.
func (v vectorSample) validate(t *testing.T) {
	t.Helper()
	var list any
	require.NoError(t, codec.DecodeValue(protocol.JSON, v.Message, &list))
	for _, s := range protocol.Serializers() {
		data := []byte(v.Message)
		if s != protocol.JSON {
			data = must(codec.AppendValue(nil, s, list))
		}
		_, err := codec.Unmarshal(s, data)
		if v.Error == nil {
			require.NoError(t, err, s)
			continue
		}
		var violation *protocol.ViolationError
		require.ErrorAs(t, err, &violation, s)
		require.Contains(t, violation.Field, v.Error.Contains, s)
	}
}

// serialize decodes every form of a message and encodes it in every way again.
func (v vectorSample) serialize(t *testing.T, typ protocol.MessageType) {
	t.Helper()
	forms := 0
	for _, s := range protocol.Serializers() {
		var variants [][]byte
		for _, form := range v.Serializers[s.String()] {
			variants = append(variants, must(hex.DecodeString(form.Hex)))
		}
		for _, data := range variants {
			forms++
			m, err := codec.Unmarshal(s, data)
			require.NoError(t, err, "%s %q", s, data)
			require.Equal(t, typ, m.Type())
			v.compare(t, m)

			again := must(codec.Append(nil, s, m))
			back, err := codec.Unmarshal(s, again)
			require.NoError(t, err)
			require.Equal(t, withoutRaw(m), withoutRaw(back))
			if !ambiguous(must(codec.Append(nil, protocol.JSON, m))) {
				require.Contains(t, texts(variants), string(again), "one of the listed forms")
			}
			for _, other := range protocol.Serializers() {
				crossed, err := codec.Unmarshal(other, must(codec.Append(nil, other, m)))
				require.NoError(t, err, "%s to %s", s, other)
				v.compare(t, crossed)
			}
		}
	}
	require.GreaterOrEqual(t, forms, len(protocol.Serializers()), "a form for every serializer")
}

func texts(variants [][]byte) []string {
	var list []string
	for _, v := range variants {
		list = append(list, string(v))
	}
	return list
}

// withoutRaw decodes the payload of PUBLISH, the one message with a payload whose
// vectors have white space in it.
func withoutRaw(m protocol.Message) any {
	if p, ok := m.(*protocol.Publish); ok && p.Options.Extra["enc_algo"] == nil {
		c := *p
		c.Payload = protocol.Payload{}
		return []any{&c, must(codec.Args(p.Payload)), must(codec.KwArgs(p.Payload))}
	}
	return m
}

// ambiguous reports whether a dict in the JSON data has several keys, whose order
// is free.
func ambiguous(data []byte) bool {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return true
	}
	return severalKeys(v)
}

func severalKeys(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, item := range v {
			if severalKeys(item) {
				return true
			}
		}
		return len(v) > 1
	case []any:
		return slices.ContainsFunc(v, severalKeys)
	}
	return false
}

// vectorNames are the names the vectors use for the elements of messages.
func vectorNames(t protocol.MessageType) []string {
	return map[protocol.MessageType][]string{
		protocol.TypeHello:         {"realm", "details"},
		protocol.TypeWelcome:       {"session_id", "details"},
		protocol.TypeAbort:         {"details", "reason", "args", "kwargs"},
		protocol.TypeChallenge:     {"method", "extra"},
		protocol.TypeAuthenticate:  {"signature", "extra"},
		protocol.TypeGoodbye:       {"details", "reason"},
		protocol.TypeError:         {"request_type", "request_id", "details", "error", "args", "kwargs"},
		protocol.TypePublish:       {"request_id", "options", "topic", "args", "kwargs"},
		protocol.TypePublished:     {"request_id", "publication_id"},
		protocol.TypeSubscribe:     {"request_id", "options", "topic"},
		protocol.TypeSubscribed:    {"request_id", "subscription_id"},
		protocol.TypeUnsubscribe:   {"request_id", "subscription_id"},
		protocol.TypeUnsubscribed:  {"request_id"},
		protocol.TypeEvent:         {"subscription", "publication", "details", "args", "kwargs"},
		protocol.TypeEventReceived: {"publication_id"},
		protocol.TypeCall:          {"request_id", "options", "procedure", "args", "kwargs"},
		protocol.TypeCancel:        {"request_id", "options"},
		protocol.TypeResult:        {"request_id", "details", "args", "kwargs"},
		protocol.TypeRegister:      {"request_id", "options", "procedure"},
		protocol.TypeRegistered:    {"request_id", "registration_id"},
		protocol.TypeUnregister:    {"request_id", "registration_id"},
		protocol.TypeUnregistered:  {"request_id"},
		protocol.TypeInvocation:    {"request_id", "registration_id", "details", "args", "kwargs"},
		protocol.TypeInterrupt:     {"request_id", "options"},
		protocol.TypeYield:         {"request_id", "options", "args", "kwargs"},
	}[t]
}

// compare checks a message against the expected attributes. The message is seen
// through JSON, which encoding/json decodes.
func (v vectorSample) compare(t *testing.T, m protocol.Message) {
	t.Helper()
	var list []any
	unmarshalNumbers(t, must(codec.Append(nil, protocol.JSON, m)), &list)
	got := map[string]any{"message_type": list[0]}
	for i, name := range vectorNames(m.Type()) {
		if i+1 < len(list) {
			got[name] = list[i+1]
		}
	}
	if details, ok := got["details"].(map[string]any); ok {
		got["roles"] = details["roles"]
	}
	if text, ok := got["args"].(string); ok { // binary in place of arguments
		var payload []byte
		require.NoError(t, codec.DecodeValue(protocol.JSON, must(json.Marshal(text)), &payload))
		got["payload"], got["args"] = hex.EncodeToString(payload), nil
	}
	require.NotEmpty(t, v.Attributes)
	for name, want := range v.Attributes {
		require.Equal(t, want, got[name], "%s of %s", name, m.Type())
	}
}
