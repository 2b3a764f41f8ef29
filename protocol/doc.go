// Package protocol is the vocabulary of WAMP v2: messages, identifiers, URIs and
// their matching, roles and features, and the predefined URIs.
//
// It holds no behaviour that needs a clock, a socket or an actor. Values of this
// package are plain data: a message may be read by many goroutines once nobody
// writes to it any more, and nothing in the package keeps a reference to a message
// it was handed.
//
// # Payloads
//
// The application data of a message, its positional and keyword arguments, stays
// encoded ([Payload]): a router forwards the bytes without looking at them, and a
// client decodes them straight into the values it wants. Package codec, below
// this one, encodes and decodes both messages and payloads.
//
// # Compatibility
//
// The wire format is that of the WAMP specification draft of 2025-09-16, Basic and
// Advanced Profile.
package protocol
