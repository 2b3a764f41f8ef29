package session

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// InvocationHandler serves calls. It answers by returning; an error is translated as
// Invocation.Fail says. ctx ends when the answer is not wanted any more, see Invocation.Context.
// Handlers run on goroutines of their own, several at once unless [Concurrency] says otherwise.
type InvocationHandler func(ctx context.Context, inv *Invocation) (Reply, error)

// EventHandler takes events, one after the other. ctx ends with the session. An error is reported
// as a failed handler, and nothing else: the publisher has no use for it.
type EventHandler func(ctx context.Context, ev *Event) error

// Kw is a parameter of a handler for the keyword values of a call or event. T is a map with
// string keys, or a struct with fields named as for encoding/json. Keywords that are absent
// leave their fields at zero.
//
//	func(ctx context.Context, query string, opts session.Kw[SearchOptions]) ([]Hit, error)
type Kw[T any] struct{ Value T }

func (k *Kw[T]) decodeKw(p protocol.Payload) error { return decodeKwArgs(p, &k.Value) }

type kwParameter interface {
	decodeKw(p protocol.Payload) error
}

// The types that have a meaning of their own in the signature of a handler.
var (
	contextType    = reflect.TypeFor[context.Context]() //nolint:gochecknoglobals // a constant
	errorType      = reflect.TypeFor[error]()           //nolint:gochecknoglobals // a constant
	invocationType = reflect.TypeFor[*Invocation]()     //nolint:gochecknoglobals // a constant
	eventType      = reflect.TypeFor[*Event]()          //nolint:gochecknoglobals // a constant
	replyType      = reflect.TypeFor[Reply]()           //nolint:gochecknoglobals // a constant
	kwType         = reflect.TypeFor[kwParameter]()     //nolint:gochecknoglobals // a constant
	sessionType    = reflect.TypeFor[*Session]()        //nolint:gochecknoglobals // a constant
)

// CompileHandler makes an InvocationHandler of a function, whose signature it checks. The
// parameters are, in this order and all optional: a context.Context; an *Invocation, for whoever
// wants the details; the positional values, decoded into the types of the parameters, the last of
// which may be variadic; and at any place among them one [Kw] for the keyword values. The results
// are the positional values of the reply, or a single [Reply], and an optional error at the end.
// A struct is one value.
//
//	func(x, y int) int
//	func(ctx context.Context, name string) (User, error)
//	func(ctx context.Context, inv *session.Invocation) (session.Reply, error)
//
// A call with fewer or more positional values than there are parameters, or with others than
// these can hold, fails with protocol.ErrorInvalidArgument, which names the position. Pointers
// do not make a parameter optional; a variadic one may be empty. A handler with an *Invocation and
// no parameters for positional values reads these itself, however many there are.
func CompileHandler(handler any) (InvocationHandler, error) {
	f, err := CompileFunction(handler)
	if err != nil {
		return nil, err
	}
	return f.handler, nil
}

// CompileEventHandler makes an EventHandler of a function, whose signature it checks as
// CompileHandler does, with an *Event in place of the *Invocation and no result but an optional
// error. Positional values without a parameter are ignored, so that a publisher may add some.
//
//	func(count int)
//	func(ctx context.Context, ev *session.Event) error
func CompileEventHandler(handler any) (EventHandler, error) {
	switch h := handler.(type) {
	case EventHandler:
		return h, notNil(h != nil)
	case func(context.Context, *Event) error:
		return h, notNil(h != nil)
	case func(context.Context, *Event):
		return func(ctx context.Context, ev *Event) error { h(ctx, ev); return nil }, notNil(h != nil)
	}
	sig, err := compile(handler, eventType)
	if err != nil {
		return nil, err
	}
	if sig.results > 0 {
		return nil, fmt.Errorf("handler %T: an event has no use for results", handler)
	}
	return sig.deliver, nil
}

func notNil(ok bool) error {
	if !ok {
		return errors.New("handler is nil")
	}
	return nil
}

// signature is a checked function. Parameters of one call are kept in one struct value, made for
// the function: it costs one allocation, or none if it comes from the pool.
type signature struct {
	fn       reflect.Value
	hasCtx   bool
	hasOwner bool // an *Invocation or *Event
	fields   reflect.Type
	kw       int // index of the Kw field, -1 if none
	variadic reflect.Type
	results  int // without the error
	reply    bool
	hasError bool
	frames   sync.Pool
}

