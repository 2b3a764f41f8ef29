package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// dynamicProvider is the authprovider of principals that a procedure vouches for.
const dynamicProvider = "dynamic"

// DynamicConfig configures a DynamicAuthenticator.
type DynamicConfig struct {
	// Method is the method that clients are to use: "anonymous", "ticket", "wampcra",
	// "wamp-scram", "scram" or "cryptosign".
	Method string
	// Procedure is the URI of the procedure that decides.
	Procedure protocol.URI
	// Realm is where the procedure is registered. Default: the realm that the client asks for.
	// Whoever may register the procedure there decides who joins, so a realm of its own, where
	// only trusted components are, is safer. Clients can call it only if a rule of an
	// AuthorizationConfig allows that: its answers may be secrets.
	Realm protocol.URI
	// Timeout is how long the procedure may take. 0 means as long as the handshake may.
	Timeout time.Duration
	// Redirect accepts that the procedure sends clients to another realm than they ask for.
	// Otherwise such an answer is an error.
	Redirect bool
	// Key is the router's own key for cryptosign, see CryptosignConfig.
	Key auth.SigningKey
	// RequireBinding refuses clients that do not bind to the TLS connection, if the method is
	// "wamp-scram" or "cryptosign".
	RequireBinding bool
	// MockKey is a secret of the router, of which the challenges for authids that the procedure
	// does not know are made. They stay the same as long as it does. "" draws one.
	MockKey auth.Secret
}

// DynamicAuthenticator admits clients as a WAMP procedure decides, with the arguments and answers
// of Crossbar.io's dynamic authenticators. It is safe for concurrent use.
//
// The procedure is called with the realm, the authid, which is null if the client gives none, and a
// dictionary with
//
//   - session, authmethod, authrole and authextra: of the session to come, and what HELLO asks for;
//   - transport: a dictionary with type, protocol, peer, secure, client_cert (null, or the SHA-256 of
//     the client's certificate in hexadecimal), and for WebSocket path, host and
//     http_headers_received;
//   - ticket, for the method "ticket".
//
// It answers with a dictionary. Needed is role, the authrole; authid, realm and extra (authextra of
// WELCOME) are optional. A text alone is the role, for "ticket" and "anonymous". The methods need
// besides
//
//   - wampcra: secret; and if that is derived from the client's: salt, and optionally iterations
//     (1000) and keylen (32);
//   - scram, wamp-scram: kdf, iterations, salt, stored-key, server-key, and memory for Argon2, with
//     salt and keys in hexadecimal. What they are for the two methods differs, see auth.SCRAMDialect;
//   - cryptosign: pubkey, or a list pubkeys or authorized_keys: the key or keys in hexadecimal that the client may have.
//
// An answer of null says that there is no such client. It is challenged all the same, with a mock
// challenge like those of the static methods, and then refused, so that it does not learn whether
// the authid exists. Errors refuse the client at once: those with a URI of the application, or one
// about authentication such as wamp.error.no_such_principal, with this URI and the text of the
// error; others, answers of another form, and a procedure that is missing or takes too long, with
// wamp.error.authentication_failed, and the reason is in the router's log only.
type DynamicAuthenticator struct {
	cfg     DynamicConfig
	dialect auth.SCRAMDialect
	// The first answers, which mock challenges resemble.
	cra   atomic.Pointer[auth.CRAConfig]
	scram atomic.Pointer[auth.SCRAMCredential]
}

// NewDynamicAuthenticator returns the authenticator. Errors name the field at fault.
func NewDynamicAuthenticator(cfg DynamicConfig) (*DynamicAuthenticator, error) {
	d := &DynamicAuthenticator{cfg: cfg}
	var errs []error
	switch cfg.Method {
	case auth.MethodAnonymous, auth.MethodTicket, auth.MethodCRA, auth.MethodSCRAM, auth.MethodCryptosign:
	case auth.MethodSCRAMAutobahn:
		d.dialect = auth.SCRAMAutobahn
	default:
		errs = append(errs, fmt.Errorf("method: %q is unknown", cfg.Method))
	}
	if !cfg.Procedure.Valid() {
		errs = append(errs, fmt.Errorf("procedure: %q is not a valid URI", string(cfg.Procedure)))
	}
	if cfg.Realm != "" && !cfg.Realm.Valid() {
		errs = append(errs, fmt.Errorf("realm: %q is not a valid URI", string(cfg.Realm)))
	}
	if cfg.Timeout < 0 {
		errs = append(errs, errors.New("timeout: is negative"))
	}
	if cfg.RequireBinding && cfg.Method != auth.MethodSCRAM && cfg.Method != auth.MethodCryptosign {
		errs = append(errs, fmt.Errorf("requireBinding: %s has no channel binding", cfg.Method))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("router: dynamic authenticator: %w", err)
	}
	if cfg.MockKey.Empty() {
		d.cfg.MockKey = randomSecret()
	}
	return d, nil
}

