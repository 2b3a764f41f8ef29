// Package cloverleaf is an actor-model runtime for WAMP, the Web Application Messaging Protocol:
// components that stay connected, and a router to connect them to.
//
// # Usage
//
// A [Component] says what it serves and what it wants to know. [Run] connects it, joins the realm,
// registers and subscribes what was declared, and does all of that again whenever the connection
// is lost:
//
//	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
//		Realm:      "realm1",
//		Transports: cloverleaf.URLs("ws://127.0.0.1:8080/ws"),
//	})
//	if err != nil {
//		return err
//	}
//	comp.Register("com.myapp.add2", func(x, y int) int { return x + y })
//	comp.Subscribe("com.myapp.oncounter", func(n int) { counter.Set(n) })
//	comp.OnReady(func(ctx context.Context, s *session.Session) error {
//		sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
//		...
//	})
//	return cloverleaf.Run(ctx, comp)
//
// [NewSessionFactory] is for those who prefer a type with methods to functions: each session gets a
// value of its own. [LoadConfig] reads a Config from YAML or JSON. [Config.Main] is for programs
// that do something and are done. A [Runtime] runs components beside other things, in an actor
// system of your own if you like; procedures and topics can be served by actors of that system,
// see [Component.RegisterActor]. A [Router] needs no socket to be used by
// the components of the same process: [Router.Transport] connects them, and [Router.TransportAs]
// also gives them an identity. RealmConfig.Authorization says who may do what in a realm of it.
//
// A [Group] supervises components that depend on each other, and is run wherever a component is;
// [Config.Restart] has one started again that has ended. [Component.Prefix] mounts procedures and
// topics below a common URI, [Component.RegisterAll] takes the methods of an object.
//
// # Concurrency
//
// A Component, a Runtime and a Router may be used by any number of goroutines. Functions of the
// user never run on an actor: handlers of procedures run concurrently, those of one topic one after
// the other, and listeners in the order of what they listen to.
//
// # Errors
//
// Mistakes in a configuration or a declaration are reported before anything is started, all at
// once, and name the field or URI at fault. What a component ends with tells why: an
// [*supervisor.ExhaustedError] when no transport is left to try, an [*session.EndedError] in its
// chain when the router refused it for good. Package session has the errors of calls.
//
// # Supervision
//
// Components that run together do not affect each other: one that fails ends alone. Those of a
// [Group] share the fate that its strategy gives them. Failures are
// transient, permanent or bugs, see package supervisor, and each is answered by the policy for
// its kind. A panic in a handler is an error for the caller and an event, and nothing else.
package cloverleaf
