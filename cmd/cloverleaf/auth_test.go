package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

const privateKey = "abababababababababababababababababababababababababababababababab"

// newGuardedRouter starts a router with the accounts "joe", who has the same secret everywhere, and
// "key", and returns its URL. A realm is named after its method.
func newGuardedRouter(t *testing.T) string {
	t.Helper()
	tickets := router.Tickets{"joe": {Ticket: "s3cret", Role: "ticket"}, "at": {Ticket: "@s3cret"}}
	cra, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{"joe": {Key: auth.NewSecret("s3cret")}}})
	require.NoError(t, err)
	scram := make([]router.Authenticator, 2)
	for i, dialect := range []auth.SCRAMDialect{auth.SCRAMStandard, auth.SCRAMAutobahn} {
		credential, err := auth.NewSCRAMCredential(dialect, auth.NewSecret("s3cret"), auth.SCRAMParams{KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 4096})
		require.NoError(t, err)
		scram[i], err = router.NewSCRAMUsers(router.SCRAMConfig{Dialect: dialect, Users: map[string]router.SCRAMUser{"joe": {Credential: credential}}})
		require.NoError(t, err)
	}
	key, err := auth.ParseSigningKey(privateKey)
	require.NoError(t, err)
	keys, err := router.NewCryptosignUsers(router.CryptosignConfig{Users: map[auth.PublicKey]router.CryptosignUser{key.PublicKey(): {AuthID: "key"}}})
	require.NoError(t, err)
	_, url := newRouter(t, cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{
		{Name: "ticket", Authenticators: []router.Authenticator{tickets}},
		{Name: "wampcra", Authenticators: []router.Authenticator{cra}},
		{Name: "wamp-scram", Authenticators: scram[:1]},
		{Name: "scram", Authenticators: scram[1:]},
		{Name: "cryptosign", Authenticators: []router.Authenticator{keys}},
	}})
	return url
}

