package cloverleaf

import (
	"github.com/cloverleaf-wamp/cloverleaf/internal/settings"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
)

// ConfigKeys returns the keys that the reader of configurations knows, by the sections of docs/configuration.md.
func ConfigKeys() map[string][]string {
	r := &configReader{}
	t := &transportReader{configReader: r}
	tables := map[string]settings.Keys{
		"Component": r.componentKeys(&Config{}),
		"Restarts":  restartKeys(&new(Config).Restarts),
		"Restart":   policyKeys(&new(Config).Restart),
		"Transport": t.keys(),
		"Endpoint":  t.endpointKeys(nil, nil),
		"TLS":       tlsKeys(nil, nil),
		"Proxy":     t.proxyKeys(nil),
		"Options":   t.optionKeys(),
		"Limits":    limitKeys(&auth.Limits{}),
	}
	tables["Authentication"] = new(authReader).keys(nil)
	for name, read := range r.methods() {
		_, keys := read(&authReader{configReader: r})
		for common := range tables["Authentication"] {
			delete(keys, common)
		}
		tables[name] = keys
	}
	all := make(map[string][]string)
	for section, keys := range tables {
		all[section] = []string{}
		for key := range keys {
			all[section] = append(all[section], key)
		}
	}
	return all
}

// StopUntil is stopUntil.
var StopUntil = stopUntil
