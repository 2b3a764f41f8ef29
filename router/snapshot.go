package router

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Snapshot is the state of a realm that routing needs, frozen. Any number of
// sessions may route against it at the same time.
type Snapshot struct {
	registrations table[*Registration]
	subscriptions table[*Subscription]
	access        *Access
	histories     map[protocol.ID]*Subscription // that have one; immutable
}

// Access returns who may do what; nil allows everything.
func (s *Snapshot) Access() *Access { return s.access }

// Procedure returns the registration that a call of the URI selects (Advanced
// Profile, "Pattern-based Registrations"), or nil.
func (s *Snapshot) Procedure(uri protocol.URI) *Registration {
	r, _ := s.registrations.best(uri)
	return r
}

// Topic returns every subscription that matches the URI.
func (s *Snapshot) Topic(uri protocol.URI) []*Subscription { return s.subscriptions.all(uri) }

// Registration is a procedure or pattern and who serves it. Immutable, but for the
// round robin cursor.
type Registration struct {
	ID      protocol.ID
	URI     protocol.URI
	Match   protocol.Match
	Invoke  protocol.InvokePolicy
	Created time.Time
	Callees Queue[Endpoint]
	cursor  *atomic.Uint64
}

// Endpoint is one callee of a registration with what it asked for.
type Endpoint struct {
	Peer           *Peer
	DiscloseCaller bool
	ForwardTimeout bool
}

// pick returns the callee for the next call. random returns a number below n.
func (r *Registration) pick(random func(n int) int) *Endpoint {
	return r.Callees.at(r.choose(random))
}

func (r *Registration) choose(random func(n int) int) int {
	n := r.Callees.Len()
	switch r.Invoke {
	case protocol.InvokeRoundRobin:
		return int((r.cursor.Add(1) - 1) % uint64(n)) //nolint:gosec // both are small
	case protocol.InvokeRandom:
		return random(n)
	case protocol.InvokeLast:
		return n - 1
	case protocol.InvokeSingle, protocol.InvokeFirst:
		return 0
	default:
		return 0
	}
}

// pickOther is pick without the callees that are to be avoided, which are few: the next one counts in place of
// each. Nil if no other is left.
func (r *Registration) pickOther(random func(n int) int, avoid []*Peer) *Endpoint {
	n, step := r.Callees.Len(), 1
	if r.Invoke == protocol.InvokeLast {
		step = n - 1
	}
	i := r.choose(random)
	for range min(n, len(avoid)+1) {
		if e := r.Callees.at(i); !slices.Contains(avoid, e.Peer) {
			return e
		}
		i = (i + step) % n
	}
	return nil
}

// cursorFor returns a round robin cursor for the registration without its i-th
// callee, or with another one behind the last if there is no i-th: the one whose turn
// it was is still next, so that nobody is skipped.
func (r *Registration) cursorFor(i int) *atomic.Uint64 {
	next := r.cursor.Load() % uint64(r.Callees.Len()) //nolint:gosec // it is positive
	if uint64(i) < next {
		next--
	}
	c := new(atomic.Uint64)
	c.Store(next)
	return c
}

// Subscription is a topic or pattern and who wants its events. Immutable.
type Subscription struct {
	ID          protocol.ID
	Topic       protocol.URI
	Match       protocol.Match
	Created     time.Time
	Subscribers Queue[*Peer]
	history     bool // its events are kept
}
