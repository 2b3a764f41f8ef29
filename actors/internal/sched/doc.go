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
// to grow. Nanoseconds, medians of five runs of the benchmarks here on two busy
// shared cores; ours without an allocation per message. A fan-out is counted per
// delivery, with a handler that needs 4 KiB of stack.
//
//	                                   sched   Proto.Actor
//	BenchmarkSend, 1 producer            110           167
//	BenchmarkSend, 8 producers           187           303
//	BenchmarkPingPong, one round trip    502          5700
//	BenchmarkChain4, one lap            1092         16403
//	BenchmarkPairs, one round trip       420          3484
//	BenchmarkFanOut1000                  419          1799
//
// # Who is woken
//
// Each of Go's processors has run queues of its own, a shard; a worker takes from that
// of the processor it runs on, and from others when that is empty, or now and then. One
// lock guards who is busy, idle and on the way. Whoever schedules or takes work looks at
// one atomic flag to learn that nobody has to be woken, and does not touch the lock then.
//
// Waking a goroutine costs a fraction of a microsecond, waking its thread several, so at
// most one worker is on its way at any time: until it has looked at the queues, more work
// wakes nobody, and a worker that returns earlier takes the work itself. A worker that
// finds more than it takes summons the next, so a fan-out spreads over all workers, while
// a lone conversation between actors mostly stays on one thread. If the present worker
// blocks instead, the Go scheduler runs the one on its way: no timer is needed as long as
// there are fewer busy workers than allowed.
//
// # Who is not woken
//
// A goroutine that reads a socket, posts what it read and reads again would go to sleep
// just when a worker wakes up for it. A [Helper] lets it take the worker's place, if no
// worker is busy, and run what it posted and what follows from that. What a guest's
// function schedules wakes nobody as long as it is one at a time: the guest is back
// before another thread would be here. If it is not, because the function blocks, the
// watchdog finds out, within 20 ms. A guest goes as soon as there is work for two; then
// it does not offer its help the next times either, so that under load everything is as
// if there were no guests. A guest yields before low-priority work only if others came
// to post while it was busy: yielding wakes the thread of an idle processor.
//
// # Blocking
//
// Blocking in Receive is a mistake, but no deadlock: while work waits and all
// workers are busy, a watchdog looks once per millisecond. A worker that is still
// in the function it was in at the last look loses its place to another one, and
// ends when it returns and finds its place taken. Workers known to be blocked slow
// nobody down; a whole crowd of blocking actors is let in at about one per worker
// and two milliseconds. Work that waits for one guest is looked after less often, because
// starting a timer wakes the thread that polls the network. When nothing waits, no timer runs and no goroutine is
// runnable.
package sched