// Method returns the name of the method.
func (d *DynamicAuthenticator) Method() string { return d.cfg.Method }

// procedure returns where the procedure is, which clients must not take the place of: see Reserved.
func (d *DynamicAuthenticator) procedure(realm protocol.URI) (in, procedure protocol.URI) {
	return cmp.Or(d.cfg.Realm, realm), d.cfg.Procedure
}

// Begin asks the procedure, or the client for its ticket first.
func (d *DynamicAuthenticator) Begin(req AuthRequest) (Exchange, error) {
	authid := req.Details.AuthID
	switch d.cfg.Method {
	case auth.MethodTicket:
		return TicketFunc(func(ctx context.Context, req AuthRequest, ticket string) (Principal, error) {
			return d.decide(ctx, req, authid, map[string]any{"ticket": ticket})
		}).Begin(req)
	case auth.MethodAnonymous: // no authid of the client's choice
		authid = auth.MethodAnonymous + "-" + req.Session.String()
	case auth.MethodCryptosign:
		// What is wrong with HELLO is found before the procedure is bothered.
		if _, err := req.cryptosignExchange(d.cryptosignConfig(req), nil); err != nil {
			return Exchange{}, err
		}
	case auth.MethodSCRAM, auth.MethodSCRAMAutobahn:
		if _, err := req.scramExchange(d.scramConfig(req, d.mockSCRAM(authid)), nil); err != nil {
			return Exchange{}, err
		}
	}
	return Exchange{Later: func(ctx context.Context) (Exchange, error) {
		switch d.cfg.Method {
		case auth.MethodAnonymous:
			p, err := d.decide(ctx, req, authid, nil)
			return Exchange{Principal: p}, err
		case auth.MethodCRA:
			return d.beginCRA(ctx, req)
		case auth.MethodCryptosign:
			return d.beginCryptosign(ctx, req)
		default:
			return d.beginSCRAM(ctx, req)
		}
	}}, nil
}

// decide has the procedure decide alone.
func (d *DynamicAuthenticator) decide(ctx context.Context, req AuthRequest, authid string, more map[string]any) (Principal, error) {
	a, err := d.ask(ctx, req, authid, more)
	if err == nil && a == nil {
		err = denied(d.cfg.Method + ": not accepted")
	}
	if err != nil {
		return Principal{}, err
	}
	return a.principal, nil
}

func (d *DynamicAuthenticator) beginCRA(ctx context.Context, req AuthRequest) (Exchange, error) {
	a, err := d.ask(ctx, req, req.Details.AuthID, nil)
	if err != nil {
		return Exchange{}, err
	}
	if a == nil {
		model := auth.CRAConfig{AuthRole: defaultRole, AuthProvider: dynamicProvider}
		if first := d.cra.Load(); first != nil {
			model = *first
		}
		model.AuthID, model.Session = req.Details.AuthID, req.Session
		return req.craExchange(model.Fake(d.cfg.MockKey), nil)
	}
	cfg := auth.CRAConfig{
		AuthID: a.principal.AuthID, AuthRole: a.principal.AuthRole, AuthProvider: a.principal.Provider,
		Session: req.Session, Key: auth.NewSecret(a.text("secret", true)),
	}
	if salt := a.text("salt", false); salt != "" {
		cfg.Salting = auth.CRASalting{Salt: salt, Iterations: a.number("iterations", 1000), KeyLen: a.number("keylen", 32)}
	}
	if a.err != nil {
		return Exchange{}, d.malformed(a.err)
	}
	model := cfg
	model.Key = auth.Secret{}
	d.cra.CompareAndSwap(nil, &model)
	return d.challenge(req.craExchange(cfg, &a.principal))
}

func (d *DynamicAuthenticator) beginSCRAM(ctx context.Context, req AuthRequest) (Exchange, error) {
	a, err := d.ask(ctx, req, req.Details.AuthID, nil)
	if err != nil {
		return Exchange{}, err
	}
	if a == nil {
		return req.scramExchange(d.scramConfig(req, d.mockSCRAM(req.Details.AuthID)), nil)
	}
	kdf, ok := auth.ParseKDF(a.text("kdf", true))
	if !ok {
		a.fail("kdf", "is none of pbkdf2, argon2id13, argon2id-13")
	}
	credential := auth.SCRAMCredential{Dialect: d.dialect, Params: auth.SCRAMParams{
		KDF: kdf, Salt: a.octets("salt"), Iterations: a.number("iterations", 0),
	}}
	if kdf == auth.Argon2id13 {
		credential.Params.Memory = a.number("memory", 0)
	}
	credential.StoredKey = auth.NewSecret(string(a.octets("stored-key")))
	credential.ServerKey = auth.NewSecret(string(a.octets("server-key")))
	if a.err != nil {
		return Exchange{}, d.malformed(a.err)
	}
	x, err := d.challenge(req.scramExchange(d.scramConfig(req, credential), &a.principal))
	if err == nil {
		model := credential.Fake(d.cfg.MockKey, "")
		d.scram.CompareAndSwap(nil, &model)
	}
	return x, err
}

