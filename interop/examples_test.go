//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// example is a pair of programs of Autobahn's, backend.py and frontend.py.
type example struct {
	folder string // below twisted/wamp or asyncio/wamp
	// probe is a procedure of the backend that can be called without harm, the last that it
	// registers. Without one the backend publishes for as long as it takes.
	probe string
	args  []any
	// frontend and backend are what they print, as patterns, in this order.
	frontend, backend []string
	// asyncio is what the frontend for asyncio prints instead, if it differs.
	asyncio []string
	// endless frontends do not end by themselves; both is for either of them.
	endless, endlessTwisted bool
}

const event = `Got event: (\d+)`

// appError is how Python shows an error with that URI.
func appError(uri, args, kwargs string) string {
	q := regexp.QuoteMeta
	return `Error: ApplicationError\(error=<` + q(uri) + `>, args=` + q(args) + `, kwargs=` + q(kwargs) + `, .*`
}

func allExamples() []example {
	arguments := []string{
		"Pinged!", "Add2: 5", "Starred 1: somebody starred 0x", "Starred 2: Homer starred 0x", "Starred 3: somebody starred 5x",
		"Starred 4: Homer starred 5x", `Orders 1: \['Product 0', .* 'Product 4'\]`, `Orders 2: \['Product 0', .* 'Product 9'\]`,
		`Arglen \d: \[0, 0\]`, `Arglen \d: \[3, 0\]`, `Arglen \d: \[0, 3\]`, `Arglen \d: \[3, 3\]`,
	}
	unsubscribe := []string{
		`Subscribed with subscription ID \d+`, event, event, event, event, event, event, `Unsubscribed .. continue in 5s ..`,
		`Subscribed with subscription ID \d+`, event, event, event, event, event, event,
	}
	math := []string{"com.mathservice.add2: 5", "com.mathservice.mul2: 6"}
	return []example{
		{folder: "overview", probe: "com.myapp.add2", args: []any{1, 1}, endless: true, frontend: []string{"Got result: 5", "Got event: Hello, world!", "Got event: Hello, world!"}},
		{folder: "pubsub/basic", frontend: []string{event, event, event, event, event, event}},
		{folder: "pubsub/complex", frontend: []string{
			`heartbeat \(publication ID \d+\)`, `Got event: \d+ 23 Hello {'counter': \d+, 'foo': \[1, 2, 3\]}`, `heartbeat \(publication ID \d+\)`,
		}},
		{folder: "pubsub/decorators", endlessTwisted: true, frontend: []string{`Got event on topic1: \d+`, "Got event on topic2: Hello world.", `Got event on topic1: \d+`}},
		{folder: "pubsub/options", frontend: slices.Repeat([]string{`Got event, publication ID \d+, publisher None: (\d+)`}, 6), backend: []string{`[Pp]ublished with publication ID \d+`}},
		{folder: "pubsub/unsubscribe", frontend: unsubscribe},
		{folder: "rpc/timeservice", probe: "com.timeservice.now", frontend: []string{`Current time from time service: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`}},
		{folder: "rpc/slowsquare", probe: "com.math.slowsquare", args: []any{2}, frontend: []string{`Quick Square: 9 in \d+\.\d+`, `Slow Square: 9 in \d+\.\d+`, "All finished."}},
		{folder: "rpc/progress", probe: "com.myapp.longop", args: []any{0}, frontend: []string{"Progress: 0", "Progress: 1", "Progress: 2", "Final: 3"}},
		{folder: "rpc/options", probe: "com.myapp.square", args: []any{1}, frontend: []string{
			"Squared 2 = 4", "Someone requested to square non-positive: 0", "Squared 0 = 0", "Someone requested to square non-positive: -2", "Squared -2 = 4",
		}, backend: []string{"square called from: None", "square called from: None"}},
		{folder: "rpc/errors", probe: "com.myapp.compare", args: []any{3, 2}, frontend: []string{
			`Result: 1\.414213562373095\d*`, appError("wamp.error.runtime_error", `["don't ask foolish questions;)"]`, `{}`),
			appError("wamp.error.runtime_error", `['math domain error']`, `{}`),
			appError("com.myapp.error.reserved", `[]`, `{}`), appError("com.myapp.error.mixed_case", `['a', 'A']`, `{}`),
			appError("com.myapp.error.invalid_length", `[]`, `{'min': 3, 'max': 10}`), appError("com.myapp.error.mixed_case", `['hello', 'HELLO']`, `{}`),
			`Compare Error: 14`,
		}},
		{
			folder: "rpc/decorators", probe: "com.mathservice.div2", args: []any{2, 1}, frontend: append(math, "com.mathservice.square2: 13", `com.mathservice.div2: 0\.66666666666666\d*`),
			asyncio: append(math, `com.mathservice.div2: 0\.66666666666666\d*`),
		},
		{folder: "rpc/complex", probe: "com.myapp.split_name", args: []any{"Marge Bouvier"}, frontend: []string{`Result: 6 \+ 8i`, "Forname: Homer, Surname: Simpson"}},
		{folder: "rpc/arguments", probe: "com.arguments.arglen", frontend: arguments},
	}
}

