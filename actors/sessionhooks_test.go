package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// diary is what the handlers and listeners of a test write down.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// scribe is a handler with all methods, each of which does what the test says.
type scribe struct {
	*session.Session
	d         *diary
	n         int
	connect   func(ctx context.Context, hello *protocol.Hello) error
	challenge func(ch *protocol.Challenge) (*protocol.Authenticate, error)
	welcome   func(ctx context.Context, w *protocol.Welcome) error
	join      func() error
}

func (s *scribe) OnConnect(ctx context.Context, hello *protocol.Hello) error {
	s.d.write("%d connect", s.n)
	if s.connect == nil {
		return nil
	}
	return s.connect(ctx, hello)
}

func (s *scribe) OnChallenge(_ context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	s.d.write("%d challenge", s.n)
	if s.challenge == nil {
		return nil, nil
	}
	return s.challenge(ch)
}

func (s *scribe) OnWelcome(ctx context.Context, w *protocol.Welcome) error {
	s.d.write("%d welcome", s.n)
	if s.welcome == nil {
		return nil
	}
	return s.welcome(ctx, w)
}

func (s *scribe) OnJoin(_ context.Context, joined *session.Session) error {
	s.d.write("%d join %t", s.n, s.Session == joined && s.ID() == joined.ID())
	if s.join == nil {
		return nil
	}
	return s.join()
}

func (s *scribe) OnReady(context.Context, *session.Session) error {
	s.d.write("%d ready", s.n)
	return nil
}

func (s *scribe) OnLeave(_ context.Context, reason error) {
	var ended *session.EndedError
	s.d.write("%d leave %t", s.n, errors.As(reason, &ended) && ended.Joined)
}

func (s *scribe) OnDisconnect(context.Context, error) { s.d.write("%d disconnect", s.n) }

// newScribes is a component whose sessions are handled by scribes, which set makes ready.
func newScribes(t *testing.T, set func(*scribe), scripts ...func(*fakeConn)) (*testComponent, *fakeRouter, *diary) {
	t.Helper()
	r, d, n := newFakeRouter(scripts...), &diary{}, 0
	h := NewHost(HostConfig{})
	t.Cleanup(h.Close)
	c := newTestComponent(t, h, r.transport())
	c.cfg.Extra = "mine"
	c.cfg.SessionFactory = NewSessionFactory(func(cfg SessionConfig) *scribe {
		require.Equal(t, SessionConfig{Component: "test", Realm: "realm1", URL: "pipe", Extra: "mine"}, cfg)
		n++
		s := &scribe{d: d, n: n}
		if set != nil {
			set(s)
		}
		return s
	})
	l := c.cfg.Listeners
	l.OnConnect(func(context.Context) { d.write("connected") })
	l.OnJoin(func(context.Context, *session.Session) error { d.write("joined"); return nil })
	l.OnReady(func(context.Context, *session.Session) error { d.write("is ready"); return nil })
	l.OnLeave(func(context.Context, *session.Session, error) { d.write("left") })
	l.OnDisconnect(func(context.Context, error) { d.write("disconnected") })
	l.OnConnectFailure(func(context.Context, error) { d.write("failed") })
	return c, r, d
}

// The handler of a session comes before the component's listeners, and each session has one of its own.
func TestSessionHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, r, d := newScribes(t, nil, welcome)
		require.Equal(t, "mine", c.join().Extra())
		synctest.Wait()
		life := []string{"1 connect", "connected", "1 welcome", "1 join true", "joined", "1 ready", "is ready"}
		require.ElementsMatch(t, life, d.lines, "connected may come after welcome")
		require.Equal(t, append(life[:1:1], life[2:]...), ordered(d.read()))
		r.last().pipe.Close(nil)
		c.next()
		synctest.Wait()
		require.Equal(t, []string{
			"1 leave true", "left", "1 disconnect", "disconnected",
			"2 connect", "2 welcome", "2 join true", "joined", "2 ready", "is ready",
		}, ordered(d.read()))
		require.NoError(t, c.stop())
		require.Equal(t, []string{"2 leave true", "left", "2 disconnect", "disconnected"}, d.read())
	})
}

// ordered leaves out what the listeners for connect say: they run beside the handler's later methods.
func ordered(lines []string) (rest []string) {
	for _, l := range lines {
		if l != "connected" {
			rest = append(rest, l)
		}
	}
	return rest
}

func TestSessionHandlerConnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, r, d := newScribes(t, func(s *scribe) {
			s.connect = func(_ context.Context, hello *protocol.Hello) error {
				switch s.n {
				case 1:
					return errors.New("not yet")
				case 2:
					hello.Realm = "no realm"
				case 3:
					panic("bug")
				default:
					hello.Realm, hello.Details.AuthID = "other", "joe"
				}
				return nil
			}
		}, welcome)
		s := c.join()
		require.Equal(t, protocol.URI("other"), s.Realm())
		hello := received[*protocol.Hello](r.last())
		require.Len(t, hello, 1)
		require.Equal(t, protocol.URI("other"), hello[0].Realm)
		require.Equal(t, "joe", hello[0].Details.AuthID)
		require.Equal(t, []string{"1 connect", "failed", "2 connect", "failed", "3 connect", "failed", "4 connect"}, d.read()[:7])
		failures := eventsOf[*supervisor.ConnectFailed](c)
		require.ErrorContains(t, failures[0].Err, "OnConnect: not yet")
		require.ErrorContains(t, failures[1].Err, `OnConnect: "no realm" is not a valid realm`)
		var bug *supervisor.PanicError
		require.ErrorAs(t, failures[2].Err, &bug)
		require.NoError(t, c.stop())
		r.requireClosed(t)
	})
}

