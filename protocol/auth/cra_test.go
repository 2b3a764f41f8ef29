package auth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// specChallenge is the challenge of the specification's example.
const specChallenge = `{"nonce": "LHRTC9zeOIrt_9U3", "authprovider": "userdb", "authid": "peter", ` +
	`"timestamp": "2014-06-22T16:36:25.448Z", "authrole": "user", "authmethod": "wampcra", "session": 3251278072152162}`

func TestDeriveCRAKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, secret string
		salting      CRASalting
		want         string
	}{
		{"specification", "secret1", CRASalting{"salt123", 1000, 32}, "64xfzBvZhGDT7PB0bQwDeI8/WR1M9x6Cw5dt0yP9koc="},
		{"autobahn", "L3L1YUE8Txlw", CRASalting{"salt123", 1000, 32}, "qzcdsr9uu/L5hnss3kjNTRe490ETgA70ZBaB5rvnJ5Y="},
		{"crossbar's user salted", "s33kr1t", CRASalting{"salt123", 100, 32}, "zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ="},
		{"unsalted", "secret1", CRASalting{}, "secret1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := DeriveCRAKey(NewSecret(tt.secret), tt.salting)
			require.NoError(t, err)
			require.Equal(t, tt.want, key.Reveal())
		})
	}
	for _, bad := range []CRASalting{{"salt", 0, 32}, {"salt", 1, 0}, {"", 1, 32}, {"salt", -1, -1}} {
		_, err := DeriveCRAKey(NewSecret("secret1"), bad)
		require.Error(t, err, "%+v", bad)
	}
}

func TestSignCRA(t *testing.T) {
	t.Parallel()
	rawKey := string(unbase64(t, "64xfzBvZhGDT7PB0bQwDeI8/WR1M9x6Cw5dt0yP9koc="))
	tests := []struct{ name, key, challenge, want string }{
		{"specification", "64xfzBvZhGDT7PB0bQwDeI8/WR1M9x6Cw5dt0yP9koc=", specChallenge, "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI="},
		{"octets for a key", rawKey, specChallenge, "r5BFAFn5zKbTuko2xRfgkA6OoWLXh4Fb35lD+Tvvv08="},
		{"unsalted", "secret1", specChallenge, "vb/MUq65p6Xs4P09HfsDI4VmI8HWO3whf0vNe4IdogQ="},
		{"autobahn", "L3L1YUE8Txlw", "[1, 2, 3]", "1njQtmmeYO41N5EWEzD2kAjjEKRZ5kPZt/TzpYXOzR0="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, SignCRA(NewSecret(tt.key), tt.challenge))
		})
	}
}

func TestCRAClient(t *testing.T) {
	t.Parallel()
	client := CRAClient{Secret: NewSecret("secret1")}
	tests := []struct {
		name  string
		extra protocol.Dict
		want  string
	}{
		{
			"salted",
			protocol.Dict{"challenge": specChallenge, "salt": "salt123", "iterations": int64(1000), "keylen": uint64(32)},
			"gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=",
		},
		{
			"numbers from JSON",
			protocol.Dict{"challenge": specChallenge, "salt": "salt123", "iterations": 1000.0, "keylen": 32},
			"gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=",
		},
		{"unsalted", protocol.Dict{"challenge": specChallenge}, "vb/MUq65p6Xs4P09HfsDI4VmI8HWO3whf0vNe4IdogQ="},
		{"salt is null", protocol.Dict{"challenge": specChallenge, "salt": nil, "keylen": 32}, "vb/MUq65p6Xs4P09HfsDI4VmI8HWO3whf0vNe4IdogQ="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer, err := client.Answer(tt.extra)
			require.NoError(t, err)
			require.Equal(t, &protocol.Authenticate{Signature: tt.want}, answer)
		})
	}
	_, err := CRAClient{}.Answer(protocol.Dict{"challenge": specChallenge})
	require.ErrorContains(t, err, "secret is missing")
}

func TestCRAClientRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		extra protocol.Dict
		kind  error
		text  string
	}{
		{"nothing", nil, ErrMalformed, "auth: wampcra: CHALLENGE: challenge: missing"},
		{"octets", protocol.Dict{"challenge": []byte("x")}, ErrMalformed, "auth: wampcra: CHALLENGE: challenge: not text"},
		{"empty", protocol.Dict{"challenge": ""}, ErrMalformed, "auth: wampcra: CHALLENGE: challenge: empty"},
		{"huge", protocol.Dict{"challenge": strings.Repeat("x", maxText+1)}, ErrMalformed, "auth: wampcra: CHALLENGE: challenge: too long"},
		{"salt of octets", salted([]byte("salt"), 1, 32), ErrMalformed, "auth: wampcra: CHALLENGE: salt: not text"},
		{"empty salt", salted("", 1, 32), ErrMalformed, "auth: wampcra: CHALLENGE: salt: empty"},
		{"no iterations", salted("salt", nil, 32), ErrMalformed, "auth: wampcra: CHALLENGE: iterations: missing"},
		{"iterations 0", salted("salt", 0, 32), ErrMalformed, "auth: wampcra: CHALLENGE: iterations: not an integer from 1 to 2^31-1"},
		{"iterations in text", salted("salt", "1000", 32), ErrMalformed, "auth: wampcra: CHALLENGE: iterations: not a number"},
		{"keylen -1", salted("salt", 1, int64(-1)), ErrMalformed, "auth: wampcra: CHALLENGE: keylen: not an integer from 1 to 2^31-1"},
		{"keylen 1.5", salted("salt", 1, 1.5), ErrMalformed, "auth: wampcra: CHALLENGE: keylen: not an integer from 1 to 2^31-1"},
		{"keylen 2^63", salted("salt", 1, uint64(1)<<63), ErrMalformed, "auth: wampcra: CHALLENGE: keylen: not an integer from 1 to 2^31-1"},
		{
			"dear", salted("salt", 2_000_001, 32), ErrCost,
			"auth: wampcra: 2000001 iterations for a key of 32 octets are more than the limit of 2000000 per 32 octets",
		},
		{
			"long", salted("salt", 1, 2_000_000*32+1), ErrCost,
			"auth: wampcra: 1 iterations for a key of 64000001 octets are more than the limit of 2000000 per 32 octets",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := CRAClient{Secret: NewSecret("secret1")}.Answer(tt.extra)
			require.ErrorIs(t, err, tt.kind)
			require.EqualError(t, err, tt.text)
		})
	}
}

func TestCRAClientLimit(t *testing.T) {
	t.Parallel()
	client := CRAClient{Secret: NewSecret("secret1"), Limits: Limits{MaxIterations: 100}}
	for _, at := range []CRASalting{{"s", 100, 32}, {"s", 50, 33}, {"s", 50, 64}} {
		_, err := client.Answer(salted(at.Salt, at.Iterations, at.KeyLen))
		require.NoError(t, err, "%+v", at)
	}
	for _, past := range []CRASalting{{"s", 101, 32}, {"s", 51, 33}, {"s", 50, 65}} {
		_, err := client.Answer(salted(past.Salt, past.Iterations, past.KeyLen))
		require.ErrorIs(t, err, ErrCost, "%+v", past)
	}
}

func salted(salt, iterations, keyLen any) protocol.Dict {
	return protocol.Dict{"challenge": specChallenge, "salt": salt, "iterations": iterations, "keylen": keyLen}
}

func newCRAServer(t *testing.T, cfg CRAConfig) *CRAServer {
	t.Helper()
	server, err := NewCRAServer(newCounter(), issued, cfg)
	require.NoError(t, err)
	return server
}

func TestCRAChallenge(t *testing.T) {
	t.Parallel()
	server := newCRAServer(t, CRAConfig{
		AuthID: `pe"ter`, AuthRole: "user", AuthProvider: "userdb", Session: 3251278072152162, Key: NewSecret("secret1"),
	})
	ch := server.Challenge()
	require.Equal(t, "wampcra", ch.Method)
	require.Len(t, ch.Extra, 1)
	require.Equal(t, `{"authid":"pe\"ter","authrole":"user","authmethod":"wampcra","authprovider":"userdb",`+
		`"nonce":"AAECAwQFBgcICQoLDA0ODw","timestamp":"2026-01-02T03:04:05.678Z","session":3251278072152162}`, ch.Extra["challenge"])
	require.True(t, json.Valid([]byte(ch.Extra["challenge"].(string))))
}

