package sched_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
)

// manual is a dispatcher whose functions run when the test says so.
type manual struct {
	queue []func()
	turn  int
}

func (d *manual) Schedule(fn func()) { d.queue = append(d.queue, fn) }
func (d *manual) Throughput() int    { return d.turn }

// step runs the oldest function and reports whether there was one.
func (d *manual) step() bool {
	if len(d.queue) == 0 {
		return false
	}
	fn := d.queue[0]
	d.queue = d.queue[1:]
	done := make(chan struct{})
	go func() { // the function may end its goroutine
		defer close(done)
		fn()
	}()
	<-done
	return true
}

func (d *manual) runAll() {
	for d.step() {
	}
}

// recorder is an actor that writes down what it is invoked with.
type recorder struct {
	box actor.Mailbox
	log []string
}

type (
	crash  string // the handler panics
	quit   string // the handler ends the goroutine
	system string
)

func (r *recorder) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) InvokeSystemMessage(m any) { r.note("system %v", m); fail(m) }

func (r *recorder) InvokeUserMessage(m any) {
	switch m := m.(type) {
	case *sched.Drained:
		r.note("drained")
	case func():
		m()
	default:
		r.note("%v", m)
		fail(m)
	}
}

// EscalateFailure suspends the mailbox, as Proto.Actor does.
func (r *recorder) EscalateFailure(reason, m any) {
	r.note("failure of %v: %v", m, reason)
	r.box.PostSystemMessage(&actor.SuspendMailbox{})
}

func fail(m any) {
	switch m.(type) {
	case crash:
		panic("boom")
	case quit:
		runtime.Goexit()
	}
}

func newBox(opts ...sched.MailboxOption) (*recorder, *manual) {
	d := &manual{turn: 100}
	r := &recorder{box: sched.NewMailbox(opts...)()}
	r.box.RegisterHandlers(r, d)
	r.box.Start()
	return r, d
}

func TestMailbox(t *testing.T) {
	t.Parallel()
	suspend, resume := &actor.SuspendMailbox{}, &actor.ResumeMailbox{}
	tests := []struct {
		name string
		opts []sched.MailboxOption
		do   func(box actor.Mailbox, run func())
		want []string
		left int
	}{
		{
			name: "user messages in order",
			do:   func(box actor.Mailbox, _ func()) { post(box, 1, 2, 3) },
			want: []string{"1", "2", "3"},
		}, {
			name: "system messages first",
			do:   func(box actor.Mailbox, _ func()) { post(box, 1, system("a"), 2, system("b")) },
			want: []string{"system a", "system b", "1", "2"},
		}, {
			name: "system message between user messages of a batch",
			do: func(box actor.Mailbox, _ func()) {
				post(box, 1, func() { post(box, system("a")) }, 2)
			},
			want: []string{"1", "system a", "2"},
		}, {
			name: "nil is a message",
			do:   func(box actor.Mailbox, _ func()) { post(box, nil, 1) },
			want: []string{"<nil>", "1"},
		}, {
			name: "user messages wait while suspended, system messages do not",
			do: func(box actor.Mailbox, run func()) {
				post(box, suspend, 1)
				run()
				post(box, 2, system("a"))
			},
			want: []string{"system a"},
			left: 2,
		}, {
			name: "suspended in the middle of a batch, then resumed",
			do: func(box actor.Mailbox, run func()) {
				post(box, 1, func() { post(box, suspend) }, 2, 3)
				run()
				post(box, 4, system("a"))
				run()
				post(box, resume)
			},
			want: []string{"1", "system a", "2", "3", "4"},
		}, {
			name: "suspend and resume in one go",
			do:   func(box actor.Mailbox, _ func()) { post(box, 1, suspend, system("a"), resume, 2) },
			want: []string{"system a", "1", "2"},
		}, {
			name: "panic suspends and loses nothing else",
			do: func(box actor.Mailbox, run func()) {
				post(box, 1, crash("x"), 2, 3)
				run()
				post(box, 4, resume)
			},
			want: []string{"1", "x", "failure of x: boom", "2", "3", "4"},
		}, {
			name: "system messages go on after a panic",
			do:   func(box actor.Mailbox, _ func()) { post(box, crash("x"), 1, func() {}, 2) },
			want: []string{"x", "failure of x: boom"},
			left: 3,
		}, {
			name: "panic on a system message",
			do: func(box actor.Mailbox, run func()) {
				box.PostSystemMessage(crash("x"))
				post(box, system("a"), 1)
				run()
				post(box, resume)
			},
			want: []string{"system x", "failure of x: boom", "system a", "1"},
		}, {
			name: "runtime.Goexit is a failure too",
			do: func(box actor.Mailbox, run func()) {
				post(box, 1, quit("x"), 2)
				run()
				post(box, system("a"))
				run()
				post(box, resume)
			},
			want: []string{"1", "x", "failure of x: " + sched.ErrGoexit.Error(), "system a", "2"},
		}, {
			name: "no Drained unless asked for",
			do:   func(box actor.Mailbox, run func()) { post(box, 1); run(); post(box, 2) },
			want: []string{"1", "2"},
		}, {
			name: "Drained once per dry run",
			opts: []sched.MailboxOption{sched.Draining()},
			do:   func(box actor.Mailbox, run func()) { post(box, 1, 2); run(); post(box, 3) },
			want: []string{"1", "2", "drained", "3", "drained"},
		}, {
			name: "no Drained after system messages only",
			opts: []sched.MailboxOption{sched.Draining()},
			do:   func(box actor.Mailbox, run func()) { post(box, 1); run(); post(box, system("a"), suspend, resume) },
			want: []string{"1", "drained", "system a"},
		}, {
			name: "not drained as long as a handler posts more",
			opts: []sched.MailboxOption{sched.Draining()},
			do: func(box actor.Mailbox, _ func()) {
				post(box, func() { post(box, 1, func() { post(box, 2) }) })
			},
			want: []string{"1", "2", "drained"},
		}, {
			name: "Drained waits while suspended",
			opts: []sched.MailboxOption{sched.Draining()},
			do: func(box actor.Mailbox, run func()) {
				post(box, 1, func() { post(box, suspend) })
				run()
				post(box, system("a"))
				run()
				post(box, resume)
			},
			want: []string{"1", "system a", "drained"},
		}, {
			name: "Drained after resume, behind what waited",
			opts: []sched.MailboxOption{sched.Draining()},
			do: func(box actor.Mailbox, run func()) {
				post(box, 1, crash("x"), 2)
				run()
				post(box, resume)
			},
			want: []string{"1", "x", "failure of x: boom", "2", "drained"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, d := newBox(tt.opts...)
			tt.do(r.box, d.runAll)
			d.runAll()
			require.Equal(t, tt.want, r.log)
			require.Equal(t, tt.left, r.box.UserMessageCount())
		})
	}
}

