package codec_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// element is an element of a message behind the type: its name in errors and a
// valid value. Ids are int, texts string, dicts map[string]any, arguments []any.
type element struct {
	name  string
	value any
}

func idElement(name string) element   { return element{name, 7} }
func textElement(name string) element { return element{name, "a.b"} }
func dictElement(name string) element { return element{name, map[string]any{}} }

type layout struct {
	elements []element
	optional int // how many at the end may be missing
}

// layouts lists all messages.
func layouts() map[protocol.MessageType]layout {
	args, kwargs := element{"Args", []any{1}}, element{"KwArgs", map[string]any{"k": 1}}
	request, options, details := idElement("Request"), dictElement("Options"), dictElement("Details")
	of := func(optional int, elements ...element) layout { return layout{elements, optional} }
	revocation := func(key string) element { return element{"Details", map[string]any{key: 9}} }
	return map[protocol.MessageType]layout{
		protocol.TypeHello:         of(0, textElement("Realm"), details),
		protocol.TypeWelcome:       of(0, idElement("Session"), details),
		protocol.TypeAbort:         of(2, details, textElement("Reason"), args, kwargs),
		protocol.TypeChallenge:     of(0, textElement("AuthMethod"), dictElement("Extra")),
		protocol.TypeAuthenticate:  of(0, textElement("Signature"), dictElement("Extra")),
		protocol.TypeGoodbye:       of(0, details, textElement("Reason")),
		protocol.TypeError:         of(2, element{"RequestType", 48}, request, details, textElement("Error"), args, kwargs),
		protocol.TypePublish:       of(2, request, options, textElement("Topic"), args, kwargs),
		protocol.TypePublished:     of(0, request, idElement("Publication")),
		protocol.TypeSubscribe:     of(0, request, options, textElement("Topic")),
		protocol.TypeSubscribed:    of(0, request, idElement("Subscription")),
		protocol.TypeUnsubscribe:   of(1, request, idElement("Subscription"), options),
		protocol.TypeUnsubscribed:  of(1, request, revocation("subscription")),
		protocol.TypeEvent:         of(2, idElement("Subscription"), idElement("Publication"), details, args, kwargs),
		protocol.TypeEventReceived: of(0, idElement("Publication")),
		protocol.TypeCall:          of(2, request, options, textElement("Procedure"), args, kwargs),
		protocol.TypeCancel:        of(0, request, options),
		protocol.TypeResult:        of(2, request, details, args, kwargs),
		protocol.TypeRegister:      of(0, request, options, textElement("Procedure")),
		protocol.TypeRegistered:    of(0, request, idElement("Registration")),
		protocol.TypeUnregister:    of(1, request, idElement("Registration"), options),
		protocol.TypeUnregistered:  of(1, request, revocation("registration")),
		protocol.TypeInvocation:    of(2, request, idElement("Registration"), details, args, kwargs),
		protocol.TypeInterrupt:     of(0, request, options),
		protocol.TypeYield:         of(2, request, options, args, kwargs),
	}
}

// list returns the first n elements of a valid message, its type in front.
func (l layout) list(t protocol.MessageType, n int) []any {
	list := []any{int(t)}
	for _, e := range l.elements[:n] {
		list = append(list, e.value)
	}
	return list
}

func refused(t *testing.T, s protocol.Serializer, message any) *protocol.ViolationError {
	t.Helper()
	data, err := codec.AppendValue(nil, s, message)
	require.NoError(t, err)
	m, err := codec.Unmarshal(s, data)
	require.Error(t, err, "%s %.200q", s, data)
	require.Nil(t, m)
	var violation *protocol.ViolationError
	require.ErrorAs(t, err, &violation)
	require.NotEmpty(t, violation.Problem)
	return violation
}

// wrongValues returns values that may not stand in place of a valid one.
func wrongValues(valid any) []any {
	wrong := []any{nil, true, -1, 1.5, []byte("binary")}
	if _, ok := valid.(int); ok {
		wrong = append(wrong, uint64(protocol.MaxID)+1, 2.0)
	} else {
		wrong = append(wrong, 7)
	}
	if _, ok := valid.(string); !ok {
		wrong = append(wrong, "text")
	}
	if _, ok := valid.([]any); !ok {
		wrong = append(wrong, []any{})
	}
	if _, ok := valid.(map[string]any); !ok {
		wrong = append(wrong, map[string]any{})
	}
	return wrong
}

