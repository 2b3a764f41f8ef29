package auth

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// cheap are limits that let tests derive keys at hardly any cost.
var cheap = Limits{MinIterations: 1, MinWork: 1}

func cheapParams(k KDF) SCRAMParams {
	return SCRAMParams{KDF: k, Salt: []byte("0123456789abcdef"), Iterations: 2, Memory: 8}
}

func credential(t *testing.T, d SCRAMDialect, k KDF, password string) SCRAMCredential {
	t.Helper()
	cred, err := NewSCRAMCredential(d, NewSecret(password), cheapParams(k))
	require.NoError(t, err)
	return cred
}

// scramPair is a client and the server it says HELLO to.
type scramPair struct {
	client *SCRAMClient
	server *SCRAMServer
}

func newScramPair(t *testing.T, c SCRAMConfig, s SCRAMServerConfig) scramPair {
	t.Helper()
	c.Limits = cheap
	random := newCounter()
	client, err := NewSCRAMClient(random, c)
	require.NoError(t, err)
	server, err := NewSCRAMServer(random, issued, &protocol.HelloDetails{AuthID: c.AuthID, AuthExtra: client.HelloExtra()}, s)
	require.NoError(t, err)
	return scramPair{client, server}
}

func TestSCRAMExchange(t *testing.T) {
	t.Parallel()
	bound := ChannelBinding{TLSExporter, bytes.Repeat([]byte{7}, 32)}
	tests := []struct {
		name, authid, password string
		dialect                SCRAMDialect
		kdf                    KDF
		binding                ChannelBinding
	}{
		{"pbkdf2", "user", "pencil", SCRAMStandard, PBKDF2, ChannelBinding{}},
		{"argon2", "user", "pencil", SCRAMStandard, Argon2id13, ChannelBinding{}},
		{"bound", "user", "pencil", SCRAMStandard, PBKDF2, bound},
		{"escaped", "a,b=c", "p,=", SCRAMStandard, PBKDF2, ChannelBinding{}},
		{"prepared", "J\u00fcrgen", "pass\u00a0w\u00f6rd\u00ad", SCRAMStandard, PBKDF2, ChannelBinding{}},
		{"autobahn argon2", "user", "pencil", SCRAMAutobahn, Argon2id13, ChannelBinding{}},
		{"autobahn pbkdf2", "user", "pencil", SCRAMAutobahn, PBKDF2, ChannelBinding{}},
		{"autobahn unprepared", "user", "\u00bd", SCRAMAutobahn, Argon2id13, ChannelBinding{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newScramPair(
				t, SCRAMConfig{Dialect: tt.dialect, AuthID: tt.authid, Password: NewSecret(tt.password), Binding: tt.binding},
				SCRAMServerConfig{
					Credential: credential(t, tt.dialect, tt.kdf, tt.password), RequireBinding: tt.binding.Type != NoBinding,
					Bind: func(BindingType) (ChannelBinding, error) { return tt.binding, nil },
				})
			ch := p.server.Challenge()
			require.Equal(t, tt.dialect.Method(), ch.Method)
			answer, err := p.client.Answer(ch.Extra)
			require.NoError(t, err)
			authextra, err := p.server.Verify(issued, answer)
			require.NoError(t, err)
			require.NoError(t, p.client.Verify(&protocol.WelcomeDetails{AuthExtra: authextra}))
		})
	}
}

func TestSCRAMDialectsDiffer(t *testing.T) {
	t.Parallel()
	standard := credential(t, SCRAMStandard, Argon2id13, "pencil")
	autobahn := credential(t, SCRAMAutobahn, Argon2id13, "pencil")
	require.NotEqual(t, standard.StoredKey.Reveal(), autobahn.StoredKey.Reveal())
	require.Equal(t, "wamp-scram", SCRAMStandard.String())
	require.Equal(t, "scram", SCRAMAutobahn.String())
}

func TestNewSCRAMClientRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  SCRAMConfig
		text string
	}{
		{"no authid", SCRAMConfig{Password: NewSecret("x")}, "auth: wamp-scram: authid: empty"},
		{"no password", SCRAMConfig{AuthID: "user"}, "auth: wamp-scram: the password is missing"},
		{"comma", SCRAMConfig{Dialect: SCRAMAutobahn, AuthID: "a,b", Password: NewSecret("x")}, "auth: scram: authid: contains a comma"},
		{"nonce", SCRAMConfig{AuthID: "user", Password: NewSecret("x"), Nonce: "a,b"}, "auth: wamp-scram: nonce: has other characters than base64"},
		{
			"binding of zeros",
			SCRAMConfig{AuthID: "user", Password: NewSecret("x"), Binding: ChannelBinding{TLSUnique, make([]byte, 12)}},
			"auth: channel binding: the connection has no data for tls-unique",
		},
		{
			"binding for autobahn",
			SCRAMConfig{Dialect: SCRAMAutobahn, AuthID: "user", Password: NewSecret("x"), Binding: ChannelBinding{TLSUnique, []byte{1}}},
			"auth: scram: this dialect has no channel binding",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewSCRAMClient(newCounter(), tt.cfg)
			require.EqualError(t, err, tt.text)
		})
	}
	_, err := NewSCRAMClient(broken{}, SCRAMConfig{AuthID: "user", Password: NewSecret("x")})
	require.ErrorIs(t, err, errBroken)
}

func TestSCRAMClientRefusesChallenge(t *testing.T) {
	t.Parallel()
	v := scramVectors()[1]
	tests := []struct {
		name  string
		set   protocol.Dict
		kind  error
		wants string
	}{
		{"foreign nonce", protocol.Dict{"nonce": "SBmkFIh7sSo=egVDf3DMJh0="}, ErrUntrustedRouter, "does not start with that of the client"},
		{"own nonce only", protocol.Dict{"nonce": v.clientNonce}, ErrUntrustedRouter, "does not start with that of the client"},
		{"no nonce", protocol.Dict{"nonce": nil}, ErrMalformed, "CHALLENGE: nonce: missing"},
		{"nonce with comma", protocol.Dict{"nonce": v.clientNonce + ",s=x"}, ErrMalformed, "other characters"},
		{"nonce with space", protocol.Dict{"nonce": v.clientNonce + " "}, ErrMalformed, "other characters"},
		{"huge nonce", protocol.Dict{"nonce": v.clientNonce + strings.Repeat("x", maxNonce)}, ErrMalformed, "longer than"},
		{"no salt", protocol.Dict{"salt": ""}, ErrMalformed, "CHALLENGE: salt: empty"},
		{"salt not base64", protocol.Dict{"salt": "salt!"}, ErrMalformed, "CHALLENGE: salt: not base64"},
		{"salt with newline", protocol.Dict{"salt": "aBc+fx0N\nAVA="}, ErrMalformed, "CHALLENGE: salt: not base64"},
		{"huge salt", protocol.Dict{"salt": strings.Repeat("AAAA", 400)}, ErrMalformed, "CHALLENGE: salt: longer than"},
		{"no kdf", protocol.Dict{"kdf": nil}, ErrMalformed, "CHALLENGE: kdf: missing"},
		{"other kdf", protocol.Dict{"kdf": "md5"}, ErrMalformed, "CHALLENGE: kdf: unknown"},
		{"no iterations", protocol.Dict{"iterations": nil}, ErrMalformed, "CHALLENGE: iterations: missing"},
		{"negative iterations", protocol.Dict{"iterations": -1}, ErrMalformed, "CHALLENGE: iterations: not an integer"},
		{"cheap", protocol.Dict{"iterations": 4095}, ErrCost, "4095 iterations are fewer than the limit of 4096"},
		{"dear", protocol.Dict{"iterations": 2_000_001}, ErrCost, "more than the limit"},
		{"argon2 without memory", protocol.Dict{"kdf": "argon2id13"}, ErrMalformed, "CHALLENGE: memory: missing"},
		{"argon2 with little memory", protocol.Dict{"kdf": "argon2id13", "memory": 7}, ErrMalformed, "memory: not an integer from 8"},
		{"argon2 with much memory", protocol.Dict{"kdf": "argon2id13", "memory": 256<<10 + 1, "iterations": 1}, ErrCost, "262145 KiB is more"},
		{"argon2 dear", protocol.Dict{"kdf": "argon2id-13", "memory": 1024, "iterations": 4097}, ErrCost, "are more than the limit of 4194304 KiB"},
		{"argon2 cheap", protocol.Dict{"kdf": "argon2id-13", "memory": 8191, "iterations": 1}, ErrCost, "are less than the limit of 8192 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			extra := v.challenge()
			maps.Copy(extra, tt.set)
			client := v.client(t)
			_, err := client.Answer(extra)
			require.ErrorIs(t, err, tt.kind)
			require.ErrorContains(t, err, tt.wants)
			require.ErrorIs(t, client.Verify(welcome("verifier", v.verifier)), ErrUntrustedRouter)
			_, err = client.Answer(v.challenge())
			require.ErrorIs(t, err, ErrUntrustedRouter, "a second challenge")
		})
	}
}

