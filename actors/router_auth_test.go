package actors

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// askTicket is HELLO of a client that is to be challenged for its ticket.
func askTicket(authid string) *protocol.Hello {
	h := hello("realm1")
	h.Details.AuthID, h.Details.AuthMethods = authid, []string{"ticket"}
	return h
}

// withTickets is a router whose clients are admitted by f.
func withTickets(f router.TicketFunc) RouterConfig {
	return RouterConfig{Realms: []RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{f}}}}
}

// hanging returns a decision that is never made. started has a value for each that is wanted,
// ended for each that nobody waits for any more.
func hanging() (f router.TicketFunc, started, ended chan struct{}) {
	started, ended = make(chan struct{}, 100), make(chan struct{}, 100)
	return func(ctx context.Context, _ router.AuthRequest, _ string) (router.Principal, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return router.Principal{AuthRole: "too late"}, nil
	}, started, ended
}

// wait lets a client of a hanging decision wait for it.
func (g *rig) wait(t *testing.T, l link, started chan struct{}) *wampPeer {
	t.Helper()
	c := g.dial(t, l)
	c.send(askTicket("joe"))
	require.Equal(t, "ticket", expect[*protocol.Challenge](c).Method)
	c.send(&protocol.Authenticate{Signature: "t"})
	select {
	case <-started:
	case <-time.After(testPatience):
		require.Fail(t, "nobody has to decide")
	}
	return c
}

func (g *rig) requireNoneReserved() {
	g.t.Helper()
	g.eventually(func() bool {
		g.router.mu.Lock()
		defer g.router.mu.Unlock()
		return len(g.router.ids) == 0
	}, "ids are reserved")
}

// A decision that takes its time holds up nobody else, and is what it is.
func TestAuthenticatorBlocks(t *testing.T) {
	t.Parallel()
	for _, l := range links() {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			decide := make(chan string)
			info := make(chan router.TransportInfo, 2)
			g := newRig(t, withTickets(func(_ context.Context, req router.AuthRequest, ticket string) (router.Principal, error) {
				info <- req.Transport()
				if <-decide == "no" {
					return router.Principal{}, &router.RefusalError{Reason: "com.no", Message: "not " + req.Details.AuthID}
				}
				return router.Principal{AuthID: req.Details.AuthID, AuthRole: ticket, Provider: "ldap"}, nil
			}))
			joe, ann := g.dial(t, l), g.dial(t, l)
			joe.send(askTicket("joe"))
			ann.send(askTicket("ann"))
			for _, c := range []*wampPeer{joe, ann} {
				expect[*protocol.Challenge](c)
				c.send(&protocol.Authenticate{Signature: "staff"})
				got := <-info
				require.Equal(t, l.ser.Subprotocol(), got.Protocol)
				require.Equal(t, map[string]string{"ws": "websocket", "rs": "rawsocket", "pipe": "pipe"}[l.kind], got.Type)
				require.Equal(t, l.kind == "ws", got.Path == "/ws")
				require.Equal(t, l.kind != "pipe", bytes.HasPrefix([]byte(got.Peer), []byte("tcp4:127.0.0.1:")))
			}
			decide <- "yes"
			decide <- "no"
			var welcome *protocol.Welcome
			var refused *protocol.Abort
			for _, c := range []*wampPeer{joe, ann} { // goroutines take the decisions as they come
				m, err := c.next()
				require.NoError(t, err)
				switch m := m.(type) {
				case *protocol.Welcome:
					welcome = m
				case *protocol.Abort:
					refused = m
					c.requireEnd()
				}
			}
			require.Equal(t, []string{"staff", "ticket", "ldap"}, []string{welcome.Details.AuthRole, welcome.Details.AuthMethod, welcome.Details.AuthProvider})
			require.Equal(t, protocol.URI("com.no"), refused.Reason)
			require.Equal(t, 1, g.router.Stats().Sessions)
		})
	}
}

// The client does not wait: the decision is given up, and nothing is left of the attempt.
func TestAuthenticatorClientLeaves(t *testing.T) {
	t.Parallel()
	for _, l := range []link{rawMsgpack, inProcess} {
		f, started, ended := hanging()
		g := newRig(t, withTickets(f))
		g.wait(t, l, started).close()
		<-ended
		g.requireNoneReserved()

		c := g.wait(t, l, started)
		c.send(&protocol.Abort{Reason: protocol.CloseNormal})
		<-ended
		c.requireEnd()

		c = g.wait(t, l, started)
		c.send(&protocol.Subscribe{Request: 1, Topic: "com.x"})
		<-ended
		require.Equal(t, protocol.ErrorProtocolViolation, expect[*protocol.Abort](c).Reason)
		c.requireEnd()
		g.requireNoneReserved()
	}
}

