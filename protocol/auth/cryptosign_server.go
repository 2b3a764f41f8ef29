package auth

import (
	"io"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// CryptosignServerConfig says how a router authenticates clients by cryptosign.
type CryptosignServerConfig struct {
	// Key is the router's own, with which it authenticates itself to clients that ask for
	// it; the zero value leaves them unanswered. It signs what any client sends, so it must not be
	// a key that the router also uses as a client.
	Key SigningKey
	// Bind returns the bindings of the connection; nil has none.
	Bind Binder
	// RequireBinding refuses clients that do not bind to the connection.
	RequireBinding bool
	// Timeout is how long the answer is accepted; 0 means DefaultTimeout.
	Timeout time.Duration
}

// CryptosignServer is the router's side of one cryptosign exchange.
type CryptosignServer struct {
	once    answerOnce
	client  PublicKey
	id      *channelID
	binding BindingType
	own     challenge // for the client
	router  SigningKey
	theirs  *challenge // for the router
}

// NewCryptosignServer makes a challenge of 256 random bits for a client. Errors are
// ErrMalformed and ErrChannelBinding for what is wrong with HELLO: a binding that the
// connection does not have is refused, not left out.
func NewCryptosignServer(random io.Reader, now time.Time, hello *protocol.HelloDetails, cfg CryptosignServerConfig) (*CryptosignServer, error) {
	f := fields{method: MethodCryptosign, where: "HELLO: authextra", dict: hello.AuthExtra}
	s := &CryptosignServer{once: newAnswerOnce(MethodCryptosign, now, cfg.Timeout), router: cfg.Key}
	key, err := f.hex32("pubkey")
	if err != nil {
		return nil, err
	}
	s.client = key
	if f.dict["challenge"] != nil {
		theirs, err := f.hex32("challenge")
		if err != nil {
			return nil, err
		}
		s.theirs = (*challenge)(&theirs)
	}
	binding, err := cfg.Bind.requested(f, cfg.RequireBinding)
	if err != nil {
		return nil, err
	}
	s.binding = binding.Type
	if s.id, err = binding.channelID(); err != nil {
		return nil, err
	}
	own, err := randomBytes(random, MethodCryptosign, len(s.own))
	if err != nil {
		return nil, err
	}
	s.own = challenge(own)
	return s, nil
}

// ClientKey returns the key that the client claims to have. Whether that key may join, and
// under which authid, is for the caller to decide.
func (s *CryptosignServer) ClientKey() PublicKey { return s.client }

// Challenge returns the CHALLENGE to send.
func (s *CryptosignServer) Challenge() *protocol.Challenge {
	extra := protocol.Dict{"challenge": PublicKey(s.own).String(), "channel_binding": nil}
	if s.binding != NoBinding {
		extra["channel_binding"] = string(s.binding)
	}
	if s.theirs != nil && !s.router.IsZero() {
		extra["pubkey"] = s.router.PublicKey().String()
		extra["signature"] = s.router.sign(*s.theirs, s.id)
	}
	return &protocol.Challenge{Method: MethodCryptosign, Extra: extra}
}

// Verify checks that the client has its key. The error is ErrDenied.
func (s *CryptosignServer) Verify(now time.Time, m *protocol.Authenticate) error {
	if err := s.once.answer(now); err != nil {
		return err
	}
	if err := s.client.verify(s.own, s.id, m.Signature); err != nil {
		return failf(ErrDenied, MethodCryptosign, "AUTHENTICATE: signature: %s", err)
	}
	return nil
}
