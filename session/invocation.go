package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// errAnswered says that an invocation has its final answer.
var errAnswered = errors.New("the invocation has been answered")

// Reply is what a handler answers beyond a plain value: several positional values, keyword
// values, or a payload in passthru mode. The zero value answers nothing, successfully.
type Reply struct {
	// Args are the positional values.
	Args []any
	// KwArgs are the keyword values: a map with string keys or a struct, nil is absent.
	KwArgs any
	// Passthru announces an opaque payload, see the option Passthru.
	Passthru *protocol.Passthru
}

// Invocation is a call that this session serves. Handlers read it and answer by returning; the
// methods that answer are for those who cannot return, such as actors. Reading and answering are
// safe from any goroutine, Next belongs to one at a time.
type Invocation struct {
	data
	// Details are the details of the INVOCATION: who calls, if that is disclosed, which procedure
	// of a pattern is meant, whether progressive results are welcome. They are read-only, and
	// never nil.
	Details *protocol.InvocationDetails

	request   protocol.ID
	reg       *registration
	procedure protocol.URI
	ctx       lifetime
	chunks    *chunkQueue // nil unless the call comes in chunks
	notify    func(*Invocation)
	inputDone bool // the machine's: the last chunk has come
	spare     bool // nobody refers to it any more once it is answered
	answered  atomic.Bool

	// The answer; written before the invocation is posted.
	payload  protocol.Payload
	passthru *protocol.Passthru
	failure  protocol.URI    // an error, instead of a result
	yield    *protocol.Yield // nil unless Send keeps the answer

	buf [48]byte // memory of a small payload
	out [40]byte // memory of a small answer
}

// sharedInvocation is an Invocation whose answer is handed over as it is.
type sharedInvocation struct {
	Invocation
	answer protocol.Yield
}

var noDetails protocol.InvocationDetails //nolint:gochecknoglobals // a constant: what most invocations have

// maxSpare is how many invocations a machine keeps to use them again.
const maxSpare = 64

func (m *Machine) newInvocation(reg *registration, msg *protocol.Invocation) *Invocation {
	inv := m.blank()
	inv.Details, inv.request, inv.reg, inv.procedure = &noDetails, msg.Request, reg, reg.uri
	inv.ctx.sess, inv.inputDone = m.sess, !msg.Details.Progress
	if !plain(&msg.Details) {
		details := msg.Details // not a pointer into the message, see copyPayload
		inv.Details = &details
		if details.Procedure != "" {
			inv.procedure = details.Procedure
		}
		if details.Progress {
			inv.chunks = new(chunkQueue)
		}
	}
	inv.Payload = copyPayload(inv.buf[:0], msg.Payload)
	return inv
}

func (m *Machine) blank() *Invocation {
	if m.sess.shared {
		both := new(sharedInvocation)
		both.yield = &both.answer
		return &both.Invocation
	}
	n := len(m.spare)
	if n == 0 {
		return new(Invocation)
	}
	inv := m.spare[n-1]
	m.spare[n-1] = nil
	m.spare = m.spare[:n-1]
	return inv
}

// release takes an invocation back whose answer was sent, and that nobody has seen but a function
// without a parameter for it.
func (m *Machine) release(inv *Invocation) {
	if inv.spare && len(m.spare) < maxSpare {
		*inv = Invocation{}
		m.spare = append(m.spare, inv)
	}
}

// plain reports whether there are no details.
func plain(d *protocol.InvocationDetails) bool {
	return !d.Progress && !d.ReceiveProgress && d.Timeout == 0 && d.Caller == 0 && d.CallerAuthID == "" &&
		d.CallerAuthRole == "" && d.Procedure == "" && d.TrustLevel == nil && d.Passthru == nil && d.Extra == nil
}

// copyPayload copies a payload into buf if it fits: a short one would keep a whole slab of
// messages alive as long as the handler runs.
func copyPayload(buf []byte, p protocol.Payload) protocol.Payload {
	if p.Size() > cap(buf) {
		return p
	}
	c := protocol.Payload{Serializer: p.Serializer}
	buf = append(append(buf, p.Args...), p.KwArgs...)
	if n := len(p.Args); p.Args != nil {
		c.Args = buf[:n:n]
	}
	if p.KwArgs != nil {
		c.KwArgs = buf[len(p.Args):]
	}
	return c
}

