package cloverleaf_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// ways are all ways to a router, by name, each to a router of its own.
func ways(t *testing.T) map[string]cloverleaf.Transport {
	t.Helper()
	dir, err := os.MkdirTemp("", "clover") //nolint:usetesting // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cert, roots := selfSigned(t)
	secure := transport.ServerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	list := map[string]cloverleaf.Transport{"in memory": startRouter(t, cloverleaf.RouterConfig{}).Transport()}
	for i, scheme := range []string{"ws", "rs", "wss", "rss", "ws+unix", "rs+unix"} {
		addr, cfg, client := "127.0.0.1:0", cloverleaf.RouterConfig{}, (*tls.Config)(nil)
		switch {
		case strings.HasSuffix(scheme, "+unix"):
			addr = "unix:" + filepath.Join(dir, fmt.Sprint(i))
		case strings.HasSuffix(scheme, "ss"):
			cfg.Transport, client = secure, &tls.Config{RootCAs: roots}
		}
		l, err := startRouter(t, cfg).Listen(t.Context(), addr)
		require.NoError(t, err)
		at := slices.IndexFunc(l.URLs(), func(u string) bool { return strings.HasPrefix(u, scheme+":") })
		require.GreaterOrEqual(t, at, 0, "%s is not in %v", scheme, l.URLs())
		list[scheme] = cloverleaf.Transport{ClientConfig: transport.ClientConfig{URL: l.URLs()[at], TLS: client}}
	}
	return list
}

// cuttable makes the latest connection of a way one that can be cut.
func cuttable(tr cloverleaf.Transport) (way cloverleaf.Transport, cut func()) {
	var mu sync.Mutex
	end := func() {}
	keep := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		end = f
	}
	if dial := tr.Pipe; dial != nil {
		tr.Pipe = func(ctx context.Context) (*transport.PipeEnd, error) {
			p, err := dial(ctx)
			if err == nil {
				keep(func() { p.Close(nil) })
			}
			return p, err
		}
	} else {
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				keep(func() { _ = nc.Close() })
			}
			return nc, err
		}
	}
	tr.Backoff = supervisor.Backoff{Initial: time.Millisecond, Max: time.Millisecond}
	return tr, func() {
		mu.Lock()
		defer mu.Unlock()
		end()
	}
}

// Components cannot tell over which transport they run: calls, events, errors, progress, canceling, large messages,
// reconnecting and leaving are the same in memory and over every socket, and leave no goroutine behind. (TestMain looks for
// those, and so does every test with a fake clock.)
func TestBehaviour61_EveryTransport(t *testing.T) {
	t.Parallel()
	for name, tr := range ways(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way, cut := cuttable(tr)
			callee := observe(t, cloverleaf.Config{Name: "callee"}, tr)
			events := make(chan string, 1000)
			running, interrupted := make(chan struct{}), make(chan error, 1)
			callee.Register("com.add", func(x, y int) int { return x + y })
			callee.Register("com.echo", func(b []byte) []byte { return b })
			callee.Register("com.fail", func() error { return session.NewError("com.error", 7) })
			callee.Register("com.count", func(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
				for i := range 100 {
					if err := inv.Progress(ctx, i); err != nil {
						return session.Reply{}, err
					}
				}
				return session.Reply{Args: []any{100}}, nil
			})
			callee.Register("com.wait", func(ctx context.Context) error {
				running <- struct{}{}
				<-ctx.Done()
				interrupted <- context.Cause(ctx)
				return ctx.Err()
			})
			callee.Subscribe("com.topic", func(text string) { events <- text })
			callee.join()
			caller := observe(t, cloverleaf.Config{Name: "caller"}, way)
			s := caller.join()
			for range 2 {
				requireCalls(t, s)
				requireCanceling(t, s, running, interrupted)
				requireEvents(t, s, events)
				cut()
				<-s.Done()
				s = caller.next(s)
			}
			require.NoError(t, s.Leave(t.Context()))
			require.NoError(t, caller.Wait())
			callee.stop()
			require.Len(t, happened[*supervisor.Left](callee), 1)
		})
	}
}

func requireCalls(t *testing.T, s *session.Session) {
	t.Helper()
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			sum, err := session.Call[int](ctx, s, "com.add", i, i)
			require.NoError(t, err)
			require.Equal(t, 2*i, sum)
		})
	}
	all.Wait()
	large := make([]byte, 1<<20)
	echo, err := session.Call[[]byte](ctx, s, "com.echo", large)
	require.NoError(t, err)
	require.Equal(t, large, echo)
	_, err = s.Call(ctx, "com.fail")
	require.Equal(t, protocol.URI("com.error"), session.ErrorURI(err))
	_, err = s.Call(ctx, "com.nobody")
	require.Equal(t, protocol.ErrorNoSuchProcedure, session.ErrorURI(err))
	var counted []int
	n, err := session.As[int](s.Call(ctx, "com.count", session.OnProgress(func(r *session.Result) {
		i, err := session.As[int](r, nil)
		require.NoError(t, err)
		counted = append(counted, i)
	})))
	require.NoError(t, err)
	require.Equal(t, 100, n)
	require.Len(t, counted, 100)
	require.IsIncreasing(t, counted)
}

func requireCanceling(t *testing.T, s *session.Session, running <-chan struct{}, interrupted <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	_, err := s.Call(ctx, "com.wait")
	require.ErrorIs(t, err, context.Canceled)
	require.Error(t, <-interrupted)
}

func requireEvents(t *testing.T, s *session.Session, events <-chan string) {
	t.Helper()
	for i := range 200 {
		_, err := s.Publish(t.Context(), "com.topic", session.Args(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	for i := range 200 {
		require.Equal(t, fmt.Sprint(i), <-events)
	}
}
