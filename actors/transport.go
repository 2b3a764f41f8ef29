package actors

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/actors/internal/sched"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
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
	// pong asks to answer a ping, whose payload is counted in the outflow.
	pong struct{ payload []byte }
	// allowPings says that the peer is known to answer pings.
	allowPings struct{}
	// readEnded says that the reader goroutine has ended.
	readEnded struct {
		err       error
		violation bool // the session actor knows, and sends an ABORT
		unread    bool // there may be input that was not read
	}
	// written says that the writer goroutine has ended.
	written struct{ err error }
	// keepaliveDue, stallDue and closeOverdue are timers.
	keepaliveDue struct{}
	stallDue     struct{}
	closeOverdue struct{}
)

// linkLost tells a session actor that its transport is gone. Everything that was read
// was posted before.
type linkLost struct {
	transport *actor.PID
	err       error
}

const (
	// writeStall is how long a peer may take to accept more bytes, unless configured.
	writeStall = 10 * time.Second
	// writeChunk is how much has to be accepted in that time.
	writeChunk = 16 << 10
	// pingText is what the payload of pings is made of.
	pingText = "cloverleaf "
)

// Close codes of RFC 6455, section 7.4.1.
const (
	closeNormal        = 1000
	closeGoingAway     = 1001
	closeProtocolError = 1002
	closeInternalError = 1011
)

// transportActor owns a connection: its outgoing bytes, keepalive and end.
type transportActor struct {
	cfg     transportConfig
	self    *actor.PID
	queue   []*buffer
	writing bool         // the writer goroutine owns the front of the queue
	added   int64        // bytes ever queued
	written atomic.Int64 // bytes ever taken by the kernel

	closing  *closeConn
	cause    error // why, if the peer closed first
	closed   bool  // everything was written after closing
	readDone bool
	linger   bool // there is unread input
	over     bool

	reads   atomic.Uint64
	seen    uint64 // reads at the last look
	pings   bool   // the peer answers pings
	ping    int64  // where a ping without an answer ends, as added; 0 is none
	alive   *time.Timer
	stall   *time.Timer
	moved   int64 // written at the last look of the stall timer
	movedAt time.Time
	overdue *time.Timer
}

type transportConfig struct {
	host    *Host
	conn    *transport.Conn
	owner   *actor.PID // session actor, told of messages and of the end
	in      *inflow
	out     *outflow
	options transport.Options // with defaults
	stall   time.Duration     // how long the peer may accept nothing; 0 is writeStall
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
	return cfg.host.lowProps(func() actor.Actor { return newTransportActor(cfg) })
}

func newTransportActor(cfg transportConfig) *transportActor {
	if cfg.stall == 0 {
		cfg.stall = writeStall
	}
	return &transportActor{cfg: cfg}
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
		t.pings = true // who sends pings knows them
		t.cfg.out.queued.Add(-int64(len(m.payload)))
		t.control(t.cfg.conn.Framing().AppendPong(nil, m.payload))
	case *allowPings:
		t.pings = true
	case *keepaliveDue:
		t.keepalive()
	case *stallDue:
		t.checkStall()
	case *closeConn:
		t.close(m)
	case *abandon:
		t.lost(m.err)
	case *readEnded:
		t.readEnded(m)
	case *closeOverdue:
		t.lost(t.cause)
	case *actor.Stopping:
		t.stop()
	}
}

// failed ends the connection after a panic of this actor.
func (t *transportActor) failed(_ actor.Context, err *supervisor.PanicError) {
	t.cfg.host.logger.Error("transport actor failed", slog.Any("reason", err), stackOf(err))
	t.lost(err)
}

func (t *transportActor) start(ctx actor.Context) {
	t.self = ctx.Self()
	t.pings = t.cfg.conn.Framing().Kind == transport.WebSocket
	r := &reader{
		host: t.cfg.host, conn: t.cfg.conn, decoder: codec.NewDecoder(t.cfg.conn.Serializer()),
		owner: t.cfg.owner, transport: t.self, flow: t.cfg.in, out: t.cfg.out, reads: &t.reads,
	}
	go r.run()
	if every := t.cfg.options.PingInterval; every > 0 {
		t.alive = t.after(every, &keepaliveDue{})
	}
}

// after has m posted to this actor.
func (t *transportActor) after(d time.Duration, m any) *time.Timer {
	host, self := t.cfg.host, t.self
	return time.AfterFunc(d, func() { host.send(self, m) })
}

// enqueue takes over a buffer, joining it to the last one if that is not being written.
func (t *transportActor) enqueue(b *buffer) {
	if t.over || t.closing != nil { // nothing may follow a close frame
		t.drop(b)
		return
	}
	t.added += int64(len(b.b))
	if n := len(t.queue); n > 0 && (n > 1 || !t.writing) {
		last := t.queue[n-1]
		if len(last.b)+len(b.b) <= flushSize {
			last.b = append(last.b, b.b...)
			last.owed = last.owed || b.owed
			b.free()
			return
		}
	}
	t.queue = append(t.queue, b)
	if len(t.queue) > 1 { // more than a write's worth is waiting
		t.write()
	}
}

// drop gives a buffer back that will not be written.
func (t *transportActor) drop(b *buffer) {
	t.cfg.out.queued.Add(-int64(len(b.rest())))
	b.free()
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
		b.off += n
		t.took(n)
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
	if len(t.queue) == 0 {
		t.closeWritten()
	}
}

// took counts n bytes as taken by the kernel. The writer goroutine calls it as well.
func (t *transportActor) took(n int) {
	t.cfg.out.queued.Add(-int64(n))
	t.written.Add(int64(n))
}

