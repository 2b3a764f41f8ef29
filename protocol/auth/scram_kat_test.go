package auth

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// scramVector is a known exchange of the user "user" with the password "pencil".
type scramVector struct {
	name               string
	clientNonce, nonce string
	salt               string
	kdf                string
	iterations, memory int
	binding            BindingType
	bindingData        string
	salted             string // "" means not known
	stored, server     string
	proof, verifier    string
}

const specChannelID = "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"

// scramVectors: the first is RFC 7677's. The others have the nonces and the salt of the WAMP
// specification, whose own results do not belong to them, and were computed independently.
func scramVectors() []scramVector {
	spec := scramVector{
		clientNonce: "egVDf3DMJh0=", nonce: "egVDf3DMJh0=SBmkFIh7sSo=", salt: "aBc+fx0NAVA=", kdf: "pbkdf2", iterations: 4096,
		salted: "4073f00b9b900fb7cbe2de11a72871f4b981616c85329569c7807f849ad23e38",
	}
	plain, argon, bound := spec, spec, spec
	plain.name, plain.proof, plain.verifier = "WAMP", "L1uwjEEL7BdbtlWMKxNcQ1A/CmNjct+7xdAguB/rpnA=", "AyTAljdPHv74Zx+gn+6DqiFnl4XOZUXpC7k/pSkjBOg="
	argon.name, argon.proof, argon.verifier = "Argon2", "45Rq0fWNLhn8SgVvNUm573pQgsGOAL7UR/mf5oYzP5Y=", "yTiTcGCCbxaO96V+bwMdfoHFJJ18UErftTXdA2hdE/M="
	argon.kdf, argon.iterations, argon.memory = "argon2id13", 3, 4096
	argon.salted = "a4c7c6796a37a8e3389cba3f1979543eb24f5ea171581361fbd810e99f28dbe6"
	bound.name, bound.proof, bound.verifier = "channel binding", "b+laP4O7eiIrsJjlF0zs+k1vJ+KzRWsdsZflaIKDn+Y=", "QzEhef8908jxKe6JDLp8MC33+MYYg985XScceyqZV5E="
	bound.binding, bound.bindingData = TLSUnique, specChannelID
	return []scramVector{{
		name: "RFC 7677", clientNonce: "rOprNGfwEbeRWgbNEkqO", nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		salt: "W22ZaJ0SNY7soEsUEjb6gQ==", kdf: "pbkdf2", iterations: 4096,
		salted: "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d",
		stored: "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", server: "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", verifier: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}, plain, argon, bound}
}

func (v scramVector) challenge() protocol.Dict {
	extra := protocol.Dict{"nonce": v.nonce, "salt": v.salt, "kdf": v.kdf, "iterations": v.iterations, "memory": nil}
	if v.memory > 0 {
		extra["memory"] = v.memory
	}
	return extra
}

func (v scramVector) client(t *testing.T) *SCRAMClient {
	t.Helper()
	cfg := SCRAMConfig{AuthID: "user", Password: NewSecret("pencil"), Nonce: v.clientNonce}
	if v.binding != NoBinding {
		cfg.Binding = ChannelBinding{Type: v.binding, Data: unhex(t, v.bindingData)}
	}
	client, err := NewSCRAMClient(newCounter(), cfg)
	require.NoError(t, err)
	return client
}

func (v scramVector) params(t *testing.T) SCRAMParams {
	t.Helper()
	kdf, known := ParseKDF(v.kdf)
	require.True(t, known)
	return SCRAMParams{KDF: kdf, Salt: unbase64(t, v.salt), Iterations: v.iterations, Memory: v.memory}
}

func TestSCRAMVectorsClient(t *testing.T) {
	t.Parallel()
	for _, v := range scramVectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			salted, err := saltPassword(SCRAMStandard, NewSecret("pencil"), v.params(t))
			require.NoError(t, err)
			require.Equal(t, v.salted, hex.EncodeToString(salted))

			client := v.client(t)
			answer, err := client.Answer(v.challenge())
			require.NoError(t, err)
			require.Equal(t, v.proof, answer.Signature)
			require.Equal(t, v.nonce, answer.Extra["nonce"])
			require.NoError(t, client.Verify(welcome("verifier", v.verifier)))
			require.NoError(t, client.Verify(welcome("verifier", "v="+v.verifier)))
			require.NoError(t, client.Verify(welcome("scram_server_signature", v.verifier)))
		})
	}
}

func welcome(key string, value any) *protocol.WelcomeDetails {
	return &protocol.WelcomeDetails{AuthExtra: protocol.Dict{key: value}}
}

