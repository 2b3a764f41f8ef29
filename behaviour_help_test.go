package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// The tests named TestBehaviour01 to TestBehaviour61 are the promises of the component, one each. The doc comment of a
// test is the promise. This file is what they share.

// virtual runs a test with a fake clock.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	virtually(t, f)
}

// virtually is virtual for tests that are parallel already.
func virtually(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { pass(2 * time.Second) }) // Proto.Actor's throttle of dead letters has a goroutine for a second
		f(t)
	})
}

// pass lets time pass on a fake clock, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // on a fake clock
	synctest.Wait()
}

// takes is for functions of the user that take their time, on a fake clock.
func takes(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // on a fake clock

// journal keeps what happened, and when on a fake clock. Its zero value begins with the first entry.
type journal struct {
	mu    sync.Mutex
	start time.Time
	words []string
	times []time.Duration
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.start.IsZero() {
		j.start = time.Now()
	}
	j.words = append(j.words, fmt.Sprintf(format, args...))
	j.times = append(j.times, time.Since(j.start))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.words)
}

func (j *journal) seconds() []float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := make([]float64, len(j.times))
	for i, d := range j.times {
		s[i] = d.Seconds()
	}
	return s
}

// count returns how often a word was added.
func (j *journal) count(word string) (n int) {
	for _, w := range j.all() {
		if w == word {
			n++
		}
	}
	return n
}

// patient is a delay that tests can count on.
var patient = supervisor.Backoff{Initial: time.Second, Max: time.Second, Jitter: supervisor.NoJitter}

// observed is a component and everything that is known of it.
type observed struct {
	*cloverleaf.Component
	t *testing.T

	mu     sync.Mutex
	events []supervisor.Event
}

// observe returns a component that is stopped with the test. Without a realm it is for realm1.
func observe(t *testing.T, cfg cloverleaf.Config, transports ...cloverleaf.Transport) *observed {
	t.Helper()
	o := &observed{t: t}
	if cfg.Realm == "" {
		cfg.Realm = "realm1"
	}
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	if transports != nil {
		cfg.Transports = transports
	}
	cfg.OnEvent = func(ev supervisor.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events = append(o.events, ev)
	}
	o.Component = newComponent(t, cfg)
	return o
}

// start starts the component. It stops with the test at the latest.
func (o *observed) start() *observed {
	o.t.Helper()
	require.NoError(o.t, o.Start(o.t.Context()))
	o.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.t.Context()), patience)
		defer cancel()
		_ = o.Stop(ctx)
	})
	return o
}

// join starts the component and returns its first session.
func (o *observed) join() *session.Session {
	o.t.Helper()
	o.start()
	return o.next(nil)
}

// next waits until a session is ready that is not the given one.
func (o *observed) next(last *session.Session) *session.Session {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Hour)
	defer cancel()
	for {
		s, err := o.Ready(ctx)
		require.NoError(o.t, err, "%v", o.trace())
		if s != last {
			return s
		}
		select {
		case <-s.Done():
		case <-ctx.Done():
			require.Fail(o.t, "no other session", "%v", o.trace())
		}
		runtime.Gosched() // the component learns of the end a moment later
	}
}

// stop stops the component in good order.
func (o *observed) stop() {
	o.t.Helper()
	require.NoError(o.t, o.Stop(o.t.Context()))
}

// trace returns the events so far, as words.
func (o *observed) trace() (words []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ev := range o.events {
		words = append(words, fmt.Sprintf("%T", ev)[len("*supervisor."):])
	}
	return words
}

