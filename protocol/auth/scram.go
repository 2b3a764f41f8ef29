package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// SCRAMDialect is one of the two protocols called SCRAM.
type SCRAMDialect uint8

// The dialects.
const (
	// SCRAMStandard is the method "wamp-scram" of the specification (Advanced Profile, "Salted
	// Challenge Response Authentication Mechanism").
	SCRAMStandard SCRAMDialect = iota
	// SCRAMAutobahn is the method "scram" of Autobahn and Crossbar.io, an older draft: without
	// channel binding and without preparing the password; the result of Argon2 is used as
	// unpadded base64 text, and the router's nonce starts with the client's as octets, not as
	// text.
	SCRAMAutobahn
)

// Method returns the name of the method, "wamp-scram" or "scram".
func (d SCRAMDialect) Method() string {
	if d == SCRAMAutobahn {
		return MethodSCRAMAutobahn
	}
	return MethodSCRAM
}

// String returns the name of the method.
func (d SCRAMDialect) String() string { return d.Method() }

// KDF is a key derivation function of SCRAM.
type KDF string

// The key derivation functions.
const (
	PBKDF2     KDF = "pbkdf2"     // PBKDF2-HMAC-SHA256
	Argon2id13 KDF = "argon2id13" // Argon2id 1.3 with one lane
)

// autobahnArgon2 is how SCRAMAutobahn spells Argon2id13.
const autobahnArgon2 = "argon2id-13"

// ParseKDF returns the function with the given name, "pbkdf2", "argon2id13" or "argon2id-13".
func ParseKDF(name string) (KDF, bool) {
	switch name {
	case string(PBKDF2):
		return PBKDF2, true
	case string(Argon2id13), autobahnArgon2:
		return Argon2id13, true
	default:
		return "", false
	}
}

func (d SCRAMDialect) kdfName(k KDF) string {
	if d == SCRAMAutobahn && k == Argon2id13 {
		return autobahnArgon2
	}
	return string(k)
}

// SCRAMParams says how the keys of an account are derived from its password.
type SCRAMParams struct {
	KDF        KDF
	Salt       []byte
	Iterations int
	Memory     int // of Argon2id13, in KiB
}

// The bounds that the algorithms themselves have.
const (
	minArgon2Memory = 8
	maxSalt         = 1024
)

func (p SCRAMParams) check() error {
	switch {
	case p.KDF != PBKDF2 && p.KDF != Argon2id13:
		return fmt.Errorf("kdf: %q is unknown", p.KDF)
	case len(p.Salt) == 0:
		return fmt.Errorf("salt: empty")
	case len(p.Salt) > maxSalt:
		return fmt.Errorf("salt: longer than %d octets", maxSalt)
	case p.Iterations < 1 || p.Iterations > math.MaxInt32:
		return fmt.Errorf("iterations: not an integer from 1 to 2^31-1")
	case p.KDF == Argon2id13 && (p.Memory < minArgon2Memory || p.Memory > math.MaxInt32):
		return fmt.Errorf("memory: not an integer from %d to 2^31-1", minArgon2Memory)
	default:
		return nil
	}
}

// SCRAMCredential is what a router stores of an account. With it one cannot join as the
// client, but pose as the router, and try passwords at the cost of the key derivation.
type SCRAMCredential struct {
	Dialect SCRAMDialect // the method the keys are for
	Params  SCRAMParams
	// StoredKey and ServerKey have 32 octets each, not encoded in any way. To store them,
	// Reveal them.
	StoredKey Secret
	ServerKey Secret
}

// NewSCRAMCredential derives a credential, which is slow. The salt should be 16 random octets
// of its own for each account. For cost, RFC 9106 suggests 3 iterations over 65,536 KiB;
// Crossbar.io's credentials have 4096 over 512.
func NewSCRAMCredential(dialect SCRAMDialect, password Secret, params SCRAMParams) (SCRAMCredential, error) {
	if err := params.check(); err != nil {
		return SCRAMCredential{}, failf(nil, dialect.Method(), "%s", err)
	}
	keys, err := deriveSCRAM(dialect, password, params)
	if err != nil {
		return SCRAMCredential{}, err
	}
	return SCRAMCredential{Dialect: dialect, Params: params, StoredKey: NewSecret(string(keys.stored[:])), ServerKey: NewSecret(string(keys.server[:]))}, nil
}

// Fake returns a credential for an account that does not exist, with the cost and the length
// of salt of c, and keys that belong to no password. It depends on key, a secret of the
// router, and on authid.
func (c SCRAMCredential) Fake(key Secret, authid string) SCRAMCredential {
	c.Params.Salt = fake(key, "scram salt", authid, len(c.Params.Salt))
	c.StoredKey = NewSecret(string(fake(key, "scram stored key", authid, sha256.Size)))
	c.ServerKey = NewSecret(string(fake(key, "scram server key", authid, sha256.Size)))
	return c
}