func TestAuthenticatorRouterCloses(t *testing.T) {
	t.Parallel()
	f, started, ended := hanging()
	g := newRig(t, withTickets(f))
	c, d := g.wait(t, rawMsgpack, started), g.wait(t, inProcess, started)
	require.NoError(t, g.router.Close(t.Context()))
	for _, c := range []*wampPeer{c, d} {
		<-ended
		require.Equal(t, protocol.CloseSystemShutdown, expect[*protocol.Abort](c).Reason)
	}
}

// A panic in a decision is the end of that attempt only.
func TestAuthenticatorPanics(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log bytes.Buffer
	g := newLoggedRig(t, withTickets(func(_ context.Context, req router.AuthRequest, _ string) (router.Principal, error) {
		if req.Details.AuthID == "joe" {
			panic("the disk is full")
		}
		return router.Principal{AuthRole: "user"}, nil
	}), HostConfig{Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))})
	for authid, want := range map[string]protocol.URI{"joe": protocol.ErrorAuthenticationFailed, "ann": ""} {
		c := g.dial(t, rawMsgpack)
		c.send(askTicket(authid))
		expect[*protocol.Challenge](c)
		c.send(&protocol.Authenticate{Signature: "t1cket s3cret"})
		if want == "" {
			require.Equal(t, "ticket-", expect[*protocol.Welcome](c).Details.AuthID[:7])
			continue
		}
		refused := expect[*protocol.Abort](c)
		require.Equal(t, want, refused.Reason)
		require.Empty(t, refused.Details.Message)
	}
	require.Zero(t, g.router.Stats().Failures)
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, log.String(), "the disk is full")
	require.NotContains(t, log.String(), "s3cret")
}

// lockedWriter serializes writes.
type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// The handshake's time counts from the connection, and anew from a challenge.
func TestAuthenticatorIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, started, ended := hanging()
		h := NewHost(HostConfig{})
		r, err := NewRouter(h, withTickets(f))
		require.NoError(t, err)
		end, served := transport.Pipe()
		got := make(chan protocol.Message, 10)
		end.Receive(func(msgs []protocol.Message) {
			for _, m := range msgs {
				got <- m
			}
		})
		start := time.Now()
		r.AcceptPipe(served)
		<-time.After(9 * time.Second)
		require.NoError(t, end.Send([]protocol.Message{askTicket("joe")}))
		require.IsType(t, &protocol.Challenge{}, <-got)
		<-time.After(9 * time.Second) // deriving keys
		require.NoError(t, end.Send([]protocol.Message{&protocol.Authenticate{Signature: "t"}}))
		<-started
		<-ended
		require.Equal(t, 19*time.Second, time.Since(start))
		require.Equal(t, protocol.ErrorTimeout, (<-got).(*protocol.Abort).Reason)
		require.NoError(t, r.Close(t.Context()))
		(&rig{t: t, router: r}).requireEmpty()
		h.Close()
	})
}

// dynamicRealm is realm1, whose clients are admitted by procedures in the realm "auth".
func dynamicRealm(t *testing.T, methods ...string) RouterConfig {
	t.Helper()
	realm := RealmConfig{Name: "realm1"}
	for _, method := range methods {
		a, err := router.NewDynamicAuthenticator(router.DynamicConfig{Method: method, Procedure: protocol.URI("com.auth." + method), Realm: "auth"})
		require.NoError(t, err)
		realm.Authenticators = append(realm.Authenticators, a)
	}
	return RouterConfig{Realms: []RealmConfig{realm, {Name: "auth", Authenticators: []router.Authenticator{router.Tickets{}}}}}
}

// authComponent starts the component with the procedures.
func (g *rig) authComponent(t *testing.T, procedures map[string]any) *testComponent {
	t.Helper()
	c := newTestComponent(t, g.host, g.transportAs(router.Principal{AuthRole: "authenticator"}))
	c.cfg.Name, c.cfg.Realm = "authenticator", "auth"
	for uri, f := range procedures {
		c.register(uri, f)
	}
	c.join()
	return c
}

type authDetails struct {
	Session   uint64         `json:"session"`
	Method    string         `json:"authmethod"`
	Ticket    string         `json:"ticket"`
	Transport map[string]any `json:"transport"`
}