func TestElementsOfWrongType(t *testing.T) {
	t.Parallel()
	require.Len(t, layouts(), 25)
	for _, s := range protocol.Serializers() {
		for typ, l := range layouts() {
			_, err := codec.Unmarshal(s, must(codec.AppendValue(nil, s, l.list(typ, len(l.elements)))))
			require.NoError(t, err, "%s %s", s, typ)
			for i, e := range l.elements {
				for _, wrong := range wrongValues(e.value) {
					list := l.list(typ, len(l.elements))
					list[i+1] = wrong
					violation := refused(t, s, list)
					require.Equal(t, typ, violation.Message, list)
					require.Equal(t, e.name, violation.Field, list)
				}
			}
		}
	}
}

func TestElementsMissingOrSurplus(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		for typ, l := range layouts() {
			required := len(l.elements) - l.optional
			for n := range len(l.elements) + 1 {
				list := l.list(typ, n)
				if n >= required {
					_, err := codec.Unmarshal(s, must(codec.AppendValue(nil, s, list)))
					require.NoError(t, err, "%s %v", s, list)
					continue
				}
				violation := refused(t, s, list)
				require.Equal(t, typ, violation.Message)
				require.Equal(t, l.elements[n].name, violation.Field)
				require.Equal(t, "missing", violation.Problem)
			}
			violation := refused(t, s, append(l.list(typ, len(l.elements)), 1))
			require.Equal(t, typ, violation.Message)
			require.Empty(t, violation.Field)
			require.Equal(t, "too many elements", violation.Problem)
		}
	}
}

func TestIdentifierZero(t *testing.T) {
	t.Parallel()
	for _, s := range protocol.Serializers() {
		for typ, l := range layouts() {
			for i, e := range l.elements {
				if e.value != 7 {
					continue
				}
				list := l.list(typ, len(l.elements))
				list[i+1] = 0
				if typ == protocol.TypeUnsubscribed || typ == protocol.TypeUnregistered {
					_, err := codec.Unmarshal(s, must(codec.AppendValue(nil, s, list)))
					require.NoError(t, err)
					require.Equal(t, "Details", refused(t, s, list[:2]).Field)
					require.Contains(t, []string{"subscription", "registration"}, refused(t, s, []any{int(typ), 0, map[string]any{}}).Field)
					continue
				}
				require.Equal(t, e.name, refused(t, s, list).Field)
			}
		}
	}
}

// optionTypes lists the options of all messages with a valid value of each.
func optionTypes() map[protocol.MessageType]map[string]any {
	texts, ids := []any{"a"}, []any{1}
	passthru := map[string]any{"ppt_scheme": "x_a", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k"}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{"enc_algo": "cryptobox", "enc_serializer": "json", "enc_key": "k", "transaction_hash": "h", "x_acknowledged_delivery": true, "forward_for": []any{}}
		maps.Copy(all, passthru)
		maps.Copy(all, more)
		return all
	}
	return map[protocol.MessageType]map[string]any{
		protocol.TypeHello:      {"agent": "a", "roles": map[string]any{}, "authmethods": texts, "authid": "a", "authrole": "a", "authextra": map[string]any{}},
		protocol.TypeWelcome:    {"agent": "a", "roles": map[string]any{}, "realm": "a", "authid": "a", "authrole": "a", "authmethod": "a", "authprovider": "a", "authextra": map[string]any{}},
		protocol.TypeAbort:      {"message": "m"},
		protocol.TypeGoodbye:    {"message": "m"},
		protocol.TypeError:      with(nil),
		protocol.TypePublish:    with(map[string]any{"acknowledge": true, "exclude_me": true, "disclose_me": true, "retain": true, "exclude": ids, "exclude_authid": texts, "exclude_authrole": texts, "eligible": ids, "eligible_authid": texts, "eligible_authrole": texts}),
		protocol.TypeSubscribe:  {"match": "prefix", "get_retained": true, "forward_for": []any{}},
		protocol.TypeEvent:      with(map[string]any{"publisher": 7, "publisher_authid": "a", "publisher_authrole": "a", "topic": "a", "retained": true, "payload_limit_exceeded": true, "trustlevel": 7}),
		protocol.TypeCall:       with(map[string]any{"timeout": 7, "progress": true, "receive_progress": true, "disclose_me": true, "runmode": "partition"}),
		protocol.TypeCancel:     {"mode": "kill"},
		protocol.TypeResult:     with(map[string]any{"progress": true}),
		protocol.TypeRegister:   {"match": "exact", "invoke": "first", "concurrency": 7, "disclose_caller": true, "forward_timeout": true, "force_reregister": true},
		protocol.TypeInvocation: with(map[string]any{"progress": true, "receive_progress": true, "timeout": 7, "caller": 7, "caller_authid": "a", "caller_authrole": "a", "procedure": "a", "trustlevel": 7}),
		protocol.TypeInterrupt:  {"mode": "kill", "reason": "a"},
		protocol.TypeYield:      with(map[string]any{"progress": true}),
	}
}

