package protocol

import "strconv"

// ID identifies a session, publication, subscription, registration or request
// (WAMP Basic Profile, "IDs"). Valid identifiers lie in [1, MaxID].
type ID uint64

// MaxID is the largest identifier, 2^53: the largest integer up to which a
// float64, and so every JSON implementation, is exact.
const MaxID ID = 1 << 53

// Valid reports whether id lies in [1, MaxID].
func (id ID) Valid() bool { return id >= 1 && id <= MaxID }

// Next returns the identifier after id in session scope: 1 follows MaxID, and 1
// follows the zero value, which stands for "none yet".
func (id ID) Next() ID {
	if id >= MaxID {
		return 1
	}
	return id + 1
}

// String returns id in decimal.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// GlobalID maps 64 random bits onto the global scope, uniformly over [1, MaxID].
// The caller chooses the source of randomness; a router uses crypto/rand, so that
// session ids cannot be guessed.
func GlobalID(random uint64) ID { return ID(random&uint64(MaxID-1)) + 1 }
