// Package idtable is a map for what is open under identifiers that count up: requests, invocations.
//
// # Concurrency
//
// A [Table] belongs to one goroutine at a time.
package idtable
