package cloverleaf_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Several handlers may share a topic: each gets the values of the publisher and nothing else, whether another one asks for
// details or not, and one that is unsubscribed does not take the others with it.
func TestBehaviour33_HandlersShareATopic(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		publisher := observe(t, cloverleaf.Config{Name: "publisher"}, tr).join()
		s := observe(t, cloverleaf.Config{}, tr).join()
		j := new(journal)
		plain, err := s.Subscribe(t.Context(), "com.topic", func(x int, kw session.Kw[map[string]any]) { j.add("plain %d %v", x, kw.Value) })
		require.NoError(t, err)
		detailed, err := s.Subscribe(t.Context(), "com.topic", func(ev *session.Event, x int) error {
			require.Equal(t, protocol.URI("com.topic"), ev.Topic())
			require.NotZero(t, ev.Publication())
			kwargs, err := ev.KwArgs()
			j.add("detailed %d %v", x, kwargs)
			return err
		})
		require.NoError(t, err)
		require.Equal(t, plain.ID(), detailed.ID(), "one subscription of the router")
		publish := func(x int) {
			_, err := publisher.Publish(t.Context(), "com.topic", session.Args(x), session.KwArgs(map[string]any{"a": 1}), session.DiscloseMe())
			require.NoError(t, err)
			synctest.Wait()
		}
		publish(1)
		require.ElementsMatch(t, []string{"plain 1 map[a:1]", "detailed 1 map[a:1]"}, j.all())
		require.NoError(t, detailed.Unsubscribe(t.Context()))
		publish(2)
		require.Equal(t, "plain 2 map[a:1]", j.all()[2])
		require.NoError(t, plain.Unsubscribe(t.Context()))
		publish(3)
		require.Len(t, j.all(), 3)
		require.Equal(t, protocol.ErrorNoSuchSubscription, session.ErrorURI(plain.Unsubscribe(t.Context())))
	})
}

// A publication returns at once and without an identifier; one that is to be acknowledged returns the identifier that the
// router gave it, or why the router refused it.
func TestBehaviour45_Acknowledgement(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(but(func(l *link, m *protocol.Publish) {
			time.AfterFunc(time.Second, func() {
				switch {
				case !m.Options.Acknowledge:
				case m.Topic == "com.forbidden":
					l.send(&protocol.Error{RequestType: protocol.TypePublish, Request: m.Request, Error: protocol.ErrorNotAuthorized})
				default:
					l.send(&protocol.Published{Request: m.Request, Publication: 4711})
				}
			})
		}))
		s := observe(t, cloverleaf.Config{}, p.transport()).join()
		for topic, want := range map[string]protocol.URI{"com.topic": "", "com.forbidden": protocol.ErrorNotAuthorized} {
			start := time.Now()
			id, err := s.Publish(t.Context(), topic)
			require.NoError(t, err)
			require.Zero(t, id)
			require.Zero(t, time.Since(start))

			id, err = s.Publish(t.Context(), topic, session.Acknowledge())
			require.Equal(t, want, session.ErrorURI(err))
			require.Equal(t, err == nil, id == 4711)
			require.Equal(t, time.Second, time.Since(start))
		}
		require.NoError(t, s.Err())
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		s = observe(t, cloverleaf.Config{}, tr).join()
		id, err := s.Publish(t.Context(), "com.topic", session.Acknowledge())
		require.NoError(t, err)
		require.NotZero(t, id)
	})
}

