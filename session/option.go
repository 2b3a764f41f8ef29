package session

import (
	"fmt"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// CallOption is an option of Session.Call and Session.OpenCall.
type CallOption interface{ applyCall(o *callSpec) }

// PublishOption is an option of Session.Publish.
type PublishOption interface{ applyPublish(o *publishSpec) }

// RegisterOption is an option of Session.Register.
type RegisterOption interface{ applyRegister(o *registerSpec) }

// SubscribeOption is an option of Session.Subscribe.
type SubscribeOption interface{ applySubscribe(o *subscribeSpec) }

// LeaveOption is an option of Session.Leave.
type LeaveOption interface{ applyLeave(o *leaveCommand) }

// PayloadOption is an option of the verbs that carry application data: call and publish.
type PayloadOption interface {
	CallOption
	PublishOption
}

// PatternOption is an option of the verbs that take a URI pattern: register and subscribe.
type PatternOption interface {
	RegisterOption
	SubscribeOption
}

// AnyOption is an option of every request.
type AnyOption interface {
	PayloadOption
	PatternOption
}

// values is the application data of a request.
type values struct {
	args   []any
	kwargs any // map or struct, nil is absent
}

// add appends positional values. The first ones are not copied, and never appended to.
func (v *values) add(args []any) {
	if v.args == nil {
		v.args = slices.Clip(args)
		return
	}
	v.args = append(v.args, args...)
}

// callSpec is what the options of a call say.
type callSpec struct {
	values
	options    protocol.CallOptions
	onProgress func(*Result)
	cancel     protocol.CancelMode
	err        error
}

type publishSpec struct {
	values
	options protocol.PublishOptions
	err     error
}

type registerSpec struct {
	options protocol.RegisterOptions
	err     error
}

type subscribeSpec struct {
	options protocol.SubscribeOptions
	err     error
}

type argsOption []any

func (a argsOption) applyCall(o *callSpec)       { o.add(a) }
func (a argsOption) applyPublish(o *publishSpec) { o.add(a) }

// Args are the positional values of a call or publication. Several add up.
func Args(values ...any) PayloadOption { return argsOption(values) }

type kwargsOption struct{ kwargs any }

func (k kwargsOption) applyCall(o *callSpec)       { o.kwargs = k.kwargs }
func (k kwargsOption) applyPublish(o *publishSpec) { o.kwargs = k.kwargs }

// KwArgs are the keyword values of a call or publication: a map with string keys, or a struct
// whose fields are named as for encoding/json. The last one counts.
func KwArgs(kwargs any) PayloadOption { return kwargsOption{kwargs} }

type callOption func(*callSpec)

func (f callOption) applyCall(o *callSpec) { f(o) }

type publishOption func(*publishSpec)

func (f publishOption) applyPublish(o *publishSpec) { f(o) }

type registerOption func(*registerSpec)

func (f registerOption) applyRegister(o *registerSpec) { f(o) }

type subscribeOption func(*subscribeSpec)

func (f subscribeOption) applySubscribe(o *subscribeSpec) { f(o) }

type leaveOption func(*leaveCommand)

func (f leaveOption) applyLeave(o *leaveCommand) { f(o) }

// Timeout asks the router to end the call with protocol.ErrorTimeout after d, rounded up to
// milliseconds; the option timeout. If the router does not announce call timeouts, the call is
// canceled after d from here, with the same error. Zero is no timeout.
func Timeout(d time.Duration) CallOption {
	return callOption(func(o *callSpec) {
		if d < 0 {
			o.err = fmt.Errorf("timeout %v is negative", d)
			return
		}
		o.options.Timeout = uint64((d + time.Millisecond - 1) / time.Millisecond)
	})
}

// OnProgress asks for progressive results, the option receive_progress, and calls fn with each of
// them, in order, on the goroutine that waits for the call. What fn has not taken yet is kept, up
// to 16 MiB: beyond that the call is canceled and fails with protocol.ErrorLimitExceeded.
func OnProgress(fn func(*Result)) CallOption {
	return callOption(func(o *callSpec) { o.options.ReceiveProgress, o.onProgress = fn != nil, fn })
}

// OnCancel says what becomes of the call when its context is done before the answer. The default
// is protocol.CancelKillNoWait: the callee is interrupted, and the call fails with the context's
// error at once. With protocol.CancelKill the call goes on waiting for the callee's answer, which
// may be a result.
func OnCancel(mode protocol.CancelMode) CallOption {
	return callOption(func(o *callSpec) {
		switch mode {
		case protocol.CancelSkip, protocol.CancelKill, protocol.CancelKillNoWait:
			o.cancel = mode
		default:
			o.err = fmt.Errorf("cancel mode %q is unknown", mode)
		}
	})
}

// RunMode sets the option runmode of a call ("Sharded Registration").
func RunMode(mode string) CallOption {
	return callOption(func(o *callSpec) { o.options.RunMode = mode })
}

// Acknowledge makes Publish wait until the router has accepted the event, and return its
// publication identifier or why it was refused; the option acknowledge.
func Acknowledge() PublishOption {
	return publishOption(func(o *publishSpec) { o.options.Acknowledge = true })
}

// ExcludeMe says whether the publisher is excluded from the receivers of its own event; the
// option exclude_me. The default is true.
func ExcludeMe(exclude bool) PublishOption {
	return publishOption(func(o *publishSpec) { o.options.IncludeMe = !exclude })
}

// Retain asks the router to keep the event for later subscribers; the option retain.
func Retain() PublishOption {
	return publishOption(func(o *publishSpec) { o.options.Retain = true })
}

// filter returns the filter of the publication. Lists given several times add up; a list that is
// given without elements is present, and empty.
func (o *publishSpec) filter() *protocol.EventFilter {
	if o.options.Filter == nil {
		o.options.Filter = &protocol.EventFilter{}
	}
	return o.options.Filter
}

func present[T any](list, more []T) []T {
	if list == nil {
		list = []T{}
	}
	return append(list, more...)
}

// Exclude keeps the event from these sessions.
func Exclude(sessions ...protocol.ID) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.Exclude = present(f.Exclude, sessions) })
}

