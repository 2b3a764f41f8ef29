//go:build interop

package interop

import (
	"context"
	"fmt"
)

// peer is one WAMP session that a test scripts. Both a foreign program driven
// by JSON lines and a client inside the test process can implement it.
type peer interface {
	// do executes one command and returns its outcome. An ERROR from the router
	// or from another peer is a *wampError. When ctx ends while a call is
	// pending, the peer cancels the call and do returns the error it then gets.
	do(ctx context.Context, cmd command) (reply, error)
	// reports delivers, in order, what the peer tells without being asked. The
	// channel is closed when the peer has ended.
	reports() <-chan report
	// stop ends the peer without a GOODBYE and releases everything it holds.
	stop()
}

// A tracer keeps the last lines that were exchanged with a peer.
type tracer interface {
	trace() string
}

// op names what a peer can be told to do.
type op string

const (
	opRegister    op = "register"    // URI, Behaviour, Options → ID
	opUnregister  op = "unregister"  // Target
	opSubscribe   op = "subscribe"   // URI, Options → ID
	opUnsubscribe op = "unsubscribe" // Target
	opCall        op = "call"        // URI, Args, KwArgs, Options → payload, Progress
	opPublish     op = "publish"     // URI, Args, KwArgs, Options → ID if acknowledged
	opLeave       op = "leave"       // the outcome is the report reportLeft
	opCancel      op = "cancel"      // Target is the ID of a call command
)

// behaviour names what a registered procedure does.
type behaviour string

const (
	echo     behaviour = "echo"     // returns its payload
	value    behaviour = "value"    // returns its first argument as a plain value
	nothing  behaviour = "nothing"  // returns nothing
	add2     behaviour = "add2"     // returns the sum of two arguments
	fail     behaviour = "fail"     // answers customError with its payload
	crash    behaviour = "crash"    // raises what no WAMP error is mapped to
	progress behaviour = "progress" // n results {args: [i], kwargs: {step: i}}, then n
	called   behaviour = "called"   // returns the URI that was called
	whoami   behaviour = "whoami"   // returns the session ID of the callee
	hang     behaviour = "hang"     // reports reportInvoked and never returns
)

// customError is the error URI of the behaviour fail.
const customError = "interop.error.custom"

// Errors a peer program makes up itself.
const (
	localCanceled = "local.canceled" // the library gave up a canceled call
	localError    = "local.error"    // the library refused the command
)

// optionCancel is an option of opCall for components of ours: the mode in which
// the call is canceled. It is not one of WAMP.
const optionCancel = "cancel"

// payload is what WAMP messages carry for the application.
type payload struct {
	Args   list `json:"args,omitzero"`
	KwArgs dict `json:"kwargs,omitzero"`
}

// command tells a peer to do something. Nil Args or KwArgs are left out on the
// wire, empty ones are sent, where the library knows the difference.
type command struct {
	ID        uint64         `json:"id"`
	Op        op             `json:"op"`
	URI       string         `json:"uri,omitzero"`
	Behaviour behaviour      `json:"behaviour,omitzero"`
	Target    uint64         `json:"target,omitzero"`
	Options   map[string]any `json:"options,omitzero"`
	payload
}

// reply is the outcome of a command.
type reply struct {
	ID       uint64    `json:"id"` // registration, subscription or publication
	Progress []payload `json:"progress"`
	payload
}

// reportKind names what a peer tells without being asked.
type reportKind string

const (
	reportJoined      reportKind = "joined"      // WELCOME: Session, Realm, AuthRole, AuthID, AuthMethod
	reportEvent       reportKind = "event"       // EVENT: Subscribed, Topic, Publication, payload
	reportInvoked     reportKind = "invoked"     // the behaviour hang was called: Procedure
	reportInterrupted reportKind = "interrupted" // and was interrupted: Procedure
	reportLeft        reportKind = "left"        // GOODBYE or ABORT: Reason, Message
	reportFailed      reportKind = "failed"      // connection attempt or session failed: Message
	reportClosed      reportKind = "closed"      // the transport is gone: Clean
)

// report is what a peer tells without being asked.
type report struct {
	Kind        reportKind `json:"event"`
	Session     uint64     `json:"session"`
	Realm       string     `json:"realm"`
	AuthRole    string     `json:"authrole"`
	AuthID      string     `json:"authid"`
	AuthMethod  string     `json:"authmethod"`
	Subscribed  string     `json:"subscribed"` // the URI given to opSubscribe
	Topic       string     `json:"topic"`
	Publication uint64     `json:"publication"`
	Procedure   string     `json:"procedure"`
	Reason      string     `json:"reason"`
	Message     string     `json:"message"`
	Clean       bool       `json:"clean"`
	payload
}

// wampError is an ERROR that a peer received.
type wampError struct {
	URI string `json:"uri"`
	payload
}

func (e *wampError) Error() string {
	return fmt.Sprintf("%s args %v kwargs %v", e.URI, e.Args, e.KwArgs)
}
