package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// RefusedPolicy says what becomes of a session when the router refuses a declared registration or
// subscription. Either way it is an event.
type RefusedPolicy int

const (
	// RefusedFailsSession leaves the session, which counts as a failed attempt: the component
	// connects again after a delay, or ends if the refusal is permanent, such as not_authorized.
	// A procedure that is still held by an earlier session of the same client is so taken over
	// once the router has noticed that the other is gone.
	RefusedFailsSession RefusedPolicy = iota
	// RefusedIsReported goes on without what was refused.
	RefusedIsReported
)

// Defaults of a ComponentConfig.
const (
	DefaultJoinTimeout  = 10 * time.Second
	DefaultLeaveTimeout = 2 * time.Second

	defaultInbound = 256 << 10
)

// ComponentConfig configures a component. Realm and Transports are needed.
type ComponentConfig struct {
	// Name names the component in logs and events. Default "component-1", -2, ...
	Name string
	// Realm to join.
	Realm protocol.URI
	// Transports are tried in this order, round robin.
	Transports []TransportConfig
	// Auth are the authentication methods to offer, in this order. None offers none, which
	// routers take for anonymous.
	Auth []session.Authenticator
	// AuthRole and AuthExtra are sent in HELLO.
	AuthRole  string
	AuthExtra protocol.Dict
	// Agent is announced in HELLO. Default Agent.
	Agent string
	// HelloExtra are further details of HELLO.
	HelloExtra protocol.Dict
	// Extra is the application's own data, for session.Session.Extra.
	Extra any
	// Classify tells transient from permanent failures. Nil decides by the reason URI, see
	// supervisor.ReasonClass.
	Classify supervisor.Classifier
	// RetryPermanent treats permanent failures as transient ones.
	RetryPermanent bool
	// Restarts bounds how often the session may be given up because of an error of the
	// component's own code: of Main, or of a listener for join. The zero value means the defaults.
	Restarts supervisor.Intensity
	// OnRefused says what becomes of a refused declaration.
	OnRefused RefusedPolicy
	// JoinTimeout bounds the time from the open transport to WELCOME, which for SCRAM includes
	// deriving keys, and anew that from AUTHENTICATE on. Default 10 s; negative is no limit.
	JoinTimeout time.Duration
	// LeaveTimeout bounds the wait for the answer to GOODBYE. Default 2 s; negative is no limit.
	LeaveTimeout time.Duration
	// MaxInvocations is how many invocations are served at once. Default
	// session.DefaultMaxInvocations.
	MaxInvocations int
	// Errors translates between Go errors and error URIs. Nil translates nothing.
	Errors *session.ErrorMap
	// SessionFactory makes a handler for each session. The zero value makes none.
	SessionFactory SessionFactory
	// Declarations are the registrations and subscriptions of every session.
	Declarations []*Declaration
	// Listeners are told of the component's life. Nil means none.
	Listeners *Listeners
	// Watchers are actors that watch the component from its start on, as with WatchSession.
	Watchers []*actor.PID
	// Attach, if it is not nil, is called first of all when the component's actor starts, with its
	// PID and its copy of the configuration, of which Declarations and Watchers may be replaced. It
	// runs on the component's actor and must not block.
	Attach func(self *actor.PID, cfg *ComponentConfig)
	// Main, if it is not nil, is run in every session once that is ready. When it returns nil,
	// the component leaves and is done. An error, or a panic, gives up the session, and the
	// component connects again as far as Restarts allows, over the same transport, of which it is
	// no failure, and after the delay of its Backoff for as many restarts as count then. An error
	// of class supervisor.ClassPermanent ends the component, unless RetryPermanent is set. Its ctx
	// ends with the session; the component does not go on before Main has returned.
	Main func(ctx context.Context, s *session.Session) error
	// OnSession is called with each new session, and with nil when it has ended, before anybody
	// else learns of it. It runs on the component's actors and must not block.
	OnSession func(*session.Session)
	// OnReady is called with each session that is ready, before the listeners for it are. It must
	// not block either.
	OnReady func(*session.Session)
	// OnEvent gets every event of the component. It runs on the component's actors and must not
	// block.
	OnEvent func(supervisor.Event)
	// Logger gets the events. Nil means that of the Host.
	Logger *slog.Logger
	// Context is the parent of the contexts that functions of the user get. Its end does not
	// stop the component. Nil means context.Background().
	Context context.Context //nolint:containedctx // the parent of contexts that are made later
	// Done is called once when the component has stopped, with the reason as in Ended.
	Done func(error)

	inbound int64
}

// Validate reports every problem of the configuration, each with the name of its field.
func (c *ComponentConfig) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case c.Realm == "":
		add("realm: missing")
	case !c.Realm.Valid():
		add("realm: %q is not a valid URI", string(c.Realm))
	}
	if len(c.Transports) == 0 {
		add("transports: none")
	}
	for i := range c.Transports {
		if err := c.Transports[i].Validate(); err != nil {
			add("transports[%d]: %w", i, err)
		}
	}
	if err := c.reconnect().Validate(); err != nil && len(c.Transports) > 0 {
		add("transports: %w", err)
	}
	if err := c.Restarts.Validate(); err != nil {
		add("restarts: %w", err)
	}
	if c.MaxInvocations < 0 {
		add("maxInvocations: %d is negative", c.MaxInvocations)
	}
	if c.OnRefused != RefusedFailsSession && c.OnRefused != RefusedIsReported {
		add("onRefused: %d is unknown", c.OnRefused)
	}
	if err := c.SessionFactory.validate(); err != nil {
		add("sessionFactory: %w", err)
	}
	if err := session.CheckMethods(protocol.HelloDetails{AuthRole: c.AuthRole, AuthExtra: c.AuthExtra}, c.Auth); err != nil {
		add("auth: %w", err)
	}
	return errors.Join(errs...)
}

func (c *ComponentConfig) reconnect() supervisor.ReconnectConfig {
	r := supervisor.ReconnectConfig{Classify: c.Classify, RetryPermanent: c.RetryPermanent}
	if r.Classify == nil {
		r.Classify = supervisor.ClassifyByReason(func(err error) string { return string(session.ErrorURI(err)) })
	}
	for i := range c.Transports {
		r.Transports = append(r.Transports, c.Transports[i].policy())
	}
	return r
}

func (c ComponentConfig) withDefaults(h *Host) ComponentConfig {
	if c.Name == "" {
		c.Name = fmt.Sprintf("component-%d", h.names.Add(1))
	}
	if c.Agent == "" {
		c.Agent = Agent
	}
	if c.JoinTimeout == 0 {
		c.JoinTimeout = DefaultJoinTimeout
	}
	if c.LeaveTimeout == 0 {
		c.LeaveTimeout = DefaultLeaveTimeout
	}
	if c.Listeners == nil {
		c.Listeners = &Listeners{}
	}
	if c.Logger == nil {
		c.Logger = h.logger
	}
	if c.Context == nil {
		c.Context = context.Background()
	}
	if c.inbound == 0 {
		c.inbound = defaultInbound
	}
	return c
}
