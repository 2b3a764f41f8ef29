// Package codec turns WAMP messages and Go values into JSON, MessagePack and CBOR
// and back.
//
// # Messages
//
// [Append] and [Unmarshal] convert between bytes and the messages of package
// protocol; a [Decoder] does so for one connection at one allocation per message.
// The positional and keyword arguments of a message stay encoded
// ([protocol.Payload]). All of a message is checked nevertheless, because a router
// passes payloads on: that it is well formed, UTF-8 is valid, lengths are within
// the data, nothing is nested deeper than [MaxDepth], and nothing follows it. What
// breaks the protocol is a [*protocol.ViolationError], which names the element or
// option at fault: wrong types of the options of the specification are violations,
// unknown options are kept in Extra. URIs are not checked here.
//
// # Payloads
//
// [EncodePayload] and [AppendArgs] make payloads, [DecodeArgs], [DecodeKwArgs],
// [Args], [KwArgs] and [CountArgs] read them. [Transcode] moves a payload to
// another serializer.
//
// # Values
//
// [AppendValue] takes every type that encoding/json takes, and all serializers
// treat a type alike:
//   - struct fields are named by their json tags, with omitempty and "-"
//   - []byte, named or not, and byte arrays are binary: in JSON text that starts
//     with U+0000 and goes on in base64 (Basic Profile, "Serializers")
//   - time.Time is text by RFC 3339; types with MarshalText are text; types with
//     MarshalJSON are what that JSON stands for
//   - an [Encoded] is what it stands for
//   - floats stay floats: 2.0 is written as 2.0 in JSON too
//   - nil slices, maps and pointers are null
//   - invalid UTF-8, channels, functions, and in JSON text that starts with U+0000
//     and floats without a value, are errors
//
// Map keys should be strings. Integers as keys become text in JSON and stay
// integers in the others.
//
// [DecodeValue] is the reverse. Integers must fit the type, floats with an integral
// value count as integers, and null is the zero value. Into an any it decodes nil,
// bool, int64, uint64 if it does not fit, float64, string, []byte, []any and
// map[string]any; an any inside a struct takes a big.Int in place of the uint64.
//
// # Concurrency
//
// Functions may be called at any time by anybody. A Decoder belongs to one
// goroutine at a time.
package codec
