package session

import (
	"context"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Subscription is a handler of this session for the events of a topic. Several of them may share
// one subscription of the router, and its identifier.
type Subscription struct {
	sess    *Session
	id      protocol.ID
	uri     protocol.URI
	binding *Binding
}

// ID returns the identifier that the router gave the subscription.
func (s *Subscription) ID() protocol.ID { return s.id }

// Topic returns the URI or pattern.
func (s *Subscription) Topic() protocol.URI { return s.uri }

// Unsubscribe is [Session.Unsubscribe] for this subscription.
func (s *Subscription) Unsubscribe(ctx context.Context) error { return s.sess.Unsubscribe(ctx, s) }

// Subscribe calls a handler with the events of a topic, one after the other, until it is
// unsubscribed or the session ends. handler is a function as [CompileEventHandler] takes it, or a
// [Target].
//
//	sub, err := s.Subscribe(ctx, "com.myapp.oncounter", func(n int) { counter.Set(n) })
//
// It fails as the router has it, for example with protocol.ErrorNotAuthorized, and with the error
// of ctx if that is done first: then nothing stays subscribed.
func (s *Session) Subscribe(ctx context.Context, topic string, handler any, opts ...SubscribeOption) (*Subscription, error) {
	uri := protocol.URI(topic)
	c, err := s.newSubscribe(uri, handler, opts)
	if err == nil {
		s.poster.Post(c)
		err = s.wait(ctx, &c.ack, &undoCommand{sess: s, subscribe: c})
	}
	if err != nil {
		return nil, s.wrap("subscribe", uri, err)
	}
	return &Subscription{sess: s, id: c.id, uri: uri, binding: c.binding}, nil
}

func (s *Session) newSubscribe(uri protocol.URI, handler any, opts []SubscribeOption) (*SubscribeCommand, error) {
	options, err := SubscribeOptions(uri, opts...)
	if err != nil {
		return nil, err
	}
	target, err := eventTarget(handler)
	if err != nil {
		return nil, err
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return &SubscribeCommand{
		ack: newAck(), sess: s, Target: target, msg: protocol.Subscribe{Topic: uri, Options: options},
	}, nil
}

func eventTarget(handler any) (any, error) {
	if t, ok := handler.(Target); ok {
		return t, nil
	}
	return CompileEventHandler(handler)
}

// SubscribeOptions checks a topic URI or pattern together with the options of its subscription,
// and returns what they say. It is for those who subscribe through commands.
func SubscribeOptions(uri protocol.URI, opts ...SubscribeOption) (protocol.SubscribeOptions, error) {
	spec := subscribeSpec{}
	for _, o := range opts {
		o.applySubscribe(&spec)
	}
	if spec.err != nil {
		return spec.options, newLocal(protocol.ErrorInvalidArgument, spec.err)
	}
	return spec.options, checkPattern(uri, spec.options.Match, true)
}

// Unsubscribe takes the handler off the topic. No further event reaches it once Unsubscribe has
// returned nil, except those that were queued for it before. It fails with
// protocol.ErrorNoSuchSubscription if the subscription has ended already.
func (s *Session) Unsubscribe(ctx context.Context, sub *Subscription) error {
	c := &unsubscribeCommand{ack: newAck(), sess: sub.sess, id: sub.id, binding: sub.binding}
	s.poster.Post(c)
	return s.wrap("unsubscribe", sub.uri, s.wait(ctx, &c.ack, nil))
}
