package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// leaveTimeout bounds the end of a session, from GOODBYE to the closed connection.
const leaveTimeout = 5 * time.Second

// client holds the flags that all clients share.
type client struct {
	url, realm        string
	serializers       serializerFlag
	timeout           time.Duration
	verbose           bool
	authid, authrole  string
	ticket, secret    secretFlag
	password, private secretFlag
	ca                string
	insecure          bool
}

// commonFlags names them in the order of the help.
func commonFlags() []string {
	return []string{
		"url", "realm", "serializer", "timeout", "verbose", "authid", "authrole",
		"ticket", "secret", "password", "private-key", "ca", "insecure",
	}
}

// secretFlags names those whose value must not be shown or passed on.
func secretFlags() []string { return []string{"ticket", "secret", "password", "private-key"} }

func (c *client) define(flags *flag.FlagSet) {
	flags.StringVar(&c.url, "url", cloverleaf.DefaultURL, "`URL` address of the router: ws, wss, rs, rss, ws+unix or rs+unix (default "+cloverleaf.DefaultURL+")")
	flags.StringVar(&c.realm, "realm", "realm1", "`NAME` realm to join (default realm1)")
	flags.Var(&c.serializers, "serializer", "`LIST` json, msgpack or cbor, or several in order of preference; may be repeated (default cbor,msgpack,json)")
	flags.DurationVar(&c.timeout, "timeout", 0, "`DURATION` give up after this time, such as 10s (default never)")
	flags.BoolVar(&c.verbose, "verbose", false, "log to stderr what happens to the connection")
	flags.StringVar(&c.authid, "authid", "", "`NAME` who to authenticate as")
	flags.StringVar(&c.authrole, "authrole", "", "`ROLE` role to ask for")
	flags.Var(&c.ticket, "ticket", "`SECRET` ticket, or @FILE")
	flags.Var(&c.secret, "secret", "`SECRET` secret for WAMP-CRA, or @FILE")
	flags.Var(&c.password, "password", "`SECRET` password for SCRAM, or @FILE")
	flags.Var(&c.private, "private-key", "`KEY` private key for cryptosign in hexadecimal, or @FILE")
	flags.StringVar(&c.ca, "ca", "", "`FILE` certificates in PEM to trust instead of those of the system")
	flags.BoolVar(&c.insecure, "insecure", false, "accept any certificate")
}

