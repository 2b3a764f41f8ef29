package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func TestRawHandshakeServer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, request, reply string
		serializer           protocol.Serializer // zero: refused
		maxSend              int
	}{
		{"json, most", "7ff10000", "7ff10000", protocol.JSON, 1 << 24},
		{"msgpack", "7f020000", "7ff20000", protocol.MessagePack, 512},
		{"cbor", "7f530000", "7ff30000", protocol.CBOR, 1 << 14},
		{"serializer 0", "7ff00000", "7f100000", 0, 0},
		{"ubjson", "7ff40000", "7f100000", 0, 0},
		{"flatbuffers", "7ff50000", "7f100000", 0, 0},
		{"serializer 15", "7fff0000", "7f100000", 0, 0},
		{"third octet", "7ff20100", "7f300000", 0, 0},
		{"fourth octet", "7ff20001", "7f300000", 0, 0},
	}
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	for _, tc := range cases {
		nc := dialRaw(t, srv)
		request, err := hex.DecodeString(tc.request)
		require.NoError(t, err)
		_, err = nc.Write(request)
		require.NoError(t, err)
		reply := make([]byte, 4)
		_, err = io.ReadFull(nc, reply)
		require.NoError(t, err, tc.name)
		require.Equal(t, tc.reply, hex.EncodeToString(reply), tc.name)
		if tc.serializer == 0 {
			require.Empty(t, readAll(t, nc), tc.name) // closed, and not by a reset
			continue
		}
		c := srv.accept(t)
		require.Equal(t, tc.serializer, c.Serializer())
		require.Equal(t, tc.maxSend, c.MaxSend())
		require.Equal(t, Framing{Kind: RawSocket}, c.Framing())
		require.Equal(t, nc.LocalAddr().String(), c.Details().RemoteAddr.String())
	}
}

func TestRawHandshakeServerChoice(t *testing.T) {
	t.Parallel()
	srv := serve(t, "127.0.0.1:0", ServerConfig{
		Serializers: only(protocol.JSON),
		Options:     Options{MaxMessageSize: 5000},
	})
	for request, want := range map[byte]string{0xF1: "7f410000", 0xF2: "7f100000"} { // 2^(9+4) = 8192
		nc := dialRaw(t, srv)
		for _, octet := range []byte{0x7F, request, 0, 0} { // one by one
			_, err := nc.Write([]byte{octet})
			require.NoError(t, err)
		}
		reply := make([]byte, 4)
		_, err := io.ReadFull(nc, reply)
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(reply))
	}
}

func TestLengthExponent(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]byte{512: 0, 513: 1, 1024: 1, 1025: 2, 5000: 4, 1<<24 - 1: 15, 1 << 24: 15} {
		require.Equal(t, want, lengthExponent(limit), "%d", limit)
	}
}

// answering is a server that sends fixed octets to whoever connects.
func answering(t *testing.T, answers ...[]byte) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, answer := range answers {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 4))
			_, _ = nc.Write(answer)
			_, _ = io.Copy(io.Discard, nc)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "rs://" + l.Addr().String()
}

func TestRawHandshakeClient(t *testing.T) {
	t.Parallel()
	for code := range byte(16) {
		_, err := Dial(t.Context(), ClientConfig{
			URL:         answering(t, []byte{0x7F, code << 4, 0, 0}),
			Serializers: only(protocol.MessagePack),
		})
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, HandshakeCode(code), refusal.Code)
		require.Contains(t, err.Error(), refusal.Code.String())
	}
	broken := map[string]string{
		"48545450": "first", "00f20000": "first", "7ff20100": "reserved", "7ff20001": "reserved",
		"7ff30000": "serializer 3, want 2", "7fff0000": "serializer 15",
	}
	for reply, text := range broken {
		answer, err := hex.DecodeString(reply)
		require.NoError(t, err)
		_, err = Dial(t.Context(), ClientConfig{URL: answering(t, answer), Serializers: only(protocol.MessagePack)})
		require.ErrorIs(t, err, ErrProtocol, reply)
		require.ErrorContains(t, err, text, reply)
	}
}

