package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var (
	errProgressLimit = fmt.Errorf("progressive results of more than %d MiB are waiting for OnProgress", maxQueued>>20)
	errChunkLimit    = fmt.Errorf("arguments of more than %d MiB are waiting for the handler", maxQueued>>20)
	errCallTimeout   = errors.New("no answer in time")
)

// keepBuffer is the largest buffer that goes back to a pool with its command.
const keepBuffer = 64 << 10

// getCall returns a command from the session's pool. The pool is not shared by sessions because
// of the channel in it: one that was made in a testing/synctest bubble must stay there.
func (s *Session) getCall(procedure protocol.URI) *callCommand {
	c, ok := s.calls.Get().(*callCommand)
	if !ok {
		c = &callCommand{ready: make(chan struct{}, 1)}
	}
	c.open(s, procedure)
	return c
}

func (c *callCommand) open(s *Session, procedure protocol.URI) {
	c.sess = s
	if s.shared {
		m := new(sharedCall)
		c.msg, c.out = &m.Call, m.buf[:0]
	} else {
		c.msg = &c.own
	}
	c.msg.Procedure = procedure
}

// sharedCall is a CALL that is handed over as it is, with the memory of a small payload.
type sharedCall struct {
	protocol.Call
	buf [smallPayload]byte
}

// smallPayload is the size up to which a payload lies in the same piece of memory as what it
// belongs to.
const smallPayload = 48

// put takes a command back whose answer was received: nobody else refers to it.
func (c *callCommand) put() {
	out := c.out[:0]
	if c.sess.shared || cap(out) > keepBuffer {
		out = nil
	}
	s := c.sess
	*c = callCommand{ready: c.ready, out: out}
	s.calls.Put(c)
}

// Result is the answer of a call. It may be read concurrently.
type Result struct {
	data
	// Details are the details of the RESULT.
	Details protocol.ResultDetails
}

// newResult returns a result that shares no memory with a message.
func newResult(details protocol.ResultDetails, p protocol.Payload) *Result {
	if p.Size() > smallPayload {
		return &Result{Details: details, data: data{p.Clone()}}
	}
	r := new(struct {
		Result
		buf [smallPayload]byte
	})
	r.Details, r.Payload = details, copyPayload(r.buf[:0], p)
	return &r.Result
}

// Call calls a procedure and waits for its result.
//
//	res, err := s.Call(ctx, "com.myapp.add2", session.Args(2, 3))
//
// It returns an [*Error] if the callee or the router answers with one, an [*EndedError] if the
// session ends first, and the error of ctx if that is done first: the call is then canceled, see
// [OnCancel]. A deadline of ctx stays on this side, see [Timeout] for one that the router knows.
// Values that cannot be encoded fail with protocol.ErrorInvalidPayload, a call that is larger
// than the router accepts with protocol.ErrorPayloadSizeExceeded; neither harms the session.
func (s *Session) Call(ctx context.Context, procedure string, opts ...CallOption) (*Result, error) {
	spec := callSpec{}
	for _, o := range opts {
		o.applyCall(&spec)
	}
	c, err := s.call(ctx, procedure, &spec, spec.args, spec.kwargs)
	if err != nil {
		return nil, s.wrap("call", protocol.URI(procedure), err)
	}
	res := newResult(c.details, c.payload)
	c.put()
	return res, nil
}

// Call calls a procedure with positional values and returns the first positional value of the
// result as a T. It fails like [Session.Call], and with protocol.ErrorInvalidArgument if the result
// has no positional value, or none that T can hold. With struct{} as T the result is ignored.
//
//	sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
func Call[T any](ctx context.Context, s *Session, procedure string, args ...any) (T, error) {
	var v T
	spec := callSpec{}
	c, err := s.call(ctx, procedure, &spec, args, nil)
	if err != nil {
		return v, s.wrap("call", protocol.URI(procedure), err)
	}
	if err = decodeFirst(c.payload, &v); err != nil {
		err = s.wrap("call", protocol.URI(procedure), fmt.Errorf("result: %w", err))
	}
	c.put()
	return v, err
}

// As turns the answer of a verb into a T as [Call] does, for calls with options:
//
//	hits, err := session.As[[]Hit](s.Call(ctx, "com.myapp.search", session.Timeout(time.Second)))
func As[T any](res *Result, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	if err := decodeFirst(res.Payload, &v); err != nil {
		return v, fmt.Errorf("session: result: %w", err)
	}
	return v, nil
}

// call makes the call and returns its command with the answer in it, or an error.
func (s *Session) call(ctx context.Context, procedure string, spec *callSpec, args []any, kwargs any) (*callCommand, error) {
	c, err := s.newCall(procedure, spec, args, kwargs)
	if err != nil {
		return nil, err
	}
	if err := s.poster.Await(ctx); err != nil {
		c.put() // nobody has seen it yet
		return nil, err
	}
	s.poster.Post(c)
	return s.finish(ctx, c, spec)
}

