package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// ComponentProps returns the Props of a component: an actor that connects, joins, and keeps its
// declarations registered until it is stopped or cannot go on. Spawn it under the root context or
// under any actor, and again when it has ended. Errors name the field at fault.
//
// The actor understands *Call, *Publish, *WatchSession, *UnwatchSession and *Stop. When it has
// done its work it stops itself; it never fails.
func ComponentProps(h *Host, cfg ComponentConfig) (*actor.Props, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("actors: component: %w", err)
	}
	cfg = cfg.withDefaults(h)
	return h.props(func() actor.Actor { return newComponentActor(newClient(h, cfg)) }), nil
}

func newClient(h *Host, cfg ComponentConfig) *client {
	c := &client{host: h, cfg: cfg.withDefaults(h)}
	c.log = c.cfg.Logger
	c.workers.c = c
	return c
}

func newComponentActor(c *client) *componentActor {
	return &componentActor{c: c, restarts: supervisor.NewBudget(c.cfg.Restarts), watchers: watchers{}}
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
	child     *actor.PID // session actor
	watchers  watchers
	member    *membership // in a group; nil if it is in none

	phase   phase
	id      uint64 // of the attempt
	attempt supervisor.Attempt
	timer   *time.Timer
	due     bool // the delay of the attempt is over

	session  *session.Session
	linked   bool          // the transport is open
	joinDone bool          // the listeners for join have returned
	declDone bool          // the declarations are acknowledged
	isReady  bool          // the session is ready
	failure  error         // why the session is being given up; nil if it is not
	pause    time.Duration // before the next attempt, because of a fault of our own
	main     bool          // Main is running
	busy     int           // events whose listeners have not returned
	lane     lane
	hooks    *hooks // the handler of the session, once the transport is open

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
		a.retry(m)
	case *linkUp:
		a.linkUp(m)
	case *dialFailed:
		a.await(m.hooks)
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
	default:
		a.lifecycle(ctx)
	}
}

// lifecycle handles the messages of Proto.Actor.
func (a *componentActor) lifecycle(ctx actor.Context) {
	switch ctx.Message().(type) {
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
	if f := a.c.cfg.Attach; f != nil {
		f(a.self, &a.c.cfg)
	}
	for _, pid := range a.c.cfg.Watchers {
		a.watchers.add(ctx, pid)
	}
	if err := a.equip(ctx); err != nil {
		a.finish(fmt.Errorf("actors: component %s: %w", a.c.cfg.Name, err))
		return
	}
	a.c.publish(&supervisor.Started{Origin: a.c.origin()})
	a.notify(&Started{Component: a.self})
	a.fire(onStart, a.ctx, nil)
}

// equip makes what the component needs to connect.
func (a *componentActor) equip(ctx actor.Context) (err error) {
	if a.reconnect, err = supervisor.NewReconnect(a.c.cfg.reconnect()); err != nil {
		return err
	}
	sessions, err := sessionProps(a.c)
	if err != nil {
		return err
	}
	a.child, err = ctx.SpawnNamed(sessions, "session")
	return err
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
	attempt.Delay, a.pause = max(attempt.Delay, a.pause), 0
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

func (a *componentActor) retry(m *retryDue) {
	if m.id == a.id {
		a.due = true
		a.open()
	}
}

// open begins the attempt once its delay is over and nothing of the last session is running.
func (a *componentActor) open() {
	if a.phase != waiting || !a.due || a.busy > 0 || a.main {
		return
	}
	a.phase, a.failure = connecting, nil
	a.joinDone, a.declDone, a.hooks = false, false, nil
	a.tell(&openSession{id: a.id, transport: a.transport()})
}

func (a *componentActor) linkUp(m *linkUp) {
	if m.id != a.id {
		return
	}
	a.linked, a.hooks = true, m.hooks
	a.c.publish(&supervisor.Connected{Origin: a.c.origin(), URL: m.url})
	a.notify(&Connected{Component: a.self, URL: m.url})
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
	a.isReady = true
	if f := a.c.cfg.OnReady; f != nil {
		f(a.session)
	}
	a.notify(&Ready{Component: a.self, Session: a.session})
	a.member.ready()
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
// budget allows, and unless the error says that it is no use to try again.
func (a *componentActor) ownFault(what string, err error) {
	if a.failure != nil || a.stopping {
		return // it is being given up
	}
	err = fmt.Errorf("%s: %w", what, err)
	now := time.Now()
	switch {
	case supervisor.Classify(err) == supervisor.ClassPermanent && !a.c.cfg.RetryPermanent:
		a.fail(err)
	case !a.restarts.Spend(now):
		a.fail(&supervisor.IntensityError{Child: what, Intensity: a.c.cfg.Restarts, Err: err})
	default:
		a.pause = a.transport().Backoff.Delay(a.restarts.Spent(now), a.c.random())
		a.giveUp(err)
	}
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
	err, reason := error(m.err), m.err
	switch {
	case a.failure != nil:
		given := *m.err // which others read
		given.Cause, reason = a.failure, &given
		err = a.failure
	case m.err.How == session.EndLeft || m.err.How == session.EndTimeout || a.stopping:
		err, a.stopping = nil, true // whoever left meant it, also if the router did not answer
	}
	left := &supervisor.Left{
		Origin: a.c.origin(), Realm: string(a.session.Realm()), Session: uint64(a.session.ID()), Reason: string(m.err.Reason), Err: err,
	}
	a.c.publish(left)
	a.notify(&Left{Component: a.self, Session: a.session, Reason: reason})
	a.fire(onLeave, a.ctx, reason)
	a.session, a.isReady = nil, false
	switch {
	case a.pause > 0: // it is no fault of the transport
		a.reconnect.Closed()
	case err != nil:
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
	a.notify(&Disconnected{Component: a.self, URL: m.url, Err: m.err})
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
		url := a.transport().Name()
		a.c.publish(&supervisor.ConnectFailed{Origin: a.c.origin(), URL: url, Class: class, Err: err})
		a.notify(&ConnectFailed{Component: a.self, URL: url, Class: class, Err: err})
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
	a.member.ended(a.err)
	if done := a.c.cfg.Done; done != nil {
		if err := safely(func() error { done(a.err); return nil }); err != nil {
			a.c.log.Error("done callback failed", "reason", err, stackOf(err))
		}
	}
}
