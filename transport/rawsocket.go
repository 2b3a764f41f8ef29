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

// serveRaw is Serve for RawSocket.
func (c *Conn) serveRaw() error {
	for {
		size, err := c.handFrames()
		if err != nil {
			return err
		}
		if err := c.drain(); err != nil {
			return err
		}
		if size > ownBuffer && size > c.room() {
			err = c.readLarge()
		} else {
			c.makeRoom(size)
			_, err = c.fill()
		}
		if err != nil {
			return c.rawEnd(err)
		}
	}
}

// rawEnd says what the end of the stream means: nothing bad between two frames.
func (c *Conn) rawEnd(err error) error {
	if errors.Is(err, io.EOF) && (c.r != c.w || c.partial) {
		return fmt.Errorf("rawsocket: connection ended within a frame: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// handFrames hands over every complete frame of the input. It returns the size of
// the incomplete one that is left, as far as it is known, or 0.
func (c *Conn) handFrames() (int, error) {
	for c.w-c.r >= rawHeader {
		header := binary.BigEndian.Uint32(c.slab.buf[c.r:])
		length, err := c.rawLength(header)
		if err != nil {
			return 0, err
		}
		end := c.r + rawHeader + length
		if end > c.w {
			return rawHeader + length, nil
		}
		body := c.slab.buf[c.r+rawHeader : end : end]
		c.r = end
		if err := c.handOver(header, body); err != nil {
			return 0, err
		}
	}
	if c.r != c.w {
		return rawHeader, nil
	}
	return 0, nil
}

// rawLength checks a frame header and returns the length of the body.
func (c *Conn) rawLength(header uint32) (int, error) {
	first := byte(header >> 24)
	length := int(header & 0xFFFFFF)
	if first&rawReserved != 0 || first&rawTypeMask > rawPong {
		return 0, fmt.Errorf("rawsocket: %w: frame header %08x uses reserved bits", ErrProtocol, header)
	}
	if first&rawLongBit != 0 {
		if length != 0 {
			return 0, fmt.Errorf("rawsocket: %w: frame header %08x is longer than 16 MiB", ErrProtocol, header)
		}
		length = MaxMessageSize
	}
	if length > c.maxReceive {
		return 0, fmt.Errorf("rawsocket: %w: %d bytes, limit %d", ErrMessageTooLong, length, c.maxReceive)
	}
	return length, nil
}

// handOver gives the body of a frame to the handler.
func (c *Conn) handOver(header uint32, body []byte) error {
	switch byte(header>>24) & rawTypeMask {
	case rawPing:
		return c.handled(c.h.Ping(body))
	case rawPong:
		return c.handled(c.h.Pong(body))
	default:
		return c.handled(c.h.Message(body))
	}
}

// room is how much a frame that starts with the unconsumed input may have in the slab.
func (c *Conn) room() int {
	if c.slab == nil {
		return 0
	}
	return slabSize - c.r
}

// makeRoom moves an incomplete frame of the given size, 0 for none, to a fresh slab
// if it doesn't fit, and leaves a slab that is nearly full.
func (c *Conn) makeRoom(size int) {
	if c.slab == nil || c.room() >= max(size, minRoom) {
		return
	}
	fresh := getSlab()
	if slabSize-fresh.used < size {
		putSlab(fresh)
		fresh = new(slab)
	}
	start := fresh.used
	end := start + copy(fresh.buf[start:], c.slab.buf[c.r:c.w])
	c.w = c.r // the old place of the incomplete frame was not handed out
	c.dropSlab()
	c.slab, c.r, c.w = fresh, start, end
}

// readLarge reads the rest of an incomplete frame into a buffer of its own, which
// grows with what arrives, and hands it over.
func (c *Conn) readLarge() error {
	header := binary.BigEndian.Uint32(c.slab.buf[c.r:])
	length, err := c.rawLength(header)
	if err != nil {
		return err
	}
	body := make([]byte, 0, min(length, firstGrowth))
	body = append(body, c.slab.buf[c.r+rawHeader:c.w]...)
	c.w = c.r
	c.dropSlab()
	c.partial = true
	for len(body) < length {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(length, 2*cap(body)))
			copy(grown, body)
			body = grown
		}
		c.direct = body[len(body):cap(body)]
		n, err := c.fill()
		if err != nil {
			return err
		}
		body = body[:len(body)+n]
	}
	c.direct, c.partial = nil, false
	return c.handOver(header, body[:length:length])
}