// wrongOptions returns values that may not stand in place of a valid option.
func wrongOptions(valid any) []any {
	wrong := []any{nil, -1, 1.5, []byte("b"), []any{nil}, []any{1.5}, []any{map[string]any{}}}
	if valid != true {
		wrong = append(wrong, true)
	}
	if valid != 7 {
		wrong = append(wrong, 7)
	}
	if _, ok := valid.(string); !ok {
		wrong = append(wrong, "text")
	}
	return wrong
}

func TestOptionsOfWrongType(t *testing.T) {
	t.Parallel()
	for typ, options := range optionTypes() {
		l := layouts()[typ]
		at := 1 + slices.IndexFunc(l.elements, func(e element) bool { return e.name == "Options" || e.name == "Details" })
		for key, valid := range options {
			for _, s := range protocol.Serializers() {
				list := l.list(typ, len(l.elements))
				list[at] = map[string]any{key: valid, "unknown": []any{nil}}
				_, err := codec.Unmarshal(s, must(codec.AppendValue(nil, s, list)))
				require.NoError(t, err, list)
				for _, value := range wrongOptions(valid) {
					list[at] = map[string]any{key: value}
					violation := refused(t, s, list)
					require.Equal(t, typ, violation.Message)
					require.Equal(t, key, violation.Field, list)
				}
			}
		}
	}
}

func TestOptionValues(t *testing.T) {
	t.Parallel()
	hop := map[string]any{"session": 1, "authid": "a", "authrole": "r"}
	tests := []struct {
		list  []any
		field string // "" if it is accepted
	}{
		{[]any{32, 1, map[string]any{"match": "Prefix"}, "a"}, "match"},
		{[]any{64, 1, map[string]any{"match": ""}, "a"}, "match"},
		{[]any{64, 1, map[string]any{"invoke": "sometimes"}, "a"}, ""},
		{[]any{64, 1, map[string]any{"concurrency": 1 << 40}, "a"}, "concurrency"},
		{[]any{49, 1, map[string]any{"mode": "sometimes"}}, ""},
		{[]any{48, 1, map[string]any{"timeout": 0}, "a"}, ""},
		{[]any{48, 1, map[string]any{"timeout": uint64(protocol.MaxID)}, "a"}, ""},
		{[]any{48, 1, map[string]any{"timeout": uint64(protocol.MaxID) + 1}, "a"}, "timeout"},
		{[]any{16, 1, map[string]any{"exclude": []any{0}}, "a"}, "exclude"},
		{[]any{16, 1, map[string]any{"eligible_authid": []any{"a", 1}}, "a"}, "eligible_authid"},
		{[]any{36, 1, 2, map[string]any{"publisher": 0}}, "publisher"},
		{[]any{16, 1, map[string]any{"forward_for": []any{hop, hop}}, "a"}, ""},
		{[]any{16, 1, map[string]any{"forward_for": []any{hop, 1}}, "a"}, "forward_for"},
		{[]any{16, 1, map[string]any{"enc_algo": "x_mine", "enc_serializer": "x_mine"}, "a", []byte("b")}, ""},
		{[]any{16, 1, map[string]any{"enc_algo": "mine"}, "a", []byte("b")}, "enc_algo"},
		{[]any{16, 1, map[string]any{"enc_serializer": "mine"}, "a", []any{}}, "enc_serializer"},
		{[]any{16, 1, map[string]any{"enc_key": "k"}, "a", []byte("b")}, "Args"},
		{[]any{1, "r", map[string]any{"roles": map[string]any{"caller": map[string]any{"features": map[string]any{"call_timeout": 1}}}}}, "call_timeout"},
		{[]any{1, "r", map[string]any{"roles": map[string]any{"caller": map[string]any{"features": 1}}}}, "features"},
		{[]any{1, "r", map[string]any{"roles": map[string]any{"caller": 1}}}, "caller"},
		{[]any{1, "r", map[string]any{"roles": map[string]any{"waiter": 1, "caller": map[string]any{"features": map[string]any{"x": 1}, "y": 2}}}}, ""},
		{[]any{8, 50, 1, map[string]any{}, "a"}, "RequestType"},
		{[]any{8, 65536 + 48, 1, map[string]any{}, "a"}, "RequestType"},
		{[]any{16, 1, map[string]any{"big": strings.Repeat("x", 1<<20)}, "a"}, "Options"},
	}
	for _, s := range protocol.Serializers() {
		for _, test := range tests {
			if test.field == "" {
				_, err := codec.Unmarshal(s, must(codec.AppendValue(nil, s, test.list)))
				require.NoError(t, err, "%s %s", s, test.field)
				continue
			}
			require.Equal(t, test.field, refused(t, s, test.list).Field, s)
		}
	}
}

