// Package settings reads documents of settings, in YAML or JSON, without losing anything on the way: each value knows its
// path in the document, so that a mistake can be named; integers stay integers; keys that are there twice, or that nobody
// asked for, are mistakes. All mistakes of a document are reported at once.
//
// # Usage
//
// Parse a document, take it apart with the methods of [Value], and ask for its [Value.Err] in the end. A method that finds a
// value of the wrong kind notes that, and returns a zero value. No text of a mistake contains a value, but for those of
// [Value.OneOf] and [Value.Errorf], which quote what they are given.
//
// # Concurrency
//
// A document belongs to one goroutine.
package settings
