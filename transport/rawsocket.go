package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// rawMagic is the first octet of every RawSocket handshake. No HTTP request and no
// TLS record starts with it.
const rawMagic = 0x7F

// lingerBytes is how much of a refused client's input is read and dropped.
const lingerBytes = 64 << 10

// lengthExponent returns LLLL for a limit: the smallest with 2^(9+LLLL) >= limit.
func lengthExponent(limit int) byte {
	return byte(bits.Len(uint(max(limit, MinMessageSize)-1)) - 9) // a limit is positive and at most 2^24
}

// handshakeRaw is the client's side of the RawSocket handshake.
func (c *Conn) handshakeRaw(s protocol.Serializer) error {
	request := [4]byte{rawMagic, lengthExponent(c.maxReceive)<<4 | byte(s), 0, 0}
	if _, err := c.nc.Write(request[:]); err != nil {
		return fmt.Errorf("rawsocket handshake: %w", err)
	}
	var reply [4]byte
	if _, err := io.ReadFull(c.nc, reply[:]); err != nil {
		return fmt.Errorf("rawsocket handshake: %w", err)
	}
	switch {
	case reply[0] != rawMagic:
		return fmt.Errorf("rawsocket handshake: %w: server answered %#02x first, want 0x7f", ErrProtocol, reply[0])
	case reply[2] != 0 || reply[3] != 0:
		return fmt.Errorf("rawsocket handshake: %w: server used reserved octets", ErrProtocol)
	case reply[1]&0x0F == 0:
		return &HandshakeError{Code: HandshakeCode(reply[1] >> 4)}
	case reply[1]&0x0F != byte(s):
		return fmt.Errorf("rawsocket handshake: %w: server answered serializer %d, want %d (%v)",
			ErrProtocol, reply[1]&0x0F, byte(s), s)
	}
	c.agree(Framing{Kind: RawSocket}, s)
	c.maxSend = 1 << (9 + reply[1]>>4)
	return nil
}

// answerRaw is the server's side, after the client's four octets. admit says whether
// there is a place for one more connection. A refusal is sent to the client.
func (c *Conn) answerRaw(request [4]byte, offered []protocol.Serializer, admit func() bool) error {
	s := protocol.Serializer(request[1] & 0x0F)
	var refusal HandshakeCode
	switch {
	case request[0] != rawMagic:
		return fmt.Errorf("rawsocket handshake: %w: client sent %#02x first, want 0x7f", ErrProtocol, request[0])
	case request[2] != 0 || request[3] != 0:
		refusal = ReservedBitsUsed
	case !slices.Contains(offered, s):
		refusal = SerializerUnsupported
	case !admit():
		refusal = TooManyConnections
	}
	reply := [4]byte{rawMagic, lengthExponent(c.maxReceive)<<4 | byte(s), 0, 0}
	if refusal != 0 {
		reply[1] = byte(refusal) << 4
	}
	if _, err := c.nc.Write(reply[:]); err != nil {
		return fmt.Errorf("rawsocket handshake: %w", err)
	}
	if refusal != 0 {
		return &HandshakeError{Code: refusal}
	}
	c.agree(Framing{Kind: RawSocket}, s)
	c.maxSend = 1 << (9 + request[1]>>4)
	return nil
}

func (c *Conn) agree(f Framing, s protocol.Serializer) { c.framing, c.serializer = f, s }

// refuse closes nc such that the last words written to it arrive: closing a socket
// with unread input makes the kernel reset the connection and drop them.
func refuse(nc net.Conn) {
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, nc, lingerBytes) // ends at the handshake deadline
	}
	_ = closeNet(nc)
}

// rawHead reads the header of a frame.
func (c *Conn) rawHead(b []byte) (frameHead, error) {
	if len(b) < rawHeader {
		return frameHead{}, nil
	}
	header := binary.BigEndian.Uint32(b)
	first := byte(header >> 24)
	length := int(header & 0xFFFFFF)
	if first&rawReserved != 0 || first&rawTypeMask > rawPong {
		return frameHead{}, fmt.Errorf("rawsocket: %w: frame header %08x uses reserved bits", ErrProtocol, header)
	}
	if first&rawLongBit != 0 {
		if length != 0 {
			return frameHead{}, fmt.Errorf("rawsocket: %w: frame header %08x is longer than 16 MiB", ErrProtocol, header)
		}
		length = MaxMessageSize
	}
	if length > c.maxReceive {
		return frameHead{}, fmt.Errorf("rawsocket: %w: %d bytes, limit %d", ErrMessageTooLong, length, c.maxReceive)
	}
	return frameHead{size: rawHeader, length: length, kind: first & rawTypeMask}, nil
}

// handRaw gives the body of a frame to the handler.
func (c *Conn) handRaw(h frameHead, body []byte) error {
	switch h.kind {
	case rawPing:
		return c.handled(c.h.Ping(body))
	case rawPong:
		return c.handled(c.h.Pong(body))
	default:
		return c.handled(c.h.Message(body))
	}
}

// rawEnd says what the end of the stream means: nothing bad between two frames.
func (c *Conn) rawEnd(err error) error {
	if errors.Is(err, io.EOF) && (c.r != c.w || c.partial) {
		return fmt.Errorf("rawsocket: connection ended within a frame: %w", io.ErrUnexpectedEOF)
	}
	return err
}