// TestAutobahnExamples runs every pair of Autobahn's examples, unchanged, with a router of ours
// for each, and looks at what they print.
func TestAutobahnExamples(t *testing.T) {
	t.Parallel()
	require.Equal(t, pairs(), pairsOf(t), "the examples that Autobahn runs itself")
	for _, transport := range []string{webSocket, rawSocket} {
		for _, flavour := range []string{"twisted", "asyncio"} {
			for _, e := range allExamples() {
				t.Run(transport+"/"+flavour+"/"+e.folder, func(t *testing.T) {
					t.Parallel()
					e.test(t, flavour, transport)
				})
			}
		}
	}
}

// pairs lists all examples as run-all-examples.py does at its end, sorted.
func pairs() []string {
	var list []string
	for _, flavour := range []string{"asyncio", "twisted"} {
		for _, e := range allExamples() {
			list = append(list, "./"+flavour+"/wamp/"+e.folder)
		}
	}
	slices.Sort(list)
	return list
}

// pairsOf lists the pairs that run-all-examples.py is going to run, sorted.
func pairsOf(t *testing.T) []string {
	t.Helper()
	_, source := examples(t)
	text, err := os.ReadFile(filepath.Join(source, "examples", "run-all-examples.py"))
	require.NoError(t, err)
	var list []string
	for _, m := range regexp.MustCompile(`"(?:py3 )?(\./(?:twisted|asyncio)/wamp/[a-z/]+?)/?",`).FindAllStringSubmatch(string(text), -1) {
		_, back := os.Stat(filepath.Join(source, "examples", m[1], "backend.py"))
		_, front := os.Stat(filepath.Join(source, "examples", m[1], "frontend.py"))
		if back == nil && front == nil {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return list
}

func (e example) test(t *testing.T, flavour, transport string) {
	t.Helper()
	d := startDemo(t)
	where := "AUTOBAHN_DEMO_ROUTER=" + d.urls[transport]
	of := flavour
	if e.folder == "pubsub/unsubscribe" {
		of = "twisted" // the backend for asyncio does nothing: nothing in it is run
	}
	backend := d.run(t, filepath.Join("examples", of, "wamp", e.folder, "backend.py"), where)
	if e.probe != "" {
		d.await(t, e.probe, e.args...)
	}
	frontend := d.run(t, filepath.Join("examples", flavour, "wamp", e.folder, "frontend.py"), where)
	want := e.frontend
	if flavour == "asyncio" && e.asyncio != nil {
		want = e.asyncio
	}
	matches := frontend.expect(t, want...)
	requireInOrder(t, matches)
	backend.expect(t, e.backend...)
	if e.endless || e.endlessTwisted && flavour == "twisted" {
		return
	}
	frontend.ends(t)
}

// requireInOrder requires that the numbers of events go up by one, but where the example has
// unsubscribed in between.
func requireInOrder(t *testing.T, matches [][]string) {
	t.Helper()
	last := -1
	for _, m := range matches {
		if len(m) < 2 {
			last = -1
			continue
		}
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		if last >= 0 {
			require.Equal(t, last+1, n)
		}
		last = n
	}
}

// await calls a procedure until there is one.
func (d *demo) await(t *testing.T, procedure string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: demoRealm, Transports: cloverleaf.URLs(d.urls[webSocket])})
	require.NoError(t, err)
	require.NoError(t, c.Start(ctx))
	defer func() { _ = c.Stop(ctx) }()
	s, err := c.Ready(ctx)
	require.NoError(t, err)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		_, err := s.Call(ctx, procedure, session.Args(args...))
		if session.ErrorURI(err) != protocol.ErrorNoSuchProcedure {
			require.NoError(t, err, procedure)
			return
		}
		<-tick.C
	}
}

