package cloverleaf_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// listen has every listener of the component write to a journal, after a time that differs from event to event.
func listen(c *cloverleaf.Component, j *journal, slow bool) {
	say := func(word string) {
		if slow {
			takes(time.Duration(12-len(word)) * time.Second)
		}
		j.add("%s", word)
	}
	c.OnStart(func(context.Context) error { say("start"); return nil })
	c.OnConnect(func(context.Context) { say("connect") })
	c.OnJoin(func(context.Context, *session.Session) error { say("join"); return nil })
	c.OnReady(func(context.Context, *session.Session) error { say("ready"); return nil })
	c.OnLeave(func(context.Context, *session.Session, error) { say("leave") })
	c.OnDisconnect(func(context.Context, error) { say("disconnect") })
	c.OnConnectFailure(func(context.Context, error) { say("failure") })
}

// Listeners are told start, connect, join, ready, leave and disconnect in this order, however slow they are, in every
// session of a component.
func TestBehaviour17_OrderOfListeners(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(polite), new(journal)
		c := observe(t, cloverleaf.Config{}, p.transport())
		listen(c.Component, j, true)
		c.Register("com.proc", func() {})
		s := c.join()
		for range 3 {
			p.last().cut()
			s = c.next(s)
		}
		c.stop()
		want := []string{"start"}
		for range 4 {
			want = append(want, "connect", "join", "ready", "leave", "disconnect")
		}
		require.Equal(t, want, j.all())
	})
}

// A component is ready when all listeners for join have returned and every declared procedure and topic is acknowledged,
// and not before.
func TestBehaviour18_ReadyIsReady(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(func(l *link, m protocol.Message) { // answers after 2, 4, ... seconds
			if _, ok := m.(*protocol.Hello); ok {
				polite(l, m)
				return
			}
			n := len(sent[*protocol.Register](l)) + len(sent[*protocol.Subscribe](l))
			time.AfterFunc(time.Duration(2*n)*time.Second, func() { polite(l, m) })
		})
		c := observe(t, cloverleaf.Config{}, p.transport())
		c.Register("com.a", func() {})
		c.Register("com.b", func() {})
		c.Subscribe("com.c", func() {})
		c.Subscribe("com.d", func() {})
		start := time.Now()
		c.join()
		require.Equal(t, 8*time.Second, time.Since(start), "the last acknowledgement")
		c.stop()

		joins := new(journal)
		c.OnJoin(func(context.Context, *session.Session) error { takes(20 * time.Second); joins.add("first"); return nil })
		c.OnJoin(func(context.Context, *session.Session) error {
			takes(10 * time.Second)
			joins.add("second")
			return nil
		})
		start = time.Now()
		c.join()
		require.Equal(t, 30*time.Second, time.Since(start), "the last listener")
		require.Equal(t, []string{"first", "second"}, joins.all())
	})
}

// A router that refuses the session with ABORT is a failed attempt with that reason: nobody has joined, so nobody is
// told of join, ready or leave.
func TestBehaviour19_AbortBeforeJoin(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(turnsAway("com.router.busy"), polite), new(journal)
		c := observe(t, cloverleaf.Config{}, p.transport())
		listen(c.Component, j, false)
		c.OnConnectFailure(func(_ context.Context, err error) {
			var ended *session.EndedError
			require.ErrorAs(t, err, &ended)
			require.Equal(t, session.EndRefused, ended.How)
			require.Equal(t, protocol.URI("com.router.busy"), ended.Reason)
			require.Equal(t, "go away", ended.Message)
			require.False(t, ended.Joined)
			require.True(t, session.IsRemote(err))
		})
		c.join()
		pass(time.Second)
		require.Equal(t, []string{"start", "connect", "failure", "disconnect", "connect", "join", "ready"}, j.all())
		require.True(t, p.links[0].closed())
	})
}

