package actors

import (
	"errors"
	"maps"

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
type pipeOutlet struct {
	host  *Host
	owner *actor.PID // session actor: gets *inbound, and *linkLost at the end
	pipe  *transport.PipeEnd
	in    *inflow  // of this end
	flow  *outflow // of this end; its pipe field is the inflow of the other one
	hard  int64    // what an end that does not take part may send ahead; 0 is no limit
	msgs  []protocol.Message
	size  int // of msgs, counted in flow
}

// errPipeOverrun is why a pipe is closed whose other end sends without looking.
var errPipeOverrun = errors.New("actors: pipe: sends faster than it is read")

func newPipeOutlet(h *Host, owner *actor.PID, p *transport.PipeEnd, in *inflow, flow *outflow) *pipeOutlet {
	return &pipeOutlet{host: h, owner: owner, pipe: p, in: in, flow: flow}
}

// attach begins to receive.
func (o *pipeOutlet) attach() {
	host, owner, in, flow, pipe, hard := o.host, o.owner, o.in, o.flow, o.pipe, o.hard
	o.pipe.OnClose(func(err error) { host.send(owner, &linkLost{err: err}) })
	o.pipe.Receive(func(msgs []protocol.Message) {
		b := inbounds.Get().(*inbound)
		b.msgs, b.flow = msgs, in
		for i, m := range msgs {
			b.size += messageSize(m)
			msgs[i] = acceptFlow(m, flow)
		}
		in.take(b.size)
		host.send(owner, b)
		if hard > 0 && in.pending.Load() > hard && flow.pipe.Load() == nil {
			pipe.Close(errPipeOverrun)
		}
	})
}

func (o *pipeOutlet) send(m protocol.Message) error {
	m = o.offerFlow(ownMessage(m))
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
	msgs, size := o.msgs, o.size
	o.msgs, o.size = nil, 0
	_ = o.pipe.Send(msgs) // a closed pipe is reported by its OnClose
	o.flow.queued.Add(-int64(size))
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
		c.Details.Extra = withKey(c.Details.Extra, o.in)
		return &c
	case *protocol.Welcome:
		if o.flow.pipe.Load() == nil {
			return m
		}
		c := *m
		c.Details.Extra = withKey(c.Details.Extra, o.in)
		return &c
	default:
		return m
	}
}

// acceptFlow takes the inflow of the other end out of a message.
func acceptFlow(m protocol.Message, flow *outflow) protocol.Message {
	switch m := m.(type) {
	case *protocol.Hello:
		if in, ok := m.Details.Extra[flowKey].(*inflow); ok {
			flow.pipe.Store(in)
			c := *m
			c.Details.Extra = withoutKey(c.Details.Extra)
			return &c
		}
	case *protocol.Welcome:
		if in, ok := m.Details.Extra[flowKey].(*inflow); ok {
			flow.pipe.Store(in)
			c := *m
			c.Details.Extra = withoutKey(c.Details.Extra)
			return &c
		}
	default:
	}
	return m
}

func withKey(d protocol.Dict, in *inflow) protocol.Dict {
	c := make(protocol.Dict, len(d)+1)
	maps.Copy(c, d)
	c[flowKey] = in
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
func messageSize(m protocol.Message) int {
	switch m := m.(type) {
	case *protocol.Call:
		return messageOverhead + m.Payload.Size()
	case *protocol.Result:
		return messageOverhead + m.Payload.Size()
	case *protocol.Invocation:
		return messageOverhead + m.Payload.Size()
	case *protocol.Yield:
		return messageOverhead + m.Payload.Size()
	case *protocol.Error:
		return messageOverhead + m.Payload.Size()
	case *protocol.Publish:
		return messageOverhead + m.Payload.Size()
	case *protocol.Event:
		return messageOverhead + m.Payload.Size()
	default:
		return messageOverhead
	}
}

// ownMessage returns a copy of those messages that their senders build in scratch
// space, and others as they are. Payload bytes are immutable and shared.
func ownMessage(m protocol.Message) protocol.Message {
	switch m := m.(type) {
	case *protocol.Invocation:
		c := *m
		return &c
	case *protocol.Result:
		c := *m
		return &c
	case *protocol.Error:
		c := *m
		return &c
	case *protocol.Published:
		c := *m
		return &c
	case *protocol.Interrupt:
		c := *m
		return &c
	case *protocol.Call:
		c := *m
		return &c
	case *protocol.Yield:
		c := *m
		return &c
	case *protocol.Publish:
		c := *m
		return &c
	default:
		return m
	}
}
