package cloverleaf

import (
	"maps"
	"os"

	"github.com/cloverleaf-wamp/cloverleaf/internal/settings"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// authentication reads the methods to offer, in the order of the document.
func (r *configReader) authentication(v settings.Value) []session.Authenticator {
	methods := r.methods()
	before := v.Count()
	var list []session.Authenticator
	for _, m := range v.Members() {
		read, ok := methods[m.Key()]
		if !ok {
			m.Unknown([]string{auth.MethodAnonymous, auth.MethodTicket, auth.MethodCRA, methodSCRAM, auth.MethodCryptosign})
			continue
		}
		a := &authReader{configReader: r, v: m}
		method, keys := read(a)
		if m.Exists() { // "anonymous:" alone is a method without options
			m.Map(keys)
		}
		if m.IsMap() || !m.Exists() {
			a.complete()
		}
		list = append(list, method(a))
	}
	if v.Count() > before {
		return nil
	}
	if err := session.CheckMethods(protocol.HelloDetails{}, list); err != nil {
		for _, e := range flat(err) {
			v.Errorf("%w", e)
		}
	}
	return list
}

// methodSCRAM stands for both methods of SCRAM.
const methodSCRAM = "scram"

// authReader reads one method.
type authReader struct {
	*configReader
	v       settings.Value
	id      session.Identity
	secret  string
	binding auth.BindingType
	limits  auth.Limits

	dialects   []auth.SCRAMDialect
	keyfile    settings.Value
	passphrase string
	routerKeys []auth.PublicKey

	secretKey string // the key of the secret, "" if there is none
	given     bool   // the secret is there, though it may be wrong
	needsID   bool
}

// method makes what was read a method; reader prepares for that, and says which keys there are.
type (
	method       func(*authReader) session.Authenticator
	methodReader func(*authReader) (method, settings.Keys)
)

func (r *configReader) methods() map[string]methodReader {
	return map[string]methodReader{
		auth.MethodAnonymous:  readAnonymous,
		auth.MethodTicket:     readTicket,
		auth.MethodCRA:        readCRA,
		methodSCRAM:           readSCRAM,
		auth.MethodCryptosign: readCryptosign,
	}
}

// keys returns those that all methods have, and more.
func (a *authReader) keys(more settings.Keys) settings.Keys {
	keys := settings.Keys{
		"authid":    func(v settings.Value) { a.id.AuthID = v.Text() },
		"authrole":  func(v settings.Value) { a.id.AuthRole = v.Text() },
		"authextra": func(v settings.Value) { a.id.AuthExtra = v.Dict() },
	}
	maps.Copy(keys, more)
	if a.secretKey != "" {
		keys[a.secretKey] = func(v settings.Value) { a.given, a.secret = true, v.Secret(a.lookup) }
	}
	return keys
}

// complete notes what is missing.
func (a *authReader) complete() {
	if a.needsID && a.id.AuthID == "" {
		a.v.ErrorAt("authid", "missing")
	}
	if a.secretKey != "" && !a.given && !a.keyfile.Exists() {
		a.v.ErrorAt(a.secretKey, "missing")
	}
}

func readAnonymous(a *authReader) (method, settings.Keys) {
	return func(a *authReader) session.Authenticator {
		return session.AnonymousAuth{Identity: a.id}
	}, a.keys(nil)
}

func readTicket(a *authReader) (method, settings.Keys) {
	a.secretKey, a.needsID = "ticket", true
	return func(a *authReader) session.Authenticator {
		return session.TicketAuth{Identity: a.id, Ticket: auth.NewSecret(a.secret)}
	}, a.keys(nil)
}

func readCRA(a *authReader) (method, settings.Keys) {
	a.secretKey, a.needsID = "secret", true
	return func(a *authReader) session.Authenticator {
			return session.CRAAuth{Identity: a.id, Secret: auth.NewSecret(a.secret), Limits: a.limits}
		}, a.keys(settings.Keys{
			"limits": func(v settings.Value) { v.Map(limitKeys(&a.limits)) },
		})
}

func readSCRAM(a *authReader) (method, settings.Keys) {
	a.secretKey, a.needsID = "password", true
	keys := settings.Keys{
		"channel_binding": a.readBinding(auth.TLSUnique, auth.TLSServerEndPoint, auth.TLSExporter),
		"limits":          func(v settings.Value) { v.Map(limitKeys(&a.limits)) },
		"dialects":        a.readDialects,
	}
	for _, key := range []string{"nonce", "kdf", "salt", "iterations", "memory"} {
		keys[key] = func(v settings.Value) { v.Errorf("is the router's to say, in its challenge; leave it out") }
	}
	return func(a *authReader) session.Authenticator {
		return session.SCRAMAuth{
			Identity: a.id, Password: auth.NewSecret(a.secret), Dialects: a.dialects, Binding: a.binding, Limits: a.limits,
		}
	}, a.keys(keys)
}

func (a *authReader) readDialects(v settings.Value) {
	names := map[string]auth.SCRAMDialect{
		auth.SCRAMStandard.Method(): auth.SCRAMStandard, auth.SCRAMAutobahn.Method(): auth.SCRAMAutobahn,
	}
	for _, item := range v.List() {
		a.dialects = append(a.dialects, names[item.OneOf(auth.SCRAMStandard.Method(), auth.SCRAMAutobahn.Method())])
	}
}

func (a *authReader) readBinding(types ...auth.BindingType) func(settings.Value) {
	var names []string
	for _, t := range types {
		names = append(names, string(t))
	}
	return func(v settings.Value) { a.binding = auth.BindingType(v.OneOf(names...)) }
}

func readCryptosign(a *authReader) (method, settings.Keys) {
	a.secretKey = "privkey"
	return func(a *authReader) session.Authenticator {
			return session.CryptosignAuth{Identity: a.id, Key: a.signingKey(), Binding: a.binding, RouterKeys: a.routerKeys}
		}, a.keys(settings.Keys{
			"privkey_file":    func(v settings.Value) { a.keyfile = v },
			"passphrase":      func(v settings.Value) { a.passphrase = v.Secret(a.lookup) },
			"channel_binding": a.readBinding(auth.TLSUnique, auth.TLSExporter),
			"router_keys": func(v settings.Value) {
				for _, item := range v.List() {
					key, err := auth.ParsePublicKey(item.Text())
					if err != nil {
						item.Errorf("%w", err)
					}
					a.routerKeys = append(a.routerKeys, key)
				}
			},
		})
}

// signingKey returns the key that is given, or that is in a file.
func (a *authReader) signingKey() (key auth.SigningKey) {
	var err error
	switch {
	case a.given && a.keyfile.Exists():
		a.keyfile.Errorf("contradicts privkey")
	case a.passphrase != "" && !a.keyfile.Exists():
		a.v.ErrorAt("passphrase", "is for privkey_file only")
	case a.secret != "":
		if key, err = auth.ParseSigningKey(a.secret); err != nil {
			a.v.ErrorAt("privkey", "neither 64 hexadecimal digits nor 32 octets in base64")
		}
	case a.keyfile.Exists():
		key = a.keyFile()
	}
	return key
}

func (a *authReader) keyFile() (key auth.SigningKey) {
	f, err := os.Open(a.file(a.keyfile))
	if err == nil {
		defer func() { _ = f.Close() }() // nothing was written
		key, err = auth.ReadSigningKey(f, auth.NewSecret(a.passphrase))
	}
	if err != nil {
		a.keyfile.Errorf("%w", err)
	}
	return key
}

func limitKeys(l *auth.Limits) settings.Keys {
	keys := settings.Keys{}
	for key, to := range map[string]*int{
		"max_iterations": &l.MaxIterations, "min_iterations": &l.MinIterations,
		"max_memory": &l.MaxMemory, "max_work": &l.MaxWork, "min_work": &l.MinWork,
	} {
		keys[key] = func(v settings.Value) { *to = v.Int(1, 1<<30) }
	}
	return keys
}
