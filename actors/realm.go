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
	// realmAuthorize replaces the rules.
	realmAuthorize struct{ access *router.Access }
)

// realmRef is how session actors reach a realm: its actor, and its latest snapshot.
type realmRef struct {
	name      protocol.URI
	admission router.Admission
	paths     map[string][]router.Authenticator
	slow      SlowConsumerPolicy
	pid       *actor.PID
	snapshot  atomic.Pointer[router.Snapshot]
}

// realmActor is the control plane of one realm.
type realmActor struct {
	host    *Host
	ref     *realmRef
	realm   *router.Realm
	pending int // commands since the last commit
}

// newRealmRef starts the realm's actor.
func newRealmRef(h *Host, c RealmConfig, pidName string, a router.Admission, access *router.Access) (*realmRef, error) {
	ref := &realmRef{name: c.Name, admission: a, paths: maps.Clone(c.Paths), slow: c.SlowConsumers}
	realm := router.NewRealm()
	realm.Authorize(access)
	snapshot, _ := realm.Commit()
	ref.snapshot.Store(snapshot)
	pid, err := h.system.Root.SpawnNamed(h.rootProps(func() actor.Actor {
		return &realmActor{host: h, ref: ref, realm: realm}
	}), pidName)
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
		r.realm.Join(m.peer)
	case *realmLeave:
		r.realm.Leave(m.peer)
		r.changed()
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
	const often = 256
	r.pending++
	if r.pending >= often {
		r.commit()
	}
}

// commit publishes what changed and then tells the sessions: whoever hears of a
// registration finds it in the snapshot.
func (r *realmActor) commit() {
	r.pending = 0
	snapshot, replies := r.realm.Commit()
	if snapshot != nil {
		r.ref.snapshot.Store(snapshot)
	}
	for len(replies) > 0 {
		to := replies[0].To
		batch := newDeliveries(to)
		n := 0
		for n < len(replies) && replies[n].To == to {
			batch.add(replies[n].Delivery)
			n++
		}
		replies = replies[n:]
		batch.post(r.host)
	}
}