func TestSCRAMVectorsServer(t *testing.T) {
	t.Parallel()
	for _, v := range scramVectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			cred, err := NewSCRAMCredential(SCRAMStandard, NewSecret("pencil"), v.params(t))
			require.NoError(t, err)
			if v.stored != "" {
				require.Equal(t, string(unbase64(t, v.stored)), cred.StoredKey.Reveal())
				require.Equal(t, string(unbase64(t, v.server)), cred.ServerKey.Reveal())
			}
			extra := protocol.Dict{"nonce": v.nonce, "channel_binding": nil}
			server := &SCRAMServer{
				once: newAnswerOnce(MethodSCRAM, issued, 0), cred: cred,
				exchange: scramExchange{authid: "user", clientNonce: v.clientNonce, nonce: v.nonce, salt: v.salt, iterations: v.iterations},
			}
			if v.binding != NoBinding {
				server.exchange.binding = ChannelBinding{v.binding, unhex(t, v.bindingData)}
				extra["channel_binding"] = string(v.binding)
				extra["cbind_data"] = "Yuk1rnVfPUj4DU1Z9hITWMQ1cipn6FnMDKqLU5An8v8="
			}
			require.Equal(t, v.challenge(), server.Challenge().Extra)
			authextra, err := server.Verify(issued, &protocol.Authenticate{Signature: v.proof, Extra: extra})
			require.NoError(t, err)
			require.Equal(t, v.verifier, authextra["verifier"])
		})
	}
}

// TestSCRAMCarol has the credential of the user carol of Crossbar.io's demo router, and an
// exchange computed independently.
func TestSCRAMCarol(t *testing.T) {
	t.Parallel()
	salt := unhex(t, "accaa46d16de59a12db736c8ed2cc90c")
	cred := SCRAMCredential{
		Dialect: SCRAMAutobahn, Params: SCRAMParams{KDF: Argon2id13, Salt: salt, Iterations: 4096, Memory: 512},
		StoredKey: NewSecret(string(unhex(t, "e699c745cc9e9876d8b61f9a14496bf6805a3391f5ecfbf7ae348a0034876485"))),
		ServerKey: NewSecret(string(unhex(t, "92519a86d68146f15dffe50e27a6e479e41e5e40363b8714773dd8a4066ebb6c"))),
	}
	random := newCounter() // client's nonce first, then the router's part
	client, err := NewSCRAMClient(random, SCRAMConfig{Dialect: SCRAMAutobahn, AuthID: "carol", Password: NewSecret("p4ssw0rd")})
	require.NoError(t, err)
	hello := &protocol.HelloDetails{AuthID: "carol", AuthExtra: client.HelloExtra()}
	require.Equal(t, protocol.Dict{"nonce": "AAECAwQFBgcICQoLDA0ODw=="}, hello.AuthExtra)

	server, err := NewSCRAMServer(random, issued, hello, SCRAMServerConfig{Credential: cred})
	require.NoError(t, err)
	require.Equal(t, &protocol.Challenge{Method: "scram", Extra: protocol.Dict{
		"nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "salt": "rMqkbRbeWaEttzbI7SzJDA==",
		"kdf": "argon2id-13", "iterations": 4096, "memory": 512,
	}}, server.Challenge())

	answer, err := client.Answer(server.Challenge().Extra) // about two seconds
	require.NoError(t, err)
	require.Equal(t, &protocol.Authenticate{Signature: "cYWfQnj9EoMUBUAsxD4AA+NY47F7/mkZHXsRkXLcrQ8="}, answer)

	authextra, err := server.Verify(issued, answer)
	require.NoError(t, err)
	require.Equal(t, "8dH6YDfBBm/HR0j5nnDdZkg0i0aIxxmRLWQcrI0J+I4=", authextra["scram_server_signature"])
	require.NoError(t, client.Verify(&protocol.WelcomeDetails{AuthExtra: authextra}))
}

func TestKDFVectors(t *testing.T) {
	t.Parallel()
	salt := []byte("1234567890abcdef")
	require.Equal(t, "ee4a8acf9d5958354fb79a95ae20692d05e42591ba49fae85eb6700e8b0ed293",
		hex.EncodeToString(deriveArgon2("p4ssw0rd", salt, 32, 512)))
	key, err := derivePBKDF2("p4ssw0rd", salt, 8, 32)
	require.NoError(t, err)
	require.Equal(t, "f6991a28c75f43751e0d75499fd7b8649f659118ddc1d61cee5883af547d15f5", hex.EncodeToString(key))
}

func TestSCRAMMessage(t *testing.T) {
	t.Parallel()
	x := scramExchange{authid: "a=b,c", clientNonce: "CN", nonce: "CNSN", salt: "c2FsdA==", iterations: 7}
	require.Equal(t, "n=a=3Db=2Cc,r=CN,r=CNSN,s=c2FsdA==,i=7,c=biws,r=CNSN", x.message())
	x.binding = ChannelBinding{TLSExporter, []byte{0xff, 0x00}}
	require.Equal(t, "n=a=3Db=2Cc,r=CN,r=CNSN,s=c2FsdA==,i=7,c=cD10bHMtZXhwb3J0ZXIsLP8A,r=CNSN", x.message())
	x.dialect, x.authid, x.binding = SCRAMAutobahn, "a=b", ChannelBinding{}
	require.Equal(t, "n=a=b,r=CN,r=CNSN,s=c2FsdA==,i=7,c=,r=CNSN", x.message())
}
