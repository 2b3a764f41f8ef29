package auth

import (
	"encoding/base64"
	"io"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// SCRAMConfig is what a client authenticates with by SCRAM.
type SCRAMConfig struct {
	Dialect  SCRAMDialect
	AuthID   string
	Password Secret
	// Binding binds the authentication to the TLS connection; SCRAMStandard only.
	Binding ChannelBinding
	// Limits is what the router may ask for.
	Limits Limits
	// Nonce is the nonce to use, of another client whose method is offered in the same HELLO;
	// "" draws one.
	Nonce string
}

// SCRAMClient is the client's side of one SCRAM exchange.
type SCRAMClient struct {
	cfg      SCRAMConfig
	exchange scramExchange
	answered bool
	verifier Secret // what the router must know, empty until the challenge was answered
}

// NewSCRAMClient starts an exchange with a nonce of 128 random bits.
func NewSCRAMClient(random io.Reader, cfg SCRAMConfig) (*SCRAMClient, error) {
	method := cfg.Dialect.Method()
	authid, err := cfg.Dialect.prepareAuthID(nil, cfg.AuthID)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Password.Empty():
		return nil, failf(nil, method, "the password is missing")
	case cfg.Binding.Type != NoBinding && cfg.Dialect == SCRAMAutobahn:
		return nil, failf(ErrChannelBinding, method, "this dialect has no channel binding")
	}
	if err := cfg.Binding.check(); err != nil {
		return nil, err
	}
	if cfg.Nonce == "" {
		octets, err := randomBytes(random, method, 16)
		if err != nil {
			return nil, err
		}
		cfg.Nonce = base64.StdEncoding.EncodeToString(octets)
	}
	if err := checkNonce(cfg.Nonce); err != nil {
		return nil, failf(nil, method, "nonce: %s", err)
	}
	return &SCRAMClient{cfg: cfg, exchange: scramExchange{
		dialect: cfg.Dialect, authid: authid, clientNonce: cfg.Nonce, binding: cfg.Binding,
	}}, nil
}

// HelloExtra returns the authextra of HELLO.
func (c *SCRAMClient) HelloExtra() protocol.Dict {
	extra := protocol.Dict{"nonce": c.cfg.Nonce}
	if c.cfg.Dialect == SCRAMStandard {
		extra["channel_binding"] = nil
		if c.cfg.Binding.Type != NoBinding {
			extra["channel_binding"] = string(c.cfg.Binding.Type)
		}
	}
	return extra
}

// Answer answers the challenge, once. It derives the keys, which is slow. Errors are
// ErrMalformed, ErrCost, and ErrUntrustedRouter if the challenge is not for this client's
// nonce.
func (c *SCRAMClient) Answer(extra protocol.Dict) (*protocol.Authenticate, error) {
	method := c.cfg.Dialect.Method()
	if c.answered {
		return nil, failf(ErrUntrustedRouter, method, "the router sent a second challenge")
	}
	c.answered = true
	params, err := c.readChallenge(extra)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Limits.withDefaults().checkSCRAM(method, params); err != nil {
		return nil, err
	}
	keys, err := deriveSCRAM(c.cfg.Dialect, c.cfg.Password, params)
	if err != nil {
		return nil, err
	}
	message := c.exchange.message()
	c.verifier = NewSecret(string(hmacSHA256(keys.server[:], message)))
	return &protocol.Authenticate{
		Signature: base64.StdEncoding.EncodeToString(keys.proof(message)),
		Extra:     c.answerExtra(),
	}, nil
}

// readChallenge checks the challenge, and completes the exchange with it.
func (c *SCRAMClient) readChallenge(extra protocol.Dict) (SCRAMParams, error) {
	f := fields{method: c.cfg.Dialect.Method(), where: "CHALLENGE", dict: extra}
	var p SCRAMParams
	nonce, err := f.text("nonce")
	if err != nil {
		return p, err
	}
	if err := checkNonce(nonce); err != nil {
		return p, f.fail("nonce", err.Error())
	}
	if !c.cfg.Dialect.extends(c.cfg.Nonce, nonce) {
		return p, failf(ErrUntrustedRouter, f.method, "CHALLENGE: nonce: does not start with that of the client")
	}
	if p, err = readParams(f); err != nil {
		return p, err
	}
	c.exchange.nonce = nonce
	c.exchange.salt = extra["salt"].(string) // was read
	c.exchange.iterations = p.Iterations
	return p, nil
}

func readParams(f fields) (SCRAMParams, error) {
	var p SCRAMParams
	salt, err := f.text("salt")
	if err != nil {
		return p, err
	}
	if p.Salt, err = decodeCanonical(salt); err != nil {
		return p, f.fail("salt", err.Error())
	}
	name, err := f.text("kdf")
	if err != nil {
		return p, err
	}
	var known bool
	if p.KDF, known = ParseKDF(name); !known {
		return p, f.fail("kdf", "unknown key derivation function")
	}
	if p.Iterations, err = f.number("iterations"); err != nil {
		return p, err
	}
	if p.KDF == Argon2id13 {
		if p.Memory, err = f.number("memory"); err != nil {
			return p, err
		}
	}
	if err := p.check(); err != nil {
		return p, failf(ErrMalformed, f.method, "%s: %s", f.where, err)
	}
	return p, nil
}

// answerExtra repeats what was agreed upon, which the specification asks for. Autobahn sends
// nothing.
func (c *SCRAMClient) answerExtra() protocol.Dict {
	if c.cfg.Dialect == SCRAMAutobahn {
		return nil
	}
	extra := protocol.Dict{"nonce": c.exchange.nonce, "channel_binding": nil}
	if b := c.cfg.Binding; b.Type != NoBinding {
		extra["channel_binding"] = string(b.Type)
		extra["cbind_data"] = base64.StdEncoding.EncodeToString(b.Data)
	}
	return extra
}

// Verify checks that the router knows the credential. The error is ErrUntrustedRouter: also
// for a WELCOME without a challenge before it.
func (c *SCRAMClient) Verify(w *protocol.WelcomeDetails) error {
	method := c.cfg.Dialect.Method()
	if c.verifier.Empty() {
		return failf(ErrUntrustedRouter, method, "the router welcomes without having asked for a proof")
	}
	text, ok := w.AuthExtra["verifier"].(string)
	if !ok {
		text, ok = w.AuthExtra["scram_server_signature"].(string)
	}
	if !ok {
		return failf(ErrUntrustedRouter, method, "WELCOME: authextra: verifier: missing")
	}
	// The specification's example has RFC 5802's prefix, its text has not.
	got, err := decodeCanonical(strings.TrimPrefix(text, "v="))
	if err != nil || !equal(string(got), c.verifier.Reveal()) {
		return failf(ErrUntrustedRouter, method, "WELCOME: authextra: verifier: wrong")
	}
	return nil
}
