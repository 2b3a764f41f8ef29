package transport

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Errors of this package that a caller may want to tell apart. They come wrapped:
// use errors.Is.
var (
	// ErrMessageTooLong says that a message exceeds a limit: the configured
	// MaxMessageSize when it was received, 16 MiB when it was framed for RawSocket.
	ErrMessageTooLong = errors.New("message too long")
	// ErrFrameKind says that a WebSocket message came in a text frame although the
	// serializer is binary, or the other way round.
	ErrFrameKind = errors.New("wrong kind of frame")
	// ErrProtocol says that the peer broke the framing or handshake rules of
	// RawSocket (WAMP specification, "RawSocket Transport") or of RFC 6455.
	ErrProtocol = errors.New("protocol error")
	// ErrSubprotocol says that client and server have no serializer in common, or
	// that the server picked one that was not offered.
	ErrSubprotocol = errors.New("no common subprotocol")
)

// HandshakeCode is the reason with which a RawSocket server refuses a client.
type HandshakeCode uint8

// The codes of the WAMP specification, "RawSocket Transport", "Handshake".
const (
	SerializerUnsupported HandshakeCode = 1
	LengthUnacceptable    HandshakeCode = 2
	ReservedBitsUsed      HandshakeCode = 3
	TooManyConnections    HandshakeCode = 4
)

// String returns the reason in words.
func (c HandshakeCode) String() string {
	switch c {
	case SerializerUnsupported:
		return "serializer unsupported"
	case LengthUnacceptable:
		return "maximum message length unacceptable"
	case ReservedBitsUsed:
		return "use of reserved bits"
	case TooManyConnections:
		return "maximum connection count reached"
	default:
		return "reserved code " + strconv.Itoa(int(c))
	}
}

// HandshakeError is a refusal in a RawSocket handshake: what a client received, or
// what a server answered.
type HandshakeError struct {
	Code HandshakeCode
}

// Error names the reason.
func (e *HandshakeError) Error() string {
	return "rawsocket handshake refused: " + e.Code.String()
}

// UpgradeError is the answer of an HTTP server that did not upgrade the connection
// to WebSocket, or of a proxy that did not open a tunnel.
type UpgradeError struct {
	Status  int    // HTTP status code
	Message string // first line of the answer's text, shortened; may be empty
	Proxy   bool   // the answer is that of the proxy
}

// Error names the status and quotes the text.
func (e *UpgradeError) Error() string {
	who := "server"
	if e.Proxy {
		who = "proxy"
	}
	s := fmt.Sprintf("%s answered HTTP %d", who, e.Status)
	if e.Message != "" {
		s += " " + strconv.Quote(e.Message)
	}
	return s
}

// CloseError says that the WebSocket connection ended, and how. It unwraps to io.EOF
// when the peer sent a close frame, and to io.ErrUnexpectedEOF (Code 1006) when the
// connection ended without one.
type CloseError struct {
	Code   int // RFC 6455, section 7.4; 1005 when the frame had no code
	Reason string
}

// Error gives the code and the reason.
func (e *CloseError) Error() string {
	if e.Code == closeAbnormal {
		return "websocket ended without a close frame"
	}
	s := "websocket closed by peer with code " + strconv.Itoa(e.Code)
	if e.Reason != "" {
		s += " " + strconv.Quote(e.Reason)
	}
	return s
}

// Unwrap returns io.EOF or io.ErrUnexpectedEOF.
func (e *CloseError) Unwrap() error {
	if e.Code == closeAbnormal {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// Close codes of RFC 6455, section 7.4.1.
const (
	closeNormal      = 1000
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeNoStatus    = 1005
	closeAbnormal    = 1006
	closeTooBig      = 1009
	closeInternal    = 1011
	closeLastKnown   = 1014
)

// CloseCode returns the WebSocket close code that tells the peer of err, an error of
// Conn.Serve or nil: the peer's own code when it closed, 1002, 1003 or 1009 when it
// broke a rule, 1000 at an orderly end, and 1011 otherwise.
func CloseCode(err error) int {
	var closed *CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != closeNoStatus && closed.Code != closeAbnormal:
		return closed.Code
	case err == nil, errors.Is(err, io.EOF):
		return closeNormal
	case errors.Is(err, ErrMessageTooLong):
		return closeTooBig
	case errors.Is(err, ErrFrameKind):
		return closeUnsupported
	case errors.Is(err, ErrProtocol):
		return closeProtocol
	default:
		return closeInternal
	}
}
