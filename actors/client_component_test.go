package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// bubble runs a test with a fake clock and a host of its own.
func bubble(t *testing.T, f func(t *testing.T, h *Host)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(HostConfig{})
		f(t, h)
		time.Sleep(2 * time.Second) //nolint:forbidigo // the throttle of dead letters has a goroutine for a second
		h.Close()
	})
}

// settleAlone is for a function of the user that takes its time.
func settleAlone(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // on a fake clock

// settle lets time pass, and everything come to rest.
func settle(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // on a fake clock
	synctest.Wait()
}

// seconds returns the times since start, in seconds.
type stopwatch struct {
	mu    sync.Mutex
	start time.Time
	at    []float64
}

func newStopwatch() *stopwatch { return &stopwatch{start: time.Now()} }

func (s *stopwatch) hit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.start).Seconds())
}

// TestLifecycleOrder has slow listeners for everything, and three sessions that the router ends.
func TestLifecycleOrder(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(nil, welcome)
		c := newTestComponent(t, h, f.transport())
		c.register("com.proc", func() {})
		var mu sync.Mutex
		var order []string
		say := func(word string) {
			time.Sleep(time.Duration(1+len(word)) * time.Second) //nolint:forbidigo // a slow listener, on a fake clock
			mu.Lock()
			defer mu.Unlock()
			order = append(order, word)
		}
		l := c.cfg.Listeners
		l.OnStart(func(context.Context) error { say("start"); return nil })
		l.OnConnect(func(context.Context) { say("connect") })
		l.OnConnectFailure(func(_ context.Context, err error) {
			require.ErrorIs(t, err, errRefused)
			say("connectfailure")
		})
		l.OnJoin(func(_ context.Context, s *session.Session) error { say(fmt.Sprint("join", s.ID())); return nil })
		l.OnJoin(func(context.Context, *session.Session) error { say("join again"); return nil })
		l.OnReady(func(_ context.Context, s *session.Session) error { say(fmt.Sprint("ready", s.ID())); return nil })
		l.OnLeave(func(_ context.Context, s *session.Session, err error) {
			require.ErrorIs(t, err, session.ErrClosed)
			require.ErrorIs(t, s.Context().Err(), context.Canceled)
			say(fmt.Sprint("leave", s.ID()))
		})
		l.OnDisconnect(func(context.Context, error) { say("disconnect") })
		l.OnStart(func(context.Context) error { return nil })()
		c.start()
		for i := range 3 {
			s := c.next()
			require.Equal(t, protocol.ID(i+2), s.ID())
			if i < 2 {
				settle(time.Minute)
				f.last().send(&protocol.Goodbye{Reason: protocol.CloseSystemShutdown})
			}
		}
		settle(time.Minute)
		require.NoError(t, c.stop())
		want := []string{"start", "connectfailure"}
		for id := 2; id < 5; id++ {
			want = append(want, "connect", fmt.Sprint("join", id), "join again", fmt.Sprint("ready", id), fmt.Sprint("leave", id), "disconnect")
		}
		require.Equal(t, want, order)
		require.Equal(t, 4, f.attempts())
	})
}

func TestReconnectDelays(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		watch := newStopwatch()
		f := newFakeRouter(nil, nil, nil, welcome)
		tr := f.transport()
		tr.Backoff = supervisor.Backoff{Initial: time.Second, Growth: 2, Max: time.Minute, Jitter: supervisor.NoJitter}
		c := newTestComponent(t, h, tr)
		c.cfg.Listeners.OnConnectFailure(func(context.Context, error) { watch.hit() })
		c.cfg.Listeners.OnConnect(func(context.Context) { watch.hit() })
		c.start()
		c.next()
		require.Equal(t, []float64{0, 1, 3, 7}, watch.at)
		// After a session the delays begin anew.
		f.last().pipe.Close(nil)
		c.next()
		require.Equal(t, []float64{0, 1, 3, 7, 8}, watch.at)
		require.NoError(t, c.stop())
	})
}

