package actors

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// DefaultStopTimeout is how long a group waits for a child that it has asked to stop.
const DefaultStopTimeout = 10 * time.Second

// GroupConfig configures a group: what it supervises, and how. Every child needs Props: those of a
// component, of another group, or of any actor of yours.
type GroupConfig struct {
	supervisor.GroupConfig
	// Name names the group in logs, events and errors. Default "group-1", -2, ...
	Name string
	// Ordered starts each child only when the one before it is ready, or is gone; an actor that is
	// neither a component nor a group is ready at once. Without it children are started one after
	// the other and get ready side by side.
	//
	// In an ordered group, and in any whose strategy is not supervisor.OneForOne, each child is
	// stopped only when the one that was started after it is gone. Otherwise they are asked to stop
	// in that order, and leave side by side.
	Ordered bool
	// StopTimeout is how long a child may take to stop in good order; then its connection is cut and
	// its functions are not waited for. Default DefaultStopTimeout; negative is no limit.
	StopTimeout time.Duration
	// Attach, if it is not nil, is called first of all when the group's actor starts, with its PID and
	// its copy of the configuration, of which Children may be replaced. It runs on the group's actor
	// and must not block.
	Attach func(self *actor.PID, cfg *GroupConfig)
	// OnReady is called each time when all children are ready that have not ended for good. It runs
	// on the group's actor and must not block.
	OnReady func()
	// OnChildEnded is called once for each child, when it has ended for good: with why, or nil if it
	// was told to or has done its work. It must not block either.
	OnChildEnded func(name string, err error)
	// OnEvent gets the events of the group: Restarted for a child, and Stopped if it ends with an
	// error. Those of a component go to its own OnEvent. It must not block either.
	OnEvent func(supervisor.Event)
	// Logger gets the events. Nil means that of the Host.
	Logger *slog.Logger
	// Done is called once when the group has stopped, with the reason as in Ended.
	Done func(error)
}

// Validate reports every problem of the configuration.
func (c *GroupConfig) Validate() error {
	errs := []error{c.GroupConfig.Validate()}
	for i, spec := range c.Children {
		if spec.Props == nil {
			errs = append(errs, fmt.Errorf("child %d (%s): props: missing", i, spec.Name))
		}
	}
	return errors.Join(errs...)
}

func (c GroupConfig) withDefaults(h *Host) GroupConfig {
	if c.Name == "" {
		c.Name = fmt.Sprintf("group-%d", h.names.Add(1))
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	if c.Logger == nil {
		c.Logger = h.logger
	}
	return c
}

// sequential reports whether children are stopped one after the other.
func (c *GroupConfig) sequential() bool {
	return c.Ordered || c.Strategy != supervisor.OneForOne
}

// GroupProps returns the Props of a group: an actor that starts its children in order, starts those
// again that end, by their restart types and the group's strategy, and stops them in reverse order.
// When its children have ended for good, or fail more often than Intensity allows, or when it is
// told to, it stops itself; it never fails. Spawn it under the root context or under any actor, and
// again when it has ended. Errors name the field at fault.
//
// It ends with the errors of its children that have ended for good, joined, each with the child's
// name: for one that failed too often an *supervisor.IntensityError. Ended, and GroupConfig.Done,
// tell its parent.
//
// The actor understands *Stop, *StopChild, *WatchSession and *UnwatchSession. Components and groups
// among its children get a *Stop when they are to stop; any other actor is sent a poison pill, and is
// restarted, as a fresh actor, after it failed or was stopped by others.
func GroupProps(h *Host, cfg GroupConfig) (*actor.Props, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("actors: group: %w", err)
	}
	strategy, err := supervisor.NewStrategy(supervisor.StrategyConfig{
		Decide: func(*actor.PID, error, supervisor.Class) supervisor.Directive { return supervisor.Stop },
	})
	if err != nil {
		return nil, fmt.Errorf("actors: group: %w", err)
	}
	cfg = cfg.withDefaults(h)
	return h.props(func() actor.Actor { return newGroupActor(h, cfg) }, actor.WithSupervisor(strategy)), nil
}

// SpawnGroup spawns a group under the root context, as "group/<name>".
func (h *Host) SpawnGroup(cfg GroupConfig) (*actor.PID, error) {
	cfg = cfg.withDefaults(h)
	props, err := GroupProps(h, cfg)
	if err != nil {
		return nil, err
	}
	pid, err := h.system.Root.SpawnNamed(props.Clone(actor.WithGuardian(h.guardian)), "group/"+cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("actors: group %s: %w", cfg.Name, err)
	}
	return pid, nil
}
