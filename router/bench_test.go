package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

const benchEntries = 100_000

// benchTable returns a table with so many entries of a policy.
func benchTable(n int, of func(i int) (protocol.URI, protocol.Match)) table[*Registration] {
	x := newTable[*Registration]()
	for i := range n {
		uri, m := of(i)
		x = x.with(uri, m, &Registration{ID: protocol.ID(i + 1)}) //nolint:gosec // i is small
	}
	return x
}

func procedureName(i int) protocol.URI {
	return protocol.URI(fmt.Sprintf("com.myapp.site%d.device%d.read", i%100, i/100))
}

// BenchmarkSnapshot looks up what no session remembers.
func BenchmarkSnapshot(b *testing.B) {
	exact := benchTable(benchEntries, func(i int) (protocol.URI, protocol.Match) { return procedureName(i), protocol.MatchExact })
	prefix := benchTable(benchEntries, func(i int) (protocol.URI, protocol.Match) { return procedureName(i), protocol.MatchPrefix })
	wildcard := benchTable(benchEntries, func(i int) (protocol.URI, protocol.Match) {
		return protocol.URI(fmt.Sprintf("com.myapp.site%d..read%d", i%100, i)), protocol.MatchWildcard
	})
	deep := benchTable(500, func(i int) (protocol.URI, protocol.Match) {
		return protocol.URI(strings.Repeat("a.", i) + "a"), protocol.MatchPrefix
	})
	shapes := benchTable(maxShapes, func(i int) (protocol.URI, protocol.Match) { return mask(i), protocol.MatchWildcard })
	for _, bb := range []struct {
		name string
		x    table[*Registration]
		uri  protocol.URI
	}{
		{"exact", exact, procedureName(77_777)},
		{"prefix", prefix, procedureName(77_777) + ".now"},
		{"wildcard", wildcard, "com.myapp.site77.x.read77777"},
		{"none", exact, "com.myapp.site77.device777.write"},
		{"500 nested prefixes", deep, protocol.URI(strings.Repeat("a.", 499) + "a")},
		{"128 shapes", shapes, "x.x.x.x.x.x.x.y"},
	} {
		s := &Snapshot{registrations: bb.x}
		b.Run("Procedure/"+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Procedure(bb.uri)
			}
		})
		b.Run("all/"+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.registrations.all(bb.uri)
			}
		})
	}
}

// BenchmarkRegister adds one more registration to many, and takes it away, each with a
// snapshot of its own.
func BenchmarkRegister(b *testing.B) {
	for _, n := range []int{0, 1000, benchEntries} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r, p := NewRealm(), &Peer{ID: 1}
			r.Join(time.Time{}, p)
			register := func(uri protocol.URI) protocol.ID {
				r.Apply(time.Time{}, Command{From: p, Message: &protocol.Register{Request: 1, Procedure: uri}})
				_, replies := r.Commit()
				m, ok := replies[0].Delivery.Message.(*protocol.Registered)
				if !ok {
					b.Fatalf("got %+v", replies[0].Delivery.Message)
				}
				return m.Registration
			}
			for i := range n {
				register(procedureName(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				id := register("com.myapp.onemore")
				r.Apply(time.Time{}, Command{From: p, Message: &protocol.Unregister{Request: 2, Registration: id}})
				r.Commit()
			}
		})
	}
}

// BenchmarkSubscribe adds one more subscriber to a topic that has many, and removes one
// from their midst.
func BenchmarkSubscribe(b *testing.B) {
	for _, n := range []int{1, 1000, benchEntries} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewRealm()
			peers := make([]*Peer, n+1)
			for i := range peers {
				peers[i] = &Peer{ID: protocol.ID(i + 1)} //nolint:gosec // i is small
				r.Join(time.Time{}, peers[i])
			}
			subscribe := func(p *Peer) {
				r.Apply(time.Time{}, Command{From: p, Message: &protocol.Subscribe{Request: 1, Topic: "com.topic"}})
				r.Commit()
			}
			for _, p := range peers[:n] {
				subscribe(p)
			}
			out := peers[n]
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				subscribe(out)
				i = (i + 7919) % n
				out, peers[i] = peers[i], out
				r.Apply(time.Time{}, Command{From: out, Message: &protocol.Unsubscribe{Request: 2, Subscription: 1}})
				r.Commit()
			}
		})
	}
}

