package docs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// The examples of this package are the snippets of guide.md, in its order. Each runs against a
// router of its own.

// TestGuideIsRun checks that every Go snippet of the guide is in an example that runs.
func TestGuideIsRun(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("guide.md")
	require.NoError(t, err)
	var run strings.Builder
	for _, name := range []string{"guide_test.go", "guide_verbs_test.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		run.WriteString(flat(string(text)))
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	require.Greater(t, len(snippets), 20)
	for _, snippet := range snippets {
		require.True(t, strings.Contains(run.String(), flat(snippet[1])), "in no example:\n%s", snippet[1])
	}
}

// flat returns the lines without indentation and empty lines.
func flat(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// listen starts a router with the realms of the guide.
func listen() (*cloverleaf.Router, string) {
	return serve(cloverleaf.RealmConfig{Name: "realm1"}, cloverleaf.RealmConfig{Name: "crossbardemo"})
}

func Example_creating() {
	r, url := listen()
	defer r.Close(context.Background())
	create := func() (*cloverleaf.Component, error) {
		comp, err := cloverleaf.NewComponent(cloverleaf.Config{
			Realm:      "realm1",
			Transports: cloverleaf.URLs(url), // ws://localhost:8080/ws
		})
		if err != nil {
			return nil, err
		}
		comp.OnJoin(func(ctx context.Context, s *session.Session) error {
			fmt.Println("session ready")
			return nil
		})
		return comp, nil
	}
	comp, err := create()
	if err != nil {
		panic(err)
	}
	comp.OnReady(func(ctx context.Context, s *session.Session) error { return s.Leave(ctx) })
	run := func() {
		if err := cloverleaf.Run(context.Background(), comp); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	run()
	// Output: session ready
}

func Example_several() {
	r, url := listen()
	defer r.Close(context.Background())
	ctx := context.Background()
	backend := component(cloverleaf.Config{Realm: "realm1", Transports: cloverleaf.URLs(url)})
	backend.Register("com.myapp.add2", func(x, y int) int { return x + y })
	frontend := component(cloverleaf.Config{
		Realm: "realm1", Transports: cloverleaf.URLs(url),
		Main: func(ctx context.Context, s *session.Session) error {
			if _, err := backend.Ready(ctx); err != nil {
				return err
			}
			sum, err := session.Call[int](ctx, s, "com.myapp.add2", 2, 3)
			fmt.Println(sum, err)
			return errors.Join(err, backend.Stop(ctx))
		},
	})

	err := cloverleaf.Run(ctx, backend, frontend)

	fmt.Println(err)
	// Output:
	// 5 <nil>
	// <nil>
}

func Example_group() {
	r, url := listen()
	defer r.Close(context.Background())
	ctx := context.Background()
	member := func(name string) *cloverleaf.Component {
		return component(cloverleaf.Config{Name: name, Realm: "realm1", Transports: cloverleaf.URLs(url)})
	}
	store, api := member("store"), member("api")

	group, err := cloverleaf.NewGroup(cloverleaf.GroupConfig{
		Name:      "shop",
		Strategy:  supervisor.RestForOne, // when store is restarted, so is api
		Ordered:   true,                  // api is started when store is ready
		Intensity: supervisor.Intensity{MaxRestarts: 3, Window: time.Minute},
	}, store, api)
	if err != nil {
		panic(err)
	}
	if err := group.Start(ctx); err != nil {
		panic(err)
	}
	fmt.Println(group.WaitReady(ctx), group.Stop(ctx))
	// Output:
	// <nil> <nil>
}

// service is a part of an application.
type service struct{}

func (service) Add(x, y int) int { return x + y }
func (service) Sub(x, y int) int { return x - y }

func Example_prefix() {
	r, url := listen()
	defer r.Close(context.Background())
	comp := component(cloverleaf.Config{
		Realm: "realm1", Transports: cloverleaf.URLs(url),
		Main: func(ctx context.Context, s *session.Session) error {
			x, err := session.Call[int](ctx, s, "com.myapp.math.sub", 3, 2)
			fmt.Println(x, err)
			return err
		},
	})

	app := comp.Prefix("com.myapp")
	math := service{}
	app.Prefix("math").RegisterAll(map[string]any{"add": math.Add, "sub": math.Sub})
	app.Subscribe("oncounter", func(n int) { fmt.Println(n) })

	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output:
	// 1 <nil>
	// <nil>
}

func component(cfg cloverleaf.Config) *cloverleaf.Component {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		panic(err)
	}
	return comp
}

// counting is a session of an application: made anew for each, with any of these methods.
type counting struct {
	*session.Session // set before OnJoin, for the verbs
	start            int
}

func (c *counting) OnConnect(context.Context, *protocol.Hello) error {
	fmt.Println("transport connected")
	return nil
}

func (c *counting) OnJoin(ctx context.Context, s *session.Session) error {
	fmt.Println("session joined", s.Realm())
	_, err := c.Register(ctx, "com.myapp.count", c.count)
	return err
}

func (c *counting) OnLeave(context.Context, error) { fmt.Println("session left") }

func (c *counting) OnDisconnect(context.Context, error) { fmt.Println("transport disconnected") }

func (c *counting) count(n int) int { return c.start + n }

func Example_sessionType() {
	r, url := listen()
	defer r.Close(context.Background())
	comp := component(cloverleaf.Config{
		Realm:      "realm1",
		Transports: cloverleaf.URLs(url),
		Extra:      40, // the application's own data
		SessionFactory: cloverleaf.NewSessionFactory(func(cfg cloverleaf.SessionConfig) *counting {
			start, _ := cfg.Extra.(int)
			return &counting{start: start}
		}),
		Main: func(ctx context.Context, s *session.Session) error {
			n, err := session.Call[int](ctx, s, "com.myapp.count", 2)
			fmt.Println(n)
			return err
		},
	})
	fmt.Println(cloverleaf.Run(context.Background(), comp))
	// Output:
	// transport connected
	// session joined realm1
	// 42
	// session left
	// transport disconnected
	// <nil>
}

// webApplication publishes an event each time somebody visits it.
type webApplication struct{ wamp *cloverleaf.Component }

func (a *webApplication) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, ok := a.wamp.Session()
	if !ok { // not connected at the moment
		http.Error(w, "no WAMP session", http.StatusInternalServerError)
		return
	}
	if _, err := s.Publish(r.Context(), "com.myapp.request_served"); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "published to com.myapp.request_served")
}

