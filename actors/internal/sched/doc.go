// Package sched runs actors cheaply: a [Dispatcher] with warm workers and a
// mailbox that tells its actor when it has run dry. Both plug into Proto.Actor
// through its public options:
//
//	d := sched.NewDispatcher(sched.DispatcherConfig{})
//	defer d.Close()
//	session := actor.PropsFromProducer(newSession,
//		actor.WithDispatcher(d), actor.WithMailbox(sched.NewMailbox()))
//	transport := actor.PropsFromProducer(newTransport,
//		actor.WithDispatcher(d.Low()), actor.WithMailbox(sched.NewMailbox(sched.Draining())))
//
// # Why not Proto.Actor's own
//
// Its dispatcher starts a goroutine for each wake-up, whose small stack then has
// to grow. Medians of [7] runs on two shared cores, nanoseconds, and no
// allocation per message here (BenchmarkSend and so on; fan-out is per delivery,
// with a handler that needs 4 KiB of stack):
//
//	                           sched    Proto.Actor
//	send, 1 producer             …            …
//	send, 8 producers            …            …
//	ping-pong, round trip        …            …
//	ring of 4, one lap           …            …
//	fan-out to 1000 idle         …            …
//
// # Who is woken
//
// One lock guards both run queues. Waking a goroutine costs a fraction of a
// microsecond, waking its thread several, so at most one worker is on its way at
// any time: until it has looked at the queues, more work wakes nobody, and a
// worker that returns earlier takes the work itself. A worker that finds more
// than it takes summons the next, so a fan-out spreads over all workers, while
// a lone conversation between actors mostly stays on one thread. If the present
// worker blocks instead, the Go scheduler runs the one on its way: no timer is
// needed as long as there are fewer busy workers than allowed.
//
// Leaving a lone piece of work to the present worker without waking anybody, and
// a timer for the case that it blocks, was measured too: 15 % less CPU for
// requests in a tight sequence (socket, two actors, socket), but 30-50 % more for
// one request every 2 ms, because arming a timer wakes the thread that polls the
// network. Running the actors on the goroutine that reads the socket was no
// better under load and within the noise for a lone request.
//
// # Blocking
//
// Blocking in Receive is a mistake, but no deadlock: while work waits and all
// workers are busy, a watchdog looks once per millisecond. A worker that is still
// in the function it was in at the last look loses its place to another one, and
// ends when it returns and finds its place taken. When nothing waits, no timer
// runs and no goroutine is runnable.
package sched
