package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// discard is a shell that does nothing.
type discard struct{ player }

func (*discard) Send(protocol.Message) error { return nil }
func (*discard) Joined(*Session)             {}
func (*discard) Release(any, error)          {}
func (*discard) Invoke(any, *Invocation)     {}

func joined(tb testing.TB) *Machine {
	tb.Helper()
	fx := &discard{}
	m := New(Config{Poster: fx, Serializer: protocol.MessagePack}, fx)
	m.Start(time.Time{})
	m.Receive(&protocol.Welcome{Session: 7})
	require.NotNil(tb, m.Session())
	return m
}

// answerFunc is an answerer.
type answerFunc func(*protocol.Result, error)

func (f answerFunc) answer(res *protocol.Result, err error) { f(res, err) }

// newAsyncCall returns a command that calls a procedure, and reply with each answer.
func newAsyncCall(procedure protocol.URI, opts protocol.CallOptions, payload protocol.Payload, reply answerFunc) *callCommand {
	return &callCommand{msg: &protocol.Call{Procedure: procedure, Options: opts, Payload: payload}, async: reply}
}

// newAsyncPublish returns a command that publishes an event, and reply with its answer.
func newAsyncPublish(topic protocol.URI, opts protocol.PublishOptions, payload protocol.Payload, reply func(protocol.ID, error)) *publishCommand {
	c := &publishCommand{msg: &protocol.Publish{Topic: topic, Options: opts, Payload: payload}}
	c.reply = reply
	return c
}

// callOnce is the machine's part of a call.
func callOnce(m *Machine, c *callCommand, res *protocol.Result) {
	m.Do(time.Time{}, c)
	res.Request = c.msg.Request
	m.Receive(res)
	<-c.ready
}

func TestMachineCallAllocates(t *testing.T) {
	m := joined(t)
	c, res := m.sess.getCall("com.x"), &protocol.Result{}
	require.Zero(t, testing.AllocsPerRun(1000, func() { callOnce(m, c, res) }))
}

func BenchmarkMachineCall(b *testing.B) {
	m := joined(b)
	c, res := m.sess.getCall("com.x"), &protocol.Result{}
	b.ReportAllocs()
	for b.Loop() {
		callOnce(m, c, res)
	}
}

func BenchmarkMachineServe(b *testing.B) {
	m := joined(b)
	m.registrations[1] = &registration{uri: "com.x"}
	msg := &protocol.Invocation{Registration: 1}
	b.ReportAllocs()
	for b.Loop() {
		msg.Request++
		m.Receive(msg)
		inv, _ := m.serving.Get(msg.Request)
		inv.do(m)
	}
}

func BenchmarkTypedHandler(b *testing.B) {
	m := joined(b)
	h, err := CompileHandler(func(x, y int) int { return x + y })
	require.NoError(b, err)
	p, _, err := encodeValues(nil, protocol.MessagePack, []any{2, 3}, nil)
	require.NoError(b, err)
	inv := m.newInvocation(&registration{uri: "com.x"}, &protocol.Invocation{Request: 1, Payload: p})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h(inv.Context(), inv); err != nil {
			b.Fatal(err)
		}
	}
}
