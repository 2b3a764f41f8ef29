// Package load puts a WAMP router under load and measures what comes of it. It is what the command
// cloverleaf bench runs; package report says what is found.
//
// A run connects everything, warms up, measures for a while, waits for what is under way, and leaves.
// Every call and event carries who sent it and a number, so that what is lost, comes again or comes in
// another order is noticed. Connections are components without retries: one that breaks is an error.
//
// With a rate an operation begins when it is due, however long the earlier ones take, and its latency
// counts from then: a router that stops for a second delays all that was due in it, as it would delay
// clients that do not know of each other.
package load
