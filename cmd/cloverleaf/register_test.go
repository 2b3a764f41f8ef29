package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// needs skips a test if a program is not there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// newCaller returns a shell, and a session that calls what is registered in it.
func newCaller(t *testing.T) (*shell, *session.Session) {
	t.Helper()
	r, url := newRouter(t, cloverleaf.RouterConfig{})
	return newShell(t, "CLOVERLEAF_URL="+url, "PATH="+os.Getenv("PATH")),
		backend(t, r, func(*cloverleaf.Component) {})
}

func TestRegisterEcho(t *testing.T) {
	t.Parallel()
	s, caller := newCaller(t)
	j := s.start("register", "com.example.echo", "--echo", "--count", "2", "--invoke", "roundrobin")
	j.says("registered com.example.echo at ws://")
	res, err := caller.Call(t.Context(), "com.example.echo", session.Args(1, []byte{2}), session.KwArgs(map[string]any{"a": 1.0}))
	require.NoError(t, err)
	args, err := res.Args()
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), []byte{2}}, args)
	kwargs, err := res.KwArgs()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": 1.0}, kwargs)
	require.Equal(t, `{"args":[],"kwargs":{}}`+"\n", s.works("call", "com.example.echo"))
	require.Zero(t, j.wait().code)
}

func TestRegisterCommand(t *testing.T) {
	t.Parallel()
	needs(t, "sh", "cat", "printf")
	s, caller := newCaller(t)
	for name, c := range map[string]struct {
		script string
		args   []any
		kwargs map[string]any
		want   []any // the result; nil is none
	}{
		"stdin":         {"cat", []any{1, "x y", []byte{1}}, map[string]any{"k": 2.0}, []any{map[string]any{"args": []any{int64(1), "x y", []byte{1}}, "kwargs": map[string]any{"k": 2.0}}}},
		"no arguments":  {"cat", nil, nil, []any{map[string]any{"args": []any{}, "kwargs": map[string]any{}}}},
		"WAMP_ARGS":     {`printf %s "$WAMP_ARGS"`, []any{1, "$(exit 3)"}, nil, []any{[]any{int64(1), "$(exit 3)"}}},
		"WAMP_KWARGS":   {`printf %s "$WAMP_KWARGS"`, nil, map[string]any{"a": true}, []any{map[string]any{"a": true}}},
		"procedure":     {`echo "$WAMP_PROCEDURE"`, nil, nil, []any{"com.example.procedure"}},
		"not disclosed": {`echo "${WAMP_CALLER-nobody}"`, nil, nil, []any{"nobody"}},
		"too long":      {`echo "${WAMP_ARGS-none}"`, []any{strings.Repeat("x", maxVariable)}, nil, []any{"none"}},
		"json":          {"echo 18446744073709551615", nil, nil, []any{uint64(18446744073709551615)}},
		"text":          {"echo hello world", nil, nil, []any{"hello world"}},
		"lines":         {"printf 'a\nb\n\n'", nil, nil, []any{"a\nb\n"}},
		"empty line":    {"echo", nil, nil, []any{""}},
		"nothing":       {"exit 0", nil, nil, nil},
		"binary":        {`printf '\377\n'`, nil, nil, []any{[]byte{255, '\n'}}},
		"unread stdin":  {"echo 1", []any{strings.Repeat("x", 1<<20)}, nil, []any{int64(1)}},
		"stderr":        {"echo noise >&2; echo 1", nil, nil, []any{int64(1)}},
	} {
		j := s.start("register", "com.example.procedure", "--count", "1", "--", "sh", "-c", c.script)
		j.says("registered")
		res, err := caller.Call(t.Context(), "com.example.procedure", session.Args(c.args...), session.KwArgs(c.kwargs))
		require.NoError(t, err, name)
		args, err := res.Args()
		require.NoError(t, err, name)
		require.Equal(t, c.want, args, name)
		require.Zero(t, j.wait().code, name)
	}
}

func TestRegisterCommandFails(t *testing.T) {
	t.Parallel()
	needs(t, "sh", "head", "yes", "kill")
	s, caller := newCaller(t)
	for name, c := range map[string]struct {
		script string
		uri    protocol.URI
		text   string
		kwargs map[string]any
	}{
		"exit code":    {"echo 5; exit 3", protocol.ErrorRuntime, "exit status 3", map[string]any{"status": "exit status 3"}},
		"stderr":       {"echo 'it is '\"$WAMP_ARGS\" >&2; exit 1", protocol.ErrorRuntime, "it is [7]", map[string]any{"status": "exit status 1"}},
		"long stderr":  {"yes 0123456 | head -c 100000 >&2; echo the end >&2; exit 1", protocol.ErrorRuntime, "the end", map[string]any{"status": "exit status 1"}},
		"no text":      {`printf '\377' >&2; exit 1`, protocol.ErrorRuntime, "\uFFFD", map[string]any{"status": "exit status 1"}},
		"signal":       {"kill -9 $$", protocol.ErrorRuntime, "signal: killed", map[string]any{"status": "signal: killed"}},
		"bad binary":   {`echo '"\u0000!"'`, protocol.ErrorRuntime, "base64", nil},
		"out of bound": {"yes", protocol.ErrorPayloadSizeExceeded, "more than a message", nil},
	} {
		j := s.start("register", "com.example.procedure", "--count", "1", "--", "sh", "-c", c.script)
		j.says("registered")
		_, err := caller.Call(t.Context(), "com.example.procedure", session.Args(7))
		e, ok := errors.AsType[*session.Error](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, c.uri, e.URI, name)
		require.Len(t, e.Args, 1, name)
		require.Contains(t, e.Args[0], c.text, name)
		require.LessOrEqual(t, len(e.Error()), maxTail+100, name)
		require.Equal(t, c.kwargs, e.KwArgs, name)
		got := j.wait()
		require.Equal(t, 1, got.code, name)
		require.Contains(t, got.stderr, "cloverleaf register: call of com.example.procedure: ", name)
	}
}

