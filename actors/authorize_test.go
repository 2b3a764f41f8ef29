package actors

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

var inThisProcess = link{"pipe", protocol.MessagePack}

// authorizedBy is a realm whose authorizer is asked about all that does not begin with
// "free.".
func authorizedBy(f router.AuthorizerFunc) RouterConfig {
	return RouterConfig{Realms: []RealmConfig{{Name: "realm1", Authorization: router.AuthorizationConfig{
		Roles: []router.Role{{Name: "anonymous", Authorizer: f, Permissions: []router.Permission{
			{URI: "free.", Match: protocol.MatchPrefix, Call: true, Register: true, Publish: true, Subscribe: true},
		}}},
	}}}}
}

// newBubbleRig is a router without a listener, to be closed by the test.
func newBubbleRig(t *testing.T, cfg RouterConfig, host HostConfig) *rig {
	t.Helper()
	t.Cleanup(func() { settle(2 * time.Second) }) // the throttle of dead letters has a goroutine for a second
	h := NewHost(host)
	r, err := NewRouter(h, cfg)
	require.NoError(t, err)
	return &rig{t: t, host: h, router: r}
}

// requireError expects the ERROR of a request.
func (c *wampPeer) requireError(request protocol.ID, uri protocol.URI) {
	c.t.Helper()
	m := expect[*protocol.Error](c)
	require.Equal(c.t, []any{request, uri}, []any{m.Request, m.Error})
}

func TestAuthorizerHangs(t *testing.T) {
	t.Parallel()
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			g := newBubbleRig(t, authorizedBy(func(ctx context.Context, _ router.AuthorizationRequest) (router.Authorization, error) {
				if heeds {
					<-ctx.Done()
				} else {
					<-release
				}
				return router.Authorization{Allow: true, Cache: true}, nil
			}), HostConfig{})
			c := g.join(t, inThisProcess)
			start := time.Now()
			slow, free := c.call("ask.a"), c.call("free.a")
			c.requireError(slow, protocol.ErrorAuthorizationFailed)
			require.Equal(t, 5*time.Second, time.Since(start))
			c.requireError(free, protocol.ErrorNoSuchProcedure)
			c.requireError(c.call("ask.a"), protocol.ErrorAuthorizationFailed)
			require.Equal(t, 10*time.Second, time.Since(start))
			close(release)
			synctest.Wait() // a decision that comes too late counts for nothing
			c.goodbye()
			g.close()
		})
	}
}

func TestAuthorizerIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newBubbleRig(t, authorizedBy(func(_ context.Context, req router.AuthorizationRequest) (router.Authorization, error) {
			<-time.After(time.Second)
			return router.Authorization{Allow: req.URI != "ask.no"}, nil
		}), HostConfig{})
		c, other := g.join(t, inThisProcess), g.join(t, inThisProcess)
		sub := other.subscribe("free.t")
		c.register("free.p")
		start := time.Now()
		slow := other.call("free.p")
		invocation := expect[*protocol.Invocation](c)

		c.publish("free.t", 1)
		asked := c.subscribe0("ask.t")
		c.publish("free.t", 2)
		refused := c.call("ask.no")
		c.publish("free.t", 3)
		c.send(&protocol.Yield{Request: invocation.Request})
		c.send(&protocol.Goodbye{Reason: protocol.CloseNormal})

		at := func(seconds int) { require.Equal(t, time.Duration(seconds)*time.Second, time.Since(start)) }
		event := func(n int) {
			m := expect[*protocol.Event](other)
			require.Equal(t, []any{sub, n}, []any{m.Subscription, first[int](t, m.Payload)})
		}
		event(1)
		require.Equal(t, slow, expect[*protocol.Result](other).Request)
		at(0) // an answer does not wait
		event(2)
		at(1)
		require.Equal(t, asked, expect[*protocol.Subscribed](c).Request)
		c.requireError(refused, protocol.ErrorNotAuthorized)
		at(2)
		event(3)
		require.Equal(t, protocol.CloseGoodbyeAndOut, expect[*protocol.Goodbye](c).Reason)
		other.goodbye()
		g.close()
	})
}

