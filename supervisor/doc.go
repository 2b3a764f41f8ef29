// Package supervisor decides what happens after something failed: try again and when,
// restart, stop, or give up with a reason.
//
// # Usage
//
// The decisions are plain values without clock, goroutine, lock or logger:
//
//   - [Classify] tells what kind of fault an error is: transient, permanent or a bug.
//   - [Backoff] tells how long the n-th retry waits.
//   - [Reconnect] tells which of a component's transports is tried next and after how long.
//   - [Budget] tells whether one more restart is within the restart intensity.
//   - [Group] tells which children are stopped and started when one of several ended.
//
// [Strategy] connects them to Proto.Actor: it is the actor.SupervisorStrategy that turns the
// failure of a child actor into a directive, and reports a stopped child to its supervisor as
// a [ChildFailed] message. Whoever owns the mailbox performs the rest: it starts a timer that
// posts a message to itself, and spawns a fresh child when the message arrives.
//
// An [Event] is one step in the life of a component, for observers, logs and tests.
//
// # Concurrency
//
// [Reconnect], [Budget] and [Group] belong to one goroutine, in practice to the actor that
// holds them. [Strategy] may be shared by any number of supervisors. Everything else is a value.
//
// # Errors
//
// [*ExhaustedError] is the end of a component that ran out of transports, [*IntensityError] the
// end of a supervisor whose children fail too often, [*PanicError] a recovered panic. Each
// carries its [Class], which the next supervisor above reads with [Classify].
package supervisor
