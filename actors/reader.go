package actors

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// inbound is what one read brought, on its way to a session actor, which gives it
// back with free.
type inbound struct {
	msgs []protocol.Message
	size int   // bytes, to be released when the messages are handled
	err  error // a *protocol.ViolationError that follows the messages
	flow *inflow
}

var inbounds = sync.Pool{New: func() any { return new(inbound) }} //nolint:gochecknoglobals // a pool serves the whole process

// free releases the bytes and gives the batch back.
func (b *inbound) free() {
	const keep = 1024
	if b.flow != nil {
		b.flow.release(b.size)
	}
	clear(b.msgs)
	if cap(b.msgs) > keep {
		return
	}
	*b = inbound{msgs: b.msgs[:0]}
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
	reads     *atomic.Uint64 // signs of life
	batch     *inbound
}

func (r *reader) run() {
	err := r.conn.Serve(r)
	var wrong *protocol.ViolationError
	r.host.send(r.transport, &readEnded{err: err, violation: errors.As(err, &wrong)})
}

// Message implements transport.Handler.
func (r *reader) Message(data []byte) error {
	if r.batch == nil {
		r.batch = inbounds.Get().(*inbound) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	}
	m, err := r.decoder.Decode(data)
	if err != nil {
		r.batch.err = err
		r.post()
		return err
	}
	r.batch.msgs = append(r.batch.msgs, m)
	r.batch.size += len(data)
	return nil
}

// Ping implements transport.Handler: the answer is the transport actor's.
func (r *reader) Ping(payload []byte) error {
	r.host.send(r.transport, &pong{payload: append([]byte(nil), payload...)})
	return nil
}

// Pong implements transport.Handler. That it was read is all that counts.
func (r *reader) Pong([]byte) error { return nil }

// Drained implements transport.Handler.
func (r *reader) Drained() error {
	r.reads.Add(1)
	if r.batch != nil {
		r.post()
	}
	return r.flow.wait()
}

func (r *reader) post() {
	b := r.batch
	r.batch = nil
	b.flow = r.flow
	r.flow.take(b.size)
	r.host.send(r.owner, b)
}
