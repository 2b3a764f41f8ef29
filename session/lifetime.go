package session

import (
	"context"
	"sync"
	"time"
)

// lifetime is the context of an invocation. It differs from what context.WithCancel makes in that
// it is part of the invocation and costs no allocation unless somebody waits for its end: most
// handlers return before they look at their context.
//
// Its parent is the context of the session, but only for values: the machine ends the contexts of
// all invocations when the session ends.
type lifetime struct {
	sess *Session

	mu     sync.Mutex
	cause  error         // why it has ended
	done   chan struct{} // made when first asked for
	afters map[*func()]struct{}
}

// Deadline implements context.Context.
func (l *lifetime) Deadline() (time.Time, bool) { return l.sess.ctx.Deadline() }

// Done implements context.Context.
func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.cause != nil {
			close(l.done)
		}
	}
	return l.done
}

// Err implements context.Context.
func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context.
func (l *lifetime) Value(key any) any { return l.sess.ctx.Value(key) }

// AfterFunc calls f on its own goroutine once the context has ended. Package context looks for
// this method: without it, a context derived from this one would cost a goroutine.
func (l *lifetime) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		go f()
		return func() bool { return false }
	}
	if l.afters == nil {
		l.afters = make(map[*func()]struct{})
	}
	key := &f
	l.afters[key] = struct{}{}
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, pending := l.afters[key]
		delete(l.afters, key)
		return pending
	}
}

// end ends the context, once.
func (l *lifetime) end(cause error) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	if l.done != nil {
		close(l.done)
	}
	afters := l.afters
	l.afters = nil
	l.mu.Unlock()
	for f := range afters {
		go (*f)()
	}
}

// reason returns why the context ended, and nil while it has not: context.Cause knows only
// contexts of its own package.
func (l *lifetime) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}
