package session

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// Cryptosign returns the method "cryptosign": the client proves that it has the private key. The
// router knows the authid by the public key.
func Cryptosign(key auth.SigningKey) CryptosignAuth { return CryptosignAuth{Key: key} }

// CryptosignAuth is the method "cryptosign" (Advanced Profile, "Cryptosign-based Authentication").
type CryptosignAuth struct {
	Identity // AuthID may be left out
	Key      auth.SigningKey
	// Binding binds the authentication to the TLS connection, auth.TLSExporter with TLS 1.3 and
	// auth.TLSUnique before. It fails if that cannot be done, or if the router does not do it.
	Binding auth.BindingType
	// RouterKeys makes the router prove that it has one of these keys. None trusts any router.
	RouterKeys []auth.PublicKey
}

// Methods implements Authenticator.
func (CryptosignAuth) Methods() []string { return []string{auth.MethodCryptosign} }

// Validate reports what is missing or wrong.
func (c CryptosignAuth) Validate() error {
	errs := []error{checkBinding(auth.MethodCryptosign, c.Binding)}
	if c.Key.IsZero() {
		errs = append(errs, errors.New(auth.MethodCryptosign+": the private key is missing"))
	}
	return errors.Join(errs...)
}

func (c CryptosignAuth) claims() []Identity {
	extra := protocol.Dict{"channel_binding": bindingClaim(c.Binding), "pubkey": c.Key.PublicKey().String()}
	if len(c.RouterKeys) > 0 {
		extra["challenge"] = drawn{"challenge"}
	}
	return []Identity{c.Identity, {AuthExtra: extra}}
}

// Attempt implements Authenticator.
func (c CryptosignAuth) Attempt(_ context.Context, req AuthRequest) (Exchange, error) {
	binding, err := req.binding(c.Binding)
	if err != nil {
		return nil, err
	}
	client, err := auth.NewCryptosignClient(rand.Reader, auth.CryptosignConfig{Key: c.Key, Binding: binding, RouterKeys: c.RouterKeys})
	if err != nil {
		return nil, err
	}
	return cryptosignExchange{client}, errors.Join(req.Claim(c.Identity), req.Claim(Identity{AuthExtra: client.HelloExtra()}))
}

type cryptosignExchange struct{ client *auth.CryptosignClient }

func (x cryptosignExchange) Answer(_ context.Context, ch *protocol.Challenge) (*protocol.Authenticate, error) {
	return x.client.Answer(ch.Extra)
}

func (x cryptosignExchange) Verify(welcome *protocol.WelcomeDetails) error {
	return x.client.Verify(welcome)
}