// frame is the memory of one call of a function.
type frame struct {
	params  reflect.Value // addressable struct of signature.fields
	in      []reflect.Value
	targets []any // pointers to the positional fields
	kw      kwParameter
	results []any // of a function that is called for its answer
}

func compile(handler any, owner reflect.Type) (*signature, error) {
	fn := reflect.ValueOf(handler)
	if !fn.IsValid() || fn.Kind() != reflect.Func {
		return nil, fmt.Errorf("handler must be a function, not %T", handler)
	}
	if fn.IsNil() {
		return nil, errors.New("handler is nil")
	}
	sig := &signature{fn: fn, kw: -1}
	if err := sig.parameters(fn.Type(), owner); err != nil {
		return nil, fmt.Errorf("handler %T: %w", handler, err)
	}
	if err := sig.returns(fn.Type()); err != nil {
		return nil, fmt.Errorf("handler %T: %w", handler, err)
	}
	sig.frames.New = func() any { return sig.newFrame() }
	return sig, nil
}

func (sig *signature) parameters(t, owner reflect.Type) error {
	i := 0
	if i < t.NumIn() && t.In(i) == contextType {
		sig.hasCtx = true
		i++
	}
	if i < t.NumIn() && t.In(i) == owner {
		sig.hasOwner = true
		i++
	}
	var fields []reflect.StructField
	for ; i < t.NumIn(); i++ {
		p := t.In(i)
		switch {
		case i == t.NumIn()-1 && t.IsVariadic():
			sig.variadic = p
			continue
		case p == sessionType:
			return fmt.Errorf("parameter %d: %v has no place there: %v has a method Session", i, p, owner)
		case p == contextType || p == invocationType || p == eventType:
			return fmt.Errorf("parameter %d: %v has no place there", i, p)
		case reflect.PointerTo(p).Implements(kwType):
			if sig.kw >= 0 {
				return fmt.Errorf("parameter %d: a second Kw", i)
			}
			if err := keywords(p.Field(0).Type); err != nil {
				return fmt.Errorf("parameter %d: %w", i, err)
			}
			sig.kw = len(fields)
		}
		if err := decodable(p); err != nil {
			return fmt.Errorf("parameter %d: %w", i, err)
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("P%d", len(fields)), Type: p})
	}
	sig.fields = reflect.StructOf(fields)
	return nil
}

// keywords rejects types that keyword values can never be decoded into.
func keywords(t reflect.Type) error {
	elem := t
	for elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	switch {
	case elem.Kind() == reflect.Struct, elem.Kind() == reflect.Interface,
		elem.Kind() == reflect.Map && elem.Key().Kind() == reflect.String:
		return decodable(t)
	default:
		return fmt.Errorf("keyword values go into a struct or a map with string keys, not %v", t)
	}
}

// decodable rejects types that no value can ever be decoded into.
func decodable(t reflect.Type) error {
	switch {
	case t.Kind() == reflect.Chan, t.Kind() == reflect.Func, t.Kind() == reflect.UnsafePointer,
		t.Kind() == reflect.Interface && t.NumMethod() > 0:
		return fmt.Errorf("%v cannot be decoded", t)
	default:
		return nil
	}
}

func (sig *signature) returns(t reflect.Type) error {
	n := t.NumOut()
	if n > 0 && t.Out(n-1) == errorType {
		sig.hasError = true
		n--
	}
	sig.results = n
	for i := range n {
		switch out := t.Out(i); {
		case out == replyType && n > 1:
			return errors.New("a Reply must be the only result besides an error")
		case out == replyType:
			sig.reply = true
		case out == errorType:
			return errors.New("an error must be the last result")
		case decodable(out) != nil && out.Kind() != reflect.Interface:
			return fmt.Errorf("result %d: %v cannot be encoded", i, out)
		}
	}
	return nil
}