// Procedure returns the URI that was called. For a pattern registration that is what the router
// says, for any other it is the URI that was registered.
func (inv *Invocation) Procedure() protocol.URI { return inv.procedure }

// Request returns the identifier of the invocation, unique within its session.
func (inv *Invocation) Request() protocol.ID { return inv.request }

// Registration returns the identifier of the registration.
func (inv *Invocation) Registration() protocol.ID { return inv.reg.id }

// Session returns the session that serves the call.
func (inv *Invocation) Session() *Session { return inv.ctx.sess }

// Context returns the context of the invocation: it ends when the caller cancels the call, when
// the session ends, and with the answer; Reason says which. It is the context that a handler
// gets, except for the call timeout, see [ForwardTimeout].
func (inv *Invocation) Context() context.Context { return &inv.ctx }

// Reason returns nil while the invocation is wanted, and then why it is not: an [*Error] with
// protocol.ErrorCanceled, an [*EndedError], or that it has been answered.
func (inv *Invocation) Reason() error { return inv.ctx.reason() }

// Interrupt ends the context of the invocation. It is for the owner of the machine.
func (inv *Invocation) Interrupt(reason error) { inv.ctx.end(reason) }

// Progress sends a progressive result with these positional values. It does nothing if the caller
// did not ask for any (Details.ReceiveProgress). It waits while a slow router leaves too much
// data unread, no longer than ctx allows, and fails when the invocation has ended.
func (inv *Invocation) Progress(ctx context.Context, args ...any) error {
	return inv.Yield(ctx, Reply{Args: args})
}

// Yield is Progress for a result with keyword values.
func (inv *Invocation) Yield(ctx context.Context, r Reply) error {
	if inv.Details.ReceiveProgress {
		if err := inv.ctx.sess.poster.Await(ctx); err != nil {
			return inv.ctx.sess.wrap("progress", inv.procedure, err)
		}
	}
	return inv.YieldAsync(r)
}

// YieldAsync is Yield for those who cannot wait, such as actors: it never does.
func (inv *Invocation) YieldAsync(r Reply) error {
	if !inv.Details.ReceiveProgress {
		return nil
	}
	if inv.answered.Load() {
		return inv.ctx.sess.wrap("progress", inv.procedure, errAnswered)
	}
	if reason := inv.ctx.reason(); reason != nil {
		return inv.ctx.sess.wrap("progress", inv.procedure, reason)
	}
	payload, _, err := encodeValues(nil, inv.ctx.sess.details.Serializer, r.Args, r.KwArgs)
	if err != nil {
		return inv.ctx.sess.wrap("progress", inv.procedure, err)
	}
	inv.ctx.sess.poster.Post(&yieldCommand{
		inv: inv, msg: protocol.Yield{
			Request: inv.request, Options: protocol.YieldOptions{Progress: true, Passthru: r.Passthru}, Payload: payload,
		},
	})
	return nil
}

// Next waits for the next chunk of a call whose arguments come in several, and makes it what
// Args, KwArgs and Decode return. It reports false after the last chunk, and fails if the
// invocation or ctx ends first. The first chunk is there from the start.
func (inv *Invocation) Next(ctx context.Context) (bool, error) {
	if inv.chunks == nil {
		return false, nil
	}
	return inv.chunks.next(ctx, inv)
}

// Respond answers the invocation. It reports whether this was the first answer: later ones are
// ignored. A reply that cannot be encoded becomes an error for the caller.
func (inv *Invocation) Respond(r Reply) bool {
	if !inv.answered.CompareAndSwap(false, true) {
		return false
	}
	inv.conclude(func() {
		payload, _, err := encodeValues(inv.out[:0], inv.ctx.sess.details.Serializer, r.Args, r.KwArgs)
		if err != nil {
			inv.setFailure(err)
			return
		}
		inv.passthru, inv.payload = r.Passthru, payload
	})
	return true
}

