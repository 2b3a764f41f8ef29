package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// model is a router that does what the specification says, as simply as can be, and the user's
// view of a session. Random operations are carried out on both; they must agree.
type model struct {
	t      *testing.T
	rnd    *rand.Rand
	m      *Machine
	toPeer []protocol.Message // sent by the machine, not yet read by the router
	toUs   []protocol.Message // sent by the router, not yet read by the machine

	// The router.
	nextRequest protocol.ID // the only identifier that the next request may have
	nextID      protocol.ID
	subs        map[topicKey]protocol.ID
	regs        map[protocol.URI]protocol.ID
	invocations map[protocol.ID]bool // handed out, not answered
	answers     map[protocol.ID]int  // final answers seen

	// The user.
	waiting   map[string]bool // commands without an answer
	seq       int
	handlers  map[string]*handlerState
	served    []*Invocation
	ended     bool
	published protocol.ID
}

type handlerState struct {
	topic    protocol.URI
	id       protocol.ID
	binding  *Binding
	attached bool // the machine has said so, and not yet released it
	events   []protocol.ID
}

// TestRandomOperations plays random sessions, in which messages are under way in both directions
// all the time, and checks: request identifiers are 1, 2, 3, ...; each command is answered exactly
// once; each invocation gets exactly one final answer; events reach exactly the handlers that are
// attached; in the end the router has a subscription exactly for the topics with a handler.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newModel(t, seed).run()
		})
	}
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	x := &model{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), nextRequest: 1, nextID: 100,
		subs: map[topicKey]protocol.ID{}, regs: map[protocol.URI]protocol.ID{},
		invocations: map[protocol.ID]bool{}, answers: map[protocol.ID]int{},
		waiting: map[string]bool{}, handlers: map[string]*handlerState{},
	}
	x.m = New(Config{Poster: x, Serializer: protocol.MessagePack}, x)
	x.m.Start(time.Time{})
	x.toPeer = nil
	x.m.Receive(&protocol.Welcome{Session: 1, Details: protocol.WelcomeDetails{
		Roles: protocol.Roles{}.With(protocol.Dealer, protocol.FeatureCallCanceling),
	}})
	return x
}

func (x *model) run() {
	for range 400 {
		x.step()
		x.m.checkInvariants(x.t)
	}
	if x.rnd.IntN(3) == 0 { // sometimes it ends in the middle of everything
		x.m.Lost(errors.New("gone"))
		require.True(x.t, x.ended)
		require.Empty(x.t, x.waiting, "commands without an answer")
		return
	}
	for len(x.toPeer)+len(x.toUs) > 0 || len(x.served) > 0 {
		x.settle()
		x.m.checkInvariants(x.t)
	}
	require.Empty(x.t, x.waiting, "commands without an answer")
	topics := map[topicKey]bool{}
	for _, h := range x.handlers {
		if h.attached {
			topics[topicKey{topic: h.topic}] = true
		}
	}
	for key := range topics {
		require.Contains(x.t, x.subs, key, "a handler without a subscription")
	}
	for key := range x.subs {
		require.True(x.t, topics[key], "a subscription of %v without a handler", key)
	}
	for id := range x.invocations {
		require.Equal(x.t, 1, x.answers[id], "final answers of invocation %d", id)
	}
}

// settle lets everything that is under way arrive.
func (x *model) settle() {
	for len(x.toPeer) > 0 {
		x.route()
	}
	for len(x.toUs) > 0 {
		x.read()
	}
	for len(x.served) > 0 {
		x.respond()
	}
}

func (x *model) step() {
	switch n := x.rnd.IntN(100); {
	case n < 25:
		x.route()
	case n < 50:
		x.read()
	case n < 58:
		x.subscribe()
	case n < 66:
		x.unsubscribe()
	case n < 74:
		x.call()
	case n < 78:
		x.register()
	case n < 81:
		x.unregister()
	case n < 88:
		x.event()
	case n < 94:
		x.invocation()
	default:
		x.respond()
	}
}

func (x *model) name(kind string) string {
	x.seq++
	name := fmt.Sprint(kind, x.seq)
	x.waiting[name] = true
	return name
}

func (x *model) answered(name string) {
	require.True(x.t, x.waiting[name], "%s was answered twice", name)
	delete(x.waiting, name)
}

