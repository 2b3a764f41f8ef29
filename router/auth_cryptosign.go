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

// CryptosignUser is a client that authenticates by cryptosign.
type CryptosignUser struct {
	AuthID string        // "" means the public key in hexadecimal
	Role   string        // authrole; "" means "anonymous"
	Extra  protocol.Dict // authextra of WELCOME
}

// CryptosignConfig configures CryptosignUsers.
type CryptosignConfig struct {
	// Users are the clients by public key. Several may have the same authid.
	Users map[auth.PublicKey]CryptosignUser
	// Key is the router's own, with which it proves who it is to clients that ask for it. It
	// must be used for nothing else. The zero value leaves such clients without a proof.
	Key auth.SigningKey
	// RequireBinding refuses clients that do not bind to the TLS connection.
	RequireBinding bool
	// Timeout is how long an answer is accepted. 0 means auth.DefaultTimeout.
	Timeout time.Duration
}

// CryptosignUsers admits clients that have a known key (Advanced Profile, "Cryptosign-based
// Authentication"). A client that asks for another authid than that of its key is refused. It is
// safe for concurrent use.
type CryptosignUsers struct{ cfg CryptosignConfig }

// NewCryptosignUsers returns the method. Errors name the field at fault.
func NewCryptosignUsers(cfg CryptosignConfig) (*CryptosignUsers, error) {
	var errs []error
	if _, ok := cfg.Users[auth.PublicKey{}]; ok {
		errs = append(errs, errors.New("users: the public key is missing"))
	}
	if _, ok := cfg.Users[cfg.Key.PublicKey()]; ok && !cfg.Key.IsZero() {
		errs = append(errs, errors.New("key: is also that of a client"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("router: cryptosign: %w", err)
	}
	cfg.Users = maps.Clone(cfg.Users)
	return &CryptosignUsers{cfg}, nil
}

// Method returns "cryptosign".
func (*CryptosignUsers) Method() string { return auth.MethodCryptosign }

// Begin sends a challenge, to unknown keys as well.
func (c *CryptosignUsers) Begin(req AuthRequest) (Exchange, error) {
	return req.cryptosignExchange(auth.CryptosignServerConfig{
		Key: c.cfg.Key, Bind: req.Bind, RequireBinding: c.cfg.RequireBinding, Timeout: c.cfg.Timeout,
	}, c.principal)
}

func (c *CryptosignUsers) knows(d *protocol.HelloDetails) bool {
	text, _ := d.AuthExtra["pubkey"].(string)
	key, err := auth.ParsePublicKey(text)
	_, known := c.cfg.Users[key]
	return err == nil && known
}

// cryptosignExchange challenges the client. who returns the principal that has the key and may join
// under the authid that the client asks for.
func (r AuthRequest) cryptosignExchange(cfg auth.CryptosignServerConfig, who func(key auth.PublicKey, wanted string) (Principal, error)) (Exchange, error) {
	now, err := r.start()
	if err != nil {
		return Exchange{}, err
	}
	server, err := auth.NewCryptosignServer(rand.Reader, now, r.Details, cfg)
	if err != nil {
		return Exchange{}, refusal(err)
	}
	return Exchange{
		Challenge: server.Challenge(),
		Verify: func(m *protocol.Authenticate) (Exchange, error) {
			if err := server.Verify(r.Now(), m); err != nil {
				return Exchange{}, refusal(err)
			}
			p, err := who(server.ClientKey(), r.Details.AuthID)
			return Exchange{Principal: p}, err
		},
	}, nil
}

// principal returns who has the key, which the client has proved to be its own: what it learns
// here, nobody else does.
func (c *CryptosignUsers) principal(key auth.PublicKey, wanted string) (Principal, error) {
	user, known := c.cfg.Users[key]
	authid := user.AuthID
	if authid == "" {
		authid = key.String()
	}
	switch {
	case !known:
		return Principal{}, denied("cryptosign: the key is unknown")
	case wanted != "" && wanted != authid:
		return Principal{}, denied("cryptosign: the authid is not that of the key")
	default:
		return principal(authid, user.Role, user.Extra), nil
	}
}