// Fail answers the invocation with an error, which the component's ErrorMap translates; without
// a URI of its own it is sent as protocol.ErrorRuntime with its text. An error that matches the
// context error of an interrupted invocation is sent as protocol.ErrorCanceled. It reports
// whether this was the first answer, like Respond.
func (inv *Invocation) Fail(err error) bool {
	if !inv.answered.CompareAndSwap(false, true) {
		return false
	}
	inv.conclude(func() { inv.setFailure(err) })
	return true
}

// conclude posts the answer that encode makes, and an error if that panics: a method of the
// application's values may, and the caller must not wait for ever.
func (inv *Invocation) conclude(encode func()) {
	whole := false
	defer func() {
		if !whole {
			inv.spare = false // who recovers will look at it again
			inv.failure, inv.payload = protocol.ErrorRuntime, protocol.Payload{}
		}
		inv.post()
	}()
	encode()
	whole = true
}

// Answer answers the invocation with what a handler returned.
func (inv *Invocation) Answer(r Reply, err error) bool {
	if err != nil {
		return inv.Fail(err)
	}
	return inv.Respond(r)
}

func (inv *Invocation) setFailure(err error) {
	if reason := inv.ctx.reason(); reason != nil && isContextError(err) {
		err = reason
	}
	e := inv.ctx.sess.errors.toWire(err)
	payload, encErr := encodeError(inv.ctx.sess.details.Serializer, e)
	if encErr != nil {
		e = asError(encErr)
		payload, _ = encodeError(inv.ctx.sess.details.Serializer, e) // a text can always be encoded
	}
	inv.failure, inv.payload = e.URI, payload
}

// post hands the answered invocation to the machine, as the command that it is.
func (inv *Invocation) post() {
	notify := inv.notify
	if !inv.spare { // nobody has its context
		inv.ctx.end(errAnswered)
	}
	inv.ctx.sess.poster.Post(inv) // and now it is the machine's
	if notify != nil {
		notify(inv)
	}
}

// Notify has f called once the invocation has been answered, by whoever answers it. It is for
// the owner of the machine, who calls it at most once and before anybody else gets the invocation.
func (inv *Invocation) Notify(f func(inv *Invocation)) { inv.notify = f }

// Size implements Command.
func (inv *Invocation) Size() int { return small + inv.payload.Size() }

// Reject implements Command: the caller of a session that has ended is answered by the router.
func (inv *Invocation) Reject(error) {}

func (inv *Invocation) owner() *Session { return inv.ctx.sess }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// chunkQueue keeps chunks of arguments until the handler takes them.
type chunkQueue struct {
	mu    sync.Mutex
	items []*protocol.Invocation
	size  int
	wake  chan struct{} // made by the handler that waits
}

func (q *chunkQueue) add(msg *protocol.Invocation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := msg.Payload.Size() + queuedItem
	if q.size+n > maxQueued {
		return false
	}
	q.size += n
	chunk := *msg
	chunk.Payload = msg.Payload.Clone()
	q.items = append(q.items, &chunk)
	if q.wake != nil {
		close(q.wake)
		q.wake = nil
	}
	return true
}

func (q *chunkQueue) next(ctx context.Context, inv *Invocation) (bool, error) {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			chunk := q.items[0]
			q.items[0] = nil
			q.items = q.items[1:]
			q.size -= chunk.Payload.Size() + queuedItem
			q.mu.Unlock()
			details := *inv.Details // the other details are those of the first chunk
			details.Progress = chunk.Details.Progress
			inv.Payload, inv.Details = chunk.Payload, &details
			return true, nil
		}
		if !inv.Details.Progress {
			q.mu.Unlock()
			return false, nil
		}
		if q.wake == nil {
			q.wake = make(chan struct{})
		}
		wake := q.wake
		q.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return false, ctx.Err()
		case <-inv.ctx.Done():
			return false, inv.ctx.reason()
		}
	}
}