func Example_web() {
	r, url := listen()
	defer r.Close(context.Background())
	ctx := context.Background()

	comp := component(cloverleaf.Config{Realm: "crossbardemo", Transports: cloverleaf.URLs(url)})
	if err := comp.Start(ctx); err != nil {
		panic(err)
	}
	defer comp.Stop(ctx)
	server := httptest.NewServer(&webApplication{wamp: comp}) // http.ListenAndServe("127.0.0.1:8090", ...)
	defer server.Close()

	if _, err := comp.Ready(ctx); err != nil {
		panic(err)
	}
	fmt.Println(get(server.URL))
	_ = comp.Stop(ctx)
	fmt.Println(get(server.URL))
	// Output:
	// 200 published to com.myapp.request_served
	// 500 no WAMP session
}

func get(url string) (int, string) {
	res, err := http.Get(url) //nolint:noctx // a test server
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	body := make([]byte, 100)
	n, _ := res.Body.Read(body)
	return res.StatusCode, strings.TrimSpace(string(body[:n]))
}

// Example_longer is the longer example of the guide. Its router and its clock are those of a test.
func Example_longer() {
	r, url := authenticated()
	defer r.Close(context.Background())
	const second = time.Millisecond

	key, err := auth.ParseSigningKey("6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c") // never burn yours into code like this
	if err != nil {
		panic(err)
	}
	comp, err := cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "crossbardemo",
		// Several transports are tried in turn, each with its own retries and delays.
		Transports: []cloverleaf.Transport{{
			ClientConfig: transport.ClientConfig{
				URL:     url, // ws://localhost:8080/auth_ws
				Options: transport.Options{HandshakeTimeout: 100 * time.Second},
			},
		}},
		Auth: []session.Authenticator{
			session.CryptosignAuth{Identity: session.Identity{AuthID: "alice"}, Key: key},
		},
	})
	if err != nil {
		panic(err)
	}

	comp.Register("example.foo", func(ctx context.Context, inv *session.Invocation, n int, kw session.Kw[map[string]any]) (int, error) {
		fmt.Println("foo called:", n, kw.Value)
		for x := 5; x > 0; x-- {
			fmt.Println("  returning in", x)
			select {
			case <-time.After(second):
			case <-ctx.Done(): // the caller does not want the answer any more
				return 0, ctx.Err()
			}
		}
		return 42, nil
	})
	comp.OnReady(func(ctx context.Context, s *session.Session) error {
		d := s.Details()
		fmt.Println("joined", d.Realm, "as", d.AuthID, "in the role", d.AuthRole)
		res, err := session.As[int](s.Call(ctx, "example.foo", session.Args(42), session.KwArgs(map[string]any{"something": "nothing"})))
		fmt.Println("result:", res, err)
		return s.Leave(ctx)
	})

	if err := cloverleaf.Run(context.Background(), comp); err != nil {
		fmt.Println(err)
	}
	// Output:
	// joined crossbardemo as alice in the role authenticated
	// foo called: 42 map[something:nothing]
	//   returning in 5
	//   returning in 4
	//   returning in 3
	//   returning in 2
	//   returning in 1
	// result: 42 <nil>
}