func TestRawHandshakeClientEnd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		nc, err := l.Accept()
		if err == nil {
			_, _ = nc.Read(make([]byte, 4))
			_, _ = nc.Write([]byte{0x7F, 0xF2})
			_ = nc.Close()
		}
	}()
	_, err = Dial(t.Context(), ClientConfig{URL: "rs://" + l.Addr().String()})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// TestRawSerializerOrder: a server that lacks the first choice is offered the second.
func TestRawSerializerOrder(t *testing.T) {
	t.Parallel()
	all := []protocol.Serializer{protocol.CBOR, protocol.JSON, protocol.MessagePack}
	c, srv := pair(t, ServerConfig{Serializers: only(protocol.JSON)}, ClientConfig{Serializers: all}, RawSocket)
	require.Equal(t, protocol.JSON, c.Serializer())
	require.Equal(t, protocol.JSON, srv.Serializer())

	refuse := []byte{0x7F, 0x10, 0, 0}
	_, err := Dial(t.Context(), ClientConfig{URL: answering(t, refuse, refuse, refuse), Serializers: all})
	var refusal *HandshakeError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, SerializerUnsupported, refusal.Code)
}

// rawServer returns a server's connection and the bare socket of its peer.
func rawServer(tb testing.TB, o Options) (net.Conn, *Conn) {
	tb.Helper()
	srv := serve(tb, "127.0.0.1:0", ServerConfig{Options: o})
	nc := dialRaw(tb, srv)
	_, err := nc.Write([]byte{0x7F, 0xF2, 0, 0})
	require.NoError(tb, err)
	_, err = io.ReadFull(nc, make([]byte, 4))
	require.NoError(tb, err)
	return nc, srv.accept(tb)
}

func TestRawSplitAndCoalesced(t *testing.T) {
	t.Parallel()
	nc, c := rawServer(t, Options{})
	r := record(c)
	f := c.Framing()
	one := frame(t, f, []byte("one"))
	for i := range one {
		_, err := nc.Write(one[i : i+1])
		require.NoError(t, err)
	}
	r.wantMessage(t, []byte("one"))

	var all []byte
	for n := range 600 {
		all = append(all, frame(t, f, body(n))...)
		all = f.AppendPing(all, []byte{byte(n)})
	}
	for len(all) > 0 { // odd pieces, over many slabs
		n := min(len(all), 4999)
		_, err := nc.Write(all[:n])
		require.NoError(t, err)
		all = all[n:]
	}
	for n := range 600 {
		r.wantMessage(t, body(n))
		require.Equal(t, event{what: "ping", data: []byte{byte(n)}}, r.next(t))
	}
	require.NoError(t, nc.Close())
	require.Equal(t, io.EOF, r.end(t))
}

// TestRawHandedOverIsFinal: what was handed over stays as it is while more arrives, on
// this connection and on others.
func TestRawHandedOverIsFinal(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			nc, c := rawServer(t, Options{})
			r := record(c)
			go func() {
				for n := range 400 {
					_, _ = nc.Write(frame(t, Framing{}, body(n*7)))
				}
			}()
			var got [][]byte
			for range 400 {
				e := r.next(t)
				require.Equal(t, "message", e.what)
				if len(e.data) <= ownBuffer { // others have a buffer of their own
					require.Equal(t, len(e.data), cap(e.data), "append would write into a neighbor")
				}
				got = append(got, e.data)
			}
			for n, data := range got {
				require.True(t, bytes.Equal(body(n*7), data), "message %d", n)
			}
		})
	}
}

func TestRawPingPong(t *testing.T) {
	t.Parallel()
	for _, payload := range [][]byte{{}, []byte("x"), body(300), body(100_000)} {
		c, srv := pair(t, ServerConfig{}, ClientConfig{}, RawSocket)
		atClient, atServer := record(c), record(srv)
		_, err := c.Write(c.Framing().AppendPing(nil, payload))
		require.NoError(t, err)
		ping := atServer.next(t)
		require.Equal(t, "ping", ping.what)
		require.True(t, bytes.Equal(payload, ping.data))
		_, err = srv.Write(srv.Framing().AppendPong(nil, ping.data))
		require.NoError(t, err)
		pong := atClient.next(t)
		require.Equal(t, "pong", pong.what)
		require.True(t, bytes.Equal(payload, pong.data))
	}
}

