package session

import (
	"fmt"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// topicKey is what the router tells subscriptions of one session apart by.
type topicKey struct {
	topic protocol.URI
	match protocol.Match
}

// subscription is a subscription of the router, shared by all local handlers of one topicKey.
type subscription struct {
	key      topicKey
	bindings []*Binding
}

// Binding is one local handler of a subscription.
type Binding struct {
	ref      any
	retained bool // it asked for retained events, and nobody did after it
}

// publishCommand is a PUBLISH. Without Options.Acknowledge nobody waits for it.
type publishCommand struct {
	ack
	sess   *Session
	msg    *protocol.Publish // own, unless the receiver keeps it
	own    protocol.Publish
	out    []byte // encoded arguments, kept with the pooled command
	pooled bool   // nobody waits for it
}

func (c *publishCommand) owner() *Session            { return c.sess }
func (c *publishCommand) kind() protocol.MessageType { return protocol.TypePublish }

func (c *publishCommand) do(m *Machine) {
	id := m.last.Next()
	c.msg.Request = id
	if c.msg.Options.Acknowledge {
		m.request(id, c.msg, c)
		return
	}
	if err := m.fx.Send(c.msg); err != nil {
		c.Reject(err)
		return
	}
	m.last = id
	c.settled(0, nil)
}

func (m *Machine) onPublished(msg *protocol.Published) {
	c, ok := asked[*publishCommand](m, msg.Request, protocol.TypePublished)
	if !ok {
		return
	}
	m.pending.Remove(msg.Request)
	c.settle(msg.Publication, nil)
}

// SubscribeCommand asks for a subscription. Handles post it with the Target; before it reaches
// the machine, the machine's owner decides what Ref stands for it.
type SubscribeCommand struct {
	ack
	// Target is what was given to Session.Subscribe: an EventHandler, or a value that only the
	// owner of the machine understands.
	Target any
	// Ref is handed back with each event, see Effects.
	Ref any

	sess    *Session
	msg     protocol.Subscribe
	binding *Binding
}

// NewSubscribe returns a command that subscribes ref to a topic. reply is called with the
// subscription's identifier and the binding that NewUnsubscribe needs, or with an error; ref is
// released before that.
func NewSubscribe(topic protocol.URI, opts protocol.SubscribeOptions, ref any, reply func(protocol.ID, *Binding, error)) *SubscribeCommand {
	c := &SubscribeCommand{Ref: ref, msg: protocol.Subscribe{Topic: topic, Options: opts}}
	c.reply = func(id protocol.ID, err error) { reply(id, c.binding, err) }
	return c
}

// URI returns the topic or pattern.
func (c *SubscribeCommand) URI() protocol.URI { return c.msg.Topic }

func (c *SubscribeCommand) owner() *Session            { return c.sess }
func (c *SubscribeCommand) kind() protocol.MessageType { return protocol.TypeSubscribe }
func (c *SubscribeCommand) key() topicKey {
	return topicKey{topic: c.msg.Topic, match: c.msg.Options.Match}
}

// do sends a SUBSCRIBE even if the topic is subscribed already: the router answers with the same
// identifier, and with the retained event if that is asked for.
func (c *SubscribeCommand) do(m *Machine) {
	c.msg.Request = m.last.Next()
	if m.request(c.msg.Request, &c.msg, c) {
		m.subscribing[c.key()]++
	}
}

func (c *SubscribeCommand) refused(m *Machine, msg *protocol.Error) {
	m.reject(c, remoteError(msg.Error, msg.Payload.Clone()))
	m.subscribed(c.key())
}

func (m *Machine) onSubscribed(msg *protocol.Subscribed) {
	c, ok := asked[*SubscribeCommand](m, msg.Request, protocol.TypeSubscribed)
	if !ok {
		return
	}
	m.pending.Remove(msg.Request)
	c.binding = &Binding{ref: c.Ref, retained: c.msg.Options.GetRetained}
	sub, shared := m.subscriptions[msg.Subscription]
	if !shared {
		sub = &subscription{key: c.key()}
		m.subscriptions[msg.Subscription] = sub
	}
	if c.binding.retained {
		for _, b := range sub.bindings {
			b.retained = false // what is coming was asked for by c alone
		}
	}
	sub.bindings = append(sub.bindings, c.binding)
	if m.orphans[sub.key] == msg.Subscription {
		delete(m.orphans, sub.key)
	}
	c.settle(msg.Subscription, nil)
	m.subscribed(c.key())
}

// subscribed counts an answered SUBSCRIBE. When no other is under way for the key, an orphan of
// it is not needed any more.
func (m *Machine) subscribed(key topicKey) {
	if m.subscribing[key]--; m.subscribing[key] > 0 {
		return
	}
	delete(m.subscribing, key)
	if id, ok := m.orphans[key]; ok {
		delete(m.orphans, key)
		m.sendUnsubscribe(id, &unsubscribeCommand{id: id})
	}
}

// unsubscribeCommand takes one handler off a subscription.
type unsubscribeCommand struct {
	ack
	sess    *Session
	id      protocol.ID
	binding *Binding
}

// NewUnsubscribe returns a command that takes a handler off a subscription, and ends the
// subscription if it was the last. reply is called when the router, if it had to be asked, has
// answered; events stop with the command.
func NewUnsubscribe(id protocol.ID, binding *Binding, reply func(error)) Command {
	c := &unsubscribeCommand{id: id, binding: binding}
	c.reply = func(_ protocol.ID, err error) { reply(err) }
	return c
}

func (c *unsubscribeCommand) owner() *Session            { return c.sess }
func (c *unsubscribeCommand) kind() protocol.MessageType { return protocol.TypeUnsubscribe }

// do ends the subscription with its last handler. The exception is a SUBSCRIBE for the same topic
// under way: the router will answer that with the same identifier, so an UNSUBSCRIBE behind it
// would end the new handler's subscription. Then the subscription is kept as an orphan until the
// answer is here.
func (c *unsubscribeCommand) do(m *Machine) {
	sub := m.subscriptions[c.id]
	i := -1
	if sub != nil {
		i = slices.Index(sub.bindings, c.binding)
	}
	if i < 0 {
		c.settle(0, newLocal(protocol.ErrorNoSuchSubscription, fmt.Errorf("subscription %d is not of this session", c.id)))
		return
	}
	sub.bindings = slices.Delete(sub.bindings, i, i+1)
	m.fx.Release(c.binding.ref, nil)
	switch {
	case len(sub.bindings) > 0:
		c.settle(c.id, nil)
	case m.subscribing[sub.key] > 0:
		m.orphans[sub.key] = c.id
		c.settle(c.id, nil)
	default:
		m.sendUnsubscribe(c.id, c)
	}
}

func (m *Machine) sendUnsubscribe(subscription protocol.ID, c *unsubscribeCommand) {
	delete(m.subscriptions, subscription) // events that are still under way belong to nobody
	id := m.last.Next()
	m.request(id, &protocol.Unsubscribe{Request: id, Subscription: subscription}, c)
}

func (m *Machine) onUnsubscribed(msg *protocol.Unsubscribed) {
	if msg.Request == 0 { // the router's own decision: "Subscription Revocation"
		m.dropSubscription(msg.Details.ID, revoked(protocol.ErrorNoSuchSubscription, msg.Details.Reason))
		return
	}
	c, ok := asked[*unsubscribeCommand](m, msg.Request, protocol.TypeUnsubscribed)
	if !ok {
		return
	}
	m.pending.Remove(msg.Request)
	c.settle(c.id, nil)
}

func (m *Machine) dropSubscription(id protocol.ID, reason error) {
	sub, ok := m.subscriptions[id]
	if !ok {
		return
	}
	delete(m.subscriptions, id)
	if m.orphans[sub.key] == id {
		delete(m.orphans, sub.key)
	}
	for _, b := range sub.bindings {
		m.fx.Release(b.ref, reason)
	}
}

// onEvent hands an event to the handlers of its subscription. One for a subscription that was
// just given up is ignored.
func (m *Machine) onEvent(msg *protocol.Event) {
	sub, ok := m.subscriptions[msg.Subscription]
	if !ok || len(sub.bindings) == 0 {
		return
	}
	ev := newEvent(m.sess, sub.key.topic, msg)
	selective := msg.Details.Retained && slices.ContainsFunc(sub.bindings, func(b *Binding) bool { return b.retained })
	for _, b := range sub.bindings {
		if !selective || b.retained {
			m.fx.Deliver(b.ref, ev)
		}
	}
}
