package codec

import "github.com/cloverleaf-wamp/cloverleaf/protocol"

// Arena is memory for the messages of one batch: those that clients receive most, INVOCATION,
// RESULT and EVENT, and routers, CALL, YIELD and PUBLISH, which are then decoded without an
// allocation. The zero value is ready to use.
// It must not be used concurrently.
type Arena struct {
	invocations stock[protocol.Invocation]
	results     stock[protocol.Result]
	events      stock[protocol.Event]

	calls     stock[protocol.Call]
	yields    stock[protocol.Yield]
	publishes stock[protocol.Publish]
}

// Reset takes the memory of all messages back: nobody may refer to one any more. What their details
// and payloads point to is not touched.
func (a *Arena) Reset() {
	a.invocations.reset()
	a.results.reset()
	a.events.reset()
	a.calls.reset()
	a.yields.reset()
	a.publishes.reset()
}

// The following return memory for one message, of its own without an arena.

func (a *Arena) invocation() *protocol.Invocation {
	if a == nil {
		return new(protocol.Invocation)
	}
	return a.invocations.next()
}

func (a *Arena) result() *protocol.Result {
	if a == nil {
		return new(protocol.Result)
	}
	return a.results.next()
}

func (a *Arena) event() *protocol.Event {
	if a == nil {
		return new(protocol.Event)
	}
	return a.events.next()
}

func (a *Arena) call() *protocol.Call {
	if a == nil {
		return new(protocol.Call)
	}
	return a.calls.next()
}

func (a *Arena) yield() *protocol.Yield {
	if a == nil {
		return new(protocol.Yield)
	}
	return a.yields.next()
}

func (a *Arena) publish() *protocol.Publish {
	if a == nil {
		return new(protocol.Publish)
	}
	return a.publishes.next()
}

// maxStock is how many messages of a type an arena keeps.
const maxStock = 128

// stock is used and unused memory of one type.
type stock[T any] struct {
	items []*T
	used  int
}

func (s *stock[T]) next() *T {
	if s.used == len(s.items) {
		if s.used == maxStock {
			return new(T)
		}
		s.items = append(s.items, new(T))
	}
	s.used++
	return s.items[s.used-1]
}

func (s *stock[T]) reset() {
	var zero T
	for _, v := range s.items[:s.used] {
		*v = zero
	}
	s.used = 0
}
