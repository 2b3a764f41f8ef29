package sched_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// model is what a mailbox has to do, in the simplest words.
type model struct {
	system, user []any
	suspended    bool
	dirty        bool
	draining     bool
	scheduled    bool
	log          []string
}

func (m *model) post(msg any) {
	switch msg.(type) {
	case system, *actor.SuspendMailbox, *actor.ResumeMailbox:
		m.system = append(m.system, msg)
		m.scheduled = true
	default:
		m.user = append(m.user, msg)
		m.scheduled = m.scheduled || !m.suspended
	}
}

func (m *model) process(turn int) {
	for ; turn > 0; turn-- {
		if !m.one() {
			m.scheduled = false
			return
		}
	}
}

// one handles one message and reports whether there was any.
func (m *model) one() bool {
	switch {
	case len(m.system) > 0:
		msg := m.system[0]
		m.system = m.system[1:]
		switch msg := msg.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			m.log = append(m.log, fmt.Sprintf("system %v", msg))
		}
	case m.suspended:
		return false
	case len(m.user) > 0:
		msg := m.user[0]
		m.user = m.user[1:]
		m.dirty = true
		m.log = append(m.log, fmt.Sprint(msg))
		m.fail(msg)
	case m.dirty && m.draining:
		m.dirty = false
		m.log = append(m.log, "drained")
	default:
		return false
	}
	return true
}

func (m *model) fail(msg any) {
	switch msg.(type) {
	case crash:
		m.log = append(m.log, fmt.Sprintf("failure of %v: boom", msg))
		m.system = append(m.system, &actor.SuspendMailbox{})
	case quit:
		m.log = append(m.log, fmt.Sprintf("failure of %v: %v", msg, sched.ErrGoexit))
		m.system = append(m.system, &actor.SuspendMailbox{})
	}
}

func TestMailboxAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		compareWithModel(t, rand.New(rand.NewPCG(seed, 1)))
	}
}

// compareWithModel posts and runs at random and compares after every step. A
// quit ends the turn, which the model does not know, so it comes with turn 1.
func compareWithModel(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	var opts []sched.MailboxOption
	draining := rnd.IntN(2) == 0
	if draining {
		opts = append(opts, sched.Draining())
	}
	r, d := newBox(opts...)
	d.turn = []int{1, 2, 5, 1000}[rnd.IntN(4)]
	m := &model{draining: draining}
	compared := 0
	for i := range 300 {
		if rnd.IntN(3) == 0 {
			require.Equal(t, m.scheduled, d.step())
			if m.scheduled {
				m.process(d.turn)
			}
		} else {
			msg := randomMessage(rnd, i, d.turn == 1)
			m.post(msg)
			post(r.box, msg)
		}
		require.Len(t, r.log, len(m.log))
		require.Equal(t, m.log[compared:], r.log[compared:])
		compared = len(m.log)
		require.Equal(t, len(m.user), r.box.UserMessageCount())
	}
}

func randomMessage(rnd *rand.Rand, i int, quits bool) any {
	switch n := rnd.IntN(20); {
	case n == 0:
		return crash(fmt.Sprint("crash ", i))
	case n == 1 && quits:
		return quit(fmt.Sprint("quit ", i))
	case n == 2:
		return &actor.SuspendMailbox{}
	case n < 6:
		return &actor.ResumeMailbox{}
	case n < 8:
		return system(fmt.Sprint(i))
	}
	return i
}

// numbered is a message that knows its place among those of its sender.
type numbered struct{ sender, n int }

// auditor is an actor that checks what every actor may rely on. Its plain
// fields let the race detector find two handlers at the same time.
type auditor struct {
	t       *testing.T
	box     actor.Mailbox
	next    []int // per sender
	left    int
	dirty   bool
	systems int
	done    chan struct{} // closed at the Drained after the last message
}

func (a *auditor) InvokeSystemMessage(any) { a.systems++ }

func (a *auditor) InvokeUserMessage(msg any) {
	switch m := msg.(type) {
	case numbered:
		if m.n != a.next[m.sender] {
			a.t.Errorf("sender %d: got %d, want %d", m.sender, m.n, a.next[m.sender])
		}
		a.next[m.sender] = m.n + 1
		a.left--
		a.dirty = true
		if m.n%97 == 13 {
			panic("now and then")
		}
	case *sched.Drained:
		if !a.dirty {
			a.t.Error("Drained, but nothing was handled")
		}
		a.dirty = false
		if a.left == 0 {
			close(a.done)
		}
	}
}

