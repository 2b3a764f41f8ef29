package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// commandsPosted tells a session actor that commands are waiting.
type commandsPosted struct{}

// poster takes commands to a session actor. It outlives the sessions, and counts what is queued.
//
// The commands do not go through the mailbox one by one: those that gather until the actor has
// its turn are one message.
type poster struct {
	host   *Host
	pid    *actor.PID
	posted atomic.Int64 // bytes of commands that were not carried out
	flow   atomic.Pointer[outflow]

	mu     sync.Mutex
	queue  []session.Command
	size   int64 // of the queue, in bytes
	told   bool  // a *commandsPosted is under way
	closed error // why nothing is taken any more
}

const (
	// awaitMark is how much may be queued before those who send more have to wait, until half of
	// it is gone.
	awaitMark = 1 << 20
	// awaitFirst and awaitLast are how soon somebody who waits looks again.
	awaitFirst = time.Millisecond
	awaitLast  = 32 * time.Millisecond
	// maxSpare is the largest queue of commands that is used again.
	maxSpare = 1024
)

// Post implements session.Poster.
func (p *poster) Post(cmd session.Command) {
	n := int64(cmd.Size())
	p.mu.Lock()
	if err := p.closed; err != nil {
		p.mu.Unlock()
		cmd.Reject(err)
		return
	}
	p.posted.Add(n)
	p.queue = append(p.queue, cmd)
	p.size += n
	tell := !p.told
	p.told = true
	p.mu.Unlock()
	if tell {
		p.host.send(p.pid, &commandsPosted{})
	}
}

// take returns what was posted and its size, which is counted as queued until done is called with
// it, and keeps an empty slice for what will be. What is left in spare comes first: the actor
// failed before it came to that.
func (p *poster) take(spare []session.Command) ([]session.Command, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := p.size
	p.told, p.size = false, 0
	if len(spare) > 0 {
		spare = append(spare, p.queue...)
		clear(p.queue)
		p.queue = p.queue[:0]
		return spare, size
	}
	queue := p.queue
	if cap(spare) > maxSpare {
		spare = nil
	}
	p.queue = spare
	return queue, size
}

// done says that commands of this size have been carried out.
func (p *poster) done(size int64) { p.posted.Add(-size) }

// close rejects what is waiting, and all that comes.
func (p *poster) close(err error) {
	p.mu.Lock()
	queue := p.queue
	p.queue, p.closed = nil, err
	p.mu.Unlock()
	for _, cmd := range queue {
		cmd.Reject(err)
	}
}

// Await implements session.Poster.
func (p *poster) Await(ctx context.Context) error {
	if p.queued() <= awaitMark {
		return ctx.Err()
	}
	wait := time.NewTimer(awaitFirst)
	defer wait.Stop()
	for d := awaitFirst; p.queued() > awaitMark/2; d = min(2*d, awaitLast) {
		wait.Reset(d)
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// queued is how many bytes have not been taken by the kernel, or by the other end of a pipe.
func (p *poster) queued() int64 {
	n := p.posted.Load()
	if flow := p.flow.Load(); flow != nil && !flow.dead.Load() {
		n += flow.level()
	}
	return n
}