func TestNotAMessage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		message any
		field   string
	}{
		{nil, ""},
		{1, ""},
		{"text", ""},
		{map[string]any{}, ""},
		{[]any{}, "message type"},
		{[]any{"CALL"}, "message type"},
		{[]any{-48}, "message type"},
		{[]any{48.0}, "message type"},
		{[]any{0, 1}, "message type"},
		{[]any{7, 1}, "message type"},
		{[]any{1 << 16, 1}, "message type"},
		{[]any{uint64(1<<64 - 1)}, "message type"},
	}
	for _, s := range protocol.Serializers() {
		for _, test := range tests {
			violation := refused(t, s, test.message)
			require.Zero(t, violation.Message)
			require.Equal(t, test.field, violation.Field)
		}
		_, err := codec.Unmarshal(s, nil)
		require.EqualError(t, err, "protocol: a message must not be empty")
		data := must(codec.AppendValue(nil, s, []any{35, 1}))
		_, err = codec.Unmarshal(s, append(data, '0'))
		require.EqualError(t, err, "protocol: UNSUBSCRIBED: data after the message")
		for n := 1; n < len(data); n++ {
			_, err = codec.Unmarshal(s, data[:n])
			require.Error(t, err)
		}
	}
	_, err := codec.Unmarshal(protocol.NoSerializer, []byte("[1]"))
	require.EqualError(t, err, "protocol: cannot decode a message: no serializer")
}

// malformedValues lists values that no peer may pass on to another.
func malformedValues() map[protocol.Serializer][]string {
	return map[protocol.Serializer][]string{
		protocol.JSON: {
			`tru`, `nulL`, `+1`, `01`, `-`, `-01`, `1.`, `.5`, `1e`, `1e+`, `1e999`, `-1e999`, strings.Repeat("9", 400), `'a'`, `"`, `"a`, `"\`, "\"\x01\"", "\"\x1f\"", "\"a\nb\"",
			`"\x"`, `"\u12"`, `"\u12g4"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, `"\ud800\ud800"`, "\"\xff\"", "\"\xc0\x80\"", "\"longer than a word \xed\xa0\x80\"",
			`[1,]`, `[,1]`, `[1 2]`, `{"a":1,}`, `{"a"}`, `{"a" 1}`, `{1:2}`, `{"a":}`, `{a:1}`, `}`, `NaN`, `Infinity`, `/**/1`, "\v1", "\ufeff1",
		},
		protocol.MessagePack: {
			"c1", "a161"[:2], "a1ff", "d901", "d9", "da0001", "daffff61", "dbffffffff61", "c401", "c5ffff00", "c6ffffffff", "91", "dc0001", "ddffffffff01", "81", "8101", "deffff0101", "dfffffffff0101",
			"cc", "cd00", "ce000000", "cf00000000000000", "d0", "d3", "ca000000", "cb00000000000000", "d4", "d401", "d801", "c7", "c701", "c70101", "c8ffff01", "c9ffffffff01", "a3eda080", "9191",
		},
		protocol.CBOR: {
			"18", "19ff", "1aff", "1b00", "1c", "1d", "1e", "1f", "3f", "61", "61ff", "7800"[:2], "7bffffffffffffffff61", "5bffffffffffffffff", "4101"[:2], "81", "9bffffffffffffffff01", "a1", "a101", "bbffffffffffffffff0101",
			"7f", "7f6161", "7f41 61ff", "7f7f6161ffff", "7f61c361bcff", "5f6161ff", "5f", "9f", "9f01", "bf01ff", "bf", "ff", "81ff", "a1ff01", "c0", "c0ff", "df", "f800", "f81f", "fc", "fd", "fe", "f9", "f900", "fa000000", "fb00000000000000", "f8",
		},
	}
}