func TestRawBadFrames(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		header uint32
		want   error
	}{
		{"reserved bit 7", 0x80000001, ErrProtocol},
		{"reserved bit 4", 0x10000001, ErrProtocol},
		{"type 3", 0x03000001, ErrProtocol},
		{"type 7", 0x07000001, ErrProtocol},
		{"25th bit with a length", 0x08000001, ErrProtocol},
		{"25th bit over the limit", 0x08000000, ErrMessageTooLong},
		{"one over the limit", 1001, ErrMessageTooLong}, // announced are 1024
		{"ping over the limit", 0x01000000 | 1001, ErrMessageTooLong},
		{"pong over the limit", 0x02000000 | 1001, ErrMessageTooLong},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			nc, c := rawServer(t, Options{MaxMessageSize: 1000})
			r := record(c)
			good := frame(t, c.Framing(), body(1000))
			_, err := nc.Write(append(good, binary.BigEndian.AppendUint32(nil, tc.header)...))
			require.NoError(t, err)
			r.wantMessage(t, body(1000))
			// What came before the end is announced too.
			require.Equal(t, "drained", (<-r.events).what)
			require.ErrorIs(t, r.end(t), tc.want)
		})
	}
}

func TestRawLongest(t *testing.T) {
	t.Parallel()
	nc, c := rawServer(t, Options{})
	r := record(c)
	go func() {
		_, _ = nc.Write([]byte{0x08, 0, 0, 0})
		_, _ = nc.Write(make([]byte, 1<<24))
	}()
	r.wantMessage(t, make([]byte, 1<<24))
}

func TestRawEndWithinFrame(t *testing.T) {
	t.Parallel()
	for _, part := range []int{1, 3, 4, 10, 5000, 50_000} {
		nc, c := rawServer(t, Options{})
		r := record(c)
		_, err := nc.Write(frame(t, c.Framing(), body(60_000))[:part])
		require.NoError(t, err)
		require.NoError(t, nc.Close())
		require.ErrorIs(t, r.end(t), io.ErrUnexpectedEOF, "%d octets", part)
	}
}

// TestRawAnnouncedIsNotAllocated: a length costs nothing before the data is there.
func TestRawAnnouncedIsNotAllocated(t *testing.T) {
	const count = 50
	var peers []net.Conn
	srv := serve(t, "127.0.0.1:0", ServerConfig{})
	ends := make(chan error, count)
	before := memory()
	for range count {
		nc := rawPeer(t, srv.Listener, RawSocket)
		peers = append(peers, nc)
		_, err := nc.Write([]byte{0x08, 0, 0, 0, 1, 2, 3})
		require.NoError(t, err)
		go func(c *Conn) {
			ends <- c.Serve(quiet{})
			_ = c.Close()
		}(<-srv.conns)
	}
	waitParked()
	require.Less(t, (memory()-before)/count, int64(2*firstGrowth))
	for _, nc := range peers {
		_ = nc.Close()
	}
	for range count {
		require.ErrorIs(t, <-ends, io.ErrUnexpectedEOF)
	}
	runtime.KeepAlive(peers)
}

func TestHandlerErrorEndsServe(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{RawSocket, WebSocket} {
		c, srv := pair(t, ServerConfig{}, ClientConfig{}, kind)
		wanted := errors.New("enough")
		r := &recorder{events: make(chan event, 16), fail: wanted}
		go r.run(srv)
		send(t, c, body(10))
		r.wantMessage(t, body(10))
		require.Equal(t, wanted, r.end(t))
	}
}

func TestDialTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel only
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	for _, scheme := range []string{"rs://", "ws://", "wss://", "rss://"} {
		cfg := ClientConfig{URL: scheme + l.Addr().String(), Options: Options{HandshakeTimeout: 30 * time.Millisecond}}
		_, err = Dial(t.Context(), cfg)
		require.ErrorIs(t, err, context.DeadlineExceeded, scheme)
		require.ErrorContains(t, err, "30ms")
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Options.HandshakeTimeout = time.Hour
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err = Dial(ctx, cfg)
		require.ErrorIs(t, err, context.Canceled, scheme)
	}
}
