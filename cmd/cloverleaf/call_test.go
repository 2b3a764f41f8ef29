package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// newBackend starts a router with procedures to call.
func newBackend(t *testing.T) (url string) {
	t.Helper()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	backend(t, r, func(c *cloverleaf.Component) {
		c.Register("com.example.add2", func(x, y int) int { return x + y })
		c.Register("com.example.echo", func(_ context.Context, inv *session.Invocation) (session.Reply, error) { return echo(t.Context(), inv) })
		c.Register("com.example.nothing", func() {})
		c.Register("com.example.integers", func() (int64, uint64, float64) { return math.MinInt64, math.MaxUint64, 1 })
		c.Register("com.example.fail", func(uri string) error {
			return &session.Error{URI: protocol.URI(uri), Args: []any{"not today", 1}, KwArgs: map[string]any{"b": 2, "a": []byte{1}}}
		})
		c.Register("com.example.count", func(ctx context.Context, inv *session.Invocation, n int) (int, error) {
			for i := range n {
				if err := inv.Progress(ctx, i); err != nil {
					return 0, err
				}
			}
			return n, nil
		})
		c.Register("com.example.sleep", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		c.Register("com.example.odd", func(n int) (int, error) {
			if n%2 == 0 {
				return 0, errors.New("even")
			}
			return n, nil
		})
		c.Register("com.example.die", func(_ context.Context, inv *session.Invocation) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
			defer cancel()
			_ = r.Close(ctx)
			<-inv.Context().Done()
			return nil
		})
	})
	return url
}

