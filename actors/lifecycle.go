package actors

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// lifecycle is an event in the life of a component that listeners can be told of.
type lifecycle int

const (
	onStart lifecycle = iota
	onConnect
	onJoin
	onReady
	onLeave
	onDisconnect
	onConnectFailure
	numLifecycle
)

// String returns the name of the event.
func (l lifecycle) String() string {
	return [...]string{"start", "connect", "join", "ready", "leave", "disconnect", "connectfailure"}[l]
}

// Listeners are functions that are told of a component's life. The zero value has none. Functions
// may be added and removed at any time, by any goroutine; one that is added is told of what
// happens from then on.
//
// The functions of one component run one after the other, in the order of the events and for one
// event in the order in which they were added, on a goroutine that is not an actor's: they may
// block, call procedures and register others. The component waits for them: it is not ready before
// those for join have returned, and does not connect again before those for the last session have.
// The functions that were added return one that removes them.
//
// An error of a function for start ends the component; one of a function for join gives up the
// session, as one of Main does. All others are reported as events, and so are panics.
type Listeners struct {
	mu   sync.Mutex
	last int
	list [numLifecycle][]listener
}

type listener struct {
	id int
	f  func(context.Context, *session.Session, error) error
}

func (l *Listeners) add(e lifecycle, f func(context.Context, *session.Session, error) error) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	id := l.last
	l.list[e] = append(slices.Clip(l.list[e]), listener{id: id, f: f})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list[e] = slices.DeleteFunc(slices.Clone(l.list[e]), func(x listener) bool { return x.id == id })
	}
}

func (l *Listeners) of(e lifecycle) []listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[e]
}

// OnStart adds a function that is called once, before the first attempt to connect.
func (l *Listeners) OnStart(f func(ctx context.Context) error) (remove func()) {
	return l.add(onStart, func(ctx context.Context, _ *session.Session, _ error) error { return f(ctx) })
}

// OnConnect adds a function that is called when a transport is open.
func (l *Listeners) OnConnect(f func(ctx context.Context)) (remove func()) {
	return l.add(onConnect, func(ctx context.Context, _ *session.Session, _ error) error { f(ctx); return nil })
}

// OnJoin adds a function that is called with each new session. ctx ends with the session.
func (l *Listeners) OnJoin(f func(ctx context.Context, s *session.Session) error) (remove func()) {
	return l.add(onJoin, func(ctx context.Context, s *session.Session, _ error) error { return f(ctx, s) })
}

// OnReady adds a function that is called when the functions for join have returned and all
// declarations are acknowledged. ctx ends with the session.
func (l *Listeners) OnReady(f func(ctx context.Context, s *session.Session) error) (remove func()) {
	return l.add(onReady, func(ctx context.Context, s *session.Session, _ error) error { return f(ctx, s) })
}

// OnLeave adds a function that is called when a session has ended; reason is an
// *session.EndedError, whose Cause is what it was given up for, such as a refused declaration.
func (l *Listeners) OnLeave(f func(ctx context.Context, s *session.Session, reason error)) (remove func()) {
	return l.add(onLeave, func(ctx context.Context, s *session.Session, err error) error { f(ctx, s, err); return nil })
}

// OnDisconnect adds a function that is called when a transport is closed, with nil if that was in
// good order.
func (l *Listeners) OnDisconnect(f func(ctx context.Context, err error)) (remove func()) {
	return l.add(onDisconnect, func(ctx context.Context, _ *session.Session, err error) error { f(ctx, err); return nil })
}

// OnConnectFailure adds a function that is called for each attempt that did not become a session.
// The loss of a session is not one.
func (l *Listeners) OnConnectFailure(f func(ctx context.Context, err error)) (remove func()) {
	return l.add(onConnectFailure, func(ctx context.Context, _ *session.Session, err error) error { f(ctx, err); return nil })
}

// lane runs functions one after the other, on a goroutine that lives as long as there are some.
type lane struct {
	mu      sync.Mutex
	queue   []func()
	running bool
}

func (l *lane) add(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, f)
	if !l.running {
		l.running = true
		go l.run()
	}
}

// run returns when there is nothing left. A function that ends the goroutine does not end the lane.
func (l *lane) run() {
	over := false
	defer func() {
		if !over {
			go l.run()
		}
	}()
	for {
		l.mu.Lock()
		if over = len(l.queue) == 0; over {
			l.running = false
			l.mu.Unlock()
			return
		}
		f := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		f()
	}
}

