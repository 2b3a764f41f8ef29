package router

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// keys is an Authenticator of two kinds of trouble.
type keys struct{ begin, verify error }

func (keys) Method() string { return "keys" }

func (k keys) Begin(AuthRequest) (Exchange, error) {
	return Exchange{
		Challenge: &protocol.Challenge{Method: "keys", Extra: protocol.Dict{"n": 1}},
		Verify:    func(*protocol.Authenticate) (Exchange, error) { return Exchange{}, k.verify },
	}, k.begin
}

const reserved protocol.ID = 4711

func newHandshake() *Handshake {
	tickets := Tickets{
		"joe":   {Ticket: "secret!!!", Role: "user"},
		"ann":   {Ticket: "other"},
		"empty": {Ticket: "", Role: "user"},
	}
	realms := map[protocol.URI]Admission{
		"open":   {Agent: "cloverleaf", Roles: protocol.Roles{}.With(protocol.Dealer, protocol.FeatureCallCanceling)},
		"guests": {Authenticators: []Authenticator{tickets, Anonymous{Role: "guest"}}},
		"closed": {Authenticators: []Authenticator{tickets}},
		"broken": {Authenticators: []Authenticator{keys{begin: errors.New("the disk is full")}}},
		"locked": {Authenticators: []Authenticator{keys{verify: errors.New("the disk is full")}}},
		"banned": {Authenticators: []Authenticator{keys{begin: &RefusalError{Reason: protocol.ErrorNoSuchPrincipal, Message: "banned"}}}},
	}
	users := &Access{roles: map[string]*rules{"user": {}}}
	realms["users"] = Admission{Authenticators: []Authenticator{tickets, Anonymous{}}, Access: users}
	return &Handshake{
		Admit: func(realm protocol.URI) (Admission, bool) {
			a, ok := realms[realm]
			return a, ok
		},
		NewID:      func() protocol.ID { return reserved },
		Serializer: protocol.CBOR,
	}
}

func hello(realm protocol.URI, authid string, methods ...string) *protocol.Hello {
	return &protocol.Hello{Realm: realm, Details: protocol.HelloDetails{
		Roles: rolesWith(protocol.FeatureCallCanceling), AuthID: authid, AuthMethods: methods,
	}}
}

func ticket(signature string) *protocol.Authenticate {
	return &protocol.Authenticate{Signature: signature}
}

func TestHandshakeJoins(t *testing.T) {
	t.Parallel()
	anonymous := Peer{AuthID: "anonymous-4711", AuthRole: "anonymous", AuthMethod: "anonymous", AuthProvider: "static"}
	guest := anonymous
	guest.AuthRole = "guest"
	tests := []struct {
		name string
		in   []protocol.Message
		want Peer
	}{
		{"anonymous, unasked", []protocol.Message{hello("open", "")}, anonymous},
		{"anonymous, asked for", []protocol.Message{hello("open", "", "wampcra", "anonymous")}, anonymous},
		{"methods that nobody knows are passed over", []protocol.Message{hello("guests", "", "cookie", "", "tls", "anonymous")}, guest},
		{"an authid of one's own choice does not count", []protocol.Message{hello("open", "admin")}, anonymous},
		{"the role of anonymous clients", []protocol.Message{hello("guests", "")}, guest},
		{"the client's order of methods counts", []protocol.Message{hello("guests", "joe", "anonymous", "ticket")}, guest},
		{
			"a role of the realm",
			[]protocol.Message{hello("users", "joe", "ticket"), ticket("secret!!!")},
			Peer{AuthID: "joe", AuthRole: "user", AuthMethod: "ticket", AuthProvider: "static"},
		},
		{
			"ticket",
			[]protocol.Message{hello("guests", "joe", "ticket", "anonymous"), ticket("secret!!!")},
			Peer{AuthID: "joe", AuthRole: "user", AuthMethod: "ticket", AuthProvider: "static"},
		},
		{
			"ticket without a role",
			[]protocol.Message{hello("closed", "ann", "ticket"), ticket("other")},
			Peer{AuthID: "ann", AuthRole: "anonymous", AuthMethod: "ticket", AuthProvider: "static"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandshake()
			var sent []protocol.Message
			var peer *Peer
			for i, m := range tt.in {
				p, verdict := h.Receive(m, func(m protocol.Message) { sent = append(sent, m) })
				require.Equal(t, Continue, verdict)
				require.Equal(t, i == len(tt.in)-1, p != nil, "the session is established with the last message")
				require.Len(t, sent, i+1)
				peer = p
			}
			first, _ := tt.in[0].(*protocol.Hello)
			want := tt.want
			want.ID, want.Realm, want.Roles, want.Serializer = reserved, first.Realm, first.Details.Roles, protocol.CBOR
			require.Equal(t, &want, peer)
			if len(sent) == 2 {
				require.Equal(t, &protocol.Challenge{Method: "ticket"}, sent[0])
			}
			rules, _ := h.Admit(first.Realm)
			require.Equal(t, &protocol.Welcome{Session: reserved, Details: protocol.WelcomeDetails{
				Agent: rules.Agent, Roles: rules.Roles, Realm: first.Realm,
				AuthID: want.AuthID, AuthRole: want.AuthRole, AuthMethod: want.AuthMethod, AuthProvider: want.AuthProvider,
			}}, sent[len(sent)-1])
			require.Equal(t, reserved, h.Reserved())
		})
	}
}