func TestSCRAMAutobahnNonce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, nonce string
		good        bool
	}{
		{"octets", "AAECAwQFBgcICQoLDA0ODxAR", true},
		{"text", "AAECAwQFBgcICQoLDA0ODw==EBES", false},
		{"same", "AAECAwQFBgcICQoLDA0ODw==", false},
		{"other", "BAECAwQFBgcICQoLDA0ODxAR", false},
		{"not base64", "AAECAwQFBgcICQoLDA0ODxA!", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.good, SCRAMAutobahn.extends("AAECAwQFBgcICQoLDA0ODw==", tt.nonce))
		})
	}
}

func TestSCRAMClientRefusesWelcome(t *testing.T) {
	t.Parallel()
	v := scramVectors()[1]
	answered := v.client(t)
	_, err := answered.Answer(v.challenge())
	require.NoError(t, err)
	require.NoError(t, answered.Verify(welcome("verifier", v.verifier)))

	wrong := scramVectors()[3].verifier
	for name, w := range map[string]*protocol.WelcomeDetails{
		"no authextra":         {},
		"not text":             welcome("verifier", []byte(v.verifier)),
		"empty":                welcome("verifier", ""),
		"wrong":                welcome("verifier", wrong),
		"wrong, with v=":       welcome("verifier", "v="+wrong),
		"v= twice":             welcome("verifier", "v=v="+v.verifier),
		"cut":                  welcome("verifier", v.verifier[:40]),
		"the proof":            welcome("verifier", v.proof),
		"wrong, autobahn's":    welcome("scram_server_signature", wrong),
		"right, but elsewhere": {Extra: protocol.Dict{"verifier": v.verifier}},
	} {
		require.ErrorIs(t, answered.Verify(w), ErrUntrustedRouter, name)
	}
	require.ErrorIs(t, v.client(t).Verify(welcome("verifier", v.verifier)), ErrUntrustedRouter, "without a challenge")
}

func TestNewSCRAMServerRefuses(t *testing.T) {
	t.Parallel()
	standard, autobahn := credential(t, SCRAMStandard, PBKDF2, "x"), credential(t, SCRAMAutobahn, PBKDF2, "x")
	tests := []struct {
		name  string
		hello protocol.HelloDetails
		cfg   SCRAMServerConfig
		kind  error
		text  string
	}{
		{"no authid", protocol.HelloDetails{}, SCRAMServerConfig{Credential: standard}, ErrMalformed, "authid: empty"},
		{"bad authid", protocol.HelloDetails{AuthID: "\u2168"}, SCRAMServerConfig{Credential: standard}, ErrMalformed, "authid: has a character"},
		{"no nonce", protocol.HelloDetails{AuthID: "u"}, SCRAMServerConfig{Credential: standard}, ErrMalformed, "HELLO: authextra: nonce: missing"},
		{"nonce with comma", helloNonce("a,r=b"), SCRAMServerConfig{Credential: standard}, ErrMalformed, "nonce: has other characters"},
		{"autobahn nonce", helloNonce("a!"), SCRAMServerConfig{Credential: autobahn}, ErrMalformed, "nonce: not base64"},
		{"binding required", helloNonce("AAAA"), SCRAMServerConfig{Credential: standard, RequireBinding: true}, ErrChannelBinding, "requires"},
		{"binding impossible", helloNonce("AAAA"), SCRAMServerConfig{Credential: autobahn, RequireBinding: true}, ErrChannelBinding, "no channel binding"},
		{"no key", helloNonce("AAAA"), SCRAMServerConfig{Credential: SCRAMCredential{Params: standard.Params}}, nil, "must have 32 octets"},
		{"no params", helloNonce("AAAA"), SCRAMServerConfig{}, nil, `kdf: "" is unknown`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewSCRAMServer(newCounter(), issued, &tt.hello, tt.cfg)
			require.ErrorContains(t, err, tt.text)
			if tt.kind != nil {
				require.ErrorIs(t, err, tt.kind)
			}
		})
	}
	hello := helloNonce("AAAA")
	_, err := NewSCRAMServer(broken{}, issued, &hello, SCRAMServerConfig{Credential: standard})
	require.ErrorIs(t, err, errBroken)
}

