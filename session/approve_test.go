package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// A WELCOME that waits for approval is no session yet, and is forgotten when the attempt ends.
func TestApprove(t *testing.T) {
	t.Parallel()
	begin := func() *Machine {
		p := newPlayer(t)
		asked := 0
		cfg := p.m.cfg
		cfg.JoinTimeout = time.Minute
		cfg.Approve = func(w *protocol.Welcome) {
			asked++
			require.Equal(t, protocol.ID(7), w.Session)
			require.Equal(t, 1, asked)
		}
		m := New(cfg, p)
		m.Accept() // nothing to accept
		m.Start(time.Unix(0, 0))
		m.Accept()
		w := &protocol.Welcome{Session: 7, Details: protocol.WelcomeDetails{Roles: allFeatures}}
		m.Receive(w)
		w.Session = 8 // it may be used again
		require.Equal(t, 1, asked)
		require.Nil(t, m.Session())
		require.False(t, m.Deadline().IsZero(), "the time to join goes on")
		return m
	}
	m := begin()
	m.Accept()
	require.Equal(t, protocol.ID(7), m.Session().ID())
	require.True(t, m.Deadline().IsZero())
	m.Accept()
	m.Lost(nil)

	for _, end := range []func(m *Machine){
		func(m *Machine) { m.Refuse(errors.New("no")) },
		func(m *Machine) { m.Expire(time.Unix(60, 0)) },
		func(m *Machine) { m.Lost(nil) },
		func(m *Machine) { m.Receive(&protocol.Goodbye{Reason: protocol.CloseRealm}) },
		func(m *Machine) { m.Receive(&protocol.Abort{Reason: protocol.ErrorNotAuthorized}) },
		func(m *Machine) { m.Receive(&protocol.Welcome{Session: 9}) },
		func(m *Machine) { m.Receive(&protocol.Challenge{Method: "ticket"}) },
	} {
		m := begin()
		end(m)
		require.True(t, m.Ended())
		m.Accept()
		require.Nil(t, m.Session())
	}
}

// Who answers a challenge first is responsible for it: the methods neither answer nor verify.
func TestAnswerFirst(t *testing.T) {
	t.Parallel()
	answer, refusal := &protocol.Authenticate{Signature: "own"}, errors.New("no")
	for _, tc := range []struct {
		method    string
		answer    *protocol.Authenticate
		err       error
		signature string
		verified  bool
	}{
		{"ticket", answer, nil, "own", true},
		{"unknown", answer, nil, "own", true},
		{"ticket", nil, nil, "t1cket", true},
		{"ticket", nil, refusal, "", true}, // by the ticket, which accepts any router
		{"scram", nil, refusal, "", false},
		{"scram", answer, nil, "own", true},
		{"unknown", nil, nil, "", true},
	} {
		a, err := NewAttempt(t.Context(), &protocol.HelloDetails{}, nil, []Authenticator{Ticket("joe", "t1cket"), SCRAM("joe", "x")})
		require.NoError(t, err)
		a.AnswerFirst(func(context.Context, *protocol.Challenge) (*protocol.Authenticate, error) { return tc.answer, tc.err })
		got, err := a.Answer(t.Context(), &protocol.Challenge{Method: tc.method})
		if tc.signature == "" {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
			require.Equal(t, tc.signature, got.Signature)
		}
		require.Equal(t, tc.verified, a.Verify(&protocol.WelcomeDetails{}) == nil, "%+v", tc)
	}
}
