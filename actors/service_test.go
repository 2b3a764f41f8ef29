package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// transportAs is a transport of a component that the program vouches for.
func (g *rig) transportAs(who router.Principal) TransportConfig {
	return TransportConfig{Pipe: func(context.Context) (*transport.PipeEnd, error) {
		client, server := transport.Pipe()
		g.router.AcceptPipeAs(server, who)
		return client, nil
	}}
}

// closedRealm admits nobody who has to authenticate.
func closedRealm() RouterConfig {
	return RouterConfig{Realms: []RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{router.Tickets{}}}}}
}

func TestTrustedPipe(t *testing.T) {
	t.Parallel()
	g := newRig(t, closedRealm())
	join := func(name string, who router.Principal) session.SessionDetails {
		c := newTestComponent(t, g.host, g.transportAs(who))
		c.cfg.Name = name
		s := c.join()
		t.Cleanup(func() { require.NoError(t, c.stop()) })
		return s.Details()
	}
	d := join("a", router.Principal{AuthID: "billing", AuthRole: "backend"})
	require.Equal(t, []string{"billing", "backend", "local", "local"}, []string{d.AuthID, d.AuthRole, d.AuthMethod, d.AuthProvider})
	d = join("b", router.Principal{Provider: "boss", Extra: protocol.Dict{"x": "y"}})
	require.Equal(t, []any{"local-" + d.ID.String(), "anonymous", "boss", "y"}, []any{d.AuthID, d.AuthRole, d.AuthProvider, d.AuthExtra["x"]})
	require.Equal(t, 2, g.router.Stats().Sessions)

	refused := newTestComponent(t, g.host, g.transport(inProcess)).start()
	require.Equal(t, protocol.ErrorAuthenticationRequired, session.ErrorURI(refused.wait()))
}

func TestServiceCalls(t *testing.T) {
	t.Parallel()
	g := newRig(t, closedRealm())
	call := func(procedure protocol.URI, args ...any) (any, error) {
		return g.router.services.call(t.Context(), "realm1", procedure, args, map[string]any{"k": true})
	}
	_, err := call("com.late")
	var answered *router.CallError
	require.ErrorAs(t, err, &answered)
	require.Equal(t, protocol.ErrorNoSuchProcedure, answered.URI)
	require.Zero(t, g.router.Stats(), "the router's own sessions are not counted")

	callee := newTestComponent(t, g.host, g.transportAs(router.Principal{AuthRole: "backend"}))
	callee.register("com.late", func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
		args, err := inv.Args()
		require.NoError(t, err)
		kwargs, err := inv.KwArgs()
		require.NoError(t, err)
		require.Equal(t, map[string]any{"k": true}, kwargs)
		switch args[0] {
		case "nothing":
			return session.Reply{}, nil
		case "keywords":
			return session.Reply{KwArgs: map[string]any{"role": "x"}}, nil
		case "error":
			return session.Reply{}, session.NewError("com.bad", "so bad", 1)
		default:
			return session.Reply{Args: []any{args[0], "more"}}, nil
		}
	})
	callee.join()
	for arg, want := range map[any]any{"text": "text", int64(1): int64(1), "nothing": nil, "keywords": map[string]any{"role": "x"}} {
		got, err := call("com.late", arg)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = call("com.late", "error")
	require.Equal(t, &router.CallError{URI: "com.bad", Message: "so bad"}, err)
	require.EqualError(t, err, "com.bad: so bad")
	_, err = g.router.services.call(t.Context(), "elsewhere", "com.late", nil, nil)
	require.ErrorContains(t, err, `no realm "elsewhere"`)
	require.NoError(t, callee.stop())
}

// The session comes back when it is lost.
func TestServiceRecovers(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	g.joinComponent(t, "callee", func(c *testComponent) { c.register("com.add", func(x, y int) int { return x + y }) })
	for _, end := range []func(*service){
		func(*service) {},
		func(*service) { // of the session
			g.router.mu.Lock()
			defer g.router.mu.Unlock()
			for _, pid := range g.router.sessions {
				g.host.send(pid, &kick{reason: protocol.ErrorRuntime})
			}
		},
		func(sv *service) { // of the component
			g.host.send(sv.pid, Kill(errors.New("killed")))
			<-sv.done
		},
	} {
		g.router.services.mu.Lock()
		sv := g.router.services.byRealm["realm1"]
		g.router.services.mu.Unlock()
		end(sv)
		g.eventually(func() bool {
			sum, err := g.router.services.call(t.Context(), "realm1", "com.add", []any{2, 3}, nil)
			return err == nil && sum == int64(5)
		}, "the call never succeeds again")
	}
}

// Calls under way do not keep a router from being closed, and find out that it is.
func TestServiceWhenClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(HostConfig{})
		r, err := NewRouter(h, RouterConfig{})
		require.NoError(t, err)
		called := make(chan struct{})
		g := &rig{t: t, host: h, router: r}
		callee := newTestComponent(t, h, g.transport(inProcess))
		callee.register("com.hang", func(ctx context.Context) error {
			close(called)
			<-ctx.Done()
			return ctx.Err()
		})
		callee.join()
		failed := make(chan error, 1)
		go func() {
			_, err := r.services.call(t.Context(), "realm1", "com.hang", nil, nil)
			failed <- err
		}()
		<-called
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = r.services.call(ctx, "realm1", "com.hung", nil, nil)
		require.Error(t, err)

		closed := make(chan error, 1)
		go func() { closed <- r.Close(ctx) }()
		require.Error(t, <-failed)
		_, err = r.services.call(ctx, "realm1", "com.hang", nil, nil)
		require.ErrorIs(t, err, ErrRouterClosed)
		require.NoError(t, callee.stop())
		require.NoError(t, <-closed)
		g.requireEmpty()
		h.Close()
	})
}

// The end of ctx ends the call, and the callee learns of it.
func TestServiceIsBounded(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	canceled := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	g.joinComponent(t, "callee", func(c *testComponent) {
		c.register("com.hang", func(called context.Context) error {
			cancel()
			<-called.Done()
			close(canceled)
			return called.Err()
		})
	})
	_, err := g.router.services.call(ctx, "realm1", "com.hang", nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	<-canceled
}