// newCall encodes a call, on the goroutine of the caller.
func (s *Session) newCall(procedure string, spec *callSpec, args []any, kwargs any) (*callCommand, error) {
	uri := protocol.URI(procedure)
	if err := s.checkCall(uri, spec); err != nil {
		return nil, err
	}
	c := s.getCall(uri)
	if err := c.encode(spec, args, kwargs); err != nil {
		c.put()
		return nil, err
	}
	if spec.onProgress != nil {
		c.progress = &progressQueue{wake: make(chan struct{}, 1)}
	}
	return c, nil
}

func (s *Session) checkCall(uri protocol.URI, spec *callSpec) error {
	if spec.err != nil {
		return newLocal(protocol.ErrorInvalidArgument, spec.err)
	}
	if err := checkExact(uri, true); err != nil {
		return err
	}
	return s.Err()
}

func (c *callCommand) encode(spec *callSpec, args []any, kwargs any) (err error) {
	c.msg.Options = spec.options
	c.msg.Payload, c.out, err = encodeValues(c.out, c.sess.details.Serializer, args, kwargs)
	return err
}

// finish waits for the answer of a posted call.
func (s *Session) finish(ctx context.Context, c *callCommand, spec *callSpec) (*callCommand, error) {
	if d, ok := s.ownTimeout(spec); ok { // the router does not know call timeouts
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, d, newLocal(protocol.ErrorTimeout, errCallTimeout))
		defer stop()
	}
	if err := s.await(ctx, c, spec); err != nil {
		return nil, err // given up: the command belongs to the machine and is not used again
	}
	if c.err != nil || c.uri != "" {
		err := c.err
		if err == nil {
			err = remoteError(c.uri, c.payload.Clone())
		}
		c.put()
		return nil, err
	}
	return c, nil
}

// ownTimeout returns the timeout of a call that this side has to keep, if there is one.
func (s *Session) ownTimeout(spec *callSpec) (time.Duration, bool) {
	if spec.options.Timeout == 0 || s.details.Roles.Supports(protocol.Dealer, protocol.FeatureCallTimeout) {
		return 0, false
	}
	return time.Duration(min(spec.options.Timeout, uint64(maxTimeout/time.Millisecond))) * time.Millisecond, true
}

// maxTimeout keeps a timeout in milliseconds from overflowing a time.Duration.
const maxTimeout = 1<<63 - 1

// await returns nil when the answer is in c, and otherwise why it is not waited for any longer. The
// end of the session is an answer, too: see Poster.
func (s *Session) await(ctx context.Context, c *callCommand, spec *callSpec) error {
	done := ctx.Done()
	var wake chan struct{}
	if c.progress != nil {
		wake = c.progress.wake
	}
	for {
		if done == nil && wake == nil {
			<-c.ready
			return nil
		}
		select {
		case <-c.ready:
			c.drain(spec)
			return nil
		case <-wake:
			c.drain(spec)
		case <-done:
			if spec.cancel != protocol.CancelKill {
				return s.giveUp(ctx, c, spec)
			}
			s.poster.Post(&cancelCommand{call: c, mode: spec.cancel})
			done = nil
		}
	}
}

func (s *Session) giveUp(ctx context.Context, c *callCommand, spec *callSpec) error {
	s.poster.Post(&cancelCommand{call: c, mode: cmp.Or(spec.cancel, protocol.CancelKillNoWait)})
	var local *Error
	if cause := context.Cause(ctx); errors.As(cause, &local) && errors.Is(cause, errCallTimeout) {
		return local // the timeout that the router did not enforce
	}
	return ctx.Err()
}

func (c *callCommand) drain(spec *callSpec) {
	if c.progress == nil {
		return
	}
	for _, res := range c.progress.take() {
		spec.onProgress(res)
	}
}

// CallAsync is Call for those who cannot wait, such as actors. reply is called once with the
// result or the error, and before that with each progressive result, which has Details.Progress,
// if OnProgress is among the options. It is called by the session, or at once by this goroutine if
// the call cannot be made, and must not block. There is no flow control: whoever makes calls
// without waiting for their results decides how many. The function returned cancels the call; it
// may be called at any time.
func (s *Session) CallAsync(procedure string, reply func(*Result, error), opts ...CallOption) (cancel func()) {
	a := asyncCalls.Get().(*asyncCall) //nolint:forcetypeassert // see the pool
	for _, o := range opts {
		o.applyCall(&a.spec)
	}
	uri := protocol.URI(procedure)
	err := s.checkCall(uri, &a.spec)
	if err == nil {
		a.out = a.buf[:0]
		a.open(s, uri)
		err = a.encode(&a.spec, a.spec.args, a.spec.kwargs)
	}
	if err != nil {
		a.put()
		reply(nil, s.wrap("call", uri, err))
		return func() {}
	}
	a.then, a.async = reply, a
	mode, turn := cmp.Or(a.spec.cancel, protocol.CancelKillNoWait), a.turn.Load()
	give := func(reason *Error) {
		s.poster.Post(&cancelCommand{call: &a.callCommand, async: a, turn: turn, mode: mode, reason: reason})
	}
	if d, ok := s.ownTimeout(&a.spec); ok {
		a.timer = time.AfterFunc(d, func() { give(newLocal(protocol.ErrorTimeout, errCallTimeout)) })
	}
	s.poster.Post(&a.callCommand)
	return func() { give(nil) }
}

