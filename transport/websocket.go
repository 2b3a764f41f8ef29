package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const (
	// wsReadBuffer is the buffer of the WebSocket reader. It only has to hold control
	// frames: reads of the socket are as large as a block.
	wsReadBuffer = 512
	// wsHandshakeLimit is how much a server may answer to the request to upgrade.
	wsHandshakeLimit = 64 << 10
	// wsDirect is the size from which a read goes straight to where it is wanted.
	wsDirect = 8 << 10
)

// wsWriteBuffers makes gorilla/websocket allocate no write buffers: they are for
// messages, and we write none through it.
var wsWriteBuffers sync.Pool //nolint:gochecknoglobals // a cache of free memory

var errHandshakeTooLong = fmt.Errorf("answer to the upgrade is over %d bytes", wsHandshakeLimit)

// wsStream is the Conn as gorilla/websocket sees it: a stream to read from. It may
// write during the handshake only. Later its close frames are dropped: whoever runs
// Serve learns of the error and its owner writes the frame that belongs to it.
type wsStream Conn

func (s *wsStream) Read(p []byte) (int, error) {
	c := (*Conn)(s)
	if c.h == nil {
		return c.readHandshake(p)
	}
	if c.r == c.w {
		if len(p) >= wsDirect {
			c.direct = p
		}
		n, err := c.fillWS()
		if c.direct != nil || err != nil {
			c.direct = nil
			return n, err
		}
	}
	n := copy(p, c.blk[c.r:c.w])
	c.r += n
	return n, nil
}

// fillWS reads once, when all input is consumed.
func (c *Conn) fillWS() (int, error) {
	if err := c.drain(); err != nil {
		return 0, err
	}
	c.r, c.w = 0, 0
	n, err := c.fill()
	c.streamErr = err
	return n, err
}

func (c *Conn) readHandshake(p []byte) (int, error) {
	if c.details.left <= 0 {
		return 0, errHandshakeTooLong
	}
	n, err := c.nc.Read(p[:min(len(p), c.details.left)])
	c.details.left -= n
	return n, err // net/http looks for io.EOF
}

func (s *wsStream) Write(p []byte) (int, error) {
	if s.ws != nil {
		return len(p), nil
	}
	return s.nc.Write(p)
}

func (s *wsStream) Close() error         { return (*Conn)(s).Close() }
func (s *wsStream) LocalAddr() net.Addr  { return s.nc.LocalAddr() }
func (s *wsStream) RemoteAddr() net.Addr { return s.nc.RemoteAddr() }

// Deadlines are ours: Dial and the upgrader set those of the handshake, and later they
// belong to whoever writes.

func (s *wsStream) SetDeadline(time.Time) error      { return nil }
func (s *wsStream) SetReadDeadline(time.Time) error  { return nil }
func (s *wsStream) SetWriteDeadline(time.Time) error { return nil }

// useWebSocket makes ws the reader of c. The handshake is done.
func (c *Conn) useWebSocket(ws *websocket.Conn, s protocol.Serializer, client bool) {
	c.agree(Framing{Kind: WebSocket, Binary: s.Binary(), Mask: client}, s)
	ws.SetReadLimit(int64(c.maxReceive))
	ws.SetPingHandler(func(data string) error { return c.handled(c.h.Ping([]byte(data))) })
	ws.SetPongHandler(func(data string) error { return c.handled(c.h.Pong([]byte(data))) })
	ws.SetCloseHandler(func(int, string) error { return nil })
	c.ws = ws
}

// serveWebSocket is Serve for WebSocket.
func (c *Conn) serveWebSocket() error {
	want := websocket.TextMessage
	if c.framing.Binary {
		want = websocket.BinaryMessage
	}
	for {
		if err := c.awaitFrame(); err != nil {
			return c.wsEnd(err)
		}
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return c.wsEnd(err)
		}
		if kind != want {
			return fmt.Errorf("websocket: %w: opcode %d, serializer %v needs %d", ErrFrameKind, kind, c.serializer, want)
		}
		c.partial = true
		data, err := c.readMessage(r)
		if err != nil {
			return c.wsEnd(err)
		}
		c.partial = false
		if err := c.handled(c.h.Message(data)); err != nil {
			return err
		}
	}
}

// awaitFrame waits for input between two messages, here and not far below in the
// WebSocket reader, so that the stack of an idle connection's goroutine stays small.
func (c *Conn) awaitFrame() error {
	if c.wsb == nil || c.wsb.Buffered() > 0 || c.r != c.w {
		return nil
	}
	_, err := c.fillWS()
	return err
}

// readMessage reads one message: into the slab when it fits, else by way of blocks
// into a buffer of exactly its size.
func (c *Conn) readMessage(r io.Reader) ([]byte, error) {
	if c.slab == nil {
		c.slab = getSlab()
	}
	room := c.slab.buf[c.slab.used:]
	n, done, err := readUpTo(r, room)
	if err != nil {
		return nil, err
	}
	if !done && len(room) < ownBuffer { // more than the rest of this slab: try a fresh one
		old := c.slab
		c.slab = new(slab)
		copy(c.slab.buf[:], room[:n])
		putSlab(old)
		room = c.slab.buf[:]
		var more int
		more, done, err = readUpTo(r, room[n:])
		if err != nil {
			return nil, err
		}
		n += more
	}
	if !done {
		return c.readBlocks(r, room[:n])
	}
	c.slab.used += n
	if slabSize-c.slab.used < minRoom {
		c.slab = nil
	}
	return room[:n:n], nil
}

// readBlocks reads the rest of a large message that starts with head.
func (c *Conn) readBlocks(r io.Reader, head []byte) ([]byte, error) {
	var parts []*block
	defer func() {
		for _, b := range parts {
			putBlock(b)
		}
	}()
	size, last := len(head), 0
	for done := false; !done; {
		b := getBlock()
		parts = append(parts, b)
		var err error
		if last, done, err = readUpTo(r, b[:]); err != nil {
			return nil, err
		}
		if size += last; size > c.maxReceive {
			return nil, fmt.Errorf("websocket: %w: limit %d bytes", ErrMessageTooLong, c.maxReceive)
		}
	}
	data := append(make([]byte, 0, size), head...)
	for i, b := range parts {
		part := b[:]
		if i == len(parts)-1 {
			part = b[:last]
		}
		data = append(data, part...)
	}
	return data, nil
}

// readUpTo reads until b is full or the message is done.
func readUpTo(r io.Reader, b []byte) (n int, done bool, err error) {
	for {
		m, err := r.Read(b[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
		if n == len(b) && m == 0 {
			return n, false, nil
		}
	}
}

// wsEnd turns what the WebSocket reader returned into an error of this package.
func (c *Conn) wsEnd(err error) error {
	var closed *websocket.CloseError
	switch {
	case c.handlerErr != nil:
		return c.handlerErr
	case errors.As(err, &closed):
		return &CloseError{Code: closed.Code, Reason: closed.Text}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &CloseError{Code: closeAbnormal}
	case errors.Is(err, websocket.ErrReadLimit):
		return fmt.Errorf("websocket: %w: limit %d bytes", ErrMessageTooLong, c.maxReceive)
	case c.streamErr != nil:
		return c.streamErr
	case errors.Is(err, ErrMessageTooLong):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
}
