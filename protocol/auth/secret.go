package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

const redacted = "[redacted]"

// Secret is a password, ticket or key that does not print: fmt, slog and encoders get
// "[redacted]". The zero value is the empty secret. Comparing two with == is meaningless.
type Secret struct {
	// In unexported fields, fmt prints values without asking their methods. It stops at a
	// pointer, but even then not if that points to a struct, slice, array or map, and the verb
	// is a wrong one.
	text *string
}

// NewSecret wraps a secret.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]": a configuration written back does not contain the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText sets the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

func redact(f fmt.State) {
	// A Formatter has no way to report that writing failed; fmt remembers it.
	_, _ = io.WriteString(f, redacted)
}

// equal compares in a time that depends on neither the values nor their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// TicketMatches reports whether a client showed the right ticket, in constant time (Advanced
// Profile, "Ticket-based Authentication"). The empty ticket matches nothing.
func TicketMatches(want Secret, got string) bool {
	same := equal(want.Reveal(), got)
	return same && !want.Empty()
}

// fake returns n octets that are the same for the same key, purpose and name, and that tell
// nothing about any of them.
func fake(key Secret, purpose, name string, n int) []byte {
	var octets []byte
	for block := 0; len(octets) < n; block++ {
		message := purpose + "\x00" + strconv.Itoa(block) + "\x00" + name
		octets = append(octets, hmacSHA256([]byte(key.Reveal()), message)...)
	}
	return octets[:n]
}

// randomBytes reads n octets of randomness.
func randomBytes(random io.Reader, method string, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("auth: %s: read randomness: %w", method, err)
	}
	return b, nil
}
