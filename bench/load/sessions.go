package load

import "context"

// sessions makes a lane that joins the sessions. One is joined beforehand, as the others are worth
// nothing if that fails.
func (r *run) sessions(ctx context.Context) error {
	l := &lane{m: r.m, window: uint64(r.cfg.InFlight), total: uint64(r.cfg.Senders)} //nolint:gosec // not negative
	l.begin = func(n uint64, start int64) {
		go func() {
			_, err := r.fleet.join(ctx, nil, r.m.failed)
			if err == nil {
				r.m.done(int(n%(1<<20)), start, r.m.now()) //nolint:gosec // small
			} else if ctx.Err() == nil {
				r.m.failed(err)
			}
			l.settle()
		}()
	}
	r.lanes = []*lane{l}
	return r.probe(ctx)
}

// churn makes a lane that joins and leaves, as often at a time as there are senders.
func (r *run) churn(ctx context.Context) error {
	l := &lane{m: r.m, window: uint64(r.cfg.Senders * r.cfg.InFlight)} //nolint:gosec // not negative
	l.begin = func(n uint64, start int64) {
		go func() {
			r.visit(context.WithoutCancel(ctx), int(n%(1<<20)), start) //nolint:gosec // small
			l.settle()
		}()
	}
	r.lanes = []*lane{l}
	return r.probe(ctx)
}

// visit joins and leaves.
func (r *run) visit(ctx context.Context, key int, start int64) {
	c, _, err := r.fleet.start(ctx, nil)
	if err == nil {
		r.m.latency(key, 1, start, r.m.now())
		err = c.Stop(ctx)
	}
	if err != nil {
		r.m.failed(err)
		return
	}
	r.m.done(key, start, r.m.now())
}

// probe joins one session, and leaves it.
func (r *run) probe(ctx context.Context) error {
	c, s, err := r.fleet.start(ctx, nil)
	if err != nil {
		return err
	}
	r.sample = s
	return c.Stop(ctx)
}
