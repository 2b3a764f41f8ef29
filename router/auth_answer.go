package router

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// dynamicDetails is the third argument of an authenticator procedure.
func dynamicDetails(req AuthRequest, method string, more map[string]any) map[string]any {
	details := map[string]any{
		"session":    uint64(req.Session),
		"authmethod": method,
		"authrole":   textOrNil(req.Details.AuthRole),
		"authextra":  nil,
		"transport":  map[string]any{},
	}
	if extra := req.Details.AuthExtra; extra != nil {
		details["authextra"] = map[string]any(extra)
	}
	if req.Transport != nil {
		details["transport"] = req.Transport().dict()
	}
	maps.Copy(details, more)
	return details
}

func (t TransportInfo) dict() map[string]any {
	d := map[string]any{
		"type": t.Type, "protocol": t.Protocol, "peer": textOrNil(t.Peer), "secure": t.Secure, "client_cert": textOrNil(t.ClientCert),
	}
	if t.Path != "" {
		d["path"], d["host"], d["http_headers_received"] = t.Path, t.Host, t.Header
	}
	return d
}

func textOrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// dynamicAnswer is what an authenticator procedure answered. Its errors contain no values: some
// are secrets.
type dynamicAnswer struct {
	principal Principal
	dict      map[string]any
	err       error // the first one
}

// newDynamicAnswer reads an answer. It is nil if the procedure does not know the client.
func newDynamicAnswer(answer any, authid string) (*dynamicAnswer, error) {
	a := &dynamicAnswer{principal: Principal{AuthID: authid, Provider: dynamicProvider}}
	switch v := answer.(type) {
	case nil:
		return nil, nil //nolint:nilnil // the absence of an account is no error
	case string:
		a.dict = map[string]any{"role": v}
	case map[string]any:
		a.dict = v
	default:
		return nil, fmt.Errorf("is a %T, not a dictionary, text or null", answer)
	}
	p := &a.principal
	p.AuthRole = a.text("role", true)
	p.Realm = protocol.URI(a.text("realm", false))
	if other := a.text("authid", false); other != "" {
		p.AuthID = other
	}
	switch extra := a.dict["extra"].(type) {
	case nil:
	case map[string]any:
		p.Extra = extra
	default:
		a.fail("extra", "is not a dictionary")
	}
	return a, a.err
}

func (a *dynamicAnswer) fail(key, problem string) {
	if a.err == nil {
		a.err = errors.New(key + ": " + problem)
	}
}

// text returns the text under the key, "" if there is none.
func (a *dynamicAnswer) text(key string, needed bool) string {
	text, ok := a.dict[key].(string)
	switch {
	case a.dict[key] == nil && needed:
		a.fail(key, "is missing")
	case a.dict[key] != nil && !ok:
		a.fail(key, "is not text")
	case text == "" && needed:
		a.fail(key, "is empty")
	}
	return text
}

// number returns the integer under the key, or other if there is none and other is not 0.
func (a *dynamicAnswer) number(key string, other int) int {
	var n float64
	switch v := a.dict[key].(type) {
	case nil:
		n = float64(other)
	case int64:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	}
	if n < 1 || n > math.MaxInt32 || n != math.Trunc(n) { // a float that is none fails, too
		a.fail(key, "is not an integer from 1 to 2^31-1")
		return 0
	}
	return int(n)
}

// octets returns what is in hexadecimal under the key.
func (a *dynamicAnswer) octets(key string) []byte {
	if b, ok := a.dict[key].([]byte); ok {
		return b
	}
	b, err := hex.DecodeString(a.text(key, true))
	if err != nil {
		a.fail(key, "is not hexadecimal")
	}
	return b
}

// keys returns the public keys under pubkey, pubkeys and authorized_keys.
func (a *dynamicAnswer) keys() []auth.PublicKey {
	var texts []any
	for _, key := range []string{"pubkey", "pubkeys", "authorized_keys"} {
		switch v := a.dict[key].(type) {
		case nil:
		case []any:
			texts = append(texts, v...)
		default:
			texts = append(texts, v)
		}
	}
	keys := make([]auth.PublicKey, len(texts))
	for i, v := range texts {
		text, _ := v.(string)
		var err error
		if keys[i], err = auth.ParsePublicKey(text); err != nil {
			a.fail("pubkey", "is not a public key in hexadecimal")
		}
	}
	if len(keys) == 0 {
		a.fail("pubkey", "is missing")
	}
	return keys
}
