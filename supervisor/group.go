package supervisor

import (
	"fmt"
	"slices"
	"time"
)

// Action is one thing that the owner of a Group has to do: *StopChildren, *StartChildren or
// *GiveUp.
//
//sumtype:decl
type Action interface{ action() }

// StopChildren asks to stop children one after the other, in this order, and to report each of
// them with Group.Terminated when it is gone.
type StopChildren struct {
	// Names of the children, the last started first.
	Names []string
}

// StartChildren asks to wait, then to ask Group.Started with the token, and to spawn the children
// that it returns one after the other, in this order.
type StartChildren struct {
	// Names of the children, in the order of GroupConfig.Children, as it looks now.
	Names []string
	// After is how long to wait; zero for the first start.
	After time.Duration
	// Token identifies this request.
	Token uint64
}

// GiveUp says that the group has ended because its children fail too often, and that the
// supervisor should end with Err, an *IntensityError. The children that were left are named in
// a StopChildren before it; report them as usual.
type GiveUp struct {
	Err error
}

func (*StopChildren) action()  {}
func (*StartChildren) action() {}
func (*GiveUp) action()        {}

// childState is where one child of a Group stands.
type childState int

const (
	childDown     childState = iota // never started, or done for good
	childRunning                    // spawned
	childStopping                   // asked to stop, still there
	childWaiting                    // gone, member of a batch that will start it again
)

type child struct {
	spec     ChildSpec
	state    childState
	batch    uint64 // token of the restart that takes it along, 0 if none
	halted   bool   // by StopChild
	restarts Budget // those it caused
}

// Group decides for the children of one supervisor what happens when one of them ends. It does
// nothing itself: each method returns the actions that its owner performs. Not safe for
// concurrent use.
type Group struct {
	cfg      GroupConfig
	children []child
	index    map[string]int // of the children, by name
	budget   *Budget
	delays   map[uint64]time.Duration // of the batches that are not started yet
	token    uint64
	ended    bool
}

// NewGroup returns a Group none of whose children is running. The configuration is copied.
func NewGroup(cfg GroupConfig) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("supervisor: group: %w", err)
	}
	g := &Group{
		cfg: cfg, index: make(map[string]int, len(cfg.Children)),
		budget: NewBudget(cfg.Intensity), delays: make(map[uint64]time.Duration),
	}
	for i, spec := range cfg.Children {
		g.children = append(g.children, child{spec: spec, restarts: Budget{intensity: cfg.Intensity}})
		g.index[spec.Name] = i
	}
	return g, nil
}

// Start returns the actions that start all children for the first time. Further calls return none.
func (g *Group) Start() []Action {
	if g.ended || g.token > 0 || len(g.children) == 0 {
		return nil
	}
	token := g.newBatch(0)
	for i := range g.children {
		if c := &g.children[i]; !c.halted {
			c.state, c.batch = childWaiting, token
		}
	}
	if g.dropEmpty(token) {
		return nil
	}
	return g.ready(token)
}

// Started returns the children of the StartChildren with this token that are to be spawned, in
// order, and counts them as running. There are none once a later failure has taken them into a
// restart of its own, and after Stop or GiveUp. A child that can't be spawned is reported with
// Terminated.
func (g *Group) Started(token uint64) []string {
	if _, ok := g.delays[token]; !ok || g.ended || g.stopping(token) {
		return nil
	}
	delete(g.delays, token)
	var names []string
	for i := range g.children {
		if c := &g.children[i]; c.batch == token {
			c.state, c.batch = childRunning, 0
			names = append(names, c.spec.Name)
		}
	}
	return names
}

// Terminated reports that a child is gone, with the reason of its end or nil if it ended
// normally, and returns what is to be done. Names that are not in the group, and children that
// are not running, are ignored. rnd places the delay in the jitter band, see Backoff.Delay.
func (g *Group) Terminated(name string, reason error, now time.Time, rnd float64) []Action {
	i, ok := g.index[name]
	if !ok {
		return nil
	}
	c := &g.children[i]
	switch c.state {
	case childStopping:
		return g.stopped(c)
	case childRunning:
		c.state = childDown
	default:
		return nil
	}
	if g.ended || !restarts(c.spec.Restart, reason) {
		return nil
	}
	if !g.budget.Spend(now) {
		if reason == nil {
			reason = errEnded
		}
		err := &IntensityError{Child: name, Intensity: g.cfg.Intensity, Err: reason}
		return append(g.Stop(), &GiveUp{Err: err})
	}
	return g.restart(i, g.cfg.Backoff.Delay(g.retry(c, now), rnd))
}

