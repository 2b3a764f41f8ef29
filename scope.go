package cloverleaf

import (
	"maps"
	"slices"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// Scope declares procedures and topics of a component below a common prefix, so that a part of an
// application need not know where it is mounted, and may be mounted twice. It is a value to use at
// once or to keep; any goroutine may use it.
type Scope struct {
	c      *Component
	prefix string
}

// Prefix returns a Scope for the URIs below prefix. A dot is put between that and a name unless the
// prefix ends with one:
//
//	func Mount(s *cloverleaf.Scope, calc *Calculator) {
//		s.Register("add", calc.Add)
//		s.RegisterAll(map[string]any{"sub": calc.Sub, "mul": calc.Mul})
//	}
//
//	Mount(comp.Prefix("com.myapp.calculator"), calc)
func (c *Component) Prefix(prefix string) *Scope { return &Scope{c: c, prefix: prefix} }

// Prefix returns a Scope below this one.
func (s *Scope) Prefix(prefix string) *Scope { return &Scope{c: s.c, prefix: s.URI(prefix)} }

// URI returns the full URI of a name, for calls and publications. An empty name is the prefix itself.
func (s *Scope) URI(name string) string {
	if s.prefix == "" || name == "" || strings.HasSuffix(s.prefix, ".") {
		return s.prefix + name
	}
	return s.prefix + "." + name
}

// Register is Component.Register for a name.
func (s *Scope) Register(name string, handler any, opts ...session.RegisterOption) *Declared {
	return s.c.Register(s.URI(name), handler, opts...)
}

// Subscribe is Component.Subscribe for a name.
func (s *Scope) Subscribe(name string, handler any, opts ...session.SubscribeOption) *Declared {
	return s.c.Subscribe(s.URI(name), handler, opts...)
}

// RegisterActor is Component.RegisterActor for a name.
func (s *Scope) RegisterActor(name string, target any, opts ...session.RegisterOption) *Declared {
	return s.c.RegisterActor(s.URI(name), target, opts...)
}

// SubscribeActor is Component.SubscribeActor for a name.
func (s *Scope) SubscribeActor(name string, target any, opts ...session.SubscribeOption) *Declared {
	return s.c.SubscribeActor(s.URI(name), target, opts...)
}

// RegisterAll is Component.RegisterAll for names. What is declared comes in the order of the names.
func (s *Scope) RegisterAll(procedures map[string]any, opts ...session.RegisterOption) []*Declared {
	all := make([]*Declared, 0, len(procedures))
	for _, name := range slices.Sorted(maps.Keys(procedures)) {
		all = append(all, s.Register(name, procedures[name], opts...))
	}
	return all
}

// SubscribeAll is Component.SubscribeAll for names. What is declared comes in the order of the names.
func (s *Scope) SubscribeAll(topics map[string]any, opts ...session.SubscribeOption) []*Declared {
	all := make([]*Declared, 0, len(topics))
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		all = append(all, s.Subscribe(name, topics[name], opts...))
	}
	return all
}
