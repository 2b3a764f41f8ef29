package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// errLeftEarly is the cause of the end of a session that was left before it was established.
var errLeftEarly = errors.New("left before it was established")

// Start opens the session: it sends HELLO.
func (m *Machine) Start(now time.Time) {
	if m.state != stateNew {
		return
	}
	m.state = stateJoining
	m.joinBy(now)
	if err := m.fx.Send(&m.cfg.Hello); err != nil {
		m.end(&EndedError{How: EndViolation, Cause: err})
	}
}

// joinBy sets the deadline for the router's answer.
func (m *Machine) joinBy(now time.Time) {
	if m.cfg.JoinTimeout > 0 {
		m.deadline = now.Add(m.cfg.JoinTimeout)
	}
}

func (m *Machine) receiveJoining(msg protocol.Message) {
	if m.welcome != nil {
		m.receiveWelcomed(msg)
		return
	}
	switch msg := msg.(type) {
	case *protocol.Welcome:
		m.onWelcome(msg)
	case *protocol.Challenge:
		m.onChallenge(msg)
	case *protocol.Abort:
		m.onAbort(msg)
	default:
		m.Violation(&protocol.ViolationError{Message: msg.Type(), Problem: "unexpected before WELCOME"})
	}
}

// receiveWelcomed takes what comes between the WELCOME and its approval: nothing but the end.
func (m *Machine) receiveWelcomed(msg protocol.Message) {
	switch msg := msg.(type) {
	case *protocol.Goodbye:
		m.onGoodbye(msg)
	case *protocol.Abort:
		m.onAbort(msg)
	default:
		m.Violation(&protocol.ViolationError{Message: msg.Type(), Problem: "unexpected after WELCOME"})
	}
}

func (m *Machine) onChallenge(msg *protocol.Challenge) {
	if !slices.Contains(m.cfg.Hello.Details.AuthMethods, msg.Method) {
		m.Refuse(fmt.Errorf("challenged for %q, which was not offered", msg.Method))
		return
	}
	m.fx.Challenge(msg)
}

// Authenticate sends the answer to the last CHALLENGE. It is ignored unless one is waited for.
func (m *Machine) Authenticate(now time.Time, signature string, extra protocol.Dict) {
	if m.state != stateJoining {
		return
	}
	m.joinBy(now) // the router, too, may need its time
	if err := m.fx.Send(&protocol.Authenticate{Signature: signature, Extra: extra}); err != nil {
		m.Refuse(err)
	}
}

// Refuse ends the attempt to join because the CHALLENGE cannot be answered, or because the router
// did not prove who it is.
func (m *Machine) Refuse(err error) {
	if m.state == stateJoining {
		m.abort(protocol.ErrorCannotAuthenticate, "", err) // what failed may be a secret
	}
}

func (m *Machine) onWelcome(msg *protocol.Welcome) {
	if m.state != stateJoining {
		m.Violation(&protocol.ViolationError{Message: protocol.TypeWelcome, Problem: "without a HELLO"})
		return
	}
	if m.cfg.Verify != nil {
		if err := m.cfg.Verify(&msg.Details); err != nil {
			m.Refuse(err)
			return
		}
	}
	if m.cfg.Approve == nil {
		m.join(msg)
		return
	}
	welcome := *msg
	m.welcome = &welcome
	m.cfg.Approve(m.welcome)
}

// Accept establishes the session whose WELCOME waits for that. It is ignored if none does.
func (m *Machine) Accept() {
	if m.state == stateJoining && m.welcome != nil {
		m.join(m.welcome)
	}
}

func (m *Machine) join(msg *protocol.Welcome) {
	m.state, m.deadline = stateJoined, time.Time{}
	m.dealer = msg.Details.Roles.Features(protocol.Dealer)
	m.sess = newSession(&m.cfg, msg)
	m.fx.Joined(m.sess)
}

func (m *Machine) onGoodbye(msg *protocol.Goodbye) {
	// A GOODBYE that cannot be sent changes nothing: the session ends either way.
	_ = m.fx.Send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	m.end(&EndedError{How: EndGoodbye, Reason: msg.Reason, Message: msg.Details.Message})
}

func (m *Machine) onAbort(msg *protocol.Abort) {
	err := &EndedError{How: EndAborted, Reason: protocol.CanonicalError(msg.Reason), Message: msg.Details.Message}
	if m.sess == nil {
		err.How = EndRefused
	}
	if args, _ := codec.Args(msg.Payload); err.Message == "" && len(args) > 0 {
		err.Message, _ = args[0].(string)
	}
	m.end(err)
}

// receiveLeaving ignores everything but the end: after our GOODBYE, messages may still be under
// way, and the router ignores what we would answer (Basic Profile, "Session Lifecycle").
func (m *Machine) receiveLeaving(msg protocol.Message) {
	switch msg := msg.(type) {
	case *protocol.Goodbye:
		m.end(&EndedError{How: EndLeft, Reason: msg.Reason, Message: msg.Details.Message})
	default:
	case *protocol.Abort:
		m.onAbort(msg)
	}
}

// leave starts the closing handshake. Several may ask; all get their answer when it is over.
func (m *Machine) leave(now time.Time, cmd *leaveCommand) {
	switch m.state {
	case stateNew, stateJoining:
		m.leaving = append(m.leaving, cmd)
		if m.state == stateJoining {
			_ = m.fx.Send(&protocol.Abort{Reason: cmd.reason, Details: protocol.CloseDetails{Message: cmd.message}})
		}
		m.end(&EndedError{How: EndLeft, Cause: errLeftEarly})
	case stateJoined:
		m.leaving = append(m.leaving, cmd)
		m.state = stateLeaving
		if m.cfg.LeaveTimeout > 0 {
			m.deadline = now.Add(m.cfg.LeaveTimeout)
		}
		bye := &protocol.Goodbye{Reason: cmd.reason, Details: protocol.CloseDetails{Message: cmd.message}}
		if err := m.fx.Send(bye); err != nil {
			m.end(&EndedError{How: EndLeft, Cause: err})
		}
	case stateLeaving:
		m.leaving = append(m.leaving, cmd)
	case stateEnded:
		cmd.settle(0, nil)
	}
}

// abort ends the session with an ABORT of ours.
func (m *Machine) abort(reason protocol.URI, message string, cause error) {
	if m.state == stateEnded {
		return
	}
	if m.state != stateNew {
		_ = m.fx.Send(&protocol.Abort{Reason: reason, Details: protocol.CloseDetails{Message: message}})
	}
	m.end(&EndedError{How: EndViolation, Reason: reason, Cause: cause})
}