// line connects sessions so that what they deliver waits for relay. It keeps nothing
// else, so that a benchmark measures the sessions.
type line struct {
	self *Session
	last protocol.ID // INVOCATION.Request
	sent int
	out  []posted
}

type posted struct {
	to *line
	d  Delivery
}

func (l *line) Send(m protocol.Message) {
	l.sent++
	if inv, ok := m.(*protocol.Invocation); ok {
		l.last = inv.Request
	}
}

func (l *line) SendEvents(run *Events)                { l.sent += len(run.List) }
func (l *line) SendRetained(*protocol.Event) bool     { return true }
func (l *line) Deliver(to *Peer, d Delivery)          { l.out = append(l.out, posted{to.Handle.(*line), d}) }
func (l *line) Command(Command)                       {}
func (l *line) Authorize(Consultation)                {}
func (l *line) StartTimer(protocol.ID, time.Duration) {}
func (l *line) StopTimer(protocol.ID)                 {}

// relay delivers what the session has for others.
func (l *line) relay() {
	for i := range l.out {
		p := &l.out[i]
		p.to.self.Deliver(&p.d, p.to)
	}
	clear(l.out)
	l.out = l.out[:0]
}

// join adds a session that sends one command to the realm and has its answer.
func join(tb testing.TB, r *Realm, id protocol.ID, m protocol.Message) *line {
	tb.Helper()
	l := &line{}
	p := &Peer{ID: id, Roles: rolesWith(everything), Handle: l}
	l.self = NewSession(p, SessionConfig{})
	r.Join(time.Time{}, p)
	if m != nil {
		l.self.Receive(m, l)
		r.Apply(time.Time{}, Command{From: p, Message: m})
	}
	return l
}

// start publishes the snapshot and hands out the answers.
func start(r *Realm, sessions ...*line) {
	snap, replies := r.Commit()
	for _, reply := range replies {
		for p := range reply.Receivers {
			l := p.Handle.(*line)
			l.self.Deliver(&reply.Delivery, l)
		}
	}
	for _, l := range sessions {
		l.self.Route(snap)
	}
}

// callThrough returns what makes one call through both sessions: CALL, INVOCATION, YIELD, RESULT. The second
// function says how many there were, and how many answers.
func callThrough(tb testing.TB) (once func(), count func() (calls, answers int)) {
	tb.Helper()
	r := NewRealm()
	callee := join(tb, r, 1, &protocol.Register{Request: 1, Procedure: "com.myapp.add2"})
	caller := join(tb, r, 2, nil)
	start(r, callee, caller)
	payload := protocol.Payload{Serializer: protocol.JSON, Args: []byte("[1,2]")}
	call := &protocol.Call{Procedure: "com.myapp.add2", Payload: payload}
	yield := &protocol.Yield{Payload: payload}
	once = func() {
		call.Request++
		caller.self.Receive(call, caller)
		caller.self.Flush(caller)
		caller.relay()
		yield.Request = callee.last
		callee.self.Receive(yield, callee)
		callee.self.Flush(callee)
		callee.relay()
	}
	return once, func() (int, int) { return int(call.Request), caller.sent } //nolint:gosec // it is small
}

// BenchmarkCall is one call through both sessions.
func BenchmarkCall(b *testing.B) {
	once, count := callThrough(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
	if calls, answers := count(); calls != answers {
		b.Fatalf("%d answers to %d calls", answers, calls)
	}
}

// publishThrough returns what publishes once to n subscribers.
func publishThrough(tb testing.TB, n int) (once func(), count func() (publications, events int)) {
	tb.Helper()
	r := NewRealm()
	pub := join(tb, r, 1, nil)
	subs := make([]*line, n)
	for i := range subs {
		subs[i] = join(tb, r, protocol.ID(i+2), &protocol.Subscribe{Request: 1, Topic: "com.myapp.topic"}) //nolint:gosec // i is small
	}
	start(r, pub)
	m := &protocol.Publish{Topic: "com.myapp.topic", Payload: protocol.Payload{Serializer: protocol.JSON, Args: []byte("[1]")}}
	once = func() {
		m.Request++
		pub.self.Receive(m, pub)
		pub.self.Flush(pub)
		pub.relay()
	}
	return once, func() (int, int) { return int(m.Request), subs[n-1].sent - 1 } //nolint:gosec // it is small
}

// BenchmarkPublish is one publication to so many subscribers.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			once, count := publishThrough(b, n)
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
			if publications, events := count(); publications != events {
				b.Fatalf("%d events of %d publications", events, publications)
			}
		})
	}
}
