package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// Target stands for an actor of the user that serves a procedure or topic. It may be given
// wherever a handler is: to session.Session.Register and Subscribe, and to the declarations of a
// component. See To and Spawn.
type Target struct {
	pid       *actor.PID
	props     *actor.Props
	intensity supervisor.Intensity
}

// WAMPTarget implements session.Target.
func (*Target) WAMPTarget() {}

// To sends invocations and events to an actor that exists, as *Invocation and *Event. When it has
// stopped, its procedures answer with protocol.ErrorUnavailable.
func To(pid *actor.PID) *Target { return &Target{pid: pid} }

// Spawn is To for an actor that is spawned for this procedure or topic, supervised, and stopped
// with it. An actor that panics is restarted, and the caller gets protocol.ErrorRuntime; when it
// panics more often than the default intensity of package supervisor allows, the component ends
// with a *supervisor.IntensityError.
func Spawn(props *actor.Props) *Target { return &Target{props: props} }

// WithIntensity returns a copy of the target whose actor may be restarted more or less often than
// the default.
func (t *Target) WithIntensity(i supervisor.Intensity) *Target {
	c := *t
	c.intensity = i
	return &c
}

// Validate reports what is wrong with the target.
func (t *Target) Validate() error {
	if t == nil || t.pid == nil && t.props == nil {
		return errors.New("actors: target: neither a PID nor Props")
	}
	return t.intensity.Validate()
}

// minder is how an actor of ours looks after the user's actor that it has for a target.
type minder struct {
	c      *client
	kind   supervisor.Kind
	uri    string
	target *Target
	pid    *actor.PID // nil once it is gone
	// failed is called, on the goroutine of the minder's owner, with the message that the target
	// panicked on.
	failed   func(message any)
	strategy *supervisor.Strategy
}

// props adds the supervision of the target to the props of the minder's owner.
func (m *minder) props(p *actor.Props) *actor.Props {
	// Past the intensity the strategy escalates, and the session actor ends the component.
	m.strategy, _ = supervisor.NewStrategy(supervisor.StrategyConfig{Intensity: m.target.intensity}) // validated
	return p.Clone(actor.WithSupervisor(m))
}

// start finds or spawns the target.
func (m *minder) start(ctx actor.Context) error {
	if m.target.pid != nil {
		m.pid = m.target.pid
		ctx.Watch(m.pid)
		return nil
	}
	pid, err := ctx.SpawnNamed(m.target.props.Clone(actor.WithReceiverMiddleware(keepStack)), "target")
	m.pid = pid
	return err
}

// keepStack turns a panic into one that knows its stack.
func keepStack(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		defer rethrow()
		next(ctx, envelope)
	}
}

// terminated reports whether it was the target that has stopped.
func (m *minder) terminated(who *actor.PID) bool {
	if m.pid == nil || !m.pid.Equal(who) {
		return false
	}
	m.pid = nil
	return true
}

// HandleFailure implements actor.SupervisorStrategy: a panic is an event, and the strategy of
// package supervisor decides. It runs on the goroutine of the minder's owner.
//
//nolint:revive // argument-limit: the signature is Proto.Actor's
func (m *minder) HandleFailure(
	sys *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any,
) {
	_, inner, _ := actor.UnwrapEnvelope(message)
	m.c.handlerFailed(m.kind, m.uri, panicOf(reason))
	if m.failed != nil {
		m.failed(inner)
	}
	m.strategy.HandleFailure(sys, sup, child, rs, reason, message)
}

// panicOf returns the error of an actor that failed. One that escalated an error of its own has
// not panicked.
func panicOf(reason any) error {
	if err, ok := reason.(error); ok {
		return err
	}
	return supervisor.NewPanicError(reason)
}
