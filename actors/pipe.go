package actors

import (
	"errors"
	"maps"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// pipeOutlet hands messages over as they are; the other end is in this process. It is
// both directions of a session actor's end of a pipe.
//
// A pipe has no kernel that makes a sender wait, so the ends look at each other's
// inflow: a client's end offers its own in HELLO, and is given the router's in WELCOME.
// The other end's receiver runs within Send, so the counts are true as soon as flush
// returns. An end that does not take part, such as a program that uses a PipeEnd itself,
// sees messages without these offers.
//
// Where both ends take part, memory goes back to where it came from: the list of a batch
// to its sender, and the INVOCATIONs and RESULTs of a router, once the client has handled
// them, to a pool.
type pipeOutlet struct {
	host  *Host
	owner *actor.PID // session actor: gets *inbound, and *linkLost at the end
	pipe  *transport.PipeEnd
	in    *inflow  // of this end
	flow  *outflow // of this end; its pipe field is the inflow of the other one
	hard  int64    // what an end that does not take part may send ahead; 0 is no limit
	owned bool     // what is sent may be kept: it is not scratch space
	msgs  []protocol.Message
	size  int // of msgs, counted in flow
}

// flowOffer is what the ends of a pipe pass each other.
type flowOffer struct {
	in  *inflow
	end *transport.PipeEnd // of the sender: offers that came by way of somebody else do not count
}

// errPipeOverrun is why a pipe is closed whose other end sends without looking.
var errPipeOverrun = errors.New("actors: pipe: sends faster than it is read")

func newPipeOutlet(h *Host, owner *actor.PID, p *transport.PipeEnd, in *inflow, flow *outflow) *pipeOutlet {
	return &pipeOutlet{host: h, owner: owner, pipe: p, in: in, flow: flow}
}

// attach begins to receive.
func (o *pipeOutlet) attach() {
	host, owner, in, flow, pipe, hard := o.host, o.owner, o.in, o.flow, o.pipe, o.hard
	accept := o.acceptFlow
	o.pipe.OnClose(func(err error) { host.send(owner, &linkLost{err: err}) })
	o.pipe.Receive(func(msgs []protocol.Message) {
		b := inbounds.Get().(*inbound)
		b.flow = in
		for _, m := range msgs {
			b.size += messageSize(m)
			b.msgs = append(b.msgs, accept(m))
		}
		in.take(b.size)
		host.send(owner, b)
		if hard > 0 && in.pending.Load() > hard && flow.pipe.Load() == nil {
			pipe.Close(errPipeOverrun)
		}
	})
}

func (o *pipeOutlet) send(m protocol.Message) error {
	if !o.owned {
		m = ownMessage(m)
	}
	m = o.offerFlow(m)
	n := messageSize(m)
	o.msgs = append(o.msgs, m)
	o.size += n
	o.flow.queued.Add(int64(n))
	return nil
}

func (o *pipeOutlet) flush() {
	if len(o.msgs) == 0 {
		return
	}
	const keep = 1024
	msgs, size := o.msgs, o.size
	o.msgs, o.size = nil, 0
	_ = o.pipe.Send(msgs) // a closed pipe is reported by its OnClose
	o.flow.queued.Add(-int64(size))
	if o.flow.pipe.Load() != nil && cap(msgs) <= keep { // the other end copies the list
		clear(msgs)
		o.msgs = msgs[:0]
	}
}

func (o *pipeOutlet) close(int, string) {
	o.flush()
	o.pipe.Close(nil)
}

// flowKey is the key of the details of HELLO and WELCOME under which the ends of a pipe
// pass their *inflow.
const flowKey = "x_cloverleaf_inflow"

// offerFlow adds the inflow of this end to HELLO, and to WELCOME if HELLO had one.
func (o *pipeOutlet) offerFlow(m protocol.Message) protocol.Message {
	switch m := m.(type) {
	case *protocol.Hello:
		c := *m
		c.Details.Extra = withKey(c.Details.Extra, &flowOffer{in: o.in, end: o.pipe})
		return &c
	case *protocol.Welcome:
		if o.flow.pipe.Load() == nil {
			return m
		}
		c := *m
		c.Details.Extra = withKey(c.Details.Extra, &flowOffer{in: o.in, end: o.pipe})
		return &c
	default:
		return m
	}
}

// acceptFlow takes the offer of the other end out of a message.
func (o *pipeOutlet) acceptFlow(m protocol.Message) protocol.Message {
	switch m := m.(type) {
	case *protocol.Hello:
		if offer, ok := m.Details.Extra[flowKey].(*flowOffer); ok {
			o.accept(offer)
			c := *m
			c.Details.Extra = withoutKey(c.Details.Extra)
			return &c
		}
	case *protocol.Welcome:
		if offer, ok := m.Details.Extra[flowKey].(*flowOffer); ok {
			o.accept(offer)
			c := *m
			c.Details.Extra = withoutKey(c.Details.Extra)
			return &c
		}
	default:
	}
	return m
}

func (o *pipeOutlet) accept(offer *flowOffer) {
	if o.pipe.Faces(offer.end) {
		o.flow.pipe.Store(offer.in)
	}
}

func withKey(d protocol.Dict, offer *flowOffer) protocol.Dict {
	c := make(protocol.Dict, len(d)+1)
	maps.Copy(c, d)
	c[flowKey] = offer
	return c
}

func withoutKey(d protocol.Dict) protocol.Dict {
	if len(d) == 1 {
		return nil
	}
	c := maps.Clone(d)
	delete(c, flowKey)
	return c
}

// messageOverhead is what a message counts for besides its payload.
const messageOverhead = 64

// messageSize is roughly how much memory a message that was not encoded keeps.
func messageSize(m protocol.Message) int { return messageOverhead + payloadSize(m) }

var (
	pipeInvocations = sync.Pool{New: func() any { return new(protocol.Invocation) }} //nolint:gochecknoglobals // a pool serves the whole process
	pipeResults     = sync.Pool{New: func() any { return new(protocol.Result) }}     //nolint:gochecknoglobals // likewise
)

// recycle takes a message back that a router's end made for this one.
func recycle(m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Invocation:
		*m = protocol.Invocation{}
		pipeInvocations.Put(m)
	case *protocol.Result:
		*m = protocol.Result{}
		pipeResults.Put(m)
	default: // is for the collector, or belongs to others too
	}
}

// ownMessage returns a copy of those messages that a router builds in scratch space, and
// others as they are. Payload bytes are immutable and shared.
func ownMessage(m protocol.Message) protocol.Message {
	switch m := m.(type) {
	case *protocol.Invocation:
		c := pipeInvocations.Get().(*protocol.Invocation)
		*c = *m
		return c
	case *protocol.Result:
		c := pipeResults.Get().(*protocol.Result)
		*c = *m
		return c
	case *protocol.Error:
		c := *m
		return &c
	case *protocol.Published:
		c := *m
		return &c
	case *protocol.Interrupt:
		c := *m
		return &c
	default:
		return m
	}
}