// retry returns how many restarts count for the delay of the next one. Children that do not share
// a fate do not share a delay either: a thousand that fail at once are not the fault of each other.
func (g *Group) retry(c *child, now time.Time) int {
	c.restarts.Spend(now)
	if g.cfg.Strategy == OneForOne {
		return c.restarts.Spent(now)
	}
	return g.budget.Spent(now)
}

// Restarts returns how many restarts a child has caused that count at the given time.
func (g *Group) Restarts(name string, now time.Time) int {
	if i, ok := g.index[name]; ok {
		return g.children[i].restarts.Spent(now)
	}
	return 0
}

// Ended reports whether a child has ended for good, or has never been started.
func (g *Group) Ended(name string) bool {
	i, ok := g.index[name]
	return ok && g.children[i].state == childDown
}

// StopChild ends one child for good and returns the actions for it: that it be stopped, if it is
// running, and that those be started that only waited for it to stop. The others stay as they are.
// Names that are not in the group are ignored.
func (g *Group) StopChild(name string) []Action {
	i, ok := g.index[name]
	if !ok {
		return nil
	}
	c := &g.children[i]
	batch := c.batch
	c.batch, c.halted = 0, true
	switch c.state {
	case childRunning:
		c.state = childStopping
		return stopActions([]string{name})
	case childWaiting:
		c.state = childDown
		g.dropEmpty(batch)
	case childStopping:
		if batch != 0 && !g.dropEmpty(batch) {
			return g.ready(batch)
		}
	case childDown:
	}
	return nil
}

// dropEmpty forgets a batch that has no members any more.
func (g *Group) dropEmpty(token uint64) bool {
	if slices.ContainsFunc(g.children, func(c child) bool { return c.batch == token }) {
		return false
	}
	delete(g.delays, token)
	return true
}

// Stop ends the group and returns the action that stops the children that are left. No child is
// started any more.
func (g *Group) Stop() []Action {
	g.ended = true
	clear(g.delays)
	var names []string
	for i := len(g.children) - 1; i >= 0; i-- {
		c := &g.children[i]
		c.batch = 0
		switch c.state {
		case childRunning:
			c.state = childStopping
			names = append(names, c.spec.Name)
		case childWaiting:
			c.state = childDown
		case childDown, childStopping:
		}
	}
	return stopActions(names)
}

// Done reports whether no child is running and none will be started: the group has not been
// started yet, each child has ended for good, or Stop is complete.
func (g *Group) Done() bool {
	return !slices.ContainsFunc(g.children, func(c child) bool { return c.state != childDown })
}

// restart puts child i and those who share its fate into a new batch, which takes over the
// members of earlier ones: OneForAll and RestForOne can't split a batch.
func (g *Group) restart(i int, delay time.Duration) []Action {
	token := g.newBatch(delay)
	g.children[i].state = childWaiting
	var names []string
	for k := len(g.children) - 1; k >= 0; k-- {
		c := &g.children[k]
		if c.state == childDown || c.halted || (k != i && !g.sharesFate(k, i)) {
			continue
		}
		if c.state == childRunning {
			c.state = childStopping
			names = append(names, c.spec.Name)
		}
		delete(g.delays, c.batch)
		c.batch = token
	}
	return append(stopActions(names), g.ready(token)...)
}

func (g *Group) sharesFate(sibling, failed int) bool {
	return g.cfg.Strategy == OneForAll || (g.cfg.Strategy == RestForOne && sibling > failed)
}

// stopped takes note that a child which was asked to stop is gone.
func (g *Group) stopped(c *child) []Action {
	batch := c.batch
	if batch == 0 || c.spec.Restart == RestartTemporary {
		c.state, c.batch = childDown, 0
	} else {
		c.state = childWaiting
	}
	if batch == 0 {
		return nil
	}
	return g.ready(batch)
}

// ready returns the start of a batch if all its members are gone.
func (g *Group) ready(token uint64) []Action {
	if g.stopping(token) {
		return nil
	}
	a := &StartChildren{After: g.delays[token], Token: token}
	for _, c := range g.children {
		if c.batch == token {
			a.Names = append(a.Names, c.spec.Name)
		}
	}
	return []Action{a}
}

func (g *Group) stopping(token uint64) bool {
	return slices.ContainsFunc(g.children, func(c child) bool {
		return c.batch == token && c.state == childStopping
	})
}

func (g *Group) newBatch(delay time.Duration) uint64 {
	g.token++
	g.delays[g.token] = delay
	return g.token
}

func stopActions(names []string) []Action {
	if len(names) == 0 {
		return nil
	}
	return []Action{&StopChildren{Names: names}}
}

// restarts reports whether a child of this type is started again after it ended with reason.
func restarts(t RestartType, reason error) bool {
	switch t {
	case RestartPermanent:
		return true
	case RestartTemporary:
		return false
	default:
		return reason != nil
	}
}
