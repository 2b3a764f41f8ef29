package supervisor

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Directive is what a Strategy does with a child that failed.
type Directive int

const (
	// Stop stops the child and posts a *ChildFailed to the supervisor, which may spawn a fresh
	// one, at once or after a delay. It is the zero value, and right for everything that holds
	// a connection: the PID changes, so nothing that was meant for the old one reaches the new.
	Stop Directive = iota
	// Restart gives the child a new instance behind the same PID, at once, with all messages
	// that wait in its mailbox but without the one it failed on. Past the restart intensity it
	// becomes Escalate. Not for a child that somebody else may be stopping at the same time:
	// Proto.Actor lets a restart cancel a stop.
	Restart
	// Resume lets the child go on with its next message and its state as it is.
	Resume
	// Escalate makes the supervisor itself fail with the same reason, for its own supervisor
	// to decide. The child stays suspended until its supervisor is restarted or stopped, which
	// stops it too. Proto.Actor restarts a supervisor that has none itself, ten times in 10 s.
	Escalate
)

// String returns "stop", "restart", "resume" or "escalate".
func (d Directive) String() string {
	switch d {
	case Stop:
		return "stop"
	case Restart:
		return "restart"
	case Resume:
		return "resume"
	case Escalate:
		return "escalate"
	default:
		return fmt.Sprintf("Directive(%d)", int(d))
	}
}

// ChildFailed tells a supervisor that its Strategy has stopped a child. It is posted to the
// supervisor's own mailbox as a user message, and never changed afterwards.
//
// The child may still be stopping then: its *actor.Terminated comes before or after this
// message, and its name is free only once it came.
type ChildFailed struct {
	// Child is the stopped child.
	Child *actor.PID
	// Reason is why it failed; a panic is a *PanicError in its chain. Never nil.
	Reason error
	// Class is the class of Reason.
	Class Class
	// Restarts is how often the strategy had restarted this child within the window before.
	Restarts int
}

// StrategyConfig configures a Strategy. Its zero value is ready for use.
type StrategyConfig struct {
	// Decide chooses the directive for a failure. reason is a *PanicError for a panic and the
	// error itself for a child that failed on purpose. It is called on the goroutine that
	// Strategy describes, must not block, and counts as Stop if it panics. Nil means Decide.
	Decide func(child *actor.PID, reason error, class Class) Directive
	// Classify returns the class of a reason. ClassBug is used if it panics. Nil means the
	// function Classify.
	Classify Classifier
	// Intensity limits the directive Restart, for each child by itself. The zero value means
	// the defaults.
	Intensity Intensity
}

// Decide is the default of StrategyConfig.Decide: Restart for a bug, Stop for anything else.
func Decide(_ *actor.PID, _ error, class Class) Directive {
	if class == ClassBug {
		return Restart
	}
	return Stop
}

// Strategy is an actor.SupervisorStrategy that classifies the failure of a child, decides about
// it, and publishes an actor.SupervisorEvent on the EventStream for each decision, after it was
// carried out.
//
// Attached to a supervisor by actor.WithSupervisor, or called from the HandleFailure of the
// supervisor's own type, it runs on the supervisor's goroutine, one failure at a time and never
// during Receive. It neither sleeps nor starts timers, and restarts nothing later: for a delay
// the supervisor starts a timer that posts a message to itself when it gets *ChildFailed.
//
// As the guardian of an actor spawned from the root context (actor.WithGuardian) it runs on the
// goroutine of the failing actor. There is no supervisor then that could be told or fail: Stop
// posts no *ChildFailed and Escalate is Stop. Share one value between such actors; Proto.Actor
// keeps a process for each distinct guardian for ever.
//
// A child fails on purpose by passing an error to EscalateFailure of its own context, which
// implements actor.Supervisor. A reason that is an error is kept, except runtime errors; those
// and all other values are panics, and become a *PanicError.
//
// It is safe for concurrent use, so one value may serve many supervisors, and it never panics:
// neither a panicking callback nor a panicking EventStream subscriber gets through it.
type Strategy struct {
	cfg StrategyConfig

	mu      sync.Mutex
	budgets map[childKey]*Budget // children with restarts that still count
}

type childKey struct {
	system *actor.ActorSystem
	id     string
}

var _ actor.SupervisorStrategy = (*Strategy)(nil)

// NewStrategy returns a Strategy. It fails only for an invalid Intensity.
func NewStrategy(cfg StrategyConfig) (*Strategy, error) {
	if err := cfg.Intensity.Validate(); err != nil {
		return nil, fmt.Errorf("supervisor: strategy: %w", err)
	}
	if cfg.Decide == nil {
		cfg.Decide = Decide
	}
	if cfg.Classify == nil {
		cfg.Classify = Classify
	}
	return &Strategy{cfg: cfg, budgets: make(map[childKey]*Budget)}, nil
}

// HandleFailure implements actor.SupervisorStrategy.
//
//nolint:revive // argument-limit: the signature is Proto.Actor's
func (s *Strategy) HandleFailure(
	sys *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any,
) {
	parent, _ := sup.(actor.Context) // nil for a guardian
	v := s.judge(sys, child, reason, phaseOf(sys, child, message))
	if parent == nil && v.directive == Escalate {
		v.directive = Stop
	}
	publish(sys, &actor.SupervisorEvent{Child: child, Reason: v.err, Directive: v.directive.protoActor()})
	switch v.directive {
	case Restart:
		sup.RestartChildren(child)
	case Resume:
		sup.ResumeChildren(child)
	case Escalate:
		sup.EscalateFailure(v.err, message)
	default:
		stop(sys, sup, parent, child, v)
	}
}

