package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// frugal are limits that keep the fuzzer fast.
var frugal = Limits{MaxIterations: 8, MinIterations: 1, MaxMemory: 16, MaxWork: 32, MinWork: 1}

// dict decodes fuzzed JSON as a codec would.
func dict(text string) protocol.Dict {
	var d protocol.Dict
	if json.Unmarshal([]byte(text), &d) != nil {
		return nil
	}
	return d
}

// requireKind fails for errors that do not say whose fault they are.
func requireKind(t *testing.T, err error) {
	t.Helper()
	for _, kind := range []error{ErrMalformed, ErrCost, ErrChannelBinding, ErrUntrustedRouter} {
		if errors.Is(err, kind) {
			return
		}
	}
	require.NoError(t, err)
}

func FuzzClientChallenge(f *testing.F) {
	for _, text := range []string{
		`{"challenge":"{}"}`,
		`{"challenge":"{}","salt":"s","iterations":1,"keylen":32}`,
		`{"challenge":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","channel_binding":null}`,
		`{"nonce":"AAECAwQFBgcICQoLDA0ODw==x","salt":"AAAA","kdf":"pbkdf2","iterations":1,"memory":null}`,
		`{"nonce":"AAECAwQFBgcICQoLDA0ODxAR","salt":"AAAA","kdf":"argon2id-13","iterations":1,"memory":8}`,
		`{"nonce":1,"salt":1.5,"iterations":1e30}`,
	} {
		f.Add(text)
	}
	key, err := NewSigningKey(make([]byte, 32))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		extra := dict(text)
		_, err := CRAClient{Secret: NewSecret("x"), Limits: frugal}.Answer(extra)
		requireKind(t, err)
		for _, d := range []SCRAMDialect{SCRAMStandard, SCRAMAutobahn} {
			client, err := NewSCRAMClient(newCounter(), SCRAMConfig{Dialect: d, AuthID: "u", Password: NewSecret("x"), Limits: frugal})
			require.NoError(t, err)
			_, err = client.Answer(extra)
			requireKind(t, err)
			require.ErrorIs(t, client.Verify(&protocol.WelcomeDetails{AuthExtra: extra}), ErrUntrustedRouter)
		}
		for _, routers := range [][]PublicKey{nil, {key.PublicKey()}} {
			client, err := NewCryptosignClient(newCounter(), CryptosignConfig{Key: key, RouterKeys: routers})
			require.NoError(t, err)
			_, err = client.Answer(extra)
			requireKind(t, err)
		}
	})
}

func FuzzServerMessages(f *testing.F) {
	const public = "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"
	f.Add("user", `{"nonce":"AAAA","channel_binding":null}`, "AAAA", `{"nonce":"AAAA","channel_binding":"tls-unique","cbind_data":""}`)
	f.Add("user", `{"pubkey":"`+public+`","challenge":"`+public+`","channel_binding":"tls-exporter"}`, public+public+public, `{}`)
	f.Add("", `{"nonce":1,"pubkey":2,"channel_binding":3}`, "", `{"nonce":1,"channel_binding":2,"cbind_data":3}`)
	f.Fuzz(func(t *testing.T, authid, helloExtra, signature, extra string) {
		hello := &protocol.HelloDetails{AuthID: authid, AuthExtra: dict(helloExtra)}
		answer := &protocol.Authenticate{Signature: signature, Extra: dict(extra)}
		for _, d := range []SCRAMDialect{SCRAMStandard, SCRAMAutobahn} {
			cred := SCRAMCredential{Dialect: d, Params: cheapParams(PBKDF2)}.Fake(NewSecret("x"), "y")
			server, err := NewSCRAMServer(newCounter(), issued, hello, SCRAMServerConfig{Credential: cred, Bind: binder})
			if server == nil {
				require.Error(t, err)
				continue
			}
			require.NotEmpty(t, server.Challenge().Extra["nonce"])
			_, err = server.Verify(issued, answer)
			require.ErrorIs(t, err, ErrDenied)
		}
		if server, err := NewCryptosignServer(newCounter(), issued, hello, CryptosignServerConfig{Bind: binder}); server != nil {
			require.NotEmpty(t, server.Challenge().Extra["challenge"])
			require.ErrorIs(t, server.Verify(issued, answer), ErrDenied)
		} else {
			require.Error(t, err)
		}
		cra, err := NewCRAServer(newCounter(), issued, CRAConfig{AuthID: authid, Key: NewSecret("x")})
		require.NoError(t, err)
		require.ErrorIs(t, cra.Verify(issued, answer), ErrDenied)
	})
}

func FuzzReadSigningKey(f *testing.F) {
	for _, name := range []string{"openssh.key", "pkcs8.pem", "ecdsa.key"} {
		data, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(pkcs8Seed))
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Without a passphrase, so that no bcrypt cost is paid.
		key, err := ReadSigningKey(bytes.NewReader(data), Secret{})
		require.Equal(t, err != nil, key.IsZero())
	})
}
