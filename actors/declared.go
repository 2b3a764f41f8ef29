package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Declaration is a registration or subscription that every session of a component has. Make it
// with DeclareProcedure or DeclareTopic.
type Declaration struct {
	kind      supervisor.Kind
	uri       protocol.URI
	handler   any // *session.Function, session.EventHandler or *Target
	register  protocol.RegisterOptions
	subscribe protocol.SubscribeOptions
}

// URI returns the procedure, topic or pattern.
func (d *Declaration) URI() protocol.URI { return d.uri }

// Repeats reports whether both are the same procedure or pattern, which a router accepts once of each
// session only.
func (d *Declaration) Repeats(o *Declaration) bool {
	return d.kind == supervisor.KindProcedure && o.kind == d.kind && o.uri == d.uri && o.register.Match == d.register.Match
}

// DeclareProcedure checks a procedure and its handler: a function as session.CompileHandler takes
// it, or a *Target.
func DeclareProcedure(uri string, handler any, opts ...session.RegisterOption) (*Declaration, error) {
	d := &Declaration{kind: supervisor.KindProcedure, uri: protocol.URI(uri)}
	var err, handlerErr error
	d.register, err = session.RegisterOptions(d.uri, opts...)
	d.handler, handlerErr = handlerOf(handler, func() (any, error) { return session.CompileFunction(handler) })
	return d, d.problem(err, handlerErr)
}

// DeclareTopic checks a topic and its handler: a function as session.CompileEventHandler takes it,
// or a *Target.
func DeclareTopic(uri string, handler any, opts ...session.SubscribeOption) (*Declaration, error) {
	d := &Declaration{kind: supervisor.KindTopic, uri: protocol.URI(uri)}
	var err, handlerErr error
	d.subscribe, err = session.SubscribeOptions(d.uri, opts...)
	d.handler, handlerErr = handlerOf(handler, func() (any, error) { return session.CompileEventHandler(handler) })
	return d, d.problem(err, handlerErr)
}

func handlerOf(handler any, compile func() (any, error)) (any, error) {
	if t, ok := handler.(*Target); ok {
		return t, t.Validate()
	}
	return compile()
}

func (d *Declaration) problem(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s %q: %w", d.kind, string(d.uri), err)
	}
	return nil
}

// declared is a Declaration in a session actor. Its ref, and the actor behind it, stay the same
// over reconnects.
type declared struct {
	*Declaration
	ref     any // *procedure or *topic
	pid     *actor.PID
	id      protocol.ID // zero while it is not attached
	binding *session.Binding
	pending bool // asked for, not answered
	removed bool // taken back meanwhile
}

func (d *declared) detached() { d.id, d.binding, d.pending = 0, nil, false }

func (s *sessionActor) declare(decl *Declaration) {
	d := &declared{Declaration: decl}
	var err error
	if d.kind == supervisor.KindProcedure {
		d.ref, d.pid, err = s.newProcedure(string(d.uri), d.handler, d.register.Concurrency)
	} else {
		d.ref, d.pid, err = s.newTopic(string(d.uri), d.handler)
	}
	if err != nil {
		s.tell(&beyondHelp{err: err})
		return
	}
	s.declarations = append(s.declarations, d)
	if s.conn != nil && s.conn.m.Session() != nil && !s.conn.down {
		s.machine(func(*session.Machine) { s.attachDeclaration(d) })
	}
}

func (s *sessionActor) undeclare(decl *Declaration) {
	for i, d := range s.declarations {
		if d.Declaration != decl {
			continue
		}
		s.declarations = append(s.declarations[:i], s.declarations[i+1:]...)
		d.removed = true
		if d.id != 0 {
			s.machine(func(*session.Machine) { s.detachDeclaration(d) })
		} else if !d.pending {
			s.ctx.Stop(d.pid)
		}
		return
	}
}

// detachDeclaration unregisters or unsubscribes. The actor goes when its ref is released.
func (s *sessionActor) detachDeclaration(d *declared) {
	done := func(err error) {
		if err != nil {
			s.c.log.Debug("declaration not taken back", "uri", d.uri, "reason", err)
		}
	}
	cmd := session.NewUnregister(d.id, done)
	if d.kind == supervisor.KindTopic {
		cmd = session.NewUnsubscribe(d.id, d.binding, done)
	}
	s.conn.m.Do(time.Now(), cmd)
}

// attachDeclared asks for all declarations in a new session.
func (s *sessionActor) attachDeclared() {
	for _, d := range s.declarations {
		if s.conn.down {
			return
		}
		s.attachDeclaration(d)
	}
	s.checkDeclared(nil)
}

func (s *sessionActor) attachDeclaration(d *declared) {
	d.pending = true
	c := s.conn
	if d.kind == supervisor.KindProcedure {
		c.m.Do(time.Now(), session.NewRegister(d.uri, d.register, d.ref, func(id protocol.ID, err error) {
			s.attached(c, d, id, nil, err)
		}))
		return
	}
	c.m.Do(time.Now(), session.NewSubscribe(d.uri, d.subscribe, d.ref, func(id protocol.ID, b *session.Binding, err error) {
		s.attached(c, d, id, b, err)
	}))
}