// Every connection has a session object of its own that stays ended, while the component keeps its state and its
// declarations.
func TestBehaviour20_FreshSessions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		var count atomic.Int64
		c.Register("com.count", func() int64 { return count.Add(1) })
		seen := map[*session.Session]bool{}
		s := c.join()
		for i := range 3 {
			require.False(t, seen[s])
			seen[s] = true
			require.Equal(t, protocol.ID(i+1), s.ID())
			p.last().send(&protocol.Invocation{Request: 1, Registration: 101})
			synctest.Wait()
			require.EqualValues(t, i+1, count.Load())
			p.last().cut()
			s = c.next(s)
		}
		for old := range seen {
			require.ErrorIs(t, old.Err(), session.ErrClosed)
			_, err := old.Call(t.Context(), "com.count")
			require.ErrorIs(t, err, session.ErrClosed)
		}
	})
}

// A listener that fails or panics takes no other listener with it: one for start ends the component, one for join gives
// up the session within the restart budget, and all others are reported.
func TestBehaviour21_ListenerFailures(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		event    string
		sessions int  // that the failure costs
		ends     bool // the component
	}{
		{"start", 0, true},
		{"connect", 0, false},
		{"join", 1, false},
		{"ready", 0, false},
		{"leave", 0, false},
		{"disconnect", 0, false},
		{"failure", 0, false},
	}
	for _, tt := range tests {
		for _, how := range []string{"error", "panic"} {
			t.Run(tt.event+" "+how, func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					p, j := perform(nil, polite), new(journal)
					c := observe(t, cloverleaf.Config{}, p.transport())
					failed := false
					fail := func() error {
						if failed {
							return nil
						}
						if failed = true; how == "panic" {
							panic(boom)
						}
						return boom
					}
					failing(c.Component, tt.event, fail, how == "panic")
					listen(c.Component, j, false)
					if tt.ends {
						require.NoError(t, c.Start(t.Context()))
						require.ErrorIs(t, c.Wait(), boom)
						require.Zero(t, p.attempts())
						return
					}
					s := c.join()
					p.last().cut()
					c.next(s)
					c.stop()
					require.Equal(t, 3+tt.sessions, p.attempts())
					require.Equal(t, 2+tt.sessions, j.count("join"), "siblings are told of everything")
					require.Equal(t, 2, j.count("ready"))
					require.Equal(t, 2+tt.sessions, j.count("leave"))
					require.Equal(t, 2+tt.sessions, j.count("disconnect"))
					require.Equal(t, 1, j.count("failure"))
					requireReported(t, c, how, tt.event)
				})
			})
		}
	}
}

// failing adds a listener that fails once. Listeners that return no error can only panic.
func failing(c *cloverleaf.Component, event string, fail func() error, panics bool) {
	only := func() {
		if panics {
			_ = fail()
		}
	}
	switch event {
	case "start":
		c.OnStart(func(context.Context) error { return fail() })
	case "connect":
		c.OnConnect(func(context.Context) { only() })
	case "join":
		c.OnJoin(func(context.Context, *session.Session) error { return fail() })
	case "ready":
		c.OnReady(func(context.Context, *session.Session) error { return fail() })
	case "leave":
		c.OnLeave(func(context.Context, *session.Session, error) { only() })
	case "disconnect":
		c.OnDisconnect(func(context.Context, error) { only() })
	case "failure":
		c.OnConnectFailure(func(context.Context, error) { only() })
	}
}

func requireReported(t *testing.T, c *observed, how, event string) {
	t.Helper()
	if how == "panic" {
		panicked := happened[*supervisor.HandlerPanicked](c)
		require.Len(t, panicked, 1)
		require.Contains(t, string(panicked[0].Err.Stack), "failing")
		return
	}
	want := 0
	if slices.Contains([]string{"join", "ready"}, event) {
		want = 1
	}
	require.Len(t, happened[*supervisor.HandlerFailed](c), want)
}