func (c SCRAMCredential) check() error {
	if err := c.Params.check(); err != nil {
		return failf(nil, c.Dialect.Method(), "%s", err)
	}
	if len(c.StoredKey.Reveal()) != sha256.Size || len(c.ServerKey.Reveal()) != sha256.Size {
		return failf(nil, c.Dialect.Method(), "the stored key and the server key must have 32 octets")
	}
	return nil
}

// scramKeys are the keys of RFC 5802, 3.
type scramKeys struct{ client, stored, server [32]byte }

// deriveSCRAM wants parameters that were checked.
func deriveSCRAM(dialect SCRAMDialect, password Secret, p SCRAMParams) (*scramKeys, error) {
	salted, err := saltPassword(dialect, password, p)
	if err != nil {
		return nil, err
	}
	k := &scramKeys{
		client: [32]byte(hmacSHA256(salted, "Client Key")),
		server: [32]byte(hmacSHA256(salted, "Server Key")),
	}
	k.stored = sha256.Sum256(k.client[:])
	return k, nil
}

func saltPassword(dialect SCRAMDialect, password Secret, p SCRAMParams) ([]byte, error) {
	text := password.Reveal()
	if dialect == SCRAMStandard {
		var err error
		if text, err = saslprep(text); err != nil {
			return nil, failf(nil, dialect.Method(), "password: %s", err)
		}
	}
	if text == "" {
		return nil, failf(nil, dialect.Method(), "the password is missing")
	}
	if p.KDF == PBKDF2 {
		return derivePBKDF2(text, p.Salt, p.Iterations, sha256.Size)
	}
	key := deriveArgon2(text, p.Salt, p.Iterations, p.Memory)
	if dialect == SCRAMAutobahn {
		return []byte(base64.RawStdEncoding.EncodeToString(key)), nil
	}
	return key, nil
}

// proof returns ClientProof, which is ClientKey hidden by what only somebody with the stored
// key can compute.
func (k *scramKeys) proof(message string) []byte {
	proof := make([]byte, sha256.Size)
	subtle.XORBytes(proof, k.client[:], hmacSHA256(k.stored[:], message))
	return proof
}

// scramExchange is what the signed message of SCRAM consists of.
type scramExchange struct {
	dialect     SCRAMDialect
	authid      string // prepared
	clientNonce string // base64
	nonce       string // base64, client's and server's part
	salt        string // base64
	iterations  int
	binding     ChannelBinding
}

// message returns AuthMessage.
func (x *scramExchange) message() string {
	authid, binding := x.authid, ""
	if x.dialect == SCRAMStandard {
		authid = strings.NewReplacer(",", "=2C", "=", "=3D").Replace(authid) // in a single pass
		binding = base64.StdEncoding.EncodeToString(x.bindingInput())
	}
	return "n=" + authid + ",r=" + x.clientNonce +
		",r=" + x.nonce + ",s=" + x.salt + ",i=" + strconv.Itoa(x.iterations) +
		",c=" + binding + ",r=" + x.nonce
}

func (x *scramExchange) bindingInput() []byte {
	if x.binding.Type == NoBinding {
		return []byte("n,,")
	}
	return append([]byte("p="+string(x.binding.Type)+",,"), x.binding.Data...)
}

// prepareAuthID returns the authid as it is signed.
func (d SCRAMDialect) prepareAuthID(kind error, authid string) (string, error) {
	prepared, err := saslprep(authid)
	if err != nil {
		return "", failf(kind, d.Method(), "authid: %s", err)
	}
	if d == SCRAMAutobahn && strings.Contains(prepared, ",") {
		// This dialect does not escape, so "a,r=b" could stand for an authid and a nonce.
		return "", failf(kind, d.Method(), "authid: contains a comma")
	}
	return prepared, nil
}

const maxNonce = 1024

// checkNonce accepts what can't be mistaken for something else in the signed message.
func checkNonce(nonce string) error {
	if len(nonce) > maxNonce {
		return fmt.Errorf("longer than %d octets", maxNonce)
	}
	for _, c := range []byte(nonce) {
		if c <= ' ' || c > '~' || c == ',' {
			return fmt.Errorf("has other characters than base64")
		}
	}
	return nil
}

// extends reports whether the challenge's nonce starts with the client's and goes on.
func (d SCRAMDialect) extends(clientNonce, nonce string) bool {
	if d == SCRAMAutobahn {
		client, err1 := decodeCanonical(clientNonce)
		both, err2 := decodeCanonical(nonce)
		if err1 != nil || err2 != nil {
			return false
		}
		clientNonce, nonce = string(client), string(both)
	}
	return len(nonce) > len(clientNonce) && strings.HasPrefix(nonce, clientNonce)
}

// decodeCanonical decodes base64 that encodes back to the same text.
func decodeCanonical(text string) ([]byte, error) {
	octets, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(octets) != text {
		return nil, fmt.Errorf("not base64")
	}
	return octets, nil
}
