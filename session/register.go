package session

import (
	"context"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Target is a handler that is not a function: something that only the owner of the session's
// machine understands, such as an actor. A Target may be given wherever a handler is.
type Target interface{ WAMPTarget() }

// Registration is a procedure that this session serves.
type Registration struct {
	sess *Session
	id   protocol.ID
	uri  protocol.URI
}

// ID returns the identifier that the router gave the registration.
func (r *Registration) ID() protocol.ID { return r.id }

// Procedure returns the URI or pattern.
func (r *Registration) Procedure() protocol.URI { return r.uri }

// Unregister is [Session.Unregister] for this registration.
func (r *Registration) Unregister(ctx context.Context) error { return r.sess.Unregister(ctx, r) }

// Register serves a procedure until it is unregistered or the session ends. handler is a function
// as [CompileHandler] takes it, or a [Target].
//
//	reg, err := s.Register(ctx, "com.myapp.add2", func(x, y int) int { return x + y })
//
// It fails with protocol.ErrorProcedureAlreadyExists or protocol.ErrorNotAuthorized as the router
// has it, and with the error of ctx if that is done first: then nothing stays registered.
func (s *Session) Register(ctx context.Context, procedure string, handler any, opts ...RegisterOption) (*Registration, error) {
	uri := protocol.URI(procedure)
	c, err := s.newRegister(uri, handler, opts)
	if err == nil {
		s.poster.Post(c)
		err = s.wait(ctx, &c.ack, &undoCommand{sess: s, register: c})
	}
	if err != nil {
		return nil, s.wrap("register", uri, err)
	}
	return &Registration{sess: s, id: c.id, uri: uri}, nil
}

func (s *Session) newRegister(uri protocol.URI, handler any, opts []RegisterOption) (*RegisterCommand, error) {
	options, err := RegisterOptions(uri, opts...)
	if err != nil {
		return nil, err
	}
	target, err := invocationTarget(handler)
	if err != nil {
		return nil, err
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return &RegisterCommand{
		ack: newAck(), sess: s, Target: target, msg: protocol.Register{Procedure: uri, Options: options},
	}, nil
}

func invocationTarget(handler any) (any, error) {
	if t, ok := handler.(Target); ok {
		return t, nil
	}
	return CompileFunction(handler)
}

// RegisterOptions checks a procedure URI or pattern together with the options of its
// registration, and returns what they say. It is for those who register through commands.
func RegisterOptions(uri protocol.URI, opts ...RegisterOption) (protocol.RegisterOptions, error) {
	spec := registerSpec{}
	for _, o := range opts {
		o.applyRegister(&spec)
	}
	if spec.err != nil {
		return spec.options, newLocal(protocol.ErrorInvalidArgument, spec.err)
	}
	return spec.options, checkPattern(uri, spec.options.Match, false)
}

// Unregister ends a registration. Invocations that are being served go on, new ones may come
// until the router has answered. It fails with protocol.ErrorNoSuchRegistration if the
// registration has ended already.
func (s *Session) Unregister(ctx context.Context, r *Registration) error {
	c := &unregisterCommand{ack: newAck(), sess: r.sess, id: r.id}
	s.poster.Post(c)
	return s.wrap("unregister", r.uri, s.wait(ctx, &c.ack, nil))
}

// undoCommand takes back a registration or subscription whose caller stopped waiting.
type undoCommand struct {
	sess      *Session
	register  *RegisterCommand
	subscribe *SubscribeCommand
}

func (c *undoCommand) owner() *Session { return c.sess }

// Size implements Command.
func (c *undoCommand) Size() int { return small }

// Reject implements Command: a session that has ended needs no undoing.
func (c *undoCommand) Reject(error) {}

func (c *undoCommand) do(m *Machine) {
	switch {
	case c.register != nil && c.register.id != 0:
		(&unregisterCommand{id: c.register.id}).do(m)
	case c.register != nil:
		c.register.reply = m.undoRegister
	case c.subscribe.id != 0:
		(&unsubscribeCommand{id: c.subscribe.id, binding: c.subscribe.binding}).do(m)
	default:
		sub := c.subscribe
		sub.reply = func(id protocol.ID, err error) {
			if err == nil {
				(&unsubscribeCommand{id: id, binding: sub.binding}).do(m)
			}
		}
	}
}

func (m *Machine) undoRegister(id protocol.ID, err error) {
	if err == nil {
		(&unregisterCommand{id: id}).do(m)
	}
}
