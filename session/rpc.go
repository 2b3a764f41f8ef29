package session

import (
	"fmt"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// registration is what the machine knows of a registration of its own.
type registration struct {
	id      protocol.ID
	ref     any
	uri     protocol.URI
	ending  bool // an UNREGISTER is under way
	pattern bool
}

// maxLate bounds Machine.late. A router that leaves more calls unfinished gets its late chunks
// served as new calls.
const maxLate = 4096

// callCommand is a CALL and the waiting side of its answer.
type callCommand struct {
	sess  *Session
	msg   *protocol.Call // own, unless the receiver keeps it
	own   protocol.Call
	out   []byte        // encoded arguments, kept with the pooled command
	ready chan struct{} // capacity 1

	// The answer; written before ready is sent to.
	err     error        // failed on this side
	uri     protocol.URI // refused by the peer
	details protocol.ResultDetails
	payload protocol.Payload // in the memory of the message

	progress *progressQueue // nil unless the caller wants progressive results
	async    answerer       // instead of ready; nil if somebody waits
}

// answerer takes each answer of a call, progressive ones included if the options ask for them: a
// result or an error, and nothing after the final one. The result is valid only during the call.
type answerer interface {
	answer(res *protocol.Result, err error)
}

func (c *callCommand) owner() *Session            { return c.sess }
func (c *callCommand) kind() protocol.MessageType { return protocol.TypeCall }

// Size implements Command.
func (c *callCommand) Size() int { return small + c.msg.Payload.Size() }

// Reject implements Command.
func (c *callCommand) Reject(err error) {
	if c.async != nil {
		c.async.answer(nil, err)
		return
	}
	c.err = err
	c.ready <- struct{}{}
}

func (c *callCommand) refused(_ *Machine, msg *protocol.Error) {
	if c.async != nil {
		c.async.answer(nil, remoteError(msg.Error, msg.Payload.Clone()))
		return
	}
	c.uri, c.payload = msg.Error, msg.Payload
	c.ready <- struct{}{}
}

func (c *callCommand) finish(msg *protocol.Result) {
	if c.async != nil {
		c.async.answer(msg, nil)
		return
	}
	c.details, c.payload = msg.Details, msg.Payload
	c.ready <- struct{}{}
}

func (c *callCommand) do(m *Machine) {
	c.msg.Request = m.last.Next()
	m.request(c.msg.Request, c.msg, c)
}

// chunkCommand sends more arguments of a call whose first chunk is a callCommand.
type chunkCommand struct {
	call    *callCommand
	payload protocol.Payload
	more    bool
}

func (c *chunkCommand) Reject(error)    {} // the call itself is rejected
func (c *chunkCommand) Size() int       { return small + c.payload.Size() }
func (c *chunkCommand) owner() *Session { return c.call.sess }

func (c *chunkCommand) do(m *Machine) {
	if !m.waits(c.call) {
		return // already answered: the caller learns it from the call
	}
	msg := protocol.Call{Request: c.call.msg.Request, Procedure: c.call.msg.Procedure, Payload: c.payload}
	msg.Options = c.call.msg.Options // a router may look at those of the first chunk only
	msg.Options.Progress = c.more
	if err := m.fx.Send(&msg); err != nil {
		m.pending.Remove(c.call.msg.Request)
		m.cancel(c.call.msg.Request, protocol.CancelKillNoWait)
		c.call.Reject(err)
	}
}

// waits reports whether a call has no answer yet.
func (m *Machine) waits(c *callCommand) bool {
	r, ok := m.pending.Get(c.msg.Request)
	return ok && r == request(c)
}

// cancelCommand gives up a call.
type cancelCommand struct {
	call   *callCommand
	async  *asyncCall // nil if call is not used again
	turn   uint64     // of async
	mode   protocol.CancelMode
	reason *Error // what the call fails with if nobody waits for its answer; nil is ErrorCanceled
}

func (c *cancelCommand) Reject(error)    {} // the call itself is rejected
func (c *cancelCommand) Size() int       { return small }
func (c *cancelCommand) owner() *Session { return nil }

// do sends CANCEL if the router understands it. Except in mode kill nobody waits for the answer
// any more: it is ignored when it comes.
func (c *cancelCommand) do(m *Machine) {
	if c.async != nil && c.async.turn.Load() != c.turn {
		return // answered
	}
	id := c.call.msg.Request
	if !m.waits(c.call) {
		return
	}
	sent := m.cancel(id, c.mode)
	if c.mode == protocol.CancelKill && sent {
		return
	}
	m.pending.Remove(id)
	if c.reason == nil {
		c.reason = &Error{URI: protocol.ErrorCanceled}
	}
	c.call.Reject(c.reason)
}

func (m *Machine) cancel(id protocol.ID, mode protocol.CancelMode) bool {
	return m.dealer.Has(protocol.FeatureCallCanceling) &&
		m.fx.Send(&protocol.Cancel{Request: id, Mode: mode}) == nil
}

func (m *Machine) onResult(msg *protocol.Result) {
	c, ok := asked[*callCommand](m, msg.Request, protocol.TypeResult)
	if !ok {
		return
	}
	if !msg.Details.Progress {
		m.pending.Remove(msg.Request)
		c.finish(msg)
		return
	}
	switch {
	case c.progress == nil && c.async == nil:
		// Not asked for: the call stays open.
	case c.async != nil:
		if c.msg.Options.ReceiveProgress {
			c.async.answer(msg, nil)
		}
	case !c.progress.add(msg):
		m.pending.Remove(msg.Request)
		m.cancel(msg.Request, protocol.CancelKillNoWait)
		c.Reject(newLocal(protocol.ErrorLimitExceeded, errProgressLimit))
	}
}

// RegisterCommand asks for a registration. Handles post it with the Target; before it reaches
// the machine, the machine's owner decides what Ref stands for it.
type RegisterCommand struct {
	ack
	// Target is what was given to Session.Register: a *Function, or a value that only
	// the owner of the machine understands.
	Target any
	// Ref is handed back with each invocation, see Effects.
	Ref any

	sess *Session
	msg  protocol.Register
}

// NewRegister returns a command that registers a procedure for ref. reply is called with the
// registration's identifier, or with an error; ref is released before that.
func NewRegister(uri protocol.URI, opts protocol.RegisterOptions, ref any, reply func(protocol.ID, error)) *RegisterCommand {
	c := &RegisterCommand{Ref: ref, msg: protocol.Register{Procedure: uri, Options: opts}}
	c.reply = reply
	return c
}

// URI returns the procedure or pattern.
func (c *RegisterCommand) URI() protocol.URI { return c.msg.Procedure }

// Options returns the options. They must not be changed.
func (c *RegisterCommand) Options() *protocol.RegisterOptions { return &c.msg.Options }

func (c *RegisterCommand) owner() *Session            { return c.sess }
func (c *RegisterCommand) kind() protocol.MessageType { return protocol.TypeRegister }

func (c *RegisterCommand) do(m *Machine) {
	c.msg.Request = m.last.Next()
	m.request(c.msg.Request, &c.msg, c)
}

func (c *RegisterCommand) refused(m *Machine, msg *protocol.Error) {
	m.reject(c, remoteError(msg.Error, msg.Payload.Clone()))
}

func (m *Machine) onRegistered(msg *protocol.Registered) {
	c, ok := asked[*RegisterCommand](m, msg.Request, protocol.TypeRegistered)
	if !ok {
		return
	}
	m.pending.Remove(msg.Request)
	if _, taken := m.registrations[msg.Registration]; taken {
		// A router may answer a second registration of a shared procedure with the identifier of
		// the first. Its invocations can have one handler only.
		m.reject(c, newLocal(protocol.ErrorProcedureAlreadyExists, fmt.Errorf("this session already serves %s", c.msg.Procedure)))
		return
	}
	m.registrations[msg.Registration] = &registration{
		id: msg.Registration, ref: c.Ref, uri: c.msg.Procedure, pattern: c.msg.Options.Match != protocol.MatchExact,
	}
	c.settle(msg.Registration, nil)
}

// unregisterCommand ends a registration.
type unregisterCommand struct {
	ack
	sess *Session
	id   protocol.ID
}

// NewUnregister returns a command that ends a registration. reply is called when the router has
// confirmed it; until then invocations may come.
func NewUnregister(id protocol.ID, reply func(error)) Command {
	c := &unregisterCommand{id: id}
	c.reply = func(_ protocol.ID, err error) { reply(err) }
	return c
}

func (c *unregisterCommand) owner() *Session            { return c.sess }
func (c *unregisterCommand) kind() protocol.MessageType { return protocol.TypeUnregister }

func (c *unregisterCommand) do(m *Machine) {
	reg, ok := m.registrations[c.id]
	if !ok || reg.ending {
		c.settle(0, newLocal(protocol.ErrorNoSuchRegistration, fmt.Errorf("registration %d is not of this session", c.id)))
		return
	}
	id := m.last.Next()
	reg.ending = m.request(id, &protocol.Unregister{Request: id, Registration: c.id}, c)
}

func (c *unregisterCommand) refused(m *Machine, msg *protocol.Error) {
	err := remoteError(msg.Error, msg.Payload.Clone())
	if reg := m.registrations[c.id]; reg != nil {
		if reg.ending = false; err.URI == protocol.ErrorNoSuchRegistration {
			m.dropRegistration(c.id, err)
		}
	}
	c.settle(0, err)
}

func (m *Machine) onUnregistered(msg *protocol.Unregistered) {
	if msg.Request == 0 { // the router's own decision: "Registration Revocation"
		m.dropRegistration(msg.Details.ID, revoked(protocol.ErrorNoSuchRegistration, msg.Details.Reason))
		return
	}
	c, ok := asked[*unregisterCommand](m, msg.Request, protocol.TypeUnregistered)
	if !ok {
		return
	}
	m.pending.Remove(msg.Request)
	m.dropRegistration(c.id, nil)
	c.settle(c.id, nil)
}

func (m *Machine) dropRegistration(id protocol.ID, reason error) {
	if reg, ok := m.registrations[id]; ok {
		delete(m.registrations, id)
		m.fx.Release(reg.ref, reason)
	}
}

// revoked returns the error that handlers get when the router takes something away from them.
func revoked(uri protocol.URI, reason string) error {
	e := &Error{URI: uri, remote: true, cause: ErrRevoked}
	if reason != "" {
		e.Args = []any{reason}
	}
	return e
}

func (m *Machine) onInvocation(msg *protocol.Invocation) {
	if inv, ok := m.serving.Get(msg.Request); ok {
		m.onChunk(inv, msg)
		return
	}
	if _, late := m.late[msg.Request]; late {
		if !msg.Details.Progress {
			delete(m.late, msg.Request)
		}
		return
	}
	reg, ok := m.registrations[msg.Registration]
	if !ok { // unregistered or revoked a moment ago: the caller must not wait for ever
		m.refuse(msg.Request, newLocal(protocol.ErrorNoSuchRegistration, fmt.Errorf("registration %d is not of this session", msg.Registration)))
		return
	}
	if m.serving.Len() >= m.cfg.MaxInvocations {
		m.refuse(msg.Request, newLocal(protocol.ErrorLimitExceeded, fmt.Errorf("callee serves %d invocations already", m.cfg.MaxInvocations)))
		return
	}
	inv := m.newInvocation(reg, msg)
	m.serving.Put(msg.Request, inv)
	m.fx.Invoke(reg.ref, inv)
}

// onChunk takes a further chunk of a progressive call.
func (m *Machine) onChunk(inv *Invocation, msg *protocol.Invocation) {
	if inv.inputDone {
		m.Violation(&protocol.ViolationError{
			Message: protocol.TypeInvocation, Field: "Request", Problem: fmt.Sprintf("%d is in use", msg.Request),
		})
		return
	}
	inv.inputDone = !msg.Details.Progress
	if inv.chunks.add(msg) {
		return
	}
	m.serving.Remove(msg.Request)
	m.remember(inv)
	err := newLocal(protocol.ErrorLimitExceeded, errChunkLimit)
	m.refuse(msg.Request, err)
	m.fx.Interrupt(inv.reg.ref, inv, err)
}

// remember that chunks of an answered invocation may still come.
func (m *Machine) remember(inv *Invocation) {
	if inv.inputDone {
		return
	}
	if len(m.late) >= maxLate {
		clear(m.late)
	}
	m.late[inv.request] = struct{}{}
}

// refuse answers an invocation that nobody serves.
func (m *Machine) refuse(id protocol.ID, err *Error) {
	payload, _ := encodeError(m.cfg.Serializer, err) // a text can always be encoded
	_ = m.fx.Send(&protocol.Error{RequestType: protocol.TypeInvocation, Request: id, Error: err.URI, Payload: payload})
}

func (m *Machine) onInterrupt(msg *protocol.Interrupt) {
	inv, ok := m.serving.Get(msg.Request)
	if !ok {
		return // answered meanwhile
	}
	reason := &Error{URI: protocol.ErrorCanceled, remote: true}
	if msg.Reason != "" {
		reason.URI = protocol.CanonicalError(msg.Reason)
	}
	m.fx.Interrupt(inv.reg.ref, inv, reason)
}

// serves reports whether an invocation has no answer yet.
func (m *Machine) serves(inv *Invocation) bool {
	open, _ := m.serving.Get(inv.request)
	return open == inv
}

// do sends the final answer of an invocation, which is a command once it has one.
func (inv *Invocation) do(m *Machine) {
	if !m.serves(inv) {
		return
	}
	m.serving.Remove(inv.request)
	m.remember(inv)
	if err := m.fx.Send(m.answer(inv)); err != nil {
		m.refuse(inv.request, asError(err))
	}
	m.release(inv)
}

// answer returns the message that answers an invocation.
func (m *Machine) answer(inv *Invocation) protocol.Message {
	if inv.failure != "" {
		return &protocol.Error{
			RequestType: protocol.TypeInvocation, Request: inv.request, Error: inv.failure, Payload: inv.payload,
		}
	}
	y := inv.yield
	if y == nil {
		y = &m.yield
	}
	y.Request, y.Options.Passthru, y.Payload = inv.request, inv.passthru, inv.payload
	return y
}

// yieldCommand is a progressive result.
type yieldCommand struct {
	ack
	inv *Invocation
	msg protocol.Yield
}

func (c *yieldCommand) owner() *Session { return c.inv.ctx.sess }
func (c *yieldCommand) Size() int       { return small + c.msg.Payload.Size() }

func (c *yieldCommand) do(m *Machine) {
	if !m.serves(c.inv) {
		c.settle(0, errAnswered)
		return
	}
	c.settle(0, m.fx.Send(&c.msg))
}

// progressQueue holds progressive results until the calling goroutine takes them.
type progressQueue struct {
	mu    sync.Mutex
	items []*Result
	size  int
	wake  chan struct{} // capacity 1
}

// maxQueued bounds what a slow reader may leave in a queue of progressive results or chunks, in
// bytes; each item counts queuedItem in addition.
const (
	maxQueued  = 16 << 20
	queuedItem = 256
)

func (q *progressQueue) add(msg *protocol.Result) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := msg.Payload.Size() + queuedItem
	if q.size+n > maxQueued {
		return false
	}
	q.size += n
	q.items = append(q.items, &Result{Details: msg.Details, data: data{msg.Payload.Clone()}})
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take empties the queue.
func (q *progressQueue) take() []*Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.size = nil, 0
	return items
}
