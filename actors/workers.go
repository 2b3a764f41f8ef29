package actors

import (
	"sync"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const (
	// maxIdleWorkers is how many goroutines a component keeps for handlers that may come.
	maxIdleWorkers = 256
	// idleWorkers is how long it keeps them without a handler.
	idleWorkers = time.Second
)

// job is what a worker does: serve an invocation, or empty a queue of events.
type job struct {
	handler *session.Function
	inv     *session.Invocation
	queue   *eventQueue
}

// workers are the goroutines that run the handlers of a component. They are used again because the
// stack of a fresh one has to grow before a handler has room, which costs more than most handlers
// do.
//
// No job waits for another one to end, and yet there is not one wake-up for each job: a worker that
// takes a job wakes one other if more are waiting, and that one does the same. Of a burst of short
// jobs the first worker has done most before the second one runs; a job that blocks holds up nobody.
type workers struct {
	c *client

	mu     sync.Mutex
	jobs   []job // from next on
	next   int
	coming bool      // a worker has been woken and has not looked yet
	idle   []*worker // the last one is the warmest
	used   bool      // since the timer was started
	timer  *time.Timer
	armed  bool
	closed bool
}

// worker is one goroutine, and how to wake it.
type worker struct{ wake chan struct{} } // capacity 1

// start has jobs done, and does not wait.
func (w *workers) start(jobs ...job) {
	w.mu.Lock()
	w.used = true
	w.jobs = append(w.jobs, jobs...)
	k := w.summon()
	w.mu.Unlock()
	w.rouse(k)
}

// summon returns the worker to wake, nil if none has to be. w.mu is held.
func (w *workers) summon() *worker {
	if w.coming || w.next == len(w.jobs) {
		return nil
	}
	w.coming = true
	n := len(w.idle)
	if n == 0 {
		return &worker{}
	}
	k := w.idle[n-1]
	w.idle[n-1] = nil
	w.idle = w.idle[:n-1]
	return k
}

func (w *workers) rouse(k *worker) {
	switch {
	case k == nil:
	case k.wake == nil:
		k.wake = make(chan struct{}, 1)
		go w.run(k)
	default:
		k.wake <- struct{}{}
	}
}

// run does jobs as long as there are some, and then waits to be woken. A handler that ends the
// goroutine ends nothing else.
func (w *workers) run(k *worker) {
	for woken := true; ; {
		j, other, found := w.take(k, woken)
		woken = false
		w.rouse(other)
		switch {
		case j.inv != nil:
			w.c.serve(j.handler, j.inv)
		case j.queue != nil:
			j.queue.run()
		case !found:
			return
		default:
			if _, woken = <-k.wake; !woken {
				return
			}
		}
	}
}

// take returns the next job, and the worker to wake for the one after that. Without a job it
// returns whether the worker is to wait for one.
func (w *workers) take(k *worker, woken bool) (j job, other *worker, wait bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if woken {
		w.coming = false
	}
	if w.next < len(w.jobs) {
		j = w.jobs[w.next]
		w.jobs[w.next] = job{}
		w.next++
		w.compact()
		return j, w.summon(), true
	}
	return job{}, nil, w.rest(k)
}

// compact keeps the memory of the jobs that are done from growing.
func (w *workers) compact() {
	const keep = 1024
	switch {
	case w.next == len(w.jobs) && cap(w.jobs) > keep:
		w.jobs, w.next = nil, 0
	case w.next == len(w.jobs):
		w.jobs, w.next = w.jobs[:0], 0
	case w.next >= keep && w.next >= len(w.jobs)/2:
		w.jobs = append([]job(nil), w.jobs[w.next:]...)
		w.next = 0
	}
}

// rest makes the worker an idle one, unless there are enough. w.mu is held.
func (w *workers) rest(k *worker) bool {
	if w.closed || len(w.idle) >= maxIdleWorkers {
		return false
	}
	w.idle = append(w.idle, k)
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(idleWorkers, w.trim)
	case !w.armed:
		w.timer.Reset(idleWorkers)
	}
	w.armed = true
	return true
}

// trim ends the workers that are idle if there was nothing to do for a while.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed = w.used && !w.closed; w.armed {
		w.used = false
		w.timer.Reset(idleWorkers)
		return
	}
	w.dismiss()
}

// close ends the idle workers, and each busy one when it is done. Jobs may be started
// nevertheless.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.dismiss()
}

func (w *workers) dismiss() {
	for _, k := range w.idle {
		close(k.wake)
	}
	w.idle = nil
}
