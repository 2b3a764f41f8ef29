package actors

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// owner is a session actor that only notes what its transport tells it.
type owner struct {
	mu     sync.Mutex
	msgs   []protocol.Message
	wrong  error
	lost   *linkLost
	losses int
	keep   bool // batches are not given back
	quit   bool // ends its goroutine when it gets a batch
	gone   chan struct{}
}

// Receive implements actor.Actor.
func (o *owner) Receive(ctx actor.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m := ctx.Message().(type) {
	case *inbound:
		o.msgs = append(o.msgs, m.msgs...)
		if m.err != nil {
			o.wrong = m.err
		}
		if !o.keep {
			m.free()
		}
		if o.quit {
			runtime.Goexit()
		}
	case *linkLost:
		o.lost = m
		if o.losses++; o.losses == 1 {
			close(o.gone)
		}
	}
}

func (o *owner) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost == nil {
		return nil
	}
	return o.lost.err
}

// wire is a transport actor over a pipe of bytes, with its peer's end.
type wire struct {
	t     *testing.T
	host  *Host
	owner *owner
	pid   *actor.PID // of the transport actor
	in    *inflow
	out   *outflow
	peer  net.Conn
}

// newWire spawns a transport actor on a RawSocket connection without a network, so that
// a test can run in a bubble.
func newWire(t *testing.T, options transport.Options, stall time.Duration) *wire {
	t.Helper()
	near, far := net.Pipe()
	go func() { // the server's side of the handshake
		var b [4]byte
		_, _ = io.ReadFull(far, b[:])
		_, _ = far.Write(b[:])
	}()
	conn, err := transport.Dial(t.Context(), transport.ClientConfig{
		URL: "rs://peer:1", Serializers: []protocol.Serializer{protocol.MessagePack}, DialContext: dialer(near),
	})
	require.NoError(t, err)
	w := &wire{
		t: t, host: NewHost(HostConfig{}), owner: &owner{gone: make(chan struct{})},
		in: newInflow(1 << 10), out: new(outflow), peer: far,
	}
	session := w.host.system.Root.Spawn(w.host.rootProps(func() actor.Actor { return w.owner }))
	w.pid = w.host.system.Root.Spawn(transportProps(transportConfig{
		host: w.host, conn: conn, owner: session, in: w.in, out: w.out, options: options.WithDefaults(), stall: stall,
	}))
	return w
}

// end stops everything, as a bubble wants.
func (w *wire) end() {
	w.host.system.Root.Stop(w.pid)
	_ = w.peer.Close()
	<-time.After(2 * time.Second) // the actor system notes late messages for a second
	w.host.Close()
	synctest.Wait()
}

// post sends frames as a session actor does.
func (w *wire) post(frames []byte, owed bool) {
	b := newBuffer()
	b.b = append(b.b, frames...)
	b.owed = owed
	w.out.queued.Add(int64(len(frames)))
	w.host.send(w.pid, b)
}

// answerPings reads, and writes a pong for every ping, until the end.
func (w *wire) answerPings(count *int) {
	var h [4]byte
	for {
		if _, err := io.ReadFull(w.peer, h[:]); err != nil {
			return
		}
		body := make([]byte, h[3])
		if _, err := io.ReadFull(w.peer, body); err != nil {
			return
		}
		if h[0] == 1 {
			*count++
			h[0] = 2
			if _, err := w.peer.Write(append(h[:], body...)); err != nil {
				return
			}
		}
	}
}

func TestTransportKeepalive(t *testing.T) {
	t.Parallel()
	options := transport.Options{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}
	for name, run := range map[string]func(t *testing.T, w *wire){
		"answered": func(t *testing.T, w *wire) {
			t.Helper()
			pings := 0
			go w.answerPings(&pings)
			w.host.send(w.pid, &allowPings{})
			<-time.After(5 * time.Minute)
			synctest.Wait()
			require.NoError(t, w.owner.err())
			require.Equal(t, 7, pings) // at 30 s, then 30 s after each look at the answer
		},
		"not answered": func(t *testing.T, w *wire) {
			t.Helper()
			go func() { _, _ = io.Copy(io.Discard, w.peer) }()
			w.host.send(w.pid, &allowPings{})
			start := time.Now()
			<-w.owner.gone
			require.ErrorIs(t, w.owner.err(), ErrPingTimeout)
			require.Equal(t, 40*time.Second, time.Since(start))
		},
		"not known to answer": func(t *testing.T, w *wire) {
			t.Helper()
			pings := 0
			go w.answerPings(&pings)
			<-time.After(time.Hour)
			synctest.Wait()
			require.NoError(t, w.owner.err())
			require.Zero(t, pings)
		},
		"reader paused": func(t *testing.T, w *wire) {
			t.Helper()
			go func() { _, _ = io.Copy(io.Discard, w.peer) }()
			w.host.send(w.pid, &allowPings{})
			w.in.pause()
			<-time.After(time.Hour)
			synctest.Wait()
			require.NoError(t, w.owner.err())
			w.in.resume()
			<-w.owner.gone // and now it counts
			require.ErrorIs(t, w.owner.err(), ErrPingTimeout)
		},
		"ping not written yet": func(t *testing.T, w *wire) {
			t.Helper()
			w.host.send(w.pid, &allowPings{})
			w.post(make([]byte, 1<<20), true)
			slow := make([]byte, writeChunk)
			for range 1 << 20 / writeChunk { // far longer than the ping may take, but always some progress
				<-time.After(5 * time.Second)
				_, err := io.ReadFull(w.peer, slow)
				require.NoError(t, err)
			}
			require.NoError(t, w.owner.err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, options, 0)
				defer w.end()
				run(t, w)
			})
		})
	}
}