// post posts each message to the queue it belongs to.
func post(box actor.Mailbox, messages ...any) {
	for _, m := range messages {
		switch m.(type) {
		case system, *actor.SuspendMailbox, *actor.ResumeMailbox:
			box.PostSystemMessage(m)
		default:
			box.PostUserMessage(m)
		}
	}
}

func TestMailboxWaitsForStart(t *testing.T) {
	t.Parallel()
	d := &manual{turn: 100}
	r := &recorder{box: sched.NewMailbox()()}
	post(r.box, 1) // a sender that knows the name
	r.box.RegisterHandlers(r, d)
	post(r.box, 2, system("started"))
	require.Empty(t, d.queue)
	require.Equal(t, 2, r.box.UserMessageCount())
	r.box.Start()
	d.runAll()
	require.Equal(t, []string{"system started", "1", "2"}, r.log)
}

func TestMailboxSchedulesOnce(t *testing.T) {
	t.Parallel()
	r, d := newBox()
	post(r.box, 1, 2, system("a"), 3)
	require.Len(t, d.queue, 1)
	d.runAll()
	post(r.box, &actor.SuspendMailbox{})
	d.runAll()
	post(r.box, 4)
	require.Empty(t, d.queue, "a user message does not wake a suspended mailbox")
}

func TestMailboxReturnsTheWorker(t *testing.T) {
	t.Parallel()
	for _, turn := range []int{-1, 0, 1, 3} {
		r, d := newBox(sched.Draining())
		d.turn = turn
		post(r.box, 1, 2, 3, 4, 5, 6, 7)
		steps := 0
		for handled := 0; d.step(); steps++ {
			require.LessOrEqual(t, len(r.log)-handled, max(1, turn))
			handled = len(r.log)
		}
		require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7", "drained"}, r.log)
		require.GreaterOrEqual(t, steps, 8/max(1, turn))
	}
}

func TestUserMessageCount(t *testing.T) {
	t.Parallel()
	r, d := newBox()
	var counts []int
	count := func() { counts = append(counts, r.box.UserMessageCount()) }
	post(r.box, count, func() { post(r.box, count) }, count)
	require.Equal(t, 3, r.box.UserMessageCount())
	d.runAll()
	require.Equal(t, []int{2, 1, 0}, counts)
	post(r.box, system("a"))
	require.Zero(t, r.box.UserMessageCount())
}

// TestMailboxGivesBackMemory counts the slots that are left after a burst.
func TestMailboxGivesBackMemory(t *testing.T) {
	t.Parallel()
	const burst, few = 20_000, 3 * sched.SegmentSlots
	r, d := newBox()
	d.turn = 2 * burst
	grow := func() {
		for range burst {
			post(r.box, func() {})
			post(r.box, &actor.ResumeMailbox{})
		}
		require.GreaterOrEqual(t, sched.MailboxSlots(r.box), 2*burst)
	}
	grow()
	d.runAll()
	require.LessOrEqual(t, sched.MailboxSlots(r.box), few, "idle after a burst")

	grow()
	left := 3 * sched.SegmentSlots // not idle, but with little to do since the burst
	var again func()
	again = func() {
		if left--; left > 0 {
			post(r.box, again)
			return
		}
		require.LessOrEqual(t, sched.MailboxSlots(r.box), few, "busy after a burst")
	}
	post(r.box, again)
	d.runAll()
	require.Zero(t, left)

	for range 100 {
		post(r.box, 1)
	}
	d.runAll()
	require.GreaterOrEqual(t, sched.MailboxSlots(r.box), 100, "small queues keep their memory")
}

// TestLargeBacklog keeps order and count while a backlog grows and shrinks.
func TestLargeBacklog(t *testing.T) {
	t.Parallel()
	r, d := newBox(sched.Draining())
	rnd := rand.New(rand.NewPCG(1, 1))
	posted, handled, drained := 0, 0, 0
	for range 200 {
		for range rnd.IntN(3 * sched.SegmentSlots) {
			n := posted
			posted++
			post(r.box, func() {
				require.Equal(t, handled, n)
				handled++
			})
		}
		d.turn = 1 + rnd.IntN(3*sched.SegmentSlots)
		d.step()
		require.Equal(t, posted-handled, r.box.UserMessageCount())
	}
	d.runAll()
	require.Equal(t, posted, handled)
	for _, entry := range r.log {
		require.Equal(t, "drained", entry)
		drained++
	}
	require.NotZero(t, drained)
}