// A publisher does not get its own event unless it wants to, and may say who else gets it and who does not, by session,
// authid and authrole, one or several of them.
func TestBehaviour46_WhoGetsAnEvent(t *testing.T) {
	virtual(t, func(t *testing.T) {
		tickets := router.Tickets{
			"ann": {Ticket: "x", Role: "user"}, "bob": {Ticket: "x", Role: "user"}, "cat": {Ticket: "x", Role: "admin"},
		}
		_, tr := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{tickets}}}})
		j, ids := new(journal), map[string]protocol.ID{}
		sessions := map[string]*session.Session{}
		for name := range tickets {
			c := observe(t, cloverleaf.Config{Name: name, Auth: []session.Authenticator{session.Ticket(name, "x")}}, tr)
			c.Subscribe("com.topic", func() { j.add("%s", name) })
			sessions[name] = c.join()
			ids[name] = sessions[name].ID()
		}
		all := []string{"ann", "bob", "cat"}
		tests := []struct {
			name string
			opts []session.PublishOption
			want []string
		}{
			{"default", nil, []string{"bob", "cat"}},
			{"exclude_me", []session.PublishOption{session.ExcludeMe(true)}, []string{"bob", "cat"}},
			{"include me", []session.PublishOption{session.ExcludeMe(false)}, all},
			{"eligible", []session.PublishOption{session.Eligible(ids["cat"])}, []string{"cat"}},
			{"eligible several", []session.PublishOption{session.Eligible(ids["cat"], ids["bob"], 12345)}, []string{"bob", "cat"}},
			{"eligible nobody", []session.PublishOption{session.Eligible()}, nil},
			{"eligible me", []session.PublishOption{session.Eligible(ids["ann"])}, nil},
			{"eligible_authid", []session.PublishOption{session.EligibleAuthID("bob")}, []string{"bob"}},
			{"eligible_authid several", []session.PublishOption{session.EligibleAuthID("bob", "cat")}, []string{"bob", "cat"}},
			{"eligible_authrole", []session.PublishOption{session.EligibleAuthRole("user")}, []string{"bob"}},
			{"eligible_authrole several", []session.PublishOption{session.EligibleAuthRole("user", "admin")}, []string{"bob", "cat"}},
			{"exclude", []session.PublishOption{session.Exclude(ids["cat"])}, []string{"bob"}},
			{"exclude several", []session.PublishOption{session.Exclude(ids["cat"], ids["bob"])}, nil},
			{"exclude_authid", []session.PublishOption{session.ExcludeAuthID("bob")}, []string{"cat"}},
			{"exclude_authrole", []session.PublishOption{session.ExcludeAuthRole("admin")}, []string{"bob"}},
			{"both", []session.PublishOption{session.EligibleAuthRole("user"), session.ExcludeAuthID("bob"), session.ExcludeMe(false)}, []string{"ann"}},
		}
		for _, tt := range tests {
			before := len(j.all())
			_, err := sessions["ann"].Publish(t.Context(), "com.topic", append(tt.opts, session.Acknowledge())...)
			require.NoError(t, err, tt.name)
			synctest.Wait()
			require.ElementsMatch(t, tt.want, j.all()[before:], tt.name)
		}
	})
}

// An event that is to be retained is kept for later subscribers who ask for it, marked as such, once for each topic, for
// those only who might have had it, and also over a reconnect; others get none.
func TestBehaviour47_RetainedEvents(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, tr := embedded(t, cloverleaf.RouterConfig{})
		publisher := observe(t, cloverleaf.Config{Name: "publisher"}, tr).join()
		publish := func(topic string, n int, opts ...session.PublishOption) {
			t.Helper()
			_, err := publisher.Publish(t.Context(), topic, append(opts, session.Args(n), session.Acknowledge())...)
			require.NoError(t, err)
			synctest.Wait()
		}
		publish("com.state", 1, session.Retain())
		publish("com.state", 2, session.Retain())
		publish("com.state", 3) // passes by
		publish("com.secret", 4, session.Retain(), session.Eligible(publisher.ID()))
		j := new(journal)
		subscribe := func(c *cloverleaf.Component, name, topic string, opts ...session.SubscribeOption) {
			c.Subscribe(topic, func(ev *session.Event, n int) { j.add("%s %d %v", name, n, ev.Details.Retained) }, opts...)
		}
		way, cut, notice := leaky(r)
		c := observe(t, cloverleaf.Config{}, way)
		subscribe(c.Component, "curious", "com.state", session.GetRetained())
		subscribe(c.Component, "uninvited", "com.secret", session.GetRetained())
		subscribe(c.Component, "nothing there", "com.other", session.GetRetained())
		other := observe(t, cloverleaf.Config{Name: "other"}, tr)
		subscribe(other.Component, "indifferent", "com.state")
		s := c.join()
		other.join()
		synctest.Wait()
		require.Equal(t, []string{"curious 2 true"}, j.all())

		publish("com.state", 5, session.Retain())
		require.ElementsMatch(t, []string{"curious 2 true", "curious 5 false", "indifferent 5 false"}, j.all())
		cut()
		notice()
		c.next(s)
		synctest.Wait()
		require.Equal(t, "curious 5 true", j.all()[3])
		require.Len(t, j.all(), 4)
		require.True(t, s.Details().Roles.Supports(protocol.Broker, protocol.FeatureEventRetention), "it is announced")
	})
}

