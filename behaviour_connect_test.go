package cloverleaf_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// Several transports are tried in turn, each with delays and a number of retries of its own.
func TestBehaviour05_RoundRobin(t *testing.T) {
	virtual(t, func(t *testing.T) {
		j := new(journal)
		way := func(name string, initial time.Duration, retries int) cloverleaf.Transport {
			return cloverleaf.Transport{
				Pipe:       func(context.Context) (*transport.PipeEnd, error) { j.add("%s", name); return nil, errUnreachable },
				Backoff:    supervisor.Backoff{Initial: initial, Growth: 2, Jitter: supervisor.NoJitter},
				MaxRetries: retries,
			}
		}
		c := observe(t, cloverleaf.Config{}, way("a", time.Second, 0), way("b", 3*time.Second, 1), way("c", 10*time.Second, -1)).start()
		pass(time.Minute)
		c.stop()
		// Each is tried at once; then a after 1, 2, 4, ... seconds, b once more after 3, c not again.
		require.Equal(t, []string{"a", "b", "c", "a", "b", "a", "a", "a", "a"}, j.all())
		require.Equal(t, []float64{0, 0, 0, 1, 4, 6, 10, 18, 34}, j.seconds())
	})
}

// Without further configuration the first retry waits 1.5 s, each next one 1.5 times as long, up to 300 s; every delay is
// spread by 10 %, also the longest.
func TestBehaviour06_RetryDelays(t *testing.T) {
	virtual(t, func(t *testing.T) {
		j := new(journal)
		p := perform(nil)
		tr := p.transport()
		tr.Backoff = supervisor.Backoff{}
		c := observe(t, cloverleaf.Config{}, tr)
		c.OnConnectFailure(func(context.Context, error) { j.add("failure") })
		c.start()
		pass(3 * time.Hour)
		at := j.seconds()
		require.Greater(t, len(at), 30)
		different := map[float64]bool{}
		for i, want := 1, 1.5; i < len(at); i, want = i+1, min(want*1.5, 300) {
			delay := at[i] - at[i-1]
			require.InDelta(t, want, delay, want*0.1+1e-6, "retry %d", i)
			if want == 300 {
				different[delay] = true
			}
		}
		require.Greater(t, len(different), 10, "clients must not come back in step")
	})
}

// MaxRetries counts what follows the first failure: none (negative) is one attempt, n is n+1 attempts, and the default is
// to go on for ever.
func TestBehaviour07_MaxRetries(t *testing.T) {
	t.Parallel()
	for retries, attempts := range map[int]int{-1: 1, 1: 2, 3: 4, 10: 11} {
		t.Run(fmt.Sprint(retries), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				p := perform(nil)
				tr := p.transport()
				tr.MaxRetries = retries
				c := observe(t, cloverleaf.Config{}, tr).start()
				var exhausted *supervisor.ExhaustedError
				require.ErrorAs(t, c.Wait(), &exhausted)
				require.Equal(t, attempts, exhausted.Causes[0].Failures)
				require.Equal(t, attempts, p.attempts())
			})
		})
	}
	t.Run("default", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			p := perform(nil)
			observe(t, cloverleaf.Config{}, p.transport()).start()
			pass(time.Hour)
			require.Equal(t, 60*60+1, p.attempts())
		})
	})
}

// A session that is established sets delays and retries back, with Main and without: only failures in a row count.
func TestBehaviour08_JoinResets(t *testing.T) {
	t.Parallel()
	for name, main := range map[string]func(context.Context, *session.Session) error{
		"with Main":    func(ctx context.Context, _ *session.Session) error { <-ctx.Done(); return nil },
		"without Main": nil,
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				// Each session is lost, and followed by two failures.
				p := perform(polite, nil, nil, polite, nil, nil, polite, nil, nil, polite, nil, nil, nil)
				tr := p.transport()
				tr.Backoff = supervisor.Backoff{Initial: time.Second, Growth: 2, Jitter: supervisor.NoJitter}
				tr.MaxRetries = 3
				c := observe(t, cloverleaf.Config{Main: main}, tr)
				s := c.join()
				for range 3 {
					start := time.Now()
					p.last().cut()
					s = c.next(s)
					require.Equal(t, 7*time.Second, time.Since(start), "1 s, 2 s, 4 s")
				}
				p.last().cut()
				var exhausted *supervisor.ExhaustedError
				require.ErrorAs(t, c.Wait(), &exhausted)
				require.Equal(t, 13, p.attempts(), "the loss and three more in a row")
			})
		})
	}
}

