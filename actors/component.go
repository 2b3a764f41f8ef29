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
	// Extra are further details of HELLO.
	Extra protocol.Dict
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
	// JoinTimeout bounds the time from the open transport to WELCOME. Default 10 s; negative is
	// no limit.
	JoinTimeout time.Duration
	// LeaveTimeout bounds the wait for the answer to GOODBYE. Default 2 s; negative is no limit.
	LeaveTimeout time.Duration
	// MaxInvocations is how many invocations are served at once. Default
	// session.DefaultMaxInvocations.
	MaxInvocations int
	// Errors translates between Go errors and error URIs. Nil translates nothing.
	Errors *session.ErrorMap
	// Declarations are the registrations and subscriptions of every session.
	Declarations []*Declaration
	// Listeners are told of the component's life. Nil means none.
	Listeners *Listeners
	// Main, if it is not nil, is run in every session once that is ready. When it returns nil,
	// the component leaves and is done. An error, or a panic, gives up the session, and the
	// component connects again as far as Restarts allows. Its ctx ends with the session; the
	// component does not go on before Main has returned.
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

// ComponentProps returns the Props of a component: an actor that connects, joins, and keeps its
// declarations registered until it is stopped or cannot go on. Spawn it under the root context or
// under any actor, once. Errors name the field at fault.
//
// The actor understands *Call, *Publish, *WatchSession, *UnwatchSession and *Stop. When it has
// done its work it stops itself; it never fails.
func ComponentProps(h *Host, cfg ComponentConfig) (*actor.Props, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("actors: component: %w", err)
	}
	return newClient(h, cfg).props()
}

func newClient(h *Host, cfg ComponentConfig) *client {
	c := &client{host: h, cfg: cfg.withDefaults(h)}
	c.log = c.cfg.Logger
	c.workers.c = c
	return c
}

func (c *client) props() (*actor.Props, error) {
	reconnect, err := supervisor.NewReconnect(c.cfg.reconnect())
	if err != nil {
		return nil, fmt.Errorf("actors: component: %w", err)
	}
	sessions, err := sessionProps(c)
	if err != nil {
		return nil, fmt.Errorf("actors: component: %w", err)
	}
	return c.host.props(func() actor.Actor {
		return &componentActor{
			c: c, reconnect: reconnect, sessions: sessions, restarts: supervisor.NewBudget(c.cfg.Restarts),
			watchers: make(map[string]*actor.PID),
		}
	}), nil
}

// SpawnComponent spawns a component under the root context, as "component/<name>".
func (h *Host) SpawnComponent(cfg ComponentConfig) (*actor.PID, error) {
	cfg = cfg.withDefaults(h)
	props, err := ComponentProps(h, cfg)
	if err != nil {
		return nil, err
	}
	pid, err := h.system.Root.SpawnNamed(props.Clone(actor.WithGuardian(h.guardian)), "component/"+cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("actors: component %s: %w", cfg.Name, err)
	}
	return pid, nil
}

// Messages to a component actor that are not for everybody.
type (
	// kill asks to stop at once: the connection is cut, and functions of the user are not waited
	// for.
	kill struct{ err error }
	// AddDeclaration and RemoveDeclaration change what every session has, the present one
	// included.
	AddDeclaration struct{ Declaration *Declaration }
	// RemoveDeclaration takes AddDeclaration, or a declaration of the configuration, back.
	RemoveDeclaration struct{ Declaration *Declaration }
	// retryDue is the timer of the next attempt.
	retryDue struct{ id uint64 }
	// listenersDone says that the listeners for an event have returned.
	listenersDone struct {
		event lifecycle
		id    uint64
		err   error
	}
	// mainDone says that Main has returned.
	mainDone struct {
		id  uint64
		err error
	}
)

// Kill returns a message that stops a component at once, if Stop takes too long.
func Kill(reason error) any { return &kill{err: reason} }

// phase is what a component is busy with.
type phase int

const (
	starting   phase = iota // listeners for start
	waiting                 // for the next attempt
	connecting              // an attempt or a session is under way
	over                    // nothing more to come but the listeners
)

// componentActor is the supervisor of a component: it decides when to connect, over which
// transport, and when to give up, and tells the listeners.
type componentActor struct {
	c         *client
	self      *actor.PID
	ctx       context.Context //nolint:containedctx // for listeners, ends with the component
	cancel    context.CancelFunc
	reconnect *supervisor.Reconnect
	restarts  *supervisor.Budget
	sessions  *actor.Props
	child     *actor.PID // session actor
	watchers  map[string]*actor.PID

	phase   phase
	id      uint64 // of the attempt
	attempt supervisor.Attempt
	timer   *time.Timer
	due     bool // the delay of the attempt is over

	session  *session.Session
	linked   bool  // the transport is open
	joinDone bool  // the listeners for join have returned
	declDone bool  // the declarations are acknowledged
	failure  error // why the session is being given up; nil if it is not
	main     bool  // Main is running
	busy     int   // events whose listeners have not returned
	lane     lane

	stopping bool // asked to, or done
	err      error
}