func (sig *signature) newFrame() *frame {
	f := &frame{params: reflect.New(sig.fields).Elem()}
	skip := 0
	for _, has := range []bool{sig.hasCtx, sig.hasOwner} {
		if has {
			skip++
		}
	}
	f.in = make([]reflect.Value, skip, skip+f.params.NumField()+1)
	for i := range f.params.NumField() {
		field := f.params.Field(i)
		f.in = append(f.in, field)
		if i == sig.kw {
			f.kw, _ = reflect.TypeAssert[kwParameter](field.Addr())
			continue
		}
		f.targets = append(f.targets, field.Addr().Interface())
	}
	f.results = make([]any, sig.results)
	return f
}

// call decodes the parameters and calls the function. strict rejects surplus positional values.
// After a panic the frame is left to the garbage collector.
func (sig *signature) call(f *frame, ctx context.Context, owner reflect.Value, p protocol.Payload, strict bool) ([]reflect.Value, error) {
	if err := sig.decode(f, p, strict); err != nil {
		return nil, err
	}
	in := f.in
	i := 0
	if sig.hasCtx {
		in[i] = reflect.ValueOf(ctx)
		i++
	}
	if sig.hasOwner {
		in[i] = owner
	}
	if sig.variadic == nil {
		return sig.fn.Call(in), nil
	}
	rest, err := sig.rest(p, len(f.targets))
	if err != nil {
		return nil, err
	}
	return sig.fn.CallSlice(append(slices.Clip(in), rest)), nil
}

func (sig *signature) get() *frame {
	return sig.frames.Get().(*frame) // see compile
}

func (sig *signature) put(f *frame) {
	f.params.SetZero()
	clear(f.results)
	if sig.hasCtx || sig.hasOwner {
		clear(f.in[:len(f.in)-f.params.NumField()])
	}
	sig.frames.Put(f)
}

func (sig *signature) decode(f *frame, p protocol.Payload, strict bool) error {
	if f.kw != nil {
		if err := f.kw.decodeKw(p); err != nil {
			return err
		}
	}
	reads := sig.hasOwner && len(f.targets) == 0 // reads the values itself
	if !strict || sig.variadic != nil || reads {
		return decodeArgs(p, f.targets)
	}
	surplus, err := codec.DecodeAllArgs(p, f.targets...)
	switch {
	case err != nil:
		return argumentError(err)
	case surplus:
		return invalidArgument("argument %d: unexpected, the procedure takes %d", len(f.targets), len(f.targets))
	default:
		return nil
	}
}

// rest decodes the positional values from the given one on into a slice for the variadic
// parameter.
func (sig *signature) rest(p protocol.Payload, from int) (reflect.Value, error) {
	n, err := codec.CountArgs(p)
	if err != nil {
		return reflect.Value{}, argumentError(err)
	}
	list := reflect.MakeSlice(sig.variadic, max(0, n-from), max(0, n-from))
	if list.Len() == 0 {
		return list, nil
	}
	targets := make([]any, n)
	for i := range targets {
		if i < from {
			targets[i] = new(any) // decoded already
			continue
		}
		targets[i] = list.Index(i - from).Addr().Interface()
	}
	return list, decodeArgs(p, targets)
}

// serve calls the function for an invocation. The values of the reply are in results.
func (sig *signature) serve(f *frame, ctx context.Context, inv *Invocation, results []any) (Reply, error) {
	owner := reflect.Value{}
	if sig.hasOwner {
		owner = reflect.ValueOf(inv)
	}
	out, err := sig.call(f, ctx, owner, inv.Payload, true)
	if err != nil {
		return Reply{}, err
	}
	if sig.hasError {
		if err, _ := reflect.TypeAssert[error](out[len(out)-1]); err != nil {
			return Reply{}, err
		}
	}
	if sig.reply {
		r, _ := reflect.TypeAssert[Reply](out[0])
		return r, nil
	}
	for i := range results {
		results[i] = out[i].Interface()
	}
	return Reply{Args: results}, nil
}

func (sig *signature) deliver(ctx context.Context, ev *Event) error {
	f := sig.get()
	out, err := sig.call(f, ctx, reflect.ValueOf(ev), ev.Payload, false)
	sig.put(f)
	if err != nil || !sig.hasError {
		return err
	}
	err, _ = reflect.TypeAssert[error](out[0])
	return err
}
