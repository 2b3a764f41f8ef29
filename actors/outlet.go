package actors

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// outlet is a session actor's way to its peer. It belongs to that actor.
type outlet interface {
	// send queues m, which may be changed after the call. An error means that m cannot
	// be sent to this peer, and that nothing of it was queued.
	send(m protocol.Message) error
	// flush hands over what was queued. It ends each turn of the actor.
	flush()
	// close says that nothing follows: what is queued is still written, then the
	// connection is closed. code and reason are for a WebSocket close frame.
	close(code int, reason string)
}

// errTooLong is why a message is not sent: the peer would not accept it.
var errTooLong = errors.New("actors: message is longer than the peer accepts")

// frameOutlet encodes into a buffer that goes to the transport actor with each flush.
type frameOutlet struct {
	host       *Host
	transport  *actor.PID
	framing    transport.Framing
	serializer protocol.Serializer
	maxSend    int // 0 is no limit
	flow       *outflow
	buf        *buffer
}

func newFrameOutlet(h *Host, pid *actor.PID, c *transport.Conn, flow *outflow) *frameOutlet {
	return &frameOutlet{
		host: h, transport: pid, framing: c.Framing(), serializer: c.Serializer(), maxSend: c.MaxSend(), flow: flow,
	}
}

func (o *frameOutlet) send(m protocol.Message) error {
	o.buf = bufferFor(o.buf, payloadSize(m)+headRoom)
	start := len(o.buf.b)
	b, err := appendFrame(o.buf.b, o.framing, o.serializer, o.maxSend, m)
	o.buf.b = b
	if err != nil {
		return err
	}
	if _, event := m.(*protocol.Event); !event {
		o.buf.owed = true
	}
	o.flow.queued.Add(int64(len(b) - start))
	o.flushFull()
	return nil
}

// accepts reports whether the peer takes each of the messages.
func (o *frameOutlet) accepts(frames []byte) bool {
	if o.maxSend == 0 || len(frames) <= o.maxSend {
		return true
	}
	for m := range o.framing.Messages(frames) {
		if len(m) > o.maxSend {
			return false
		}
	}
	return true
}

// sendFrames queues events that are encoded already.
func (o *frameOutlet) sendFrames(frames []byte) {
	o.buf = bufferFor(o.buf, len(frames))
	o.buf.b = append(o.buf.b, frames...)
	o.flow.queued.Add(int64(len(frames)))
	o.flushFull()
}

func (o *frameOutlet) flushFull() {
	if len(o.buf.b) >= flushSize {
		o.flush()
	}
}

func (o *frameOutlet) flush() {
	if o.buf == nil {
		return
	}
	buf := o.buf
	o.buf = nil
	if len(buf.b) == 0 {
		buf.free()
		return
	}
	o.host.send(o.transport, buf)
}

func (o *frameOutlet) close(code int, reason string) {
	o.flush()
	o.host.send(o.transport, &closeConn{code: code, reason: reason})
}

// appendFrame appends m as a frame. On error dst is returned as it was.
func appendFrame(dst []byte, f transport.Framing, s protocol.Serializer, maxSend int, m protocol.Message) ([]byte, error) {
	start := len(dst)
	b := f.BeginSized(dst, payloadSize(m))
	body := len(b)
	b, err := codec.Append(b, s, m)
	if err != nil {
		return dst[:start], err
	}
	if n := len(b) - body; maxSend > 0 && n > maxSend {
		return dst[:start], fmt.Errorf("%w: %d bytes, at most %d", errTooLong, n, maxSend)
	}
	b, err = f.End(b, start)
	if err != nil {
		return dst[:start], fmt.Errorf("%w: %w", errTooLong, err)
	}
	return b, nil
}

// headRoom is how much of a message, at a guess, is not its payload.
const headRoom = 512

// payloadOf returns the payload of a message that may be large, and nil for others. It returns a
// pointer because copying a payload costs a good part of encoding a small message.
func payloadOf(m protocol.Message) *protocol.Payload {
	switch m := m.(type) {
	case *protocol.Invocation:
		return &m.Payload
	case *protocol.Result:
		return &m.Payload
	case *protocol.Event:
		return &m.Payload
	case *protocol.Call:
		return &m.Payload
	case *protocol.Yield:
		return &m.Payload
	case *protocol.Publish:
		return &m.Payload
	case *protocol.Error:
		return &m.Payload
	default:
		return nil
	}
}

func payloadSize(m protocol.Message) int {
	if p := payloadOf(m); p != nil {
		return len(p.Args) + len(p.KwArgs)
	}
	return 0
}