func TestHandshakeRefuses(t *testing.T) {
	t.Parallel()
	nobody := hello("open", "")
	nobody.Details.Roles = protocol.Roles{}
	brokerOnly := hello("open", "")
	brokerOnly.Details.Roles = protocol.Roles{}.With(protocol.Broker, 0).With(protocol.Dealer, 0)
	const violated, denied = protocol.ErrorProtocolViolation, protocol.ErrorAuthenticationDenied
	tests := []struct {
		name string
		in   []protocol.Message // the last one is refused
		want protocol.URI       // reason of ABORT, "" if none is sent
		text string             // part of its message
		held protocol.ID        // the id that remains to be given back
	}{
		{"no such realm", []protocol.Message{hello("nowhere", "")}, protocol.ErrorNoSuchRealm, "no realm nowhere exists", 0},
		{"no such role", []protocol.Message{hello("users", "")}, protocol.ErrorNoSuchRole, "no such role", reserved},
		{"no such role after a challenge", []protocol.Message{hello("users", "ann", "ticket"), ticket("other")}, protocol.ErrorNoSuchRole, "no such role", reserved},
		{"a long realm is not repeated", []protocol.Message{hello(protocol.URI(strings.Repeat("a", 1e6)), "")}, protocol.ErrorNoSuchRealm, "such a long name", 0},
		{"invalid realm", []protocol.Message{hello("no where", "")}, protocol.ErrorInvalidURI, "not a valid URI", 0},
		{"empty realm", []protocol.Message{hello("", "")}, protocol.ErrorInvalidURI, "not a valid URI", 0},
		{"no roles", []protocol.Message{nobody}, violated, "HELLO: roles", 0},
		{"a router's roles only", []protocol.Message{brokerOnly}, violated, "HELLO: roles", 0},
		{"authentication required", []protocol.Message{hello("closed", "joe")}, protocol.ErrorAuthenticationRequired, "authenticate", reserved},
		{"no method in common", []protocol.Message{hello("closed", "joe", "wampcra", "anonymous")}, protocol.ErrorNoMatchingAuthMethod, "none of", reserved},
		{"only anonymous by default", []protocol.Message{hello("open", "joe", "ticket")}, protocol.ErrorNoMatchingAuthMethod, "none of", reserved},
		{"wrong ticket", []protocol.Message{hello("closed", "joe", "ticket"), ticket("secret")}, denied, "unknown authid or wrong ticket", reserved},
		{"no ticket", []protocol.Message{hello("closed", "joe", "ticket"), ticket("")}, denied, "unknown authid or wrong ticket", reserved},
		{"another's ticket", []protocol.Message{hello("closed", "joe", "ticket"), ticket("other")}, denied, "unknown authid or wrong ticket", reserved},
		{"unknown authid", []protocol.Message{hello("closed", "eve", "ticket"), ticket("secret!!!")}, denied, "unknown authid or wrong ticket", reserved},
		{"unknown authid, empty ticket", []protocol.Message{hello("closed", "eve", "ticket"), ticket("")}, denied, "unknown authid or wrong ticket", reserved},
		{"no authid", []protocol.Message{hello("closed", "", "ticket"), ticket("")}, denied, "unknown authid or wrong ticket", reserved},
		{"an empty ticket is none", []protocol.Message{hello("closed", "empty", "ticket"), ticket("")}, denied, "unknown authid or wrong ticket", reserved},
		{"refused before the challenge", []protocol.Message{hello("banned", "joe", "keys")}, protocol.ErrorNoSuchPrincipal, "banned", reserved},
		{"failure before the challenge", []protocol.Message{hello("broken", "joe", "keys")}, protocol.ErrorAuthenticationFailed, "", reserved},
		{"failure after the challenge", []protocol.Message{hello("locked", "joe", "keys"), ticket("")}, protocol.ErrorAuthenticationFailed, "", reserved},
		{"a second HELLO", []protocol.Message{hello("closed", "joe", "ticket"), hello("open", "")}, violated, "second HELLO", reserved},
		{"AUTHENTICATE first", []protocol.Message{ticket("secret!!!")}, violated, "no challenge was sent", 0},
		{"GOODBYE first", []protocol.Message{&protocol.Goodbye{Reason: protocol.CloseRealm}}, violated, "GOODBYE: not allowed", 0},
		{"GOODBYE instead of AUTHENTICATE", []protocol.Message{hello("closed", "joe", "ticket"), &protocol.Goodbye{}}, violated, "GOODBYE: not allowed", reserved},
		{"CALL first", []protocol.Message{&protocol.Call{Request: 1, Procedure: "a"}}, violated, "CALL: not allowed", 0},
		{"CALL instead of AUTHENTICATE", []protocol.Message{hello("closed", "joe", "ticket"), &protocol.Call{Request: 1}}, violated, "CALL: not allowed", reserved},
		{"PUBLISH first", []protocol.Message{&protocol.Publish{Request: 1}}, violated, "PUBLISH: not allowed", 0},
		{"ERROR first", []protocol.Message{&protocol.Error{Request: 1}}, violated, "ERROR: not allowed", 0},
		{"WELCOME first", []protocol.Message{&protocol.Welcome{Session: 1}}, violated, "WELCOME: not allowed", 0},
		{"CHALLENGE first", []protocol.Message{&protocol.Challenge{}}, violated, "CHALLENGE: not allowed", 0},
		{"SUBSCRIBED first", []protocol.Message{&protocol.Subscribed{Request: 1}}, violated, "SUBSCRIBED: not allowed", 0},
		{"ABORT first", []protocol.Message{&protocol.Abort{}}, "", "", 0},
		{"ABORT instead of AUTHENTICATE", []protocol.Message{hello("closed", "joe", "ticket"), &protocol.Abort{}}, "", "", reserved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandshake()
			last := len(tt.in) - 1
			for _, m := range tt.in[:last] {
				p, verdict := h.Receive(m, func(protocol.Message) {})
				require.Nil(t, p)
				require.Equal(t, Continue, verdict)
			}
			var sent []protocol.Message
			p, verdict := h.Receive(tt.in[last], func(m protocol.Message) { sent = append(sent, m) })
			require.Nil(t, p)
			require.Equal(t, Dropped, verdict)
			require.Equal(t, tt.held, h.Reserved())
			if tt.want == "" {
				require.Empty(t, sent, "ABORT is not answered")
				return
			}
			require.Len(t, sent, 1)
			abort, ok := sent[0].(*protocol.Abort)
			require.True(t, ok)
			require.Equal(t, tt.want, abort.Reason)
			require.Contains(t, abort.Details.Message, tt.text)
			require.Less(t, len(abort.Details.Message), 200)
			require.NotContains(t, abort.Details.Message, "disk", "failures inside are nobody's business")
		})
	}
}

