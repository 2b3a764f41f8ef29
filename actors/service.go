package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// services are the sessions of a router in its own realms, by which it calls procedures: in
// each realm that needs it a component, started by the first call. It is safe for concurrent
// use.
type services struct {
	router *Router

	mu      sync.Mutex
	byRealm map[protocol.URI]*service
	stopped bool
}

// service is the component in one realm.
type service struct {
	pid  *actor.PID
	done chan struct{} // closed when it has ended

	mu      sync.Mutex
	session *session.Session
	joined  chan struct{} // closed while there is a session, replaced when there is none
}

func newServices(r *Router) *services {
	return &services{router: r, byRealm: make(map[protocol.URI]*service)}
}

// call is a router.CallFunc.
func (v *services) call(ctx context.Context, realm, procedure protocol.URI, args []any, kwargs map[string]any) (any, error) {
	s, err := v.session(ctx, realm)
	if err != nil {
		return nil, fmt.Errorf("actors: router: call %s: %w", procedure, err)
	}
	opts := []session.CallOption{session.Args(args...)}
	if len(kwargs) > 0 {
		opts = append(opts, session.KwArgs(kwargs))
	}
	res, err := s.Call(ctx, string(procedure), opts...)
	if err != nil {
		return nil, callError(err)
	}
	return firstValue(res)
}

func callError(err error) error {
	e, ok := errors.AsType[*session.Error](err)
	if !ok || !e.Remote() {
		return err
	}
	answer := &router.CallError{URI: e.URI}
	if len(e.Args) > 0 {
		answer.Message, _ = e.Args[0].(string)
	}
	return answer
}

func firstValue(res *session.Result) (any, error) {
	args, err := res.Args()
	if err != nil || len(args) > 0 {
		return append(args, nil)[0], err
	}
	kwargs, err := res.KwArgs()
	if err != nil || len(kwargs) == 0 {
		return nil, err
	}
	return kwargs, nil
}

// session waits for the session in a realm.
func (v *services) session(ctx context.Context, realm protocol.URI) (*session.Session, error) {
	sv, err := v.start(realm)
	if err != nil {
		return nil, err
	}
	for {
		sv.mu.Lock()
		s, joined := sv.session, sv.joined
		sv.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-joined:
		case <-sv.done:
			return nil, ErrRouterClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start starts the component in a realm if it isn't running.
func (v *services) start(realm protocol.URI) (*service, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopped {
		return nil, ErrRouterClosed
	}
	if sv := v.byRealm[realm]; sv != nil {
		return sv, nil
	}
	if v.router.realm(realm) == nil {
		return nil, fmt.Errorf("no realm %q", string(realm))
	}
	sv := &service{done: make(chan struct{}), joined: make(chan struct{})}
	pid, err := v.router.host.SpawnComponent(v.config(realm, sv))
	if err != nil {
		return nil, err
	}
	sv.pid = pid
	v.byRealm[realm] = sv
	return sv, nil
}

func (v *services) config(realm protocol.URI, sv *service) ComponentConfig {
	return ComponentConfig{
		Name: v.router.name + "/service/" + string(realm), Realm: realm, RetryPermanent: true,
		Transports: []TransportConfig{{
			Pipe:    v.pipe,
			Backoff: supervisor.Backoff{Initial: 100 * time.Millisecond, Max: 5 * time.Second},
		}},
		OnSession: sv.set,
		Done:      func(error) { v.ended(realm, sv) },
	}
}

// pipe connects a component to the router, as the router itself.
func (v *services) pipe(context.Context) (*transport.PipeEnd, error) {
	client, server := transport.Pipe()
	v.router.acceptPipe(&routerSession{
		router: v.router, pipe: server, internal: true,
		as: &router.Principal{AuthID: "router", AuthRole: "router", Provider: "internal"},
	})
	return client, nil
}

func (sv *service) set(s *session.Session) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	switch {
	case s != nil && sv.session == nil:
		close(sv.joined)
	case s == nil && sv.session != nil:
		sv.joined = make(chan struct{})
	}
	sv.session = s
}

// ended has the next call start another component, unless the router is being closed.
func (v *services) ended(realm protocol.URI, sv *service) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.stopped {
		delete(v.byRealm, realm)
	}
	close(sv.done)
}

// stop ends the sessions, and with them the calls under way.
func (v *services) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	for _, sv := range v.byRealm {
		v.router.host.send(sv.pid, &Stop{Reason: protocol.CloseSystemShutdown})
	}
}

// wait returns when nothing of them is left, after stop. They are cut at the end of ctx.
func (v *services) wait(ctx context.Context) {
	v.mu.Lock()
	all := make([]*service, 0, len(v.byRealm))
	for _, sv := range v.byRealm {
		all = append(all, sv)
	}
	v.mu.Unlock()
	for _, sv := range all {
		select {
		case <-sv.done:
			continue
		case <-ctx.Done():
		}
		v.router.host.send(sv.pid, Kill(nil))
		<-sv.done
	}
}
