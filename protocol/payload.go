package protocol

// Serializer names a wire format. The numbers are those of the RawSocket handshake.
type Serializer uint8

// The serializers that this module implements.
const (
	// NoSerializer is the zero value: no payload, or not chosen yet.
	NoSerializer Serializer = 0
	// JSON is "json": text, byte strings as "\u0000" followed by base64.
	JSON Serializer = 1
	// MessagePack is "msgpack".
	MessagePack Serializer = 2
	// CBOR is "cbor", RFC 8949.
	CBOR Serializer = 3
)

// Serializers lists every implemented serializer in the order in which a client
// offers them by default.
func Serializers() []Serializer { return []Serializer{CBOR, MessagePack, JSON} }

// String returns the name used in configuration and subprotocols: "json",
// "msgpack" or "cbor".
func (s Serializer) String() string {
	switch s {
	case JSON:
		return "json"
	case MessagePack:
		return "msgpack"
	case CBOR:
		return "cbor"
	default:
		return "none"
	}
}

// Valid reports whether s is an implemented serializer.
func (s Serializer) Valid() bool { return s == JSON || s == MessagePack || s == CBOR }

// Binary reports whether messages travel in binary WebSocket frames.
func (s Serializer) Binary() bool { return s != JSON }

// Subprotocol returns the WebSocket subprotocol, such as "wamp.2.cbor".
func (s Serializer) Subprotocol() string { return "wamp.2." + s.String() }

// ParseSerializer returns the serializer with the given name.
func ParseSerializer(name string) (Serializer, bool) {
	for _, s := range Serializers() {
		if s.String() == name {
			return s, true
		}
	}
	return NoSerializer, false
}

// Payload is the application data of a message, still encoded.
//
// Args is an encoded list and KwArgs an encoded dict, both in the format of
// Serializer; nil means absent. The bytes are immutable: many messages and
// goroutines may share them, and nobody may write to them. They may alias the
// buffer a message was read from; whoever keeps a payload for long copies it with
// [Payload.Clone], so as not to keep the whole buffer alive.
type Payload struct {
	Serializer Serializer
	Args       []byte
	KwArgs     []byte
}

// Empty reports whether the payload has neither positional nor keyword arguments.
func (p Payload) Empty() bool { return p.Args == nil && p.KwArgs == nil }

// Size returns the number of encoded bytes.
func (p Payload) Size() int { return len(p.Args) + len(p.KwArgs) }

// Clone returns a payload that shares no memory with p.
func (p Payload) Clone() Payload {
	if p.Empty() {
		return Payload{Serializer: p.Serializer}
	}
	buf := make([]byte, 0, p.Size())
	buf = append(append(buf, p.Args...), p.KwArgs...)
	c := Payload{Serializer: p.Serializer}
	if p.Args != nil {
		c.Args = buf[:len(p.Args):len(p.Args)]
	}
	if p.KwArgs != nil {
		c.KwArgs = buf[len(p.Args):]
	}
	return c
}

// Dict is a decoded dictionary: option keys this module does not know, and the
// extra dictionaries of authentication.
type Dict map[string]any

// Passthru is the payload passthru mode of a message (Advanced Profile, "Payload
// Passthru Mode"): the keys ppt_scheme, ppt_serializer, ppt_cipher and ppt_keyid.
// A nil *Passthru means that the mode is off.
type Passthru struct {
	Scheme     string
	Serializer string
	Cipher     string
	KeyID      string
}

// Size returns the number of bytes of the texts, 0 for nil.
func (p *Passthru) Size() int {
	if p == nil {
		return 0
	}
	return len(p.Scheme) + len(p.Serializer) + len(p.Cipher) + len(p.KeyID)
}
