package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/internal/idtable"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// DefaultMaxInvocations is how many invocations a session serves at once if nothing else is said.
const DefaultMaxInvocations = 10_000

// Effects is what a [Machine] makes happen. All methods are called synchronously, from inside a
// method of the machine, and must not call the machine.
type Effects interface {
	// Send encodes and queues a message, which is valid only during the call unless Config.Shared
	// says otherwise; it is never changed. An error means that
	// nothing was sent, because the message cannot be encoded or is larger than the peer accepts.
	Send(msg protocol.Message) error
	// Challenge asks for the answer to a CHALLENGE. It comes back through Machine.Authenticate or
	// Machine.Refuse, later.
	Challenge(ch *protocol.Challenge)
	// Joined reports that the session is established.
	Joined(s *Session)
	// Invoke hands out an invocation to whatever ref stands for, see RegisterCommand.Ref. Each
	// invocation is answered once, through its Respond or Fail.
	Invoke(ref any, inv *Invocation)
	// Interrupt asks ref for the end of an invocation that it was handed and has not answered.
	Interrupt(ref any, inv *Invocation, reason error)
	// Deliver hands out an event, see SubscribeCommand.Ref. Several refs may share it.
	Deliver(ref any, ev *Event)
	// Release reports that ref will get no further invocations or events: it was not accepted,
	// or its registration or subscription ended. reason is nil if this side asked for that.
	Release(ref any, reason error)
	// Ended reports the end, as the last effect. The transport is to be closed once what was
	// sent has been written.
	Ended(err *EndedError)
}

// Config configures a [Machine].
type Config struct {
	// Poster takes the commands of the session's handles to the machine.
	Poster Poster
	// Serializer is what the transport negotiated.
	Serializer protocol.Serializer
	// Transport describes the connection, for SessionDetails.
	Transport string
	// Hello is the message that opens the session. Zero roles mean DefaultRoles.
	Hello protocol.Hello
	// Verify checks a WELCOME, for methods that authenticate the router too. Nil accepts it.
	Verify func(*protocol.WelcomeDetails) error
	// Approve is asked about each WELCOME that Verify accepted. The answer comes back through
	// Machine.Accept or Machine.Refuse, later. Nil approves of all.
	Approve func(*protocol.Welcome)
	// Errors translates between Go errors and error URIs. Nil translates nothing.
	Errors *ErrorMap
	// Context is the parent of the session's context. Nil means context.Background().
	Context context.Context //nolint:containedctx // the parent of a context that the machine makes later
	// JoinTimeout bounds the time from Start to the WELCOME, and anew that from Authenticate on. Zero
	// is no limit.
	JoinTimeout time.Duration
	// LeaveTimeout bounds the time from our GOODBYE to its answer. Zero is no limit.
	LeaveTimeout time.Duration
	// Shared says that Send keeps messages and their payloads, as a connection within the process
	// does. Otherwise their memory is used again.
	Shared bool
	// Fits returns an error for a message that Send would refuse because of its size. Nil means
	// that all messages fit. It may be called by any goroutine.
	Fits func(msg protocol.Message) error
	// Extra is the application's own data, for Session.Extra.
	Extra any
	// MaxInvocations is how many invocations may be unanswered. Beyond it the caller gets
	// protocol.ErrorLimitExceeded. Zero means DefaultMaxInvocations.
	MaxInvocations int
}

// DefaultRoles announces what this package implements.
func DefaultRoles() protocol.Roles {
	return protocol.Roles{}.
		With(protocol.Publisher, protocol.FeatureSubscriberBlackWhiteListing|protocol.FeaturePublisherExclusion|
			protocol.FeaturePublisherIdentification|protocol.FeaturePayloadPassthruMode).
		With(protocol.Subscriber, protocol.FeaturePublisherIdentification|protocol.FeaturePublicationTrustLevels|
			protocol.FeaturePatternBasedSubscription|protocol.FeatureSubscriptionRevocation|protocol.FeaturePayloadPassthruMode).
		With(protocol.Caller, protocol.FeatureProgressiveCallResults|protocol.FeatureProgressiveCallInvocations|
			protocol.FeatureCallTimeout|protocol.FeatureCallCanceling|protocol.FeatureCallerIdentification|
			protocol.FeaturePayloadPassthruMode).
		With(protocol.Callee, protocol.FeatureProgressiveCallResults|protocol.FeatureProgressiveCallInvocations|
			protocol.FeatureCallTimeout|protocol.FeatureCallCanceling|
			protocol.FeatureCallReroute|protocol.FeatureCallerIdentification|protocol.FeatureCallTrustLevels|
			protocol.FeaturePatternBasedRegistration|protocol.FeatureSharedRegistration|
			protocol.FeatureRegistrationRevocation|protocol.FeaturePayloadPassthruMode)
}

type state uint8

const (
	stateNew state = iota
	stateJoining
	stateJoined
	stateLeaving
	stateEnded
)

