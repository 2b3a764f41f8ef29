package actors

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// byteClient is a client of single octets.
type byteClient struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

func (g *rig) dialBytes(t *testing.T) *byteClient {
	t.Helper()
	nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(testPatience)))
	return &byteClient{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// dialRaw is dialBytes with a RawSocket handshake for JSON.
func (g *rig) dialRaw(t *testing.T) *byteClient {
	t.Helper()
	b := g.dialBytes(t)
	b.write("\x7f\xf1\x00\x00")
	var reply [4]byte
	_, err := io.ReadFull(b.br, reply[:])
	require.NoError(t, err)
	require.Equal(t, byte(0x7f), reply[0])
	return b
}

// dialUpgrade is dialBytes with a WebSocket handshake for JSON.
func (g *rig) dialUpgrade(t *testing.T) *byteClient {
	t.Helper()
	b := g.dialBytes(t)
	b.write("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n")
	resp, err := http.ReadResponse(b.br, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	return b
}

func (b *byteClient) write(s string) { _, _ = io.WriteString(b.nc, s) } // the end is seen by reading

// requireClosed reads to the end.
func (b *byteClient) requireClosed() []byte {
	b.t.Helper()
	all, err := io.ReadAll(b.br)
	var timeout net.Error
	require.False(b.t, errors.As(err, &timeout) && timeout.Timeout(), "the connection was not closed; got %q", all)
	return all
}

// rawFrame is a RawSocket frame.
func rawFrame(kind byte, body string) string {
	var h [4]byte
	binary.BigEndian.PutUint32(h[:], uint32(len(body))) //nolint:gosec // short
	h[0] = kind
	return string(h[:]) + body
}

// wsFrame is a WebSocket frame of a client, with a mask of zeros.
func wsFrame(opcode byte, body string) string {
	h := []byte{0x80 | opcode, 0x80 | 126, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(h[2:], uint16(len(body))) //nolint:gosec // short
	return string(h) + body
}

const helloJSON = `[1,"realm1",{"roles":{"caller":{},"publisher":{}}}]`

// nextRaw reads a RawSocket message.
func (b *byteClient) nextRaw() string {
	b.t.Helper()
	var h [4]byte
	_, err := io.ReadFull(b.br, h[:])
	require.NoError(b.t, err)
	body := make([]byte, binary.BigEndian.Uint32(h[:])&0xFFFFFF)
	_, err = io.ReadFull(b.br, body)
	require.NoError(b.t, err)
	return string(body)
}

// nextWS reads a WebSocket frame.
func (b *byteClient) nextWS() (opcode byte, body string) {
	b.t.Helper()
	var h [2]byte
	_, err := io.ReadFull(b.br, h[:])
	require.NoError(b.t, err)
	n := int(h[1])
	if n == 126 {
		var ext [2]byte
		_, err = io.ReadFull(b.br, ext[:])
		require.NoError(b.t, err)
		n = int(binary.BigEndian.Uint16(ext[:]))
	}
	data := make([]byte, n)
	_, err = io.ReadFull(b.br, data)
	require.NoError(b.t, err)
	return h[0] & 0x0F, string(data)
}

// witness are two sessions that go on whatever others do.
type witness struct{ callee, caller *wampPeer }

func newWitness(t *testing.T, g *rig) *witness {
	t.Helper()
	w := &witness{callee: g.join(t, rawMsgpack), caller: g.join(t, link{"ws", protocol.JSON})}
	w.callee.register("com.witness")
	return w
}

// check fails unless a call goes through.
func (w *witness) check(t *testing.T) {
	t.Helper()
	id := w.caller.call("com.witness", "alive")
	inv := expect[*protocol.Invocation](w.callee)
	w.callee.send(&protocol.Yield{Request: inv.Request, Payload: inv.Payload})
	require.Equal(t, id, expect[*protocol.Result](w.caller).Request)
}

// What a peer does wrong ends its connection with ABORT, and nobody else's.
func TestRouterViolationsRawSocket(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Options: transport.Options{MaxMessageSize: 4096}})
	w := newWitness(t, g)
	t.Cleanup(func() { w.check(t) }) // when the others are done
	random := rand.NewChaCha8([32]byte{1})
	garbage := make([]byte, 512)
	_, _ = random.Read(garbage)
	for name, bad := range map[string]string{
		"no list":            rawFrame(0, "hello"),
		"unknown type":       rawFrame(0, `[999,1]`),
		"truncated":          rawFrame(0, `[48,1,{},"com.x"`),
		"wrong element":      rawFrame(0, `[48,"one",{},"com.x"]`),
		"id out of order":    rawFrame(0, `[48,7,{},"com.x"]`),
		"router's message":   rawFrame(0, `[2,1,{}]`),
		"second hello":       rawFrame(0, helloJSON),
		"deep nesting":       rawFrame(0, `[16,1,{},"com.x",`+strings.Repeat("[", 1500)+strings.Repeat("]", 1500)+`]`),
		"empty":              rawFrame(0, ""),
		"frame kind":         rawFrame(5, "x"),
		"reserved bits":      rawFrame(0x80, "x"),
		"oversize":           rawFrame(0, strings.Repeat("x", 4097)),
		"random message":     rawFrame(0, string(garbage)),
		"yield of nothing":   rawFrame(0, `[70,1,{}]`),
		"error for a call":   rawFrame(0, `[8,48,1,{},"com.x"]`),
		"garbage after more": rawFrame(0, `[16,1,{},"com.x"]`) + rawFrame(0, `{}`) + rawFrame(0, `[16,2,{},"com.x"]`),
	} {
		for _, joined := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, joined %v", name, joined), func(t *testing.T) {
				t.Parallel()
				b := g.dialRaw(t)
				if joined {
					b.write(rawFrame(0, helloJSON))
					require.Contains(t, b.nextRaw(), "[2,")
				}
				if !joined && name == "second hello" {
					b.write(rawFrame(0, `[1,"realm1",{}]`)) // a first one without roles
				} else {
					b.write(bad)
				}
				require.Regexp(t, `^\[3,.*"wamp.error.protocol_violation"\]$`, b.nextRaw())
				require.NoError(t, b.nc.(*net.TCPConn).CloseWrite()) // the router gives a peer a second for that
				require.Empty(t, b.requireClosed())
			})
		}
	}
}

