package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// TransportConfig is one way to a router.
type TransportConfig struct {
	transport.ClientConfig
	// Pipe, if it is not nil, connects within the process instead. ctx bounds it.
	Pipe func(ctx context.Context) (*transport.PipeEnd, error)
	// Backoff is the delay before each retry. Its zero value means the defaults.
	Backoff supervisor.Backoff
	// MaxRetries is how many retries may follow a first failure before the transport is given
	// up. Zero is no limit; negative is no retry at all.
	MaxRetries int
	// IsFatal reports whether the transport must not be used again after err. Nil means never.
	IsFatal func(err error) bool
}

// Name returns the transport for people: its URL, or "pipe".
func (c *TransportConfig) Name() string {
	if c.Pipe != nil {
		return "pipe"
	}
	return c.URL
}

// Validate reports every problem of the configuration.
func (c *TransportConfig) Validate() error {
	if c.Pipe != nil && c.URL != "" {
		return errors.New("url: contradicts pipe")
	}
	if c.Pipe != nil {
		return nil
	}
	return errors.Unwrap(c.ClientConfig.Validate()) // without the name of the package
}

func (c *TransportConfig) policy() supervisor.TransportPolicy {
	p := supervisor.TransportPolicy{Name: c.Name(), Backoff: c.Backoff, MaxRetries: c.MaxRetries, IsFatal: c.IsFatal}
	switch {
	case c.MaxRetries == 0:
		p.MaxRetries = supervisor.Forever
	case c.MaxRetries < 0:
		p.MaxRetries = 0
	}
	return p
}

// dialing is an attempt to open a transport, on a goroutine of its own. Exactly one side closes
// what it opens: the session actor that takes it, or the dialing that was given up.
type dialing struct {
	id     uint64 // of the openSession
	cfg    *TransportConfig
	cancel context.CancelFunc

	mu    sync.Mutex
	over  bool // given up
	taken bool
	conn  *transport.Conn
	pipe  *transport.PipeEnd
	hooks *hooks // may be busy with OnConnect

	hello   protocol.Hello
	attempt *session.Attempt
	err     error
}

// dialed says that a dialing has ended.
type dialed struct{ d *dialing }

// dial opens a transport and prepares HELLO, for which the methods of authentication may want to
// know the connection; both may take their time.
func (s *sessionActor) dial(id uint64, cfg *TransportConfig) {
	ctx, cancel := context.WithCancel(s.c.cfg.Context)
	d := &dialing{id: id, cfg: cfg, cancel: cancel, hello: s.hello()}
	s.dialing = d
	host, self, client := s.c.host, s.self, &s.c.cfg
	go func() {
		defer cancel()
		guard(func() error { return d.run(ctx, client) }, func(err error) {
			d.err = err
			host.send(self, &dialed{d})
		})
	}()
}

func (s *sessionActor) hello() protocol.Hello {
	cfg := &s.c.cfg
	return protocol.Hello{Realm: cfg.Realm, Details: protocol.HelloDetails{
		Agent: cfg.Agent, Roles: session.DefaultRoles(), AuthRole: cfg.AuthRole, AuthExtra: cfg.AuthExtra, Extra: cfg.HelloExtra,
	}}
}

func (d *dialing) run(ctx context.Context, client *ComponentConfig) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	if client.JoinTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, client.JoinTimeout)
		defer cancel()
	}
	var err error
	if d.attempt, err = session.NewAttempt(ctx, &d.hello.Details, clientBinder(d.conn), client.Auth); err != nil {
		return authFailure(fmt.Errorf("authentication: %w", err))
	}
	return d.handle(ctx, client)
}

// handle makes the handler of the session, if there is to be one, and shows it the HELLO.
func (d *dialing) handle(ctx context.Context, client *ComponentConfig) error {
	if client.SessionFactory.make == nil {
		return nil
	}
	h, err := client.SessionFactory.hooks(SessionConfig{
		Component: client.Name, Realm: client.Realm, URL: d.cfg.Name(), Extra: client.Extra,
	})
	if err != nil {
		return supervisor.Permanent(err)
	}
	d.mu.Lock()
	d.hooks = h
	d.mu.Unlock()
	d.attempt.AnswerFirst(h.challenge)
	return h.connect(ctx, &d.hello)
}

func (d *dialing) open(ctx context.Context) error {
	if d.cfg.Pipe != nil {
		pipe, err := d.cfg.Pipe(ctx)
		if err != nil {
			return err
		}
		return d.opened(nil, pipe)
	}
	conn, err := transport.Dial(ctx, d.cfg.ClientConfig)
	if err != nil {
		return err
	}
	return d.opened(conn, nil)
}

func (d *dialing) opened(conn *transport.Conn, pipe *transport.PipeEnd) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.pipe = conn, pipe
	if d.over {
		d.close()
		return context.Canceled
	}
	return nil
}

// take makes the caller the owner of what was opened.
func (d *dialing) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = !d.over
	return d.taken
}

// giveUp ends the dialing, whatever has become of it. It returns the handler that may be busy.
func (d *dialing) giveUp() *hooks {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.over && !d.taken {
		d.over = true
		d.close()
	}
	return d.hooks
}

func (d *dialing) close() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
	if d.pipe != nil {
		d.pipe.Close(nil)
	}
}
