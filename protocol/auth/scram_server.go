package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// SCRAMServerConfig is what a router knows about a client that is to authenticate by SCRAM.
type SCRAMServerConfig struct {
	Credential SCRAMCredential
	// Bind returns the bindings of the connection; nil has none. SCRAMAutobahn does not use
	// it.
	Bind Binder
	// RequireBinding refuses clients that do not bind to the connection.
	RequireBinding bool
	// Timeout is how long the answer is accepted; 0 means DefaultTimeout. Clients need time to
	// derive keys: seconds for Crossbar.io's credentials.
	Timeout time.Duration
}

// SCRAMServer is the router's side of one SCRAM exchange.
type SCRAMServer struct {
	once     answerOnce
	exchange scramExchange
	cred     SCRAMCredential
}

// NewSCRAMServer makes a challenge for a client, with a nonce of 128 random bits beside the
// client's. Errors are ErrMalformed and ErrChannelBinding for what is wrong with HELLO.
func NewSCRAMServer(random io.Reader, now time.Time, hello *protocol.HelloDetails, cfg SCRAMServerConfig) (*SCRAMServer, error) {
	d := cfg.Credential.Dialect
	if err := cfg.Credential.check(); err != nil {
		return nil, err
	}
	f := fields{method: d.Method(), where: "HELLO: authextra", dict: hello.AuthExtra}
	authid, err := d.prepareAuthID(ErrMalformed, hello.AuthID)
	if err != nil {
		return nil, err
	}
	clientNonce, err := f.text("nonce")
	if err != nil {
		return nil, err
	}
	if err := checkNonce(clientNonce); err != nil {
		return nil, f.fail("nonce", err.Error())
	}
	binding, err := scramBinding(f, cfg)
	if err != nil {
		return nil, err
	}
	own, err := randomBytes(random, f.method, 16)
	if err != nil {
		return nil, err
	}
	nonce, err := d.extend(clientNonce, own)
	if err != nil {
		return nil, f.fail("nonce", err.Error())
	}
	return &SCRAMServer{
		once: newAnswerOnce(f.method, now, cfg.Timeout),
		cred: cfg.Credential,
		exchange: scramExchange{
			dialect: d, authid: authid, clientNonce: clientNonce, nonce: nonce,
			salt:       base64.StdEncoding.EncodeToString(cfg.Credential.Params.Salt),
			iterations: cfg.Credential.Params.Iterations, binding: binding,
		},
	}, nil
}

func scramBinding(f fields, cfg SCRAMServerConfig) (ChannelBinding, error) {
	if cfg.Credential.Dialect == SCRAMStandard {
		return cfg.Bind.requested(f, cfg.RequireBinding)
	}
	if cfg.RequireBinding {
		return ChannelBinding{}, failf(ErrChannelBinding, f.method, "this dialect has no channel binding")
	}
	return ChannelBinding{}, nil
}

// extend appends the router's part to the client's nonce.
func (d SCRAMDialect) extend(clientNonce string, own []byte) (string, error) {
	if d == SCRAMStandard {
		return clientNonce + base64.StdEncoding.EncodeToString(own), nil
	}
	client, err := decodeCanonical(clientNonce)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(append(client, own...)), nil
}

// Challenge returns the CHALLENGE to send.
func (s *SCRAMServer) Challenge() *protocol.Challenge {
	p := s.cred.Params
	extra := protocol.Dict{
		"nonce":      s.exchange.nonce,
		"salt":       s.exchange.salt,
		"kdf":        s.cred.Dialect.kdfName(p.KDF),
		"iterations": p.Iterations,
		"memory":     nil,
	}
	if p.KDF == Argon2id13 {
		extra["memory"] = p.Memory
	}
	return &protocol.Challenge{Method: s.cred.Dialect.Method(), Extra: extra}
}

// Verify checks the client's answer, in constant time, and returns the authextra of WELCOME,
// which proves to the client that the router knows the credential. It takes microseconds. The
// error is ErrDenied.
func (s *SCRAMServer) Verify(now time.Time, m *protocol.Authenticate) (protocol.Dict, error) {
	if err := s.once.answer(now); err != nil {
		return nil, err
	}
	method := s.cred.Dialect.Method()
	if problem := s.checkExtra(m.Extra); problem != "" {
		return nil, failf(ErrDenied, method, "AUTHENTICATE: %s", problem)
	}
	proof, err := decodeCanonical(m.Signature)
	if err != nil || len(proof) != sha256.Size {
		return nil, failf(ErrDenied, method, "AUTHENTICATE: the proof is not 32 octets in base64")
	}
	message, storedKey := s.exchange.message(), []byte(s.cred.StoredKey.Reveal())
	subtle.XORBytes(proof, proof, hmacSHA256(storedKey, message)) // is ClientKey
	stored := sha256.Sum256(proof)
	if subtle.ConstantTimeCompare(stored[:], storedKey) != 1 {
		return nil, failf(ErrDenied, method, "the proof is wrong")
	}
	verifier := base64.StdEncoding.EncodeToString(hmacSHA256([]byte(s.cred.ServerKey.Reveal()), message))
	return protocol.Dict{"verifier": verifier, "scram_server_signature": verifier}, nil
}

// checkExtra returns what differs from the challenge, or "". SCRAMAutobahn has nothing to
// compare.
func (s *SCRAMServer) checkExtra(extra protocol.Dict) string {
	if s.cred.Dialect == SCRAMAutobahn {
		return ""
	}
	nonce, _ := extra["nonce"].(string)
	binding, _ := extra["channel_binding"].(string)
	data, _ := extra["cbind_data"].(string)
	b := s.exchange.binding
	switch {
	case !equal(nonce, s.exchange.nonce):
		return "nonce: not that of the challenge"
	case binding != string(b.Type):
		return "channel_binding: not that of HELLO"
	case !equal(data, base64.StdEncoding.EncodeToString(b.Data)):
		return "cbind_data: not that of this connection"
	default:
		return ""
	}
}
