package router

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// CRAUser is a client that authenticates by WAMP-CRA.
type CRAUser struct {
	// Key is the secret itself, or what auth.DeriveCRAKey made of it if there is Salting.
	Key     auth.Secret
	Salting auth.CRASalting
	Role    string        // authrole; "" means "anonymous"
	Extra   protocol.Dict // authextra of WELCOME
}

// CRAConfig configures CRAUsers.
type CRAConfig struct {
	// Users are the clients by authid.
	Users map[string]CRAUser
	// MockKey is a secret of the router, of which the challenges for unknown authids are made.
	// They stay the same as long as it does. "" draws one.
	MockKey auth.Secret
	// Timeout is how long an answer is accepted. 0 means auth.DefaultTimeout.
	Timeout time.Duration
}

// CRAUsers admits clients that know their secret, by WAMP-CRA (Advanced Profile, "Challenge
// Response Authentication"). Clients that are unknown get a challenge, too: they are to learn
// nothing. It is safe for concurrent use.
type CRAUsers struct {
	accounts accounts[CRAUser]
	timeout  time.Duration
}

// NewCRAUsers returns the method. The error names all users at fault.
func NewCRAUsers(cfg CRAConfig) (*CRAUsers, error) {
	c := &CRAUsers{timeout: cfg.Timeout}
	var err error
	c.accounts, err = newAccounts(cfg.Users, cfg.MockKey, func(authid string, u CRAUser) error {
		_, err := auth.NewCRAServer(rand.Reader, time.Time{}, auth.CRAConfig{AuthID: authid, Key: u.Key, Salting: u.Salting})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("router: wampcra: %w", err)
	}
	return c, nil
}

// Method returns "wampcra".
func (*CRAUsers) Method() string { return auth.MethodCRA }

// Begin sends a challenge.
func (c *CRAUsers) Begin(req AuthRequest) (Exchange, error) {
	authid := req.Details.AuthID
	model, _ := c.accounts.model(authid)
	cfg := c.config(req, model).Fake(c.accounts.mockKey) // also for nothing, so that it takes the same time
	user, known := c.accounts.users[authid]
	if !known {
		return req.craExchange(cfg, nil)
	}
	p := principal(authid, user.Role, user.Extra)
	return req.craExchange(c.config(req, user), &p)
}

func (c *CRAUsers) knows(d *protocol.HelloDetails) bool {
	_, known := c.accounts.users[d.AuthID]
	return known
}

// craExchange challenges the client. Without a principal, whose account does not exist then, no
// answer is right: not with the key of a mock account either.
func (r AuthRequest) craExchange(cfg auth.CRAConfig, p *Principal) (Exchange, error) {
	now, err := r.start()
	if err != nil {
		return Exchange{}, err
	}
	server, err := auth.NewCRAServer(rand.Reader, now, cfg)
	if err != nil {
		return Exchange{}, refusal(err)
	}
	return Exchange{
		Challenge: server.Challenge(),
		Verify: func(m *protocol.Authenticate) (Exchange, error) {
			err := server.Verify(r.Now(), m)
			if err == nil && p == nil {
				err = auth.ErrDenied
			}
			if err != nil {
				return Exchange{}, refusal(err)
			}
			return Exchange{Principal: *p}, nil
		},
	}, nil
}

func (c *CRAUsers) config(req AuthRequest, u CRAUser) auth.CRAConfig {
	p := principal(req.Details.AuthID, u.Role, nil)
	return auth.CRAConfig{
		AuthID: p.AuthID, AuthRole: p.AuthRole, AuthProvider: p.Provider, Session: req.Session,
		Key: u.Key, Salting: u.Salting, Timeout: c.timeout,
	}
}