// A component that is stopped waits for OnConnect, and for whatever a handler is busy with.
func TestSessionHandlerIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"connect", "welcome"} {
		synctest.Test(t, func(t *testing.T) {
			busy := func(ctx context.Context) error {
				<-ctx.Done()
				<-time.After(time.Minute) // it takes its time
				return ctx.Err()
			}
			c, _, d := newScribes(t, func(s *scribe) {
				if when == "connect" {
					s.connect = func(ctx context.Context, _ *protocol.Hello) error { return busy(ctx) }
				} else {
					s.welcome = func(ctx context.Context, _ *protocol.Welcome) error { return busy(ctx) }
				}
			}, welcome)
			c.start()
			synctest.Wait()
			start := time.Now()
			require.NoError(t, c.stop())
			require.Equal(t, time.Minute, time.Since(start))
			require.NotContains(t, d.read(), "joined")
		})
	}
}

// challenging is a script: a router that challenges for a method and welcomes who answers.
func challenging(method string) func(*fakeConn) {
	return func(c *fakeConn) {
		c.on = func(m protocol.Message) {
			switch m := m.(type) {
			case *protocol.Hello:
				c.send(&protocol.Challenge{Method: method})
			case *protocol.Authenticate:
				c.send(&protocol.Welcome{Session: 1, Details: protocol.WelcomeDetails{AuthID: m.Signature}})
			default:
				c.accept(m)
			}
		}
	}
}

func TestSessionHandlerAnswersChallenges(t *testing.T) {
	t.Parallel()
	own := func(s *scribe) {
		s.connect = func(_ context.Context, hello *protocol.Hello) error {
			hello.Details.AuthMethods = append(hello.Details.AuthMethods, "custom")
			return nil
		}
		s.challenge = func(ch *protocol.Challenge) (*protocol.Authenticate, error) {
			switch ch.Method {
			case "custom":
				return &protocol.Authenticate{Signature: "own"}, nil
			case "ticket":
				return nil, nil
			default:
				return nil, errors.New("no")
			}
		}
	}
	for method, want := range map[string]string{"custom": "own", "ticket": "t1cket", "wampcra": "", "other": ""} {
		synctest.Test(t, func(t *testing.T) {
			c, _, d := newScribes(t, own, challenging(method), welcome)
			c.cfg.Auth = []session.Authenticator{session.Ticket("joe", "t1cket"), session.CRA("joe", "s3cret"), session.SCRAM("joe", "x")}
			s := c.join()
			if want != "" {
				require.Equal(t, want, s.Details().AuthID)
				require.Equal(t, []string{"1 connect", "1 challenge", "1 welcome", "1 join true"}, ordered(d.read())[:4])
			} else {
				lines := ordered(d.read())
				require.Contains(t, lines, "1 leave false")
				require.NotContains(t, lines, "1 join true")
			}
			require.NoError(t, c.stop())
		})
	}
}

func TestSessionHandlerRefusesWelcome(t *testing.T) {
	t.Parallel()
	after := func(what ...protocol.Message) func(*fakeConn) {
		return func(c *fakeConn) {
			c.on = func(m protocol.Message) {
				c.accept(m)
				if _, ok := m.(*protocol.Hello); ok {
					c.send(what...)
				}
			}
		}
	}
	never := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, tc := range []struct {
		name    string
		script  func(*fakeConn)
		welcome func(context.Context) error
		how     session.End
		abort   protocol.URI
	}{
		{"refused", welcome, func(context.Context) error { return errors.New("impostor") }, session.EndViolation, protocol.ErrorCannotAuthenticate},
		{"too slow", welcome, never, session.EndTimeout, ""},
		{"goodbye meanwhile", after(&protocol.Goodbye{Reason: protocol.CloseRealm}), never, session.EndGoodbye, ""},
		{"abort meanwhile", after(&protocol.Abort{Reason: protocol.ErrorNotAuthorized}), never, session.EndRefused, ""},
		{"second welcome", after(&protocol.Welcome{Session: 2}), never, session.EndViolation, protocol.ErrorProtocolViolation},
		{"panic", welcome, func(context.Context) error { panic("bug") }, session.EndViolation, protocol.ErrorCannotAuthenticate},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, r, d := newScribes(t, func(s *scribe) {
				if s.n == 1 {
					s.welcome = func(ctx context.Context, _ *protocol.Welcome) error { return tc.welcome(ctx) }
				}
			}, tc.script, welcome)
			c.cfg.RetryPermanent = true
			c.join()
			lines := ordered(d.read())
			if lines[1] == "1 welcome" { // else the end came before it could be called
				lines = append(lines[:1:1], lines[2:]...)
			}
			require.Equal(t, []string{"1 connect", "1 leave false", "failed", "1 disconnect", "disconnected", "2 connect"}, lines[:6], tc.name)
			failed := eventsOf[*supervisor.ConnectFailed](c)
			require.Len(t, failed, 1)
			var ended *session.EndedError
			require.ErrorAs(t, failed[0].Err, &ended)
			require.Equal(t, tc.how, ended.How, tc.name)
			if aborts := received[*protocol.Abort](r.conns[0]); tc.abort != "" {
				require.Equal(t, tc.abort, aborts[0].Reason, tc.name)
			}
			require.NoError(t, c.stop())
		})
	}
}

