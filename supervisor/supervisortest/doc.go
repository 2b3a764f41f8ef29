// Package supervisortest helps to test code that supervises actors.
//
// A [Crasher] is a child that fails when and how the test wants, keeps a record of its starts,
// and fails the test if it is ever started twice at once: the one mistake that a supervisor
// must not make, and that its other effects hide well.
package supervisortest