func TestCall(t *testing.T) {
	t.Parallel()
	s := newShell(t, "CLOVERLEAF_URL="+newBackend(t))
	for name, c := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"result":               {[]string{"com.example.add2", "2", "3"}, 0, "5\n", ""},
		"negative numbers":     {[]string{"com.example.add2", "-1", "2"}, 0, "1\n", ""},
		"after --":             {[]string{"com.example.add2", "--", "-1", "-2"}, 0, "-3\n", ""},
		"flags behind":         {[]string{"com.example.add2", "1", "--realm", "realm1", "2"}, 0, "3\n", ""},
		"json":                 {[]string{"com.example.echo", "x", "--serializer", "json"}, 0, "\"x\"\n", ""},
		"msgpack":              {[]string{"com.example.echo", "x", "--serializer", "msgpack,json"}, 0, "\"x\"\n", ""},
		"cbor":                 {[]string{"com.example.echo", "x", "--serializer", "cbor", "--serializer", "json"}, 0, "\"x\"\n", ""},
		"binary":               {[]string{"com.example.echo", `"\u0000AP8="`}, 0, "\"\\u0000AP8=\"\n", ""},
		"integers":             {[]string{"com.example.integers"}, 0, `{"args":[-9223372036854775808,18446744073709551615,1.0],"kwargs":{}}` + "\n", ""},
		"nothing":              {[]string{"com.example.nothing"}, 0, `{"args":[],"kwargs":{}}` + "\n", ""},
		"keywords":             {[]string{"com.example.echo", "-k", "a=1", "1"}, 0, `{"args":[1],"kwargs":{"a":1}}` + "\n", ""},
		"progress":             {[]string{"com.example.count", "3", "-o", "receive_progress=true"}, 0, "0\n1\n2\n3\n", ""},
		"no progress":          {[]string{"com.example.count", "3"}, 0, "3\n", ""},
		"repeat":               {[]string{"com.example.add2", "2", "3", "--repeat", "3"}, 0, "5\n5\n5\n", ""},
		"error":                {[]string{"com.example.fail", "com.example.error.x"}, 1, "", `cloverleaf call: com.example.error.x ["not today",1] {"a":"\u0000AQ==","b":2}` + "\n"},
		"error, repeated":      {[]string{"com.example.fail", "com.example.error.x", "--repeat=2"}, 1, "", strings.Repeat(`cloverleaf call: com.example.error.x ["not today",1] {"a":"\u0000AQ==","b":2}`+"\n", 2)},
		"no such procedure":    {[]string{"com.example.none"}, 1, "", "cloverleaf call: wamp.error.no_such_procedure\n"},
		"invalid argument":     {[]string{"com.example.add2", "x", "1"}, 1, "", "cloverleaf call: wamp.error.invalid_argument ["},
		"timeout of router":    {[]string{"com.example.sleep", "-o", "timeout=20"}, 1, "", "cloverleaf call: wamp.error.timeout"},
		"timeout":              {[]string{"com.example.sleep", "--timeout", "50ms"}, 124, "", "cloverleaf call: timed out after 50ms\n"},
		"verbose":              {[]string{"com.example.add2", "1", "2", "-v"}, 0, "3\n", "session joined"},
		"no procedure":         {nil, 2, "", "PROCEDURE is missing\nRun 'cloverleaf call -h' for help.\n"},
		"empty procedure":      {[]string{""}, 2, "", `"" is not a valid URI`},
		"bad procedure":        {[]string{"a b"}, 2, "", `"a b" is not a valid URI`},
		"bad keyword":          {[]string{"a.b", "-k", "x"}, 2, "", `-k: "x" is not KEY=VALUE`},
		"bad option":           {[]string{"a.b", "-o", "x"}, 2, "", `-o: "x" is not KEY=VALUE`},
		"unknown option":       {[]string{"a.b", "-o", "tmeout=1"}, 2, "", "-o: unknown option tmeout, did you mean timeout?; there are disclose_me, receive_progress, rkey, runmode, timeout, and names that start with _"},
		"option not a bool":    {[]string{"a.b", "-o", "disclose_me=1"}, 2, "", "-o: disclose_me must be true or false"},
		"progress not a bool":  {[]string{"a.b", "-o", "receive_progress=yes"}, 2, "", "-o: receive_progress must be true or false"},
		"option not a time":    {[]string{"a.b", "-o", "timeout=1s"}, 2, "", "-o: timeout must be a number of milliseconds"},
		"negative time":        {[]string{"a.b", "-o", "timeout=-1"}, 2, "", "-o: timeout must be a number of milliseconds"},
		"option not text":      {[]string{"a.b", "-o", "runmode=1"}, 2, "", "-o: runmode must be text, not 1"},
		"bad argument":         {[]string{"a.b", "1", `"\u0000!"`}, 2, "", "argument 2: "},
		"repeat nothing":       {[]string{"a.b", "--repeat", "0"}, 2, "", "--repeat: 0 is less than 1"},
		"concurrency":          {[]string{"a.b", "--concurrency", "0"}, 2, "", "--concurrency: 0 is less than 1"},
		"unknown flag":         {[]string{"a.b", "--tiket=secret"}, 2, "", "unknown flag --tiket, did you mean --ticket?"},
		"unknown serializer":   {[]string{"a.b", "--serializer", "xml"}, 2, "", `--serializer "xml": is none of json, msgpack, cbor`},
		"negative timeout":     {[]string{"a.b", "--timeout", "-1s"}, 2, "", "--timeout: -1s is negative"},
		"bad url":              {[]string{"a.b", "--url", "http://127.0.0.1/"}, 2, "", "url"},
		"bad realm":            {[]string{"a.b", "--realm", "a b"}, 2, "", `realm: "a b" is not a valid URI`},
		"no such realm":        {[]string{"a.b", "--realm", "other"}, 3, "", "refused by router: wamp.error.no_such_realm"},
		"nobody there":         {[]string{"a.b", "--url", "ws://127.0.0.1:1/ws"}, 3, "", "connection refused"},
		"secret in url":        {[]string{"a.b", "--url", "ws://127.0.0.1:1/ws?token=secret"}, 3, "", "dial ws://127.0.0.1:1/ws"},
		"no such socket":       {[]string{"a.b", "--url", "rs+unix:///nowhere"}, 3, "", "no such file"},
		"wrong transport":      {[]string{"a.b", "--url", "ws://127.0.0.1:1/ws", "--timeout", "1h"}, 3, "", "connection refused"},
		"ca not there":         {[]string{"a.b", "--ca", "/nowhere.pem"}, 2, "", "--ca: open /nowhere.pem"},
		"ca and insecure":      {[]string{"a.b", "--ca", "x", "--insecure"}, 2, "", "--ca and --insecure exclude each other"},
		"secret without owner": {[]string{"a.b", "--secret", "s3cret"}, 2, "", "--authid is missing"},
		"help":                 {[]string{"-h", "--nonsense"}, 0, callText, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := (&shell{t: t, environ: s.environ}).run(append([]string{"call"}, c.args...)...)
			require.Equal(t, c.code, got.code, got.stderr)
			require.NotContains(t, got.stderr, "secret\n")
			require.NotContains(t, got.stderr, "s3cret")
			if c.code == 0 && name != "help" {
				require.Equal(t, c.stdout, got.stdout)
			} else {
				require.Contains(t, got.stdout, c.stdout)
			}
			if c.stderr == "" {
				require.Empty(t, got.stderr)
			}
			require.Contains(t, got.stderr, c.stderr)
		})
	}
}

