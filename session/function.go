package session

import "context"

// Function is a compiled handler of calls, for the owner of a machine. It is safe for concurrent
// use.
type Function struct {
	handler InvocationHandler
	sig     *signature // nil: the handler reads its invocations
}

// CompileFunction is [CompileHandler] for those who serve invocations.
func CompileFunction(handler any) (*Function, error) {
	switch h := handler.(type) {
	case *Function:
		return h, notNil(h != nil)
	case InvocationHandler:
		return &Function{handler: h}, notNil(h != nil)
	case func(context.Context, *Invocation) (Reply, error):
		return &Function{handler: h}, notNil(h != nil)
	}
	sig, err := compile(handler, invocationType)
	if err != nil {
		return nil, err
	}
	return &Function{handler: sig.handle, sig: sig}, nil
}

// Serve runs the handler and answers the invocation, which belongs to the handler from then on:
// the caller must not look at it again unless the handler panics or does not return.
func (f *Function) Serve(inv *Invocation) {
	if f.sig == nil {
		inv.Answer(f.handler(inv.Context(), inv))
		return
	}
	f.sig.answer(inv)
}

// handle is the function as an InvocationHandler, whose caller may keep the reply.
func (sig *signature) handle(ctx context.Context, inv *Invocation) (Reply, error) {
	f := sig.get()
	var results []any
	if n := len(f.results); n > 0 {
		results = make([]any, n)
	}
	r, err := sig.serve(f, ctx, inv, results)
	sig.put(f)
	return r, err
}

// answer calls the function and answers with what it returns. An invocation that the function has
// not seen, nor its context, is used again: nobody can have kept it.
func (sig *signature) answer(inv *Invocation) {
	f := sig.get()
	var ctx context.Context
	if sig.hasCtx {
		ctx = inv.Context()
	}
	r, err := sig.serve(f, ctx, inv, f.results)
	inv.spare = !sig.hasCtx && !sig.hasOwner && inv.private()
	inv.Answer(r, err)
	sig.put(f)
}

// private reports whether only the machine knows the invocation, besides who serves it.
func (inv *Invocation) private() bool {
	return inv.yield == nil && inv.notify == nil && inv.chunks == nil && inv.Details.Timeout == 0
}
