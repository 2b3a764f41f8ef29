package transport

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"unicode/utf8"
)

// Kind is a way to move messages over a byte stream.
type Kind uint8

// The kinds.
const (
	// RawSocket is the WAMP RawSocket transport.
	RawSocket Kind = iota
	// WebSocket is WAMP over WebSocket, RFC 6455, one message to a WebSocket message.
	WebSocket
)

// String returns "rawsocket" or "websocket".
func (k Kind) String() string {
	switch k {
	case RawSocket:
		return "rawsocket"
	case WebSocket:
		return "websocket"
	default:
		return "unknown transport"
	}
}

// Framing says how messages become frames on a connection. It is comparable:
// connections with equal Framing have identical frames for the same encoded message,
// except that masked frames differ in their random mask. Its methods may be called
// concurrently.
type Framing struct {
	Kind   Kind
	Binary bool // WebSocket: binary frames instead of text frames
	Mask   bool // WebSocket: frames of a client, which are masked
}

// Frame headers. RawSocket: RRRR X TTT, and the length in 24 bits.
const (
	rawHeader   = 4
	rawMessage  = 0
	rawPing     = 1
	rawPong     = 2
	rawTypeMask = 0x07
	rawLongBit  = 0x08 // 25th bit of the length
	rawReserved = 0xF0

	wsFinal     = 0x80
	wsReserved  = 0x70
	wsOpcode    = 0x0F
	wsMasked    = 0x80
	wsContinued = 0x0
	wsText      = 0x1
	wsBinary    = 0x2
	wsClose     = 0x8 // control frames: from here on
	wsPing      = 0x9
	wsPong      = 0xA
	wsShort     = 125   // longest body whose length fits the second octet
	wsLength16  = 126   // in the second octet: the length has 16 bits
	wsLength64  = 127   // in the second octet: the length has 64 bits
	wsMedium    = 65535 // longest body with a length of 16 bits
	wsControl   = 125   // longest body of a control frame
	wsMaskLen   = 4
)

// room is the space in front of a body of about n octets. For a small WebSocket message it
// is that of a 16 bit length: then bodies of 126 to 65535 octets stay where they were
// appended, and smaller ones move down by two octets.
func (f Framing) room(n int) int {
	if f.Kind == RawSocket {
		return rawHeader
	}
	room := wsHeaderLen(max(n, wsShort+1))
	if f.Mask {
		room += wsMaskLen
	}
	return room
}

// Begin appends room for a frame header to dst. Append the encoded message to the
// result, then call End with the length that dst had.
func (f Framing) Begin(dst []byte) []byte { return f.BeginSized(dst, 0) }

// BeginSized is Begin for a message of about n octets. The result is the same, but a
// message over 64 KiB that was announced need not be moved by End.
func (f Framing) BeginSized(dst []byte, n int) []byte {
	room := f.room(n)
	start := len(dst)
	dst = append(dst, make([]byte, room)...)
	dst[start] = byte(room) // for End
	return dst
}

// End completes the frame of the message whose header room starts at start and which
// reaches to the end of dst: it writes the header and masks the body. The result may
// be shorter or longer than dst. A RawSocket message over 16 MiB is refused with
// ErrMessageTooLong; dst is then returned cut off at start.
func (f Framing) End(dst []byte, start int) ([]byte, error) {
	if f.Kind == WebSocket {
		opcode := byte(wsText)
		if f.Binary {
			opcode = wsBinary
		}
		return f.endWebSocket(dst, start, opcode), nil
	}
	n := len(dst) - start - rawHeader
	if n > MaxMessageSize {
		return dst[:start], fmt.Errorf("transport: %w: %d bytes, a rawsocket frame holds %d",
			ErrMessageTooLong, n, MaxMessageSize)
	}
	putRawHeader(dst[start:], rawMessage, n)
	return dst, nil
}

// Messages yields the messages of whole frames that End has made, without mask. They are parts of
// frames.
func (f Framing) Messages(frames []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(frames) > 0 {
			start, n := f.body(frames)
			if !yield(frames[start : start+n : start+n]) {
				return
			}
			frames = frames[start+n:]
		}
	}
}

// body returns where the body of the first frame is, and its length.
func (f Framing) body(frames []byte) (start, n int) {
	if f.Kind == RawSocket {
		header := binary.BigEndian.Uint32(frames)
		return rawHeader, int(header&0xFFFFFF | header>>27&1<<24)
	}
	switch n := frames[1]; n {
	case wsLength16:
		return wsHeaderLen(wsMedium), int(binary.BigEndian.Uint16(frames[2:]))
	case wsLength64:
		return wsHeaderLen(wsMedium + 1), int(binary.BigEndian.Uint64(frames[2:])) // it was an int
	default:
		return wsHeaderLen(wsShort), int(n)
	}
}