// asyncCall is the call of somebody who does not wait. It is used again once it has its answer.
type asyncCall struct {
	callCommand
	turn  atomic.Uint64 // grows with each use: whoever cancels an earlier one does not mean this one
	spec  callSpec
	then  func(*Result, error)
	timer *time.Timer // nil unless this side has to keep the timeout
	buf   [smallPayload]byte
}

var asyncCalls = sync.Pool{New: func() any { return new(asyncCall) }} //nolint:gochecknoglobals // a pool serves the whole process

func (a *asyncCall) put() {
	a.turn.Add(1)
	a.callCommand, a.spec, a.then, a.timer = callCommand{}, callSpec{}, nil, nil
	asyncCalls.Put(a)
}

// answer implements answerer.
func (a *asyncCall) answer(msg *protocol.Result, err error) {
	final := err != nil || !msg.Details.Progress
	if final && a.timer != nil {
		a.timer.Stop()
	}
	then, s, uri := a.then, a.sess, a.msg.Procedure
	if final {
		a.put() // before then, which may call again
	}
	if err != nil {
		then(nil, s.wrap("call", uri, err))
		return
	}
	then(newResult(msg.Details, msg.Payload), nil)
}

// CallStream is a call whose arguments are sent in several chunks ("Progressive Call
// Invocations"). It is used by one goroutine at a time, and must be closed.
type CallStream struct {
	s    *Session
	c    *callCommand
	spec callSpec
}

// OpenCall calls a procedure and sends the first chunk of its arguments; [CallStream.Send] sends
// more and [CallStream.Close] the last. Options apply to the call as a whole. It fails with
// protocol.ErrorFeatureNotSupported if the router does not announce progressive call invocations.
func (s *Session) OpenCall(ctx context.Context, procedure string, opts ...CallOption) (*CallStream, error) {
	st := &CallStream{s: s}
	for _, o := range opts {
		o.applyCall(&st.spec)
	}
	if !s.details.Roles.Supports(protocol.Dealer, protocol.FeatureProgressiveCallInvocations) {
		err := newLocal(protocol.ErrorFeatureNotSupported, errors.New("the router does not announce progressive call invocations"))
		return nil, s.wrap("call", protocol.URI(procedure), err)
	}
	st.spec.options.Progress = true
	c, err := s.newCall(procedure, &st.spec, st.spec.args, st.spec.kwargs)
	if err == nil {
		err = s.poster.Await(ctx)
	}
	if err != nil {
		return nil, s.wrap("call", protocol.URI(procedure), err)
	}
	st.c = c
	s.poster.Post(c)
	return st, nil
}

// Send sends positional values as a further chunk. It does not wait for the callee. An answer
// that ends the call early is reported by Close; progressive results that have come are handed to
// OnProgress.
func (st *CallStream) Send(ctx context.Context, args ...any) error {
	st.c.drain(&st.spec)
	return st.s.wrap("call", st.c.msg.Procedure, st.send(ctx, true, args))
}

func (st *CallStream) send(ctx context.Context, more bool, args []any) error {
	payload, _, err := encodeValues(nil, st.s.details.Serializer, args, nil)
	if err != nil {
		return err
	}
	if err := st.s.poster.Await(ctx); err != nil {
		return err
	}
	st.s.poster.Post(&chunkCommand{call: st.c, payload: payload, more: more})
	return nil
}

// Close sends positional values as the last chunk and waits for the result. It fails like
// [Session.Call]; if the last chunk cannot be sent, the call is canceled.
func (st *CallStream) Close(ctx context.Context, args ...any) (*Result, error) {
	uri := st.c.msg.Procedure
	if err := st.send(ctx, false, args); err != nil {
		st.s.poster.Post(&cancelCommand{call: st.c, mode: protocol.CancelKillNoWait})
		return nil, st.s.wrap("call", uri, err)
	}
	c, err := st.s.finish(ctx, st.c, &st.spec)
	if err != nil {
		return nil, st.s.wrap("call", uri, err)
	}
	return &Result{Details: c.details, data: data{c.payload}}, nil // a stream's command is not pooled
}
