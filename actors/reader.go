package actors

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// inbound is what one read brought, on its way to a session actor, which gives it
// back with free.
type inbound struct {
	msgs []protocol.Message
	size int // bytes, to be released when the messages are handled
	// err is what the peer did wrong after the messages: a *protocol.ViolationError, or
	// an error of the framing for which violation reports true. The session answers with
	// ABORT and closes with closeCode(err); nothing else follows but *linkLost.
	err  error
	flow *inflow
	// arena has the memory of messages: nobody keeps those that it is for beyond free.
	arena codec.Arena
	large []large
}

var inbounds = sync.Pool{New: func() any { return new(inbound) }} //nolint:gochecknoglobals // a pool serves the whole process

// free releases the bytes and gives the batch back.
func (b *inbound) free() {
	const keep = 1024
	if b.flow != nil {
		b.flow.release(b.size)
	}
	clear(b.msgs)
	clear(b.large)
	if cap(b.msgs) > keep {
		return
	}
	b.arena.Reset()
	b.msgs, b.size, b.err, b.flow, b.large = b.msgs[:0], 0, nil, nil, b.large[:0]
	inbounds.Put(b)
}

// reader is the goroutine that reads one connection: it decodes headers and posts what
// one read brought as one message.
type reader struct {
	host      *Host
	conn      *transport.Conn
	decoder   *codec.Decoder
	owner     *actor.PID // session actor
	transport *actor.PID
	flow      *inflow
	out       *outflow
	reads     *atomic.Uint64 // signs of life
	batch     *inbound
	help      sched.Helper
	deaf      bool // the peer broke the protocol: the rest is read and thrown away
}

// errReaderQuit ends a connection whose reader was helping when an actor ended its
// goroutine by runtime.Goexit.
var errReaderQuit = errors.New("actors: reader has been ended")

func (r *reader) run() {
	err := errReaderQuit
	defer func() { r.ended(err) }()
	err = safely(func() error { return r.conn.Serve(r) })
}

func (r *reader) ended(err error) {
	wrong := !r.deaf && violation(err)
	if wrong {
		r.fail(err)
	}
	if bug, ok := errors.AsType[*supervisor.PanicError](err); ok {
		r.host.logger.Error("reader failed", slog.Any("reason", bug), stackOf(bug))
	}
	r.host.send(r.transport, &readEnded{err: err, violation: wrong || r.deaf, unread: wrong})
}

// violation reports whether err, of decoding or of Conn.Serve, is the peer's fault, so
// that it is told by an ABORT.
func violation(err error) bool {
	_, wrong := errors.AsType[*protocol.ViolationError](err)
	return wrong || errors.Is(err, transport.ErrProtocol) ||
		errors.Is(err, transport.ErrFrameKind) || errors.Is(err, transport.ErrMessageTooLong)
}

// closeCode is the WebSocket close code for what the peer did wrong.
func closeCode(err error) int {
	if _, wrong := errors.AsType[*protocol.ViolationError](err); wrong {
		return closeProtocolError
	}
	return transport.CloseCode(err)
}

// Message implements transport.Handler. After a message that cannot be decoded the
// reader goes on and throws away what comes: closing a connection with unread input
// would make the kernel throw away our ABORT.
func (r *reader) Message(data []byte) error {
	if r.deaf {
		return nil
	}
	b := r.open()
	m, err := r.decoder.DecodeIn(&b.arena, data)
	if err != nil {
		r.deaf = true
		r.fail(err)
		return nil
	}
	b.msgs = append(b.msgs, m)
	if r.conn.Recyclable() {
		b.large = append(b.large, large{m, data})
	}
	b.size += len(data) + messageOverhead
	return nil
}

// Ping implements transport.Handler: the answer is the transport actor's. Pings of a
// peer that does not read the answers are not answered: they would pile up.
func (r *reader) Ping(payload []byte) error {
	const enough = 1 << 20
	if !r.deaf && r.out.queued.Load() < enough {
		r.out.queued.Add(int64(len(payload)))
		r.host.send(r.transport, &pong{payload: append([]byte(nil), payload...)})
	}
	return nil
}

// Pong implements transport.Handler. That it was read is all that counts.
func (r *reader) Pong([]byte) error { return nil }

// Drained implements transport.Handler.
func (r *reader) Drained() error {
	reads := r.reads.Add(1)
	if r.batch != nil {
		r.handOver(reads > helpAfter)
	}
	return r.flow.wait()
}

// helpAfter is how many reads of a connection are left to the workers. The stack of a
// reader that helps is larger, and a session that is opened to be idle need not pay.
const helpAfter = 8

// handOver posts the batch and, if nobody else is there to handle it, does that itself.
func (r *reader) handOver(help bool) {
	if help && r.help.Begin(r.host.dispatcher) {
		defer r.help.End()
	}
	r.post()
}

func (r *reader) open() *inbound {
	if r.batch == nil {
		r.batch = inbounds.Get().(*inbound)
	}
	return r.batch
}

// fail posts what there is, and what the peer did wrong after it.
func (r *reader) fail(err error) {
	r.open().err = err
	r.post()
}

func (r *reader) post() {
	b := r.batch
	r.batch = nil
	b.flow = r.flow
	r.flow.take(b.size)
	r.host.send(r.owner, b)
}