// An error of OnJoin gives up the session, as that of a listener does.
func TestSessionHandlerFailsToJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _, d := newScribes(t, func(s *scribe) {
			s.join = func() error {
				if s.n == 1 {
					return errors.New("no")
				}
				return nil
			}
		}, welcome)
		c.join()
		lines := ordered(d.read())
		require.Equal(t, []string{"1 connect", "1 welcome", "1 join true", "joined", "1 leave true", "left", "1 disconnect", "disconnected", "2 connect"}, lines[:9])
		require.Len(t, eventsOf[*supervisor.HandlerFailed](c), 1)
		require.NoError(t, c.stop())
	})
}

type (
	nothing     struct{}
	onlyJoin    struct{ joined chan *session.Session }
	wrongLeave  struct{}
	wrongMany   struct{}
	byPointer   struct{}
	embedsValue struct {
		*session.Session
		onlyJoin
	}
)

func (h onlyJoin) OnJoin(_ context.Context, s *session.Session) error { h.joined <- s; return nil }
func (*wrongLeave) OnLeave(error)                                     {}
func (wrongMany) OnConnect(context.Context) error                     { return nil }
func (wrongMany) OnJoin(context.Context, *session.Session)            {}
func (*byPointer) OnJoin(context.Context, *session.Session) error     { return nil }

func TestSessionFactoryChecksTypes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		factory SessionFactory
		want    string
	}{
		{SessionFactory{}, ""},
		{NewSessionFactory(func(SessionConfig) onlyJoin { return onlyJoin{} }), ""},
		{NewSessionFactory(func(SessionConfig) *onlyJoin { return nil }), ""},
		{NewSessionFactory(func(SessionConfig) any { return nil }), ""},
		{NewSessionFactory(func(SessionConfig) *nothing { return nil }), "*actors.nothing has none of the methods OnConnect, OnChallenge, OnWelcome, OnJoin, OnReady, OnLeave, OnDisconnect"},
		{NewSessionFactory(func(SessionConfig) *wrongLeave { return nil }), "*actors.wrongLeave: OnLeave is a func(error), want func(context.Context, error)"},
		{NewSessionFactory(func(SessionConfig) wrongMany { return wrongMany{} }), "actors.wrongMany: OnConnect is a func(context.Context) error, want func(context.Context, *protocol.Hello) error\n" +
			"actors.wrongMany: OnJoin is a func(context.Context, *session.Session), want func(context.Context, *session.Session) error"},
		{NewSessionFactory(func(SessionConfig) byPointer { return byPointer{} }), "actors.byPointer: OnJoin has a pointer receiver: return a *actors.byPointer"},
		{NewSessionFactory(func(SessionConfig) embedsValue { return embedsValue{} }), "actors.embedsValue embeds *session.Session, which cannot be set: return a *actors.embedsValue"},
	} {
		cfg := ComponentConfig{Realm: "realm1", Transports: []TransportConfig{newFakeRouter(silent).transport()}, SessionFactory: tc.factory}
		if tc.want == "" {
			require.NoError(t, cfg.Validate())
			continue
		}
		require.EqualError(t, cfg.Validate(), "sessionFactory: "+tc.want)
	}
}

// What the type of a factory does not say is found out when there is a handler; it ends the component.
func TestSessionFactoryChecksHandlers(t *testing.T) {
	t.Parallel()
	for want, made := range map[string]any{
		"session factory: made nil":                                 nil,
		"*actors.nothing has none of the methods":                   &nothing{},
		"session factory: *actors.wrongLeave: OnLeave is a func(er": &wrongLeave{},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := NewHost(HostConfig{})
			defer h.Close()
			c := newTestComponent(t, h, newFakeRouter(welcome).transport())
			c.cfg.SessionFactory = NewSessionFactory(func(SessionConfig) any { return made })
			c.start()
			require.ErrorContains(t, c.wait(), want)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(HostConfig{})
		defer h.Close()
		c := newTestComponent(t, h, newFakeRouter(welcome).transport())
		handler := onlyJoin{joined: make(chan *session.Session, 1)}
		c.cfg.SessionFactory = NewSessionFactory(func(SessionConfig) any { return handler })
		require.Same(t, c.join(), <-handler.joined)
		require.NoError(t, c.stop())
	})
}