// happened returns the events of one type so far.
func happened[E supervisor.Event](o *observed) (found []E) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ev := range o.events {
		if e, ok := ev.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// play is a router at the other end of pipes that does what a test says: each attempt to connect is handled by the next
// of its parts, and all that follow by the last. A nil part refuses the connection.
type play struct {
	parts []part

	mu    sync.Mutex
	count int
	links []*link
}

// part says what a router answers to a message.
type part func(l *link, m protocol.Message)

// link is one connection of a play.
type link struct {
	pipe *transport.PipeEnd
	n    int // 1 for the first attempt

	mu    sync.Mutex
	got   []protocol.Message
	ended bool
}

var errUnreachable = errors.New("connection refused")

func perform(parts ...part) *play { return &play{parts: parts} }

// transport returns the way to the play, with delays of a second.
func (p *play) transport() cloverleaf.Transport {
	return cloverleaf.Transport{Backoff: patient, Pipe: p.dial}
}

func (p *play) dial(context.Context) (*transport.PipeEnd, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	does := p.parts[min(p.count, len(p.parts))-1]
	if does == nil {
		return nil, errUnreachable
	}
	near, far := transport.Pipe()
	l := &link{pipe: far, n: p.count}
	p.links = append(p.links, l)
	far.OnClose(func(error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = true
	})
	far.Receive(func(msgs []protocol.Message) {
		for _, m := range msgs {
			l.mu.Lock()
			l.got = append(l.got, m)
			l.mu.Unlock()
			does(l, m)
		}
	})
	return near, nil
}

func (p *play) attempts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// last returns the latest connection.
func (p *play) last() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[len(p.links)-1]
}

func (l *link) send(msgs ...protocol.Message) { _ = l.pipe.Send(msgs) }

// cut ends the connection without a word.
func (l *link) cut() { l.pipe.Close(errors.New("cable cut")) }

func (l *link) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// sent returns what the client sent, by type.
func sent[M protocol.Message](l *link) (found []M) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.got {
		if m, ok := m.(M); ok {
			found = append(found, m)
		}
	}
	return found
}

// polite is a router that accepts everything. Registrations get their request's number plus 100, subscriptions plus 200.
func polite(l *link, m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Hello:
		l.send(&protocol.Welcome{Session: protocol.ID(l.n), Details: protocol.WelcomeDetails{Roles: protocol.Roles{}.
			With(protocol.Broker, 0).With(protocol.Dealer, protocol.FeatureCallCanceling|protocol.FeatureProgressiveCallResults)}})
	case *protocol.Register:
		l.send(&protocol.Registered{Request: m.Request, Registration: m.Request + 100})
	case *protocol.Subscribe:
		l.send(&protocol.Subscribed{Request: m.Request, Subscription: m.Request + 200})
	case *protocol.Unregister:
		l.send(&protocol.Unregistered{Request: m.Request})
	case *protocol.Unsubscribe:
		l.send(&protocol.Unsubscribed{Request: m.Request})
	case *protocol.Goodbye:
		l.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	}
}

// mute is a router that never says anything.
func mute(*link, protocol.Message) {}

// absent is a router that says nothing after WELCOME.
func absent(l *link, m protocol.Message) {
	if _, ok := m.(*protocol.Hello); ok {
		polite(l, m)
	}
}

// turnsAway is a router that answers HELLO with ABORT.
func turnsAway(reason protocol.URI) part {
	return func(l *link, m protocol.Message) {
		if _, ok := m.(*protocol.Hello); ok {
			l.send(&protocol.Abort{Reason: reason, Details: protocol.CloseDetails{Message: "go away"}})
		}
	}
}

// but is a polite router, except for messages of one type.
func but[M protocol.Message](does func(l *link, m M)) part {
	return func(l *link, m protocol.Message) {
		if special, ok := m.(M); ok {
			does(l, special)
			return
		}
		polite(l, m)
	}
}

// embedded returns a router that ends with the test, and a way to it.
func embedded(t *testing.T, cfg cloverleaf.RouterConfig) (*cloverleaf.Router, cloverleaf.Transport) {
	t.Helper()
	r := startRouter(t, cfg)
	tr := r.Transport()
	tr.Backoff = patient
	return r, tr
}
