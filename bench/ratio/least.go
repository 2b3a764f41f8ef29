package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// leastCaller is what a client in Go can hardly do without whose callers are goroutines that wait for their results: a
// lock for the output, a goroutine that writes what has gathered, one that reads and wakes the callers, and the same
// codec as ours. It speaks RawSocket. Nothing in it can be canceled, times out, or survives the connection.
type leastCaller struct {
	conn    net.Conn
	s       protocol.Serializer
	wake    chan struct{} // capacity 1: there is output
	callers []leastSlot

	mu   sync.Mutex
	out  []byte
	last protocol.ID
	open map[protocol.ID]*leastSlot
	err  error // why the reader ended
}

// leastSlot is what one caller needs.
type leastSlot struct {
	ready   chan struct{} // capacity 1; closed when nothing more comes
	payload protocol.Payload
	call    protocol.Call
}

// leastClient connects and joins. The function returned makes a call for one of the callers.
func leastClient(address, serializer string, window int) (func(caller int) (int, error), error) {
	s, ok := protocol.ParseSerializer(serializer)
	if !ok {
		return nil, fmt.Errorf("there is no serializer %q", serializer)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &leastCaller{
		conn: conn, s: s, wake: make(chan struct{}, 1), callers: make([]leastSlot, window), open: make(map[protocol.ID]*leastSlot),
	}
	for i := range c.callers {
		c.callers[i].ready = make(chan struct{}, 1)
		c.callers[i].call.Procedure = procedure
		c.callers[i].call.Payload.Serializer = s
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	if err := c.join(in); err != nil {
		return nil, err
	}
	go c.write()
	go c.read(in)
	return c.invoke, nil
}

// frame appends a message with its RawSocket header.
func (c *leastCaller) frame(dst []byte, m protocol.Message) ([]byte, error) {
	start := len(dst)
	dst, err := codec.Append(append(dst, 0, 0, 0, 0), c.s, m)
	if err == nil {
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4)) //nolint:gosec // it is small
	}
	return dst, err
}

func (c *leastCaller) join(in *bufio.Reader) error {
	hello, err := c.frame(nil, &protocol.Hello{Realm: "realm1", Details: protocol.HelloDetails{
		Roles: protocol.Roles{}.With(protocol.Caller, 0),
	}})
	if err != nil {
		return err
	}
	if _, err := c.conn.Write(append([]byte{0x7f, 0xf0 | byte(c.s), 0, 0}, hello...)); err != nil {
		return err
	}
	var shake [4]byte
	if _, err := io.ReadFull(in, shake[:]); err != nil {
		return err
	}
	m, err := c.next(in, codec.NewDecoder(c.s))
	if _, ok := m.(*protocol.Welcome); err == nil && !ok {
		return fmt.Errorf("no WELCOME but %T", m)
	}
	return err
}

func (c *leastCaller) next(in *bufio.Reader, d *codec.Decoder) (protocol.Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	data := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	return d.Decode(data)
}

// write writes what gathers while others have their turn.
func (c *leastCaller) write() {
	var spare []byte
	for range c.wake {
		runtime.Gosched()
		c.mu.Lock()
		b := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if _, err := c.conn.Write(b); err != nil {
			return // the reader learns it, too
		}
		spare = b
	}
}

func (c *leastCaller) read(in *bufio.Reader) {
	d := codec.NewDecoder(c.s)
	for {
		m, err := c.next(in, d)
		res, ok := m.(*protocol.Result)
		if err == nil && !ok {
			err = fmt.Errorf("no RESULT but %T", m)
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
			for i := range c.callers {
				close(c.callers[i].ready)
			}
			c.mu.Unlock()
			return
		}
		slot := c.open[res.Request]
		delete(c.open, res.Request)
		c.mu.Unlock()
		if slot != nil {
			slot.payload = res.Payload
			slot.ready <- struct{}{}
		}
	}
}

// invoke calls the procedure for one caller.
func (c *leastCaller) invoke(caller int) (int, error) {
	slot := &c.callers[caller]
	var err error
	slot.call.Payload.Args, err = codec.AppendArgs(slot.call.Payload.Args[:0], c.s, firstArgument, secondArgument)
	if err != nil {
		return 0, err
	}
	if err := c.post(slot); err != nil {
		return 0, err
	}
	if _, ok := <-slot.ready; !ok {
		return 0, errors.Join(errors.New("the connection has ended"), c.err)
	}
	var x int
	err = codec.DecodeArgs(slot.payload, &x)
	return x, err
}

func (c *leastCaller) post(slot *leastSlot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.last++
	slot.call.Request = c.last
	c.open[c.last] = slot
	tell := len(c.out) == 0
	var err error
	if c.out, err = c.frame(c.out, &slot.call); err == nil && tell {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return err
}
