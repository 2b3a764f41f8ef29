package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const (
	// wsReadBuffer is the buffer of the WebSocket handshake.
	wsReadBuffer = 512
	// wsHandshakeLimit is how much a server may answer to the request to upgrade.
	wsHandshakeLimit = 64 << 10
)

// wsWriteBuffers makes gorilla/websocket allocate no write buffers: they are for
// messages, and we write none through it.
var wsWriteBuffers sync.Pool //nolint:gochecknoglobals // a cache of free memory

var errHandshakeTooLong = fmt.Errorf("answer to the upgrade is over %d bytes", wsHandshakeLimit)

// wsStream is the Conn as gorilla/websocket sees it during the handshake. What a peer
// sends behind the header of its answer is kept for Serve, if the header is all that
// was wanted.
type wsStream Conn

func (s *wsStream) Read(p []byte) (int, error) {
	c := (*Conn)(s)
	if c.r != c.w {
		n := copy(p, c.slab.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	if c.details.left <= 0 {
		return 0, errHandshakeTooLong
	}
	n, err := c.nc.Read(p[:min(len(p), c.details.left)])
	c.details.left -= n
	end := c.details.headerEnd(p[:n])
	if end < n {
		c.w += copy(c.inputRoom(), p[end:n])
	}
	return end, err // net/http looks for io.EOF
}

// headerEnd returns how much of b belongs to the header of an HTTP answer, or all of b
// if the header has ended before.
func (h *handshake) headerEnd(b []byte) int {
	for i, octet := range b {
		switch {
		case h.bodyFollows:
			return len(b)
		case octet == '\n' && h.lineStart:
			h.bodyFollows = true
			return i + 1
		case octet == '\n':
			h.lineStart = true
		case octet != '\r':
			h.lineStart = false
		}
	}
	return len(b)
}

func (s *wsStream) Write(p []byte) (int, error) { return s.nc.Write(p) }
func (s *wsStream) Close() error                { return (*Conn)(s).Close() }
func (s *wsStream) LocalAddr() net.Addr         { return s.nc.LocalAddr() }
func (s *wsStream) RemoteAddr() net.Addr        { return s.nc.RemoteAddr() }

// Deadlines are ours: Dial and the upgrader set those of the handshake, and later they
// belong to whoever writes.

func (s *wsStream) SetDeadline(time.Time) error      { return nil }
func (s *wsStream) SetReadDeadline(time.Time) error  { return nil }
func (s *wsStream) SetWriteDeadline(time.Time) error { return nil }

// useWebSocket says that the handshake is done.
func (c *Conn) useWebSocket(s protocol.Serializer, client bool) {
	c.agree(Framing{Kind: WebSocket, Binary: s.Binary(), Mask: client}, s)
}

// Problems of frames (RFC 6455, section 5).
var (
	errReservedBits = fmt.Errorf("websocket: %w: reserved bits are set", ErrProtocol)
	errOpcode       = fmt.Errorf("websocket: %w: unknown opcode", ErrProtocol)
	errControlFrame = fmt.Errorf("websocket: %w: a control frame is fragmented or has over %d bytes", ErrProtocol, wsControl)
	errNotMasked    = fmt.Errorf("websocket: %w: a client's frame is not masked", ErrProtocol)
	errMasked       = fmt.Errorf("websocket: %w: a server's frame is masked", ErrProtocol)
	errInterrupted  = fmt.Errorf("websocket: %w: a message starts within another one", ErrProtocol)
	errNoMessage    = fmt.Errorf("websocket: %w: a frame continues no message", ErrProtocol)
	errCloseFrame   = fmt.Errorf("websocket: %w: malformed close frame", ErrProtocol)
)

// wsHead reads the header of a frame, and checks it against what came before.
func (c *Conn) wsHead(b []byte) (frameHead, error) {
	if len(b) < 2 {
		return frameHead{}, nil
	}
	h := frameHead{size: 2, kind: b[0] & wsOpcode, final: b[0]&wsFinal != 0}
	if err := c.checkOpcode(b[0], b[1]); err != nil {
		return h, err
	}
	length := uint64(b[1] &^ wsMasked)
	switch {
	case length > wsControl && h.kind >= wsClose:
		return h, errControlFrame
	case length == wsLength16:
		h.size = 4
	case length == wsLength64:
		h.size = 10
	}
	mask := h.size
	if b[1]&wsMasked != 0 {
		h.size += wsMaskLen
	}
	if len(b) < h.size {
		return frameHead{}, nil
	}
	switch length {
	case wsLength16:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case wsLength64:
		length = binary.BigEndian.Uint64(b[2:])
	}
	if h.kind < wsClose && length > uint64(c.maxReceive-len(c.pieces)) {
		return h, fmt.Errorf("websocket: %w: %d bytes, limit %d", ErrMessageTooLong, min(length, math.MaxInt64), c.maxReceive)
	}
	h.length = int(length) // a control frame is short
	if mask < h.size {
		h.key = binary.LittleEndian.Uint32(b[mask:])
	}
	return h, nil
}

// checkOpcode checks the first two octets of a frame but for its length.
func (c *Conn) checkOpcode(first, second byte) error {
	opcode := first & wsOpcode
	masked := second&wsMasked != 0
	switch {
	case first&wsReserved != 0:
		return errReservedBits
	case masked && c.framing.Mask:
		return errMasked
	case !masked && !c.framing.Mask:
		return errNotMasked
	}
	switch opcode {
	case wsText, wsBinary:
		if c.pieces != nil {
			return errInterrupted
		}
		if c.framing.Binary != (opcode == wsBinary) {
			return fmt.Errorf("websocket: %w: opcode %d does not suit serializer %v", ErrFrameKind, opcode, c.serializer)
		}
	case wsContinued:
		if c.pieces == nil {
			return errNoMessage
		}
	case wsClose, wsPing, wsPong:
		if first&wsFinal == 0 {
			return errControlFrame
		}
	default:
		return errOpcode
	}
	return nil
}

// handWebSocket gives a frame to the handler, or keeps it until its message is complete.
func (c *Conn) handWebSocket(h frameHead, body []byte) error {
	if !c.framing.Mask {
		mask(body, h.key)
	}
	switch h.kind {
	case wsPing:
		return c.handled(c.h.Ping(body))
	case wsPong:
		return c.handled(c.h.Pong(body))
	case wsClose:
		return closeFrame(body)
	}
	switch {
	case h.final && c.pieces == nil:
	case h.final:
		body = append(c.pieces, body...)
		body = slices.Clip(body)
		c.pieces = nil
	case c.pieces == nil:
		c.pieces = append(make([]byte, 0, max(len(body), minRoom)), body...)
		return nil
	default:
		c.pieces = append(c.pieces, body...)
		return nil
	}
	return c.handled(c.h.Message(body))
}

// closeFrame returns what a close frame says as an error.
func closeFrame(body []byte) error {
	if len(body) == 0 {
		return &CloseError{Code: closeNoStatus}
	}
	if len(body) < 2 || !utf8.Valid(body[2:]) {
		return errCloseFrame
	}
	code := int(binary.BigEndian.Uint16(body))
	if !validClose(code) {
		return errCloseFrame
	}
	return &CloseError{Code: code, Reason: string(body[2:])}
}

// validClose reports whether a peer may send the code (RFC 6455, section 7.4, and the
// registry that it founded).
func validClose(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code == 1004, code == closeNoStatus, code == closeAbnormal:
		return false
	default:
		return code >= closeNormal && code <= closeLastKnown
	}
}

// wsEnd says what the end of the stream means: it should have come with a close frame.
func wsEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &CloseError{Code: closeAbnormal}
	}
	return err
}