// Procedures and topics may be exact, prefixes or wildcards, and a handler of a pattern is told which URI was meant.
func TestBehaviour48_Patterns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		c, j := observe(t, cloverleaf.Config{}, tr), new(journal)
		for _, p := range []struct {
			uri string
			opt session.PatternOption
		}{
			{"com.exact.one", session.Match(protocol.MatchExact)},
			{"com.prefix", session.Prefix()},
			{"com..wild", session.Wildcard()},
		} {
			c.Register(p.uri, func(inv *session.Invocation) (string, string) { return p.uri, string(inv.Procedure()) }, p.opt)
			c.Subscribe(p.uri, func(ev *session.Event) { j.add("%s %s", p.uri, ev.Topic()) }, p.opt)
		}
		s := c.join()
		for uri, want := range map[string][]string{
			"com.exact.one":       {"com.exact.one"},
			"com.exact.one.two":   nil,
			"com.prefix":          {"com.prefix"},
			"com.prefix.one":      {"com.prefix"},
			"com.prefixed":        {"com.prefix"},
			"com.any.wild":        {"com..wild"},
			"com.prefix.wild":     {"com.prefix", "com..wild"}, // prefixes come first for calls
			"com.any.thing.wild":  nil,
			"org.prefix.any.wild": nil,
		} {
			res, err := s.Call(t.Context(), uri)
			if want == nil {
				require.Equal(t, protocol.ErrorNoSuchProcedure, session.ErrorURI(err), uri)
			} else {
				require.NoError(t, err, uri)
				var pattern, procedure string
				require.NoError(t, res.Decode(&pattern, &procedure))
				require.Equal(t, want[0], pattern, uri)
				require.Equal(t, uri, procedure)
			}
			before := len(j.all())
			_, err = s.Publish(t.Context(), uri, session.ExcludeMe(false), session.Acknowledge())
			require.NoError(t, err)
			synctest.Wait()
			var events []string
			for _, pattern := range want {
				events = append(events, pattern+" "+uri)
			}
			require.ElementsMatch(t, events, j.all()[before:], uri)
		}
	})
}

// A registration or subscription that the router takes away is an event for the application, calls to it are refused, and
// it comes back with the next session.
func TestBehaviour51_Revocation(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p, j := perform(polite), new(journal)
		c := observe(t, cloverleaf.Config{}, p.transport())
		c.Register("com.proc", func() {})
		c.Subscribe("com.topic", func() { j.add("event") })
		s := c.join()
		p.last().send(
			&protocol.Unregistered{Details: protocol.RevocationDetails{ID: 101, Reason: "com.moved"}},
			&protocol.Unsubscribed{Details: protocol.RevocationDetails{ID: 202, Reason: "com.moved"}},
			&protocol.Invocation{Request: 1, Registration: 101},
			&protocol.Event{Subscription: 202, Publication: 1},
		)
		synctest.Wait()
		require.NoError(t, s.Err(), "no violation")
		refused := happened[*supervisor.DeclarationRefused](c)
		require.Len(t, refused, 2)
		for i, uri := range []string{"com.proc", "com.topic"} {
			require.Equal(t, uri, refused[i].URI)
			require.ErrorIs(t, refused[i].Err, session.ErrRevoked)
			require.ErrorContains(t, refused[i].Err, "com.moved")
		}
		failed := sent[*protocol.Error](p.last())
		require.Len(t, failed, 1)
		require.Equal(t, protocol.ErrorNoSuchRegistration, failed[0].Error)
		require.Empty(t, j.all())

		p.last().cut()
		c.next(s)
		p.last().send(&protocol.Invocation{Request: 1, Registration: 101}, &protocol.Event{Subscription: 202, Publication: 2})
		synctest.Wait()
		require.Len(t, sent[*protocol.Yield](p.last()), 1)
		require.Equal(t, []string{"event"}, j.all())
	})
}

