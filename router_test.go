package cloverleaf_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// startRouter starts a router that is closed, and empty, at the end.
func startRouter(t *testing.T, cfg cloverleaf.RouterConfig) *cloverleaf.Router {
	t.Helper()
	r, err := cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		require.NoError(t, r.Close(ctx))
		require.Zero(t, r.Sessions())
		require.Zero(t, r.Stats().Failures)
	})
	return r
}

func TestRouterConfigErrors(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]cloverleaf.RouterConfig{
		"is not a valid URI":      {Realms: []cloverleaf.RealmConfig{{Name: ""}}},
		"is there twice":          {Realms: []cloverleaf.RealmConfig{{Name: "x"}, {Name: "x"}}},
		"slowConsumers":           {Realms: []cloverleaf.RealmConfig{{Name: "x", SlowConsumers: "maybe"}}},
		"webSocketPath":           {Transport: transport.ServerConfig{WebSocketPath: "ws"}},
		"webSocketPaths[0]":       {Transport: transport.ServerConfig{WebSocketPaths: []string{"ws"}}},
		"paths: \"ws\"":           {Realms: []cloverleaf.RealmConfig{{Name: "x", Paths: map[string][]router.Authenticator{"ws": nil}}}},
		"maxMessageSize":          {Transport: transport.ServerConfig{Options: transport.Options{MaxMessageSize: 3}}},
		"HardMark is below":       {Limits: actors.Limits{HighMark: 10, HardMark: 5}},
		"goodbyeTimeout":          {GoodbyeTimeout: -time.Second},
		"serializers: empty list": {Transport: transport.ServerConfig{Serializers: []protocol.Serializer{}}},
	} {
		_, err := cloverleaf.NewRouter(cfg)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "cloverleaf: ")
	}
}

// Every way in leads to the same realm.
func TestRouterWaysIn(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{})
	dir, err := os.MkdirTemp("", "clover") //nolint:usetesting // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var urls []string
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + filepath.Join(dir, "s")} {
		l, err := r.Listen(t.Context(), addr)
		require.NoError(t, err)
		urls = append(urls, l.URLs()...)
	}
	web := httptest.NewServer(r.Handler())
	t.Cleanup(web.Close)
	urls = append(urls, strings.Replace(web.URL, "http:", "ws:", 1)+"/any/path")
	for i, url := range urls {
		c, err := transport.Dial(t.Context(), transport.ClientConfig{URL: url})
		require.NoError(t, err, url)
		t.Cleanup(func() { _ = c.Close() })
		require.Eventually(t, func() bool { return r.Sessions() == i+1 }, 10*time.Second, time.Millisecond, url)
	}
	pipe := r.Pipe()
	t.Cleanup(func() { pipe.Close(nil) })
	require.Equal(t, len(urls)+1, r.Stats().Connections)
	require.Zero(t, r.Stats().Sessions)
}

// After Close there is no way in, whoever closes, and how often.
func TestRouterIsClosed(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	handler := r.Handler()
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() { _ = r.Close(context.Background()) }) //nolint:usetesting // not to be cut
	}
	closers.Wait()
	_, err = r.Listen(t.Context(), "127.0.0.1:0")
	require.ErrorIs(t, err, actors.ErrRouterClosed)
	_, err = transport.Dial(t.Context(), transport.ClientConfig{URL: l.URLs()[0]})
	require.Error(t, err)
	ended := make(chan error, 1)
	r.Pipe().OnClose(func(err error) { ended <- err })
	require.ErrorIs(t, <-ended, actors.ErrRouterClosed)

	web := httptest.NewServer(handler)
	defer web.Close()
	c, err := transport.Dial(t.Context(), transport.ClientConfig{URL: strings.Replace(web.URL, "http:", "ws:", 1)})
	if err == nil { // upgraded and closed at once
		require.Error(t, c.Serve(deaf{}))
		require.NoError(t, c.Close())
	}
	resp, err := http.Get(web.URL) //nolint:noctx // loopback
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode)
}

// deaf handles nothing.
type deaf struct{}

func (deaf) Message([]byte) error { return nil }
func (deaf) Ping([]byte) error    { return nil }
func (deaf) Pong([]byte) error    { return nil }
func (deaf) Drained() error       { return nil }

// The program gives its own components any identity, without secrets.
func TestRouterTransportAs(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", Authenticators: []router.Authenticator{router.Tickets{"joe": {Ticket: "t"}}},
	}}})
	backend := r.TransportAs(router.Principal{AuthID: "billing", AuthRole: "backend"})
	c := newComponent(t, cloverleaf.Config{Transports: []cloverleaf.Transport{backend}})
	require.NoError(t, c.Start(t.Context()))
	s, err := c.Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"billing", "backend", "local"}, []string{s.Details().AuthID, s.Details().AuthRole, s.Details().AuthMethod})
	require.NoError(t, c.Stop(t.Context()))
}