// Commands get the environment, but no secret of it and nothing of another call.
func TestRegisterEnvironment(t *testing.T) {
	t.Parallel()
	needs(t, "sh", "env")
	key, err := auth.ParseSigningKey(strings.Repeat("ab", 32))
	require.NoError(t, err)
	users, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{key.PublicKey(): {AuthID: "joe"}}})
	require.NoError(t, err)
	r, url := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{
		{Name: "realm1", Authenticators: []router.Authenticator{users, router.Anonymous{}}},
	}})
	caller := backend(t, r, func(*cloverleaf.Component) {})
	s := newShell(t, "CLOVERLEAF_URL="+url, "PATH="+os.Getenv("PATH"), "MINE=1", "WAMP_ARGS=old", "WAMP_CALLER=old", "CLOVERLEAF_SECRET=s3cret", "CLOVERLEAF_TICKET=@@s3cret",
		"CLOVERLEAF_PRIVATE_KEY=@"+writeFile(t, strings.Repeat("ab", 32)), "CLOVERLEAF_AUTHID=joe", "CLOVERLEAF_PASSWORD=s3cret")
	j := s.start("register", "com.example.env", "--count=1", "-o", "disclose_caller=true", "--", "env")
	j.says("registered")
	env, err := session.Call[string](t.Context(), caller, "com.example.env")
	require.NoError(t, err)
	require.NotContains(t, env, "s3cret")
	require.NotContains(t, env, "=old")
	for _, want := range []string{
		"MINE=1\n", "CLOVERLEAF_AUTHID=joe\n", "CLOVERLEAF_PRIVATE_KEY=@", "WAMP_ARGS=[]\n", "WAMP_KWARGS={}\n", "WAMP_PROCEDURE=com.example.env\n",
		"WAMP_CALLER=" + strconv.FormatUint(uint64(caller.ID()), 10) + "\n", "WAMP_CALLER_AUTHID=" + caller.Details().AuthID + "\n", "WAMP_CALLER_AUTHROLE=anonymous",
	} {
		require.Contains(t, env, want)
	}
	require.Zero(t, j.wait().code)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestRegisterFails(t *testing.T) {
	t.Parallel()
	s, caller := newCaller(t)
	_, err := caller.Register(t.Context(), "com.example.taken", func() {})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"nothing":         {nil, 2, "PROCEDURE is missing"},
		"no procedure":    {[]string{"--", "cat"}, 2, "PROCEDURE is missing"},
		"no command":      {[]string{"a.b"}, 2, "--echo or -- COMMAND is missing"},
		"empty command":   {[]string{"a.b", "--"}, 2, "--echo or -- COMMAND is missing"},
		"no --":           {[]string{"a.b", "cat"}, 2, `unexpected argument "cat"; a command comes after --`},
		"two procedures":  {[]string{"a.b", "c.d", "--", "cat"}, 2, `unexpected argument "c.d"`},
		"both":            {[]string{"a.b", "--echo", "--", "cat"}, 2, "--echo and a command exclude each other"},
		"unknown command": {[]string{"a.b", "--", "no-such-command"}, 2, "no-such-command"},
		"bad concurrency": {[]string{"a.b", "--echo", "--concurrency", "-1"}, 2, "--concurrency: -1 is negative"},
		"bad invoke":      {[]string{"a.b", "--echo", "--invoke", "all"}, 2, `--invoke "all": is none of single, roundrobin, random, first, last`},
		"bad count":       {[]string{"a.b", "--echo", "--count", "-1"}, 2, "--count: -1 is negative"},
		"unknown option":  {[]string{"a.b", "--echo", "-o", "match=exact"}, 2, "-o: unknown option match"},
		"bad procedure":   {[]string{"a..b", "--echo"}, 2, `"a..b"`},
		"taken":           {[]string{"com.example.taken", "--echo"}, 1, "cloverleaf register: wamp.error.procedure_already_exists"},
		"reserved":        {[]string{"wamp.session.mine", "--echo"}, 2, "is reserved for the router"},
		"timeout":         {[]string{"a.b", "--echo", "--timeout", "50ms"}, 124, "timed out after 50ms"},
		"nobody there":    {[]string{"a.b", "--echo", "--url", "ws://127.0.0.1:1/ws"}, 3, "connection refused"},
	} {
		got := s.run(append([]string{"register"}, c.args...)...)
		require.Equal(t, c.code, got.code, "%s: %s", name, got.stderr)
		require.Contains(t, got.stderr, c.stderr, name)
	}
}

// Exactly as many calls are served as --count says, however many come at once.
func TestRegisterCount(t *testing.T) {
	t.Parallel()
	s, caller := newCaller(t)
	j := s.start("register", "com.example.echo", "--echo", "--count", "3")
	j.says("registered")
	ended := make(chan error)
	for range 20 {
		go func() {
			_, err := caller.Call(t.Context(), "com.example.echo")
			ended <- err
		}()
	}
	served := 0
	for range 20 {
		if err := <-ended; err == nil {
			served++
		}
	}
	require.Equal(t, 3, served)
	require.Zero(t, j.wait().code)
}