// The events of a subscription are handled one after the other, in the order of publication, and a slow handler holds up
// nobody else: no other topic, call or session.
func TestBehaviour52_OrderOfEvents(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, tr := embedded(t, cloverleaf.RouterConfig{})
		c, slow, fast := observe(t, cloverleaf.Config{}, tr), new(journal), new(journal)
		running := 0
		c.Subscribe("com.slow", func(n int) {
			running++
			require.Equal(t, 1, running, "one at a time")
			takes(time.Second)
			running--
			slow.add("%d", n)
		})
		c.Subscribe("com.fast", func(n int) { fast.add("%d", n) })
		c.Register("com.proc", func() {})
		s := c.join()
		publisher := observe(t, cloverleaf.Config{Name: "publisher"}, tr).join()
		var want []string
		start := time.Now()
		for n := range 50 {
			for _, topic := range []string{"com.slow", "com.fast"} {
				_, err := publisher.Publish(t.Context(), topic, session.Args(n))
				require.NoError(t, err)
			}
			want = append(want, fmt.Sprint(n))
		}
		synctest.Wait()
		require.Equal(t, want, fast.all())
		_, err := s.Call(t.Context(), "com.proc")
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		require.Empty(t, slow.all())
		pass(time.Minute)
		require.Equal(t, want, slow.all())
	})
}

// Realms are worlds of their own, and components of one process may live in several realms and at several routers.
func TestBehaviour55_Realms(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, one := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "com.a"}, {Name: "com.b"}}})
		_, two := embedded(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "com.a"}}})
		j := new(journal)
		sessions := map[string]*session.Session{}
		places := map[string]cloverleaf.Transport{"a1": one, "b1": one, "a2": two}
		runtime := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{})
		for name, tr := range places {
			c := observe(t, cloverleaf.Config{Name: name, Realm: "com." + name[:1]}, tr)
			c.Register("com.who", func() string { return name })
			c.Register("com.only."+name, func() {})
			c.Subscribe("com.topic", func(from string) { j.add("%s to %s", from, name) })
			require.NoError(t, runtime.Start(t.Context(), c.Component))
			sessions[name] = c.next(nil)
		}
		for name, s := range sessions {
			who, err := session.Call[string](t.Context(), s, "com.who")
			require.NoError(t, err)
			require.Equal(t, name, who)
			for other := range places {
				_, err := s.Call(t.Context(), "com.only."+other)
				require.Equal(t, name == other, err == nil)
			}
			_, err = s.Publish(t.Context(), "com.topic", session.Args(name), session.ExcludeMe(false))
			require.NoError(t, err)
		}
		synctest.Wait()
		words := j.all()
		slices.Sort(words)
		require.Equal(t, []string{"a1 to a1", "a2 to a2", "b1 to b1"}, words)

		// A bridge between routers is a handler that uses another session.
		_, err := sessions["a1"].Register(t.Context(), "com.bridge", func(ctx context.Context) (string, error) {
			return session.Call[string](ctx, sessions["a2"], "com.who")
		})
		require.NoError(t, err)
		who, err := session.Call[string](t.Context(), sessions["a1"], "com.bridge")
		require.NoError(t, err)
		require.Equal(t, "a2", who)
		require.NoError(t, runtime.Stop(t.Context()))
	})
}
