// Package bench measures the module from outside: the codecs, a call and an event through
// the whole stack within a process and over loopback, coming back after a restart, and what
// a component costs to have.
//
// README.md says how to run the benchmarks and what each number means.
package bench
