package session

import (
	"cmp"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Command is what a handle, a handler or an actor wants of a session. It is made by this package,
// posted to whoever owns the machine, and handed to Machine.Do.
type Command interface {
	// Reject answers the command without a machine. The owner of a machine calls it for commands
	// that come while there is none.
	Reject(err error)
	// Size returns about how much memory the command keeps, for flow control.
	Size() int

	owner() *Session // nil: whatever session there is
	do(m *Machine)
}

// Reject answers a command for which there is no machine: with why its session ended, if
// it belongs to one, else with [ErrNotJoined].
func Reject(cmd Command) {
	s := cmd.owner()
	if s == nil {
		cmd.Reject(ErrNotJoined)
		return
	}
	cmd.Reject(cmp.Or(s.Err(), error(ErrClosed)))
}

// small is the Size of a command without application data.
const small = 64

// request is a command that waits for the router's answer.
type request interface {
	Command
	kind() protocol.MessageType
	refused(m *Machine, msg *protocol.Error)
}

// ack is the waiting side of a command that is answered by an identifier or an error.
type ack struct {
	ready chan struct{} // capacity 1, nil if reply is used
	reply func(protocol.ID, error)
	id    protocol.ID
	err   error
}

func newAck() ack { return ack{ready: make(chan struct{}, 1)} }

func (a *ack) Size() int { return small }

// settle answers the command. It is called once.
func (a *ack) settle(id protocol.ID, err error) {
	a.id, a.err = id, err
	switch {
	case a.reply != nil:
		a.reply(id, err)
	case a.ready != nil:
		a.ready <- struct{}{}
	}
}

func (a *ack) Reject(err error) { a.settle(0, err) }

func (a *ack) refused(_ *Machine, msg *protocol.Error) {
	a.settle(0, remoteError(msg.Error, msg.Payload.Clone()))
}

// leaveCommand asks for the closing handshake.
type leaveCommand struct {
	ack
	sess    *Session
	reason  protocol.URI
	message string
}

// NewLeave returns a command that ends the session, or the attempt to join one, with a GOODBYE
// that names the reason. reply is called when it is over, with nil unless the router was silent.
func NewLeave(reason protocol.URI, message string, reply func(error)) Command {
	c := &leaveCommand{reason: reason, message: message}
	c.reply = func(_ protocol.ID, err error) { reply(err) }
	return c
}

func (c *leaveCommand) owner() *Session { return c.sess }

// TakesTime reports whether the time matters to a command. To most it does not, and reading the
// clock costs as much as carrying them out.
func TakesTime(cmd Command) bool {
	_, leave := cmd.(*leaveCommand)
	return leave
}
func (c *leaveCommand) do(*Machine) {} // Machine.Do takes it in any state