// One port, and one realm, with other methods on other paths.
func TestRouterPaths(t *testing.T) {
	t.Parallel()
	tickets := router.Tickets{"joe": {Ticket: "t1cket", Role: "user"}}
	r := startRouter(t, cloverleaf.RouterConfig{
		Realms: []cloverleaf.RealmConfig{
			{Name: "open", Paths: map[string][]router.Authenticator{"/auth_ws": {tickets}}},
			{Name: "closed", Authenticators: []router.Authenticator{tickets}, Paths: map[string][]router.Authenticator{"/guests": {}}},
		},
		Transport: transport.ServerConfig{WebSocketPaths: []string{"/more"}},
	})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	const refused = "refused"
	for _, tt := range []struct{ realm, url, anonymous, ticket string }{
		{"open", "ws://" + addr + "/ws", "anonymous", refused},
		{"open", "ws://" + addr + "/more", "anonymous", refused},
		{"open", "ws://" + addr + "/guests", "anonymous", refused},
		{"open", "rs://" + addr, "anonymous", refused},
		{"open", "ws://" + addr + "/auth_ws", refused, "ticket"},
		{"closed", "ws://" + addr + "/ws", refused, "ticket"},
		{"closed", "ws://" + addr + "/auth_ws", refused, "ticket"},
		{"closed", "ws://" + addr + "/guests", "anonymous", refused},
		{"closed", "rs://" + addr, refused, "ticket"},
	} {
		for want, methods := range map[string][]session.Authenticator{tt.anonymous: nil, tt.ticket: {session.Ticket("joe", "t1cket")}} {
			got := refused
			c := newComponent(t, cloverleaf.Config{
				Realm: tt.realm, Transports: cloverleaf.URLs(tt.url), Auth: methods,
				Main: func(_ context.Context, s *session.Session) error {
					got = s.Details().AuthMethod
					return nil
				},
			})
			err := cloverleaf.Run(t.Context(), c)
			require.Equal(t, want, got, "%+v: %v", tt, err)
		}
	}
	resp, err := http.Get("http://" + addr + "/nowhere") //nolint:noctx // loopback
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// A component in the router's process that leaves is disconnected in good order.
func TestPipeClosesInGoodOrder(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{})
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: "realm1", Transports: []cloverleaf.Transport{r.Transport()}})
	require.NoError(t, err)
	reasons := make(chan error, 1)
	c.OnDisconnect(func(_ context.Context, err error) { reasons <- err })
	require.NoError(t, c.Start(t.Context()))
	s, err := c.Ready(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Leave(t.Context()))
	require.NoError(t, <-reasons)
	require.NoError(t, c.Wait())
}

// Retained events and a history, asked for by the client that is in this module.
func TestRouterKeepsEvents(t *testing.T) {
	t.Parallel()
	r := startRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{
		Name: "realm1", History: []router.HistoryConfig{{Topic: "com.myapp.history", Limit: 2}},
	}}})
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	for _, transports := range [][]cloverleaf.Transport{{r.Transport()}, cloverleaf.URLs(l.URLs()[0])} {
		s := observe(t, cloverleaf.Config{}, transports...).join()
		for i := range 3 {
			_, err := s.Publish(t.Context(), "com.myapp.history", session.Args(i), session.Retain(), session.Acknowledge())
			require.NoError(t, err)
		}
		other := observe(t, cloverleaf.Config{}, transports...).join()
		got := make(chan *session.Event, 16)
		sub, err := other.Subscribe(t.Context(), "com.myapp.history", func(ev *session.Event) { got <- ev }, session.GetRetained())
		require.NoError(t, err)
		ev := <-got
		var n int
		require.NoError(t, ev.Decode(&n))
		require.Equal(t, 2, n)
		require.True(t, ev.Details.Retained)

		res, err := other.Call(t.Context(), "wamp.subscription.get_events", session.Args(sub.ID()))
		require.NoError(t, err)
		var events []struct {
			Publication protocol.ID `json:"publication"`
			Timestamp   time.Time   `json:"timestamp"`
			Topic       string      `json:"topic"`
			Args        []int       `json:"args"`
		}
		require.NoError(t, res.Decode(&events))
		require.Len(t, events, 2)
		require.Equal(t, []int{1}, events[0].Args)
		require.Equal(t, []int{2}, events[1].Args)
		require.Equal(t, ev.Publication(), events[1].Publication)
		require.WithinDuration(t, time.Now(), events[1].Timestamp, time.Minute)
	}
}
