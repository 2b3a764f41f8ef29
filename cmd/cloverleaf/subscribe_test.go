package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	s := newShell(t, "CLOVERLEAF_URL="+url)
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"no topic":           {nil, 2, "TOPIC is missing"},
		"bad topic":          {[]string{"a b"}, 2, `"a b" is not a valid URI`},
		"reserved topic":     {[]string{"wamp.topic"}, 2, "wamp.topic is reserved for the router"},
		"bad argument":       {[]string{"a.b", `"\u0000!"`}, 2, "argument 1: "},
		"bad keyword":        {[]string{"a.b", "-k", "=x"}, 2, `-k: "=x" is not KEY=VALUE`},
		"unknown option":     {[]string{"a.b", "-o", "excludeme=true"}, 2, "-o: unknown option excludeme, did you mean exclude_me?"},
		"option of call":     {[]string{"a.b", "-o", "timeout=1"}, 2, "-o: unknown option timeout"},
		"id is text":         {[]string{"a.b", "-o", "eligible=joe"}, 2, "-o: eligible must be the id of a session, not joe"},
		"id is negative":     {[]string{"a.b", "-o", "exclude=[1,-2]"}, 2, "-o: exclude must be the id of a session, not -2"},
		"authid is a number": {[]string{"a.b", "-o", "exclude_authid=1"}, 2, "-o: exclude_authid must be text, not 1"},
		"exclude_me":         {[]string{"a.b", "-o", "exclude_me=no"}, 2, "-o: exclude_me must be true or false"},
		"acknowledge":        {[]string{"a.b", "-o", "acknowledge=1"}, 2, "-o: acknowledge must be true or false"},
		"bad repeat":         {[]string{"a.b", "--repeat", "-1"}, 2, "--repeat: -1 is less than 1"},
		"no such realm":      {[]string{"a.b", "--realm", "other"}, 3, "no_such_realm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := (&shell{t: t, environ: s.environ}).run(append([]string{"publish"}, c.args...)...)
			require.Equal(t, c.code, got.code, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, c.stderr)
		})
	}
}

// line is an event as subscribe prints it.
type line struct {
	Topic       string         `json:"topic"`
	Publication uint64         `json:"publication"`
	Args        []any          `json:"args"`
	KwArgs      map[string]any `json:"kwargs"`
	Details     map[string]any `json:"details"`
}

func parseLines(t *testing.T, r result) []line {
	t.Helper()
	var lines []line
	for _, text := range r.lines() {
		var l line
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		lines = append(lines, l)
	}
	return lines
}

// What is published in one shell is printed in another, with the same identifier, until there were
// enough.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	s := newShell(t, "CLOVERLEAF_URL="+url)
	j := s.start("subscribe", "com.example.", "--match", "prefix", "--count", "3")
	j.says("subscribed to com.example. at " + url + "\n")

	first := s.works("publish", "com.example.a", "1", "x", "-k", "y=z", "-o", "disclose_me=true")
	second := s.run("publish", "com.example.b", "--repeat", "5").lines()
	got := j.wait()
	require.Zero(t, got.code)
	lines := parseLines(t, got)
	require.Len(t, lines, 3)
	require.Equal(t, first, strings.TrimSuffix(jsonText(lines[0].Publication), "\n")+"\n")
	require.Equal(t, "com.example.a", lines[0].Topic)
	require.Equal(t, []any{1.0, "x"}, lines[0].Args)
	require.Equal(t, map[string]any{"y": "z"}, lines[0].KwArgs)
	require.Equal(t, "anonymous", lines[0].Details["publisher_authrole"])
	require.NotContains(t, lines[0].Details, "topic")
	for i, l := range lines[1:] {
		require.Equal(t, second[i], jsonText(l.Publication))
		require.Contains(t, got.lines()[i+1], `"args":[],"kwargs":{}}`, "no details, if there are none")
	}
}

// A signal is the good end of a subscription without a count, and a failure of one with a count.
func TestSubscribeInterrupted(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	s := newShell(t, "CLOVERLEAF_URL="+url)
	j := s.start("subscribe", "com.example.a")
	j.says("subscribed")
	s.works("publish", "com.example.a", "1")
	j.prints(`"args":[1]`)
	j.interrupt()
	require.Zero(t, j.wait().code)

	j = s.start("subscribe", "com.example.a", "--count", "2")
	j.says("subscribed")
	s.works("publish", "com.example.a", "1")
	j.prints(`"args":[1]`)
	j.interrupt()
	got := j.wait()
	require.Equal(t, 130, got.code)
	require.Contains(t, got.stderr, "cloverleaf subscribe: interrupted\n")
}