// The listeners for connect failures are called once for each failed attempt, and not for the loss of a session.
func TestBehaviour22_ConnectFailures(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(nil, turnsAway("com.busy"), mute, nil, polite, nil, polite), new(journal)
		c := observe(t, cloverleaf.Config{JoinTimeout: 5 * time.Second}, p.transport())
		c.OnConnectFailure(func(_ context.Context, err error) {
			switch {
			case errors.Is(err, errUnreachable):
				j.add("unreachable")
			default:
				var ended *session.EndedError
				require.ErrorAs(t, err, &ended)
				j.add("%v", ended.How)
			}
		})
		s := c.join()
		want := []string{"unreachable", "refused by router", "router did not answer in time", "unreachable"}
		require.Equal(t, want, j.all())
		p.last().cut()
		c.next(s)
		require.Equal(t, append(want, "unreachable"), j.all(), "the loss was none, the attempt after it was")
		require.Len(t, happened[*supervisor.ConnectFailed](c), 5)
		require.Len(t, happened[*supervisor.Left](c), 1)
	})
}

// The context of a session has ended before the component connects again, and no handler begins for a session that has
// ended, not even for what was queued.
func TestBehaviour23_OldSessionsAreOver(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(polite), new(journal)
		c := observe(t, cloverleaf.Config{}, p.transport())
		c.Register("com.proc", func(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
			j.add("call %d", inv.Request())
			<-ctx.Done()
			j.add("call %d over", inv.Request())
			return session.Reply{}, ctx.Err()
		}, session.Concurrency(1))
		c.Subscribe("com.topic", func(ctx context.Context, ev *session.Event) error {
			j.add("event %d", ev.Publication())
			<-ctx.Done()
			j.add("event %d over", ev.Publication())
			return nil
		})
		c.OnJoin(func(ctx context.Context, s *session.Session) error {
			require.NoError(t, ctx.Err())
			go func() {
				<-ctx.Done()
				var ended *session.EndedError
				require.ErrorAs(t, context.Cause(ctx), &ended)
				require.Same(t, ended, s.Err())
				j.add("session %d over", s.ID())
			}()
			return nil
		})
		c.OnConnect(func(context.Context) { j.add("connect") })
		s := c.join()
		for id := protocol.ID(1); id <= 3; id++ {
			p.last().send(&protocol.Invocation{Request: id, Registration: 101}, &protocol.Event{Subscription: 202, Publication: id})
		}
		synctest.Wait()
		p.last().cut()
		c.next(s)
		pass(time.Minute)
		words := j.all()
		require.Equal(t, "connect", words[len(words)-1], "%v", words)
		require.ElementsMatch(t, []string{
			"connect", "call 1", "event 1", "session 1 over", "call 1 over", "event 1 over", "connect",
		}, words)
		require.Empty(t, sent[*protocol.Error](p.last()), "the new session has nothing to do with it")
	})
}

// Listeners, procedures and topics may be added and removed while a component runs; each is there from then on, also in
// later sessions, until it is removed.
func TestBehaviour24_DeclareAnyTime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(polite), new(journal)
		c := observe(t, cloverleaf.Config{}, p.transport())
		early := c.OnJoin(func(context.Context, *session.Session) error { j.add("early"); return nil })
		s := c.join()
		removeLate := c.OnJoin(func(context.Context, *session.Session) error { j.add("late"); return nil })
		early()
		proc, topic := c.Register("com.proc", func() {}), c.Subscribe("com.topic", func() {})
		synctest.Wait()
		for i := range 2 {
			require.Len(t, sent[*protocol.Register](p.last()), 1, "session %d", i)
			require.Len(t, sent[*protocol.Subscribe](p.last()), 1, "session %d", i)
			p.last().cut()
			s = c.next(s)
		}
		removeLate()
		proc.Remove()
		topic.Remove()
		synctest.Wait()
		require.Len(t, sent[*protocol.Unregister](p.last()), 1)
		require.Len(t, sent[*protocol.Unsubscribe](p.last()), 1)
		p.last().cut()
		c.next(s)
		require.Empty(t, sent[*protocol.Register](p.last()))
		require.Empty(t, sent[*protocol.Subscribe](p.last()))
		require.Equal(t, []string{"early", "late", "late"}, j.all())
	})
}