// Each method, with the secret from everywhere that it may come from.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	url := newGuardedRouter(t)
	secret, key := writeFile(t, "s3cret\n"), writeFile(t, privateKey+"\r\n")
	for name, c := range map[string]struct {
		args, environ []string
		stdin         string
		code          int
		stderr        string
	}{
		"ticket":                 {args: []string{"--realm=ticket", "--authid=joe", "--ticket=s3cret"}},
		"ticket of environment":  {args: []string{"--realm=ticket"}, environ: []string{"CLOVERLEAF_AUTHID=joe", "CLOVERLEAF_TICKET=s3cret"}},
		"ticket of file":         {args: []string{"--realm=ticket", "--authid=joe", "--ticket", "@" + secret}},
		"ticket of stdin":        {args: []string{"--realm=ticket", "--authid=joe", "--ticket", "@-"}, stdin: "s3cret\n"},
		"ticket of file in env":  {args: []string{"--realm=ticket", "--authid=joe"}, environ: []string{"CLOVERLEAF_TICKET=@" + secret}},
		"ticket with @":          {args: []string{"--realm=ticket", "--authid=at", "--ticket=@@s3cret"}},
		"wrong ticket":           {args: []string{"--realm=ticket", "--authid=joe", "--ticket=s3cret!"}, code: 3, stderr: "refused by router: wamp.error.authentication_denied"},
		"no ticket":              {args: []string{"--realm=ticket"}, code: 3, stderr: "refused by router: wamp.error."},
		"unknown authid":         {args: []string{"--realm=ticket", "--authid=jim", "--ticket=s3cret"}, code: 3, stderr: "authentication_denied"},
		"wampcra":                {args: []string{"--realm=wampcra", "--authid=joe", "--secret=s3cret"}},
		"wampcra of environment": {args: []string{"--realm=wampcra", "--authid=joe"}, environ: []string{"CLOVERLEAF_SECRET=s3cret"}},
		"wrong secret":           {args: []string{"--realm=wampcra", "--authid=joe", "--secret=s3cret!"}, code: 3, stderr: "authentication_denied"},
		"wamp-scram":             {args: []string{"--realm=wamp-scram", "--authid=joe", "--password=s3cret"}},
		"scram":                  {args: []string{"--realm=scram", "--authid=joe", "--password=@" + secret}},
		"scram of environment":   {args: []string{"--realm=scram", "--authid=joe"}, environ: []string{"CLOVERLEAF_PASSWORD=s3cret"}},
		"wrong password":         {args: []string{"--realm=wamp-scram", "--authid=joe", "--password=s3cret!"}, code: 3, stderr: "authentication_denied"},
		"cryptosign":             {args: []string{"--realm=cryptosign", "--private-key=" + privateKey}},
		"cryptosign of file":     {args: []string{"--realm=cryptosign", "--authid=key", "--private-key", "@" + key}},
		"cryptosign of env":      {args: []string{"--realm=cryptosign"}, environ: []string{"CLOVERLEAF_PRIVATE_KEY=@" + key}},
		"wrong key":              {args: []string{"--realm=cryptosign", "--private-key=" + strings.Repeat("cd", 32)}, code: 3, stderr: "authentication_denied"},
		"several methods":        {args: []string{"--realm=wampcra", "--authid=joe", "--secret=s3cret", "--ticket=other", "--password=other"}},
		"wrong method":           {args: []string{"--realm=wampcra", "--authid=joe", "--ticket=s3cret"}, code: 3, stderr: "no_matching_auth_method"},
		"no authid":              {args: []string{"--ticket=s3cret"}, code: 2, stderr: "--authid is missing"},
		"no file":                {args: []string{"--authid=joe", "--secret=@/nowhere"}, code: 2, stderr: "--secret: open /nowhere"},
		"empty file":             {args: []string{"--authid=joe", "--password=@" + writeFile(t, "\n")}, code: 2, stderr: "is empty"},
		"large file":             {args: []string{"--authid=joe", "--ticket=@" + writeFile(t, strings.Repeat("s3cret", maxSecretFile))}, code: 2, stderr: "has more than 65536 bytes"},
		"directory":              {args: []string{"--authid=joe", "--ticket=@" + t.TempDir()}, code: 2, stderr: "is a directory"},
		"bad key":                {args: []string{"--private-key=s3cret"}, code: 2, stderr: "--private-key: "},
		"bad key file":           {args: []string{"--private-key=@" + secret}, code: 2, stderr: "--private-key: "},
		"several mistakes":       {args: []string{"--ticket=s3cret", "--private-key=s3cret"}, code: 2, stderr: "--authid is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shell{t: t, environ: append(c.environ, "CLOVERLEAF_URL="+url), stdin: c.stdin}
			for _, more := range [][]string{nil, {"-v"}} {
				got := s.run(append(append([]string{"publish", "com.example.topic"}, c.args...), more...)...)
				require.Equal(t, c.code, got.code, got.stderr)
				require.Contains(t, got.stderr, c.stderr)
				require.NotContains(t, got.stdout+got.stderr, "s3cret")
				require.NotContains(t, got.stdout+got.stderr, privateKey)
			}
		})
	}
}

// newTLSRouter starts a router with a certificate of its own, and returns its URLs and a file with
// the certificate.
func newTLSRouter(t *testing.T) (urls []string, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	r, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Transport: transport.ServerConfig{
		TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close(t.Context()) })
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	return l.URLs(), writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	urls, file := newTLSRouter(t)
	require.Len(t, urls, 2)
	for _, url := range urls {
		s := newShell(t, "CLOVERLEAF_URL="+url)
		s.works("publish", "com.example.topic", "--ca", file)
		s.works("publish", "com.example.topic", "--insecure")
		newShell(t, "CLOVERLEAF_URL="+url, "CLOVERLEAF_CA="+file).works("publish", "com.example.topic")
		newShell(t, "CLOVERLEAF_URL="+url, "CLOVERLEAF_INSECURE=true").works("publish", "com.example.topic")

		got := s.run("publish", "com.example.topic")
		require.Equal(t, 3, got.code)
		require.Contains(t, got.stderr, "certificate")
		got = s.run("publish", "com.example.topic", "--ca", writeFile(t, "nothing"))
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, "has no certificate in PEM")
	}
}
