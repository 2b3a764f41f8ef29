package cloverleaf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// Declared is a procedure or topic that was declared.
type Declared struct {
	c   *Component
	d   *actors.Declaration
	err error
}

// Err returns what is wrong with the declaration, nil if nothing is. Run and Start report it, too.
func (d *Declared) Err() error { return d.err }

// Remove takes the declaration back, also from the present session.
func (d *Declared) Remove() {
	if d.err != nil {
		return
	}
	c := d.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.declarations = slices.DeleteFunc(c.declarations, func(x *actors.Declaration) bool { return x == d.d })
	c.send(&actors.RemoveDeclaration{Declaration: d.d})
}

// Register declares a procedure. handler is a function as session.CompileHandler takes it:
//
//	comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
//	comp.Register("com.myapp.user", func(ctx context.Context, name string) (User, error) { ... })
//
// What is wrong with it is reported by Run and Start, and by Declared.Err at once; also that the
// component has declared the procedure before.
func (c *Component) Register(procedure string, handler any, opts ...session.RegisterOption) *Declared {
	d, err := actors.DeclareProcedure(procedure, handler, opts...)
	return c.declare(d, err)
}

// Subscribe declares a topic. handler is a function as session.CompileEventHandler takes it:
//
//	comp.Subscribe("com.myapp.oncounter", func(n int) { ... })
//
// What is wrong with it is reported by Run and Start, and by Declared.Err at once.
func (c *Component) Subscribe(topic string, handler any, opts ...session.SubscribeOption) *Declared {
	d, err := actors.DeclareTopic(topic, handler, opts...)
	return c.declare(d, err)
}

// RegisterActor declares a procedure that an actor serves: it gets *actors.Invocation messages.
// target is a *actor.PID, or a *actor.Props that is spawned and supervised under the session, or
// an *actors.Target for more control.
func (c *Component) RegisterActor(procedure string, target any, opts ...session.RegisterOption) *Declared {
	t, err := targetOf(target)
	if err != nil {
		return c.declare(nil, fmt.Errorf("procedure %q: %w", procedure, err))
	}
	return c.Register(procedure, t, opts...)
}

// SubscribeActor declares a topic whose events an actor gets, as *actors.Event messages. target is
// as for RegisterActor.
func (c *Component) SubscribeActor(topic string, target any, opts ...session.SubscribeOption) *Declared {
	t, err := targetOf(target)
	if err != nil {
		return c.declare(nil, fmt.Errorf("topic %q: %w", topic, err))
	}
	return c.Subscribe(topic, t, opts...)
}

// RegisterAll declares procedures by URI, each with the options. Handlers may well be the methods of
// an object:
//
//	comp.RegisterAll(map[string]any{"com.myapp.add": calc.Add, "com.myapp.sub": calc.Sub})
func (c *Component) RegisterAll(procedures map[string]any, opts ...session.RegisterOption) []*Declared {
	return c.Prefix("").RegisterAll(procedures, opts...)
}

// SubscribeAll declares topics by URI, as RegisterAll does procedures.
func (c *Component) SubscribeAll(topics map[string]any, opts ...session.SubscribeOption) []*Declared {
	return c.Prefix("").SubscribeAll(topics, opts...)
}

func targetOf(target any) (*actors.Target, error) {
	switch t := target.(type) {
	case *actors.Target:
		return t, nil
	case *actor.PID:
		return actors.To(t), nil
	case *actor.Props:
		return actors.Spawn(t), nil
	default:
		return nil, fmt.Errorf("target must be a *actor.PID, *actor.Props or *actors.Target, not %T", target)
	}
}

func (c *Component) declare(d *actors.Declaration, err error) *Declared {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && slices.ContainsFunc(c.declarations, d.Repeats) {
		err = fmt.Errorf("procedure %q: is declared already", string(d.URI()))
	}
	if err != nil {
		c.problems = append(c.problems, err)
		return &Declared{c: c, err: err}
	}
	c.declarations = append(c.declarations, d)
	c.send(&actors.AddDeclaration{Declaration: d})
	return &Declared{c: c, d: d}
}

// Check reports what is wrong with the declarations made so far.
func (c *Component) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.check()
}

func (c *Component) check() error {
	if err := errors.Join(c.problems...); err != nil {
		return fmt.Errorf("cloverleaf: component %s: %w", c.name, err)
	}
	return nil
}