func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	s := newShell(t, "CLOVERLEAF_URL="+url)
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"no topic":       {nil, 2, "TOPIC is missing"},
		"two topics":     {[]string{"a.b", "c.d"}, 2, `unexpected argument "c.d"`},
		"bad match":      {[]string{"a.b", "--match", "regex"}, 2, `--match "regex": is none of exact, prefix, wildcard`},
		"bad count":      {[]string{"a.b", "--count", "-1"}, 2, "--count: -1 is negative"},
		"unknown option": {[]string{"a.b", "-o", "retain=true"}, 2, "-o: unknown option retain"},
		"bad topic":      {[]string{"a..b"}, 2, `"a..b"`},
		"timeout":        {[]string{"a.b", "--count=1", "--timeout", "50ms"}, 124, "timed out after 50ms"},
		"endless":        {[]string{"a.b", "--timeout", "50ms"}, 124, "timed out after 50ms"},
		"nobody there":   {[]string{"a.b", "--url", "ws://127.0.0.1:1/ws"}, 3, "connection refused"},
		"no such realm":  {[]string{"a.b", "--realm", "other"}, 3, "no_such_realm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := (&shell{t: t, environ: s.environ}).run(append([]string{"subscribe"}, c.args...)...)
			require.Equal(t, c.code, got.code, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, c.stderr)
		})
	}
}

func TestSubscribeBrokenOutput(t *testing.T) {
	t.Parallel()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	publisher := backend(t, r, func(*cloverleaf.Component) {})
	stderr, done := newWatched(), make(chan int, 1)
	p := &program{stdin: strings.NewReader(""), stdout: brokenWriter{}, stderr: stderr, environ: []string{"CLOVERLEAF_URL=" + url}}
	go func() { done <- p.run(t.Context(), []string{"subscribe", "com.example.a"}) }()
	stderr.await(&job{t: t, stderr: stderr}, "subscribed")
	_, err := publisher.Publish(t.Context(), "com.example.a", session.Acknowledge())
	require.NoError(t, err)
	require.Equal(t, 1, <-done)
	require.Contains(t, stderr.String(), "cloverleaf subscribe: output: ")
}

// flaky admits and refuses as it is told.
type flaky struct{ refuse chan error }

func (*flaky) Method() string { return auth.MethodAnonymous }

func (f *flaky) Begin(router.AuthRequest) (router.Exchange, error) {
	select {
	case err := <-f.refuse:
		return router.Exchange{}, err
	default:
		return router.Exchange{Principal: router.Principal{AuthID: "joe", AuthRole: "r"}}, nil
	}
}

// When the session is lost, it is said, and the subscription comes back; when the router refuses the
// client then, that is the end.
func TestSubscribeReconnects(t *testing.T) {
	t.Parallel()
	guard := &flaky{refuse: make(chan error, 1)}
	realm := cloverleaf.RealmConfig{Name: "realm1", Authenticators: []router.Authenticator{guard}}
	cfg := cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{realm}}
	r, err := cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	addr, url := l.Addr().String(), l.URLs()[0]
	s := newShell(t, "CLOVERLEAF_URL="+url)
	j := s.start("subscribe", "com.example.a", "--serializer", "json")
	j.says("subscribed")
	require.NoError(t, r.Close(t.Context()))
	j.says("no connection: closed by router: wamp.close.system_shutdown")
	r, err = cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	_, err = r.Listen(t.Context(), addr)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Count(j.stderr.String(), "subscribed to") == 2 }, patience, patience/1000)
	s.works("publish", "com.example.a", "1")
	j.prints(`"args":[1]`)

	guard.refuse <- &router.RefusalError{Reason: protocol.ErrorNotAuthorized, Message: "no more"}
	require.NoError(t, r.Close(context.WithoutCancel(t.Context())))
	r, err = cloverleaf.NewRouter(cfg)
	require.NoError(t, err)
	defer func() { _ = r.Close(context.WithoutCancel(t.Context())) }()
	_, err = r.Listen(t.Context(), addr)
	require.NoError(t, err)
	got := j.wait()
	require.Equal(t, 3, got.code, got.stderr)
	require.Contains(t, got.stderr, "refused by router: wamp.error.not_authorized: no more\n")
}
