package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

const (
	pkcs8Seed   = "3a24c42dae31e0cd1e836b973cd665c8034abd55440dfb7c85c8219669396d9f"
	pkcs8Public = "f36dacfa5973be3b7517841c08d6af27ea252102bd0cdda535a4d3800fd9145f"
)

func TestReadSigningKey(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		data, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		return string(data)
	}
	seed := unhex(t, pkcs8Seed)
	tests := []struct{ name, file, passphrase, public string }{
		{"OpenSSH", read("openssh.key"), "", "e0d253304365f4bec5ce1beb0862739c53a69ebd39d8033c69f64483e28ad8da"},
		{"OpenSSH, needless passphrase", read("openssh.key"), "x", "e0d253304365f4bec5ce1beb0862739c53a69ebd39d8033c69f64483e28ad8da"},
		{"OpenSSH, encrypted", read("openssh_locked.key"), "hunter2", "95664de1a28d787d4b30b701549b2c2fee051bfeb304932c43eb1487efb8d2e5"},
		{"PKCS #8", read("pkcs8.pem"), "", pkcs8Public},
		{"PKCS #8 after text", "a comment\n" + read("pkcs8.pem"), "", pkcs8Public},
		{"hexadecimal", pkcs8Seed, "", pkcs8Public},
		{"hexadecimal, upper case and spaces", " " + strings.ToUpper(pkcs8Seed) + "\r\n", "", pkcs8Public},
		{"base64", base64.StdEncoding.EncodeToString(seed) + "\n", "", pkcs8Public},
		{"base64, unpadded", base64.RawStdEncoding.EncodeToString(seed), "", pkcs8Public},
		{"octets", string(seed), "", pkcs8Public},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := ReadSigningKey(strings.NewReader(tt.file), NewSecret(tt.passphrase))
			require.NoError(t, err)
			require.Equal(t, tt.public, key.PublicKey().String())
		})
	}
}

func TestReadSigningKeyRefuses(t *testing.T) {
	t.Parallel()
	locked, err := os.ReadFile("testdata/openssh_locked.key")
	require.NoError(t, err)
	ecdsa, err := os.ReadFile("testdata/ecdsa.key")
	require.NoError(t, err)
	for _, passphrase := range []string{"", "hunter3"} {
		_, err := ReadSigningKey(bytes.NewReader(locked), NewSecret(passphrase))
		require.ErrorIs(t, err, ErrPassphrase)
	}
	tests := []struct{ name, file, text string }{
		{"empty", "", "neither 64 hexadecimal digits nor"},
		{"words", "this is not a key", "neither 64 hexadecimal digits nor"},
		{"short", pkcs8Seed[2:], "neither 64 hexadecimal digits nor"},
		{"with the public key", pkcs8Seed + pkcs8Public, "neither 64 hexadecimal digits nor"},
		{"ECDSA", string(ecdsa), "it is a *ecdsa.PrivateKey, not Ed25519"},
		{"cut", string(ecdsa[:100]), "private key: "},
		{"public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "private key: "},
		{"huge", strings.Repeat("a", maxKeyFile+1), "longer than 65536 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadSigningKey(strings.NewReader(tt.file), Secret{})
			require.ErrorContains(t, err, tt.text)
		})
	}
	unreadable := errors.New("unreadable")
	_, err = ReadSigningKey(iotest.ErrReader(unreadable), Secret{})
	require.ErrorIs(t, err, unreadable)
}
