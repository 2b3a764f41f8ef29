package router

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// crowd is a realm whose answers nobody waits for. Each change has a snapshot of its own, as when the
// realm's actor has nothing else to do.
type crowd struct {
	*Realm
	b    *testing.B
	last protocol.ID // what was registered or subscribed last
}

func newCrowd(b *testing.B) *crowd {
	b.Helper()
	return &crowd{Realm: NewRealm(), b: b}
}

// add adds n sessions.
func (r *crowd) add(n int) []*Peer {
	peers := make([]*Peer, n)
	for i := range peers {
		peers[i] = &Peer{ID: protocol.ID(len(r.members) + 1), Roles: rolesWith(everything)} //nolint:gosec // it is small
		r.Join(time.Time{}, peers[i])
	}
	return peers
}

// do carries out a command, which must succeed.
func (r *crowd) do(p *Peer, m protocol.Message) {
	r.Apply(time.Time{}, Command{From: p, Message: m})
	_, replies := r.Commit()
	switch m := replies[0].Delivery.Message.(type) {
	case *protocol.Registered:
		r.last = m.Registration
	case *protocol.Subscribed:
		r.last = m.Subscription
	case *protocol.Error:
		r.b.Fatalf("refused: %+v", m)
	}
}

func (r *crowd) register(p *Peer, uri protocol.URI) {
	r.do(p, &protocol.Register{Request: 1, Procedure: uri})
}

func (r *crowd) unregister(p *Peer, id protocol.ID) {
	r.do(p, &protocol.Unregister{Request: 1, Registration: id})
}

func (r *crowd) subscribe(p *Peer, uri protocol.URI) {
	r.do(p, &protocol.Subscribe{Request: 1, Topic: uri})
}

func (r *crowd) unsubscribe(p *Peer, id protocol.ID) {
	r.do(p, &protocol.Unsubscribe{Request: 1, Subscription: id})
}

func (r *crowd) leave(peers ...*Peer) {
	for _, p := range peers {
		r.Leave(time.Time{}, p)
		r.Commit()
	}
}

func names(n int) []protocol.URI {
	list := make([]protocol.URI, n)
	for i := range list {
		list[i] = procedureName(i)
	}
	return list
}

// perChange reports the time of one of the n changes that an operation consists of.
func perChange(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/change")
}

// BenchmarkBigRealm is what 1,000 changes, and a look, cost in a realm with 100,000 registrations and
// 100,000 subscriptions.
func BenchmarkBigRealm(b *testing.B) {
	r := newCrowd(b)
	p := r.add(1)[0]
	all := names(benchEntries + 1000)
	for _, name := range all[:benchEntries] {
		r.register(p, name)
		r.subscribe(p, name)
	}
	more := all[benchEntries:]
	ids := make([]protocol.ID, len(more))
	for _, bb := range []struct {
		name   string
		add    func(*Peer, protocol.URI)
		remove func(*Peer, protocol.ID)
	}{{"register", r.register, r.unregister}, {"subscribe", r.subscribe, r.unsubscribe}} {
		add := func() {
			for i, name := range more {
				bb.add(p, name)
				ids[i] = r.last
			}
		}
		remove := func() {
			for _, id := range ids {
				bb.remove(p, id)
			}
		}
		b.Run(bb.name, func(b *testing.B) { oneWay(b, len(more), add, remove) })
		add()
		b.Run("un"+bb.name, func(b *testing.B) { oneWay(b, len(more), remove, add) })
		remove()
	}
	s := &r.current
	b.Run("call", func(b *testing.B) {
		looks(b, all[:benchEntries], func(uri protocol.URI) bool { return s.Procedure(uri) != nil })
	})
	b.Run("publish", func(b *testing.B) {
		looks(b, all[:benchEntries], func(uri protocol.URI) bool { return len(s.Topic(uri)) == 1 })
	})
}

// oneWay measures what makes n changes. back, which undoes them, is not measured.
func oneWay(b *testing.B, n int, there, back func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		there()
		b.StopTimer()
		back()
		b.StartTimer()
	}
	perChange(b, n)
}

// looks looks up one URI after the other, far apart so that caches are of little help.
func looks(b *testing.B, uris []protocol.URI, found func(protocol.URI) bool) {
	b.Helper()
	const far = 7919
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + far) % len(uris) {
		if !found(uris[i]) {
			b.Fatalf("%s was not found", uris[i])
		}
	}
}

// BenchmarkRealmMemory is how many bytes of heap a registration and a subscription keep. The time is that of
// 100,000 of them.
func BenchmarkRealmMemory(b *testing.B) {
	all := names(benchEntries)
	for _, bb := range []struct {
		name string
		add  func(*crowd, *Peer, protocol.URI)
	}{{"registration", (*crowd).register}, {"subscription", (*crowd).subscribe}} {
		b.Run(bb.name, func(b *testing.B) {
			kept := 0
			for b.Loop() {
				r := newCrowd(b)
				p := r.add(1)[0]
				before := heap()
				for _, name := range all {
					bb.add(r, p, name)
				}
				kept = heap() - before
				runtime.KeepAlive(r)
			}
			b.ReportMetric(float64(kept)/benchEntries, "bytes/"+bb.name)
		})
	}
}

// heap returns the bytes in use after a collection.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc) //nolint:gosec // far from overflowing
}

