package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Limits bounds the key derivation that a router may ask of a client: a hostile router could
// otherwise keep the client busy, or weaken the derivation so as to guess the password from
// the answer. Zero fields mean the defaults.
type Limits struct {
	// MaxIterations bounds the iterations of PBKDF2, times the number of blocks of 32 octets
	// derived. Default 2,000,000: about a second.
	MaxIterations int
	// MinIterations is the least number of iterations of PBKDF2, for SCRAM only. Default
	// 4096, the minimum of RFC 7677. WAMP-CRA has no minimum: its keys need not be salted.
	MinIterations int
	// MaxMemory bounds the memory of Argon2, in KiB. Default 262,144: 256 MiB.
	MaxMemory int
	// MaxWork bounds iterations times memory of Argon2, in KiB. Default 4,194,304: about five
	// seconds, twice what Crossbar.io's credentials take.
	MaxWork int
	// MinWork is the least product of iterations and memory of Argon2, in KiB. Default 8192.
	MinWork int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.MaxIterations, 2_000_000},
		{&l.MinIterations, 4096},
		{&l.MaxMemory, 256 << 10},
		{&l.MaxWork, 4 << 20},
		{&l.MinWork, 8 << 10},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

// checkPBKDF2 says whether the derivation of keyLen octets is too dear.
func (l Limits) checkPBKDF2(method string, iterations, keyLen int) error {
	blocks := (int64(keyLen) + sha256.Size - 1) / sha256.Size
	if int64(iterations)*blocks > int64(l.MaxIterations) {
		return failf(ErrCost, method, "%d iterations for a key of %d octets are more than the limit of %d per 32 octets",
			iterations, keyLen, l.MaxIterations)
	}
	return nil
}

// checkSCRAM says whether the derivation is too dear or too cheap.
func (l Limits) checkSCRAM(method string, p SCRAMParams) error {
	if p.KDF == PBKDF2 {
		if p.Iterations < l.MinIterations {
			return failf(ErrCost, method, "%d iterations are fewer than the limit of %d", p.Iterations, l.MinIterations)
		}
		return l.checkPBKDF2(method, p.Iterations, sha256.Size)
	}
	work := int64(p.Iterations) * int64(p.Memory)
	switch {
	case p.Memory > l.MaxMemory:
		return failf(ErrCost, method, "a memory of %d KiB is more than the limit of %d", p.Memory, l.MaxMemory)
	case work > int64(l.MaxWork):
		return failf(ErrCost, method, "%d iterations over %d KiB are more than the limit of %d KiB", p.Iterations, p.Memory, l.MaxWork)
	case work < int64(l.MinWork):
		return failf(ErrCost, method, "%d iterations over %d KiB are less than the limit of %d KiB", p.Iterations, p.Memory, l.MinWork)
	default:
		return nil
	}
}

func derivePBKDF2(password string, salt []byte, iterations, keyLen int) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, keyLen)
	if err != nil {
		return nil, fmt.Errorf("auth: pbkdf2: %w", err)
	}
	return key, nil
}

// deriveArgon2 wants iterations and memory that SCRAMParams.check accepts.
func deriveArgon2(password string, salt []byte, iterations, memory int) []byte {
	return argon2.IDKey([]byte(password), salt, uint32(iterations), uint32(memory), 1, sha256.Size)
}
