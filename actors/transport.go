package actors

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Errors that end a connection from this side.
var (
	// ErrPingTimeout says that the peer did not answer a ping in time.
	ErrPingTimeout = errors.New("actors: no sign of life after a ping")
	// ErrSlowConsumer says that the peer did not read what was sent to it.
	ErrSlowConsumer = errors.New("actors: peer does not read what is sent to it")
)

// Messages to a transport actor, besides *buffer.
type (
	// closeConn asks to write what is queued and close the connection.
	closeConn struct {
		code   int
		reason string
	}
	// abandon asks to close the connection at once.
	abandon struct{ err error }
	// pong asks to answer a ping.
	pong struct{ payload []byte }
	// allowPings says that the peer is known to answer pings.
	allowPings struct{}
	// readEnded says that the reader goroutine has ended.
	readEnded struct {
		err       error
		violation bool // the session actor knows, and sends an ABORT
	}
	// written says that the writer goroutine has ended.
	written struct{ err error }
	// keepaliveDue and closeOverdue are timers.
	keepaliveDue struct{}
	closeOverdue struct{}
)

// linkLost tells a session actor that its transport is gone. Everything that was read
// was posted before.
type linkLost struct {
	transport *actor.PID
	err       error
}

const (
	// writeStall is how long a peer may take to accept more bytes.
	writeStall = 10 * time.Second
	// closeWait is how long a peer may take to close after we asked it to.
	closeWait = time.Second
)

// transportActor owns a connection: its outgoing bytes, keepalive and end.
type transportActor struct {
	cfg      transportConfig
	self     *actor.PID
	queue    []*buffer
	writing  bool // the writer goroutine owns the front of the queue
	closing  *closeConn
	readDone bool
	over     bool
	reads    atomic.Uint64
	seen     uint64 // reads at the last look
	pingable bool   // the peer answers pings
	pinged   bool
	alive    *time.Timer
	overdue  *time.Timer
}

type transportConfig struct {
	host    *Host
	conn    *transport.Conn
	owner   *actor.PID // session actor, told of messages and of the end
	in      *inflow
	out     *outflow
	options transport.Options // with defaults
}

// Agent is what clients and routers of this module announce. Peers whose agent starts
// with it are known to answer RawSocket pings.
const Agent = "cloverleaf"

// announcePings tells the transport actor, if there is one, what the peer's agent says.
func announcePings(h *Host, transport *actor.PID, agent string) {
	if transport != nil && strings.HasPrefix(agent, Agent) {
		h.send(transport, &allowPings{})
	}
}

func transportProps(cfg transportConfig) *actor.Props {
	return cfg.host.lowProps(func() actor.Actor { return &transportActor{cfg: cfg} })
}

// Receive implements actor.Actor.
func (t *transportActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		t.start(ctx)
	case *buffer:
		t.enqueue(m)
	case *sched.Drained:
		t.write()
	case *written:
		t.wrote(m)
	case *pong:
		t.pingable = true // who sends pings knows them
		t.control(t.cfg.conn.Framing().AppendPong(nil, m.payload))
	case *allowPings:
		t.pingable = true
	case *keepaliveDue:
		t.keepalive()
	case *closeConn:
		t.close(m)
	case *abandon:
		t.lost(m.err)
	case *readEnded:
		t.readEnded(m)
	case *closeOverdue:
		t.lost(nil)
	case *actor.Stopping:
		t.stop()
	}
}

func (t *transportActor) start(ctx actor.Context) {
	t.self = ctx.Self()
	t.pingable = t.cfg.conn.Framing().Kind == transport.WebSocket
	r := &reader{
		host: t.cfg.host, conn: t.cfg.conn, decoder: codec.NewDecoder(t.cfg.conn.Serializer()),
		owner: t.cfg.owner, transport: t.self, flow: t.cfg.in, reads: &t.reads,
	}
	go r.run()
	if every := t.cfg.options.PingInterval; every > 0 {
		t.alive = time.AfterFunc(every, func() { t.cfg.host.send(t.self, &keepaliveDue{}) })
	}
}

// enqueue takes over a buffer, joining it to the last one if that is not being written.
func (t *transportActor) enqueue(b *buffer) {
	if t.over {
		b.free()
		return
	}
	if n := len(t.queue); n > 0 && (n > 1 || !t.writing) {
		last := t.queue[n-1]
		if len(last.b)+len(b.b) <= flushSize {
			last.b = append(last.b, b.b...)
			b.free()
			return
		}
	}
	t.queue = append(t.queue, b)
	if len(t.queue) > 1 { // more than a write's worth is waiting
		t.write()
	}
}

func (t *transportActor) control(frame []byte) {
	b := newBuffer()
	b.b = append(b.b, frame...)
	t.cfg.out.queued.Add(int64(len(frame)))
	t.enqueue(b)
}

