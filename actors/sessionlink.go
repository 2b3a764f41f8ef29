package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// This file is how a sessionActor gets a connection, and loses it.

func (s *sessionActor) abort(err error) {
	if s.dialing != nil {
		d := s.dialing
		s.dialing = nil
		s.tell(&dialFailed{id: d.id, err: err, hooks: d.giveUp()})
	}
	if s.conn != nil {
		s.machine(func(m *session.Machine) { m.Lost(err) })
		s.cut(err)
	}
}

// cut closes the transport at once.
func (s *sessionActor) cut(err error) {
	switch c := s.conn; {
	case c == nil:
	case c.transport != nil:
		s.c.host.send(c.transport, &abandon{err: err})
	default:
		c.out.close(closeInternalError, "")
	}
}

func (s *sessionActor) childFailed(m *supervisor.ChildFailed) {
	if s.conn != nil && s.conn.transport != nil && s.conn.transport.Equal(m.Child) {
		s.linkLost(m.Child, m.Reason)
		return
	}
	s.tell(&beyondHelp{err: m.Reason})
}

// dialed begins a session over an open transport.
func (s *sessionActor) dialed(d *dialing) {
	if d != s.dialing {
		return // given up: what it opened is closed
	}
	s.dialing = nil
	if d.err != nil || !d.take() {
		d.giveUp()
		s.tell(&dialFailed{id: d.id, err: d.err})
		return
	}
	limits := s.c.cfg.inbound
	c := &connection{id: d.id, url: d.cfg.Name(), in: newInflow(limits), flow: new(outflow), attempt: d.attempt, pipe: d.pipe != nil}
	cfg := session.Config{
		Poster: s.poster, Transport: c.url, Hello: d.hello, Verify: d.verify,
		Errors: s.c.cfg.Errors, Context: s.c.cfg.Context, MaxInvocations: s.c.cfg.MaxInvocations,
		JoinTimeout: s.c.cfg.JoinTimeout, LeaveTimeout: s.c.cfg.LeaveTimeout, Shared: c.pipe,
		Extra: s.c.cfg.Extra,
	}
	s.conn = c
	if c.pipe {
		cfg.Serializer = d.pipe.Serializer()
		out := newPipeOutlet(s.c.host, s.self, d.pipe, c.in, c.flow)
		out.owned = true
		c.out = out
		out.attach()
	} else {
		cfg.Serializer = d.conn.Serializer()
		c.transport = s.ctx.SpawnPrefix(transportProps(transportConfig{
			host: s.c.host, conn: d.conn, owner: s.self, in: c.in, out: c.flow, options: d.cfg.Options.WithDefaults(),
		}), "transport")
		out := newFrameOutlet(s.c.host, c.transport, d.conn, c.flow)
		c.out, c.raw = out, out.framing.Kind == transport.RawSocket
		cfg.Fits = fits(out.serializer, out.maxSend)
	}
	if approve := d.hooks.welcome(); approve != nil {
		cfg.Approve = func(w *protocol.Welcome) { s.approve(c, approve, w) }
	}
	s.poster.flow.Store(c.flow)
	c.m = session.New(cfg, s)
	s.tell(&linkUp{id: c.id, url: c.url, hooks: d.hooks})
	s.machine(func(m *session.Machine) { m.Start(time.Now()) })
}

func (s *sessionActor) close(m *closeSession) {
	if s.dialing != nil {
		s.abort(errStopped)
		return
	}
	s.machine(func(mc *session.Machine) {
		mc.Do(time.Now(), session.NewLeave(m.reason, m.message, func(error) {}))
	})
}

// linkLost handles the end of the transport: nothing will come from it any more.
func (s *sessionActor) linkLost(from *actor.PID, err error) {
	c := s.conn
	if c == nil || !c.pipe && !c.transport.Equal(from) {
		return
	}
	s.machine(func(m *session.Machine) { m.Lost(err) })
	s.conn = nil
	c.flow.dead.Store(true)
	if c.pipe {
		close(c.in.done)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.transport != nil {
		s.ctx.Stop(c.transport)
	}
	if c.pipe && err == io.EOF { //nolint:errorlint // a pipe closed in order says just this
		err = nil
	}
	s.tell(&linkDown{id: c.id, url: c.url, err: err})
}

// Challenge implements session.Effects: the answer is worked out on a goroutine.
func (s *sessionActor) Challenge(ch *protocol.Challenge) {
	m := &challengeAnswered{of: s.conn}
	s.workOut(func(ctx context.Context) (err error) {
		m.answer, err = m.of.attempt.Answer(ctx, ch)
		return err
	}, func(err error) any {
		m.err = err
		return m
	})
}

// approve asks the handler of the session about a WELCOME.
func (s *sessionActor) approve(c *connection, f func(context.Context, *protocol.Welcome) error, w *protocol.Welcome) {
	s.workOut(func(ctx context.Context) error { return f(ctx, w) }, func(err error) any {
		return &welcomeApproved{of: c, err: err}
	})
}

// workOut runs f on a goroutine, and posts what done makes of its error. A later one ends it:
// nobody waits for the answer to an earlier challenge.
func (s *sessionActor) workOut(f func(context.Context) error, done func(error) any) {
	ctx, cancel := context.WithCancel(s.c.cfg.Context)
	c, host, self := s.conn, s.c.host, s.self
	if c.cancel != nil {
		c.cancel()
	}
	c.cancel = cancel
	go func() {
		defer cancel()
		guard(func() error { return f(ctx) }, func(err error) { host.send(self, done(err)) })
	}()
}

func (s *sessionActor) welcomeApproved(r *welcomeApproved) {
	if r.of != s.conn {
		return
	}
	s.machine(func(m *session.Machine) {
		if r.err != nil {
			m.Refuse(fmt.Errorf("OnWelcome: %w", r.err))
			return
		}
		m.Accept()
	})
}

func (s *sessionActor) challengeAnswered(r *challengeAnswered) {
	if r.of != s.conn {
		return
	}
	s.machine(func(m *session.Machine) {
		if r.err != nil {
			m.Refuse(authFailure(fmt.Errorf("authentication: %w", r.err)))
			return
		}
		m.Authenticate(time.Now(), r.answer.Signature, r.answer.Extra)
	})
}

// fits returns a check of messages against what the peer accepts; nil if that is everything.
func fits(serializer protocol.Serializer, maxSend int) func(protocol.Message) error {
	if maxSend <= 0 {
		return nil
	}
	const headroom = 64 << 10 // no options are as long as that, unless they are counted below
	return func(msg protocol.Message) error {
		p, ok := msg.(*protocol.Publish)
		if !ok || p.Options.Filter == nil && p.Options.Extra == nil && p.Payload.Size()+len(p.Topic)+headroom < maxSend {
			return nil
		}
		c := *p
		c.Request = protocol.MaxID
		b, err := codec.Append(nil, serializer, &c)
		if err == nil && len(b) > maxSend {
			err = errTooLong
		}
		return sendError(err)
	}
}

// sendError gives an error of sending the URI that it has for callers.
func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLong):
		return session.NewError(protocol.ErrorPayloadSizeExceeded, err.Error())
	default:
		return session.NewError(protocol.ErrorInvalidPayload, err.Error())
	}
}
