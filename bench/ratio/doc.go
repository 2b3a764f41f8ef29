// Command ratio measures what docs/performance.md shows: what a call, an event, a session
// cost the daemon, beside what they cost the floor, which is a toy switch that does only
// the unavoidable. Both get the same load from wampload, a load generator that has the
// floor as one of its modes, in turn and each time in a fresh process, so that what
// disturbs the machine disturbs both.
//
//	go run ./bench/ratio -wampload PATH
//
// It prints tables in Markdown, and exits with 1 if anything was lost, failed or came out
// of order in any run. It reads /proc, so it works on Linux only.
package main
