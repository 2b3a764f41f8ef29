package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// errOverdue is why a child has ended that did not stop in time.
var errOverdue = errors.New("did not stop in time")

// membership connects a component or a group to the group that it is a child of. It is nil for those
// that are in none.
type membership struct {
	host  *Host
	group *actor.PID
	child *groupChild
}

func (m *membership) ready() {
	if m != nil {
		m.host.send(m.group, &childReady{m.child})
	}
}

func (m *membership) ended(err error) {
	if m != nil {
		m.host.send(m.group, &childEnded{m.child, err})
	}
}

// enroll makes an actor a member, if it is one of ours. It must not have begun to run.
func enroll(a actor.Actor, m *membership) bool {
	c, ok := a.(*containedActor)
	if !ok {
		return false
	}
	switch a := c.inner.(type) {
	case *componentActor:
		a.member = m
	case *groupActor:
		a.member = m
	default:
		return false
	}
	return true
}

// groupChild is one life of a child: there is a fresh one for each time that it is started.
type groupChild struct {
	name   string
	pid    *actor.PID
	member bool // a component or a group
	ready  bool
	err    error // why it ended
	timer  *time.Timer
}