// putRawHeader writes the header of a frame with n <= MaxMessageSize octets of body.
func putRawHeader(dst []byte, frameType byte, n int) {
	binary.BigEndian.PutUint32(dst, uint32(n)) // n is at most 2^24
	// 2^24 octets set the lowest bit of the first octet; the format wants it as X.
	dst[0] = dst[0]<<3 | frameType
}

func (f Framing) endWebSocket(dst []byte, start int, opcode byte) []byte {
	room := int(dst[start])
	n := len(dst) - start - room
	header := wsHeaderLen(n)
	if f.Mask {
		header += wsMaskLen
	}
	switch {
	case header < room:
		copy(dst[start+header:], dst[start+room:])
		dst = dst[:start+header+n]
	case header > room:
		dst = append(dst, make([]byte, header-room)...)
		copy(dst[start+header:], dst[start+room:start+room+n])
	}
	h := dst[start : start+header]
	h[0] = wsFinal | opcode
	switch {
	case n <= wsShort:
		h[1] = byte(n)
	case n <= wsMedium:
		h[1] = wsLength16
		binary.BigEndian.PutUint16(h[2:], uint16(n)) // n is at most 65535
	default:
		h[1] = wsLength64
		binary.BigEndian.PutUint64(h[2:], uint64(n))
	}
	if f.Mask {
		h[1] |= wsMasked
		key := rand.Uint32() // ChaCha8 with a random seed: a page can't predict it (RFC 6455, 10.3)
		binary.LittleEndian.PutUint32(h[header-wsMaskLen:], key)
		mask(dst[start+header:], key)
	}
	return dst
}

// wsHeaderLen is the length of an unmasked header for a body of n octets.
func wsHeaderLen(n int) int {
	switch {
	case n <= wsShort:
		return 2
	case n <= wsMedium:
		return 4
	default:
		return 10
	}
}

// maskLong is the length from which a body is masked in large steps.
const maskLong = 512

// mask combines b with the key, whose first octet on the wire is its lowest one.
func mask(b []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	if len(b) >= maskLong {
		var keys [maskLong]byte
		for i := 0; i < maskLong; i += 8 {
			binary.LittleEndian.PutUint64(keys[i:], wide)
		}
		for len(b) >= maskLong {
			subtle.XORBytes(b[:maskLong], b[:maskLong], keys[:])
			b = b[maskLong:]
		}
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(wide >> (8 * i))
	}
}

// AppendPing appends a ping frame. A payload over 125 octets (WebSocket) or 16 MiB
// (RawSocket) is cut.
func (f Framing) AppendPing(dst, payload []byte) []byte {
	return f.appendControl(dst, rawPing, wsPing, payload)
}

// AppendPong appends the answer to a ping with the same payload. A payload over 125
// octets (WebSocket) or 16 MiB (RawSocket) is cut; no received ping has one.
func (f Framing) AppendPong(dst, payload []byte) []byte {
	return f.appendControl(dst, rawPong, wsPong, payload)
}

// AppendClose appends a WebSocket close frame, and nothing for RawSocket. A reason
// over 123 octets is cut before a character that does not fit. With code 0 or 1005
// the frame carries neither code nor reason. See CloseCode for the code of an error.
func (f Framing) AppendClose(dst []byte, code int, reason string) []byte {
	if f.Kind != WebSocket {
		return dst
	}
	if code == 0 || code == closeNoStatus {
		return f.appendControl(dst, 0, wsClose, nil)
	}
	if limit := wsControl - 2; len(reason) > limit {
		for limit > 0 && !utf8.RuneStart(reason[limit]) {
			limit--
		}
		reason = reason[:limit]
	}
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, wsControl), uint16(code)) // close codes are 16 bits
	return f.appendControl(dst, 0, wsClose, append(payload, reason...))
}

func (f Framing) appendControl(dst []byte, rawType, opcode byte, payload []byte) []byte {
	start := len(dst)
	if f.Kind == WebSocket {
		payload = payload[:min(len(payload), wsControl)]
		return f.endWebSocket(append(f.Begin(dst), payload...), start, opcode)
	}
	payload = payload[:min(len(payload), MaxMessageSize)]
	dst = append(f.Begin(dst), payload...)
	putRawHeader(dst[start:], rawType, len(payload))
	return dst
}