// subscribe0 sends a SUBSCRIBE and does not wait for the answer.
func (c *wampPeer) subscribe0(topic protocol.URI) protocol.ID {
	id := c.request()
	c.send(&protocol.Subscribe{Request: id, Topic: topic})
	return id
}

func TestAuthorizerFails(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		g := newBubbleRig(t, authorizedBy(func(_ context.Context, req router.AuthorizationRequest) (router.Authorization, error) {
			if req.URI == "ask.panic" {
				panic("out of its mind")
			}
			return router.Authorization{Allow: true}, errors.New("out of order")
		}), HostConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		c := g.join(t, inThisProcess)
		c.requireError(c.call("ask.a"), protocol.ErrorAuthorizationFailed)
		c.requireError(c.call("ask.panic"), protocol.ErrorAuthorizationFailed)
		c.goodbye()
		g.close()
		require.Zero(t, g.router.Stats().Failures)
	})
	for _, want := range []string{"action=call uri=ask.a", "out of order", "uri=ask.panic", "out of its mind", "authorize_test.go"} {
		require.Contains(t, log.String(), want)
	}
}

// Whoever ends while an authorizer is at work ends it too.
func TestSessionEndsWhileAuthorized(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g *rig, c *wampPeer){
		"the client leaves": func(_ *rig, c *wampPeer) { c.close() },
		"the client aborts": func(_ *rig, c *wampPeer) {
			c.send(&protocol.Abort{Reason: protocol.CloseNormal})
			c.requireEnd()
		},
		"the client breaks the protocol": func(_ *rig, c *wampPeer) {
			c.send(&protocol.Welcome{Session: 1})
			require.Equal(c.t, protocol.ErrorProtocolViolation, expect[*protocol.Abort](c).Reason)
		},
		"the router closes": func(g *rig, c *wampPeer) {
			go func() { _ = g.router.Close(c.t.Context()) }()
			require.Equal(c.t, protocol.CloseSystemShutdown, expect[*protocol.Goodbye](c).Reason)
			c.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked, ended := make(chan struct{}), make(chan error, 1)
				g := newBubbleRig(t, authorizedBy(func(ctx context.Context, _ router.AuthorizationRequest) (router.Authorization, error) {
					close(asked)
					<-ctx.Done()
					ended <- context.Cause(ctx)
					return router.Authorization{Allow: true}, nil
				}), HostConfig{})
				start := time.Now()
				c := g.join(t, inThisProcess)
				c.call("ask.a")
				c.call("free.a")
				<-asked
				end(g, c)
				require.ErrorIs(t, <-ended, context.Canceled)
				require.Zero(t, time.Since(start))
				c.requireEnd()
				g.close()
			})
		})
	}
}

// What waits for a decision counts as not handled: who sends on regardless is cut off.
func TestWaitingRequestsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		decide := make(chan struct{})
		cfg := authorizedBy(func(context.Context, router.AuthorizationRequest) (router.Authorization, error) {
			<-decide
			return router.Authorization{Allow: true}, nil
		})
		cfg.Limits = Limits{HighMark: 1 << 20, HardMark: 1 << 20}
		g := newBubbleRig(t, cfg, HostConfig{})
		c := g.join(t, inThisProcess)
		block := make([]byte, 64<<10)
		for range 4 { // 2 MiB in all, but never more than half of one at once
			for range 8 {
				c.publish("ask.a", block)
			}
			for range 8 {
				decide <- struct{}{}
			}
			synctest.Wait()
		}
		for range 20 {
			c.publish("ask.a", block)
			c.publish("free.a", block)
		}
		c.requireEndWith(errPipeOverrun)
		close(decide)
		g.close()
	})
}

func TestRolesThatMayJoin(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{
		Name: "realm1", Authorization: router.AuthorizationConfig{Roles: []router.Role{{Name: "user"}}},
	}}})
	c := g.dial(t, inThisProcess)
	c.send(hello("realm1"))
	require.Equal(t, protocol.ErrorNoSuchRole, expect[*protocol.Abort](c).Reason)
	c.requireEnd()
	_, err := g.router.services.call(t.Context(), "realm1", "com.a", nil, nil)
	require.Equal(t, &router.CallError{URI: protocol.ErrorNoSuchProcedure}, err, "the router itself needs no role")
}

