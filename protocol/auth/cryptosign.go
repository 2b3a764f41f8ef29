package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// PublicKey is an Ed25519 public key, by which cryptosign knows clients and routers.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads 64 hexadecimal digits.
func ParsePublicKey(text string) (PublicKey, error) {
	octets, err := parseHex32(text)
	if err != nil {
		return PublicKey{}, failf(nil, MethodCryptosign, "public key: %s", err)
	}
	return octets, nil
}

// String returns the key in lower-case hexadecimal, as HELLO has it.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText returns what String returns.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParsePublicKey.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}

// SigningKey is an Ed25519 private key. It prints as "[redacted]". The zero value is no key.
type SigningKey struct {
	private Secret // 64 octets: seed and public key
}

// NewSigningKey returns the key with the given seed of 32 octets, which other
// implementations call the private key.
func NewSigningKey(seed []byte) (SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return SigningKey{}, failf(nil, MethodCryptosign, "a private key must have %d octets, not %d", ed25519.SeedSize, len(seed))
	}
	return SigningKey{NewSecret(string(ed25519.NewKeyFromSeed(seed)))}, nil
}

// GenerateSigningKey returns a new key.
func GenerateSigningKey(random io.Reader) (SigningKey, error) {
	seed, err := randomBytes(random, MethodCryptosign, ed25519.SeedSize)
	if err != nil {
		return SigningKey{}, err
	}
	return NewSigningKey(seed)
}

// IsZero reports whether there is no key.
func (k SigningKey) IsZero() bool { return k.private.Empty() }

// PublicKey returns the public key, all zeros for the zero value.
func (k SigningKey) PublicKey() PublicKey {
	if k.IsZero() {
		return PublicKey{}
	}
	return PublicKey([]byte(k.private.Reveal()[ed25519.SeedSize:]))
}

// Seed returns the 32 octets the key is made from, the empty secret for the zero value.
func (k SigningKey) Seed() Secret {
	if k.IsZero() {
		return Secret{}
	}
	return NewSecret(k.private.Reveal()[:ed25519.SeedSize])
}

// String returns "[redacted]".
func (k SigningKey) String() string { return redacted }

// Format writes "[redacted]" for every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "[redacted]".
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// challenge is what cryptosign signs: 32 random octets.
type challenge [32]byte

// signed returns the message that proves the challenge was seen on the connection.
func (c challenge) signed(id *channelID) []byte {
	if id != nil {
		subtle.XORBytes(c[:], c[:], id[:])
	}
	return c[:]
}

const signatureSize = ed25519.SignatureSize + len(challenge{})

// sign returns the signature and what was signed, in hexadecimal (Advanced Profile,
// "Cryptosign-based Authentication").
func (k SigningKey) sign(c challenge, id *channelID) string {
	message := c.signed(id)
	return hex.EncodeToString(append(ed25519.Sign(ed25519.PrivateKey(k.private.Reveal()), message), message...))
}

// verify returns what is wrong with a signature, or nil. The message in it must be the
// expected one: otherwise a signature from another time or connection would do.
func (k PublicKey) verify(c challenge, id *channelID, signature string) error {
	if len(signature) != 2*signatureSize {
		return fmt.Errorf("has %d digits, not %d", len(signature), 2*signatureSize)
	}
	octets, err := hex.DecodeString(signature)
	if err != nil {
		return errors.New("not hexadecimal")
	}
	message := c.signed(id)
	if !bytes.Equal(octets[ed25519.SignatureSize:], message) {
		return errors.New("is for another challenge or another connection")
	}
	if !ed25519.Verify(k[:], message, octets[:ed25519.SignatureSize]) {
		return errors.New("wrong")
	}
	return nil
}

// parseHex32 reads 64 digits of either case. Its errors do not repeat the text, which may be a
// private key.
func parseHex32(text string) ([32]byte, error) {
	if len(text) != 64 {
		return [32]byte{}, fmt.Errorf("has %d digits, not 64", len(text))
	}
	octets, err := hex.DecodeString(text)
	if err != nil {
		return [32]byte{}, errors.New("not hexadecimal")
	}
	return [32]byte(octets), nil
}

// hex32 returns the 32 octets under the key.
func (f fields) hex32(key string) ([32]byte, error) {
	text, err := f.text(key)
	if err != nil {
		return [32]byte{}, err
	}
	octets, err := parseHex32(text)
	if err != nil {
		return octets, f.fail(key, err.Error())
	}
	return octets, nil
}