// TestRunAllExamples runs Autobahn's own program that runs its examples, one after the other, with a
// program "crossbar" that is the router of ours.
func TestRunAllExamples(t *testing.T) {
	t.Parallel()
	_, source := examples(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	bin := t.TempDir()
	shim := fmt.Sprintf("#!/bin/sh\nexec %q router --demo --listen %s --demo-tls 127.0.0.1:0\n", os.Getenv(envRouter), address)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "crossbar"), []byte(shim), 0o700))
	all := startScript(t, filepath.Join(source, "examples", "run-all-examples.py"),
		"PATH="+bin+":"+os.Getenv("PATH"), "AUTOBAHN_DEMO_ROUTER=ws://"+address+"/ws")
	select {
	case <-all.done:
	case <-time.After(5 * time.Minute):
	}
	all.ends(t)
	text := regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(all.String(), "")
	var passed []string
	for _, m := range regexp.MustCompile(`(?m)^✓ \w+ +\w+ +(\./\S+?)/?$`).FindAllStringSubmatch(text, -1) {
		passed = append(passed, m[1])
	}
	slices.Sort(passed)
	require.Equal(t, pairs(), passed)
	require.Contains(t, text, fmt.Sprintf("Total: %d/%d examples completed successfully", len(passed), len(passed)))
}

// TestGuideExample runs the longer example of Autobahn's guide, both versions, as they are in the
// guide.
func TestGuideExample(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tx_complete.py", "aio_complete.py"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			s := d.run(t, filepath.Join("docs", "listings", name))
			s.expect(t,
				`joined <autobahn\.\w+\.wamp\.Session .*`, "'authid': 'alice',", "'authmethod': 'cryptosign',", "'authrole': 'authenticated',",
				"Calling 'com.example'", `foo called: \(42,\), {'something': 'nothing', 'details': .*}`,
				"returning in 5", "returning in 4", "returning in 3", "returning in 2", "returning in 1", "returning '42'", "Result: 42",
			)
			s.ends(t)
		})
	}
}