func (t *transportActor) pop() {
	b := t.queue[0]
	copy(t.queue, t.queue[1:])
	t.queue[len(t.queue)-1] = nil
	t.queue = t.queue[:len(t.queue)-1]
	b.free()
}

// writeBlocking has a goroutine write the front buffer. It ends with the buffer or with
// the connection; checkStall watches it meanwhile.
func (t *transportActor) writeBlocking() {
	t.writing = true
	t.moved, t.movedAt = t.written.Load(), time.Now()
	if t.stall == nil {
		t.stall = t.after(t.cfg.stall, &stallDue{})
	} else {
		t.stall.Reset(t.cfg.stall)
	}
	b, conn, host, self := t.queue[0], t.cfg.conn, t.cfg.host, t.self
	go func() {
		err := safely(func() error {
			for len(b.rest()) > 0 {
				n, err := conn.Write(b.rest()[:min(len(b.rest()), writeChunk)])
				b.off += n
				t.took(n)
				if err != nil {
					return err
				}
			}
			return nil
		})
		host.send(self, &written{err: err})
	}()
}

func (t *transportActor) wrote(m *written) {
	t.writing = false
	switch {
	case t.over:
		t.release()
	case m.err != nil:
		t.lost(m.err)
	default:
		t.pop()
		t.write()
	}
}

// checkStall gives up a peer that has accepted nothing for the time configured, unless
// only events wait and the realm's policy is to drop those.
func (t *transportActor) checkStall() {
	if !t.writing || t.over {
		return
	}
	now := time.Now()
	if n := t.written.Load(); n != t.moved {
		t.moved, t.movedAt = n, now
	}
	left := t.cfg.stall - now.Sub(t.movedAt)
	if left <= 0 {
		if !t.cfg.out.patient.Load() || t.owes() {
			t.lost(ErrSlowConsumer)
			return
		}
		left = t.cfg.stall
	}
	t.stall.Reset(left)
}

// owes reports whether something waits that must not be dropped.
func (t *transportActor) owes() bool {
	for _, b := range t.queue {
		if b.owed {
			return true
		}
	}
	return false
}

// keepalive pings a peer that was silent for an interval, and gives it up when it is
// silent for the timeout after that. A reader that is paused says nothing of the peer,
// and a ping that is not written yet cannot be answered: there checkStall decides.
// Over RawSocket only those peers are pinged that are known to answer: Autobahn|Python
// and Crossbar.io drop the connection instead. The others have the keepalive of TCP.
func (t *transportActor) keepalive() {
	if t.over {
		return
	}
	reads := t.reads.Load()
	silent := reads == t.seen && !t.cfg.in.blocked() && t.pings
	t.seen = reads
	switch {
	case !silent:
		t.ping = 0
		t.alive.Reset(t.cfg.options.PingInterval)
	case t.ping == 0:
		t.control(t.cfg.conn.Framing().AppendPing(nil, pingPayload(t.cfg.options.PingSize)))
		t.ping = t.added
		t.alive.Reset(t.cfg.options.PingTimeout)
	case t.written.Load() < t.ping:
		t.alive.Reset(t.cfg.options.PingTimeout)
	default:
		t.lost(ErrPingTimeout)
	}
}

func pingPayload(size int) []byte {
	return bytes.Repeat([]byte(pingText), size/len(pingText)+1)[:size]
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
	t.overdue = t.after(t.cfg.stall+t.cfg.options.CloseTimeout, &closeOverdue{})
}

// closeWritten goes on with the end once everything is written: the peer, which has
// the last message now, closes, or we do after a while. Closing at once could make the
// kernel throw away what the peer has not read yet.
func (t *transportActor) closeWritten() {
	if t.closing == nil || t.closed || t.over {
		return
	}
	t.closed = true
	if t.readDone && !t.linger {
		t.lost(t.cause)
		return
	}
	t.overdue.Reset(t.cfg.options.CloseTimeout)
}

func (t *transportActor) readEnded(m *readEnded) {
	if t.over {
		return
	}
	t.readDone, t.linger = true, m.unread
	switch {
	case t.closing != nil:
		if t.closed && !t.linger {
			t.lost(nil)
		}
	case m.violation:
		// The session actor answers with ABORT and closeConn.
	default:
		t.closedByPeer(m.err)
	}
}

// closedByPeer ends a connection that the peer has closed. A close frame is answered by
// one, behind what is queued (RFC 6455, section 5.5.1), if the peer takes that soon.
func (t *transportActor) closedByPeer(err error) {
	code := transport.CloseCode(err)
	if closed, ok := errors.AsType[*transport.CloseError](err); ok && errors.Is(closed, io.EOF) {
		t.cause = err
		t.close(&closeConn{code: code})
		t.overdue.Reset(t.cfg.options.CloseTimeout)
		t.write()
		return
	}
	if frame := t.cfg.conn.Framing().AppendClose(nil, code, ""); len(frame) > 0 && len(t.queue) == 0 && t.cfg.conn.CanTryWrite() {
		_, _ = t.cfg.conn.TryWrite(frame) // a courtesy: the connection is over
	}
	t.lost(err)
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
	if conn := t.cfg.conn; conn.CanTryWrite() {
		_ = conn.Close()
	} else {
		go func() { _ = conn.Close() }() // TLS says something first
	}
	close(t.cfg.in.done)
	for _, timer := range []*time.Timer{t.alive, t.stall, t.overdue} {
		if timer != nil {
			timer.Stop()
		}
	}
	if !t.writing { // else the goroutine still holds the front buffer
		t.release()
	}
}

// release gives back what was not written.
func (t *transportActor) release() {
	for _, b := range t.queue {
		t.drop(b)
	}
	t.queue = nil
}
