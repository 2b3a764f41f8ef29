package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// peerHandle is how others reach the actor of an established session: what Peer.Handle
// holds. It is immutable but for the counters.
type peerHandle struct {
	pid  *actor.PID
	flow *outflow // of the connection
	// variant is the index of Events.Encoded that suits the connection; -1 takes the
	// messages themselves.
	variant int
	// slow is what happens to events when the peer does not keep up.
	slow SlowConsumerPolicy
	// later says that the connection carried another session before: events for this
	// one come as *peerEvents, so that they are not taken for those of the other.
	later bool
	// gone is set when the session has ended, before its actor stops looking at its
	// mailbox. Who posts looks at it afterwards: see routerSession.post.
	gone atomic.Bool
}

func handleOf(p *router.Peer) *peerHandle {
	return p.Handle.(*peerHandle)
}

// peerEvents is a run of events together with the session it is for.
type peerEvents struct {
	to  *router.Peer
	run *router.Events
}

// encode makes the run ready for the session, once for all sessions of its kind. Only the
// run's publisher may do so.
func (h *peerHandle) encode(to *router.Peer, run *router.Events) {
	if v := h.variant; v >= 0 && run.Encoded[v] == nil {
		run.Encoded[v] = encodeRun(run, v, to.Serializer)
	}
}

// checkHardMark gives up a session that does not read: so much is queued for it, without
// the last n bytes, that it is a slow consumer.
func (h *peerHandle) checkHardMark(host *Host, hardMark, n int) {
	if h.flow.owed()-int64(n) > int64(hardMark) && !h.flow.dead.Load() && !h.flow.overrun.Swap(true) {
		host.send(h.pid, &overrun{})
	}
}

// postEvents hands a run to the session, counted until deliverEvents.
func (h *peerHandle) postEvents(host *Host, to *router.Peer, run *router.Events) {
	n := int64(run.Size())
	if h.slow != SlowDisconnect {
		h.flow.events.Add(n)
	}
	h.flow.queued.Add(n)
	if h.later {
		host.send(h.pid, &peerEvents{to: to, run: run})
		return
	}
	host.send(h.pid, run)
}

// uncount takes a run that postEvents counted out of the counts.
func (h *peerHandle) uncount(run *router.Events) {
	n := int64(run.Size())
	h.flow.queued.Add(-n)
	if h.slow != SlowDisconnect {
		h.flow.events.Add(-n)
	}
}

// deliveries is what one turn of an actor has for one session, on its way to that
// session's actor, which gives it back with free.
type deliveries struct {
	to   *router.Peer
	list []router.Delivery
	size int // bytes counted in the receiver's outflow
	// large are the large messages in list.
	large []large
}

var deliveryBatches = sync.Pool{New: func() any { return new(deliveries) }} //nolint:gochecknoglobals // a pool serves the whole process

func newDeliveries(to *router.Peer) *deliveries {
	d := deliveryBatches.Get().(*deliveries)
	d.to = to
	return d
}

func (d *deliveries) add(x router.Delivery) {
	d.list = append(d.list, x)
	d.size += x.Size()
}

// post hands the batch over.
func (d *deliveries) post(h *Host) {
	to := handleOf(d.to)
	to.flow.queued.Add(int64(d.size))
	h.send(to.pid, d)
}

func (d *deliveries) free() {
	const keep = 256
	clear(d.list)
	clear(d.large)
	if cap(d.list) > keep {
		return
	}
	*d = deliveries{list: d.list[:0], large: d.large[:0]}
	deliveryBatches.Put(d)
}
