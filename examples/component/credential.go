package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"

	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// credential prints what Crossbar.io stores for a user with this password, and never the password
// itself. For routers of this module, the standard dialect with fewer iterations over more memory
// is the better choice: see auth.NewSCRAMCredential.
func credential(password string) error {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	params := auth.SCRAMParams{KDF: auth.Argon2id13, Salt: salt, Iterations: 4096, Memory: 512}
	made, err := auth.NewSCRAMCredential(auth.SCRAMAutobahn, auth.NewSecret(password), params)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{
		"kdf":        "argon2id-13",
		"memory":     params.Memory,
		"iterations": params.Iterations,
		"salt":       hex.EncodeToString(salt),
		"stored-key": hex.EncodeToString([]byte(made.StoredKey.Reveal())),
		"server-key": hex.EncodeToString([]byte(made.ServerKey.Reveal())),
	})
}