// TestAutobahnAuthExamples runs those of Autobahn's examples that authenticate, use TLS or both; they are
// not among those that Autobahn runs itself.
func TestAutobahnAuthExamples(t *testing.T) {
	t.Parallel()
	for _, flavour := range []string{"twisted", "asyncio"} {
		t.Run(flavour+"/component", func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			backend := d.runTrusting(t, filepath.Join("examples", flavour, "wamp", "component", "backend.py"))
			d.await(t, "example.foo")
			frontend := d.run(t, filepath.Join("examples", flavour, "wamp", "component", "frontend.py"))
			frontend.expect(t,
				"registering 'com.foo.private' failed as expected: wamp.error.not_authorized", `registered 'should.work' with id \d+`,
				"prefix-match 'prefix.fail.' failed as expected: wamp.error.not_authorized", "calling 'example.foo'", `example.foo\(\) = .*`, "done",
			)
			frontend.ends(t)
			backend.expect(t, `foo\(.*\)`, "returning '42'", `foo\(.*\)`, "returning '42'")
		})
	}
	t.Run("scram", func(t *testing.T) {
		t.Parallel()
		d := startDemo(t)
		d.run(t, "examples/twisted/wamp/component/frontend_scram.py").expect(t,
			"Session joined: .*", "'authid': 'carol',", "'authmethod': 'scram',", "'authrole': 'authenticated',")
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		d := startDemo(t)
		backend := d.runTrusting(t, filepath.Join("examples", "twisted", "wamp", "component", "backend.py"))
		d.await(t, "example.foo")
		frontend := d.run(t, filepath.Join("examples", "twisted", "wamp", "component", "frontend_cancel.py"))
		frontend.expect(t, `Called 'example.foo': .*`, "call was canceled successfully", "done")
		backend.expect(t, `foo\(\('some', 'args'\), .*`)
	})
}

// TestAutobahnRetainedExample runs the one of Autobahn's examples about retained events and history.
func TestAutobahnRetainedExample(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	where := "AUTOBAHN_DEMO_ROUTER=" + d.auth
	backend := d.run(t, "examples/twisted/wamp/pubsub/retained/backend.py", where)
	backend.expect(t, `published: Publication\(.*`, `published: Publication\(.*`)
	frontend := d.run(t, "examples/twisted/wamp/pubsub/retained/frontend.py", where)
	const data, history = `some data, topic was 'com\.example\.no_history_here'`, `some data, topic was 'com\.example\.history'`
	frontend.expect(t,
		`got_event\(\): args=\("`+data+`",\), kwargs={}`, `got_event\(\): args=\("`+history+`",\), kwargs={}`,
		`wamp\.subscription\.get_events \d+: 1`, `\S+ com\.example\.history args=\["`+history+`"\] kwargs=.*`,
	)
}

// TestAutobahnMetaExample listens to the realm while one of Autobahn's examples does what there is to hear.
func TestAutobahnMetaExample(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	heard := make(chan string, 1024)
	c, err := cloverleaf.NewComponent(cloverleaf.Config{Realm: demoRealm, Transports: cloverleaf.URLs(d.urls[rawSocket])})
	require.NoError(t, err)
	c.Subscribe("", func(ev *session.Event) { heard <- string(ev.Topic()) }, session.Prefix())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), scriptTimeout)
	defer cancel()
	require.NoError(t, c.Start(ctx))
	defer func() { require.NoError(t, c.Stop(ctx)) }()
	_, err = c.Ready(ctx)
	require.NoError(t, err)
	backend := d.run(t, "examples/twisted/wamp/meta/backend.py", "AUTOBAHN_DEMO_ROUTER="+d.auth)
	for _, topic := range []string{
		"wamp.session.on_join", "event.foo.1", "wamp.subscription.on_create", "wamp.subscription.on_subscribe",
		"wamp.registration.on_create", "wamp.registration.on_register", "wamp.registration.on_unregister", "event.foo.2",
	} {
		for next := ""; next != topic; {
			select {
			case next = <-heard:
			case <-ctx.Done():
				require.FailNow(t, "not heard", topic)
			}
		}
	}
	backend.expect(t, `registered \d+`, "called 42")
}

// runTrusting runs an example that finds the router's certificate at a place relative to its own: a copy,
// where the certificate is that of the demonstration. The original has expired.
func (d *demo) runTrusting(t *testing.T, path string) *script {
	t.Helper()
	_, source := examples(t)
	folder := t.TempDir()
	for to, from := range map[string]string{path: filepath.Join(source, path), "examples/router/.crossbar/server.crt": d.cert} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(to)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, to), text, 0o600))
	}
	return startScript(t, filepath.Join(folder, path), d.env...)
}
