package actors

import (
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// large is a message that has a buffer of its own, on its way through a router. It travels
// beside the message, so that the session which copies the payload into its connection's
// buffer can give the memory back. Wherever it does not come along, for a message that is
// kept or goes to a pipe, the garbage collector does that.
type large struct {
	message protocol.Message // nil: there is none
	data    []byte
}

// is reports whether m is the message, or a copy of it.
func (l *large) is(m protocol.Message) bool {
	if l.message == nil || m == nil {
		return false
	}
	at := firstByte(payloadOf(m))
	return at != nil && at == firstByte(payloadOf(l.message))
}

// largeOf returns the one for m.
func largeOf(list []large, m protocol.Message) large {
	for _, l := range list {
		if l.message == m {
			return l
		}
	}
	return large{}
}

// recycle gives the memory of the message at hand back, if its payload is what was sent.
func (s *routerSession) recycle(sent protocol.Message) {
	if _, copied := s.out.(*frameOutlet); !copied || !s.large.is(sent) {
		return
	}
	transport.Recycle(s.large.data)
	s.large = large{}
}

// firstByte is where a payload lies.
func firstByte(p *protocol.Payload) *byte {
	switch {
	case p == nil:
		return nil
	case len(p.Args) > 0:
		return &p.Args[0]
	case len(p.KwArgs) > 0:
		return &p.KwArgs[0]
	default:
		return nil
	}
}
