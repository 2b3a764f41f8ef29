package cloverleaf_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
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

// Leaving the session ends the component with no error and no reconnect, whether the router answers with normal or
// goodbye_and_out, or just closes.
func TestBehaviour25_LeaveIsTheEnd(t *testing.T) {
	t.Parallel()
	answers := map[string]func(l *link, m *protocol.Goodbye){
		"normal":          func(l *link, _ *protocol.Goodbye) { l.send(&protocol.Goodbye{Reason: protocol.CloseNormal}) },
		"goodbye and out": func(l *link, _ *protocol.Goodbye) { l.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut}) },
		"closes":          func(l *link, _ *protocol.Goodbye) { l.pipe.Close(nil) },
		"cuts":            func(l *link, _ *protocol.Goodbye) { l.cut() },
		"silent":          func(*link, *protocol.Goodbye) {},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, j := perform(but(answer)), new(journal)
				c := observe(t, cloverleaf.Config{}, p.transport())
				listen(c.Component, j, false)
				s := c.join()
				err := s.Leave(t.Context(), session.Reason(protocol.CloseNormal), session.Message("done"))
				if name != "silent" {
					require.NoError(t, err)
				}
				require.NoError(t, c.Wait())
				bye := sent[*protocol.Goodbye](p.last())
				require.Len(t, bye, 1)
				require.Equal(t, protocol.CloseNormal, bye[0].Reason)
				require.Equal(t, "done", bye[0].Details.Message)
				pass(time.Hour)
				require.Equal(t, 1, p.attempts())
				require.Equal(t, []string{"start", "connect", "join", "ready", "leave", "disconnect"}, j.all())
				left := happened[*supervisor.Left](c)
				require.Len(t, left, 1)
				require.NoError(t, left[0].Err)
			})
		})
	}
}

// A session that the router closes is resumed by a new one, for whatever reason it was closed, unless the reason is
// classified as permanent.
func TestBehaviour26_RouterSaysGoodbye(t *testing.T) {
	t.Parallel()
	for _, reason := range []protocol.URI{
		protocol.CloseNormal, protocol.CloseSystemShutdown, protocol.CloseKilled, protocol.CloseRealm, "com.own.reason",
	} {
		t.Run(string(reason), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p := perform(polite)
				c := observe(t, cloverleaf.Config{}, p.transport())
				s := c.join()
				p.last().send(&protocol.Goodbye{Reason: reason})
				again := c.next(s)
				require.Equal(t, protocol.ID(2), again.ID())
				require.Equal(t, protocol.CloseGoodbyeAndOut, sent[*protocol.Goodbye](p.links[0])[0].Reason, "answered")
				require.Equal(t, reason, session.ErrorURI(s.Err()))
				left := happened[*supervisor.Left](c)
				require.Len(t, left, 1)
				require.Equal(t, string(reason), left[0].Reason)
				require.Error(t, left[0].Err)
			})
		})
	}
	t.Run("classified", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(polite)
			c := observe(t, cloverleaf.Config{Classify: func(err error) supervisor.Class {
				if session.ErrorURI(err) == protocol.CloseKilled {
					return supervisor.ClassPermanent
				}
				return supervisor.Classify(err)
			}}, p.transport())
			s := c.join()
			p.last().send(&protocol.Goodbye{Reason: protocol.CloseSystemShutdown})
			c.next(s)
			p.last().send(&protocol.Goodbye{Reason: protocol.CloseKilled})
			err := c.Wait()
			require.Equal(t, protocol.CloseKilled, session.ErrorURI(err))
			require.Equal(t, 2, p.attempts())
		})
	})
}