func helloNonce(nonce string) protocol.HelloDetails {
	return protocol.HelloDetails{AuthID: "user", AuthExtra: protocol.Dict{"nonce": nonce}}
}

func TestSCRAMServerRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tamper func(*protocol.Authenticate)
		text   string
	}{
		{"no proof", func(m *protocol.Authenticate) { m.Signature = "" }, "the proof is not 32 octets"},
		{"proof not base64", func(m *protocol.Authenticate) { m.Signature = "!" }, "the proof is not 32 octets"},
		{"long proof", func(m *protocol.Authenticate) { m.Signature += "AAAA" }, "the proof is not 32 octets"},
		{"other proof", func(m *protocol.Authenticate) { m.Signature = scramVectors()[0].proof }, "the proof is wrong"},
		{"no extra", func(m *protocol.Authenticate) { m.Extra = nil }, "nonce: not that of the challenge"},
		{"other nonce", func(m *protocol.Authenticate) { m.Extra["nonce"] = "x" }, "nonce: not that of the challenge"},
		{"no binding", func(m *protocol.Authenticate) { m.Extra["channel_binding"] = nil }, "channel_binding: not that of HELLO"},
		{"other binding", func(m *protocol.Authenticate) { m.Extra["channel_binding"] = "tls-unique" }, "channel_binding: not that of HELLO"},
		{"no binding data", func(m *protocol.Authenticate) { delete(m.Extra, "cbind_data") }, "cbind_data: not that of this connection"},
		{"other connection", func(m *protocol.Authenticate) { m.Extra["cbind_data"] = "AAAA" }, "cbind_data: not that of this connection"},
	}
	cred := credential(t, SCRAMStandard, PBKDF2, "pencil")
	binding := ChannelBinding{TLSExporter, bytes.Repeat([]byte{7}, 32)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newScramPair(
				t, SCRAMConfig{AuthID: "user", Password: NewSecret("pencil"), Binding: binding},
				SCRAMServerConfig{Credential: cred, Bind: func(BindingType) (ChannelBinding, error) { return binding, nil }})
			answer, err := p.client.Answer(p.server.Challenge().Extra)
			require.NoError(t, err)
			tt.tamper(answer)
			_, err = p.server.Verify(issued, answer)
			require.ErrorIs(t, err, ErrDenied)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestSCRAMServerTime(t *testing.T) {
	t.Parallel()
	cred := credential(t, SCRAMStandard, PBKDF2, "pencil")
	pair := func() (scramPair, *protocol.Authenticate) {
		p := newScramPair(t, SCRAMConfig{AuthID: "user", Password: NewSecret("pencil")}, SCRAMServerConfig{Credential: cred, Timeout: time.Second})
		answer, err := p.client.Answer(p.server.Challenge().Extra)
		require.NoError(t, err)
		return p, answer
	}
	p, answer := pair()
	_, err := p.server.Verify(issued.Add(time.Second), answer)
	require.NoError(t, err)
	_, err = p.server.Verify(issued.Add(time.Second), answer)
	require.ErrorIs(t, err, ErrDenied, "a second answer")

	p, answer = pair()
	_, err = p.server.Verify(issued.Add(time.Second+1), answer)
	require.ErrorIs(t, err, ErrDenied, "a late answer")
}

// TestSCRAMReplay has an answer overheard in one exchange fail in the next.
func TestSCRAMReplay(t *testing.T) {
	t.Parallel()
	cfg := SCRAMServerConfig{Credential: credential(t, SCRAMStandard, PBKDF2, "pencil")}
	p := newScramPair(t, SCRAMConfig{AuthID: "user", Password: NewSecret("pencil")}, cfg)
	answer, err := p.client.Answer(p.server.Challenge().Extra)
	require.NoError(t, err)

	random := counter(99) // another part for the same nonce of the client
	second, err := NewSCRAMServer(&random, issued, &protocol.HelloDetails{AuthID: "user", AuthExtra: p.client.HelloExtra()}, cfg)
	require.NoError(t, err)
	answer.Extra["nonce"] = second.Challenge().Extra["nonce"]
	_, err = second.Verify(issued, answer)
	require.ErrorIs(t, err, ErrDenied)
}

// TestSCRAMRelay has a router in the middle fail, because it is another TLS connection.
func TestSCRAMRelay(t *testing.T) {
	t.Parallel()
	clients, routers := ChannelBinding{TLSExporter, bytes.Repeat([]byte{1}, 32)}, ChannelBinding{TLSExporter, bytes.Repeat([]byte{2}, 32)}
	p := newScramPair(t, SCRAMConfig{AuthID: "user", Password: NewSecret("pencil"), Binding: clients}, SCRAMServerConfig{
		Credential: credential(t, SCRAMStandard, PBKDF2, "pencil"),
		Bind:       func(BindingType) (ChannelBinding, error) { return routers, nil },
	})
	answer, err := p.client.Answer(p.server.Challenge().Extra)
	require.NoError(t, err)
	answer.Extra["cbind_data"] = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
	_, err = p.server.Verify(issued, answer)
	require.ErrorIs(t, err, ErrDenied)
	require.ErrorContains(t, err, "the proof is wrong")
}

func TestSCRAMWrongPassword(t *testing.T) {
	t.Parallel()
	for _, d := range []SCRAMDialect{SCRAMStandard, SCRAMAutobahn} {
		p := newScramPair(
			t, SCRAMConfig{Dialect: d, AuthID: "user", Password: NewSecret("pen")},
			SCRAMServerConfig{Credential: credential(t, d, PBKDF2, "pencil")})
		answer, err := p.client.Answer(p.server.Challenge().Extra)
		require.NoError(t, err)
		_, err = p.server.Verify(issued, answer)
		require.ErrorIs(t, err, ErrDenied)
	}
}

func TestSCRAMFake(t *testing.T) {
	t.Parallel()
	like, key := credential(t, SCRAMStandard, Argon2id13, "pencil"), NewSecret("the router's")
	nobody := like.Fake(key, "nobody")
	require.True(t, sameCredential(nobody, like.Fake(key, "nobody")))
	require.Len(t, nobody.Params.Salt, len(like.Params.Salt))
	require.NotEqual(t, like.Params.Salt, nobody.Params.Salt)
	require.NotEqual(t, nobody.Params.Salt, like.Fake(key, "somebody").Params.Salt)
	require.NotEqual(t, nobody.Params.Salt, like.Fake(NewSecret("another's"), "nobody").Params.Salt)
	require.Equal(t, like.Params.Memory, nobody.Params.Memory)

	p := newScramPair(t, SCRAMConfig{AuthID: "nobody", Password: NewSecret("pencil")}, SCRAMServerConfig{Credential: nobody})
	answer, err := p.client.Answer(p.server.Challenge().Extra)
	require.NoError(t, err)
	_, err = p.server.Verify(issued, answer)
	require.ErrorIs(t, err, ErrDenied)
}

func sameCredential(a, b SCRAMCredential) bool {
	return bytes.Equal(a.Params.Salt, b.Params.Salt) && equal(a.StoredKey.Reveal(), b.StoredKey.Reveal()) && equal(a.ServerKey.Reveal(), b.ServerKey.Reveal())
}

func TestNewSCRAMCredentialRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, password string
		change         func(*SCRAMParams)
	}{
		{"no password", "", func(*SCRAMParams) {}},
		{"bad password", "\x07", func(*SCRAMParams) {}},
		{"kdf", "x", func(p *SCRAMParams) { p.KDF = "scrypt" }},
		{"salt", "x", func(p *SCRAMParams) { p.Salt = nil }},
		{"iterations", "x", func(p *SCRAMParams) { p.Iterations = 0 }},
		{"memory", "x", func(p *SCRAMParams) { p.Memory = 7 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			params := cheapParams(Argon2id13)
			tt.change(&params)
			_, err := NewSCRAMCredential(SCRAMStandard, NewSecret(tt.password), params)
			require.Error(t, err)
		})
	}
}
