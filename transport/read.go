package transport

import (
	"fmt"
	"io"
)

// input is the reading side of a Conn: octets that were read and not yet consumed.
//
// Frames are read into slabs and messages handed out in place; a large frame gets a
// buffer of its own. A slab is given back whenever a read finds no data.
type input struct {
	slab *slab
	r, w int // unconsumed input is [r:w] of the slab

	direct  []byte // where the next read goes instead: part of a large frame
	partial bool   // a large frame is being read

	own bool // the frame that is handed over lies in a buffer of its own

	pieces []byte // WebSocket: what has come of a message in several frames; nil: none is under way

	idle []byte // without direct access: the buffer of a read that may block for long
	full bool   // without direct access: the last read filled its buffer

	readN   int // result of one read
	readErr error
}

// inputRoom is where the next read goes.
func (c *Conn) inputRoom() []byte {
	if c.direct != nil {
		return c.direct
	}
	if c.slab == nil {
		c.slab = getSlab()
		c.r, c.w = c.slab.used, c.slab.used
	}
	return c.slab.buf[c.w:]
}

// restInput gives memory back that nothing unconsumed lies in, before a wait.
func (c *Conn) restInput() {
	if c.direct == nil && c.r == c.w {
		c.dropSlab()
	}
}

// dropSlab ends the use of a slab whose input is consumed.
func (c *Conn) dropSlab() {
	if c.slab == nil {
		return
	}
	putSlab(c.slab)
	c.slab, c.r, c.w = nil, 0, 0
}

// dropInput lets go of all memory when reading has ended.
func (c *Conn) dropInput() {
	c.r, c.direct, c.partial, c.pieces = c.w, nil, false, nil
	c.restInput()
	c.idle = nil
}

// fill reads once, blocking, and appends to the unconsumed input. It returns the
// number of octets and io.EOF, bare, at the end of the stream.
func (c *Conn) fill() (int, error) {
	n, err := c.read()
	if c.direct == nil {
		c.w += n
	}
	return n, err
}

// read reads once, into inputRoom.
func (c *Conn) read() (int, error) {
	if c.raw == nil {
		return c.readNet()
	}
	c.readN, c.readErr = 0, nil
	if err := c.raw.Read(c.onReadable); err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	if c.readErr != nil && c.readErr != io.EOF { //nolint:errorlint // set by readReady, never wrapped
		return 0, fmt.Errorf("read: %w", c.readErr)
	}
	return c.readN, c.readErr
}

// readNet reads without direct access to the socket. What may wait for long goes
// through a small buffer; once that was filled, more is likely to be there already.
func (c *Conn) readNet() (int, error) {
	var n int
	var err error
	if c.direct != nil || c.r != c.w || c.full {
		room := c.inputRoom()
		n, err = c.nc.Read(room)
		// The last part of a large message fills its buffer exactly: that says nothing.
		c.full = n == len(room) && c.direct == nil
	} else {
		c.restInput()
		if c.idle == nil {
			c.idle = make([]byte, minRoom)
		}
		n, err = c.nc.Read(c.idle)
		copy(c.inputRoom(), c.idle[:n])
		c.full = n == len(c.idle)
	}
	switch {
	case n > 0 || err == nil:
		return n, nil // an error comes again
	case err == io.EOF: //nolint:errorlint // io.Reader returns it bare
		return 0, io.EOF
	default:
		return 0, fmt.Errorf("read: %w", err)
	}
}