// Refusals that will be repeated, such as no_such_realm and not_authorized, end the component at once with that error,
// unless RetryPermanent or a classifier says otherwise.
func TestBehaviour27_PermanentRefusals(t *testing.T) {
	t.Parallel()
	for _, reason := range []protocol.URI{
		protocol.ErrorNoSuchRealm, protocol.ErrorNotAuthorized, protocol.ErrorAuthenticationDenied, protocol.ErrorNoSuchPrincipal,
	} {
		t.Run(string(reason), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, other := perform(turnsAway(reason), polite), perform(nil)
				start := time.Now()
				c := observe(t, cloverleaf.Config{}, p.transport(), other.transport()).start()
				err := c.Wait()
				require.Equal(t, reason, session.ErrorURI(err))
				require.Equal(t, supervisor.ClassPermanent, supervisor.Classify(err))
				require.Zero(t, time.Since(start))
				require.Equal(t, 1, p.attempts())

				p = perform(turnsAway(reason), polite)
				observe(t, cloverleaf.Config{RetryPermanent: true}, p.transport()).join()
				require.Equal(t, 2, p.attempts())

				p = perform(turnsAway(reason), polite)
				transient := func(error) supervisor.Class { return supervisor.ClassTransient }
				observe(t, cloverleaf.Config{Classify: transient}, p.transport()).join()
				require.Equal(t, 2, p.attempts())
			})
		})
	}
}

// An ABORT in an established session reaches everybody with its reason: pending calls, the listeners for leave, and the
// error of the session.
func TestBehaviour28_AbortHasAReason(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		reasons := make(chan error, 2)
		c.OnLeave(func(_ context.Context, _ *session.Session, reason error) { reasons <- reason })
		s := c.join()
		go func() {
			_, err := s.Call(t.Context(), "com.pending")
			reasons <- err
		}()
		synctest.Wait()
		p.last().send(&protocol.Abort{Reason: "com.router.tired", Details: protocol.CloseDetails{Message: "good night"}})
		for _, err := range []error{<-reasons, <-reasons, s.Err()} {
			var ended *session.EndedError
			require.ErrorAs(t, err, &ended)
			require.Equal(t, session.EndAborted, ended.How)
			require.Equal(t, protocol.URI("com.router.tired"), ended.Reason)
			require.Equal(t, "good night", ended.Message)
			require.True(t, ended.Joined)
		}
		c.next(s)
	})
}

// When Main returns, the component says GOODBYE and is done; when it fails, the session is given up and tried again with
// a delay, as often as the restart budget allows, and then the component ends with Main's error.
func TestBehaviour29_MainDecides(t *testing.T) {
	t.Parallel()
	t.Run("returns", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p, j := perform(polite), new(journal)
			c := observe(t, cloverleaf.Config{Main: func(context.Context, *session.Session) error { j.add("main"); return nil }}, p.transport())
			listen(c.Component, j, false)
			require.NoError(t, c.Start(t.Context()))
			require.NoError(t, c.Wait())
			require.Equal(t, []string{"start", "connect", "join", "ready", "main", "leave", "disconnect"}, j.all())
			require.Len(t, sent[*protocol.Goodbye](p.last()), 1)
			require.Equal(t, 1, p.attempts())
		})
	})
	boom := errors.New("boom")
	for name, fail := range map[string]func() error{
		"error":     func() error { return boom },
		"panic":     func() error { panic(boom) },
		"permanent": func() error { return errors.Join(boom, session.NewError(protocol.ErrorNotAuthorized)) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, j := perform(polite), new(journal)
				c := observe(t, cloverleaf.Config{
					Restarts: supervisor.Intensity{MaxRestarts: 3, Window: time.Minute},
					Main:     func(context.Context, *session.Session) error { j.add("main"); return fail() },
				}, p.transport())
				require.NoError(t, c.Start(t.Context()))
				err := c.Wait()
				var spent *supervisor.IntensityError
				require.ErrorAs(t, err, &spent)
				require.ErrorIs(t, err, boom)
				require.Equal(t, []float64{0, 1, 2, 3}, j.seconds(), "three restarts, each after a delay")
				for _, l := range p.links {
					require.Len(t, sent[*protocol.Goodbye](l), 1, "every session is left with GOODBYE")
				}
			})
		})
	}
	t.Run("within the budget", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(polite)
			observe(t, cloverleaf.Config{
				Restarts: supervisor.Intensity{MaxRestarts: 1, Window: time.Minute},
				Main: func(ctx context.Context, _ *session.Session) error {
					select {
					case <-time.After(2 * time.Minute):
					case <-ctx.Done():
					}
					return boom
				},
			}, p.transport()).join()
			pass(time.Hour)
			require.Greater(t, p.attempts(), 20, "failures that are far apart are never one too many")
		})
	})
}