// A challenge is answered once: what was refused cannot be tried again.
func TestHandshakeOneTry(t *testing.T) {
	t.Parallel()
	h := newHandshake()
	send := func(protocol.Message) {}
	_, verdict := h.Receive(hello("closed", "joe", "ticket"), send)
	require.Equal(t, Continue, verdict)
	_, verdict = h.Receive(ticket("guess"), send)
	require.Equal(t, Dropped, verdict)
	p, verdict := h.Receive(ticket("secret!!!"), send)
	require.Nil(t, p)
	require.Equal(t, Dropped, verdict)
	p, verdict = h.Receive(hello("open", ""), send)
	require.Nil(t, p)
	require.Equal(t, Dropped, verdict)
}

func TestRefusalError(t *testing.T) {
	t.Parallel()
	err := error(&RefusalError{Reason: protocol.ErrorNoSuchRole, Message: "no"})
	require.EqualError(t, err, "router: wamp.error.no_such_role: no")
}

// Whom the surroundings vouch for need not authenticate, whatever it offers.
func TestHandshakeAs(t *testing.T) {
	t.Parallel()
	h := newHandshake()
	h.As, h.Internal = &Principal{AuthID: "billing", AuthRole: "backend"}, true
	var sent []protocol.Message
	p, verdict := h.Receive(hello("closed", "joe", "ticket", "wampcra"), func(m protocol.Message) { sent = append(sent, m) })
	require.Equal(t, Continue, verdict)
	require.Len(t, sent, 1)
	require.Equal(t, &Peer{
		ID: reserved, Realm: "closed", AuthID: "billing", AuthRole: "backend", AuthMethod: "local", AuthProvider: "local",
		Roles: p.Roles, Serializer: protocol.CBOR, Internal: true,
	}, p)
}

