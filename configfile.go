package cloverleaf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/internal/settings"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// ReadConfig reads the configuration of one component from YAML or JSON, with the keys that
// docs/configuration.md lists. Names of files in it are relative to the working directory. What is
// not there is left zero, and can be set before NewComponent gets it, as what is not data must be.
//
// The error names all mistakes, each with the path of its key, such as
// "transports[1].endpoint.port", and no secret.
func ReadConfig(r io.Reader) (Config, error) {
	return one((&configReader{lookup: os.LookupEnv}).read(r))
}

// ReadConfigs is ReadConfig for the configurations of several components: a list of what
// ReadConfig takes, or one.
func ReadConfigs(r io.Reader) ([]Config, error) {
	list, err := (&configReader{lookup: os.LookupEnv, several: true}).read(r)
	if err != nil {
		return nil, fmt.Errorf("cloverleaf: config: %w", err)
	}
	return list, nil
}

// LoadConfig is ReadConfig for a file. Names of files in it are relative to its folder.
func LoadConfig(file string) (Config, error) {
	return one(load(file, &configReader{dir: filepath.Dir(file), lookup: os.LookupEnv}))
}

// LoadConfigs is ReadConfigs for a file. Names of files in it are relative to its folder.
func LoadConfigs(file string) ([]Config, error) {
	list, err := load(file, &configReader{dir: filepath.Dir(file), lookup: os.LookupEnv, several: true})
	if err != nil {
		return nil, fmt.Errorf("cloverleaf: config: %w", err)
	}
	return list, nil
}

func load(file string, r *configReader) ([]Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	list, err := r.read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

func one(list []Config, err error) (Config, error) {
	if err != nil {
		return Config{}, fmt.Errorf("cloverleaf: config: %w", err)
	}
	return list[0], nil
}

// configReader makes a Config of a document.
type configReader struct {
	dir     string // names of files are relative to it
	lookup  func(name string) (string, bool)
	several bool
}

func (r *configReader) read(in io.Reader) ([]Config, error) {
	doc, err := settings.Parse(in)
	if err != nil {
		return nil, err
	}
	var list []Config
	switch {
	case !r.several || !doc.IsList():
		list = append(list, r.component(doc))
	default:
		for _, v := range doc.List() {
			list = append(list, r.component(v))
		}
		if len(list) == 0 {
			doc.Errorf("no components")
		}
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

func (r *configReader) component(v settings.Value) (c Config) {
	v.Map(r.componentKeys(&c))
	return c
}

func (r *configReader) componentKeys(c *Config) settings.Keys {
	code := func(field string) func(settings.Value) {
		return func(v settings.Value) { v.Errorf("is code, not data: set Config.%s", field) }
	}
	return settings.Keys{
		"name":            func(v settings.Value) { c.Name = v.Text() },
		"realm":           func(v settings.Value) { c.Realm = readRealm(v) },
		"extra":           func(v settings.Value) { c.Extra = v.Any() },
		"transports":      func(v settings.Value) { c.Transports = r.transports(v) },
		"serializers":     func(v settings.Value) { c.Serializers = readSerializers(v) },
		"authentication":  func(v settings.Value) { c.Auth = r.authentication(v) },
		"authrole":        func(v settings.Value) { c.AuthRole = v.Text() },
		"authextra":       func(v settings.Value) { c.AuthExtra = v.Dict() },
		"agent":           func(v settings.Value) { c.Agent = v.Text() },
		"hello_extra":     func(v settings.Value) { c.HelloExtra = v.Dict() },
		"join_timeout":    func(v settings.Value) { c.JoinTimeout = orNever(v) },
		"leave_timeout":   func(v settings.Value) { c.LeaveTimeout = orNever(v) },
		"max_invocations": func(v settings.Value) { c.MaxInvocations = v.Int(1, 1<<30) },
		"retry_permanent": func(v settings.Value) { c.RetryPermanent = v.Bool() },
		"restarts":        func(v settings.Value) { v.Map(restartKeys(&c.Restarts)) },
		"restart":         func(v settings.Value) { v.Map(policyKeys(&c.Restart)) },
		"on_refused": func(v settings.Value) {
			if v.OneOf("fail_session", "report") == "report" {
				c.OnRefused = RefusedIsReported
			}
		},
		"main":            code("Main"),
		"is_fatal":        code("Transports[i].IsFatal"),
		"session_factory": code("SessionFactory"),
	}
}

func readRealm(v settings.Value) string {
	realm := v.Text()
	if realm != "" && !protocol.URI(realm).Valid() {
		v.Errorf("%q is not a valid URI", realm)
	}
	return realm
}

// orNever reads a time of which zero means that there is no limit.
func orNever(v settings.Value) (d time.Duration) {
	if d = v.Duration(); d == 0 {
		return -1
	}
	return d
}

func restartKeys(i *supervisor.Intensity) settings.Keys {
	return settings.Keys{
		"max_restarts": func(v settings.Value) {
			i.MaxRestarts = v.Int(0, 1<<30)
			if i.Window == 0 {
				i.Window = supervisor.DefaultWindow // without it, zero would be the default
			}
		},
		"window": func(v settings.Value) {
			if i.Window = v.Positive(); i.MaxRestarts == 0 {
				i.MaxRestarts = supervisor.DefaultMaxRestarts
			}
		},
	}
}

func policyKeys(p *supervisor.RestartPolicy) settings.Keys {
	keys := restartKeys(&p.Intensity)
	maps.Copy(keys, backoffKeys(&p.Backoff))
	keys["type"] = func(v settings.Value) {
		types := []supervisor.RestartType{supervisor.RestartTransient, supervisor.RestartPermanent, supervisor.RestartTemporary}
		name := v.OneOf(types[0].String(), types[1].String(), types[2].String())
		for _, t := range types {
			if t.String() == name {
				p.Type = t
			}
		}
	}
	return keys
}

func readSerializers(v settings.Value) []protocol.Serializer {
	var list []protocol.Serializer
	for _, item := range v.List() {
		list = append(list, readSerializer(item))
	}
	if v.IsList() && len(list) == 0 {
		v.Errorf("is empty")
	}
	return list
}

func readSerializer(v settings.Value) protocol.Serializer {
	var names []string
	for _, s := range protocol.Serializers() {
		names = append(names, s.String())
	}
	s, _ := protocol.ParseSerializer(v.OneOf(names...))
	return s
}

// file returns the name of a file as the process knows it.
func (r *configReader) file(v settings.Value) string {
	name := v.Text()
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// flat returns the errors that were joined to err.
func flat(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, flat(e)...)
	}
	return list
}

// renamed returns an error of another package, which begins with the name of a field, with the key that is
// here instead.
func renamed(err error, keys map[string]string) error {
	field, rest, _ := strings.Cut(err.Error(), ": ")
	if key, ok := keys[field]; ok {
		return fmt.Errorf("%s: %s", key, rest)
	}
	return err
}
