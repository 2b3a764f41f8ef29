package transport

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// PipeEnd is one end of a connection within the process. It moves messages as values:
// nothing is encoded, and the receiver shares the memory of the sender, so a message
// must not be changed once it was sent. Payloads in it are encoded with Serializer.
//
// All methods may be called by anybody at any time, also from a receiver. Messages
// arrive in the order of the calls of Send; several senders at one end have to agree
// on that order themselves.
type PipeEnd struct {
	p    *pipe
	peer *PipeEnd

	// Guarded by p.mu.
	receive  func([]protocol.Message)
	queue    []protocol.Message // sent to this end before it had a receiver
	busy     int                // calls of receive that are running
	onClose  func(error)
	notified bool // onClose was called or has nothing left to be called for
}

type pipe struct {
	mu     sync.Mutex
	closed bool
	err    error
}

// Pipe returns the two ends of a connection within the process.
func Pipe() (a, b *PipeEnd) {
	p := &pipe{}
	a, b = &PipeEnd{p: p}, &PipeEnd{p: p}
	a.peer, b.peer = b, a
	return a, b
}

// Serializer returns protocol.MessagePack, the format of the payloads.
func (e *PipeEnd) Serializer() protocol.Serializer { return protocol.MessagePack }

// Faces reports whether other is the other end of this pipe.
func (e *PipeEnd) Faces(other *PipeEnd) bool { return e.peer == other }

// Send hands msgs to the other end: its receiver runs on this goroutine, and may keep
// the slice. Without a receiver yet the messages are kept, without a bound. After Close
// of either end the error wraps net.ErrClosed.
func (e *PipeEnd) Send(msgs []protocol.Message) error {
	p, to := e.p, e.peer
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return fmt.Errorf("transport: pipe: %w", net.ErrClosed)
	}
	if to.receive == nil {
		to.queue = append(to.queue, msgs...)
		p.mu.Unlock()
		return nil
	}
	to.busy++
	receive := to.receive
	p.mu.Unlock()
	receive(msgs)
	p.mu.Lock()
	to.busy--
	to.notify()
	return nil
}

// Receive sets the receiver, once. What was sent before is delivered first, on this
// goroutine; so is what others send meanwhile.
func (e *PipeEnd) Receive(f func(msgs []protocol.Message)) {
	p := e.p
	p.mu.Lock()
	for len(e.queue) > 0 {
		msgs := e.queue
		e.queue = nil
		e.busy++
		p.mu.Unlock()
		f(msgs)
		p.mu.Lock()
		e.busy--
	}
	e.receive = f
	e.notify()
}

// OnClose sets what is called, once, when either end was closed and every message sent
// to this end before was received: with the error given to Close, or io.EOF if that
// was nil. Messages that wait for a receiver delay the call until there is one.
func (e *PipeEnd) OnClose(f func(error)) {
	e.p.mu.Lock()
	e.onClose = f
	e.notify()
}

// Close closes both ends. Calls after the first do nothing.
func (e *PipeEnd) Close(err error) {
	p := e.p
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	if err == nil {
		err = io.EOF
	}
	p.closed, p.err = true, err
	e.notify()
	p.mu.Lock()
	e.peer.notify()
}

// notify calls onClose if it is time. It unlocks p.mu.
func (e *PipeEnd) notify() {
	p := e.p
	if !p.closed || e.notified || e.onClose == nil || e.busy > 0 || len(e.queue) > 0 {
		p.mu.Unlock()
		return
	}
	e.notified = true
	err := p.err
	p.mu.Unlock()
	e.onClose(err)
}