// An error that IsFatal recognizes removes its transport and no other; when the last one is gone, the component ends with
// an error that names the cause of each.
func TestBehaviour09_FatalErrors(t *testing.T) {
	virtual(t, func(t *testing.T) {
		expired, wrong := errors.New("licence expired"), errors.New("wrong door")
		attempts := map[string]int{}
		way := func(name string, good int, fatal error) cloverleaf.Transport {
			return cloverleaf.Transport{
				Backoff: patient,
				IsFatal: func(err error) bool { return errors.Is(err, fatal) },
				Pipe: func(context.Context) (*transport.PipeEnd, error) {
					if attempts[name]++; attempts[name] <= good {
						return nil, errUnreachable
					}
					return nil, fmt.Errorf("%s: %w", name, fatal)
				},
			}
		}
		c := observe(t, cloverleaf.Config{}, way("first", 0, expired), way("second", 4, wrong)).start()
		err := c.Wait()
		require.Equal(t, map[string]int{"first": 1, "second": 5}, attempts)
		require.ErrorIs(t, err, expired)
		require.ErrorIs(t, err, wrong)
		var exhausted *supervisor.ExhaustedError
		require.ErrorAs(t, err, &exhausted)
		require.Len(t, exhausted.Causes, 2)
		require.True(t, exhausted.Causes[0].Fatal)
		require.ErrorContains(t, err, "first: licence expired")
		require.ErrorContains(t, err, "component test")
	})
}

// A transport that cannot be opened is tried again, whatever the reason: refused TCP, a 404, another subprotocol, an error
// of the RawSocket handshake, or a handshake that takes too long.
func TestBehaviour10_HandshakeFailures(t *testing.T) {
	t.Parallel()
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}}
	tests := []struct {
		name, scheme string
		serve        func(nc net.Conn) // nil: nobody listens
		want         func(t *testing.T, err error)
	}{
		{"refused", "ws", nil, func(t *testing.T, err error) { t.Helper(); require.ErrorIs(t, err, syscall.ECONNREFUSED) }},
		{"404", "ws", web(http.NotFound), func(t *testing.T, err error) {
			t.Helper()
			var upgrade *transport.UpgradeError
			require.ErrorAs(t, err, &upgrade)
			require.Equal(t, http.StatusNotFound, upgrade.Status)
		}},
		{"subprotocol", "ws", web(func(w http.ResponseWriter, r *http.Request) {
			if ws, err := upgrader.Upgrade(w, r, nil); err == nil {
				_ = ws.Close()
			}
		}), func(t *testing.T, err error) { t.Helper(); require.ErrorIs(t, err, transport.ErrSubprotocol) }},
		{"nibble", "rs", func(nc net.Conn) {
			_, _ = io.ReadFull(nc, make([]byte, 4))
			_, _ = nc.Write([]byte{0x7f, 0x40, 0, 0})
		}, func(t *testing.T, err error) {
			t.Helper()
			var refused *transport.HandshakeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, transport.TooManyConnections, refused.Code)
		}},
		{"silence", "rs", func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }, func(t *testing.T, err error) {
			t.Helper()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startRouter(t, cloverleaf.RouterConfig{})
			good, bad := listenURL(t, r, tt.scheme), faulty(t, tt.serve)
			var attempts atomic.Int32
			tr := cloverleaf.Transport{Backoff: supervisor.Backoff{Initial: time.Millisecond, Max: time.Millisecond}, ClientConfig: transport.ClientConfig{
				URL: good,
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if attempts.Add(1) == 1 {
						addr = bad
					}
					return new(net.Dialer).DialContext(ctx, network, addr)
				},
			}}
			if tt.name == "silence" {
				tr.Options.HandshakeTimeout = 250 * time.Millisecond
			}
			c := observe(t, cloverleaf.Config{}, tr)
			c.join()
			failed := happened[*supervisor.ConnectFailed](c)
			require.NotEmpty(t, failed)
			require.Equal(t, supervisor.ClassTransient, failed[0].Class)
			tt.want(t, failed[0].Err)
			c.stop()
		})
	}
}

// web serves one HTTP request on a connection.
func web(f http.HandlerFunc) func(nc net.Conn) {
	return func(nc net.Conn) {
		l, ended := newConnListener(), make(chan struct{})
		l.conns <- nc
		end := sync.OnceFunc(func() { close(ended) })
		var hijacked atomic.Bool
		srv := &http.Server{
			ReadHeaderTimeout: patience,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f(w, r)
				if hijacked.Load() {
					end()
				}
			}),
			ConnState: func(_ net.Conn, s http.ConnState) {
				switch s {
				case http.StateHijacked:
					hijacked.Store(true)
				case http.StateClosed, http.StateIdle:
					end()
				}
			},
		}
		go func() { _ = srv.Serve(l) }()
		<-ended
		_ = srv.Close()
	}
}

// connListener is a net.Listener for connections that are there already.
type connListener struct {
	conns chan net.Conn
	over  chan struct{}
}

func newConnListener() *connListener {
	return &connListener{conns: make(chan net.Conn, 1), over: make(chan struct{})}
}

func (l *connListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *connListener) Close() error {
	select {
	case <-l.over:
	default:
		close(l.over)
	}
	return nil
}

func (l *connListener) Addr() net.Addr { return &net.TCPAddr{} }

