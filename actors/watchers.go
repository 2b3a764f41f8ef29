package actors

import "github.com/asynkron/protoactor-go/actor"

// watchers are the actors that want to know what becomes of another one, by PID.
type watchers map[string]*actor.PID

// update takes a *WatchSession, *UnwatchSession or *actor.Terminated. It returns who is new, and who
// does not want to know any more.
func (w watchers) update(ctx actor.Context, m any) (added, removed *actor.PID) {
	switch m := m.(type) {
	case *WatchSession:
		if pid := orSender(ctx, m.PID); pid != nil {
			w.add(ctx, pid)
			return pid, nil
		}
	case *UnwatchSession:
		if pid := orSender(ctx, m.PID); pid != nil {
			delete(w, pid.String())
			ctx.Unwatch(pid)
			return nil, pid
		}
	case *actor.Terminated:
		delete(w, m.Who.String())
	}
	return nil, nil
}

func (w watchers) add(ctx actor.Context, pid *actor.PID) {
	w[pid.String()] = pid
	ctx.Watch(pid)
}

func orSender(ctx actor.Context, pid *actor.PID) *actor.PID {
	if pid == nil {
		return ctx.Sender()
	}
	return pid
}

// notify sends m to all of them.
func (w watchers) notify(h *Host, m any) {
	for _, pid := range w {
		h.send(pid, m)
	}
}

// watch keeps the list of those who want to know of this component. A new one gets what has led
// to the present state.
func (a *componentActor) watch(ctx actor.Context, m any) {
	pid, _ := a.watchers.update(ctx, m)
	if pid == nil {
		return
	}
	send := func(m any) { a.c.host.send(pid, m) }
	send(&Started{Component: a.self})
	if a.linked {
		send(&Connected{Component: a.self, URL: a.transport().Name()})
	}
	if a.session != nil {
		send(&Joined{Component: a.self, Session: a.session})
	}
	if a.isReady {
		send(&Ready{Component: a.self, Session: a.session})
	}
}

func (a *componentActor) notify(m any) { a.watchers.notify(a.c.host, m) }
