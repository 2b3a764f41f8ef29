// Package examples builds and runs the example programs, for tests. README.md lists them.
//
// # Usage
//
// [Cases] is the table of what the programs are expected to do. [Build] makes one binary of all of
// them, because linking each would take a minute, and [Case.Run] plays a case with it, against any
// router:
//
//	binary, err := examples.Build(ctx, dir)
//	...
//	err = c.Run(ctx, binary, examples.Setup{URL: url, Realm: "realm1"})
//
// # Concurrency
//
// Everything may be called by any goroutine. Cases that run at the same time need a realm each,
// because several of them use the same URIs.
package examples
