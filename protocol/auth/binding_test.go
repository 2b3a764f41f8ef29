package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned returns a certificate for the key.
func selfSigned(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: issued, NotAfter: issued.Add(time.Hour), DNSNames: []string{"router"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// handshake makes a TLS connection in memory and returns the state at both ends.
func handshake(t *testing.T, version uint16) (client, server tls.ConnectionState) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := selfSigned(t, key)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	now := func() time.Time { return issued }
	a, b := net.Pipe()
	c := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "router", MinVersion: version, MaxVersion: version, Time: now})
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true, Time: now})
	failed := make(chan error, 1)
	go func() { failed <- s.Handshake() }()
	require.NoError(t, c.Handshake())
	require.NoError(t, <-failed)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return c.ConnectionState(), s.ConnectionState()
}

func TestBindTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		version uint16
		binding BindingType
		length  int
	}{
		{"TLS 1.2, unique", tls.VersionTLS12, TLSUnique, 12},
		{"TLS 1.3, exporter", tls.VersionTLS13, TLSExporter, 32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := handshake(t, tt.version)
			atClient, err := BindTLS(&client, tt.binding)
			require.NoError(t, err)
			atServer, err := BindTLS(&server, tt.binding)
			require.NoError(t, err)
			require.Equal(t, atClient, atServer)
			require.Len(t, atClient.Data, tt.length)

			id, err := atClient.channelID()
			require.NoError(t, err)
			if tt.binding == TLSUnique {
				require.Equal(t, channelID(sha256.Sum256(atClient.Data)), *id)
			} else {
				require.Equal(t, atClient.Data, id[:])
			}
			other, _ := handshake(t, tt.version)
			elsewhere, err := BindTLS(&other, tt.binding)
			require.NoError(t, err)
			require.NotEqual(t, atClient, elsewhere)
		})
	}
}

func TestBindTLSRefuses(t *testing.T) {
	t.Parallel()
	old, _ := handshake(t, tls.VersionTLS12)
	current, _ := handshake(t, tls.VersionTLS13)
	zeros := old
	zeros.TLSUnique = make([]byte, 12)
	unfinished := old
	unfinished.HandshakeComplete = false
	tests := []struct {
		name    string
		state   *tls.ConnectionState
		binding BindingType
	}{
		{"no TLS", nil, TLSExporter},
		{"unfinished", &unfinished, TLSUnique},
		{"unique in TLS 1.3", &current, TLSUnique},
		{"exporter in TLS 1.2", &old, TLSExporter},
		{"zeros", &zeros, TLSUnique},
		{"end point", &current, TLSServerEndPoint},
		{"none", &current, NoBinding},
		{"unknown", &current, "tls-magic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := BindTLS(tt.state, tt.binding)
			require.ErrorIs(t, err, ErrChannelBinding)
		})
	}
}

func TestBindCertificate(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	hashes := map[*ecdsa.PrivateKey]func([]byte) []byte{
		p256: func(b []byte) []byte { h := sha256.Sum256(b); return h[:] },
		p384: func(b []byte) []byte { h := sha512.Sum384(b); return h[:] },
		p521: func(b []byte) []byte { h := sha512.Sum512(b); return h[:] },
	}
	for key, hash := range hashes {
		cert := selfSigned(t, key).Leaf
		b, err := BindCertificate(cert)
		require.NoError(t, err)
		require.Equal(t, ChannelBinding{TLSServerEndPoint, hash(cert.Raw)}, b)
	}
	weak, err := BindCertificate(&x509.Certificate{Raw: []byte("x"), SignatureAlgorithm: x509.SHA1WithRSA})
	require.NoError(t, err)
	require.Len(t, weak.Data, sha256.Size, "SHA-1 becomes SHA-256")

	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, err = BindCertificate(selfSigned(t, private).Leaf)
	require.ErrorIs(t, err, ErrChannelBinding)
}