func (x *model) topic() protocol.URI { return protocol.URI("t" + string(rune('a'+x.rnd.IntN(3)))) }

func (x *model) subscribe() {
	name := x.name("sub")
	h := &handlerState{topic: x.topic()}
	x.m.Do(time.Time{}, NewSubscribe(h.topic, protocol.SubscribeOptions{}, name, func(id protocol.ID, b *Binding, err error) {
		x.answered(name)
		if err == nil {
			h.id, h.binding, h.attached = id, b, true
			x.handlers[name] = h
		}
	}))
}

func (x *model) unsubscribe() {
	for _, h := range x.handlers {
		if !h.attached {
			continue
		}
		name := x.name("unsub")
		h.attached = false
		x.m.Do(time.Time{}, NewUnsubscribe(h.id, h.binding, func(err error) {
			x.answered(name)
			require.NoError(x.t, orEnded(err))
		}))
		return
	}
}

func orEnded(err error) error {
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

func (x *model) call() {
	name := x.name("call")
	final := false
	cmd := newAsyncCall("com.x", protocol.CallOptions{ReceiveProgress: true}, protocol.Payload{}, func(r *protocol.Result, err error) {
		require.False(x.t, final, "an answer after the final one")
		if err == nil && r.Details.Progress {
			return
		}
		final = true
		x.answered(name)
	})
	x.m.Do(time.Time{}, cmd)
	if x.rnd.IntN(4) == 0 {
		x.m.Do(time.Time{}, &cancelCommand{call: cmd, mode: protocol.CancelKillNoWait})
	}
}

func (x *model) register() {
	name := x.name("reg")
	x.m.Do(time.Time{}, NewRegister(x.topic(), protocol.RegisterOptions{}, name, func(protocol.ID, error) { x.answered(name) }))
}

func (x *model) unregister() {
	for id := range x.m.registrations {
		name := x.name("unreg")
		x.m.Do(time.Time{}, NewUnregister(id, func(error) { x.answered(name) }))
		return
	}
}

// event publishes from elsewhere.
func (x *model) event() {
	if id, ok := x.subs[topicKey{topic: x.topic()}]; ok {
		x.published++
		x.toUs = append(x.toUs, &protocol.Event{Subscription: id, Publication: x.published})
	}
}

// invocation calls from elsewhere.
func (x *model) invocation() {
	if reg, ok := x.regs[x.topic()]; ok {
		id := protocol.ID(len(x.invocations) + 1)
		x.invocations[id] = true
		x.toUs = append(x.toUs, &protocol.Invocation{Request: id, Registration: reg})
		if x.rnd.IntN(3) == 0 {
			x.toUs = append(x.toUs, &protocol.Interrupt{Request: id})
		}
	}
}

func (x *model) respond() {
	if len(x.served) == 0 {
		return
	}
	inv := x.served[0]
	x.served = x.served[1:]
	if x.rnd.IntN(2) == 0 {
		require.True(x.t, inv.Respond(Reply{}))
		require.False(x.t, inv.Fail(errors.New("late")))
		return
	}
	require.True(x.t, inv.Fail(NewError("com.e")))
}

// read has the machine read one message.
func (x *model) read() {
	if len(x.toUs) == 0 {
		return
	}
	msg := x.toUs[0]
	x.toUs = x.toUs[1:]
	ev, ok := msg.(*protocol.Event)
	if !ok {
		x.m.Receive(msg)
		return
	}
	want := map[string]bool{}
	if sub := x.m.subscriptions[ev.Subscription]; sub != nil {
		for name, h := range x.handlers {
			if h.attached && h.id == ev.Subscription {
				want[name] = true
			}
		}
	}
	x.m.Receive(msg)
	for name, h := range x.handlers {
		got := len(h.events) > 0 && h.events[len(h.events)-1] == ev.Publication
		require.Equal(x.t, want[name], got, "event %d at %s", ev.Publication, name)
	}
}

// route has the router handle one message.
func (x *model) route() {
	if len(x.toPeer) == 0 {
		return
	}
	msg := x.toPeer[0]
	x.toPeer = x.toPeer[1:]
	switch msg := msg.(type) {
	case *protocol.Subscribe:
		x.toUs = append(x.toUs, x.routeSubscribe(msg))
	case *protocol.Unsubscribe:
		x.toUs = append(x.toUs, x.routeUnsubscribe(msg))
	case *protocol.Register:
		x.toUs = append(x.toUs, x.routeRegister(msg))
	case *protocol.Unregister:
		x.toUs = append(x.toUs, x.routeUnregister(msg))
	case *protocol.Call:
		if x.rnd.IntN(2) == 0 {
			x.toUs = append(x.toUs, &protocol.Result{Request: msg.Request, Details: protocol.ResultDetails{Progress: true}})
		}
		x.toUs = append(x.toUs, &protocol.Result{Request: msg.Request})
	case *protocol.Yield:
		x.answers[msg.Request]++
	case *protocol.Error:
		x.answers[msg.Request]++
	}
}

func (x *model) id() protocol.ID { x.nextID++; return x.nextID }

func (x *model) routeSubscribe(msg *protocol.Subscribe) protocol.Message {
	if x.rnd.IntN(5) == 0 {
		return &protocol.Error{RequestType: protocol.TypeSubscribe, Request: msg.Request, Error: protocol.ErrorNotAuthorized}
	}
	key := topicKey{topic: msg.Topic}
	if x.subs[key] == 0 {
		x.subs[key] = x.id()
	}
	return &protocol.Subscribed{Request: msg.Request, Subscription: x.subs[key]}
}

func (x *model) routeUnsubscribe(msg *protocol.Unsubscribe) protocol.Message {
	for key, id := range x.subs {
		if id == msg.Subscription {
			delete(x.subs, key)
			return &protocol.Unsubscribed{Request: msg.Request}
		}
	}
	x.t.Fatalf("UNSUBSCRIBE of %d, which the router does not know", msg.Subscription)
	return nil
}

func (x *model) routeRegister(msg *protocol.Register) protocol.Message {
	if x.regs[msg.Procedure] != 0 {
		return &protocol.Error{RequestType: protocol.TypeRegister, Request: msg.Request, Error: protocol.ErrorProcedureAlreadyExists}
	}
	x.regs[msg.Procedure] = x.id()
	return &protocol.Registered{Request: msg.Request, Registration: x.regs[msg.Procedure]}
}

func (x *model) routeUnregister(msg *protocol.Unregister) protocol.Message {
	for uri, id := range x.regs {
		if id == msg.Registration {
			delete(x.regs, uri)
			return &protocol.Unregistered{Request: msg.Request}
		}
	}
	return &protocol.Error{RequestType: protocol.TypeUnregister, Request: msg.Request, Error: protocol.ErrorNoSuchRegistration}
}

// The effects of the machine.

func (x *model) Send(msg protocol.Message) error {
	if id, ok := requestID(msg); ok {
		_, always := msg.(*protocol.Unsubscribe)
		if !always && x.rnd.IntN(20) == 0 {
			return errors.New("cannot be encoded")
		}
		require.Equal(x.t, x.nextRequest, id)
		x.nextRequest++
	}
	switch m := msg.(type) { // borrowed
	case *protocol.Yield:
		c := *m
		msg = &c
	case *protocol.Error:
		c := *m
		msg = &c
	}
	x.toPeer = append(x.toPeer, msg)
	return nil
}

func requestID(msg protocol.Message) (protocol.ID, bool) {
	switch m := msg.(type) {
	case *protocol.Call:
		return m.Request, true
	case *protocol.Subscribe:
		return m.Request, true
	case *protocol.Unsubscribe:
		return m.Request, true
	case *protocol.Register:
		return m.Request, true
	case *protocol.Unregister:
		return m.Request, true
	default:
		return 0, false
	}
}

func (x *model) Challenge(*protocol.Challenge) {}
func (x *model) Joined(*Session)               {}
func (x *model) Ended(*EndedError)             { x.ended = true }

func (x *model) Invoke(_ any, inv *Invocation) { x.served = append(x.served, inv) }

func (x *model) Interrupt(_ any, inv *Invocation, reason error) { inv.Interrupt(reason) }

func (x *model) Deliver(ref any, ev *Event) {
	h := x.handlers[ref.(string)]
	require.True(x.t, h.attached, "an event for %v, which is not attached", ref)
	h.events = append(h.events, ev.Publication())
}

func (x *model) Release(any, error) {}

func (x *model) Post(cmd Command)            { x.m.Do(time.Time{}, cmd) }
func (x *model) Await(context.Context) error { return nil }