// Several results in one session, several at a time: all come, and those that fail do not keep the
// others from being made.
func TestCallRepeat(t *testing.T) {
	t.Parallel()
	s := newShell(t, "CLOVERLEAF_URL="+newBackend(t))
	got := s.run("call", "com.example.add2", "2", "3", "--repeat", "500", "--concurrency", "20")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, strings.Repeat("5\n", 500), got.stdout)

	got = s.run("call", "com.example.odd", "2", "--repeat", "20", "--concurrency", "5")
	require.Equal(t, 1, got.code)
	require.Empty(t, got.stdout)
	require.Equal(t, strings.Repeat("cloverleaf call: wamp.error.runtime_error [\"even\"]\n", 20), got.stderr)
}

// When the router goes away there is no more to repeat, and that is said once.
func TestCallLosesSession(t *testing.T) {
	t.Parallel()
	s := newShell(t, "CLOVERLEAF_URL="+newBackend(t))
	got := s.run("call", "com.example.die", "--repeat", "50", "--concurrency", "10")
	require.Equal(t, 3, got.code, got.stderr)
	require.Equal(t, "cloverleaf call: closed by router: wamp.close.system_shutdown: the router is shutting down\n", got.stderr)
}

// A result that cannot be written is a failure.
func TestCallBrokenOutput(t *testing.T) {
	t.Parallel()
	url := newBackend(t)
	for _, args := range [][]string{
		{"call", "com.example.add2", "1", "2"},
		{"call", "com.example.count", "2", "-o", "receive_progress=true"},
		{"publish", "com.example.topic"},
		{"version"},
		{"help"},
		{"help", "call"},
		{"keygen"},
		{"completion", "bash"},
	} {
		stderr := newWatched()
		p := &program{stdin: strings.NewReader(""), stdout: brokenWriter{}, stderr: stderr, environ: []string{"CLOVERLEAF_URL=" + url}}
		require.Equal(t, 1, p.run(t.Context(), args), args)
		require.Equal(t, "cloverleaf "+args[0]+": output: io: read/write on closed pipe\n", stderr.String())
	}
}

// A signal before there is a session is a failure of every command.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"call", "a.b"}, {"publish", "a.b"}, {"subscribe", "a.b"}, {"register", "a.b", "--echo"}} {
		stdout, stderr := newWatched(), newWatched()
		p := &program{stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, environ: []string{"CLOVERLEAF_URL=" + r.url, "CLOVERLEAF_SERIALIZER=json"}}
		require.Equal(t, 130, p.run(ctx, args), args)
		require.Empty(t, stdout.String())
		require.Equal(t, "cloverleaf "+args[0]+": interrupted\n", stderr.String())
	}
}

// --timeout bounds the time to connect, too.
func TestTimeoutOfHandshake(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 1)
	begin := time.Now()
	got := newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json", "CLOVERLEAF_TIMEOUT=100ms").run("call", "a.b")
	require.Equal(t, 124, got.code)
	require.Equal(t, "cloverleaf call: timed out after 100ms\n", got.stderr)
	require.Less(t, time.Since(begin), leaveTimeout+5*time.Second)
}

// What a router refuses is told without what may be secret in the URL, and without its control
// characters.
func TestDescribe(t *testing.T) {
	t.Parallel()
	url := newBackend(t)
	got := newShell(t, "CLOVERLEAF_URL="+url+"?token=s3cret").run("call", "a.b", "--realm", "other")
	require.Equal(t, 3, got.code)
	require.Contains(t, got.stderr, "cloverleaf call: "+url+": refused by router: ")
	require.NotContains(t, got.stderr, "s3cret")

	got = newShell(t, "CLOVERLEAF_URL="+url).run("call", "com.example.fail", "com.example.\x1b[2J")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "cloverleaf call: com.example.\uFFFD[2J [")

	require.Equal(t, `{"a":[18446744073709551615,"<&>"],"b":1.0}`, jsonText(map[string]any{"b": 1.0, "a": []any{uint64(math.MaxUint64), "<&>"}}))
	require.Equal(t, "a b", describe(errors.New("a\n\tb")))
}

func TestBadEnvironment(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"CLOVERLEAF_TIMEOUT=soon":       `CLOVERLEAF_TIMEOUT="soon": parse error`,
		"CLOVERLEAF_SERIALIZER=xml":     `CLOVERLEAF_SERIALIZER="xml": is none of json, msgpack, cbor`,
		"CLOVERLEAF_INSECURE=perhaps":   `CLOVERLEAF_INSECURE="perhaps": parse error`,
		"CLOVERLEAF_PRIVATE_KEY=s3cret": "--private-key: ",
		"CLOVERLEAF_TICKET=@/s3/none":   "--ticket: open /s3/none",
	} {
		got := newShell(t, entry).run("call", "a.b", "--authid", "joe")
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, want)
		require.NotContains(t, got.stderr, "s3cret")
	}
}
