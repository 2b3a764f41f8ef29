package actors

import (
	"errors"
	"sync/atomic"
)

// errFlowClosed ends a reader whose connection is going down.
var errFlowClosed = errors.New("actors: connection is closing")

// inflow bounds what a reader has handed to its session and what the session has not
// handled yet. The reader waits when it is too much; the kernel, and then the peer,
// wait with it. The sending end of a pipe looks at the inflow of the other end.
type inflow struct {
	pending atomic.Int64
	paused  atomic.Bool
	limit   int64
	waiting atomic.Bool
	wake    chan struct{} // capacity 1; made before waiting is set for the first time
	done    chan struct{} // closed when the connection is over
}

func newInflow(limit int64) *inflow {
	return &inflow{limit: limit, done: make(chan struct{})}
}

// take counts n bytes as handed over.
func (f *inflow) take(n int) { f.pending.Add(int64(n)) }

// wait returns when the reader may go on reading. Only one goroutine may call it.
func (f *inflow) wait() error {
	for f.blocked() {
		if f.wake == nil {
			f.wake = make(chan struct{}, 1)
		}
		f.waiting.Store(true)
		if !f.blocked() { // released between the two looks: nobody would wake us
			f.waiting.Store(false)
			return nil
		}
		select {
		case <-f.wake:
		case <-f.done:
			return errFlowClosed
		}
		f.waiting.Store(false)
	}
	return nil
}

func (f *inflow) blocked() bool { return f.paused.Load() || f.pending.Load() > f.limit }

// release counts n bytes as handled.
func (f *inflow) release(n int) {
	f.pending.Add(-int64(n))
	f.rouse()
}

// pause stops the reader before its next read; resume lets it go on.
func (f *inflow) pause() { f.paused.Store(true) }

func (f *inflow) resume() {
	f.paused.Store(false)
	f.rouse()
}

func (f *inflow) rouse() {
	if f.waiting.Load() && !f.blocked() {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// outflow counts the bytes that are queued for one connection: in mailboxes, counted
// when posted, and in the transport actor until the kernel has taken them. The zero
// value is ready to use.
type outflow struct {
	queued  atomic.Int64
	events  atomic.Int64 // of these, events that the realm's policy lets us drop
	since   atomic.Int64 // when a router found too much queued for the first time; 0: it is not
	overrun atomic.Bool  // the hard mark was passed: the peer is a slow consumer
	dead    atomic.Bool  // the connection is over: what is queued does not count
	patient atomic.Bool  // a peer that reads nothing is kept as long as only events wait
	// pipe is the inflow of the other end of a pipe, once it is known: what was handed
	// over there and is not handled yet counts as queued here.
	pipe atomic.Pointer[inflow]
}

// level is how many bytes are queued, at both ends of a pipe.
func (f *outflow) level() int64 {
	n := f.queued.Load()
	if in := f.pipe.Load(); in != nil {
		n += in.pending.Load()
	}
	return n
}

// owed is the part of level that must not be dropped.
func (f *outflow) owed() int64 { return f.level() - f.events.Load() }
