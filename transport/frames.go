package transport

// frameHead is what the header of a frame says.
type frameHead struct {
	size   int    // of the header; 0: it is not complete yet
	length int    // of the body
	kind   byte   // RawSocket: type of the frame; WebSocket: opcode
	final  bool   // WebSocket: the message ends with this frame
	key    uint32 // WebSocket: the mask of a client's frame
}

// maxHeader is the longest header of a frame: WebSocket, 64 bit length, mask.
const maxHeader = 14

// head reads the header of the frame that b starts with, and checks it.
func (c *Conn) head(b []byte) (frameHead, error) {
	if c.framing.Kind == WebSocket {
		return c.wsHead(b)
	}
	return c.rawHead(b)
}

// handOver gives a frame to the handler.
func (c *Conn) handOver(h frameHead, body []byte) error {
	if c.framing.Kind == WebSocket {
		return c.handWebSocket(h, body)
	}
	return c.handRaw(h, body)
}

// serveFrames is Serve without what is around it.
func (c *Conn) serveFrames() error {
	for {
		size, err := c.handFrames()
		if err != nil {
			return err
		}
		if err := c.drain(); err != nil {
			return err
		}
		if size-maxHeader > ownBuffer && size > c.room() {
			var refused error
			if refused, err = c.takeLarge(); refused != nil {
				return refused
			}
		} else {
			c.makeRoom(size)
			_, err = c.fill()
		}
		switch {
		case err == nil:
		case c.framing.Kind == WebSocket:
			return wsEnd(err)
		default:
			return c.rawEnd(err)
		}
	}
}

// takeLarge reads a large frame and hands it over.
func (c *Conn) takeLarge() (refused, err error) {
	h, body, err := c.readLarge()
	if err != nil {
		return nil, err
	}
	c.own = true
	return c.handOver(h, body), nil
}

// handFrames hands over every complete frame of the input. It returns the size of
// the incomplete one that is left, as far as it is known, or 0.
func (c *Conn) handFrames() (int, error) {
	for c.r != c.w {
		h, err := c.head(c.slab.buf[c.r:c.w])
		if err != nil {
			return 0, err
		}
		if h.size == 0 {
			return maxHeader, nil
		}
		start := c.r + h.size
		end := start + h.length
		if end > c.w {
			return h.size + h.length, nil
		}
		c.r = end
		body := c.slab.buf[start:end:end]
		if c.own = h.length > ownBuffer; c.own {
			body = append(Buffer(h.length), body...)
		} else {
			c.slab.used = end
		}
		if err := c.handOver(h, body); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// room is how much an incomplete frame may have in the slab.
func (c *Conn) room() int {
	if c.slab == nil {
		return 0
	}
	return slabSize - c.slab.used
}

// makeRoom moves the incomplete frame of the given size, 0 for none, in front of all that
// was not handed out in place, and to a fresh slab if it doesn't fit or if the slab is
// nearly full.
func (c *Conn) makeRoom(size int) {
	switch {
	case c.slab == nil:
		return
	case c.r == c.w:
		c.r, c.w = c.slab.used, c.slab.used
	case slabSize-c.r < size && c.room() >= size:
		n := copy(c.slab.buf[c.slab.used:], c.slab.buf[c.r:c.w])
		c.r, c.w = c.slab.used, c.slab.used+n
	}
	if slabSize-c.r >= max(size, minRoom) {
		return
	}
	fresh := getSlab()
	if slabSize-fresh.used < size {
		putSlab(fresh)
		fresh = new(slab)
	}
	start := fresh.used
	end := start + copy(fresh.buf[start:], c.slab.buf[c.r:c.w])
	c.dropSlab()
	c.slab, c.r, c.w = fresh, start, end
}

// readLarge reads the rest of an incomplete frame, whose header is there, into a buffer
// of its own, which grows with what arrives.
func (c *Conn) readLarge() (frameHead, []byte, error) {
	h, err := c.head(c.slab.buf[c.r:c.w])
	if err != nil {
		return h, nil, err
	}
	body := append(Buffer(min(h.length, firstGrowth)), c.slab.buf[c.r+h.size:c.w]...)
	c.dropSlab()
	c.partial = true
	for len(body) < h.length {
		if len(body) == cap(body) {
			grown := append(Buffer(min(h.length, growth*cap(body))), body...)
			Recycle(body)
			body = grown
		}
		c.direct = body[len(body):min(cap(body), h.length)]
		n, err := c.fill()
		if err != nil {
			return h, nil, err
		}
		body = body[:len(body)+n]
	}
	c.direct, c.partial = nil, false
	return h, body, nil
}