func TestSetAuthorization(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	c := g.join(t, inThisProcess)
	c.register("com.a")
	rules := func(name string, p ...router.Permission) router.AuthorizationConfig {
		return router.AuthorizationConfig{Roles: []router.Role{{Name: name, Permissions: p}}}
	}
	require.ErrorContains(t, g.router.SetAuthorization("nowhere", rules("a")), `no realm "nowhere"`)
	require.ErrorContains(t, g.router.SetAuthorization("realm1", rules("")), `realms: "realm1": authorization: roles[0]: name: is empty`)

	require.NoError(t, g.router.SetAuthorization("realm1", rules("anonymous", router.Permission{URI: "com.b", Register: true})))
	g.eventually(func() bool { return !g.snapshot("realm1").Access().Admits("user") }, "the rules do not change")
	c.requireError(c.call("com.a"), protocol.ErrorNotAuthorized)
	c.register("com.b")

	require.NoError(t, g.router.SetAuthorization("realm1", rules("user")))
	g.eventually(func() bool { return g.snapshot("realm1").Access().Admits("user") }, "the rules do not change")
	c.requireError(c.call("com.b"), protocol.ErrorNotAuthorized)

	require.NoError(t, g.router.SetAuthorization("realm1", router.AuthorizationConfig{}))
	g.eventually(func() bool { return g.snapshot("realm1").Access() == nil }, "the rules stay")
	c.call("com.a")
	expect[*protocol.Invocation](c)
}

func TestAuthorizationErrorsNameTheRealm(t *testing.T) {
	t.Parallel()
	h := NewHost(HostConfig{})
	defer h.Close()
	_, err := NewRouter(h, RouterConfig{Realms: []RealmConfig{{
		Name: "realm1", Authorization: router.AuthorizationConfig{Roles: []router.Role{{Name: "a", Permissions: []router.Permission{{URI: "#"}}}}},
	}}})
	require.EqualError(t, err, `actors: router: realms: "realm1": authorization: roles: "a": permissions[0]: uri: "#" is not valid for match exact`)
}

// The procedure that decides for another realm cannot be taken over where it is.
func TestAuthorizersOfOtherRealmsAreReserved(t *testing.T) {
	t.Parallel()
	everything := router.AuthorizerFunc(func(context.Context, router.AuthorizationRequest) (router.Authorization, error) {
		return router.Authorization{Allow: true}, nil
	})
	elsewhere := router.DynamicAuthorizer{Procedure: "com.auth", Realm: "realm1"}
	who, err := router.NewDynamicAuthenticator(router.DynamicConfig{Method: "ticket", Procedure: "com.who", Realm: "realm1"})
	require.NoError(t, err)
	g := newRig(t, RouterConfig{Realms: []RealmConfig{
		{Name: "realm1", Authorization: router.AuthorizationConfig{Authorizer: everything}},
		{Name: "realm2", Authorization: router.AuthorizationConfig{Authorizer: elsewhere}, Paths: map[string][]router.Authenticator{"/auth": {who}}},
	}})
	c := g.join(t, inThisProcess)
	id := c.request()
	c.send(&protocol.Register{Request: id, Procedure: "com.who"})
	c.requireError(id, protocol.ErrorNotAuthorized)
	id = c.request()
	c.send(&protocol.Register{Request: id, Procedure: "com.auth"})
	c.requireError(id, protocol.ErrorNotAuthorized)
	c.register("com.other")
	require.NoError(t, g.router.SetAuthorization("realm2", router.AuthorizationConfig{}))
	g.eventually(func() bool { return g.snapshot("realm2").Access() == nil }, "the rules stay")
	g.eventually(func() bool {
		id := c.request()
		c.send(&protocol.Register{Request: id, Procedure: "com.auth"})
		m, err := c.next()
		require.NoError(t, err)
		_, ok := m.(*protocol.Registered)
		return ok
	}, "it is reserved for nobody any more")
}
