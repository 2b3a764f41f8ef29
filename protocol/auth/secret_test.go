package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestNothingPrintsSecrets prints everything that holds a secret in every way there is.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	secret := NewSecret(password)
	key, err := NewSigningKey([]byte("correct horse battery staple ..."))
	require.NoError(t, err)
	cred := credential(t, SCRAMStandard, PBKDF2, password)
	scram := newScramPair(t, SCRAMConfig{AuthID: "user", Password: secret}, SCRAMServerConfig{Credential: cred})
	_, err = scram.client.Answer(scram.server.Challenge().Extra)
	require.NoError(t, err)
	sign := newSignPair(t, CryptosignConfig{Key: key, RouterKeys: []PublicKey{key.PublicKey()}}, CryptosignServerConfig{Key: key})
	cra := CRAConfig{AuthID: "user", Key: secret}

	type foreign struct{ hidden, Shown any } // fmt does not ask unexported fields to format themselves
	type nested struct {
		secret Secret
		key    SigningKey
	}
	var leaks []string
	for _, octets := range []string{
		password, "battery", cred.StoredKey.Reveal(), cred.ServerKey.Reveal(), scram.client.verifier.Reveal(),
	} {
		decimal := strings.Trim(fmt.Sprintf("%d", []byte(octets)), "[]")
		source := strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(octets)), "[]byte"), "{}")
		leaks = append(leaks, octets, decimal, strings.ReplaceAll(decimal, " ", ","), source, fmt.Sprintf("%x", octets), fmt.Sprintf("%X", octets))
	}
	for _, v := range []any{
		secret, &secret, key, &key, cred, &cred, cra, &cra,
		CRAClient{Secret: secret},
		newCRAServer(t, cra),
		SCRAMConfig{Password: secret},
		scram.client, scram.server,
		SCRAMServerConfig{Credential: cred},
		CryptosignConfig{Key: key},
		sign.client, sign.server,
		nested{secret, key},
		&nested{secret, key},
		foreign{secret, key},
		foreign{key, cred},
		[]Secret{secret},
		map[string]SigningKey{"a": key},
	} {
		for _, text := range printed(t, v) {
			for _, leak := range leaks {
				require.NotContains(t, text, leak, "%T", v)
			}
		}
	}
}

// printed returns what fmt, slog and encoding/json make of v.
func printed(t *testing.T, v any) []string {
	t.Helper()
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "v", v)
		slog.New(h).Info("x", "v", []any{v})
	}
	texts := []string{fmt.Sprint(v), out.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%08.3f"} {
		texts = append(texts, fmt.Sprintf(verb, v))
	}
	return texts
}

func TestSecret(t *testing.T) {
	t.Parallel()
	var zero Secret
	require.True(t, zero.Empty())
	require.Empty(t, zero.Reveal())
	require.True(t, NewSecret("").Empty())

	var cfg struct{ Password Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"Password":"p4ssw0rd"}`), &cfg))
	require.Equal(t, "p4ssw0rd", cfg.Password.Reveal())
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	require.JSONEq(t, `{"Password":"[redacted]"}`, string(text))
	require.Equal(t, "[redacted]", cfg.Password.String())
	require.Equal(t, "[redacted]", SigningKey{}.String())
}

// TestErrorsKeepSecrets gives secrets to everything that parses.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	const secret = "hunter2\u2168hunter2"
	_, err := ParseSigningKey(secret)
	require.NotContains(t, err.Error(), "hunter2")
	_, err = ReadSigningKey(strings.NewReader(secret), NewSecret(secret))
	require.NotContains(t, err.Error(), "hunter2")
	_, err = NewSCRAMCredential(SCRAMStandard, NewSecret(secret), cheapParams(PBKDF2))
	require.ErrorContains(t, err, "password: has a character")
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "\u2168")
	server := newCRAServer(t, CRAConfig{Key: NewSecret(secret)})
	err = server.Verify(issued, &protocol.Authenticate{Signature: secret})
	require.NotContains(t, err.Error(), "hunter2")
}

func TestTicketMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want, got string
		matches   bool
	}{
		{"secret!!!", "secret!!!", true},
		{"secret!!!", "secret!!", false},
		{"secret!!!", "", false},
		{"", "", false},
		{"", "secret!!!", false},
	}
	for _, tt := range tests {
		require.Equal(t, tt.matches, TicketMatches(NewSecret(tt.want), tt.got), "%q %q", tt.want, tt.got)
	}
	require.False(t, TicketMatches(Secret{}, ""))
}