func TestRoundRobin(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		a, b := newFakeRouter(nil, nil, welcome), newFakeRouter(nil)
		c := newTestComponent(t, h, a.transport(), b.transport())
		start := time.Now()
		c.join()
		require.Equal(t, 3, a.attempts())
		require.Equal(t, 2, b.attempts())
		require.Equal(t, 3*time.Second, time.Since(start), "a and b at once, then each after 1 s")
		require.NoError(t, c.stop())
	})
}

func TestExhausted(t *testing.T) {
	tests := []struct {
		name     string
		retries  int
		fatal    bool
		attempts int
	}{
		{"no retry", -1, false, 1},
		{"two retries", 2, false, 3},
		{"fatal", 0, true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				f := newFakeRouter(nil)
				tr := f.transport()
				tr.MaxRetries = tt.retries
				tr.IsFatal = func(err error) bool { return tt.fatal && errors.Is(err, errRefused) }
				c := newTestComponent(t, h, tr).start()
				err := c.wait()
				var exhausted *supervisor.ExhaustedError
				require.ErrorAs(t, err, &exhausted)
				require.ErrorIs(t, err, errRefused)
				require.Equal(t, tt.attempts, f.attempts())
				require.Len(t, eventsOf[*supervisor.ConnectFailed](c), tt.attempts)
				require.Equal(t, "Stopped", c.trace()[len(c.trace())-1])
			})
		})
	}
}

func TestRefusedJoin(t *testing.T) {
	t.Run("permanent", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			c := newTestComponent(t, h, newFakeRouter(refuse(protocol.ErrorNoSuchRealm)).transport()).start()
			err := c.wait()
			require.Equal(t, protocol.ErrorNoSuchRealm, session.ErrorURI(err))
			require.Equal(t, supervisor.ClassPermanent, supervisor.Classify(err))
			require.Equal(t, []string{"Started", "AttemptScheduled", "Connected", "ConnectFailed", "Disconnected", "Stopped"}, c.trace())
		})
	})
	t.Run("permanent but retried", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			c := newTestComponent(t, h, newFakeRouter(refuse(protocol.ErrorNoSuchRealm), welcome).transport())
			c.cfg.RetryPermanent = true
			c.join()
			require.NoError(t, c.stop())
		})
	})
	t.Run("transient", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			c := newTestComponent(t, h, newFakeRouter(refuse(protocol.CloseSystemShutdown), welcome).transport())
			c.join()
			require.NoError(t, c.stop())
		})
	})
}

func TestJoinTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(silent, welcome)
		c := newTestComponent(t, h, f.transport())
		start := time.Now()
		c.join()
		require.Equal(t, DefaultJoinTimeout+time.Second, time.Since(start))
		require.True(t, f.conns[0].closed())
		failed := eventsOf[*supervisor.ConnectFailed](c)
		require.Len(t, failed, 1)
		require.ErrorContains(t, failed[0].Err, "did not answer in time")
		require.NoError(t, c.stop())
	})
}

// TestStopInEveryState: prompt, in order, idempotent, bounded when the router is silent.
func TestStopInEveryState(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		script func(*fakeConn)
		wait   time.Duration // before the stop
		within time.Duration
		joined bool
	}{
		{"starting", welcome, time.Second / 2, time.Second / 2, false},
		{"dialing", nil, time.Second / 2, 0, false},
		{"joining", silent, time.Second, 0, false},
		{"joined", welcome, time.Second, 0, true},
		{"silent router", welcomeOnly, time.Second, DefaultLeaveTimeout, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				f := newFakeRouter(tt.script)
				tr := f.transport()
				if tt.name == "dialing" {
					tr.Pipe = func(ctx context.Context) (*transport.PipeEnd, error) { return nil, hang(ctx) }
				}
				c := newTestComponent(t, h, tr)
				if tt.name == "starting" {
					c.cfg.Listeners.OnStart(func(context.Context) error { settleAlone(time.Second); return nil })
				}
				c.start()
				settle(tt.wait)
				start := time.Now()
				h.send(c.pid, &Stop{})
				require.NoError(t, c.stop())
				require.LessOrEqual(t, time.Since(start), tt.within)
				if tt.joined {
					require.Len(t, received[*protocol.Goodbye](f.last()), 1)
					require.Equal(t, protocol.CloseRealm, received[*protocol.Goodbye](f.last())[0].Reason)
				}
				require.Equal(t, tt.joined, slices.Contains(c.trace(), "Left"))
				f.requireClosed(t)
			})
		})
	}
}