// authenticated starts a router whose realm crossbardemo knows alice.
func authenticated() (*cloverleaf.Router, string) {
	key, err := auth.ParsePublicKey("020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66")
	if err != nil {
		panic(err)
	}
	users, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{
		key: {AuthID: "alice", Role: "authenticated"},
	}})
	if err != nil {
		panic(err)
	}
	return serve(cloverleaf.RealmConfig{Name: "crossbardemo", Authenticators: []router.Authenticator{users}})
}

func Example_configuration() {
	password := func(context.Context) (string, error) { return "today's", nil }
	proxy, err := url.Parse("http://proxy.example.com:3128")
	if err != nil {
		panic(err)
	}
	retries := func(err error) bool { return strings.Contains(err.Error(), "certificate") }

	_, err = cloverleaf.NewComponent(cloverleaf.Config{
		Realm: "realm1",
		Transports: []cloverleaf.Transport{
			{
				ClientConfig: transport.ClientConfig{
					URL:         "wss://router.example.com/ws",
					Serializers: []protocol.Serializer{protocol.CBOR, protocol.JSON}, // in order of preference
					Header:      http.Header{"X-Tenant": {"acme"}},
					Proxy:       proxy,
					TLS:         &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13},
				},
				MaxRetries: 3, // in a row, then this transport is given up; 0 is for ever, -1 not once
				Backoff: supervisor.Backoff{
					Initial: 1500 * time.Millisecond, Max: 5 * time.Minute, Growth: 1.5, Jitter: 0.1, // the defaults
				},
				IsFatal: retries, // true gives up this transport at once
			},
			{ClientConfig: transport.ClientConfig{URL: "rs+unix:///run/router.sock"}},
		},
	})
	fmt.Println(err)

	_, err = cloverleaf.NewComponent(cloverleaf.Config{
		Realm:      "realm1",
		Transports: cloverleaf.URLs("wss://router.example.com/ws"),
		Auth: []session.Authenticator{ // the router picks one
			session.SCRAM("joe", "s33kr1t"),
			session.CRA("joe", "s33kr1t"),
			session.TicketFunc("joe", password), // fetched for each attempt
		},
		AuthRole:  "frontend",
		AuthExtra: map[string]any{"device": "tablet"},
	})
	fmt.Println(err)

	_, err = cloverleaf.NewComponent(cloverleaf.Config{
		Name:       "mistaken",
		Realm:      "realm 1",
		Transports: cloverleaf.URLs("http://router.example.com"),
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// cloverleaf: component mistaken: realm: "realm 1" is not a valid URI
	// transports[0]: url: scheme "http" is none of ws, wss, rs, rss, ws+unix, rs+unix
}

func Example_document() {
	const document = `
realm: realm1
transports:
  - wss://router.example.com/ws
  - url: rs://10.0.0.7:8081
    serializer: cbor
    max_retries: 10
    initial_retry_delay: 1.5
authentication:
  wampcra:
    authid: backend
    secret: ${BACKEND_SECRET}
extra:
  shard: 3
`
	os.Setenv("BACKEND_SECRET", "s33kr1t") //nolint:errcheck // an example
	defer os.Unsetenv("BACKEND_SECRET")    //nolint:errcheck // likewise
	file := strings.NewReader(document)

	cfg, err := cloverleaf.ReadConfig(file) // or LoadConfig("component.yaml")
	if err != nil {
		panic(err)
	}
	cfg.Name = "backend" // what is not data is set in code
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		panic(err)
	}
	fmt.Println(comp.Name(), len(cfg.Transports))
	// Output: backend 2
}

func Example_router() {
	ctx := context.Background()
	router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{
		Realms: []cloverleaf.RealmConfig{{Name: "realm1"}, {Name: "crossbardemo"}},
	})
	if err != nil {
		panic(err)
	}
	defer router.Close(ctx) // says GOODBYE to everybody

	listener, err := router.Listen(ctx, "127.0.0.1:0") // WebSocket, RawSocket and HTTP on one port
	if err != nil {
		panic(err)
	}
	overTCP := cloverleaf.URLs("ws://" + listener.Addr().String() + "/ws")
	inProcess := []cloverleaf.Transport{router.Transport()} // no socket at all
	for _, transports := range [][]cloverleaf.Transport{overTCP, inProcess} {
		main := func(_ context.Context, s *session.Session) error {
			fmt.Println("joined", s.Realm())
			return nil
		}
		comp := component(cloverleaf.Config{Realm: "crossbardemo", Transports: transports, Main: main})
		fmt.Println(cloverleaf.Run(ctx, comp))
	}
	// Output:
	// joined crossbardemo
	// <nil>
	// joined crossbardemo
	// <nil>
}

// serve starts a router on a port of its own and returns its WebSocket URL.
func serve(realms ...cloverleaf.RealmConfig) (*cloverleaf.Router, string) {
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: realms})
	if err != nil {
		panic(err)
	}
	l, err := r.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return r, "ws://" + l.Addr().String() + "/ws"
}
