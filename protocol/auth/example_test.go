package auth_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// A salted account: the router stores the derived key, the client knows the secret.
func Example_wampCRA() {
	salting := auth.CRASalting{Salt: "salt123", Iterations: 100, KeyLen: 32}
	key, err := auth.DeriveCRAKey(auth.NewSecret("s33kr1t"), salting)
	if err != nil {
		panic(err)
	}
	fmt.Println("stored:", key.Reveal())

	server, err := auth.NewCRAServer(rand.Reader, time.Now(), auth.CRAConfig{
		AuthID: "salted", AuthRole: "authenticated", AuthProvider: "static", Session: 1, Key: key, Salting: salting,
	})
	if err != nil {
		panic(err)
	}
	client := auth.CRAClient{Secret: auth.NewSecret("s33kr1t")}
	answer, err := client.Answer(server.Challenge().Extra)
	if err != nil {
		panic(err)
	}
	fmt.Println("admitted:", server.Verify(time.Now(), answer) == nil)
	// Output:
	// stored: zFXAAAqW5nlonWfP6JLMq4KGLRYZAd8OSXWknEbckCQ=
	// admitted: true
}

// Client and router prove to each other that they know the password or the credential.
func Example_scram() {
	cred, err := auth.NewSCRAMCredential(auth.SCRAMStandard, auth.NewSecret("pencil"), auth.SCRAMParams{
		KDF: auth.Argon2id13, Salt: []byte("16 random octets"), Iterations: 3, Memory: 4096,
	})
	if err != nil {
		panic(err)
	}
	client, err := auth.NewSCRAMClient(rand.Reader, auth.SCRAMConfig{AuthID: "user", Password: auth.NewSecret("pencil")})
	if err != nil {
		panic(err)
	}
	hello := &protocol.HelloDetails{AuthID: "user", AuthMethods: []string{auth.MethodSCRAM}, AuthExtra: client.HelloExtra()}
	server, err := auth.NewSCRAMServer(rand.Reader, time.Now(), hello, auth.SCRAMServerConfig{Credential: cred})
	if err != nil {
		panic(err)
	}
	answer, err := client.Answer(server.Challenge().Extra)
	if err != nil {
		panic(err)
	}
	authextra, err := server.Verify(time.Now(), answer)
	fmt.Println("the router admits the client:", err == nil)
	err = client.Verify(&protocol.WelcomeDetails{AuthExtra: authextra})
	fmt.Println("the client trusts the router:", err == nil)
	// Output:
	// the router admits the client: true
	// the client trusts the router: true
}

func Example_cryptosign() {
	key, err := auth.ParseSigningKey("6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c")
	if err != nil {
		panic(err)
	}
	fmt.Println(key, "has the public key", key.PublicKey())

	client, err := auth.NewCryptosignClient(rand.Reader, auth.CryptosignConfig{Key: key})
	if err != nil {
		panic(err)
	}
	hello := &protocol.HelloDetails{AuthMethods: []string{auth.MethodCryptosign}, AuthExtra: client.HelloExtra()}
	server, err := auth.NewCryptosignServer(rand.Reader, time.Now(), hello, auth.CryptosignServerConfig{})
	if err != nil {
		panic(err)
	}
	answer, err := client.Answer(server.Challenge().Extra)
	if err != nil {
		panic(err)
	}
	fmt.Println("admitted:", server.Verify(time.Now(), answer) == nil && server.ClientKey() == key.PublicKey())
	// Output:
	// [redacted] has the public key 020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66
	// admitted: true
}

func ExampleReadSigningKey() {
	file := strings.NewReader("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDokxC2uMeDNHoNrlzzWZcgDSr1VRA37fIXIIZZpOW2f\n-----END PRIVATE KEY-----\n")
	key, err := auth.ReadSigningKey(file, auth.Secret{})
	fmt.Println(key.PublicKey(), err)
	// Output:
	// f36dacfa5973be3b7517841c08d6af27ea252102bd0cdda535a4d3800fd9145f <nil>
}

// A router that asks for a derivation of hours gets an error at once.
func ExampleLimits() {
	client := auth.CRAClient{Secret: auth.NewSecret("p4ssw0rd"), Limits: auth.Limits{MaxIterations: 100_000}}
	_, err := client.Answer(protocol.Dict{"challenge": "{}", "salt": "s", "keylen": 32, "iterations": 2_000_000_000})
	fmt.Println(err)
	fmt.Println(errors.Is(err, auth.ErrCost))
	// Output:
	// auth: wampcra: 2000000000 iterations for a key of 32 octets are more than the limit of 100000 per 32 octets
	// true
}

// Secrets do not print.
func ExampleSecret() {
	cfg := struct{ Password auth.Secret }{auth.NewSecret("p4ssw0rd")}
	fmt.Printf("%+v %s\n", cfg, cfg.Password)
	fmt.Println(auth.TicketMatches(cfg.Password, "p4ssw0rd"))
	// Output:
	// {Password:[redacted]} [redacted]
	// true
}