// ExcludeAuthID keeps the event from sessions with these authids.
func ExcludeAuthID(authids ...string) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.ExcludeAuthID = present(f.ExcludeAuthID, authids) })
}

// ExcludeAuthRole keeps the event from sessions with these authroles.
func ExcludeAuthRole(roles ...string) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.ExcludeAuthRole = present(f.ExcludeAuthRole, roles) })
}

// Eligible lets only these sessions have the event; none at all if the list is empty.
func Eligible(sessions ...protocol.ID) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.Eligible = present(f.Eligible, sessions) })
}

// EligibleAuthID lets only sessions with these authids have the event.
func EligibleAuthID(authids ...string) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.EligibleAuthID = present(f.EligibleAuthID, authids) })
}

// EligibleAuthRole lets only sessions with these authroles have the event.
func EligibleAuthRole(roles ...string) PublishOption {
	return publishOption(func(o *publishSpec) { f := o.filter(); f.EligibleAuthRole = present(f.EligibleAuthRole, roles) })
}

type discloseOption struct{}

func (discloseOption) applyCall(o *callSpec)       { o.options.DiscloseMe = true }
func (discloseOption) applyPublish(o *publishSpec) { o.options.DiscloseMe = true }

// DiscloseMe asks the router to tell the receiver who this session is; the option disclose_me.
func DiscloseMe() PayloadOption { return discloseOption{} }

type rkeyOption struct{ key any }

func (k rkeyOption) applyCall(o *callSpec)       { o.options.RKey = k.key }
func (k rkeyOption) applyPublish(o *publishSpec) { o.options.RKey = k.key }

// RKey sets the option rkey, the shard that a call or publication goes to.
func RKey(key any) PayloadOption { return rkeyOption{key} }

type passthruOption struct{ mode *protocol.Passthru }

func (p passthruOption) applyCall(o *callSpec)       { o.options.Passthru = p.mode }
func (p passthruOption) applyPublish(o *publishSpec) { o.options.Passthru = p.mode }