// TestStopBetweenAttempts: and at once, if it has to be.
func TestStopBetweenAttempts(t *testing.T) {
	t.Run("backing off", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(nil)
			c := newTestComponent(t, h, f.transport()).start()
			settle(1500 * time.Millisecond)
			start := time.Now()
			require.NoError(t, c.stop())
			require.Zero(t, time.Since(start))
			settle(time.Hour)
			require.Equal(t, 2, f.attempts())
		})
	})
	t.Run("killed", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			release := make(chan struct{})
			defer close(release)
			c.cfg.Main = func(context.Context, *session.Session) error { <-release; return nil } // does not listen
			c.join()
			h.send(c.pid, Kill(nil))
			require.NoError(t, c.wait())
			require.True(t, f.last().closed())
		})
	})
}

func TestLeaveEndsComponent(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		s := c.join()
		require.NoError(t, s.Leave(t.Context()))
		require.NoError(t, c.wait())
		require.Equal(t, 1, f.attempts())
		left := eventsOf[*supervisor.Left](c)
		require.Len(t, left, 1)
		require.NoError(t, left[0].Err)
		require.Equal(t, string(protocol.CloseGoodbyeAndOut), left[0].Reason)
	})
}

func TestLossIsRetried(t *testing.T) {
	losses := map[string]func(c *fakeConn){
		"goodbye":   func(c *fakeConn) { c.send(&protocol.Goodbye{Reason: protocol.CloseNormal}) },
		"killed":    func(c *fakeConn) { c.send(&protocol.Goodbye{Reason: protocol.CloseKilled}) },
		"abort":     func(c *fakeConn) { c.send(&protocol.Abort{Reason: "com.router.tired"}) },
		"lost":      func(c *fakeConn) { c.pipe.Close(errors.New("cable cut")) },
		"violation": func(c *fakeConn) { c.send(&protocol.Welcome{Session: 5}) },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				f := newFakeRouter(welcome)
				c := newTestComponent(t, h, f.transport())
				c.register("com.proc", func() {}, session.Invoke(protocol.InvokeRandom))
				c.subscribe("com.topic", func() {}, session.Prefix())
				s := c.join()
				calls := make(chan error, 1)
				go func() {
					_, err := s.Call(t.Context(), "com.pending")
					calls <- err
				}()
				synctest.Wait()
				start := time.Now()
				lose(f.last())
				again := c.next()
				require.NotSame(t, s, again)
				require.Equal(t, time.Second, time.Since(start))
				var ended *session.EndedError
				require.ErrorAs(t, <-calls, &ended)
				require.ErrorIs(t, s.Err(), session.ErrClosed)
				reg := received[*protocol.Register](f.last())
				require.Len(t, reg, 1)
				require.Equal(t, protocol.InvokeRandom, reg[0].Options.Invoke, "with all its options")
				sub := received[*protocol.Subscribe](f.last())
				require.Len(t, sub, 1)
				require.Equal(t, protocol.MatchPrefix, sub[0].Options.Match)
				left := eventsOf[*supervisor.Left](c)
				require.Len(t, left, 1)
				require.Error(t, left[0].Err)
				require.NoError(t, c.stop())
			})
		})
	}
}

// refuseDeclared is a script: a router that refuses the first n registrations.
func refuseDeclared(n *int, reason protocol.URI) func(c *fakeConn) {
	return func(c *fakeConn) {
		c.on = func(m protocol.Message) {
			if r, ok := m.(*protocol.Register); ok && *n > 0 {
				*n--
				c.send(&protocol.Error{RequestType: protocol.TypeRegister, Request: r.Request, Error: reason})
				return
			}
			c.accept(m)
		}
	}
}