// Machine plays the client's part of one WAMP session, from HELLO to GOODBYE. It is made for one
// session and thrown away with it. It is not safe for concurrent use: its owner calls it from one
// goroutine at a time, and performs the effects in the order in which they come.
type Machine struct {
	cfg      Config
	fx       Effects
	state    state
	deadline time.Time
	last     protocol.ID // the last request id issued
	sess     *Session    // nil until joined
	dealer   protocol.Features
	leaving  []*leaveCommand
	welcome  *protocol.Welcome // waits for Accept

	pending       idtable.Table[request]
	registrations map[protocol.ID]*registration
	subscriptions map[protocol.ID]*subscription
	subscribing   map[topicKey]int         // SUBSCRIBEs not yet answered
	orphans       map[topicKey]protocol.ID // subscriptions without handlers, see unsubscribe
	serving       idtable.Table[*Invocation]
	late          map[protocol.ID]struct{} // answered before their last chunk came
	yield         protocol.Yield           // being sent
	spare         []*Invocation            // to be used again
}

// New returns a machine that has done nothing yet.
func New(cfg Config, fx Effects) *Machine {
	if cfg.Hello.Details.Roles.Empty() {
		cfg.Hello.Details.Roles = DefaultRoles()
	}
	if cfg.MaxInvocations <= 0 {
		cfg.MaxInvocations = DefaultMaxInvocations
	}
	if cfg.Context == nil {
		cfg.Context = context.Background()
	}
	return &Machine{
		cfg:           cfg,
		fx:            fx,
		registrations: make(map[protocol.ID]*registration),
		subscriptions: make(map[protocol.ID]*subscription),
		subscribing:   make(map[topicKey]int),
		orphans:       make(map[topicKey]protocol.ID),
		late:          make(map[protocol.ID]struct{}),
	}
}

// Session returns the session once it is established, and nil before.
func (m *Machine) Session() *Session { return m.sess }

// Ended reports whether the session is over.
func (m *Machine) Ended() bool { return m.state == stateEnded }

// Deadline returns when Expire has to be called, and the zero time if nothing is waited for.
func (m *Machine) Deadline() time.Time { return m.deadline }

// Receive takes a message of the router. Its payload must not be changed any more; the message
// itself is not kept.
func (m *Machine) Receive(msg protocol.Message) {
	switch m.state {
	case stateNew, stateJoining:
		m.receiveJoining(msg)
	case stateJoined:
		m.receiveJoined(msg)
	case stateLeaving:
		m.receiveLeaving(msg)
	case stateEnded:
		// Whatever was on its way when the session ended belongs to nobody.
	}
}

func (m *Machine) receiveJoined(msg protocol.Message) {
	switch msg := msg.(type) {
	case *protocol.Result:
		m.onResult(msg)
	case *protocol.Invocation:
		m.onInvocation(msg)
	case *protocol.Event:
		m.onEvent(msg)
	case *protocol.Error:
		m.onError(msg)
	case *protocol.Interrupt:
		m.onInterrupt(msg)
	case *protocol.Published:
		m.onPublished(msg)
	case *protocol.Registered:
		m.onRegistered(msg)
	case *protocol.Unregistered:
		m.onUnregistered(msg)
	case *protocol.Subscribed:
		m.onSubscribed(msg)
	case *protocol.Unsubscribed:
		m.onUnsubscribed(msg)
	case *protocol.Goodbye:
		m.onGoodbye(msg)
	case *protocol.Abort:
		m.onAbort(msg)
	default:
		m.Violation(&protocol.ViolationError{Message: msg.Type(), Problem: "unexpected in an established session"})
	}
}

// Violation ends the session because of something that the router sent: a message that could not
// be decoded, or one that has no business where it came. The router gets an ABORT.
func (m *Machine) Violation(err error) {
	m.abort(protocol.ErrorProtocolViolation, err.Error(), err)
}

// Lost ends the session because the transport is gone. err is why, nil for a clean close.
func (m *Machine) Lost(err error) {
	if m.state == stateLeaving {
		m.end(&EndedError{How: EndLeft}) // a router may just close instead of answering
		return
	}
	m.end(&EndedError{How: EndLost, Cause: err})
}

// Expire ends the session if its deadline has passed.
func (m *Machine) Expire(now time.Time) {
	if m.deadline.IsZero() || now.Before(m.deadline) {
		return
	}
	m.end(&EndedError{How: EndTimeout})
}

// Do carries out a command. The command gets its answer now or later, but surely: at the latest
// when the session ends. A command of a handle whose session is not this one is refused. now may be
// zero unless TakesTime says that it matters.
func (m *Machine) Do(now time.Time, cmd Command) {
	if s := cmd.owner(); s != nil && s != m.sess {
		m.reject(cmd, cmp.Or(s.Err(), ErrClosed))
		return
	}
	if leave, ok := cmd.(*leaveCommand); ok {
		m.leave(now, leave)
		return
	}
	if m.state != stateJoined {
		m.reject(cmd, m.notJoined())
		return
	}
	cmd.do(m)
}

