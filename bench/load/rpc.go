package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// A call has these arguments, and so has its result: who calls, the number of the call, and text of the
// size that was asked for, if any.

// ErrNoCallee says that there are no callees, neither in this run nor in another process.
var ErrNoCallee = errors.New("no callee serves the procedure")

var errNoCall = session.NewError(protocol.ErrorInvalidArgument, "this procedure is for cloverleaf bench only")

// rpc connects callees and callers. Caller i calls the procedure i modulo their number.
func (r *run) rpc(ctx context.Context) error {
	for range r.cfg.Receivers {
		r.newReceiver()
	}
	callers := make([]*caller, r.cfg.Senders)
	for i := range callers {
		callers[i] = &caller{r: r, key: i, id: r.first + uint64(i)}                             //nolint:gosec // not negative
		callers[i].lane = &lane{m: r.m, window: uint64(r.cfg.InFlight), begin: callers[i].call} //nolint:gosec // not negative
		r.lanes = append(r.lanes, callers[i].lane)
	}
	err := each(ctx, len(r.receivers), func(ctx context.Context, i int) error {
		s, err := r.fleet.join(ctx, func(c *cloverleaf.Component) {
			c.Register(r.procedure(i), r.serve(i))
		}, r.m.failed)
		if i == 0 {
			r.sample = s
		}
		return err
	})
	if err != nil {
		return err
	}
	err = each(ctx, len(callers), func(ctx context.Context, i int) (err error) {
		c := callers[i]
		c.s, err = r.fleet.join(ctx, nil, func(err error) { c.lane.end(); r.m.failed(err) })
		return err
	})
	if err != nil || len(callers) == 0 {
		return err
	}
	r.sample = callers[0].s
	return r.assign(ctx, callers)
}

func (r *run) procedure(i int) string { return fmt.Sprintf("%s.%d", r.cfg.URI, i) }

// assign says which procedure each caller calls. If the callees are in another process, it is asked
// how many there are.
func (r *run) assign(ctx context.Context, callers []*caller) error {
	procedures := len(r.receivers)
	for r.cfg.Receivers == 0 && procedures < len(callers) {
		_, err := callers[0].s.Call(ctx, r.procedure(procedures), session.Args(0, 0))
		if e, ok := errors.AsType[*session.Error](err); ok && e.URI == protocol.ErrorNoSuchProcedure {
			break
		}
		if err != nil {
			return err
		}
		procedures++
	}
	if procedures == 0 {
		return fmt.Errorf("%w %s", ErrNoCallee, r.procedure(0))
	}
	for i, c := range callers {
		c.procedure = r.procedure(i % procedures)
	}
	return nil
}

// caller makes the calls of one connection.
type caller struct {
	r         *run
	lane      *lane
	s         *session.Session
	key       int
	id        uint64
	procedure string
}

func (c *caller) call(n uint64, start int64) {
	args := []any{c.id, n}
	if c.r.pad != "" {
		args = append(args, c.r.pad)
	}
	c.s.CallAsync(c.procedure, func(res *session.Result, err error) { c.answered(n, start, res, err) }, session.Args(args...))
}

func (c *caller) answered(n uint64, start int64, res *session.Result, err error) {
	m := c.r.m
	switch {
	case err == nil && c.right(n, res):
		m.done(c.key, start, m.now())
	case err == nil:
		m.corrupt()
	case errors.Is(err, session.ErrClosed):
		c.lane.end() // the end of the session is one error, not one for each call
	default:
		m.failed(err)
	}
	c.lane.settle()
}

// right reports whether a result is what the callee was sent.
func (c *caller) right(n uint64, res *session.Result) bool {
	var id, number uint64
	if err := res.Decode(&id, &number); err != nil || id != c.id || number != n {
		return false
	}
	return n%padEvery != 0 || padRight(c.r.pad, res.Args)
}

// padEvery is how often the text in a payload is compared: that costs, and a router that damages it
// does so again.
const padEvery = 64

// padRight reports whether the last argument is the text, if there is one.
func padRight(pad string, args func() ([]any, error)) bool {
	if pad == "" {
		return true
	}
	list, err := args()
	return err == nil && slices.Contains(list[2:], any(pad))
}

// serve returns the handler of a callee. A call of the sender 0 asks whether there is one.
func (r *run) serve(i int) session.InvocationHandler {
	v := r.receivers[i]
	return func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
		args, err := inv.Args()
		if err != nil {
			return session.Reply{}, err
		}
		if len(args) < 2 {
			return session.Reply{}, errNoCall
		}
		id, known := number(args[0])
		n, numbered := number(args[1])
		if !known || !numbered {
			return session.Reply{}, errNoCall
		}
		if id != 0 {
			if v.called(id, n, inv.Request()) && r.cfg.Senders == 0 {
				r.m.count(i, r.m.now())
			}
		}
		return session.Reply{Args: args}, nil
	}
}

// number returns a value that came as a number, whatever the serializers on its way have made of it.
func number(v any) (uint64, bool) {
	switch v := v.(type) {
	case int64:
		return uint64(v), v >= 0 //nolint:gosec // not used if it is negative
	case uint64:
		return v, true
	case float64:
		return uint64(v), v >= 0 && v < 1<<53 && v == math.Trunc(v)
	default:
		return 0, false
	}
}