func TestMalformedPayload(t *testing.T) {
	t.Parallel()
	// A CALL whose only argument, then whose keyword argument is malformed.
	frames := map[protocol.Serializer][2][2]string{
		protocol.JSON:        {{`[48,1,{},"a",[`, `]]`}, {`[48,1,{},"a",[],{"k":`, `}]`}},
		protocol.MessagePack: {{"9530" + "01" + "80" + "a161" + "91", ""}, {"9630" + "01" + "80" + "a161" + "90" + "81a16b", ""}},
		protocol.CBOR:        {{"851830" + "01" + "a0" + "6161" + "81", ""}, {"861830" + "01" + "a0" + "6161" + "80" + "a1616b", ""}},
	}
	for s, values := range malformedValues() {
		for _, value := range values {
			for i, field := range []string{"Args", "KwArgs"} {
				frame := frames[s][i]
				data := []byte(frame[0] + value + frame[1])
				if s != protocol.JSON {
					data = must(hex.DecodeString(strings.ReplaceAll(frame[0]+value, " ", "")))
				}
				_, err := codec.Unmarshal(s, data)
				var violation *protocol.ViolationError
				require.ErrorAs(t, err, &violation, "%s %s", s, value)
				require.Equal(t, protocol.TypeCall, violation.Message, "%s %s", s, value)
				require.Equal(t, field, violation.Field, "%s %s: %v", s, value, err)
				var v any
				raw := []byte(value)
				if s != protocol.JSON {
					raw = must(hex.DecodeString(strings.ReplaceAll(value, " ", "")))
				}
				require.Error(t, codec.DecodeValue(s, raw, &v), "%s %s", s, value)
				_, err = codec.Transcode(protocol.Payload{Serializer: s, Args: raw}, other(s))
				require.Error(t, err, "%s %s", s, value)
			}
		}
	}
}

func other(s protocol.Serializer) protocol.Serializer { return s%3 + 1 }

func TestKeysOfKeywordsAreText(t *testing.T) {
	t.Parallel()
	tests := map[protocol.Serializer][]string{
		protocol.MessagePack: {"9630" + "01" + "80" + "a161" + "90" + "810101", "9630" + "01" + "80" + "a161" + "90" + "81c4016101", "9330" + "01" + "810101"},
		protocol.CBOR:        {"861830" + "01" + "a0" + "6161" + "80" + "a10101", "861830" + "01" + "a0" + "6161" + "80" + "a1416101", "831830" + "01" + "a10101"},
		protocol.JSON:        {hex.EncodeToString([]byte(`[48,1,{},"a",[],{"\u0000YQ==":1}]`)), hex.EncodeToString([]byte(`[48,1,{"\u0000YQ==":1},"a"]`))},
	}
	for s, messages := range tests {
		for _, message := range messages {
			_, err := codec.Unmarshal(s, must(hex.DecodeString(message)))
			require.ErrorContains(t, err, "keys of text", "%s %s", s, message)
		}
	}
	// Below the top level everything goes.
	for s, message := range map[protocol.Serializer]string{protocol.MessagePack: "9530" + "01" + "80" + "a161" + "91" + "810101", protocol.CBOR: "851830" + "01" + "a0" + "6161" + "81" + "a1f501"} {
		_, err := codec.Unmarshal(s, must(hex.DecodeString(message)))
		require.NoError(t, err)
	}
}

