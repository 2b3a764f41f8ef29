package router

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// SCRAMUser is a client that authenticates by SCRAM.
type SCRAMUser struct {
	// Credential is what auth.NewSCRAMCredential made of the password, of the dialect of the
	// SCRAMConfig.
	Credential auth.SCRAMCredential
	Role       string        // authrole; "" means "anonymous"
	Extra      protocol.Dict // authextra of WELCOME, beside the proof that the router knows the credential
}

// SCRAMConfig configures SCRAMUsers.
type SCRAMConfig struct {
	// Dialect is the method. A router that is to have both needs two SCRAMUsers, and two
	// credentials for each client.
	Dialect auth.SCRAMDialect
	// Users are the clients by authid.
	Users map[string]SCRAMUser
	// RequireBinding refuses clients that do not bind to the TLS connection.
	RequireBinding bool
	// MockKey is a secret of the router, of which the challenges for unknown authids are made.
	// They stay the same as long as it does. "" draws one.
	MockKey auth.Secret
	// Timeout is how long an answer is accepted. 0 means auth.DefaultTimeout.
	Timeout time.Duration
}

// SCRAMUsers admits clients that know their password, and proves to them that the router knows
// the credential (Advanced Profile, "Salted Challenge Response Authentication Mechanism"). Clients
// that are unknown get a challenge, too: they are to learn nothing. It is safe for concurrent use.
type SCRAMUsers struct {
	accounts accounts[SCRAMUser]
	cfg      SCRAMConfig // without Users
}

// NewSCRAMUsers returns the method. The error names all users at fault.
func NewSCRAMUsers(cfg SCRAMConfig) (*SCRAMUsers, error) {
	accounts, err := newAccounts(cfg.Users, cfg.MockKey, func(authid string, u SCRAMUser) error {
		if u.Credential.Dialect != cfg.Dialect {
			return fmt.Errorf("the credential is for %s", u.Credential.Dialect)
		}
		hello := &protocol.HelloDetails{AuthID: authid, AuthExtra: protocol.Dict{"nonce": "bm9uY2U="}}
		_, err := auth.NewSCRAMServer(rand.Reader, time.Time{}, hello, auth.SCRAMServerConfig{Credential: u.Credential})
		return err
	})
	if err == nil && cfg.RequireBinding && cfg.Dialect == auth.SCRAMAutobahn {
		err = errors.New("requireBinding: this dialect has no channel binding")
	}
	if err != nil {
		return nil, fmt.Errorf("router: %s: %w", cfg.Dialect, err)
	}
	cfg.Users = nil
	return &SCRAMUsers{accounts: accounts, cfg: cfg}, nil
}

// Method returns the name of the dialect, "wamp-scram" or "scram".
func (s *SCRAMUsers) Method() string { return s.cfg.Dialect.Method() }

// Begin sends a challenge.
func (s *SCRAMUsers) Begin(req AuthRequest) (Exchange, error) {
	authid := req.Details.AuthID
	cfg := auth.SCRAMServerConfig{Bind: req.Bind, RequireBinding: s.cfg.RequireBinding, Timeout: s.cfg.Timeout}
	cfg.Credential = s.mock(authid) // also for nothing, so that it takes the same time
	user, known := s.accounts.users[authid]
	if !known {
		return req.scramExchange(cfg, nil)
	}
	cfg.Credential = user.Credential
	p := principal(authid, user.Role, user.Extra)
	return req.scramExchange(cfg, &p)
}

func (s *SCRAMUsers) knows(d *protocol.HelloDetails) bool {
	_, known := s.accounts.users[d.AuthID]
	return known
}

// scramExchange challenges the client. Without a principal, whose account does not exist then, no
// answer is right: not with the keys of a mock account either.
func (r AuthRequest) scramExchange(cfg auth.SCRAMServerConfig, p *Principal) (Exchange, error) {
	now, err := r.start()
	if err != nil {
		return Exchange{}, err
	}
	server, err := auth.NewSCRAMServer(rand.Reader, now, r.Details, cfg)
	if err != nil {
		return Exchange{}, refusal(err)
	}
	return Exchange{
		Challenge: server.Challenge(),
		Verify: func(m *protocol.Authenticate) (Exchange, error) {
			proof, err := server.Verify(r.Now(), m)
			if err == nil && p == nil {
				err = auth.ErrDenied
			}
			if err != nil {
				return Exchange{}, refusal(err)
			}
			who := *p
			who.Extra = merged(who.Extra, proof)
			return Exchange{Principal: who}, nil
		},
	}, nil
}

// mock returns the credential of an account that does not exist.
func (s *SCRAMUsers) mock(authid string) auth.SCRAMCredential {
	model, ok := s.accounts.model(authid)
	if !ok {
		model.Credential = scramModel(s.cfg.Dialect)
	}
	return model.Credential.Fake(s.accounts.mockKey, authid)
}

// scramModel is what mock accounts resemble if there is no other.
func scramModel(d auth.SCRAMDialect) auth.SCRAMCredential {
	return auth.SCRAMCredential{Dialect: d, Params: auth.SCRAMParams{
		KDF: auth.Argon2id13, Salt: make([]byte, 16), Iterations: 3, Memory: 64 << 10, // those of RFC 9106
	}}
}

// merged returns both; what is in more counts.
func merged(extra, more protocol.Dict) protocol.Dict {
	all := make(protocol.Dict, len(extra)+len(more))
	maps.Copy(all, extra)
	maps.Copy(all, more)
	return all
}
