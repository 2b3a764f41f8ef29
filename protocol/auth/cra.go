package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// CRASalting says how the key of a WAMP-CRA account is derived from its secret. The zero
// value means that the secret itself is the key.
type CRASalting struct {
	Salt       string // used as it is, not decoded
	Iterations int    // of PBKDF2
	KeyLen     int    // length of the derived key in octets, before base64
}

func (s CRASalting) check() error {
	if s == (CRASalting{}) {
		return nil
	}
	if s.Salt == "" || s.Iterations < 1 || s.KeyLen < 1 {
		return failf(nil, MethodCRA, "salting needs a salt, iterations and a key length")
	}
	return nil
}

// SignCRA signs the text of a challenge with the key of an account: base64 of
// HMAC-SHA256 (Advanced Profile, "Challenge Response Authentication").
func SignCRA(key Secret, challenge string) string {
	return base64.StdEncoding.EncodeToString(hmacSHA256([]byte(key.Reveal()), challenge))
}

// DeriveCRAKey returns the key of an account: base64 of PBKDF2-HMAC-SHA256, or the secret
// itself without salting. That the key is the text and not the octets below it is missing in
// the specification, but its example has it so. It is slow; the cost is not limited.
func DeriveCRAKey(secret Secret, s CRASalting) (Secret, error) {
	if err := s.check(); err != nil {
		return Secret{}, err
	}
	if s == (CRASalting{}) {
		return secret, nil
	}
	key, err := derivePBKDF2(secret.Reveal(), []byte(s.Salt), s.Iterations, s.KeyLen)
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(base64.StdEncoding.EncodeToString(key)), nil
}

// CRAClient is the client's side of WAMP-CRA. It is a value that may be used for many
// attempts. The router is not authenticated, and one that is not who it claims can try to
// guess the secret from the answer: use long random secrets, or SCRAM.
type CRAClient struct {
	Secret Secret // not the derived key
	Limits Limits // what the router may ask for
}

// Answer signs the challenge, deriving the key first if the router sends a salt. Errors are
// ErrMalformed and ErrCost.
func (c CRAClient) Answer(extra protocol.Dict) (*protocol.Authenticate, error) {
	if c.Secret.Empty() {
		return nil, failf(nil, MethodCRA, "the secret is missing")
	}
	f := fields{method: MethodCRA, where: "CHALLENGE", dict: extra}
	challenge, err := f.text("challenge")
	if err != nil {
		return nil, err
	}
	salting, err := readSalting(f)
	if err != nil {
		return nil, err
	}
	if err := c.Limits.withDefaults().checkPBKDF2(MethodCRA, salting.Iterations, salting.KeyLen); err != nil {
		return nil, err
	}
	key, err := DeriveCRAKey(c.Secret, salting)
	if err != nil {
		return nil, err
	}
	return &protocol.Authenticate{Signature: SignCRA(key, challenge)}, nil
}

func readSalting(f fields) (CRASalting, error) {
	if f.dict["salt"] == nil {
		return CRASalting{}, nil
	}
	salt, err := f.text("salt")
	if err != nil {
		return CRASalting{}, err
	}
	iterations, err := f.number("iterations")
	if err != nil {
		return CRASalting{}, err
	}
	keyLen, err := f.number("keylen")
	if err != nil {
		return CRASalting{}, err
	}
	return CRASalting{Salt: salt, Iterations: iterations, KeyLen: keyLen}, nil
}

// CRAConfig is what a router knows about a client that is to authenticate by WAMP-CRA.
type CRAConfig struct {
	AuthID       string
	AuthRole     string
	AuthProvider string
	// Session is the id that WELCOME will have.
	Session protocol.ID
	// Key is the key of the account: DeriveCRAKey of the secret and Salting.
	Key Secret
	// Salting is sent to the client.
	Salting CRASalting
	// Timeout is how long the answer is accepted; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Fake returns c for an account that does not exist: with a key nobody knows and, if c is
// salted, a salt of the same length. The salt depends on key, a secret of the router, and on
// AuthID.
func (c CRAConfig) Fake(key Secret) CRAConfig {
	c.Key = NewSecret(string(fake(key, "cra key", c.AuthID, sha256.Size)))
	if n := min(len(c.Salting.Salt), maxFakeSalt); n > 0 {
		text := base64.RawURLEncoding.EncodeToString(fake(key, "cra salt", c.AuthID, n))
		c.Salting.Salt = text[:n]
	}
	return c
}

const maxFakeSalt = 1024

// CRAServer is the router's side of one WAMP-CRA exchange.
type CRAServer struct {
	once      answerOnce
	challenge string
	salting   CRASalting
	key       Secret
}

// craChallenge is what a WAMP-CRA challenge consists of.
type craChallenge struct {
	AuthID       string      `json:"authid"`
	AuthRole     string      `json:"authrole"`
	AuthMethod   string      `json:"authmethod"`
	AuthProvider string      `json:"authprovider"`
	Nonce        string      `json:"nonce"`
	Timestamp    string      `json:"timestamp"`
	Session      protocol.ID `json:"session"`
}

// NewCRAServer makes a challenge with a nonce of 128 random bits.
func NewCRAServer(random io.Reader, now time.Time, c CRAConfig) (*CRAServer, error) {
	if err := c.Salting.check(); err != nil {
		return nil, err
	}
	if c.Key.Empty() {
		return nil, failf(nil, MethodCRA, "the key is missing")
	}
	nonce, err := randomBytes(random, MethodCRA, 16)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(craChallenge{
		AuthID: c.AuthID, AuthRole: c.AuthRole, AuthMethod: MethodCRA, AuthProvider: c.AuthProvider,
		Nonce:     base64.RawURLEncoding.EncodeToString(nonce),
		Timestamp: now.UTC().Format("2006-01-02T15:04:05.000Z"),
		Session:   c.Session,
	})
	if err != nil {
		return nil, fmt.Errorf("auth: %s: encode the challenge: %w", MethodCRA, err)
	}
	return &CRAServer{
		once:      newAnswerOnce(MethodCRA, now, c.Timeout),
		challenge: string(text), salting: c.Salting, key: c.Key,
	}, nil
}

// Challenge returns the CHALLENGE to send.
func (s *CRAServer) Challenge() *protocol.Challenge {
	extra := protocol.Dict{"challenge": s.challenge}
	if s.salting != (CRASalting{}) {
		extra["salt"] = s.salting.Salt
		extra["iterations"] = s.salting.Iterations
		extra["keylen"] = s.salting.KeyLen
	}
	return &protocol.Challenge{Method: MethodCRA, Extra: extra}
}

// Verify checks the client's answer, in constant time. The error is ErrDenied.
func (s *CRAServer) Verify(now time.Time, m *protocol.Authenticate) error {
	if err := s.once.answer(now); err != nil {
		return err
	}
	if !equal(SignCRA(s.key, s.challenge), m.Signature) {
		return failf(ErrDenied, MethodCRA, "the signature is wrong")
	}
	return nil
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message)) // never fails
	return h.Sum(nil)
}
