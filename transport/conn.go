package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var errNoTryWrite = errors.New("not possible on this connection")

// closeGrace is how long Close may take to tell a TLS peer of the end.
const closeGrace = 250 * time.Millisecond

// Handler receives what Conn.Serve reads, on the goroutine that called Serve. An
// error of any method ends Serve, which returns it as it is.
type Handler interface {
	// Message hands over one complete WAMP message. data is immutable from then on
	// and belongs to the handler; it may share a slab of 16 KiB with other messages,
	// so copy what is kept for long.
	Message(data []byte) error
	// Ping must have a pong with the same payload written. payload is valid during
	// the call only.
	Ping(payload []byte) error
	// Pong hands over the answer to a ping. payload is valid during the call only.
	Pong(payload []byte) error
	// Drained says that everything one read brought was handed over. It is called
	// before each read that may block, if anything was handed over since the last
	// call. It may itself block: nothing is read meanwhile, which is back-pressure.
	Drained() error
}

// Conn is a connection whose handshake is done. One goroutine may run Serve while one
// other writes (TryWrite, Write, SetWriteDeadline); Close and the accessors may be
// called by anybody.
type Conn struct {
	nc  net.Conn
	raw syscall.RawConn // direct access to the socket; nil: there is none

	framing    Framing
	serializer protocol.Serializer
	maxReceive int
	maxSend    int
	details    *handshake

	closed  atomic.Bool
	release func() // gives back the place in a listener's count

	h          Handler
	handlerErr error // what the handler returned, so that Serve can
	undrained  bool  // something was handed over since the last Drained

	input // reading state, see read.go

	// State of one TryWrite. The callbacks are kept so that no call allocates.
	onReadable, onWritable func(fd uintptr) bool
	writing                []byte
	wroteN                 int
	writeErr               error
}

// handshake is what a handshake told about the peer.
type handshake struct {
	url, host, path string
	header          http.Header
	left            int // octets the peer may still send before the handshake is done
	// Of the header of a server's answer: where the reading of it is.
	lineStart, bodyFollows bool
}

// Details describe a connection.
type Details struct {
	Kind       Kind
	URL        string // what was dialed, without query and credentials; "" on the server's side
	LocalAddr  net.Addr
	RemoteAddr net.Addr
	TLS        *tls.ConnectionState // nil without TLS
	Host       string               // WebSocket server: Host of the request
	Path       string               // WebSocket server: path of the request
	Header     http.Header          // WebSocket server: the request's, without those of the handshake; read only
}

// newConn makes a Conn of nc, with kind and serializer still to be agreed upon.
func newConn(nc net.Conn, o Options) *Conn {
	c := &Conn{nc: nc, raw: rawConn(nc), maxReceive: o.MaxMessageSize}
	if c.raw != nil {
		c.onReadable, c.onWritable = c.readReady, c.writeReady
	}
	return c
}

// Serve reads until the connection ends and hands everything to h. It writes nothing.
// Call it once.
//
// At an orderly end the error is io.EOF: the peer closed between two RawSocket
// frames, or sent a WebSocket close frame (then a *CloseError, which unwraps to
// io.EOF). Otherwise it is ErrMessageTooLong, ErrFrameKind, ErrProtocol,
// io.ErrUnexpectedEOF, net.ErrClosed after Close, or an error of the network, all
// wrapped, or what h returned. Serve does not close the connection.
func (c *Conn) Serve(h Handler) error {
	c.h = h
	err := c.serveFrames()
	failed := c.handlerErr
	if failed == nil {
		_ = c.drain() // what came before the end
	}
	c.dropInput()
	switch {
	case failed != nil:
		return failed
	case err == io.EOF: //nolint:errorlint // only the bare value needs no context
		return io.EOF
	default:
		return fmt.Errorf("transport: %w", err)
	}
}

// Recyclable reports whether the message that Handler.Message is being called with has
// memory of its own, which Recycle takes back when nobody refers to it any more.
func (c *Conn) Recyclable() bool { return c.own }

// handled records that something was handed over, and the handler's answer.
func (c *Conn) handled(err error) error {
	c.undrained = true
	if err != nil {
		c.handlerErr = err
	}
	return err
}

// drain calls Drained if something was handed over since the last call.
func (c *Conn) drain() error {
	if !c.undrained {
		return nil
	}
	c.undrained = false
	if err := c.h.Drained(); err != nil {
		c.handlerErr = err
		return err
	}
	return nil
}

// CanTryWrite reports whether TryWrite works: on plain TCP and unix sockets of unix
// systems, not under TLS.
func (c *Conn) CanTryWrite() bool { return c.raw != nil }

// Write writes all of b, blocking until the kernel took it or the write deadline
// passed. After an error nothing more can be written.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.nc.Write(b)
	if err != nil {
		return n, fmt.Errorf("transport: write: %w", err)
	}
	return n, nil
}

// SetWriteDeadline bounds TryWrite and Write, as that of net.Conn; the zero time is no
// deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if err := c.nc.SetWriteDeadline(t); err != nil {
		return fmt.Errorf("transport: set write deadline: %w", err)
	}
	return nil
}

// Close ends the connection at once and makes Serve and Write return. It sends no
// close frame. Under TLS it tells the peer of the end if that takes no longer than
// 250 ms. Calls after the first do nothing.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if c.release != nil {
		c.release()
	}
	return closeNet(c.nc)
}

// closeNet closes nc. What Close of a TLS connection writes may block for seconds
// when the peer doesn't read.
func closeNet(nc net.Conn) error {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nc.Close()
	}
	hurry := time.AfterFunc(closeGrace, func() { _ = tc.NetConn().Close() })
	defer hurry.Stop()
	return tc.Close()
}

// Framing says how to frame messages for this connection.
func (c *Conn) Framing() Framing { return c.framing }

// Serializer is the serializer that the handshake agreed upon.
func (c *Conn) Serializer() protocol.Serializer { return c.serializer }

// MaxSend is the longest message in bytes that the peer accepts; 0 is no limit. Only
// RawSocket peers tell.
func (c *Conn) MaxSend() int { return c.maxSend }

// Details describe the connection and the peer. The result must not be changed.
func (c *Conn) Details() Details {
	d := Details{Kind: c.framing.Kind, LocalAddr: c.nc.LocalAddr(), RemoteAddr: c.nc.RemoteAddr()}
	d.TLS = tlsState(c.nc)
	if c.details != nil {
		d.URL, d.Host, d.Path, d.Header = c.details.url, c.details.host, c.details.path, c.details.header
	}
	return d
}
