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
	handler session.InvocationHandler
	inv     *session.Invocation
	queue   *eventQueue
}

// workers are the goroutines that run the handlers of a component, as many as there are handlers
// running. They are used again because the stack of a fresh one has to grow before a handler has
// room, which costs more than most handlers do.
type workers struct {
	c *client

	mu     sync.Mutex
	idle   []*worker // the last one is the warmest
	used   bool      // since the timer was started
	timer  *time.Timer
	armed  bool
	closed bool
}

// worker is one goroutine, and where it gets its next job.
type worker struct{ jobs chan job } // capacity 1

// start has a job done, and does not wait.
func (w *workers) start(j job) {
	w.mu.Lock()
	w.used = true
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		k := &worker{jobs: make(chan job, 1)}
		go w.run(k, j)
		return
	}
	k := w.idle[n-1]
	w.idle[n-1] = nil
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	k.jobs <- j
}

// run does jobs until nobody has any. A handler that ends the goroutine ends nothing else.
func (w *workers) run(k *worker, j job) {
	for ok := true; ok; j, ok = <-k.jobs {
		if j.queue != nil {
			j.queue.run()
		} else {
			w.c.serve(j.handler, j.inv)
		}
		j = job{}
		if !w.rest(k) {
			return
		}
	}
}

// rest reports whether the worker is to wait for another job.
func (w *workers) rest(k *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
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
		close(k.jobs)
	}
	w.idle = nil
}
