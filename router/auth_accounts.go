package router

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// accounts are the users of a method by authid. They do not change.
type accounts[U any] struct {
	users   map[string]U
	authids []string    // sorted
	mockKey auth.Secret // never empty
}

// newAccounts checks every user.
func newAccounts[U any](users map[string]U, mockKey auth.Secret, check func(authid string, u U) error) (accounts[U], error) {
	a := accounts[U]{users: maps.Clone(users), authids: slices.Sorted(maps.Keys(users)), mockKey: mockKey}
	var errs []error
	for _, authid := range a.authids {
		err := check(authid, users[authid])
		if authid == "" {
			err = errors.New("the authid is empty")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("users: %q: %w", authid, err))
		}
	}
	if mockKey.Empty() {
		a.mockKey = randomSecret()
	}
	return a, errors.Join(errs...)
}

// model returns the account that the mock account of authid resembles, always the same one, and
// false if there is none. Mock accounts are as different from each other as the real ones.
func (a *accounts[U]) model(authid string) (U, bool) {
	if len(a.authids) == 0 {
		var none U
		return none, false
	}
	h := hmac.New(sha256.New, []byte(a.mockKey.Reveal()))
	h.Write([]byte("model\x00" + authid)) // never fails
	n := binary.BigEndian.Uint64(h.Sum(nil)) % uint64(len(a.authids))
	return a.users[a.authids[n]], true
}

func randomSecret() auth.Secret {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return auth.NewSecret(string(key))
}