// A lost connection ends the context of Main, and the next Main begins only when the last one has returned, so that there
// is never more than one.
func TestBehaviour30_OneMain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(polite)
		var mu sync.Mutex
		alive, most, begun := 0, 0, 0
		c := observe(t, cloverleaf.Config{Main: func(ctx context.Context, s *session.Session) error {
			mu.Lock()
			begun++
			alive++
			most = max(most, alive)
			mu.Unlock()
			<-ctx.Done()
			takes(30 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			alive--
			return s.Err()
		}}, p.transport())
		s := c.join()
		for range 5 {
			synctest.Wait()
			start := time.Now()
			p.last().cut()
			s = c.next(s)
			require.Equal(t, 30*time.Second, time.Since(start))
		}
		synctest.Wait()
		c.stop()
		require.Equal(t, 6, begun)
		require.Equal(t, 1, most)
		require.Zero(t, alive)
		require.Empty(t, happened[*supervisor.HandlerFailed](c), "the end of its session is no failure of Main")
	})
}

// Stop ends a component in whatever state it is: at once, or as soon as the listeners return and the router has had its
// time to answer; twice does no harm, and no session begins after it.
func TestBehaviour31_StopInAnyState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		does   part
		after  time.Duration // Stop is called
		within time.Duration
		leaves bool // is to be told of leave
	}{
		{"starting", polite, time.Second / 2, time.Second / 2, false},
		{"connecting", nil, 10 * time.Second, 0, false},
		{"joining", mute, 5 * time.Second, 0, false},
		{"joined", polite, 5 * time.Second, 0, true},
		{"backoff", nil, 1500 * time.Millisecond, 0, false},
		{"not ready", but(func(*link, *protocol.Register) {}), 5 * time.Second, 0, true},
		{"silent router", absent, 5 * time.Second, 2 * time.Second, true},
		{"leaving", absent, 5 * time.Second, time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p, j := perform(tt.does), new(journal)
				tr := p.transport()
				if tt.name == "connecting" {
					tr.Pipe = func(ctx context.Context) (*transport.PipeEnd, error) { <-ctx.Done(); return nil, ctx.Err() }
				}
				c := observe(t, cloverleaf.Config{}, tr)
				c.Register("com.proc", func() {})
				if tt.name == "starting" {
					c.OnStart(func(context.Context) error { takes(time.Second); return nil })
				}
				listen(c.Component, j, false)
				c.start()
				pass(tt.after)
				if tt.name == "leaving" {
					s, ok := c.Session()
					require.True(t, ok)
					go func() { _ = s.Leave(context.WithoutCancel(t.Context())) }()
					pass(time.Second)
				}
				requireStops(t, c, tt.within)
				require.Equal(t, tt.leaves, j.count("leave") == 1)
				require.Equal(t, j.count("connect"), j.count("disconnect"))
				requireNoGhosts(t, c, p)
			})
		})
	}
	t.Run("new and done", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(polite)
			c := observe(t, cloverleaf.Config{}, p.transport())
			requireStops(t, c, 0)
			c.join()
			requireStops(t, c, 0)
			requireStops(t, c, 0)
			require.Equal(t, 1, p.attempts())
		})
	})
	t.Run("cut off", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(absent)
			c := observe(t, cloverleaf.Config{LeaveTimeout: -1}, p.transport())
			c.join()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, c.Stop(ctx), context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(start))
			requireNoGhosts(t, c, p)
		})
	})
}