func TestRouterViolationsWebSocket(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Options: transport.Options{MaxMessageSize: 4096}})
	w := newWitness(t, g)
	t.Cleanup(func() { w.check(t) }) // when the others are done
	for name, bad := range map[string]struct {
		bytes string
		code  uint16
	}{
		"malformed":     {wsFrame(1, "{}"), 1002},
		"wrong kind":    {wsFrame(2, `[48,1,{},"com.x"]`), 1003},
		"oversize":      {wsFrame(1, strings.Repeat("x", 4097)), 1009},
		"opcode":        {wsFrame(7, "x"), 1002},
		"not masked":    {"\x81\x02{}", 1002},
		"out of order":  {wsFrame(1, `[48,9,{},"com.x"]`), 1002},
		"reserved bits": {"\xf1\x80\x00\x00\x00\x00", 1002},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := g.dialUpgrade(t)
			b.write(wsFrame(1, helloJSON))
			_, welcome := b.nextWS()
			require.Contains(t, welcome, "[2,")
			b.write(bad.bytes)
			_, abort := b.nextWS()
			require.Regexp(t, `^\[3,.*"wamp.error.protocol_violation"\]$`, abort)
			opcode, reason := b.nextWS()
			require.Equal(t, byte(8), opcode)
			require.Equal(t, bad.code, binary.BigEndian.Uint16([]byte(reason)))
			require.NoError(t, b.nc.(*net.TCPConn).CloseWrite())
			b.requireClosed()
		})
	}
}

// Octets at random after the handshake neither crash nor disturb, and leave nothing.
func TestRouterRandomBytes(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	w := newWitness(t, g)
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test's noise
	for range 100 {
		b := g.dialRaw(t)
		if r.IntN(2) == 0 {
			b.write(rawFrame(0, helloJSON))
		}
		noise := make([]byte, r.IntN(2000))
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			noise = append([]byte{0, 0, byte(len(noise) >> 8), byte(len(noise))}, noise...)
		}
		_, _ = b.nc.Write(noise)
		require.NoError(t, b.nc.Close())
	}
	w.check(t)
	g.eventually(func() bool { return g.router.Stats().Connections == 2 }, "connections are left")
}

// ticketRealm asks for a ticket.
func ticketRealm() []RealmConfig {
	return []RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{router.Tickets{"joe": {Ticket: "secret"}}}}}
}