// tryJoin runs a component until it has joined once, and returns who it was or why not.
func (g *rig) tryJoin(t *testing.T, l link, name string, methods ...session.Authenticator) (session.SessionDetails, error) {
	t.Helper()
	var d session.SessionDetails
	tr := g.transport(l)
	tr.MaxRetries = -1
	c := newTestComponent(t, g.host, tr)
	c.cfg.Name, c.cfg.Auth, c.cfg.JoinTimeout = name, methods, time.Minute
	c.cfg.Main = func(_ context.Context, s *session.Session) error {
		d = s.Details()
		return nil
	}
	return d, func() error { err := c.start().wait(); return err }()
}

// Over real connections, with a component as authenticator.
func TestDynamicAuthenticators(t *testing.T) {
	t.Parallel()
	cfg := dynamicRealm(t, "ticket", "scram", "anonymous", "cryptosign")
	cfg.Options.HandshakeTimeout = time.Minute
	g := newRig(t, cfg)
	var mu sync.Mutex
	var details []authDetails
	c := g.authComponent(t, map[string]any{
		"com.auth.ticket": func(realm, authid string, d authDetails) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			details = append(details, d)
			if realm != "realm1" || authid != "joe" || d.Ticket != "t1cket" {
				return nil, session.NewError("com.example.no_such_user", "no such user "+authid)
			}
			return "user", nil
		},
		"com.auth.scram": func(_, authid string, _ authDetails) any {
			if authid != "carol" {
				return nil
			}
			return map[string]any{
				"role": "authenticated", "kdf": "argon2id-13", "iterations": 4096, "memory": 512,
				"salt":       "accaa46d16de59a12db736c8ed2cc90c",
				"stored-key": "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485",
				"server-key": "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c",
			}
		},
		"com.auth.anonymous": func(any, any, authDetails) int { return 42 },
	})
	for i, l := range []link{inProcess, rawMsgpack, {"ws", protocol.JSON}, {"ws", protocol.CBOR}} {
		name := l.String()
		d, err := g.tryJoin(t, l, "joe "+name, session.Ticket("joe", "t1cket"))
		require.NoError(t, err, name)
		require.Equal(t, []string{"joe", "user", "ticket", "dynamic"}, []string{d.AuthID, d.AuthRole, d.AuthMethod, d.AuthProvider})
		_, err = g.tryJoin(t, l, "eve "+name, session.Ticket("eve", "t1cket"))
		require.Equal(t, protocol.URI("com.example.no_such_user"), session.ErrorURI(err))
		require.ErrorContains(t, err, "no such user eve")
		mu.Lock()
		require.Equal(t, uint64(d.ID), details[2*i].Session)
		require.Equal(t, []any{"ticket", l.ser.Subprotocol()}, []any{details[2*i].Method, details[2*i].Transport["protocol"]})
		mu.Unlock()
	}
	d, err := g.tryJoin(t, link{"ws", protocol.CBOR}, "carol", session.SCRAM("carol", "p4ssw0rd"))
	require.NoError(t, err)
	require.Equal(t, []string{"carol", "authenticated", "scram"}, []string{d.AuthID, d.AuthRole, d.AuthMethod})
	require.Contains(t, d.AuthExtra, "scram_server_signature")
	_, err = g.tryJoin(t, rawMsgpack, "garbage")
	require.Equal(t, protocol.ErrorAuthenticationFailed, session.ErrorURI(err))
	require.NoError(t, c.stop())
	_, err = g.tryJoin(t, rawMsgpack, "missing", session.Ticket("joe", "t1cket"))
	require.Equal(t, protocol.ErrorAuthenticationFailed, session.ErrorURI(err))
	require.NotContains(t, err.Error(), "procedure")
}

// The procedure is told when nobody waits for its answer any more, whoever went away.
func TestDynamicAuthenticatorHangs(t *testing.T) {
	t.Parallel()
	for _, client := range []bool{true, false} {
		g := newRig(t, dynamicRealm(t, "ticket"))
		started, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		c := g.authComponent(t, map[string]any{"com.auth.ticket": func(ctx context.Context, _ *session.Invocation) (session.Reply, error) {
			started <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return session.Reply{}, ctx.Err()
		}})
		p := g.wait(t, rawMsgpack, started)
		if client {
			p.close()
			<-ended
			g.eventually(func() bool {
				g.router.mu.Lock()
				defer g.router.mu.Unlock()
				return len(g.router.ids) == 2 // of the component and of the router's session
			}, "the id is still reserved")
		} else {
			closed := make(chan error, 1)
			go func() { closed <- g.router.Close(t.Context()) }()
			<-ended
			require.Equal(t, protocol.CloseSystemShutdown, expect[*protocol.Abort](p).Reason)
			require.NoError(t, <-closed)
		}
		require.NoError(t, c.stop())
	}
}