// later is an Authenticator that takes its time, twice.
type later struct{ refuse error }

func (later) Method() string { return "later" }

func (l later) Begin(AuthRequest) (Exchange, error) {
	return Exchange{Later: func(context.Context) (Exchange, error) {
		return Exchange{
			Challenge: &protocol.Challenge{Method: "later"},
			Verify: func(*protocol.Authenticate) (Exchange, error) {
				return Exchange{Later: func(context.Context) (Exchange, error) {
					return Exchange{Principal: Principal{AuthID: "joe", AuthRole: "user"}}, l.refuse
				}}, nil
			},
		}, nil
	}}, nil
}

func TestHandshakeWaits(t *testing.T) {
	t.Parallel()
	disk := errors.New("the disk is full")
	for _, refuse := range []error{nil, denied("no"), disk} {
		h, sent := newHandshake(), []protocol.Message(nil)
		h.Admit = func(protocol.URI) (Admission, bool) {
			return Admission{Authenticators: []Authenticator{later{refuse}}}, true
		}
		send := func(m protocol.Message) { sent = append(sent, m) }
		resume := func() (*Peer, Verdict) {
			x, err := h.Work()(t.Context())
			return h.Resume(x, err, send)
		}
		_, verdict := h.Receive(hello("realm1", "", "later"), send)
		require.Equal(t, Waiting, verdict)
		require.Empty(t, sent)
		require.Equal(t, reserved, h.Reserved())
		_, verdict = resume()
		require.Equal(t, Continue, verdict)
		require.Nil(t, h.Work())
		_, verdict = h.Receive(ticket("x"), send)
		require.Equal(t, Waiting, verdict)
		require.Equal(t, []protocol.Message{&protocol.Challenge{Method: "later"}}, sent)
		peer, verdict := resume()
		if refuse == nil {
			require.Equal(t, Continue, verdict)
			require.Equal(t, "joe", peer.AuthID)
			require.NoError(t, h.Err())
			continue
		}
		require.Equal(t, Dropped, verdict)
		require.ErrorIs(t, h.Err(), refuse)
		require.Equal(t, abortFor(refuse), sent[1])
	}
}

func TestHandshakeWhileItWaits(t *testing.T) {
	t.Parallel()
	for _, m := range []protocol.Message{hello("realm1", ""), ticket("x"), &protocol.Subscribe{Request: 1, Topic: "x"}, &protocol.Goodbye{}, &protocol.Abort{}} {
		h, sent := newHandshake(), []protocol.Message(nil)
		h.Admit = func(protocol.URI) (Admission, bool) {
			return Admission{Authenticators: []Authenticator{later{}}}, true
		}
		send := func(m protocol.Message) { sent = append(sent, m) }
		_, verdict := h.Receive(hello("realm1", "", "later"), send)
		require.Equal(t, Waiting, verdict)
		_, verdict = h.Receive(m, send)
		require.Equal(t, Dropped, verdict)
		if m.Type() == protocol.TypeAbort {
			require.Empty(t, sent)
			continue
		}
		require.Equal(t, protocol.ErrorProtocolViolation, sent[0].(*protocol.Abort).Reason)
	}
}

// unwise is an Authenticator that returns less than it should.
type unwise struct{ Exchange }

func (unwise) Method() string                        { return "unwise" }
func (u unwise) Begin(AuthRequest) (Exchange, error) { return u.Exchange, nil }

// What an authenticator forgets does not admit anybody.
func TestHandshakeFailsClosed(t *testing.T) {
	t.Parallel()
	for want, x := range map[string]Exchange{
		"no authrole":   {Principal: Principal{AuthID: "joe"}},
		"cannot verify": {Challenge: &protocol.Challenge{Method: "unwise"}},
	} {
		h, sent := newHandshake(), []protocol.Message(nil)
		h.Admit = func(protocol.URI) (Admission, bool) {
			return Admission{Authenticators: []Authenticator{unwise{x}}}, true
		}
		peer, verdict := h.Receive(hello("realm1", "", "unwise"), func(m protocol.Message) { sent = append(sent, m) })
		require.Nil(t, peer)
		require.Equal(t, Dropped, verdict)
		require.Equal(t, []protocol.Message{&protocol.Abort{Reason: protocol.ErrorAuthenticationFailed}}, sent)
		require.ErrorContains(t, h.Err(), want)
	}
}