// nested returns an argument list, nested so deeply.
func nested(s protocol.Serializer, levels int) string {
	switch s {
	case protocol.JSON:
		return strings.Repeat("[", levels) + strings.Repeat("]", levels)
	case protocol.MessagePack:
		return strings.Repeat("\x91", levels-1) + "\x90"
	default:
		return strings.Repeat("\x81", levels-1) + "\x80"
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	frames := map[protocol.Serializer][2]string{
		protocol.JSON:        {`[48,1,{},"a",`, `]`},
		protocol.MessagePack: {"\x95\x30\x01\x80\xa1a", ""},
		protocol.CBOR:        {"\x85\x18\x30\x01\xa0\x61a", ""},
	}
	for s, frame := range frames {
		message := func(levels int) []byte { return []byte(frame[0] + nested(s, levels) + frame[1]) }
		m, err := codec.Unmarshal(s, message(codec.MaxDepth-1))
		require.NoError(t, err)
		p := m.(*protocol.Call).Payload
		for _, to := range protocol.Serializers() {
			_, err := codec.Transcode(p, to)
			require.NoError(t, err)
		}
		_, err = codec.Args(p)
		require.NoError(t, err)
		for _, levels := range []int{codec.MaxDepth, 100_000} {
			_, err = codec.Unmarshal(s, message(levels))
			require.ErrorContains(t, err, "CALL: Args: nested deeper than 64 levels")
		}
		deep := protocol.Payload{Serializer: s, Args: []byte(nested(s, codec.MaxDepth+1))}
		_, err = codec.Transcode(deep, other(s))
		require.ErrorContains(t, err, "nested deeper than 64 levels")
		_, err = codec.Args(deep)
		require.ErrorContains(t, err, "nested deeper than 64 levels")
		if s == protocol.JSON { // in the others the length of the list comes first
			_, err = codec.CountArgs(deep)
			require.ErrorContains(t, err, "nested deeper than 64 levels")
		}
		var lists [][]string
		require.Error(t, codec.DecodeValue(s, deep.Args, &lists))
	}
	tags := append([]byte("\x85\x18\x30\x01\xa0\x61a\x81"), strings.Repeat("\xc1", 100)+"\x01"...)
	_, err := codec.Unmarshal(protocol.CBOR, tags)
	require.ErrorContains(t, err, "nested deeper than 64 levels")
}

// TestLengthsAllocateNothing feeds heads that promise more than there is.
func TestLengthsAllocateNothing(t *testing.T) { //nolint:paralleltest // it watches the heap
	inputs := map[protocol.Serializer][]string{
		protocol.MessagePack: {"ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "9530018091ddffffffff", "953001dfffffffff"},
		protocol.CBOR:        {"9bffffffffffffffff", "bbffffffffffffffff", "7bffffffffffffffff", "9b00000000ffffffff", "bb7fffffffffffffff", "831830" + "01" + "bb7fffffffffffffff"},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for s, list := range inputs {
		for _, input := range list {
			data := must(hex.DecodeString(input))
			for _, dst := range []any{new(any), new([]any), new([]string), new([]struct{ A [1 << 10]int }), new(map[string]any)} {
				require.Error(t, codec.DecodeValue(s, data, dst), fmt.Sprintf("%s %s", s, input))
			}
			_, err := codec.Unmarshal(s, data)
			require.Error(t, err)
		}
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

// TestLongTexts has something special at all places where long texts are looked at in other steps.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	const length = 3000
	for _, at := range []int{0, 1, 7, 8, 31, 32, 63, 64, 1000, 1022, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 2900, length - 9, length - 1} {
		for _, special := range []string{"\x00", "\x1f", " ", "\x7f", "\x80", "\xff", "ü", "\U0001F340", `\n`, `\"`, `\`, `\x`, `\ud83c`, `"`} {
			text := strings.Repeat("clover 4", length/8)
			text = text[:at] + special + text[min(len(text), at+len(special)):]
			data := []byte(`[48,1,{},"a.b",["` + text + `"]]`)
			m, err := codec.Unmarshal(protocol.JSON, data)
			if !json.Valid(data) || !utf8.Valid(data) || special == `\ud83c` {
				require.Error(t, err, "%q at %d", special, at)
				continue
			}
			require.NoError(t, err, "%q at %d", special, at)
			call, ok := m.(*protocol.Call)
			require.True(t, ok)
			require.Equal(t, `["`+text+`"]`, string(call.Payload.Args))
		}
	}
}