// Receive implements actor.Actor.
func (a *componentActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *Call:
		a.call(ctx, m)
	case *Publish:
		a.publish(ctx, m)
	case *retryDue:
		a.due = a.due || m.id == a.id
		a.open()
	case *linkUp:
		a.linkUp(m)
	case *dialFailed:
		a.attemptFailed(m.id, m.err)
	case *sessionUp:
		a.joined(m)
	case *declarationsDone:
		a.declared(m)
	case *sessionDown:
		a.sessionDown(m)
	case *linkDown:
		a.linkDown(m)
	case *listenersDone:
		a.listenersDone(m)
	case *mainDone:
		a.mainDone(m)
	case *WatchSession, *UnwatchSession, *actor.Terminated:
		a.watch(ctx, m)
	case *AddDeclaration:
		a.tell(&declare{m.Declaration})
	case *RemoveDeclaration:
		a.tell(&undeclare{m.Declaration})
	case *Stop:
		a.stop(m)
	case *kill:
		a.kill(m.err)
	case *beyondHelp:
		a.fail(m.err)
	case *actor.Started:
		a.start(ctx)
	case *actor.Stopping:
		a.cleanUp()
	case *actor.Stopped:
		a.stopped()
	}
}

// failed ends the component after a panic of this actor, which is a bug.
func (a *componentActor) failed(_ actor.Context, err *supervisor.PanicError) {
	a.c.log.Error("component actor failed", "component", a.c.cfg.Name, "reason", err, stackOf(err))
	a.kill(err)
}

func (a *componentActor) tell(m any) { a.c.host.send(a.child, m) }

func (a *componentActor) start(ctx actor.Context) {
	a.self = ctx.Self()
	a.ctx, a.cancel = context.WithCancel(a.c.cfg.Context)
	child, err := ctx.SpawnNamed(a.sessions, "session")
	if err != nil {
		a.finish(fmt.Errorf("actors: component %s: session: %w", a.c.cfg.Name, err))
		return
	}
	a.child = child
	a.c.publish(&supervisor.Started{Origin: a.c.origin()})
	a.fire(onStart, a.ctx, nil)
}

// next plans the next attempt, or ends the component if there is none.
func (a *componentActor) next() {
	if a.stopping {
		a.finish(a.err)
		return
	}
	attempt, ok := a.reconnect.Next(a.c.random())
	if !ok {
		a.finish(a.reconnect.Err())
		return
	}
	a.id++
	a.phase, a.attempt, a.due = waiting, attempt, attempt.Delay <= 0
	a.c.publish(&supervisor.AttemptScheduled{
		Origin: a.c.origin(), URL: a.transport().Name(), Retry: attempt.Retry, Delay: attempt.Delay,
	})
	if !a.due {
		host, self, m := a.c.host, a.self, &retryDue{id: a.id}
		a.timer = time.AfterFunc(attempt.Delay, func() { host.send(self, m) })
	}
	a.open()
}

func (a *componentActor) transport() *TransportConfig {
	return &a.c.cfg.Transports[a.attempt.Transport]
}

// open begins the attempt once its delay is over and nothing of the last session is running.
func (a *componentActor) open() {
	if a.phase != waiting || !a.due || a.busy > 0 || a.main {
		return
	}
	a.phase, a.failure = connecting, nil
	a.joinDone, a.declDone = false, false
	a.tell(&openSession{id: a.id, transport: a.transport()})
}

func (a *componentActor) linkUp(m *linkUp) {
	if m.id != a.id {
		return
	}
	a.linked = true
	a.c.publish(&supervisor.Connected{Origin: a.c.origin(), URL: m.url})
	a.fire(onConnect, a.ctx, nil)
}

func (a *componentActor) joined(m *sessionUp) {
	if m.id != a.id {
		return
	}
	a.session = m.session
	d := m.session.Details()
	a.c.publish(&supervisor.Joined{
		Origin: a.c.origin(), URL: d.Transport, Realm: string(d.Realm), Session: uint64(d.ID),
		AuthID: d.AuthID, AuthRole: d.AuthRole, AuthMethod: d.AuthMethod,
	})
	a.notify(&Joined{Component: a.self, Session: m.session})
	a.fire(onJoin, m.session.Context(), nil)
}

// declared takes the router's answers to the declarations. Only with them the attempt has
// succeeded: a session that is given up because of a refusal must not reset the delays.
func (a *componentActor) declared(m *declarationsDone) {
	if m.id != a.id || a.session == nil {
		return
	}
	if m.err != nil {
		a.giveUp(m.err)
		return
	}
	a.reconnect.Joined()
	a.declDone = true
	a.ready()
}

func (a *componentActor) ready() {
	if !a.joinDone || !a.declDone || a.session == nil || a.failure != nil || a.stopping {
		return
	}
	a.c.publish(&supervisor.Ready{Origin: a.c.origin(), Realm: string(a.session.Realm()), Session: uint64(a.session.ID())})
	if f := a.c.cfg.OnReady; f != nil {
		f(a.session)
	}
	a.fire(onReady, a.session.Context(), nil)
}

