package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// issued is when the servers of the tests make their challenges.
var issued = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// counter is randomness for tests: the octets 0, 1, 2, and so on.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c++
	}
	return len(p), nil
}

func newCounter() *counter { return new(counter) }

// broken is a source of randomness that fails.
type broken struct{}

var errBroken = errors.New("no entropy")

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	octets, err := hex.DecodeString(text)
	require.NoError(t, err)
	return octets
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	octets, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return octets
}

// seedKey returns a private key whose seed is 32 times the octet.
func seedKey(t *testing.T, octet byte) SigningKey {
	t.Helper()
	key, err := NewSigningKey(bytes.Repeat([]byte{octet}, 32))
	require.NoError(t, err)
	return key
}
