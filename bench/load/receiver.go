package load

import (
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// maxOthers is how many senders of other processes are told apart.
const maxOthers = 1 << 16

// receiver checks what comes to one callee or subscriber.
type receiver struct {
	r *run

	mu      sync.Mutex
	own     []stream           // of the senders of this run
	others  map[uint64]*stream // of those of other processes
	strange uint64             // came from others though this run has senders
	request uint64             // the largest that the router has sent a call with
	random  bool               // the router does not number its requests one by one
}

// maxSkip is how far a request is ahead of another one at most if the router counts them.
const maxSkip = 1 << 24

func (r *run) newReceiver() *receiver {
	v := &receiver{r: r, own: make([]stream, r.cfg.Senders), others: make(map[uint64]*stream)}
	r.receivers = append(r.receivers, v)
	return v
}

// seen takes what came from a sender. It returns the index of the sender, -1 if that belongs to another
// process, and whether it is to be counted.
func (v *receiver) seen(id, n uint64) (sender int, counts bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sender, s := v.stream(id, n)
	return sender, s != nil && s.seen(n)
}

// called is seen for a call, which the router has sent with a request of its own. It returns whether the
// call is to be counted.
func (v *receiver) called(id, n uint64, request protocol.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.random = v.random || uint64(request) > v.request+maxSkip
	v.request = max(v.request, uint64(request))
	_, s := v.stream(id, n)
	return s != nil && s.seenAs(n, uint64(request))
}

// stream returns the stream of a sender and its index, -1 for that of another process. The stream is nil
// if what came does not count. v.mu is held.
func (v *receiver) stream(id, n uint64) (sender int, s *stream) {
	if index := id - v.r.first; index < uint64(len(v.own)) {
		sender = int(index) //nolint:gosec // less than a length
		if n >= v.r.lanes[sender].begun.Load() {
			v.r.m.corrupt() // it was never sent
			return sender, nil
		}
		return sender, &v.own[sender]
	}
	if s = v.others[id]; s == nil {
		if len(v.own) > 0 || len(v.others) >= maxOthers {
			v.strange++
			return -1, nil
		}
		s = &stream{next: n} // it may have begun before this one was there
		v.others[id] = s
	}
	return -1, s
}

// notes returns how much came that was not counted, and whether the order could be told.
func (v *receiver) notes() (strange uint64, ordered bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.strange, !v.random
}

// next returns how far a sender of this run has come.
func (v *receiver) next(sender int) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.own[sender].next
}

// faults adds what was wrong with all streams.
func (v *receiver) faults(f *report.Faults) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.random {
		defer func(n uint64) { f.OutOfOrder = n }(f.OutOfOrder)
	}
	for i := range v.own {
		sent := uint64(0)
		if v.r.cfg.Mode == PubSub { // a call goes to one callee only
			sent = v.r.lanes[i].begun.Load()
		}
		v.own[i].faults(sent, f)
	}
	for _, s := range v.others {
		s.faults(0, f)
	}
}

// faults returns what went wrong. A call that is not answered is lost; that it did not reach its callee
// is nothing else. A publication that was refused is an error, and its events are not lost.
func (r *run) faults() report.Faults {
	r.m.mu.Lock()
	f := r.m.faults
	r.m.mu.Unlock()
	for _, v := range r.receivers {
		v.faults(&f)
	}
	if r.cfg.Mode == PubSub {
		f.Lost -= min(f.Lost, r.refused.Load()*uint64(len(r.receivers)))
	} else {
		f.Lost = 0
	}
	for _, l := range r.lanes {
		if !l.lossy {
			f.Lost += l.underWay()
		}
	}
	return f
}
