package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// peer runs a machine on a goroutine and plays its router, by the function answer. Everything
// that goes to the router is encoded and decoded again.
type peer struct {
	t      *testing.T
	m      *Machine
	s      *Session
	answer func(msg protocol.Message) []protocol.Message

	mu    sync.Mutex
	queue []func()
	wake  chan struct{}
	quit  chan struct{}
	done  chan struct{}
	sent  []protocol.Message
	refs  map[any]error // released handlers
}

var allFeatures = protocol.Roles{}.
	With(protocol.Broker, ^protocol.Features(0)).
	With(protocol.Dealer, ^protocol.Features(0))

func newPeer(t *testing.T, roles protocol.Roles, answer func(protocol.Message) []protocol.Message) *peer {
	t.Helper()
	p := &peer{
		t: t, answer: answer, refs: map[any]error{},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	p.m = New(Config{Poster: p, Serializer: protocol.MessagePack, Errors: &ErrorMap{}, Context: t.Context()}, p)
	p.m.Start(time.Time{})
	p.m.Receive(&protocol.Welcome{Session: 7, Details: protocol.WelcomeDetails{Realm: "realm1", Roles: roles}})
	p.s = p.m.Session()
	go p.run()
	t.Cleanup(func() {
		close(p.quit)
		<-p.done
		p.m.Lost(nil)
	})
	return p
}

func (p *peer) run() {
	defer close(p.done)
	for {
		p.mu.Lock()
		queue := p.queue
		p.queue = nil
		p.mu.Unlock()
		for _, f := range queue {
			f()
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-p.wake:
		case <-p.quit:
			return
		}
	}
}

func (p *peer) enqueue(f func()) {
	p.mu.Lock()
	p.queue = append(p.queue, f)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *peer) receive(msg protocol.Message) {
	p.enqueue(func() { p.m.Receive(msg) })
}

func (p *peer) Post(cmd Command) {
	p.enqueue(func() {
		switch c := cmd.(type) {
		case *RegisterCommand:
			c.Ref = c.Target
		case *SubscribeCommand:
			c.Ref = c.Target
		}
		p.m.Do(time.Time{}, cmd)
	})
}

func (p *peer) Await(ctx context.Context) error { return ctx.Err() }

func (p *peer) Send(msg protocol.Message) error {
	b, err := codec.Append(nil, protocol.MessagePack, msg)
	if err != nil {
		return err
	}
	out, err := codec.Unmarshal(protocol.MessagePack, b)
	require.NoError(p.t, err)
	p.mu.Lock()
	p.sent = append(p.sent, out)
	p.mu.Unlock()
	if p.answer != nil {
		for _, reply := range p.answer(out) {
			p.receive(reply)
		}
	}
	return nil
}

// messages returns what was sent to the router so far, of type M.
func messages[M protocol.Message](p *peer) (found []M) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, msg := range p.sent {
		if m, ok := msg.(M); ok {
			found = append(found, m)
		}
	}
	return found
}

func (p *peer) Challenge(*protocol.Challenge) {}
func (p *peer) Joined(*Session)               {}
func (p *peer) Ended(*EndedError)             {}

func (p *peer) Interrupt(_ any, inv *Invocation, reason error) { inv.Interrupt(reason) }

func (p *peer) Release(ref any, reason error) { p.refs[&ref] = reason }

func (p *peer) Invoke(ref any, inv *Invocation) {
	h, _ := ref.(*Function)
	go h.Serve(inv)
}

func (p *peer) Deliver(ref any, ev *Event) {
	h, _ := ref.(EventHandler)
	_ = h(ev.Context(), ev)
}

// payload encodes a payload as the router would send it.
func payload(t *testing.T, args []any, kwargs map[string]any) protocol.Payload {
	t.Helper()
	p, err := codec.EncodePayload(protocol.MessagePack, args, kwargs)
	require.NoError(t, err)
	return p
}

// loop is a router that registers and subscribes everything and calls this client back: CALLs of
// its procedures come back as INVOCATIONs, PUBLISHes as EVENTs.
type loop struct {
	t    *testing.T
	ids  protocol.ID
	regs map[protocol.URI]protocol.ID
	subs map[protocol.URI]protocol.ID
	call map[protocol.ID]protocol.ID // invocation to call
}

func newLoop(t *testing.T) *peer {
	t.Helper()
	l := &loop{
		t: t, regs: map[protocol.URI]protocol.ID{}, subs: map[protocol.URI]protocol.ID{},
		call: map[protocol.ID]protocol.ID{},
	}
	return newPeer(t, allFeatures, l.answer)
}

func (l *loop) answer(msg protocol.Message) []protocol.Message {
	l.ids++
	switch m := msg.(type) {
	case *protocol.Register:
		l.regs[m.Procedure] = l.ids
		return []protocol.Message{&protocol.Registered{Request: m.Request, Registration: l.ids}}
	case *protocol.Unregister:
		return []protocol.Message{&protocol.Unregistered{Request: m.Request}}
	case *protocol.Subscribe:
		l.subs[m.Topic] = l.ids
		return []protocol.Message{&protocol.Subscribed{Request: m.Request, Subscription: l.ids}}
	case *protocol.Unsubscribe:
		return []protocol.Message{&protocol.Unsubscribed{Request: m.Request}}
	case *protocol.Publish:
		return l.publish(m)
	case *protocol.Call:
		return l.invoke(m)
	case *protocol.Cancel:
		for inv, call := range l.call {
			if call == m.Request {
				return []protocol.Message{&protocol.Interrupt{Request: inv, Mode: m.Mode}}
			}
		}
	case *protocol.Yield:
		details := protocol.ResultDetails{Progress: m.Options.Progress, Passthru: m.Options.Passthru}
		return []protocol.Message{&protocol.Result{Request: l.call[m.Request], Details: details, Payload: m.Payload}}
	case *protocol.Error:
		return []protocol.Message{&protocol.Error{
			RequestType: protocol.TypeCall, Request: l.call[m.Request], Error: m.Error, Payload: m.Payload,
		}}
	case *protocol.Goodbye:
		return []protocol.Message{&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut}}
	}
	return nil
}

func (l *loop) publish(m *protocol.Publish) (out []protocol.Message) {
	if id, ok := l.subs[m.Topic]; ok {
		out = append(out, &protocol.Event{Subscription: id, Publication: l.ids, Payload: m.Payload})
	}
	if m.Options.Acknowledge {
		out = append(out, &protocol.Published{Request: m.Request, Publication: l.ids})
	}
	return out
}

func (l *loop) invoke(m *protocol.Call) []protocol.Message {
	reg, ok := l.regs[m.Procedure]
	if !ok {
		return []protocol.Message{&protocol.Error{
			RequestType: protocol.TypeCall, Request: m.Request, Error: protocol.ErrorNoSuchProcedure,
		}}
	}
	inv := m.Request + 1000
	l.call[inv] = m.Request
	details := protocol.InvocationDetails{ReceiveProgress: m.Options.ReceiveProgress, Progress: m.Options.Progress}
	return []protocol.Message{&protocol.Invocation{Request: inv, Registration: reg, Details: details, Payload: m.Payload}}
}