func TestCRAExchange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, secret string
		salting      CRASalting
	}{
		{"unsalted", "p4ssw0rd", CRASalting{}},
		{"salted", "s33kr1t", CRASalting{"salt123", 100, 32}},
		{"short key", "s33kr1t", CRASalting{"salt123", 10, 7}},
		{"long key", "s33kr1t", CRASalting{"salt123", 10, 100}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := DeriveCRAKey(NewSecret(tt.secret), tt.salting)
			require.NoError(t, err)
			cfg := CRAConfig{AuthID: "bob", Session: 1, Key: key, Salting: tt.salting}
			server := newCRAServer(t, cfg)
			answer, err := CRAClient{Secret: NewSecret(tt.secret)}.Answer(server.Challenge().Extra)
			require.NoError(t, err)
			require.NoError(t, server.Verify(issued.Add(DefaultTimeout), answer))

			wrong, err := CRAClient{Secret: NewSecret(tt.secret + "x")}.Answer(newCRAServer(t, cfg).Challenge().Extra)
			require.NoError(t, err)
			require.ErrorIs(t, newCRAServer(t, cfg).Verify(issued, wrong), ErrDenied)
		})
	}
}

func TestCRAServerRefuses(t *testing.T) {
	t.Parallel()
	cfg := CRAConfig{AuthID: "bob", Session: 1, Key: NewSecret("p4ssw0rd"), Timeout: time.Second}
	good := func(s *CRAServer) *protocol.Authenticate {
		return &protocol.Authenticate{Signature: SignCRA(cfg.Key, s.challenge)}
	}
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		s := newCRAServer(t, cfg)
		require.EqualError(t, s.Verify(issued.Add(time.Second+1), good(s)), "auth: wampcra: the challenge was not answered within 1s")
	})
	t.Run("before the challenge", func(t *testing.T) {
		t.Parallel()
		s := newCRAServer(t, cfg)
		require.ErrorIs(t, s.Verify(issued.Add(-1), good(s)), ErrDenied)
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		s := newCRAServer(t, cfg)
		require.NoError(t, s.Verify(issued.Add(time.Second), good(s)))
		require.ErrorIs(t, s.Verify(issued, good(s)), ErrDenied)
	})
	t.Run("guess, then know", func(t *testing.T) {
		t.Parallel()
		s := newCRAServer(t, cfg)
		require.ErrorIs(t, s.Verify(issued, &protocol.Authenticate{}), ErrDenied)
		require.ErrorIs(t, s.Verify(issued, good(s)), ErrDenied)
	})
	t.Run("replay", func(t *testing.T) {
		t.Parallel()
		random := newCounter()
		first, err := NewCRAServer(random, issued, cfg)
		require.NoError(t, err)
		second, err := NewCRAServer(random, issued, cfg)
		require.NoError(t, err)
		require.ErrorIs(t, second.Verify(issued, good(first)), ErrDenied)
	})
	t.Run("no key", func(t *testing.T) {
		t.Parallel()
		_, err := NewCRAServer(newCounter(), issued, CRAConfig{AuthID: "bob"})
		require.ErrorContains(t, err, "key is missing")
	})
	t.Run("bad salting", func(t *testing.T) {
		t.Parallel()
		_, err := NewCRAServer(newCounter(), issued, CRAConfig{Key: cfg.Key, Salting: CRASalting{Salt: "s"}})
		require.ErrorContains(t, err, "salting needs")
	})
	t.Run("no randomness", func(t *testing.T) {
		t.Parallel()
		_, err := NewCRAServer(broken{}, issued, cfg)
		require.ErrorIs(t, err, errBroken)
	})
}

func TestCRAFake(t *testing.T) {
	t.Parallel()
	like := CRAConfig{AuthID: "nobody", AuthRole: "user", Salting: CRASalting{"salt123", 100, 32}}
	key := NewSecret("the router's")
	first, again := like.Fake(key), like.Fake(key)
	require.Equal(t, first.Salting, again.Salting)
	require.Equal(t, first.Key.Reveal(), again.Key.Reveal())
	require.Len(t, first.Salting.Salt, len(like.Salting.Salt))
	require.Equal(t, 100, first.Salting.Iterations)
	require.Equal(t, "user", first.AuthRole)

	other := like
	other.AuthID = "somebody"
	require.NotEqual(t, first.Salting.Salt, other.Fake(key).Salting.Salt)
	require.NotEqual(t, first.Salting.Salt, like.Fake(NewSecret("another router's")).Salting.Salt)
	require.NotEqual(t, first.Key.Reveal(), other.Fake(key).Key.Reveal())

	server := newCRAServer(t, first)
	answer, err := CRAClient{Secret: NewSecret("p4ssw0rd")}.Answer(server.Challenge().Extra)
	require.NoError(t, err)
	require.ErrorIs(t, server.Verify(issued, answer), ErrDenied)
	require.Equal(t, CRASalting{}, CRAConfig{}.Fake(key).Salting)
}
