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
	Callees []Endpoint // in the order of registration
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
	n := len(r.Callees)
	switch r.Invoke {
	case protocol.InvokeRoundRobin:
		return &r.Callees[(r.cursor.Add(1)-1)%uint64(n)]
	case protocol.InvokeRandom:
		return &r.Callees[random(n)]
	case protocol.InvokeLast:
		return &r.Callees[n-1]
	case protocol.InvokeSingle, protocol.InvokeFirst:
		return &r.Callees[0]
	default:
		return &r.Callees[0]
	}
}

// pickOther is pick without the callees that are to be avoided; nil if no other is left.
func (r *Registration) pickOther(random func(n int) int, avoid []*Peer) *Endpoint {
	rest := *r
	rest.Callees = slices.DeleteFunc(slices.Clone(r.Callees), func(e Endpoint) bool { return slices.Contains(avoid, e.Peer) })
	if len(rest.Callees) == 0 {
		return nil
	}
	return rest.pick(random)
}

// cursorFor returns a round robin cursor for the registration without its i-th
// callee, or with another one behind the last if there is no i-th: the one whose turn
// it was is still next, so that nobody is skipped.
func (r *Registration) cursorFor(i int) *atomic.Uint64 {
	next := r.cursor.Load() % uint64(len(r.Callees))
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
	Subscribers PeerSet
	history     bool // its events are kept
}

// PeerSet is an immutable set of peers, kept in chunks so that adding one to a
// large set does not copy all of it.
type PeerSet struct {
	chunks [][]*Peer
	n      int
}

const chunkSize = 256

// Len returns the number of peers.
func (s PeerSet) Len() int { return s.n }

// All calls yield for every peer until it returns false.
func (s PeerSet) All(yield func(*Peer) bool) {
	for _, c := range s.chunks {
		for _, p := range c {
			if !yield(p) {
				return
			}
		}
	}
}

func (s PeerSet) at(i int) *Peer { return s.chunks[i/chunkSize][i%chunkSize] }

// with returns the set with p behind all others.
func (s PeerSet) with(p *Peer) PeerSet {
	last := s.n / chunkSize
	chunks := append(make([][]*Peer, 0, last+1), s.chunks...)
	if last == len(chunks) {
		chunks = append(chunks, nil)
	}
	chunks[last] = append(slices.Clip(chunks[last]), p)
	return PeerSet{chunks: chunks, n: s.n + 1}
}

// replaceLast returns the set with the last peer removed and put in place of the
// i-th, which leaves the set.
func (s PeerSet) replaceLast(i int) PeerSet {
	last := s.n - 1
	moved := s.at(last)
	chunks := append(make([][]*Peer, 0, len(s.chunks)), s.chunks...)
	if i != last {
		c := append([]*Peer(nil), chunks[i/chunkSize]...)
		c[i%chunkSize] = moved
		chunks[i/chunkSize] = c
	}
	tail := chunks[last/chunkSize]
	chunks[last/chunkSize] = append([]*Peer(nil), tail[:len(tail)-1]...)
	if last%chunkSize == 0 {
		chunks = chunks[:last/chunkSize]
	}
	return PeerSet{chunks: chunks, n: last}
}
