package cloverleaf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// RouterConfig configures a Router. The zero value is a router with the realm
// "realm1", open to anonymous clients that may do everything.
type RouterConfig struct {
	// Realms are the realms to serve. None means realm1.
	Realms []RealmConfig
	// Session are the rules for sessions: URIs, request ids, limits.
	Session router.SessionConfig
	// Transport are the settings of listeners: message size, handshake deadline and
	// keepalive. See ServerConfig.Options for the defaults.
	Transport transport.ServerConfig
	// Limits bound the queues of connections.
	Limits actors.Limits
	// GoodbyeTimeout is how long a client may take to answer a GOODBYE. Default 2 s.
	GoodbyeTimeout time.Duration
	// System is the actor system to live in; nil makes one.
	System *actor.ActorSystem
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

// RealmConfig configures a realm.
type RealmConfig struct {
	// Name is the URI of the realm.
	Name string
	// Authenticators are the accepted authentication methods; none admits anonymous
	// clients only.
	Authenticators []router.Authenticator
	// Paths are the accepted methods for clients that come by these WebSocket paths, such as
	// "/auth_ws", instead of Authenticators; an empty list admits anonymous clients only.
	// Listeners serve the paths beside those of RouterConfig.Transport. Who comes by another
	// path, or by RawSocket, has to do with Authenticators.
	Paths map[string][]router.Authenticator
	// Authorization says who may do what, by rules of roles, by a function of yours, or by
	// a WAMP procedure. The zero value allows everything.
	Authorization router.AuthorizationConfig
	// SlowConsumers is what happens to events for a client that does not keep up.
	// Default actors.SlowDisconnect.
	SlowConsumers actors.SlowConsumerPolicy
	// History are the topics and patterns whose last events are kept, in memory, for
	// wamp.subscription.get_events. None keeps nothing; retained events are kept anyhow.
	History []router.HistoryConfig
}

// Router is a WAMP router in this process, with or without listeners. It is safe for
// concurrent use.
type Router struct {
	host   *actors.Host
	router *actors.Router
	cfg    transport.ServerConfig

	mu        sync.Mutex
	listeners []*transport.Listener
	serving   sync.WaitGroup
	closed    bool
}

// NewRouter starts a router without listeners. Errors name the setting at fault.
// Close it in the end.
func NewRouter(cfg RouterConfig) (*Router, error) {
	if err := cfg.Transport.Validate(); err != nil {
		return nil, fmt.Errorf("cloverleaf: %w", err)
	}
	host := actors.NewHost(actors.HostConfig{System: cfg.System, Logger: cfg.Logger})
	realms := make([]actors.RealmConfig, len(cfg.Realms))
	for i, r := range cfg.Realms {
		realms[i] = actors.RealmConfig{
			Name: protocol.URI(r.Name), Authenticators: r.Authenticators, Paths: r.Paths,
			Authorization: r.Authorization, SlowConsumers: r.SlowConsumers,
			History: r.History,
		}
	}
	inner, err := actors.NewRouter(host, actors.RouterConfig{
		Realms: realms, Session: cfg.Session, Options: cfg.Transport.Options,
		Limits: cfg.Limits, GoodbyeTimeout: cfg.GoodbyeTimeout,
	})
	if err != nil {
		host.Close()
		return nil, fmt.Errorf("cloverleaf: %w", err)
	}
	if cfg.Transport.Logger == nil {
		cfg.Transport.Logger = host.Logger()
	}
	cfg.Transport.WebSocketPaths = slices.Clone(cfg.Transport.WebSocketPaths)
	for _, r := range cfg.Realms {
		cfg.Transport.WebSocketPaths = slices.AppendSeq(cfg.Transport.WebSocketPaths, maps.Keys(r.Paths))
	}
	return &Router{host: host, router: inner, cfg: cfg.Transport}, nil
}

// Listen accepts WebSocket, RawSocket and plain HTTP connections on addr, "host:port" or
// "unix:path", until the router is closed. ctx bounds the call, not the listener.
func (r *Router) Listen(ctx context.Context, addr string) (*transport.Listener, error) {
	l, err := transport.Listen(ctx, addr, r.cfg)
	if err != nil {
		return nil, fmt.Errorf("cloverleaf: %w", err)
	}
	if err := r.Serve(l); err != nil {
		return nil, err
	}
	return l, nil
}

// Serve accepts the connections of a listener that was made by transport.Listen with settings of
// its own, until the router is closed. It does not wait, and the router closes the listener, also
// if it returns an error because the router is closed already.
func (r *Router) Serve(l *transport.Listener) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = l.Close()
		return fmt.Errorf("cloverleaf: listen on %s: %w", l.Addr(), actors.ErrRouterClosed)
	}
	r.listeners = append(r.listeners, l)
	r.serving.Go(func() {
		if err := l.Serve(r.router.Accept); err != nil && !errors.Is(err, net.ErrClosed) {
			r.host.Logger().Error("listener failed", "addr", l.Addr().String(), "reason", err)
		}
	})
	return nil
}

// Handler returns an http.Handler that upgrades requests to WebSocket connections of
// this router, for a server of your own.
func (r *Router) Handler() http.Handler { return transport.WebSocketHandler(r.cfg, r.router.Accept) }

// Accept serves a connection that was established elsewhere.
func (r *Router) Accept(c *transport.Conn) { r.router.Accept(c) }

// Pipe connects a client in this process, without a socket.
func (r *Router) Pipe() *transport.PipeEnd {
	client, server := transport.Pipe()
	r.router.AcceptPipe(server)
	return client
}

// Transport connects components of this process to the router, without a socket:
// Config.Transports takes []Transport{router.Transport()}.
func (r *Router) Transport() Transport {
	return Transport{Pipe: func(context.Context) (*transport.PipeEnd, error) { return r.Pipe(), nil }}
}

// PipeAs connects a client in this process that the program vouches for: it joins as who, in any
// realm, without authentication. See TransportAs.
func (r *Router) PipeAs(who router.Principal) *transport.PipeEnd {
	client, server := transport.Pipe()
	r.router.AcceptPipeAs(server, who)
	return client
}

// TransportAs is Transport for components of this process that need no credentials: they join as
// who, with the authid and authrole of the program's choice, whatever the realm asks of others.
// Their authmethod is "local". Only code that has the Router can join so.
func (r *Router) TransportAs(who router.Principal) Transport {
	return Transport{Pipe: func(context.Context) (*transport.PipeEnd, error) { return r.PipeAs(who), nil }}
}

// Sessions returns the number of open connections, joined or not.
func (r *Router) Sessions() int { return r.router.Sessions() }

// SetAuthorization replaces the RealmConfig.Authorization of a realm while the router runs:
// see actors.Router.SetAuthorization.
func (r *Router) SetAuthorization(realm string, cfg router.AuthorizationConfig) error {
	if err := r.router.SetAuthorization(protocol.URI(realm), cfg); err != nil {
		return fmt.Errorf("cloverleaf: %w", err)
	}
	return nil
}

// Stats returns counts: connections, dropped events, slow consumers.
func (r *Router) Stats() actors.RouterStats { return r.router.Stats() }

// Close stops listening, says GOODBYE wamp.close.system_shutdown to every client, and
// returns when all have left. When ctx ends before, the remaining connections are cut
// and its error is returned. Close may be called more than once.
func (r *Router) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	listeners := r.listeners
	r.listeners = nil
	r.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	r.serving.Wait()
	err := r.router.Close(ctx)
	r.host.Close()
	if err != nil {
		return fmt.Errorf("cloverleaf: %w", err)
	}
	return nil
}
