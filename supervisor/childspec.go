package supervisor

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
)

// RestartType says after which kind of end a child is started again.
type RestartType int

const (
	// RestartDefault is the zero value: RestartTransient in a Group, RestartTemporary for a
	// component that runs by itself.
	RestartDefault RestartType = iota
	// RestartTransient restarts a child that failed, whatever the class of its failure, and
	// leaves alone one that ended normally: what has done its work is done.
	RestartTransient
	// RestartPermanent restarts a child whenever it ends, for whatever reason.
	RestartPermanent
	// RestartTemporary never restarts a child, also not one that was stopped because of a sibling.
	RestartTemporary
)

// String returns "default", "transient", "permanent" or "temporary".
func (t RestartType) String() string {
	switch t {
	case RestartDefault:
		return "default"
	case RestartTransient:
		return "transient"
	case RestartPermanent:
		return "permanent"
	case RestartTemporary:
		return "temporary"
	default:
		return fmt.Sprintf("RestartType(%d)", int(t))
	}
}

// Valid reports whether t is one of the constants.
func (t RestartType) Valid() bool { return t >= RestartDefault && t <= RestartTemporary }

// RestartPolicy says whether a component that has ended is started again, how often, and after
// which delay. The zero value never starts one again that runs by itself.
type RestartPolicy struct {
	// Type says after which kind of end.
	Type RestartType
	// Intensity limits the restarts; one more, and the end is final. The zero value means the
	// defaults.
	Intensity Intensity
	// Backoff is the delay before a restart; the retry it is asked for is the number of restarts
	// that count against Intensity at that time. The zero value means the defaults.
	Backoff Backoff
}

// Validate returns every problem of the policy, joined, or nil.
func (p RestartPolicy) Validate() error {
	errs := []error{p.Intensity.Validate(), p.Backoff.Validate()}
	if !p.Type.Valid() {
		errs = append(errs, fmt.Errorf("unknown restart type %v", p.Type))
	}
	return errors.Join(errs...)
}

// ChildSpec describes one child of a supervisor.
type ChildSpec struct {
	// Name identifies the child in its Group. Required and unique.
	Name string
	// Restart says when the child is started again. The zero value means RestartTransient.
	Restart RestartType
	// Props is what to spawn. A Group only carries it along for the actor that performs its
	// actions, and does not need it.
	Props *actor.Props
}

// GroupStrategy says which siblings share the fate of a child that is restarted.
type GroupStrategy int

const (
	// OneForOne restarts only the child that ended. It is the zero value.
	OneForOne GroupStrategy = iota
	// OneForAll stops all other children and restarts them together with the one that ended.
	OneForAll
	// RestForOne does so with the children that come after it in the list.
	RestForOne
)

// String returns "one_for_one", "one_for_all" or "rest_for_one".
func (s GroupStrategy) String() string {
	switch s {
	case OneForOne:
		return "one_for_one"
	case OneForAll:
		return "one_for_all"
	case RestForOne:
		return "rest_for_one"
	default:
		return fmt.Sprintf("GroupStrategy(%d)", int(s))
	}
}

// GroupConfig describes the children of one supervisor and how they are restarted.
type GroupConfig struct {
	// Strategy says who is restarted together. The zero value is OneForOne.
	Strategy GroupStrategy
	// Children in the order in which they are started; they are stopped in reverse.
	Children []ChildSpec
	// Intensity limits the restarts of the whole group. One failure is one restart, however
	// many siblings are restarted with it. The zero value means the defaults.
	Intensity Intensity
	// Backoff is the delay before a restart; the retry it is asked for is the number of
	// restarts that count against Intensity at that time: those of the child alone with
	// OneForOne, those of the whole group otherwise. The zero value means the defaults.
	Backoff Backoff
}

// Validate returns every problem of the configuration, joined, or nil.
func (c GroupConfig) Validate() error {
	errs := []error{c.Intensity.Validate(), c.Backoff.Validate()}
	if c.Strategy < OneForOne || c.Strategy > RestForOne {
		errs = append(errs, fmt.Errorf("unknown strategy %v", c.Strategy))
	}
	seen := make(map[string]bool, len(c.Children))
	for i, spec := range c.Children {
		switch {
		case spec.Name == "":
			errs = append(errs, fmt.Errorf("child %d has no name", i))
		case seen[spec.Name]:
			errs = append(errs, fmt.Errorf("child %d: name %q is taken", i, spec.Name))
		}
		seen[spec.Name] = true
		if !spec.Restart.Valid() {
			errs = append(errs, fmt.Errorf("child %d (%s): unknown restart type %v", i, spec.Name, spec.Restart))
		}
	}
	return errors.Join(errs...)
}
