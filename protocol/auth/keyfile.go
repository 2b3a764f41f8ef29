package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile is far above what any key file has, in octets.
const maxKeyFile = 64 << 10

// ReadSigningKey reads a private key file: 32 octets, their hexadecimal or base64 text, PEM
// with PKCS #8, or what ssh-keygen -t ed25519 writes. passphrase is for the latter; the error
// is ErrPassphrase when it is missing or wrong. Decrypting is slow.
func ReadSigningKey(r io.Reader, passphrase Secret) (SigningKey, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	switch {
	case err != nil:
		return SigningKey{}, fmt.Errorf("auth: read a private key: %w", err)
	case len(data) > maxKeyFile:
		return SigningKey{}, failf(nil, MethodCryptosign, "private key: the file is longer than %d octets", maxKeyFile)
	case len(data) == ed25519.SeedSize:
		return NewSigningKey(data)
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return parsePEM(data, passphrase)
	default:
		return ParseSigningKey(string(bytes.TrimSpace(data)))
	}
}

// ParseSigningKey reads a private key from 64 hexadecimal digits, or from 32 octets in base64.
func ParseSigningKey(text string) (SigningKey, error) {
	if seed, err := parseHex32(text); err == nil {
		return NewSigningKey(seed[:])
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		if seed, err := encoding.DecodeString(text); err == nil && len(seed) == ed25519.SeedSize {
			return NewSigningKey(seed)
		}
	}
	return SigningKey{}, failf(nil, MethodCryptosign, "private key: neither 64 hexadecimal digits nor 32 octets in base64")
}

func parsePEM(data []byte, passphrase Secret) (SigningKey, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) && !passphrase.Empty() {
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(data, []byte(passphrase.Reveal()))
	}
	switch {
	case errors.As(err, &missing), errors.Is(err, x509.IncorrectPasswordError):
		return SigningKey{}, failf(ErrPassphrase, MethodCryptosign, "private key: it is encrypted, and the passphrase is missing or wrong")
	case err != nil:
		return SigningKey{}, fmt.Errorf("auth: %s: private key: %w", MethodCryptosign, err)
	}
	switch k := key.(type) {
	case *ed25519.PrivateKey:
		return NewSigningKey(k.Seed())
	case ed25519.PrivateKey:
		return NewSigningKey(k.Seed())
	default:
		return SigningKey{}, failf(nil, MethodCryptosign, "private key: it is a %T, not Ed25519", key)
	}
}