// variable returns the environment variable of a flag.
func variable(flagName string) string {
	return "CLOVERLEAF_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// fromEnvironment sets the common flags that the command line does not have.
func (c *client) fromEnvironment(flags *flag.FlagSet, getenv func(string) string) error {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, name := range commonFlags() {
		value := getenv(variable(name))
		if value == "" || given[name] {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return usagef("%s=%q: %w", variable(name), value, err)
		}
	}
	if c.timeout < 0 {
		return usagef("--timeout: %v is negative", c.timeout)
	}
	return nil
}

// config returns the configuration of a component. Mistakes are usage errors.
func (c *client) config(p *program) (cloverleaf.Config, error) {
	methods, err := c.methods(p)
	if err != nil {
		return cloverleaf.Config{}, err
	}
	tlsConfig, err := c.tls()
	if err != nil {
		return cloverleaf.Config{}, err
	}
	cfg := cloverleaf.Config{
		Name: "cloverleaf", Realm: c.realm, Auth: methods, AuthRole: c.authrole, Serializers: c.serializers,
		Transports: []cloverleaf.Transport{{ClientConfig: transport.ClientConfig{URL: c.url, TLS: tlsConfig}}},
	}
	if c.verbose {
		cfg.Logger = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return cfg, nil
}

// methods returns the authentication methods to offer, those that tell the router least first.
func (c *client) methods(p *program) ([]session.Authenticator, error) {
	var methods []session.Authenticator
	var problems []error
	offer := func(s *secretFlag, name string, method func() (session.Authenticator, error)) {
		if s.empty() {
			return
		}
		m, err := method()
		if err != nil {
			problems = append(problems, usagef("--%s: %w", name, err))
			return
		}
		methods = append(methods, m)
	}
	offer(&c.private, "private-key", func() (session.Authenticator, error) {
		key, err := c.private.readKey(p)
		return session.CryptosignAuth{Identity: session.Identity{AuthID: c.authid}, Key: key}, err
	})
	offer(&c.password, "password", func() (session.Authenticator, error) {
		s, err := c.password.read(p)
		return session.SCRAM(c.authid, s.Reveal()), err
	})
	offer(&c.secret, "secret", func() (session.Authenticator, error) {
		s, err := c.secret.read(p)
		return session.CRA(c.authid, s.Reveal()), err
	})
	offer(&c.ticket, "ticket", func() (session.Authenticator, error) {
		s, err := c.ticket.read(p)
		return session.Ticket(c.authid, s.Reveal()), err
	})
	if len(methods) == 0 && c.authid != "" {
		methods = append(methods, session.Anonymous(c.authid))
	}
	if c.authid == "" && (!c.password.empty() || !c.secret.empty() || !c.ticket.empty()) {
		problems = append(problems, usagef("--authid is missing: a ticket, secret or password belongs to somebody"))
	}
	return methods, errors.Join(problems...)
}

// tls returns nil for the defaults.
func (c *client) tls() (*tls.Config, error) {
	switch {
	case c.ca != "" && c.insecure:
		return nil, usagef("--ca and --insecure exclude each other")
	case c.insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	case c.ca == "":
		return nil, nil
	}
	text, err := (&program{}).readFile(c.ca)
	if err != nil {
		return nil, usagef("--ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(text)) {
		return nil, usagef("--ca: %s has no certificate in PEM", c.ca)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// connection is a component and what became of it.
type connection struct {
	*cloverleaf.Component
	url   string      // for people
	ready atomic.Bool // there was a session that was ready
}

// component returns a component that tries to connect once, and goes on trying after it has been
// connected.
func (c *client) component(p *program) (*connection, error) {
	cfg, err := c.config(p)
	if err != nil {
		return nil, err
	}
	conn := &connection{url: withoutQuery(c.url)}
	cfg.Transports[0].IsFatal = func(error) bool { return !conn.ready.Load() }
	cfg.OnEvent = func(e supervisor.Event) {
		if _, ok := e.(*supervisor.Ready); ok {
			conn.ready.Store(true)
		}
	}
	if conn.Component, err = cloverleaf.NewComponent(cfg); err != nil {
		return nil, &usageError{inner(err)}
	}
	return conn, nil
}

// inner returns an error without the text that names the component.
func inner(err error) error {
	if e := errors.Unwrap(err); e != nil {
		return e
	}
	return err
}

// withoutQuery returns a URL without what may be secret in it.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the router"
	}
	u.RawQuery, u.User = "", nil
	return u.String()
}

// open starts the component and waits for its first session.
func (c *connection) open(ctx context.Context) (*session.Session, error) {
	// The component must outlive a signal, so that what is pending can be canceled.
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, &usageError{inner(err)}
	}
	s, err := c.Ready(ctx)
	if err != nil && ctx.Err() == nil {
		err = c.failure(err)
	}
	return s, err
}

// failure returns why the component has ended, without the layers that the error passed.
func (c *connection) failure(err error) error {
	if refused, ok := errors.AsType[*session.Error](err); ok {
		return refused
	}
	if exhausted, ok := errors.AsType[*supervisor.ExhaustedError](err); ok {
		err = exhausted.Causes[0].Err
	}
	if ended, ok := errors.AsType[*session.EndedError](err); ok {
		err = ended
	}
	return &connectError{url: c.url, err: err}
}

// close leaves the session. That it could not be done in good order harms nobody.
func (c *connection) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_ = c.Stop(ctx)
}

// do joins, works and leaves.
func (c *client) do(ctx context.Context, p *program, work func(context.Context, *session.Session) error) error {
	conn, err := c.component(p)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	s, err := conn.open(ctx)
	if err != nil {
		return err
	}
	return work(ctx, s)
}

// stay keeps a component connected until ctx ends or an error, which may be nil, comes from done.
// If it is endless, a signal is the good end. Whenever it is ready, and when its session is lost,
// it says so on stderr.
func (c *connection) stay(ctx context.Context, p *program, ready string, done <-chan error, endless bool) error {
	if err := c.Check(); err != nil {
		return &usageError{inner(err)}
	}
	c.OnReady(func(context.Context, *session.Session) error {
		p.note("%s at %s", ready, c.url)
		return nil
	})
	c.OnLeave(func(_ context.Context, _ *session.Session, reason error) {
		if ended, ok := errors.AsType[*session.EndedError](reason); ok && ended.How != session.EndLeft && c.ready.Load() {
			p.note("no connection: %s", describe(ended))
		}
	})
	defer c.close(ctx)
	if _, err := c.open(ctx); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ctx.Done():
		if endless && errors.Is(ctx.Err(), context.Canceled) {
			return nil
		}
		return ctx.Err()
	case err := <-done:
		return err
	case err := <-ended:
		if err == nil {
			err = session.ErrClosed
		}
		return c.failure(err)
	}
}

// serializerFlag is a list of serializers, separated by commas or given one by one.
type serializerFlag []protocol.Serializer

// String implements flag.Value.
func (s *serializerFlag) String() string {
	var names []string
	for _, serializer := range *s {
		names = append(names, serializer.String())
	}
	return strings.Join(names, ",")
}

// Set implements flag.Value.
func (s *serializerFlag) Set(names string) error {
	for name := range strings.SplitSeq(names, ",") {
		serializer, ok := protocol.ParseSerializer(strings.TrimSpace(name))
		if !ok {
			return errors.New("is none of json, msgpack, cbor")
		}
		*s = append(*s, serializer)
	}
	return nil
}