func TestRefusedDeclaration(t *testing.T) {
	t.Run("transient", func(t *testing.T) { // such as a session of ours that lingers
		bubble(t, func(t *testing.T, h *Host) {
			n := 2
			f := newFakeRouter(refuseDeclared(&n, protocol.ErrorProcedureAlreadyExists))
			tr := f.transport()
			tr.Backoff = supervisor.Backoff{Initial: time.Second, Growth: 2, Jitter: supervisor.NoJitter}
			c := newTestComponent(t, h, tr)
			c.register("com.proc", func() {})
			start := time.Now()
			c.join()
			require.Equal(t, 3*time.Second, time.Since(start), "1 s, then 2 s: it counts as a failure in a row")
			require.Len(t, eventsOf[*supervisor.DeclarationRefused](c), 2)
			require.Len(t, eventsOf[*supervisor.Ready](c), 1)
			require.NoError(t, c.stop())
		})
	})
	t.Run("permanent", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			n := 1
			c := newTestComponent(t, h, newFakeRouter(refuseDeclared(&n, protocol.ErrorNotAuthorized)).transport())
			c.register("com.proc", func() {})
			err := c.start().wait()
			require.ErrorContains(t, err, "procedure com.proc")
			require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err))
			require.Empty(t, eventsOf[*supervisor.Ready](c))
		})
	})
	t.Run("reported", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			n := 1
			c := newTestComponent(t, h, newFakeRouter(refuseDeclared(&n, protocol.ErrorNotAuthorized)).transport())
			c.cfg.OnRefused = RefusedIsReported
			c.register("com.proc", func() {})
			c.register("com.other", func() {})
			c.join()
			refused := eventsOf[*supervisor.DeclarationRefused](c)
			require.Len(t, refused, 1)
			require.Equal(t, "com.proc", refused[0].URI)
			require.NoError(t, c.stop())
		})
	})
}

// TestReadyWaitsForDeclarations: and for the listeners for join.
func TestReadyWaitsForDeclarations(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		var register *protocol.Register
		f := newFakeRouter(func(c *fakeConn) {
			c.on = func(m protocol.Message) {
				if r, ok := m.(*protocol.Register); ok {
					register = r
					return
				}
				c.accept(m)
			}
		})
		c := newTestComponent(t, h, f.transport())
		c.register("com.proc", func() {})
		release := make(chan struct{})
		c.cfg.Listeners.OnJoin(func(context.Context, *session.Session) error { <-release; return nil })
		c.start()
		synctest.Wait()
		f.last().send(&protocol.Registered{Request: register.Request, Registration: 5})
		synctest.Wait()
		require.Empty(t, c.sessions, "the listener for join has not returned")
		close(release)
		c.next()
		f.last().pipe.Close(nil)
		settle(time.Second)
		synctest.Wait()
		require.Empty(t, c.sessions, "the procedure is not registered")
		f.last().send(&protocol.Registered{Request: register.Request, Registration: 6})
		c.next()
		require.NoError(t, c.stop())
	})
}

