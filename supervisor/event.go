package supervisor

import (
	"log/slog"
	"time"
)

// Event is one step in the life of a component: a pointer to one of the structs of this
// package that embed Origin. Log returns how it is logged: a level, a message, and attributes
// for what is not empty. Events are immutable once published. Their URLs are logged as they
// are, so whoever publishes one leaves credentials out of it.
//
//sumtype:decl
type Event interface {
	Log() (slog.Level, string, []slog.Attr)
	event()
}

// Origin says which component an Event is about, and when it happened.
type Origin struct {
	// Component is the name of the component, or of the group.
	Component string
	// Time is when it happened.
	Time time.Time
}

func (Origin) event() {}

// attrs returns the attributes of an event, without those that are empty.
func (o Origin) attrs(more ...slog.Attr) []slog.Attr {
	attrs := []slog.Attr{slog.String("component", o.Component)}
	for _, a := range more {
		if !isEmpty(a.Value) {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

func isEmpty(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return v.String() == ""
	case slog.KindUint64:
		return v.Uint64() == 0
	case slog.KindAny:
		return v.Any() == nil
	default:
		return false
	}
}

func errAttr(err error) slog.Attr {
	if err == nil {
		return slog.Any("error", nil)
	}
	return slog.String("error", err.Error())
}

// levelOf returns the level for something that ended: bad only if it ended with an error.
func levelOf(err error, bad slog.Level) slog.Level {
	if err != nil {
		return bad
	}
	return slog.LevelInfo
}

// Started is published once when a component starts, before its first attempt.
type Started struct {
	Origin
}

// Log implements Event.
func (e *Started) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelInfo, "component started", e.attrs()
}

// AttemptScheduled is published when it is decided which transport is tried next.
type AttemptScheduled struct {
	Origin
	// URL of the transport.
	URL string
	// Retry is how many failures in a row came before on this transport.
	Retry int
	// Delay is how long the component waits before the attempt.
	Delay time.Duration
}

// Log implements Event.
func (e *AttemptScheduled) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelDebug, "component connects", e.attrs(
		slog.String("url", e.URL), slog.Int("retry", e.Retry), slog.Duration("delay", e.Delay))
}

// Connected is published when a transport is open, before HELLO is sent.
type Connected struct {
	Origin
	// URL of the transport.
	URL string
}

// Log implements Event.
func (e *Connected) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelDebug, "transport connected", e.attrs(slog.String("url", e.URL))
}

// ConnectFailed is published for each attempt that did not become a session: the transport
// could not be opened, the router answered ABORT, authentication failed, or the deadline passed.
// The loss of a session is not one; that is Left and Disconnected.
type ConnectFailed struct {
	Origin
	// URL of the transport.
	URL string
	// Class of Err.
	Class Class
	// Err is why it failed.
	Err error
}

// Log implements Event.
func (e *ConnectFailed) Log() (slog.Level, string, []slog.Attr) {
	level := slog.LevelWarn
	if e.Class != ClassTransient {
		level = slog.LevelError
	}
	return level, "connect failed", e.attrs(
		slog.String("url", e.URL), slog.String("class", e.Class.String()), errAttr(e.Err))
}

// Joined is published when the router has answered WELCOME.
type Joined struct {
	Origin
	// URL of the transport.
	URL string
	// Realm that was joined.
	Realm string
	// Session is the id the router assigned.
	Session uint64
	// AuthID, AuthRole and AuthMethod are what the router made of the credentials; empty if
	// it did not say.
	AuthID, AuthRole, AuthMethod string
}

// Log implements Event.
func (e *Joined) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelInfo, "session joined", e.attrs(
		slog.String("url", e.URL), slog.String("realm", e.Realm), slog.Uint64("session", e.Session),
		slog.String("authid", e.AuthID), slog.String("authrole", e.AuthRole), slog.String("authmethod", e.AuthMethod))
}

// Ready is published when, after Joined, all join listeners are done and all declared
// registrations and subscriptions are acknowledged.
type Ready struct {
	Origin
	// Realm of the session.
	Realm string
	// Session id.
	Session uint64
}

// Log implements Event.
func (e *Ready) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelInfo, "session ready", e.attrs(slog.String("realm", e.Realm), slog.Uint64("session", e.Session))
}