func (d *DynamicAuthenticator) mockSCRAM(authid string) auth.SCRAMCredential {
	model := scramModel(d.dialect)
	if first := d.scram.Load(); first != nil {
		model = *first
	}
	return model.Fake(d.cfg.MockKey, authid)
}

func (d *DynamicAuthenticator) scramConfig(req AuthRequest, c auth.SCRAMCredential) auth.SCRAMServerConfig {
	return auth.SCRAMServerConfig{Credential: c, Bind: req.Bind, RequireBinding: d.cfg.RequireBinding}
}

func (d *DynamicAuthenticator) beginCryptosign(ctx context.Context, req AuthRequest) (Exchange, error) {
	a, err := d.ask(ctx, req, req.Details.AuthID, nil)
	if err != nil {
		return Exchange{}, err
	}
	var keys []auth.PublicKey
	if a != nil {
		if keys = a.keys(); a.err != nil {
			return Exchange{}, d.malformed(a.err)
		}
	}
	return req.cryptosignExchange(d.cryptosignConfig(req), func(key auth.PublicKey, _ string) (Principal, error) {
		if !slices.Contains(keys, key) {
			return Principal{}, denied("cryptosign: the key is unknown")
		}
		p := a.principal
		if p.AuthID == "" {
			p.AuthID = key.String()
		}
		return p, nil
	})
}

func (d *DynamicAuthenticator) cryptosignConfig(req AuthRequest) auth.CryptosignServerConfig {
	return auth.CryptosignServerConfig{Key: d.cfg.Key, Bind: req.Bind, RequireBinding: d.cfg.RequireBinding}
}

// errNoCall is why nobody is admitted by a procedure that cannot be called.
var errNoCall = errors.New("router: dynamic authenticator: this router cannot call procedures")

// ask calls the procedure. The answer is nil if there is no such client.
func (d *DynamicAuthenticator) ask(ctx context.Context, req AuthRequest, authid string, more map[string]any) (*dynamicAnswer, error) {
	if req.Call == nil {
		return nil, errNoCall
	}
	if d.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.cfg.Timeout)
		defer cancel()
	}
	realm := d.cfg.Realm
	if realm == "" {
		realm = req.Realm
	}
	result, err := req.Call(ctx, realm, d.cfg.Procedure, []any{
		string(req.Realm), textOrNil(authid), dynamicDetails(req, d.cfg.Method, more),
	}, nil)
	if err != nil {
		return nil, d.refusal(err)
	}
	a, err := newDynamicAnswer(result, authid)
	switch {
	case err != nil:
		return nil, d.malformed(err)
	case a != nil && a.principal.Realm != "" && a.principal.Realm != req.Realm && !d.cfg.Redirect:
		return nil, d.malformed(errors.New("realm: is not the one that the client asks for"))
	default:
		return a, nil
	}
}

// challenge says whose fault it is that there is no challenge: not the client's, as far as HELLO
// has been checked.
func (d *DynamicAuthenticator) challenge(x Exchange, err error) (Exchange, error) {
	var refused *RefusalError
	if err != nil && !errors.As(err, &refused) {
		err = d.malformed(err)
	}
	return x, err
}

func (d *DynamicAuthenticator) malformed(err error) error {
	return fmt.Errorf("router: dynamic authenticator %s: answer: %w", d.cfg.Procedure, err)
}

// refusal passes on what the procedure says to the client, and nothing that just went wrong.
func (d *DynamicAuthenticator) refusal(err error) error {
	answer, ok := errors.AsType[*CallError](err)
	if !ok || !refuses(answer.URI) {
		return fmt.Errorf("router: dynamic authenticator %s: %w", d.cfg.Procedure, err)
	}
	return &RefusalError{Reason: answer.URI, Message: clip(answer.Message)}
}

// refuses reports whether an error URI is a decision: one of the application, or one that is
// about authentication.
func refuses(uri protocol.URI) bool {
	const longest = 256
	switch uri {
	case protocol.ErrorAuthenticationDenied, protocol.ErrorAuthenticationFailed, protocol.ErrorAuthenticationRequired,
		protocol.ErrorNoSuchPrincipal, protocol.ErrorNoSuchRole, protocol.ErrorNoSuchRealm, protocol.ErrorNotAuthorized,
		protocol.ErrorAuthorizationDenied, protocol.ErrorAuthorizationFailed, protocol.ErrorAuthorizationRequired:
		return true
	default:
		return uri.Valid() && !uri.Reserved() && len(uri) <= longest
	}
}

// clip keeps a text short.
func clip(text string) string {
	const longest = 512
	text = strings.ToValidUTF8(text, "\uFFFD")
	for len(text) > longest {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}