// attached takes the router's answer to a declaration. It is called by the machine.
func (s *sessionActor) attached(c *connection, d *declared, id protocol.ID, b *session.Binding, err error) {
	if c != s.conn || c.down || errors.Is(err, session.ErrClosed) {
		return // the session has ended: sessionDown says so
	}
	d.pending = false
	if err == nil {
		d.id, d.binding = id, b
	}
	switch {
	case d.removed && err == nil:
		s.later = append(s.later, func() { s.detachDeclaration(d) })
	case d.removed:
		s.ctx.Stop(d.pid)
	case err != nil:
		s.c.publish(&supervisor.DeclarationRefused{Origin: s.c.origin(), Kind: d.kind, URI: string(d.uri), Err: err})
	}
	if err != nil && !d.removed && s.c.cfg.OnRefused == RefusedFailsSession {
		s.checkDeclared(fmt.Errorf("%s %s: %w", d.kind, d.uri, err))
		return
	}
	s.checkDeclared(nil)
}

// checkDeclared tells the component when all declarations have their answer, once for each
// session, or that one was refused.
func (s *sessionActor) checkDeclared(refused error) {
	if s.conn.reported {
		return
	}
	if refused == nil {
		for _, d := range s.declarations {
			if d.pending {
				return
			}
		}
	}
	s.conn.reported = true
	s.tell(&declarationsDone{id: s.conn.id, err: refused})
}

// attach prepares the handler of a command before the machine gets it. Its actor goes when the
// machine releases it, with the session at the latest.
func (s *sessionActor) attach(cmd session.Command) (err error) {
	switch c := cmd.(type) {
	case *session.RegisterCommand:
		c.Ref, _, err = s.newProcedure(string(c.URI()), c.Target, c.Options().Concurrency)
	case *session.SubscribeCommand:
		c.Ref, _, err = s.newTopic(string(c.URI()), c.Target)
	}
	return err
}

// checkHandler rejects what nobody here can hand anything to.
func checkHandler(handler any) error {
	switch h := handler.(type) {
	case *session.Function, session.EventHandler:
		return nil
	case *Target:
		return h.Validate()
	default:
		return fmt.Errorf("actors: cannot serve with a %T", handler)
	}
}

func (s *sessionActor) newProcedure(uri string, handler any, limit int) (*procedure, *actor.PID, error) {
	if err := checkHandler(handler); err != nil {
		return nil, nil, err
	}
	p := &procedure{c: s.c}
	p.handler, _ = handler.(*session.Function)
	p.direct = p.handler != nil && limit == 0
	if p.handler == nil && limit == 0 {
		p.door = new(door)
	}
	pid, err := s.spawn(registrationProps(s.c, p, uri, handler, limit), "registration/"+uri)
	if err != nil {
		return nil, nil, err
	}
	p.pid = pid
	return p, pid, nil
}

func (s *sessionActor) newTopic(uri string, handler any) (*topic, *actor.PID, error) {
	if err := checkHandler(handler); err != nil {
		return nil, nil, err
	}
	pid, err := s.spawn(subscriptionProps(s.c, uri, handler), "subscription/"+uri)
	if err != nil {
		return nil, nil, err
	}
	t := &topic{c: s.c, pid: pid}
	if h, ok := handler.(session.EventHandler); ok {
		t.queue = &eventQueue{c: s.c, uri: uri, handler: h}
	}
	return t, pid, nil
}

// spawn gives a child a name that people can read. Several may be for the same URI.
func (s *sessionActor) spawn(props *actor.Props, name string) (*actor.PID, error) {
	pid, err := s.ctx.SpawnNamed(props, name)
	if errors.Is(err, actor.ErrNameExists) {
		s.spawned++
		pid, err = s.ctx.SpawnNamed(props, fmt.Sprintf("%s#%d", name, s.spawned))
	}
	if err != nil {
		return nil, fmt.Errorf("actors: %s: %w", name, err)
	}
	return pid, nil
}

// released stops the actor of a registration or subscription that has ended, unless it is
// declared and still wanted. It is called by the machine.
func (s *sessionActor) released(pid *actor.PID, ref any, reason error) {
	for _, d := range s.declarations {
		if d.ref == ref {
			s.revoked(d, reason)
			return
		}
	}
	s.ctx.Stop(pid)
}

// revoked makes known that the router took away what is declared. It comes back with the next
// session.
func (s *sessionActor) revoked(d *declared, reason error) {
	attached := d.id != 0
	d.detached()
	if attached && errors.Is(reason, session.ErrRevoked) {
		s.c.publish(&supervisor.DeclarationRefused{Origin: s.c.origin(), Kind: d.kind, URI: string(d.uri), Err: reason})
	}
}