// Passthru announces that the payload is opaque to the router: a single binary positional value
// in the given scheme ("Payload Passthru Mode").
func Passthru(mode protocol.Passthru) PayloadOption { return passthruOption{&mode} }

type matchOption protocol.Match

func (m matchOption) applyRegister(o *registerSpec)   { o.options.Match = protocol.Match(m) }
func (m matchOption) applySubscribe(o *subscribeSpec) { o.options.Match = protocol.Match(m) }

// Prefix makes the URI a pattern that matches all URIs which start with it.
func Prefix() PatternOption { return matchOption(protocol.MatchPrefix) }

// Wildcard makes the URI a pattern whose empty components match anything, as in "com..status".
func Wildcard() PatternOption { return matchOption(protocol.MatchWildcard) }

// Match sets the matching policy, the option match.
func Match(m protocol.Match) PatternOption { return matchOption(m) }

// Invoke sets how callees share the procedure, the option invoke.
func Invoke(policy protocol.InvokePolicy) RegisterOption {
	return registerOption(func(o *registerSpec) {
		switch policy {
		case "", protocol.InvokeSingle, protocol.InvokeFirst, protocol.InvokeLast, protocol.InvokeRoundRobin, protocol.InvokeRandom:
			o.options.Invoke = policy
		default:
			o.err = fmt.Errorf("invoke %q is none of single, first, last, roundrobin, random", string(policy))
		}
	})
}

// Concurrency limits how many invocations of the procedure are served at once; the option
// concurrency. What comes beyond waits for its turn on this side, in order. Zero is no limit,
// one serves the invocations strictly one after the other.
func Concurrency(n int) RegisterOption {
	return registerOption(func(o *registerSpec) {
		if n < 0 {
			o.err = fmt.Errorf("concurrency %d is negative", n)
			return
		}
		o.options.Concurrency = n
	})
}

// DiscloseCaller asks the router to tell who calls; the option disclose_caller.
func DiscloseCaller() RegisterOption {
	return registerOption(func(o *registerSpec) { o.options.DiscloseCaller = true })
}

// ForwardTimeout leaves the enforcement of call timeouts to this side: the context of the handler
// ends with the timeout. The option forward_timeout.
func ForwardTimeout() RegisterOption {
	return registerOption(func(o *registerSpec) { o.options.ForwardTimeout = true })
}

// ForceReregister asks the router to take the procedure away from whoever holds it; the option
// force_reregister.
func ForceReregister() RegisterOption {
	return registerOption(func(o *registerSpec) { o.options.ForceReregister = true })
}

// GetRetained asks for the event that the router retained for the topic, if there is one; the
// option get_retained.
func GetRetained() SubscribeOption {
	return subscribeOption(func(o *subscribeSpec) { o.options.GetRetained = true })
}

// NKey sets the option nkey, the shard of a subscription.
func NKey(key any) SubscribeOption {
	return subscribeOption(func(o *subscribeSpec) { o.options.NKey = key })
}

type extraOption struct {
	key   string
	value any
}

func (e extraOption) set(d *protocol.Dict) {
	if *d == nil {
		*d = make(protocol.Dict)
	}
	(*d)[e.key] = e.value
}

func (e extraOption) applyCall(o *callSpec)           { e.set(&o.options.Extra) }
func (e extraOption) applyPublish(o *publishSpec)     { e.set(&o.options.Extra) }
func (e extraOption) applyRegister(o *registerSpec)   { e.set(&o.options.Extra) }
func (e extraOption) applySubscribe(o *subscribeSpec) { e.set(&o.options.Extra) }

// Extra sets an option that this module does not know. Names of applications' own start with an
// underscore.
func Extra(key string, value any) AnyOption { return extraOption{key, value} }

// Reason sets the reason of the GOODBYE. The default is protocol.CloseRealm.
func Reason(uri protocol.URI) LeaveOption {
	return leaveOption(func(o *leaveCommand) { o.reason = uri })
}

// Message adds a text for people to the GOODBYE.
func Message(text string) LeaveOption {
	return leaveOption(func(o *leaveCommand) { o.message = text })
}