// phase is how far a child had come when it failed.
type phase int

const (
	running  phase = iota
	stopping       // it panicked on *actor.Stopping
	stopped        // it panicked on *actor.Stopped
)

// phaseOf tells a failure in a lifecycle handler, which leaves the child half stopped, from an
// ordinary one. message is the item of the mailbox, so *actor.Stop and, for an actor with
// children, the *actor.Terminated of the last of them.
func phaseOf(sys *actor.ActorSystem, child *actor.PID, message any) phase {
	_, registered := sys.ProcessRegistry.Get(child)
	switch message.(type) {
	case *actor.Stop:
		if registered {
			return stopping
		}
		return stopped
	case *actor.Terminated:
		if !registered {
			return stopped
		}
	}
	return running
}

// verdict is a failure and what is done about it.
type verdict struct {
	err       error
	class     Class
	directive Directive
	restarts  int
	phase     phase
}

func (s *Strategy) judge(sys *actor.ActorSystem, child *actor.PID, reason any, ph phase) verdict {
	v := verdict{err: asError(reason), phase: ph}
	v.class, v.directive = s.decide(sys, child, v.err)
	if ph != running {
		v.directive = Stop
	}
	key, now := childKey{sys, child.Id}, time.Now()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	b := s.budgets[key]
	if b == nil {
		b = NewBudget(s.cfg.Intensity)
	}
	v.restarts = b.Spent(now)
	switch {
	case v.directive == Restart && b.Spend(now):
		s.budgets[key] = b
	case v.directive == Restart:
		v.directive, v.class = Escalate, ClassPermanent
		v.err = &IntensityError{Child: child.Id, Intensity: s.cfg.Intensity, Err: v.err}
		delete(s.budgets, key)
	case ph == stopping && b.Spend(now):
		s.budgets[key] = b
	case ph == stopping:
		v.phase = stopped
		delete(s.budgets, key)
	case v.directive != Resume:
		delete(s.budgets, key)
	}
	return v
}

// decide asks the two callbacks.
func (s *Strategy) decide(sys *actor.ActorSystem, child *actor.PID, err error) (class Class, d Directive) {
	class, d = ClassBug, Stop
	defer recoverFrom(sys, "decision callback")
	class = s.cfg.Classify(err)
	d = s.cfg.Decide(child, err, class)
	if d < Stop || d > Escalate {
		d = Stop
	}
	return class, d
}

// forget drops the budgets that are full again. At most as many are kept as children were
// restarted within the last window, so the walk is short and dead children leave nothing behind.
func (s *Strategy) forget(now time.Time) {
	for key, b := range s.budgets {
		if b.Spent(now) == 0 {
			delete(s.budgets, key)
		}
	}
}

// stop stops a child and tells the supervisor, parent, if there is one.
//
// A child that panicked on *actor.Stopping ignores a further Stop and would keep its supervisor
// from ever stopping. Only a restart gets it out of that state, so it gets one with a Stop right
// behind it. One that goes on panicking until the budget is spent, and one that panicked on
// *actor.Stopped, never sends its *actor.Terminated: the supervisor gets it from here.
func stop(sys *actor.ActorSystem, sup actor.Supervisor, parent actor.Context, child *actor.PID, v verdict) {
	switch v.phase {
	case running:
		sup.StopChildren(child) // a system message: it works while the child is suspended
	case stopping:
		sup.RestartChildren(child)
		sup.StopChildren(child)
	case stopped:
		sys.ProcessRegistry.Remove(child)
	}
	if parent == nil {
		return
	}
	self := parent.Self()
	if p, ok := sys.ProcessRegistry.Get(self); ok && v.phase == stopped {
		p.SendSystemMessage(self, &actor.Terminated{Who: child})
	}
	parent.Send(self, &ChildFailed{Child: child, Reason: v.err, Class: v.class, Restarts: v.restarts})
}

func publish(sys *actor.ActorSystem, ev *actor.SupervisorEvent) {
	defer recoverFrom(sys, "event stream subscriber")
	sys.EventStream.Publish(ev)
}

// recoverFrom is deferred around code that is not ours: on a guardian's goroutine its panic
// would end the process.
func recoverFrom(sys *actor.ActorSystem, what string) {
	if r := recover(); r != nil {
		err := NewPanicError(r)
		sys.Logger().Error("supervisor: callback panicked",
			slog.String("callback", what), slog.Any("error", err), slog.String("stack", string(err.Stack)))
	}
}

func (d Directive) protoActor() actor.Directive {
	switch d {
	case Restart:
		return actor.RestartDirective
	case Resume:
		return actor.ResumeDirective
	case Escalate:
		return actor.EscalateDirective
	default:
		return actor.StopDirective
	}
}

// asError turns the reason of a failure into an error. The stack of a panic that nobody
// recovered on the way is lost: Proto.Actor has already unwound it.
func asError(reason any) error {
	err, ok := reason.(error)
	if _, rt := reason.(runtime.Error); rt || !ok {
		return &PanicError{Value: reason}
	}
	return err
}