func TestMain_(t *testing.T) { // TestMain is taken
	boom := errors.New("boom")
	t.Run("returns", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			c.cfg.Main = func(ctx context.Context, s *session.Session) error {
				require.NoError(t, ctx.Err())
				require.NoError(t, s.Err())
				return nil
			}
			require.NoError(t, c.start().wait())
			require.Len(t, received[*protocol.Goodbye](f.last()), 1)
		})
	})
	t.Run("fails", func(t *testing.T) {
		for _, kind := range []string{"error", "panic", "goexit"} {
			t.Run(kind, func(t *testing.T) {
				bubble(t, func(t *testing.T, h *Host) {
					f := newFakeRouter(welcome)
					c := newTestComponent(t, h, f.transport())
					watch := newStopwatch()
					c.cfg.Restarts = supervisor.Intensity{MaxRestarts: 2, Window: time.Hour}
					c.cfg.Main = func(context.Context, *session.Session) error {
						watch.hit()
						switch kind {
						case "panic":
							panic(boom)
						case "goexit":
							t.SkipNow()
						}
						return fmt.Errorf("main: %w", session.NewError(protocol.ErrorNotAuthorized))
					}
					err := c.start().wait()
					var spent *supervisor.IntensityError
					require.ErrorAs(t, err, &spent)
					require.Equal(t, []float64{0, 1, 2}, watch.at, "with a delay, within the budget")
					if kind == "panic" {
						require.ErrorIs(t, err, boom)
						require.Len(t, eventsOf[*supervisor.HandlerPanicked](c), 3)
					} else {
						require.Len(t, eventsOf[*supervisor.HandlerFailed](c), 3)
					}
				})
			})
		}
	})
	t.Run("ends with the session", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			var mu sync.Mutex
			alive, most := 0, 0
			c.cfg.Main = func(ctx context.Context, _ *session.Session) error {
				mu.Lock()
				alive++
				most = max(most, alive)
				mu.Unlock()
				<-ctx.Done()
				time.Sleep(10 * time.Second) //nolint:forbidigo // a slow end, on a fake clock
				mu.Lock()
				defer mu.Unlock()
				alive--
				return ctx.Err()
			}
			c.join()
			start := time.Now()
			f.last().pipe.Close(nil)
			c.next()
			require.Equal(t, 10*time.Second, time.Since(start))
			require.NoError(t, c.stop())
			require.Equal(t, 1, most)
			require.Zero(t, alive)
			require.Empty(t, eventsOf[*supervisor.HandlerFailed](c))
		})
	})
}

func TestListenerFailures(t *testing.T) {
	boom := errors.New("boom")
	t.Run("start", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			c.cfg.Listeners.OnStart(func(context.Context) error { return boom })
			require.ErrorIs(t, c.start().wait(), boom)
			require.Zero(t, f.attempts())
		})
	})
	t.Run("join", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			calls, siblings := 0, 0
			c.cfg.Listeners.OnJoin(func(context.Context, *session.Session) error {
				if calls++; calls == 1 {
					panic(boom)
				}
				return nil
			})
			c.cfg.Listeners.OnJoin(func(context.Context, *session.Session) error { siblings++; return nil })
			c.join()
			require.Equal(t, 2, f.attempts())
			require.Equal(t, 2, siblings)
			require.Len(t, eventsOf[*supervisor.HandlerPanicked](c), 1)
			require.NoError(t, c.stop())
		})
	})
	t.Run("others", func(t *testing.T) {
		bubble(t, func(t *testing.T, h *Host) {
			f := newFakeRouter(welcome)
			c := newTestComponent(t, h, f.transport())
			c.cfg.Listeners.OnConnect(func(context.Context) { panic(boom) })
			c.cfg.Listeners.OnReady(func(context.Context, *session.Session) error { return boom })
			c.cfg.Listeners.OnLeave(func(context.Context, *session.Session, error) { panic(boom) })
			c.cfg.Listeners.OnDisconnect(func(context.Context, error) { panic(boom) })
			c.join()
			require.NoError(t, c.stop())
			require.Equal(t, 1, f.attempts())
			require.Len(t, eventsOf[*supervisor.HandlerPanicked](c), 3)
			require.Len(t, eventsOf[*supervisor.HandlerFailed](c), 1)
		})
	})
}

func TestComponentConfigErrors(t *testing.T) {
	t.Parallel()
	h := NewHost(HostConfig{})
	defer h.Close()
	_, err := ComponentProps(h, ComponentConfig{
		Realm: "not valid", MaxInvocations: -1, OnRefused: 7, Restarts: supervisor.Intensity{MaxRestarts: -1},
		Transports: []TransportConfig{{}, newFakeRouter().transport()},
		Auth:       []session.Authenticator{session.Ticket("", "x"), session.Ticket("joe", "x"), nil},
	})
	for _, want := range []string{
		"realm: ", "maxInvocations", "onRefused", "restarts: ", "transports[0]: ", "url: missing",
		"ticket is there twice", "ticket: authid is missing", "method 2 is nil",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = ComponentProps(h, ComponentConfig{})
	require.ErrorContains(t, err, "realm: missing")
	require.ErrorContains(t, err, "transports: none")
}
