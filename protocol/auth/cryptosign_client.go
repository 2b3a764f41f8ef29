package auth

import (
	"io"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// CryptosignConfig is what a client authenticates with by cryptosign.
type CryptosignConfig struct {
	Key SigningKey
	// Binding binds the authentication to the TLS connection. The client then refuses a router
	// that does not do the same.
	Binding ChannelBinding
	// RouterKeys makes the router prove that it has one of these keys; none means that the
	// router is not authenticated.
	RouterKeys []PublicKey
}

// CryptosignClient is the client's side of one cryptosign exchange.
type CryptosignClient struct {
	cfg      CryptosignConfig
	id       *channelID
	own      challenge // for the router
	answered bool
}

// NewCryptosignClient starts an exchange. Errors are ErrChannelBinding.
func NewCryptosignClient(random io.Reader, cfg CryptosignConfig) (*CryptosignClient, error) {
	if cfg.Key.IsZero() {
		return nil, failf(nil, MethodCryptosign, "the private key is missing")
	}
	id, err := cfg.Binding.channelID()
	if err != nil {
		return nil, err
	}
	own, err := randomBytes(random, MethodCryptosign, len(challenge{}))
	if err != nil {
		return nil, err
	}
	return &CryptosignClient{cfg: cfg, id: id, own: challenge(own)}, nil
}

// HelloExtra returns the authextra of HELLO.
func (c *CryptosignClient) HelloExtra() protocol.Dict {
	extra := protocol.Dict{"pubkey": c.cfg.Key.PublicKey().String()}
	if t := c.cfg.Binding.Type; t != NoBinding {
		extra["channel_binding"] = string(t)
	}
	if len(c.cfg.RouterKeys) > 0 {
		extra["challenge"] = PublicKey(c.own).String()
	}
	return extra
}

// Answer signs the challenge, once, after checking the router's signature. Errors are
// ErrMalformed, ErrChannelBinding if the router binds otherwise than it was asked to, and
// ErrUntrustedRouter.
func (c *CryptosignClient) Answer(extra protocol.Dict) (*protocol.Authenticate, error) {
	if c.answered {
		return nil, failf(ErrUntrustedRouter, MethodCryptosign, "the router sent a second challenge")
	}
	f := fields{method: MethodCryptosign, where: "CHALLENGE", dict: extra}
	ch, err := f.hex32("challenge")
	if err != nil {
		return nil, err
	}
	binding, _, err := f.optional("channel_binding")
	if err != nil {
		return nil, err
	}
	if BindingType(binding) != c.cfg.Binding.Type {
		return nil, failf(ErrChannelBinding, f.method, "CHALLENGE: channel_binding: not the one that was asked for")
	}
	if err := c.verifyRouter(f); err != nil {
		return nil, err
	}
	c.answered = true
	return &protocol.Authenticate{Signature: c.cfg.Key.sign(ch, c.id)}, nil
}

func (c *CryptosignClient) verifyRouter(f fields) error {
	if len(c.cfg.RouterKeys) == 0 {
		return nil
	}
	if f.dict["pubkey"] == nil || f.dict["signature"] == nil {
		return failf(ErrUntrustedRouter, f.method, "CHALLENGE: the router did not sign the client's challenge")
	}
	key, err := f.hex32("pubkey")
	if err != nil {
		return err
	}
	signature, err := f.text("signature")
	if err != nil {
		return err
	}
	if !slices.Contains(c.cfg.RouterKeys, PublicKey(key)) {
		return failf(ErrUntrustedRouter, f.method, "CHALLENGE: pubkey: not a key of a trusted router")
	}
	if err := PublicKey(key).verify(c.own, c.id, signature); err != nil {
		return failf(ErrUntrustedRouter, f.method, "CHALLENGE: signature: %s", err)
	}
	return nil
}

// Verify refuses a WELCOME without a challenge before it, if the router was to be
// authenticated or the connection bound to. The error is ErrUntrustedRouter.
func (c *CryptosignClient) Verify(*protocol.WelcomeDetails) error {
	if !c.answered && (len(c.cfg.RouterKeys) > 0 || c.id != nil) {
		return failf(ErrUntrustedRouter, MethodCryptosign, "the router welcomes without having asked for a proof")
	}
	return nil
}