// deepName returns a URI of 16 components, of which three tell apart what i stands for.
func deepName(i int) []string {
	parts := strings.Split("com.myapp.a.b.c.d.e.f.g.h.i.j.k.SITE.DEVICE.VALUE", ".")
	parts[5], parts[10], parts[15] = fmt.Sprint("s", i%100), fmt.Sprint("d", i/100%100), fmt.Sprint("v", i)
	return parts
}

// deepPattern returns a pattern that matches the i-th name: its first components if it is a prefix, up to
// the last that tells it apart, else with one or two of the others blank, in 64 different ways.
func deepPattern(i int, m protocol.Match) protocol.URI {
	parts := deepName(i)
	if m == protocol.MatchPrefix {
		return protocol.URI(strings.Join(parts, "."))
	}
	blanks := []int{0, 1, 2, 3, 4, 6, 7, 8}
	parts[blanks[i%8]], parts[blanks[i/8%8]] = "", ""
	return protocol.URI(strings.Join(parts, "."))
}

// BenchmarkPatterns matches URIs with 16 components against so many patterns.
func BenchmarkPatterns(b *testing.B) {
	for _, m := range []protocol.Match{protocol.MatchPrefix, protocol.MatchWildcard} {
		for _, n := range []int{10, 1000, benchEntries} {
			x := benchTable(n, func(i int) (protocol.URI, protocol.Match) { return deepPattern(i, m), m })
			uris := make([]protocol.URI, n)
			for i := range uris {
				uris[i] = protocol.URI(strings.Join(deepName(i), "."))
			}
			b.Run(fmt.Sprintf("%s/%d/call", m, n), func(b *testing.B) {
				looks(b, uris, func(uri protocol.URI) bool { _, ok := x.best(uri); return ok })
			})
			b.Run(fmt.Sprintf("%s/%d/publish", m, n), func(b *testing.B) {
				looks(b, uris, func(uri protocol.URI) bool { return len(x.all(uri)) > 0 })
			})
			b.Run(fmt.Sprintf("%s/%d/change", m, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					x.with(deepPattern(n, m), m, nil).without(deepPattern(n, m), m)
				}
			})
		}
	}
}

// BenchmarkLeave is the end of a session with so many registrations, or subscriptions, of its own.
func BenchmarkLeave(b *testing.B) {
	for _, n := range []int{1000, 10_000, benchEntries} {
		all := names(n)
		for _, bb := range []struct {
			name string
			add  func(*crowd, *Peer, protocol.URI)
		}{{"registrations", (*crowd).register}, {"subscriptions", (*crowd).subscribe}} {
			b.Run(fmt.Sprintf("%d %s", n, bb.name), func(b *testing.B) {
				r := newCrowd(b)
				var p *Peer
				come := func() {
					p = r.add(1)[0]
					for _, name := range all {
						bb.add(r, p, name)
					}
				}
				come()
				oneWay(b, n, func() { r.leave(p) }, come)
			})
		}
	}
}

// BenchmarkFill has so many sessions join so many topics, or procedures that they share, and leave.
func BenchmarkFill(b *testing.B) {
	for _, bb := range []struct {
		name string
		add  func(*crowd, *Peer, protocol.URI)
	}{{"topics", (*crowd).subscribe}, {"procedures", (*crowd).share}} {
		for _, size := range []struct{ sessions, uris int }{{1000, 1}, {10_000, 1}, {100_000, 1}, {1000, 100}, {10_000, 10}} {
			b.Run(fmt.Sprintf("%d sessions/%d %s", size.sessions, size.uris, bb.name), func(b *testing.B) {
				for b.Loop() {
					fill(b, size.sessions, names(size.uris), bb.add)
				}
				perChange(b, 2*size.sessions*size.uris)
			})
		}
	}
}

func fill(b *testing.B, sessions int, uris []protocol.URI, add func(*crowd, *Peer, protocol.URI)) {
	b.Helper()
	r := newCrowd(b)
	peers := r.add(sessions)
	for _, p := range peers {
		for _, uri := range uris {
			add(r, p, uri)
		}
	}
	r.leave(peers...)
	if len(r.subs)+len(r.regs) > 0 {
		b.Fatal("something was left behind")
	}
}

func (r *crowd) share(p *Peer, uri protocol.URI) { r.do(p, shared(uri, false)) }

func shared(uri protocol.URI, force bool) *protocol.Register {
	return &protocol.Register{
		Request: 1, Procedure: uri,
		Options: protocol.RegisterOptions{Invoke: protocol.InvokeRoundRobin, ForceReregister: force},
	}
}

// BenchmarkTakeOver has one session take a procedure from so many that share it.
func BenchmarkTakeOver(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newCrowd(b)
			peers := r.add(n + 1)
			come := func() {
				for _, p := range peers[:n] {
					r.share(p, "com.myapp.add2")
				}
			}
			come()
			oneWay(b, n, func() {
				r.Apply(time.Time{}, Command{From: peers[n], Message: shared("com.myapp.add2", true)})
				_, replies := r.Commit()
				if len(replies) != n+1 {
					b.Fatalf("%d answers", len(replies))
				}
			}, func() {
				r.leave(peers[n])
				r.Join(time.Time{}, peers[n])
				come()
			})
		})
	}
}
