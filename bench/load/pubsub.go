package load

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// An event has these arguments: who publishes, the number of the event, when it was due as nanoseconds
// of the day, and text of the size that was asked for, if any.

// pubsub connects subscribers and publishers, all of the same topic.
func (r *run) pubsub(ctx context.Context) error {
	for range r.cfg.Receivers {
		r.newReceiver()
	}
	publishers := make([]*publisher, r.cfg.Senders)
	for i := range publishers {
		publishers[i] = r.newPublisher(i)
		r.lanes = append(r.lanes, publishers[i].lane)
	}
	err := each(ctx, len(r.receivers), func(ctx context.Context, i int) error {
		s, err := r.fleet.join(ctx, func(c *cloverleaf.Component) {
			c.Subscribe(r.cfg.URI, r.receive(i, publishers))
		}, func(err error) {
			for _, p := range publishers {
				p.passed(i, math.MaxUint64) // nobody waits for it
			}
			r.m.failed(err)
		})
		if i == 0 {
			r.sample = s
		}
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, len(publishers), func(ctx context.Context, i int) (err error) {
		p := publishers[i]
		p.s, err = r.fleet.join(ctx, nil, func(err error) { p.lane.end(); r.m.failed(err) })
		if i == 0 {
			r.sample = p.s
		}
		return err
	})
}

// publisher publishes the events of one connection. Its window is closed by acknowledgements or, without
// them, by the slowest subscriber.
type publisher struct {
	r    *run
	lane *lane
	s    *session.Session
	key  int
	id   uint64

	mu    sync.Mutex
	next  []uint64 // of each subscriber: the number after the last event that it got
	least uint64
}

func (r *run) newPublisher(i int) *publisher {
	p := &publisher{r: r, key: i, id: r.first + uint64(i), next: make([]uint64, r.cfg.Receivers)} //nolint:gosec // not negative
	p.lane = &lane{
		m: r.m, window: uint64(r.cfg.InFlight), begin: p.publish, //nolint:gosec // not negative
		lossy: !r.cfg.Acknowledge,
	}
	return p
}

func (p *publisher) publish(n uint64, start int64) {
	args := []any{p.id, n, p.r.m.stamp(start)}
	if p.r.pad != "" {
		args = append(args, p.r.pad)
	}
	opts := []session.PublishOption{session.Args(args...)}
	if p.r.cfg.Acknowledge {
		opts = append(opts, session.Acknowledge())
	}
	p.s.PublishAsync(p.r.cfg.URI, func(_ protocol.ID, err error) { p.published(start, err) }, opts...)
}

// published is told that an event was acknowledged or, without that, sent.
func (p *publisher) published(start int64, err error) {
	m, now := p.r.m, p.r.m.now()
	switch {
	case errors.Is(err, session.ErrClosed):
		p.lane.end() // one error, not one for each event
	case err != nil:
		p.r.refused.Add(1)
		m.failed(err)
	case !p.r.cfg.Acknowledge && p.r.cfg.Receivers == 0:
		m.count(p.key, now)
	case !p.r.cfg.Acknowledge:
		return // the subscribers count
	case p.r.cfg.Receivers == 0:
		m.done(p.key, start, now)
	default:
		m.latency(p.key, 1, start, now)
	}
	p.lane.settle()
}

// passed is told that a subscriber has come to the number next.
func (p *publisher) passed(subscriber int, next uint64) {
	p.mu.Lock()
	old := p.next[subscriber]
	p.next[subscriber] = max(old, next)
	least := p.least
	if old == least {
		least = slices.Min(p.next)
	}
	moved := least > p.least
	p.least = least
	p.mu.Unlock()
	if moved && p.lane.lossy {
		p.lane.settleUpTo(min(least, p.lane.begun.Load()))
	}
}

// receive returns the handler of a subscriber.
func (r *run) receive(i int, publishers []*publisher) session.EventHandler {
	v := r.receivers[i]
	return func(_ context.Context, ev *session.Event) error {
		now := r.m.now()
		var id, n uint64
		var stamp int64
		if err := ev.Decode(&id, &n, &stamp); err != nil {
			r.m.corrupt()
			return nil
		}
		sender, counts := v.seen(id, n)
		if counts {
			r.m.done(i, r.m.unstamp(stamp, now), now)
		}
		if sender < 0 {
			return nil
		}
		if n%padEvery == 0 && !padRight(r.pad, ev.Args) {
			r.m.corrupt()
		}
		publishers[sender].passed(i, n+1)
		return nil
	}
}

// delivered reports whether all subscribers have everything that was published.
func (r *run) delivered() bool {
	for _, v := range r.receivers {
		for i, l := range r.lanes {
			if v.next(i) < l.begun.Load() {
				return false
			}
		}
	}
	return true
}
