package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

func TestKeygen(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	pair := regexp.MustCompile(`^private ([0-9a-f]{64})\npublic  ([0-9a-f]{64})\n$`)
	first, second := pair.FindStringSubmatch(s.works("keygen")), pair.FindStringSubmatch(s.works("keygen"))
	require.Len(t, first, 3)
	require.Len(t, second, 3)
	require.NotEqual(t, first[1], second[1])
	key, err := auth.ParseSigningKey(first[1])
	require.NoError(t, err)
	require.Equal(t, first[2], key.PublicKey().String())
	require.Equal(t, first[2]+"\n", s.works("keygen", "--public", writeFile(t, first[1])))
}

// A key file is for its owner, and is not lost to a second key.
func TestKeygenFile(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "key")
	public := s.works("keygen", "--out", file)
	require.Regexp(t, `^[0-9a-f]{64}\n$`, public)
	require.Equal(t, public, s.works("keygen", "--public", file))
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	requireMode(t, file)

	got := s.run("keygen", "--out", file)
	require.Equal(t, 1, got.code)
	require.Equal(t, "cloverleaf keygen: "+file+" exists; --force replaces it\n", got.stderr)
	require.Empty(t, got.stdout)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)

	require.NoError(t, os.Chmod(file, 0o644))
	second := s.works("keygen", "--out", file, "--force")
	require.NotEqual(t, public, second)
	require.Equal(t, second, s.works("keygen", "--public", file))
	requireMode(t, file)
	s.works("keygen", "--force", "--out", filepath.Join(t.TempDir(), "new"))

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), link))
	require.Equal(t, 1, s.run("keygen", "--out", link).code, "a link is a file that is there")
}

func requireMode(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// What keygen makes is what --private-key takes.
func TestKeygenJoins(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "key")
	public, err := auth.ParsePublicKey(s.works("keygen", "--out", file)[:64])
	require.NoError(t, err)
	users, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{public: {AuthID: "joe"}}})
	require.NoError(t, err)
	_, url := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: "realm1", Authenticators: []router.Authenticator{users}}}})
	s.works("publish", "com.example.topic", "--url", url, "--private-key", "@"+file)
}

func TestKeygenFails(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"argument":        {[]string{"x"}, 2, `unexpected argument "x"`},
		"force alone":     {[]string{"--force"}, 2, "--force is for --out"},
		"public and out":  {[]string{"--public", "a", "--out", "b"}, 2, "--public makes no key"},
		"url":             {[]string{"--url", "x"}, 2, "unknown flag --url"},
		"public, no file": {[]string{"--public", filepath.Join(dir, "none")}, 1, "no such file"},
		"public, no key":  {[]string{"--public", writeFile(t, "x")}, 1, "auth: "},
		"no directory":    {[]string{"--out", filepath.Join(dir, "none", "key")}, 1, "no such file"},
		"directory":       {[]string{"--out", dir}, 1, "exists"},
		"force directory": {[]string{"--out", filepath.Join(dir, "."), "--force"}, 1, "rename"},
	} {
		got := s.run(append([]string{"keygen"}, c.args...)...)
		require.Equal(t, c.code, got.code, name)
		require.Contains(t, got.stderr, c.stderr, name)
		require.Empty(t, got.stdout, name)
	}
	for _, left := range []string{dir, filepath.Dir(dir)} {
		entries, err := filepath.Glob(filepath.Join(left, ".cloverleaf-key-*"))
		require.NoError(t, err)
		require.Empty(t, entries)
	}
	require.NoDirExists(t, filepath.Join(dir, "none"))
}
