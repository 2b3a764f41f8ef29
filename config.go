package cloverleaf

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// DefaultURL is where a component connects to that has no transports.
const DefaultURL = "ws://127.0.0.1:8080/ws"

// Transport is one way to a router: a URL with its options, or a connection within the process.
type Transport = actors.TransportConfig

// URLs returns the transports for these URLs, with defaults for everything else. See
// transport.ClientConfig.URL for what a URL may be.
func URLs(urls ...string) []Transport {
	list := make([]Transport, len(urls))
	for i, u := range urls {
		list[i].ClientConfig = transport.ClientConfig{URL: u}
	}
	return list
}

// RefusedPolicy says what becomes of a session when the router refuses a declared registration or
// subscription.
type RefusedPolicy = actors.RefusedPolicy

// The policies for refused declarations.
const (
	// RefusedFailsSession, the default, gives up the session and connects again after a delay, or
	// ends the component if the refusal is permanent.
	RefusedFailsSession = actors.RefusedFailsSession
	// RefusedIsReported goes on without what was refused.
	RefusedIsReported = actors.RefusedIsReported
)

// SessionConfig is what a SessionFactory gets to know of a session.
type SessionConfig = actors.SessionConfig

// SessionFactory makes a handler for each session. The zero value makes none.
type SessionFactory = actors.SessionFactory

// NewSessionFactory returns a factory that calls f for a handler of each session, which has any of
// the methods OnConnect, OnChallenge, OnWelcome, OnJoin, OnReady, OnLeave and OnDisconnect, and may
// embed *session.Session. See actors.NewSessionFactory.
func NewSessionFactory[T any](f func(SessionConfig) T) SessionFactory {
	return actors.NewSessionFactory(f)
}

// Config configures a Component. Only Realm is needed; the zero value of every other field is its
// default.
type Config struct {
	// Name names the component in logs, events and errors. Default "component-1", -2, ...
	Name string
	// Realm to join.
	Realm string
	// Transports are tried in this order, round robin, each with its own retries and delays.
	// Default URLs(DefaultURL).
	Transports []Transport
	// Serializers are offered by transports that name none of their own, in this order. Default
	// protocol.Serializers.
	Serializers []protocol.Serializer
	// Auth are the authentication methods to offer, in this order, such as session.Ticket. None
	// offers none, which routers take for anonymous.
	Auth []session.Authenticator
	// AuthRole is the role to ask for, AuthExtra what else to tell the router in HELLO.
	AuthRole  string
	AuthExtra map[string]any
	// Agent is what to call the client in HELLO. Default "cloverleaf".
	Agent string
	// HelloExtra are further details of HELLO; names of applications' own start with an underscore.
	HelloExtra map[string]any
	// Extra is the application's own data: session.Session.Extra returns it, and SessionFactory gets
	// it. It is not sent. Sessions share it, so it should not be changed.
	Extra any
	// SessionFactory makes a handler of a type of yours for each session; see NewSessionFactory. The
	// zero value makes none.
	SessionFactory SessionFactory
	// Main, if it is not nil, is run in every session once that is ready. When it returns nil, the
	// component leaves and is done. An error or panic gives up the session, and the component
	// connects again as far as Restarts allows, after a delay; an error that supervisor.Permanent
	// has marked ends it. Its ctx ends with the session, and it must return then: the component
	// goes on only afterwards.
	Main func(ctx context.Context, s *session.Session) error
	// Restarts bounds how often the session is given up because of Main or a listener for join.
	// Default 5 times in a minute; then the component ends with a *supervisor.IntensityError.
	Restarts supervisor.Intensity
	// Restart says whether the component is started again when it has ended: after a permanent
	// failure, without a transport left to try, with Restarts spent, or also when it was done. By
	// default it is not. In a Group only its Type counts, by default supervisor.RestartTransient.
	Restart supervisor.RestartPolicy
	// OnRefused says what becomes of a session when the router refuses a declaration.
	OnRefused RefusedPolicy
	// Classify tells transient from permanent failures. Default: by the reason URI, see
	// supervisor.ReasonClass.
	Classify supervisor.Classifier
	// RetryPermanent goes on trying after permanent failures such as no_such_realm.
	RetryPermanent bool
	// JoinTimeout bounds the time from the open transport to the established session, which for
	// SCRAM includes deriving keys, and anew that from the answer to a challenge on. Default 10 s;
	// negative is no limit.
	JoinTimeout time.Duration
	// LeaveTimeout bounds the wait for the router's answer to GOODBYE. Default 2 s; negative is no
	// limit.
	LeaveTimeout time.Duration
	// MaxInvocations is how many invocations may be unanswered in one session; callers beyond get
	// protocol.ErrorLimitExceeded. Default session.DefaultMaxInvocations.
	MaxInvocations int
	// Errors translates between Go errors and error URIs, for handlers and calls alike. Nil
	// translates nothing.
	Errors *session.ErrorMap
	// OnEvent gets every event in the life of the component. It must not block.
	OnEvent func(supervisor.Event)
	// Logger gets the events, too. Default: that of the Runtime.
	Logger *slog.Logger
}

// component returns the configuration of the component's actor.
func (c Config) component() actors.ComponentConfig {
	transports := c.Transports
	if len(transports) == 0 {
		transports = URLs(DefaultURL)
	}
	transports = append([]Transport(nil), transports...)
	for i := range transports {
		if t := &transports[i]; t.Serializers == nil {
			t.Serializers = c.Serializers
		}
	}
	return actors.ComponentConfig{
		Name: c.Name, Realm: protocol.URI(c.Realm), Transports: transports, Auth: c.Auth, AuthRole: c.AuthRole,
		AuthExtra: c.AuthExtra, Agent: c.Agent, HelloExtra: c.HelloExtra, Extra: c.Extra, SessionFactory: c.SessionFactory, Main: c.Main, Restarts: c.Restarts,
		OnRefused: c.OnRefused, Classify: c.Classify, RetryPermanent: c.RetryPermanent,
		JoinTimeout: c.JoinTimeout, LeaveTimeout: c.LeaveTimeout, MaxInvocations: c.MaxInvocations,
		Errors: c.Errors, OnEvent: c.OnEvent, Logger: c.Logger,
	}
}