// Left is published when a session has ended, whoever ended it.
type Left struct {
	Origin
	// Realm of the session.
	Realm string
	// Session id.
	Session uint64
	// Reason is the URI of the GOODBYE or ABORT, empty if the transport was lost.
	Reason string
	// Err is why it ended; nil if this side left on purpose.
	Err error
}

// Log implements Event.
func (e *Left) Log() (slog.Level, string, []slog.Attr) {
	return levelOf(e.Err, slog.LevelWarn), "session left", e.attrs(
		slog.String("realm", e.Realm), slog.Uint64("session", e.Session), slog.String("reason", e.Reason), errAttr(e.Err))
}

// Disconnected is published when an open transport is closed, after Left if there was a session.
type Disconnected struct {
	Origin
	// URL of the transport.
	URL string
	// Err is why it was closed; nil if it was closed in good order.
	Err error
}

// Log implements Event.
func (e *Disconnected) Log() (slog.Level, string, []slog.Attr) {
	return levelOf(e.Err, slog.LevelWarn), "transport disconnected", e.attrs(slog.String("url", e.URL), errAttr(e.Err))
}

// Kind says which of a user's declarations an event is about.
type Kind string

// The kinds of declarations.
const (
	KindProcedure Kind = "procedure" // a registered procedure
	KindTopic     Kind = "topic"     // a subscribed topic
	KindListener  Kind = "listener"  // a lifecycle listener
	KindMain      Kind = "main"      // the main function
)

// DeclarationRefused is published when the router refused a declared registration or subscription.
type DeclarationRefused struct {
	Origin
	// Kind is KindProcedure or KindTopic.
	Kind Kind
	// URI that was declared.
	URI string
	// Err is the router's answer.
	Err error
}

// Log implements Event.
func (e *DeclarationRefused) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelError, "declaration refused", e.attrs(
		slog.String("kind", string(e.Kind)), slog.String("uri", e.URI), errAttr(e.Err))
}

// HandlerFailed is published when a user's function returned an error nobody else gets: that of
// a topic, a listener or main. A procedure's error goes to its caller and is no event.
type HandlerFailed struct {
	Origin
	// Kind of the function.
	Kind Kind
	// Name is the URI of a procedure or topic, or the name of a lifecycle event.
	Name string
	// Err is what it returned.
	Err error
}

// Log implements Event.
func (e *HandlerFailed) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelError, "handler failed", e.attrs(
		slog.String("kind", string(e.Kind)), slog.String("name", e.Name), errAttr(e.Err))
}

// HandlerPanicked is published when a user's function panicked. The session goes on, and the
// caller of a procedure gets an ERROR.
type HandlerPanicked struct {
	Origin
	// Kind of the function.
	Kind Kind
	// Name is the URI of a procedure or topic, or the name of a lifecycle event.
	Name string
	// Err is the panic with its stack.
	Err *PanicError
}

// Log implements Event. The stack is an attribute.
func (e *HandlerPanicked) Log() (slog.Level, string, []slog.Attr) {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("name", e.Name)}
	if e.Err != nil {
		attrs = append(attrs, errAttr(e.Err), slog.String("stack", string(e.Err.Stack)))
	}
	return slog.LevelError, "handler panicked", e.attrs(attrs...)
}

// Restarted is published when a group has started one of its children again. Origin names the group.
type Restarted struct {
	Origin
	// Child is the name of the child.
	Child string
	// Restarts is how many restarts because of this child count within the window, this one
	// included.
	Restarts int
	// Err is why it had ended; nil if it ended normally, or was restarted along with a sibling.
	Err error
}

// Log implements Event.
func (e *Restarted) Log() (slog.Level, string, []slog.Attr) {
	return slog.LevelWarn, "child restarted", e.attrs(
		slog.String("child", e.Child), slog.Int("restarts", e.Restarts), errAttr(e.Err))
}

// Stopped is the last event of a component, and of a group that ends with an error.
type Stopped struct {
	Origin
	// Err is why the component ended; nil if it was stopped or has done its work.
	Err error
}

// Log implements Event.
func (e *Stopped) Log() (slog.Level, string, []slog.Attr) {
	return levelOf(e.Err, slog.LevelError), "component stopped", e.attrs(errAttr(e.Err))
}
