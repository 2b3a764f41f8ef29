package router_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/router"
)

// challengeFor returns what a client gets that says it has this authid.
func challengeFor(t *testing.T, a router.Authenticator, authid string) protocol.Dict {
	t.Helper()
	x, err := a.Begin(router.AuthRequest{
		Realm: "realm1", Session: 4711, Now: func() time.Time { return time.Unix(1e9, 0) },
		Details: &protocol.HelloDetails{AuthID: authid, AuthExtra: protocol.Dict{"nonce": "bm9uY2U="}},
	})
	require.NoError(t, err)
	require.Equal(t, a.Method(), x.Challenge.Method)
	return x.Challenge.Extra
}

func TestMockCRAChallenges(t *testing.T) {
	t.Parallel()
	salting := auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32}
	users := map[string]router.CRAUser{"a": {Key: auth.NewSecret("x"), Salting: salting, Role: "user"}}
	newUsers := func(mockKey string) *router.CRAUsers {
		c, err := router.NewCRAUsers(router.CRAConfig{Users: users, MockKey: auth.NewSecret(mockKey)})
		require.NoError(t, err)
		return c
	}
	c := newUsers("mock")
	eve := challengeFor(t, c, "eve")
	require.Equal(t, []any{100, 32}, []any{eve["iterations"], eve["keylen"]})
	require.Len(t, eve["salt"], len(salting.Salt))
	require.Equal(t, eve["salt"], challengeFor(t, c, "eve")["salt"], "the next time")
	require.Equal(t, eve["salt"], challengeFor(t, newUsers("mock"), "eve")["salt"], "after a restart")
	for _, other := range []any{
		challengeFor(t, c, "joe")["salt"], challengeFor(t, newUsers("other"), "eve")["salt"],
		challengeFor(t, newUsers(""), "eve")["salt"], challengeFor(t, c, "a")["salt"],
	} {
		require.NotEqual(t, eve["salt"], other)
	}
	var known, mock map[string]any
	require.NoError(t, json.Unmarshal([]byte(challengeFor(t, c, "a")["challenge"].(string)), &known))
	require.NoError(t, json.Unmarshal([]byte(eve["challenge"].(string)), &mock))
	require.Equal(t, "eve", mock["authid"])
	require.Equal(t, "user", mock["authrole"])
	mock["authid"], mock["nonce"], known["nonce"] = "a", "", ""
	require.Equal(t, known, mock)

	empty, err := router.NewCRAUsers(router.CRAConfig{})
	require.NoError(t, err)
	require.NotContains(t, challengeFor(t, empty, "eve"), "salt")
}

// Mock accounts are as different from each other as the real ones.
func TestMockModels(t *testing.T) {
	t.Parallel()
	c := craUsers(t)
	salted := 0
	for i := range 300 {
		if challengeFor(t, c, "user"+string(rune('a'+i%26))+string(rune('a'+i/26)))["salt"] != nil {
			salted++
		}
	}
	require.InDelta(t, 100, salted, 60, "one account of three is salted")
}

func TestMockSCRAMChallenges(t *testing.T) {
	t.Parallel()
	for _, dialect := range []auth.SCRAMDialect{auth.SCRAMStandard, auth.SCRAMAutobahn} {
		s := scramUsers(t, dialect, auth.Argon2id13, false)
		known, eve := challengeFor(t, s, "joe"), challengeFor(t, s, "eve")
		require.NotEqual(t, known["salt"], eve["salt"])
		require.Equal(t, eve["salt"], challengeFor(t, s, "eve")["salt"])
		require.Equal(t, eve["salt"], challengeFor(t, scramUsers(t, dialect, auth.Argon2id13, false), "eve")["salt"], "after a restart")
		require.Len(t, eve["salt"], len(known["salt"].(string)))
		require.Len(t, eve["nonce"], len(known["nonce"].(string)))
		for _, key := range []string{"kdf", "iterations", "memory"} {
			require.Equal(t, known[key], eve[key])
		}
		empty, err := router.NewSCRAMUsers(router.SCRAMConfig{Dialect: dialect})
		require.NoError(t, err)
		require.Equal(t, 65536, challengeFor(t, empty, "eve")["memory"])
	}
}

func TestUsersErrors(t *testing.T) {
	t.Parallel()
	pbkdf2 := auth.SCRAMParams{KDF: auth.PBKDF2, Salt: []byte("0123456789abcdef"), Iterations: 1}
	credential, err := auth.NewSCRAMCredential(auth.SCRAMAutobahn, auth.NewSecret("x"), pbkdf2)
	require.NoError(t, err)
	standard, err := auth.NewSCRAMCredential(auth.SCRAMStandard, auth.NewSecret("x"), pbkdf2)
	require.NoError(t, err)

	_, err = router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{
		"": {Key: auth.NewSecret("x")}, "ann": {}, "joe": {Key: auth.NewSecret("hidden"), Salting: auth.CRASalting{Salt: "s"}},
	}})
	for _, want := range []string{"router: wampcra: ", `users: "": the authid is empty`, `users: "ann": `, "the key is missing", `users: "joe": `, "iterations"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "hidden")

	_, err = router.NewSCRAMUsers(router.SCRAMConfig{Users: map[string]router.SCRAMUser{
		"ann": {}, "joe": {Credential: credential}, "\u00bd": {Credential: standard},
	}})
	for _, want := range []string{"router: wamp-scram: ", `users: "ann": `, `users: "joe": the credential is for scram`, "users: \"\u00bd\": auth: wamp-scram: authid"} {
		require.ErrorContains(t, err, want)
	}
	_, err = router.NewSCRAMUsers(router.SCRAMConfig{Dialect: auth.SCRAMAutobahn, RequireBinding: true})
	require.ErrorContains(t, err, "requireBinding")

	key := signingKey(t, aliceSeed)
	_, err = router.NewCryptosignUsers(router.CryptosignConfig{
		Users: map[auth.PublicKey]router.CryptosignUser{{}: {}, key.PublicKey(): {}}, Key: key,
	})
	require.ErrorContains(t, err, "the public key is missing")
	require.ErrorContains(t, err, "key: is also that of a client")
}

// Not even somebody who knows of what mock accounts are made can join with one.
func TestMockAccountsAdmitNobody(t *testing.T) {
	t.Parallel()
	mockKey, now := auth.NewSecret("mock"), time.Unix(1e9, 0)
	users, err := router.NewCRAUsers(router.CRAConfig{Users: map[string]router.CRAUser{"joe": {Key: auth.NewSecret("x")}}, MockKey: mockKey})
	require.NoError(t, err)
	for authid, key := range map[string]auth.Secret{"eve": auth.CRAConfig{AuthID: "eve"}.Fake(mockKey).Key, "joe": auth.NewSecret("x")} {
		x, err := users.Begin(router.AuthRequest{Now: func() time.Time { return now }, Details: &protocol.HelloDetails{AuthID: authid}})
		require.NoError(t, err)
		text, _ := x.Challenge.Extra["challenge"].(string)
		p, err := x.Verify(&protocol.Authenticate{Signature: auth.SignCRA(key, text)})
		if authid == "joe" {
			require.NoError(t, err)
			continue
		}
		var refusal *router.RefusalError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, protocol.ErrorAuthenticationDenied, refusal.Reason)
		require.Zero(t, p)
	}
}
