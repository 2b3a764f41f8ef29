// Package example has what the examples share, so that each of them shows only what it is about:
// the flags that say where the router is, and what becomes of an error.
package example
