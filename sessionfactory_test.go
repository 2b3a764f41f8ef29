package cloverleaf_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// greeter handles one session. It has the methods of the session itself, once that is joined.
type greeter struct {
	*session.Session
	greeting string
}

func (g *greeter) OnJoin(ctx context.Context, _ *session.Session) error {
	_, err := g.Register(ctx, "com.example.greet", g.greet)
	return err
}

func (g *greeter) greet(name string) string { return g.greeting + ", " + name }

func (g *greeter) OnLeave(context.Context, error) { fmt.Println("left") }

// Each session is handled by a value of a type of your own.
func ExampleNewSessionFactory() {
	ctx := context.Background()
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close(ctx) }()
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "realm1",
		Transports: []cloverleaf.Transport{r.Transport()},
		Extra:      "hello",
		SessionFactory: cloverleaf.NewSessionFactory(func(cfg cloverleaf.SessionConfig) *greeter {
			return &greeter{greeting: cfg.Extra.(string)}
		}),
		Main: func(ctx context.Context, s *session.Session) error {
			text, err := session.Call[string](ctx, s, "com.example.greet", "world")
			fmt.Println(text)
			return err
		},
	})
	if err != nil {
		panic(err)
	}
	if err := cloverleaf.Run(ctx, comp); err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello, world
	// left
}

// counted is a handler that nothing but OnConnect and OnReady matters to.
type counted struct {
	n     int
	ready chan<- int
}

func (c *counted) OnConnect(_ context.Context, hello *protocol.Hello) error {
	hello.Details.AuthID = fmt.Sprint("nr", c.n)
	return nil
}

func (c *counted) OnReady(_ context.Context, s *session.Session) error {
	c.ready <- c.n
	return nil
}

// TestSessionHandlersAcrossReconnects: each connection has a handler of its own.
func TestSessionHandlersAcrossReconnects(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	made, ready := 0, make(chan int, 10)
	c := newComponent(t, cloverleaf.Config{
		Transports: inProcess(r),
		SessionFactory: cloverleaf.NewSessionFactory(func(cloverleaf.SessionConfig) *counted {
			made++
			return &counted{n: made, ready: ready}
		}),
	})
	kill := newComponent(t, cloverleaf.Config{Transports: inProcess(r)})
	require.NoError(t, kill.Start(t.Context()))
	killer, err := kill.Ready(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context()))
	for n := 1; n <= 3; n++ {
		require.Equal(t, n, <-ready)
		s, err := c.Ready(t.Context())
		require.NoError(t, err)
		_, err = killer.Call(t.Context(), "wamp.session.kill", session.Args(s.ID()))
		require.NoError(t, err)
		<-s.Done()
	}
	require.Equal(t, 4, <-ready)
	require.NoError(t, c.Stop(t.Context()))
	require.NoError(t, kill.Stop(t.Context()))
	require.Equal(t, 4, made)
}

type mistaken struct{}

func (mistaken) OnLeave(context.Context) {}

// TestSessionFactoryMistakes: a method with a wrong signature is not left out in silence.
func TestSessionFactoryMistakes(t *testing.T) {
	t.Parallel()
	_, err := cloverleaf.NewComponent(cloverleaf.Config{
		Name: "c", Realm: "realm1", SessionFactory: actors.NewSessionFactory(func(actors.SessionConfig) mistaken { return mistaken{} }),
	})
	require.EqualError(t, err, "cloverleaf: component c: sessionFactory: cloverleaf_test.mistaken: "+
		"OnLeave is a func(context.Context), want func(context.Context, error)")
}