func TestTransportStall(t *testing.T) {
	t.Parallel()
	const clock = 7 * time.Second
	never := transport.Options{PingInterval: -1}
	for name, c := range map[string]struct {
		patient, owed bool
		lost          bool
	}{
		"impatient":           {false, false, true},
		"patient":             {true, false, false},
		"patient, but a call": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, never, clock)
				defer w.end()
				w.out.patient.Store(c.patient)
				w.post(make([]byte, 100<<10), false)
				w.post(make([]byte, 100), c.owed)
				start := time.Now()
				if c.lost {
					<-w.owner.gone
					require.ErrorIs(t, w.owner.err(), ErrSlowConsumer)
					require.Equal(t, clock, time.Since(start))
					return
				}
				<-time.After(time.Hour)
				synctest.Wait()
				require.NoError(t, w.owner.err())
				_, err := io.CopyN(io.Discard, w.peer, 100<<10+100)
				require.NoError(t, err)
				synctest.Wait()
				require.Zero(t, w.out.queued.Load())
			})
		})
	}
}

// Everything that was queued is written before the connection is closed, and nothing
// that comes later.
func TestTransportClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 0)
		defer w.end()
		w.post([]byte("last words"), true)
		w.host.send(w.pid, &closeConn{})
		w.post([]byte("too late"), true)
		w.host.send(w.pid, &pong{})
		start := time.Now()
		all, err := io.ReadAll(w.peer) // the peer never closes by itself
		require.NoError(t, err)
		require.Equal(t, "last words", string(all))
		require.Equal(t, transport.DefaultCloseTimeout, time.Since(start))
		<-w.owner.gone
		require.NoError(t, w.owner.err())
		synctest.Wait()
		require.Zero(t, w.out.queued.Load())
	})
}

// How long a peer may take to close, and how much a ping carries, are options.
func TestTransportOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: time.Minute, PingSize: 25, CloseTimeout: 7 * time.Second}, 0)
		defer w.end()
		w.host.send(w.pid, &allowPings{})
		ping := make([]byte, 4+25)
		_, err := io.ReadFull(w.peer, ping)
		require.NoError(t, err)
		require.Equal(t, "\x01\x00\x00\x19cloverleaf cloverleaf clo", string(ping))
		w.host.send(w.pid, &closeConn{})
		start := time.Now()
		rest, err := io.ReadAll(w.peer)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, 7*time.Second, time.Since(start))
		<-w.owner.gone
	})
}

// A peer that goes on sending pings does not put off the end.
func TestTransportCloseWithChattyPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 0)
		defer w.end()
		go func() { _, _ = io.Copy(io.Discard, w.peer) }()
		var chatter sync.WaitGroup
		chatter.Go(func() {
			for {
				if _, err := w.peer.Write([]byte("\x01\x00\x00\x01x")); err != nil {
					return
				}
				<-time.After(100 * time.Millisecond)
			}
		})
		w.host.send(w.pid, &closeConn{})
		start := time.Now()
		<-w.owner.gone
		require.Equal(t, transport.DefaultCloseTimeout, time.Since(start))
		chatter.Wait()
	})
}

// A peer that neither reads nor closes does not keep a closing connection.
func TestTransportCloseWithStalledPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 5*time.Second)
		defer w.end()
		w.post(make([]byte, 100), true)
		w.host.send(w.pid, &closeConn{})
		start := time.Now()
		<-w.owner.gone
		require.LessOrEqual(t, time.Since(start), 5*time.Second+transport.DefaultCloseTimeout)
		synctest.Wait()
		require.Zero(t, w.out.queued.Load())
		require.Equal(t, 1, w.owner.losses)
	})
}