func (a *auditor) EscalateFailure(any, any) {
	a.box.PostSystemMessage(&actor.SuspendMailbox{})
	go a.box.PostSystemMessage(&actor.ResumeMailbox{})
}

func TestManySendersManyActors(t *testing.T) {
	t.Parallel()
	const senders, actors, each = 8, 24, 300
	d := newDispatcher(t, sched.DispatcherConfig{Workers: 3, Throughput: 16})
	dispatchers := []actor.Dispatcher{d, d.Low(), actor.NewDefaultDispatcher(16)}
	all := make([]*auditor, actors)
	for i := range all {
		a := &auditor{
			t: t, next: make([]int, senders), left: senders * each, done: make(chan struct{}),
			box: sched.NewMailbox(sched.Draining())(),
		}
		a.box.RegisterHandlers(a, dispatchers[i%len(dispatchers)])
		a.box.Start()
		all[i] = a
	}
	for s := range senders {
		go func() {
			for n := range each {
				for _, a := range all {
					a.box.PostUserMessage(numbered{s, n})
				}
				all[n%actors].box.PostSystemMessage("x")
				if n%50 == 0 {
					runtime.Gosched() // lets mailboxes run dry
				}
			}
		}()
	}
	for _, a := range all {
		<-a.done
		require.Zero(t, a.box.UserMessageCount())
	}
	require.NoError(t, d.Check())
}

// TestNoLostWakeUp posts a message at about the moment when the mailbox goes
// idle after the one before. Only the next message would repair a lost wake-up.
func TestNoLostWakeUp(t *testing.T) {
	t.Parallel()
	d := newDispatcher(t, sched.DispatcherConfig{})
	for name, post := range map[string]func(actor.Mailbox, any){
		"user": actor.Mailbox.PostUserMessage, "system": actor.Mailbox.PostSystemMessage,
	} {
		c := &counter{}
		box := sched.NewMailbox()()
		box.RegisterHandlers(c, d)
		box.Start()
		deadline := time.Now().Add(time.Minute)
		for n := range int64(20_000) {
			post(box, n)
			for spins := 1; c.seen.Load() == n; spins++ {
				if spins%1000 == 0 {
					runtime.Gosched()
					require.True(t, time.Now().Before(deadline), "%s message %d lost", name, n)
				}
			}
		}
	}
}

// counter counts the messages it gets. It takes a varying time to return after
// it has counted, so that its sender meets the mailbox in all states.
type counter struct{ seen atomic.Int64 }

func (c *counter) InvokeSystemMessage(any) { c.InvokeUserMessage(nil) }

func (c *counter) InvokeUserMessage(any) {
	for range c.seen.Add(1) % 1024 {
		c.seen.Load()
	}
}

func (c *counter) EscalateFailure(_, _ any) {}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

// chaos schedules functions that schedule more, end their goroutine, or block
// until another one has run.
type chaos struct {
	d         *sched.Dispatcher
	scheduled atomic.Int64
	ran       atomic.Int64
	wg        sync.WaitGroup
}

func (c *chaos) schedule(rnd *rand.Rand, depth int) {
	seed := rnd.Uint64()
	face := actor.Dispatcher(c.d)
	if rnd.IntN(3) == 0 {
		face = c.d.Low()
	}
	c.scheduled.Add(1)
	c.wg.Add(1)
	face.Schedule(func() { c.run(rand.New(rand.NewPCG(seed, 0)), depth) })
}

func (c *chaos) run(rnd *rand.Rand, depth int) {
	defer c.wg.Done()
	defer c.ran.Add(1)
	if depth > 0 {
		for range rnd.IntN(4) {
			c.schedule(rnd, depth-1)
		}
	}
	switch rnd.IntN(40) {
	case 0:
		other := make(chan struct{})
		c.d.Schedule(func() { close(other) })
		<-other
	case 1:
		runtime.Goexit()
	case 2, 3, 4:
		runtime.Gosched()
	}
}

func TestDispatcherChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		c := &chaos{d: sched.NewDispatcher(sched.DispatcherConfig{
			Workers: 1 + rnd.IntN(4), Stall: time.Duration(20+rnd.IntN(200)) * time.Microsecond,
		})}
		for range 20 {
			c.schedule(rnd, 5)
			require.NoError(t, c.d.Check())
		}
		if seed%3 == 0 {
			c.d.Close()
		}
		for c.ran.Load() < c.scheduled.Load() { // a function schedules before it counts as run
			require.NoError(t, c.d.Check())
			runtime.Gosched()
		}
		c.wg.Wait()
		require.NoError(t, c.d.Check())
		require.Equal(t, c.scheduled.Load(), c.ran.Load())
		c.d.Close()
	}
}