func (m *Machine) notJoined() error {
	switch m.state {
	case stateLeaving:
		return &EndedError{How: EndLeft, Joined: true}
	case stateEnded:
		if m.sess != nil {
			return m.sess.Err()
		}
	case stateNew, stateJoining, stateJoined:
	}
	return ErrNotJoined
}

// request sends a message that expects an answer. If it cannot be sent, its identifier was not
// used, and the next request gets it.
func (m *Machine) request(id protocol.ID, msg protocol.Message, r request) bool {
	m.pending.Put(id, r) // before anything can go wrong: whatever happens, it is answered in the end
	if err := m.fx.Send(msg); err != nil {
		m.pending.Remove(id)
		m.reject(r, err)
		return false
	}
	m.last = id
	return true
}

// reject fails a command, and releases the handler that was to be attached by it.
func (m *Machine) reject(cmd Command, err error) {
	switch c := cmd.(type) {
	case *RegisterCommand:
		m.fx.Release(c.Ref, err)
	case *SubscribeCommand:
		m.fx.Release(c.Ref, err)
	}
	cmd.Reject(err)
}

// take returns the pending request that an answer refers to. If there is none, an answer to
// something given up long ago is ignored, and one to something never asked is a violation.
func (m *Machine) take(id protocol.ID, t protocol.MessageType) (request, bool) {
	r, ok := m.pending.Get(id)
	if !ok {
		if id == 0 || id > m.last {
			m.Violation(&protocol.ViolationError{Message: t, Field: "Request", Problem: fmt.Sprintf("%d was never issued", id)})
		}
		return nil, false
	}
	return r, true
}

// asked is take for an answer that only requests of type T get. Another request is a violation.
func asked[T request](m *Machine, id protocol.ID, answer protocol.MessageType) (c T, ok bool) {
	r, ok := m.take(id, answer)
	if !ok {
		return c, false
	}
	if c, ok = r.(T); !ok {
		m.mismatch(id, answer, r.kind())
	}
	return c, ok
}

// mismatch ends the session because an answer is of another type than its request.
func (m *Machine) mismatch(id protocol.ID, answer, request protocol.MessageType) {
	m.Violation(&protocol.ViolationError{
		Message: answer, Field: "Request", Problem: fmt.Sprintf("%d was a %v", id, request),
	})
}

func (m *Machine) onError(msg *protocol.Error) {
	switch msg.RequestType {
	case protocol.TypePublish, protocol.TypeSubscribe, protocol.TypeUnsubscribe,
		protocol.TypeCall, protocol.TypeRegister, protocol.TypeUnregister:
	default:
		m.Violation(&protocol.ViolationError{
			Message: protocol.TypeError, Field: "REQUEST.Type", Problem: fmt.Sprintf("%d is no request of a client", msg.RequestType),
		})
		return
	}
	r, ok := m.take(msg.Request, protocol.TypeError)
	if !ok {
		return
	}
	if r.kind() != msg.RequestType {
		m.mismatch(msg.Request, protocol.TypeError, r.kind())
		return
	}
	m.pending.Remove(msg.Request)
	r.refused(m, msg)
}

// end disposes of the session, once: pending requests and handlers learn it before anybody else.
func (m *Machine) end(err *EndedError) {
	if m.state == stateEnded {
		return
	}
	err.Joined = m.sess != nil
	m.state, m.deadline = stateEnded, time.Time{}
	for _, r := range m.pending.All() {
		m.reject(r, err)
	}
	m.pending.Clear()
	m.dispose(err)
	if m.sess != nil {
		m.sess.end(err)
	}
	m.fx.Ended(err)
	for _, l := range m.leaving {
		l.settle(0, leaveError(err))
	}
	m.leaving = nil
}

// dispose interrupts what is being served and releases what was attached.
func (m *Machine) dispose(err *EndedError) {
	for _, inv := range m.serving.All() {
		m.fx.Interrupt(inv.reg.ref, inv, err)
	}
	m.serving.Clear()
	for _, id := range sortedKeys(m.registrations) {
		m.fx.Release(m.registrations[id].ref, err)
	}
	clear(m.registrations)
	for _, id := range sortedKeys(m.subscriptions) {
		for _, b := range m.subscriptions[id].bindings {
			m.fx.Release(b.ref, err)
		}
	}
	clear(m.subscriptions)
	clear(m.subscribing)
	clear(m.orphans)
}

func leaveError(err *EndedError) error {
	if err.How == EndLeft {
		return nil
	}
	return err
}

// sortedKeys makes the order of effects a function of the input.
func sortedKeys[V any](m map[protocol.ID]V) []protocol.ID {
	keys := make([]protocol.ID, 0, len(m))
	for id := range m {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	return keys
}