// A panic of the actor ends its connection.
func TestTransportPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 0)
		defer w.end()
		w.host.send(w.pid, (*pong)(nil))
		<-w.owner.gone
		require.ErrorContains(t, w.owner.err(), "nil pointer")
		_, err := w.peer.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

// What cannot be decoded is reported once; the rest is read and thrown away.
func TestTransportViolation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 0)
		defer w.end()
		goodbye := "\x00\x00\x00\x06\x93\x06\x80\xa2ok" // [6, {}, "ok"]
		_, err := io.WriteString(w.peer, goodbye+"\x00\x00\x00\x01\xc1"+goodbye+"\x00\x00\x00\x01\xc1")
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, w.owner.msgs, 1)
		require.True(t, violation(w.owner.wrong))
		require.Equal(t, 1002, closeCode(w.owner.wrong))
		_, err = io.WriteString(w.peer, goodbye)
		require.NoError(t, err)
		require.NoError(t, w.peer.Close())
		synctest.Wait()
		require.Len(t, w.owner.msgs, 1)
		require.NoError(t, w.owner.err()) // the session is to say ABORT
		require.Zero(t, w.owner.losses)
		w.host.send(w.pid, &closeConn{})
		<-w.owner.gone
		require.Zero(t, w.in.pending.Load())
	})
}

// The reader stops above the limit, and goes on when the session has caught up.
func TestTransportInflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{PingInterval: -1}, 0)
		defer w.end()
		w.owner.keep = true
		goodbye := []byte("\x00\x00\x00\x06\x93\x06\x80\xa2ok")
		wrote := make(chan int)
		go func() {
			n := 0
			for range 1000 {
				if _, err := w.peer.Write(goodbye); err != nil {
					break
				}
				n++
			}
			wrote <- n
		}()
		synctest.Wait()
		require.True(t, w.in.blocked())
		require.Less(t, len(w.owner.msgs), 40) // 1 KiB of 70 bytes each, and a read more
		w.owner.mu.Lock()
		w.owner.keep = false
		w.owner.mu.Unlock()
		w.in.release(int(w.in.pending.Load()))
		require.Equal(t, 1000, <-wrote)
		synctest.Wait()
		require.Len(t, w.owner.msgs, 1000)
		require.Zero(t, w.in.pending.Load())
	})
}

// Whoever waits when the connection ends is let go.
func TestInflowEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInflow(10)
		f.take(11)
		ended := make(chan error, 1)
		go func() { ended <- f.wait() }()
		synctest.Wait()
		require.Empty(t, ended)
		close(f.done)
		require.ErrorIs(t, <-ended, errFlowClosed)
	})
}

// Releasing and waiting at the same time loses no wake-up.
func TestInflowWakeUps(t *testing.T) {
	t.Parallel()
	f := newInflow(0) // one at a time: each release has to wake the reader
	const n = 100_000
	var reader sync.WaitGroup
	reader.Go(func() {
		for i := range n {
			f.take(1)
			for range i % 64 { // so that the release comes at every point of wait
				_ = f.pending.Load()
			}
			if f.wait() != nil {
				return
			}
		}
	})
	released, seen, deadline := 0, 0, time.Now().Add(testPatience)
	for spins := 0; released < n; spins++ {
		if f.pending.Load() > 0 {
			f.release(1)
			released++
		}
		if spins%4096 != 0 {
			continue
		}
		runtime.Gosched() // other tests want the processors as well
		if released != seen {
			seen, deadline = released, time.Now().Add(testPatience)
		} else if time.Now().After(deadline) {
			break
		}
	}
	close(f.done)
	reader.Wait()
	require.Equal(t, n, released, "the reader was not woken")
}

// dialer hands out one connection.
func dialer(nc net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return nc, nil }
}

// TestReaderSurvivesNoGoexit lets an actor end the goroutine of a reader that helps. It
// is nobody's but the actor's fault, but the connection must not stay without a reader.
func TestReaderSurvivesNoGoexit(t *testing.T) {
	t.Parallel()
	goodbye := []byte{0, 0, 0, 5, 0x93, 6, 0x80, 0xa1, 'x'}
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, transport.Options{}, 0)
		for range helpAfter {
			_, err := w.peer.Write(goodbye)
			require.NoError(t, err)
			synctest.Wait()
		}
		w.owner.mu.Lock()
		require.Len(t, w.owner.msgs, helpAfter)
		w.owner.quit = true
		w.owner.mu.Unlock()
		_, err := w.peer.Write(goodbye)
		require.NoError(t, err)
		_, err = w.peer.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "closed")
		require.Len(t, w.owner.msgs, helpAfter+1)
		w.end()
	})
}
