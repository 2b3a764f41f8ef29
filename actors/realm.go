package actors

import (
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Messages to a realm actor. They are posted by session actors, so that what one
// session asks for arrives in its order.
type (
	realmJoin    struct{ peer *router.Peer }
	realmLeave   struct{ peer *router.Peer }
	realmCommand struct{ command router.Command }
	// realmMark comes back to the realm actor behind what it had in its mailbox.
	realmMark struct{}
	// realmAuthorize replaces the rules.
	realmAuthorize struct{ access *router.Access }
)

// realmRef is how session actors reach a realm: its actor, and its latest snapshot.
type realmRef struct {
	name      protocol.URI
	admission router.Admission
	paths     map[string][]router.Authenticator
	slow      SlowConsumerPolicy
	hardMark  int
	pid       *actor.PID
	snapshot  atomic.Pointer[router.Snapshot]
}

// realmActor is the control plane of one realm.
type realmActor struct {
	host    *Host
	ref     *realmRef
	realm   *router.Realm
	pending int // commands since the last commit
	stale   int // commands since all sessions were told to refresh
}

// newRealmRef starts the realm's actor.
func (r *Router) newRealmRef(c RealmConfig, a router.Admission, access *router.Access) (*realmRef, error) {
	h := r.host
	ref := &realmRef{
		name: c.Name, admission: a, paths: maps.Clone(c.Paths), slow: c.SlowConsumers, hardMark: r.cfg.Limits.HardMark,
	}
	realm := router.NewRealm()
	for _, h := range c.History {
		realm.Record(time.Now(), h)
	}
	realm.Authorize(access)
	snapshot, _ := realm.Commit()
	ref.snapshot.Store(snapshot)
	pid, err := h.system.Root.SpawnNamed(h.rootProps(func() actor.Actor {
		return &realmActor{host: h, ref: ref, realm: realm}
	}), r.name+"/realm/"+string(c.Name))
	if err != nil {
		return nil, err
	}
	ref.pid = pid
	return ref, nil
}

// Receive implements actor.Actor.
func (r *realmActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *realmCommand:
		r.realm.Apply(time.Now(), m.command)
		r.changed()
	case *realmAuthorize:
		r.realm.Authorize(m.access)
		r.changed()
	case *realmJoin:
		r.realm.Join(time.Now(), m.peer)
		r.changed()
	case *realmLeave:
		r.realm.Leave(time.Now(), m.peer)
		r.changed()
	case *realmMark:
		r.realm.Mark()
		r.commit()
	case *sched.Drained:
		r.commit()
	}
}

// failed goes on after a panic: a realm without its actor would be of no use. The
// session whose message it was has no answer coming and is ended.
func (r *realmActor) failed(ctx actor.Context, err *supervisor.PanicError) {
	r.host.logger.Error("realm actor failed", slog.Any("realm", r.ref.name), slog.Any("reason", err), stackOf(err))
	if m, ok := ctx.Message().(*realmCommand); ok {
		r.host.send(handleOf(m.command.From).pid, &kick{reason: protocol.ErrorRuntime, message: "the realm failed to carry out a request"})
	}
}

// changed commits every so often when the mailbox does not run dry by itself.
func (r *realmActor) changed() {
	const often, large = 256, 1 << 20
	r.pending++
	if r.pending >= often || r.realm.Pending() >= large {
		r.commit()
	}
}

// commit publishes what changed and then tells the sessions: whoever hears of a
// registration finds it in the snapshot.
func (r *realmActor) commit() {
	snapshot, replies := r.realm.Commit()
	if snapshot != nil {
		r.ref.snapshot.Store(snapshot)
		r.stale += r.pending
	}
	r.pending = 0
	for len(replies) > 0 {
		n := 1
		switch first := &replies[0]; first.Delivery.Kind {
		case router.EventRun:
			for to := range first.Receivers {
				r.postEvents(to, first.Delivery.Events)
			}
		case router.Kill:
			r.kill(first.To, first.Delivery.Message)
		default:
			for n < len(replies) && replies[n].To == first.To && batched(replies[n].Delivery.Kind) {
				n++
			}
			r.post(replies[:n])
		}
		replies = replies[n:]
	}
	if r.realm.Behind() {
		r.host.send(r.ref.pid, &realmMark{})
	}
	r.refresh()
}

// refresh has every session take the latest snapshot, once there were as many changes as there are sessions. One
// that has nothing to do would keep alive, for as long as it is idle, every session that was there when it last had.
func (r *realmActor) refresh() {
	const least = 256
	if r.stale < max(least, r.realm.Size()) {
		return
	}
	r.stale = 0
	for _, p := range r.realm.Members() {
		r.host.send(handleOf(p).pid, &refresh{})
	}
}

// batched reports whether deliveries of this kind go to a session in batches.
func batched(k router.DeliveryKind) bool { return k != router.EventRun && k != router.Kill }

// post hands over what there is for one session. One that has let too much pile up
// already is about to be disconnected, and is spared the rest.
func (r *realmActor) post(replies []router.Reply) {
	to := replies[0].To
	handle := handleOf(to)
	if handle.flow.overrun.Load() {
		return
	}
	batch := newDeliveries(to)
	for i := range replies {
		batch.add(replies[i].Delivery)
	}
	size := batch.size
	batch.post(r.host)
	handle.checkHardMark(r.host, r.ref.hardMark, size)
}

func (r *realmActor) postEvents(to *router.Peer, run *router.Events) {
	handle := handleOf(to)
	if handle.flow.overrun.Load() {
		return
	}
	handle.encode(to, run)
	handle.postEvents(r.host, to, run)
	handle.checkHardMark(r.host, r.ref.hardMark, run.Size())
}

// kill has the session of a peer ended.
func (r *realmActor) kill(to *router.Peer, m protocol.Message) {
	if bye, ok := m.(*protocol.Goodbye); ok {
		r.host.send(handleOf(to).pid, &kick{peer: to, reason: bye.Reason, message: bye.Details.Message})
	}
}