// faulty returns the address of a server that treats each connection as it is told and closes it.
func faulty(t *testing.T, serve func(nc net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if serve == nil {
		require.NoError(t, l.Close())
		return l.Addr().String()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serve(nc)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// listenURL has the router listen, and returns the URL of the scheme.
func listenURL(t *testing.T, r *cloverleaf.Router, scheme string) string {
	t.Helper()
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	for _, u := range l.URLs() {
		if strings.HasPrefix(u, scheme+":") {
			return u
		}
	}
	require.Fail(t, "no such scheme", "%s in %v", scheme, l.URLs())
	return ""
}

// A router that accepts the connection but does not answer HELLO is given up after the join timeout, and tried again.
func TestBehaviour11_NoWelcome(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := perform(mute, polite)
		c := observe(t, cloverleaf.Config{}, p.transport())
		start := time.Now()
		c.join()
		require.Equal(t, 11*time.Second, time.Since(start), "10 s, and the delay")
		require.True(t, p.links[0].closed())
		failed := happened[*supervisor.ConnectFailed](c)
		require.Len(t, failed, 1)
		var ended *session.EndedError
		require.ErrorAs(t, failed[0].Err, &ended)
		require.Equal(t, session.EndTimeout, ended.How)
		c.stop()

		p = perform(mute, polite)
		start = time.Now()
		observe(t, cloverleaf.Config{JoinTimeout: time.Minute}, p.transport()).join()
		require.Equal(t, 61*time.Second, time.Since(start))
	})
}

// A component that is started before its router joins as soon as there is one, without anybody's help.
func TestBehaviour12_RouterComesLater(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var tr atomic.Pointer[cloverleaf.Transport]
		c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{Backoff: patient, Pipe: func(ctx context.Context) (*transport.PipeEnd, error) {
			if tr := tr.Load(); tr != nil {
				return tr.Pipe(ctx)
			}
			return nil, errUnreachable
		}})
		c.Register("com.add", func(x, y int) int { return x + y })
		c.start()
		pass(10 * time.Minute)
		_, late := embedded(t, cloverleaf.RouterConfig{})
		tr.Store(&late)
		s := c.next(nil)
		sum, err := session.Call[int](t.Context(), s, "com.add", 2, 3)
		require.NoError(t, err)
		require.Equal(t, 5, sum)
		c.stop()
	})
}

// A connection whose peer has gone without a word is noticed by the keepalive within two ping intervals and the ping
// timeout, which is 70 s by default, over WebSocket and RawSocket, and replaced; one whose peer answers stays.
func TestBehaviour13_HalfOpen(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"ws", "rs"} {
		for _, answers := range []bool{true, false} {
			t.Run(fmt.Sprint(scheme, " answers ", answers), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					var serving atomic.Int32
					serve := map[string]func(net.Conn, bool){"ws": silentWeb, "rs": silentRaw}[scheme]
					c := observe(t, cloverleaf.Config{}, cloverleaf.Transport{Backoff: patient, ClientConfig: transport.ClientConfig{
						URL: scheme + "://127.0.0.1:1", Serializers: []protocol.Serializer{protocol.JSON},
						DialContext: func(context.Context, string, string) (net.Conn, error) {
							near, far := net.Pipe()
							serving.Add(1)
							go serve(far, answers)
							return near, nil
						},
					}})
					start := time.Now()
					s := c.join()
					if answers {
						pass(time.Hour)
						require.NoError(t, s.Err())
					} else {
						<-s.Done()
						require.LessOrEqual(t, time.Since(start), 70*time.Second)
						require.ErrorIs(t, s.Err(), actors.ErrPingTimeout)
						c.next(s)
						require.EqualValues(t, 2, serving.Load())
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_ = c.Stop(ctx)
					synctest.Wait()
				})
			})
		}
	}
}

const welcomeJSON = `[2,1,{"agent":"cloverleaf-test","roles":{"broker":{},"dealer":{}}}]`

// silentWeb is a WebSocket router that says WELCOME and nothing else. It reads all the same, as a kernel would.
func silentWeb(nc net.Conn, answers bool) {
	web(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{Subprotocols: []string{protocol.JSON.Subprotocol()}}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if !answers {
			ws.SetPingHandler(func(string) error { return nil })
		}
		go func() {
			defer func() { _ = ws.Close() }()
			for first := true; ; first = false {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
				if first {
					_ = ws.WriteMessage(websocket.TextMessage, []byte(welcomeJSON))
				}
			}
		}()
	})(nc)
}

// silentRaw is silentWeb for RawSocket.
func silentRaw(nc net.Conn, answers bool) {
	defer func() { _ = nc.Close() }()
	head := make([]byte, 4)
	if _, err := io.ReadFull(nc, head); err != nil {
		return
	}
	_, _ = nc.Write(head)
	write := func(kind byte, body []byte) {
		_, _ = nc.Write(append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...))
	}
	for {
		if _, err := io.ReadFull(nc, head); err != nil {
			return
		}
		body := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		if m, err := codec.Unmarshal(protocol.JSON, body); err == nil && m.Type() == protocol.TypeHello {
			write(0, []byte(welcomeJSON))
		}
		if head[0]&7 == 1 && answers {
			write(2, body)
		}
	}
}