// Whoever stops in the middle of a handshake is closed at the deadline.
func TestRouterHandshakeDeadline(t *testing.T) {
	t.Parallel()
	deadline := 200 * time.Millisecond
	g := newRig(t, RouterConfig{Options: transport.Options{HandshakeTimeout: deadline}, Realms: ticketRealm()})
	const timedOut = `"wamp.error.timeout"`
	for name, stage := range map[string]struct {
		dial func(*testing.T) *byteClient
		say  string
		last string // in what is read up to the end
	}{
		"tcp only":               {g.dialBytes, "", ""},
		"rawsocket magic":        {g.dialBytes, "\x7f", ""},
		"half a request":         {g.dialBytes, "GET /ws HTTP/1.1\r\nHost: x\r\n", ""},
		"rawsocket without more": {g.dialRaw, "", timedOut},
		"half a frame":           {g.dialRaw, "\x00\x00\x00\x20[1,", timedOut},
		"pings only":             {g.dialRaw, rawFrame(1, "ping"), timedOut},
		"upgrade without hello":  {g.dialUpgrade, "", timedOut},
		"no authenticate": {
			g.dialRaw, rawFrame(0, `[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"joe"}]`), timedOut,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			b := stage.dial(t)
			b.write(stage.say)
			require.Contains(t, string(b.requireClosed()), stage.last)
			require.GreaterOrEqual(t, time.Since(start), deadline-50*time.Millisecond)
			require.Less(t, time.Since(start), deadline+transport.DefaultCloseTimeout+5*time.Second)
		})
	}
	t.Cleanup(func() { require.Empty(t, g.router.ids) }) // runs before the rig is closed
}

// The callee's connection breaks: the caller gets its one answer. The caller's breaks:
// the callee is interrupted.
func TestRouterDropDuringCall(t *testing.T) {
	t.Parallel()
	for _, l := range links() {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t, RouterConfig{})
			callee, caller := g.join(t, l), g.join(t, l)
			callee.register("com.slow")
			id := caller.call("com.slow")
			expect[*protocol.Invocation](callee)
			callee.close()
			failed := expect[*protocol.Error](caller)
			require.Equal(t, id, failed.Request)
			require.Equal(t, protocol.ErrorCanceled, failed.Error)
			g.eventually(func() bool { return g.snapshot("realm1").Procedure("com.slow") == nil }, "registration is left")

			callee = g.join(t, l)
			callee.register("com.slow")
			caller.call("com.slow")
			inv := expect[*protocol.Invocation](callee)
			caller.close()
			require.Equal(t, inv.Request, expect[*protocol.Interrupt](callee).Request)
			callee.goodbye()
			callee.close()
			g.requireEmpty()
		})
	}
}

// bomb is an Authenticator that panics, as a bug in an actor does.
type bomb struct{}

func (bomb) Method() string { return "bomb" }

func (bomb) Begin(router.AuthRequest) (router.Exchange, error) { panic("boom") }

// A panic in a session's actor ends that connection in order, and no other.
func TestRouterPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Realms: []RealmConfig{{
		Name: "realm1", Authenticators: []router.Authenticator{router.Anonymous{}, bomb{}},
	}}})
	w := newWitness(t, g)
	for i, l := range links() {
		c := g.dial(t, l)
		c.send(&protocol.Hello{Realm: "realm1", Details: protocol.HelloDetails{Roles: peerRoles(), AuthMethods: []string{"bomb"}}})
		c.requireEnd()
		w.check(t)
		require.Equal(t, uint64(i+1), g.router.Stats().Failures)
	}
	g.eventually(func() bool { return g.router.Stats().Connections == 2 }, "connections are left")

	// A session with everything: calls both ways, a registration, a subscription, a timer.
	c := g.dial(t, rawMsgpack)
	id := c.hello("realm1")
	c.register("com.victim")
	c.subscribe("com.topic")
	w.caller.call("com.victim")
	expect[*protocol.Invocation](c)
	c.send(&protocol.Call{Request: c.request(), Procedure: "com.witness", Options: protocol.CallOptions{Timeout: 60_000}})
	inv := expect[*protocol.Invocation](w.callee)
	for p := range g.snapshot("realm1").Topic("com.topic")[0].Subscribers.All {
		require.Equal(t, id, p.ID)
		g.host.send(handleOf(p).pid, (*kick)(nil)) // a nil dereference in Receive
	}
	c.requireEnd()
	require.Equal(t, protocol.ErrorCanceled, expect[*protocol.Error](w.caller).Error)
	require.Equal(t, inv.Request, expect[*protocol.Interrupt](w.callee).Request)
	w.check(t)
	g.eventually(func() bool { return g.snapshot("realm1").Procedure("com.victim") == nil }, "registration is left")
	g.eventually(func() bool { return g.router.Stats().Connections == 2 && g.router.Stats().Sessions == 2 }, "session is left")
}