// write writes as much as the kernel takes. What it does not take at once is left to a
// goroutine, so that the actor goes on.
func (t *transportActor) write() {
	for len(t.queue) > 0 && !t.writing && !t.over {
		if !t.cfg.conn.CanTryWrite() {
			t.writeBlocking()
			return
		}
		b := t.queue[0]
		n, err := t.cfg.conn.TryWrite(b.rest())
		t.cfg.out.queued.Add(-int64(n))
		b.off += n
		if err != nil {
			t.lost(err)
			return
		}
		if len(b.rest()) > 0 {
			t.writeBlocking()
			return
		}
		t.pop()
	}
	t.closeWritten()
}

func (t *transportActor) pop() {
	b := t.queue[0]
	copy(t.queue, t.queue[1:])
	t.queue[len(t.queue)-1] = nil
	t.queue = t.queue[:len(t.queue)-1]
	b.free()
}

// writeBlocking has a goroutine write the front buffer. It ends with the buffer, with
// the connection, or when the peer accepts nothing for writeStall.
func (t *transportActor) writeBlocking() {
	t.writing = true
	b, conn, host, self, out := t.queue[0], t.cfg.conn, t.cfg.host, t.self, t.cfg.out
	go func() {
		for len(b.rest()) > 0 {
			chunk := b.rest()[:min(len(b.rest()), flushSize)]
			err := conn.SetWriteDeadline(time.Now().Add(writeStall))
			if err == nil {
				var n int
				n, err = conn.Write(chunk)
				b.off += n
				out.queued.Add(-int64(n))
			}
			if err != nil {
				host.send(self, &written{err: err})
				return
			}
		}
		host.send(self, &written{})
	}()
}

func (t *transportActor) wrote(m *written) {
	t.writing = false
	switch {
	case t.over:
	case m.err != nil && isTimeout(m.err):
		t.lost(errors.Join(ErrSlowConsumer, m.err))
	case m.err != nil:
		t.lost(m.err)
	default:
		t.pop()
		t.write()
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// keepalive pings a peer that was silent for an interval, and gives it up when it is
// silent for the timeout after that. A reader that is paused says nothing of the peer.
// Over RawSocket only those peers are pinged that are known to answer: Autobahn|Python
// and Crossbar.io drop the connection instead. The others have the keepalive of TCP.
func (t *transportActor) keepalive() {
	if t.over {
		return
	}
	reads := t.reads.Load()
	silent := reads == t.seen && !t.cfg.in.blocked() && t.pingable
	t.seen = reads
	if !silent {
		t.pinged = false
		t.alive.Reset(t.cfg.options.PingInterval)
		return
	}
	if t.pinged {
		t.lost(ErrPingTimeout)
		return
	}
	t.pinged = true
	t.control(t.cfg.conn.Framing().AppendPing(nil, []byte("cloverleaf")))
	t.alive.Reset(t.cfg.options.PingTimeout)
}

// close begins the orderly end: what is queued, a close frame, and then the peer's
// turn to close.
func (t *transportActor) close(m *closeConn) {
	if t.closing != nil || t.over {
		return
	}
	if frame := t.cfg.conn.Framing().AppendClose(nil, m.code, m.reason); len(frame) > 0 {
		t.control(frame)
	}
	t.closing = m
	t.overdue = time.AfterFunc(writeStall+closeWait, func() { t.cfg.host.send(t.self, &closeOverdue{}) })
}

// closeWritten goes on with the end once everything is written: the peer, which has
// the last message now, closes, or we do after a while. Closing at once could make the
// kernel throw away what the peer has not read yet.
func (t *transportActor) closeWritten() {
	if t.closing == nil || t.over {
		return
	}
	if t.readDone {
		t.lost(nil)
		return
	}
	t.overdue.Reset(closeWait)
}

func (t *transportActor) readEnded(m *readEnded) {
	if t.over {
		return
	}
	t.readDone = true
	switch {
	case t.closing != nil:
		if len(t.queue) == 0 {
			t.lost(nil)
		}
	case m.violation:
		// The session actor answers with ABORT and closeConn.
	default:
		code := transport.CloseCode(m.err)
		if frame := t.cfg.conn.Framing().AppendClose(nil, code, ""); len(frame) > 0 && len(t.queue) == 0 && t.cfg.conn.CanTryWrite() {
			_, _ = t.cfg.conn.TryWrite(frame) // a courtesy: the connection is over
		}
		t.lost(m.err)
	}
}

// lost ends the connection, for a reason or in order, and tells the session actor.
func (t *transportActor) lost(err error) {
	if t.over {
		return
	}
	t.stop()
	t.cfg.host.send(t.cfg.owner, &linkLost{transport: t.self, err: err})
}

// stop gives everything up. It may be called more than once.
func (t *transportActor) stop() {
	if t.over {
		return
	}
	t.over = true
	_ = t.cfg.conn.Close()
	close(t.cfg.in.done)
	if t.alive != nil {
		t.alive.Stop()
	}
	if t.overdue != nil {
		t.overdue.Stop()
	}
	if !t.writing { // else the goroutine still holds the front buffer
		for _, b := range t.queue {
			b.free()
		}
	}
	t.queue = nil
}