// giveUp leaves the session because of err.
func (a *componentActor) giveUp(err error) {
	if a.failure != nil || a.stopping || a.session == nil {
		return
	}
	a.failure = err
	a.tell(&closeSession{reason: protocol.CloseRealm})
}

// ownFault gives up the session because of an error of the component's own code, as far as the
// budget allows.
func (a *componentActor) ownFault(what string, err error) {
	err = fmt.Errorf("%s: %w", what, err)
	if !a.restarts.Spend(time.Now()) {
		a.fail(&supervisor.IntensityError{Child: what, Intensity: a.c.cfg.Restarts, Err: err})
		return
	}
	var classed interface{ FaultClass() supervisor.Class }
	if !errors.As(err, &classed) {
		err = supervisor.Transient(err) // an error URI in it is that of some call, not of the session
	}
	a.giveUp(err)
}

// sessionDown handles the end of an attempt to join, or of a session.
func (a *componentActor) sessionDown(m *sessionDown) {
	if m.id != a.id {
		return
	}
	if !m.err.Joined {
		a.attemptFailed(m.id, m.err)
		return
	}
	err := error(m.err)
	switch {
	case a.failure != nil:
		err = a.failure
	case m.err.How == session.EndLeft || m.err.How == session.EndTimeout || a.stopping:
		err, a.stopping = nil, true // whoever left meant it, also if the router did not answer
	}
	left := &supervisor.Left{
		Origin: a.c.origin(), Realm: string(a.session.Realm()), Session: uint64(a.session.ID()), Reason: string(m.err.Reason), Err: err,
	}
	a.c.publish(left)
	a.notify(&Left{Component: a.self, Session: a.session, Reason: m.err})
	a.fire(onLeave, a.ctx, m.err)
	a.session = nil
	if err != nil {
		a.reconnect.Failed(err)
	}
}

// linkDown handles the end of a transport, the last thing of an attempt.
func (a *componentActor) linkDown(m *linkDown) {
	if m.id != a.id || !a.linked {
		return
	}
	a.linked = false
	a.c.publish(&supervisor.Disconnected{Origin: a.c.origin(), URL: m.url, Err: m.err})
	a.fire(onDisconnect, a.ctx, m.err)
	if a.phase == connecting {
		a.next()
	}
}

// attemptFailed handles an attempt that did not become a session.
func (a *componentActor) attemptFailed(id uint64, err error) {
	if id != a.id || a.phase != connecting {
		return
	}
	if !a.stopping {
		class := a.reconnect.Failed(err)
		a.c.publish(&supervisor.ConnectFailed{Origin: a.c.origin(), URL: a.transport().Name(), Class: class, Err: err})
		a.fire(onConnectFailure, a.ctx, err)
	}
	if !a.linked {
		a.next() // else linkDown comes
	}
}

// fail ends the component because of err.
func (a *componentActor) fail(err error) {
	if a.stopping {
		return
	}
	a.stopping, a.err, a.failure = true, err, err
	a.wind(&closeSession{reason: protocol.CloseRealm})
}

// stop ends the component in good order.
func (a *componentActor) stop(m *Stop) {
	if a.stopping {
		return
	}
	a.stopping = true
	reason := m.Reason
	if reason == "" {
		reason = protocol.CloseRealm
	}
	a.wind(&closeSession{reason: reason, message: m.Message})
}

// wind brings what is under way to its end, after which the component finishes.
func (a *componentActor) wind(m *closeSession) {
	switch a.phase {
	case starting, over: // the listeners finish it
	case waiting:
		if a.timer != nil {
			a.timer.Stop()
		}
		a.finish(a.err)
	case connecting:
		a.tell(m)
	}
}

// finish ends the component once the listeners have returned.
func (a *componentActor) finish(err error) {
	if a.phase != over {
		a.phase, a.stopping, a.err = over, true, err
	}
	if a.busy == 0 && !a.main {
		a.c.host.system.Root.Stop(a.self)
	}
}

func (a *componentActor) kill(err error) {
	if a.phase != over || a.err == nil {
		a.err = err
	}
	a.phase, a.stopping = over, true
	if a.child != nil {
		a.tell(&abortSession{err: errStopped})
	}
	a.c.host.system.Root.Stop(a.self)
}

func (a *componentActor) cleanUp() {
	if a.cancel != nil {
		a.cancel()
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.phase != over {
		a.phase, a.err = over, errStopped // its PID was stopped
	}
}

// stopped is the last thing that a component does, after its children are gone and its name is
// free again.
func (a *componentActor) stopped() {
	a.c.workers.close()
	a.c.publish(&supervisor.Stopped{Origin: a.c.origin(), Err: a.err})
	a.notify(&Ended{Component: a.self, Err: a.err})
	if done := a.c.cfg.Done; done != nil {
		if err := safely(func() error { done(a.err); return nil }); err != nil {
			a.c.log.Error("done callback failed", "reason", err, stackOf(err))
		}
	}
}