// A panic in the realm's actor ends the session whose request it was, not the realm.
func TestRouterPanicInRealm(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	w := newWitness(t, g)
	c := g.join(t, rawMsgpack)
	c.subscribe("com.topic")
	for p := range g.snapshot("realm1").Topic("com.topic")[0].Subscribers.All {
		g.host.send(g.router.realm("realm1").pid, &realmCommand{command: router.Command{From: p, Message: (*protocol.Subscribe)(nil)}})
	}
	require.Equal(t, protocol.ErrorRuntime, expect[*protocol.Goodbye](c).Reason)
	c.send(&protocol.Goodbye{Reason: protocol.CloseGoodbyeAndOut})
	w.check(t)
	c.hello("realm1")
	c.subscribe("com.topic")
	w.check(t)
}

// A peer whose limit is too low even for WELCOME is told, not left waiting.
func TestRouterWelcomeTooLong(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{Agent: strings.Repeat("cloverleaf ", 100)})
	b := g.dialBytes(t)
	b.write("\x7f\x01\x00\x00") // 512 bytes, JSON
	var reply [4]byte
	_, err := io.ReadFull(b.br, reply[:])
	require.NoError(t, err)
	b.write(rawFrame(0, helloJSON))
	require.Contains(t, b.nextRaw(), string(protocol.ErrorPayloadSizeExceeded))
	require.Empty(t, b.requireClosed())
	require.Zero(t, g.router.Stats().Sessions)
}

// Messages that are too long for their receiver become errors, each call's only one.
func TestRouterReceiverLimit(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	conn, err := transport.Dial(t.Context(), transport.ClientConfig{
		URL: "rs://" + g.ln.Addr().String(), Serializers: []protocol.Serializer{protocol.MessagePack},
		Options: transport.Options{MaxMessageSize: 2048},
	})
	require.NoError(t, err)
	small := &wampPeer{t: t, ser: protocol.MessagePack, dec: codec.NewDecoder(protocol.MessagePack), more: make(chan struct{}, 1)}
	small.serve(conn)
	small.hello("realm1")
	big := g.join(t, rawMsgpack)
	long := strings.Repeat("x", 3000)

	small.register("com.small")
	id := big.call("com.small", long) // the invocation is too long
	failed := expect[*protocol.Error](big)
	require.Equal(t, id, failed.Request)
	require.Equal(t, protocol.ErrorPayloadSizeExceeded, failed.Error)

	big.register("com.big")
	for _, progress := range []bool{false, true} { // the result is too long
		id = small.request()
		small.send(&protocol.Call{Request: id, Procedure: "com.big", Options: protocol.CallOptions{ReceiveProgress: true}})
		inv := expect[*protocol.Invocation](big)
		big.send(&protocol.Yield{Request: inv.Request, Options: protocol.YieldOptions{Progress: progress}, Payload: big.args(long)})
		require.Equal(t, id, expect[*protocol.Error](small).Request)
		if progress {
			expect[*protocol.Interrupt](big)
			big.send(&protocol.Yield{Request: inv.Request})
		}
	}
	small.subscribe("com.events")
	big.publish("com.events", long)
	big.publish("com.events", "short")
	ev := expect[*protocol.Event](small)
	require.True(t, ev.Details.PayloadLimitExceeded)
	require.True(t, ev.Payload.Empty())
	require.Equal(t, "short", first[string](t, expect[*protocol.Event](small).Payload))
	small.goodbye()
}

// RawSocket frames of another kind than messages are answered, not counted as messages.
func TestRouterPing(t *testing.T) {
	t.Parallel()
	g := newRig(t, RouterConfig{})
	b := g.dialRaw(t)
	b.write(rawFrame(1, "abc") + rawFrame(2, "unasked"))
	var pong [7]byte
	_, err := io.ReadFull(b.br, pong[:])
	require.NoError(t, err)
	require.True(t, bytes.Equal(pong[:], []byte(rawFrame(2, "abc"))), "%q", pong)
}