// requireStops has several goroutines stop the component.
func requireStops(t *testing.T, c *observed, within time.Duration) {
	t.Helper()
	start := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { require.NoError(t, c.Stop(t.Context())) })
	}
	all.Wait()
	require.Equal(t, within, time.Since(start))
	require.NoError(t, c.Stop(t.Context()))
	require.Nil(t, c.PID())
}

// requireNoGhosts sends every connection a late WELCOME: nobody may join by it.
func requireNoGhosts(t *testing.T, c *observed, p *play) {
	t.Helper()
	attempts, joined := p.attempts(), len(happened[*supervisor.Joined](c))
	for _, l := range p.links {
		l.send(&protocol.Welcome{Session: 99})
	}
	pass(time.Hour)
	for _, l := range p.links {
		require.True(t, l.closed())
	}
	require.Equal(t, attempts, p.attempts())
	require.Len(t, happened[*supervisor.Joined](c), joined)
	_, ok := c.Session()
	require.False(t, ok)
}

// A running component is not started twice, a stopped one may be started again; components that run together do not
// affect each other, their errors are joined, and SIGTERM has each of them say GOODBYE. (Not parallel: it sends a signal to
// the process.)
func TestBehaviour32_RunManyOrAgain(t *testing.T) {
	t.Run("start again", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			p := perform(polite)
			c := observe(t, cloverleaf.Config{}, p.transport())
			for i := range 3 {
				c.join()
				require.ErrorIs(t, c.Start(t.Context()), cloverleaf.ErrStarted)
				c.stop()
				require.NoError(t, c.Wait())
				require.Equal(t, i+1, p.attempts())
			}
		})
	})
	t.Run("isolated", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			bad, worse, good := perform(turnsAway(protocol.ErrorNoSuchRealm)), perform(nil), perform(polite)
			dead := worse.transport()
			dead.MaxRetries = 2
			work := func(context.Context, *session.Session) error { takes(time.Hour); return nil }
			runtime := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
			components := []*observed{
				observe(t, cloverleaf.Config{Name: "refused"}, bad.transport()),
				observe(t, cloverleaf.Config{Name: "unreachable"}, dead),
				observe(t, cloverleaf.Config{Name: "worker", Main: work}, good.transport()),
			}
			for _, c := range components {
				require.NoError(t, runtime.Start(t.Context(), c.Component))
			}
			pass(time.Minute)
			require.ErrorContains(t, components[0].Wait(), "component refused")
			require.ErrorIs(t, components[1].Wait(), errUnreachable)
			_, ok := components[2].Session()
			require.True(t, ok, "the worker works")
			require.NoError(t, components[2].Wait())
			require.NoError(t, runtime.Stop(t.Context()))
		})
	})
	t.Run("SIGTERM", func(t *testing.T) {
		bad, good := perform(turnsAway(protocol.ErrorNoSuchRealm)), perform(polite)
		a := observe(t, cloverleaf.Config{Name: "refused"}, bad.transport())
		b := observe(t, cloverleaf.Config{Name: "worker"}, good.transport())
		j := new(journal)
		listen(b.Component, j, false)
		result := make(chan error, 1)
		go func() { result <- cloverleaf.Run(t.Context(), a.Component, b.Component) }()
		require.Eventually(t, func() bool {
			return j.count("ready") == 1 && len(happened[*supervisor.Stopped](a)) == 1
		}, patience, time.Millisecond)
		self, err := os.FindProcess(os.Getpid())
		require.NoError(t, err)
		require.NoError(t, self.Signal(syscall.SIGTERM))
		err = <-result
		require.ErrorContains(t, err, "component refused")
		require.NotContains(t, err.Error(), "worker")
		require.Equal(t, []string{"start", "connect", "join", "ready", "leave", "disconnect"}, j.all())
		require.Len(t, sent[*protocol.Goodbye](good.last()), 1)
	})
}