// fire tells the listeners of an event, after those of all events before.
func (a *componentActor) fire(e lifecycle, ctx context.Context, reason error) {
	listeners := slices.Concat(a.hooks.listeners(e), a.c.cfg.Listeners.of(e))
	s, m := a.session, &listenersDone{event: e, id: a.id}
	host, self := a.c.host, a.self
	a.busy++
	done := func() { host.send(self, m) }
	if len(listeners) == 0 {
		a.lane.add(done)
		return
	}
	for i, l := range listeners {
		a.lane.add(func() {
			guard(func() error { return l.f(ctx, s, reason) }, func(err error) {
				a.c.handlerFailed(supervisor.KindListener, e.String(), err)
				if m.err == nil {
					m.err = err
				}
				if i == len(listeners)-1 {
					done()
				}
			})
		})
	}
}

// await waits for a handler that is still busy, as for a listener.
func (a *componentActor) await(h *hooks) {
	if h == nil {
		return
	}
	a.busy++
	host, self := a.c.host, a.self
	a.lane.add(func() {
		h.wait()
		host.send(self, &listenersDone{event: numLifecycle})
	})
}

// listenersDone goes on with what waited for the listeners.
func (a *componentActor) listenersDone(m *listenersDone) {
	a.busy--
	switch {
	case a.phase == over:
		a.finish(a.err)
	case m.event == onStart && m.err != nil:
		a.finish(fmt.Errorf("start: %w", m.err))
	case m.event == onStart:
		a.next()
	case m.id != a.id || a.session == nil || a.session.Err() != nil:
		// The session is over, although the news of that may be on its way still.
	case m.event == onJoin:
		a.joinListenersDone(m.err)
	case m.event == onReady:
		a.startMain()
	}
	a.open()
}

func (a *componentActor) joinListenersDone(err error) {
	if err != nil {
		a.ownFault("listener for join", err)
		return
	}
	a.joinDone = true
	a.ready()
}

func (a *componentActor) startMain() {
	if a.c.cfg.Main == nil || a.failure != nil || a.stopping {
		return
	}
	a.main = true
	s, host, self, m := a.session, a.c.host, a.self, &mainDone{id: a.id}
	go guard(func() error { return a.c.cfg.Main(s.Context(), s) }, func(err error) {
		m.err = err
		host.send(self, m)
	})
}

func (a *componentActor) mainDone(m *mainDone) {
	a.main = false
	switch {
	case a.phase == over:
		a.finish(a.err)
		return
	case m.id != a.id || a.session == nil || a.session.Err() != nil || a.failure != nil || a.stopping:
		// The session is over anyway: what Main says about that is no news. Its context ends
		// before this actor learns of it.
	case m.err != nil:
		a.c.handlerFailed(supervisor.KindMain, "main", m.err)
		a.ownFault("main", m.err)
	default:
		a.stop(&Stop{})
	}
	a.open()
}

// call makes a call for an actor of the user.
func (a *componentActor) call(ctx actor.Context, m *Call) {
	host, sender := a.c.host, ctx.Sender()
	reply := func(res *session.Result, err error) {
		if sender != nil {
			host.send(sender, &CallResult{Call: m, Result: res, Err: err})
		}
	}
	if a.session == nil {
		reply(nil, fmt.Errorf("actors: call %s: %w", m.Procedure, session.ErrNotJoined))
		return
	}
	opts := m.Options
	if len(m.Args) > 0 {
		opts = append(slices.Clip(opts), session.Args(m.Args...))
	}
	if m.KwArgs != nil {
		opts = append(slices.Clip(opts), session.KwArgs(m.KwArgs))
	}
	a.session.CallAsync(m.Procedure, reply, opts...)
}

// publish publishes for an actor of the user.
func (a *componentActor) publish(ctx actor.Context, m *Publish) {
	host, sender := a.c.host, ctx.Sender()
	reply := func(id protocol.ID, err error) {
		if sender != nil {
			host.send(sender, &Published{Publish: m, ID: id, Err: err})
		}
	}
	if a.session == nil {
		reply(0, fmt.Errorf("actors: publish %s: %w", m.Topic, session.ErrNotJoined))
		return
	}
	opts := m.Options
	if len(m.Args) > 0 {
		opts = append(slices.Clip(opts), session.Args(m.Args...))
	}
	if m.KwArgs != nil {
		opts = append(slices.Clip(opts), session.KwArgs(m.KwArgs))
	}
	a.session.PublishAsync(m.Topic, reply, opts...)
}
