// Package report says what a measurement under load has found: latencies with bounded error, counts of
// what went wrong, and what the generator itself has cost. A [Report] is written and read as JSON, shown
// as text, compared with others, and drawn.
//
// Nothing in it is safe for concurrent use while it is changed.
package report
