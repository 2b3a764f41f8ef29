package sched

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// ErrGoexit is the reason of the failure of an actor that called
// runtime.Goexit while it handled a message.
var ErrGoexit = errors.New("sched: actor called runtime.Goexit")

// Drained is the message that an actor with a [Draining] mailbox gets when its
// mailbox has run dry. It says: nothing more is waiting, send off what you have
// gathered.
type Drained struct{}

// NotInfluenceReceiveTimeout keeps Drained from counting as activity.
func (*Drained) NotInfluenceReceiveTimeout() {}

var _ actor.NotInfluenceReceiveTimeout = (*Drained)(nil)

// MailboxOption changes what [NewMailbox] makes.
type MailboxOption func(*mailbox)

// Draining makes the mailbox deliver [*Drained] whenever it runs out of user
// messages after it delivered at least one since the last Drained. Like any
// other message it is delivered by Receive, never concurrently with another
// message, and not while the mailbox is suspended. An actor that waits for its
// children after Stopping may still get it; a stopped one does not.
func Draining() MailboxOption {
	return func(m *mailbox) { m.draining = true }
}

// NewMailbox returns a producer of unbounded mailboxes for [actor.WithMailbox].
//
// System messages come before user messages; messages of one sender stay in
// order. Unlike the mailboxes of Proto.Actor it accepts messages before it is
// started (they wait), returns the worker after [actor.Dispatcher].Throughput
// messages, gives back the memory of a burst once it is idle, and does not unpack batches.
func NewMailbox(opts ...MailboxOption) actor.MailboxProducer {
	return func() actor.Mailbox {
		m := &mailbox{running: true} // not to be scheduled before Start
		for _, opt := range opts {
			opt(m)
		}
		return m
	}
}

// mailbox gathers user messages in one slice while its owner hands out another.
// The two are swapped when the latter is used up, so senders take the lock once
// per message and the owner once per batch. A third place, the backlog, is there
// only while messages come faster than they are handled. The owner is the one call of
// process that running stands for.
type mailbox struct {
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	run        func() // m.process, made once: a method value is an allocation

	mu        sync.Mutex
	running   bool     // there is an owner, or process is scheduled
	suspended bool     // written by the owner
	user      []any    // the newest messages, at most segmentSlots
	backlog   *backlog // older ones; nil when there were none since it was idle
	system    []any
	sysHead   int          // index in system of the next message
	sysLen    atomic.Int32 // written under mu

	batch    []any        // the owner's; replaced under mu
	next     atomic.Int64 // index in batch of the next message; the owner's
	dirty    bool         // a user message was handled since the last Drained
	draining bool
}

// RegisterHandlers implements [actor.Mailbox].
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher, m.run = invoker, dispatcher, m.process
}

// Start implements [actor.Mailbox]. It delivers what was posted before: a
// process is published before its handlers are registered, so a sender that
// knows the name may be too early.
func (m *mailbox) Start() {
	m.mu.Lock()
	m.running = len(m.system)+len(m.user) > 0
	wake := m.running
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.run)
	}
}

// PostUserMessage implements [actor.Mailbox].
func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if len(m.user) == segmentSlots {
		m.stack()
	}
	m.user = append(m.user, message)
	wake := !m.running && !m.suspended
	if wake {
		m.running = true
	}
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.run)
	}
}

// PostSystemMessage implements [actor.Mailbox].
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	m.sysLen.Add(1)
	wake := !m.running
	m.running = true
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.run)
	}
}

// UserMessageCount implements [actor.Mailbox]. It counts the user messages
// that have not been handed to the actor yet.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.backlog.len()*segmentSlots + len(m.user) + len(m.batch) - int(m.next.Load())
}

// stack puts the full slice of user messages on the backlog.
func (m *mailbox) stack() {
	if m.backlog == nil {
		m.backlog = &backlog{}
	}
	m.user = m.backlog.push(m.user)
}

// outcome says why the owner stopped handing out messages.
type outcome int

const (
	goexit   outcome = iota // the actor is ending the goroutine
	panicked                // there may be more messages
	spent                   // the turn is over, there may be more messages
	released                // nothing to hand out; there may be a new owner
)

// process hands out messages for one turn: at most Throughput of them.
func (m *mailbox) process() {
	turn := max(1, m.dispatcher.Throughput())
	for {
		switch m.deliver(&turn) {
		case released:
			return
		case spent:
			m.dispatcher.Schedule(m.run)
			return
		case panicked, goexit: // the latter never gets here
		}
	}
}

// deliver hands out messages until the turn is over, there are none, or one
// makes the actor fail. Nothing is lost then: a message leaves its queue on its
// own, just before it is handled.
func (m *mailbox) deliver(turn *int) (why outcome) {
	var msg any
	defer func() {
		if r := recover(); r != nil {
			why = panicked
			m.invoker.EscalateFailure(r, msg)
		} else if why == goexit {
			m.invoker.EscalateFailure(ErrGoexit, msg)
			m.dispatcher.Schedule(m.run)
		}
	}()
	for *turn > 0 {
		switch n := int(m.next.Load()); {
		case m.sysLen.Load() > 0:
			msg = m.popSystem()
			*turn--
			m.handleSystem(msg)
		case n < len(m.batch) && !m.suspended:
			msg = m.batch[n]
			m.batch[n] = nil
			m.next.Store(int64(n) + 1)
			m.dirty = true
			*turn--
			m.invoker.InvokeUserMessage(msg)
		default:
			switch m.refill() {
			case runDry:
				m.dirty = false
				*turn--
				msg = &Drained{}
				m.invoker.InvokeUserMessage(msg)
			case nothing:
				return released
			case more:
			}
		}
	}
	return spent
}

func (m *mailbox) handleSystem(msg any) {
	switch msg.(type) {
	case *actor.SuspendMailbox:
		m.setSuspended(true)
	case *actor.ResumeMailbox:
		m.setSuspended(false)
	default:
		m.invoker.InvokeSystemMessage(msg)
	}
}

func (m *mailbox) setSuspended(on bool) {
	m.mu.Lock()
	m.suspended = on
	m.mu.Unlock()
}

func (m *mailbox) popSystem() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	msg := m.system[m.sysHead]
	m.system[m.sysHead] = nil
	m.sysHead++
	m.sysLen.Add(-1)
	if m.sysHead == len(m.system) {
		m.system, m.sysHead = m.system[:0], 0
		if cap(m.system) > segmentSlots {
			m.system = nil
		}
	}
	return msg
}

// supply says what the owner finds when it looks for more messages.
type supply int

const (
	nothing supply = iota // the mailbox has been released
	more                  // a new batch or a system message
	runDry                // time for Drained
)

// refill gets the owner the next batch. If there is nothing to do at all it
// releases the mailbox in the same critical section in which it found out, so a
// message posted later schedules the mailbox again: no wake-up can be lost.
func (m *mailbox) refill() supply {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.system) > 0:
		return more
	case m.suspended:
		m.running = false
		return nothing
	case m.backlog.len() > 0:
		m.batch = m.backlog.pop(m.batch)
		m.next.Store(0)
		return more
	case len(m.user) > 0:
		m.batch, m.user = m.user, m.batch[:0]
		m.next.Store(0)
		return more
	case m.dirty && m.draining:
		return runDry
	}
	m.backlog = nil
	m.running = false
	return nothing
}
