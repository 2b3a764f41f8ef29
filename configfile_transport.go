package cloverleaf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/cloverleaf-wamp/cloverleaf/internal/settings"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

func (r *configReader) transports(v settings.Value) []Transport {
	var list []Transport
	switch {
	case v.IsText(), v.IsMap():
		list = append(list, r.transport(v))
	case v.IsList():
		for _, item := range v.List() {
			list = append(list, r.transport(item))
		}
		if len(list) == 0 {
			v.Errorf("is empty")
		}
	default:
		v.Errorf("must be a URL, a mapping, or a list of these")
	}
	return list
}

// transportReader reads one transport.
type transportReader struct {
	*configReader
	t          Transport
	kind       string // websocket or rawsocket; "" is what the URL says
	url        settings.Value
	options    settings.Value
	serializer settings.Value
}

func (r *configReader) transport(v settings.Value) Transport {
	t := &transportReader{configReader: r}
	before := v.Count()
	switch {
	case v.IsText():
		t.t.URL = v.Text()
	case v.IsMap():
		v.Map(t.keys())
		t.complete(v)
		if t.options.Exists() {
			t.options.Map(t.optionKeys())
		}
	default:
		v.Errorf("must be a URL or a mapping")
	}
	if v.Count() == before {
		t.validate(v)
	}
	return t.t
}

func (t *transportReader) keys() settings.Keys {
	c := &t.t.ClientConfig
	keys := settings.Keys{
		"type":        func(v settings.Value) { t.kind = v.OneOf("websocket", "rawsocket") },
		"url":         func(v settings.Value) { t.url, c.URL = v, v.Text() },
		"endpoint":    t.endpoint,
		"serializers": func(v settings.Value) { c.Serializers = readSerializers(v) },
		"serializer":  func(v settings.Value) { t.serializer = v },
		"headers":     func(v settings.Value) { c.Header = t.headers(v) },
		"proxy":       func(v settings.Value) { c.Proxy = t.proxy(v) },
		"options":     func(v settings.Value) { t.options = v },
		"is_fatal":    func(v settings.Value) { v.Errorf("is code, not data: set Transport.IsFatal") },
		"max_retries": func(v settings.Value) {
			if t.t.MaxRetries = v.Int(-1, 1<<30); t.t.MaxRetries <= 0 {
				t.t.MaxRetries = -1 - t.t.MaxRetries // -1 is for ever and 0 is never; in Go it is the other way round
			}
		},
	}
	maps.Copy(keys, backoffKeys(&t.t.Backoff))
	return keys
}

func backoffKeys(b *supervisor.Backoff) settings.Keys {
	return settings.Keys{
		"max_retry_delay":     func(v settings.Value) { b.Max = v.Positive() },
		"initial_retry_delay": func(v settings.Value) { b.Initial = v.Positive() },
		"retry_delay_growth": func(v settings.Value) {
			if b.Growth = v.Number(); b.Growth < 1 {
				v.Errorf("must be at least 1")
			}
		},
		"retry_delay_jitter": func(v settings.Value) {
			switch b.Jitter = v.Number(); {
			case b.Jitter == 0:
				b.Jitter = supervisor.NoJitter
			case b.Jitter < 0 || b.Jitter >= 1:
				v.Errorf("must be at least 0 and less than 1")
			}
		},
	}
}

// complete checks what keys say together, and makes the URL if there is none.
func (t *transportReader) complete(v settings.Value) {
	c := &t.t.ClientConfig
	if t.serializer.Exists() {
		if c.Serializers != nil {
			t.serializer.Errorf("contradicts serializers")
		}
		c.Serializers = []protocol.Serializer{readSerializer(t.serializer)}
	}
	if c.URL == "" && t.kind == "rawsocket" && c.Endpoint != nil {
		c.URL = rawURL(c.Endpoint)
	}
	scheme, _, _ := strings.Cut(c.URL, ":")
	kind := map[string]string{
		"ws": "websocket", "wss": "websocket", "ws+unix": "websocket", "rs": "rawsocket", "rss": "rawsocket", "rs+unix": "rawsocket",
	}[scheme]
	if t.kind != "" && kind != "" && t.kind != kind {
		v.ErrorAt("type", "%s contradicts the url's scheme %s", t.kind, scheme)
	}
	t.kind = kind
	if b := t.t.Backoff; b.Initial > 0 && b.Max > 0 && b.Initial > b.Max {
		v.ErrorAt("initial_retry_delay", "%v is longer than max_retry_delay %v", b.Initial, b.Max)
	}
}

// rawURL returns the URL of a RawSocket transport that has only an endpoint.
func rawURL(e *transport.Endpoint) string {
	u := url.URL{Scheme: "rs", Host: "localhost"}
	if e.TLS != nil && *e.TLS {
		u.Scheme = "rss"
	}
	if e.Host != "" {
		u.Host = e.Host
		if strings.Contains(e.Host, ":") { // an IPv6 address
			u.Host = "[" + e.Host + "]"
		}
	}
	return u.String()
}

// validate adds what is wrong with the transport as a whole.
func (t *transportReader) validate(v settings.Value) {
	err := t.t.Validate()
	if err == nil {
		return
	}
	keys := map[string]string{"header": "headers", "tls": "endpoint.tls"}
	for _, e := range flat(err) {
		if !v.IsText() {
			v.ErrorBelow(renamed(e, keys))
			continue
		}
		_, text, _ := strings.Cut(e.Error(), ": ") // it can only be the URL
		v.Errorf("%s", text)
	}
}

func (t *transportReader) endpoint(v settings.Value) {
	e := &transport.Endpoint{}
	t.t.Endpoint = e
	version := settings.Value{}
	v.Map(t.endpointKeys(e, &version))
	if !version.Exists() {
		return
	}
	n := version.Int(4, 6)
	switch {
	case n == 5:
		version.Errorf("must be 4 or 6")
	case e.Type == "unix" || e.Type == "" && e.Path != "":
		version.Errorf("not for type unix")
	case n != 0:
		e.Type = "tcp" + strconv.Itoa(n)
	}
}

func (t *transportReader) endpointKeys(e *transport.Endpoint, version *settings.Value) settings.Keys {
	return settings.Keys{
		"type":    func(v settings.Value) { e.Type = v.OneOf("tcp", "unix") },
		"host":    func(v settings.Value) { e.Host = v.Text() },
		"port":    func(v settings.Value) { e.Port = v.Int(1, math.MaxUint16) },
		"path":    func(v settings.Value) { e.Path = t.file(v) },
		"timeout": func(v settings.Value) { e.Timeout = v.Positive() },
		"version": func(v settings.Value) { *version = v },
		"tls": func(v settings.Value) {
			secure := true
			if v.IsBool() {
				secure = v.Bool()
			} else {
				t.t.TLS = t.tls(v)
			}
			e.TLS = &secure
		},
	}
}

// tlsFiles are the files that a tls.Config is made of.
type tlsFiles struct{ ca, trustRoot, cert, key settings.Value }

func (t *transportReader) tls(v settings.Value) *tls.Config {
	if !v.IsMap() {
		v.Errorf("must be true, false or a mapping")
		return nil
	}
	cfg, files := &tls.Config{MinVersion: tls.VersionTLS12}, &tlsFiles{}
	v.Map(tlsKeys(cfg, files))
	switch {
	case files.ca.Exists() && files.trustRoot.Exists():
		files.trustRoot.Errorf("contradicts ca")
	case files.trustRoot.Exists():
		files.ca = files.trustRoot
	}
	if files.ca.Exists() {
		cfg.RootCAs = t.roots(files.ca)
		if cfg.InsecureSkipVerify {
			files.ca.Errorf("contradicts insecure")
		}
	}
	switch cert, key := files.cert, files.key; {
	case cert.Exists() && key.Exists():
		pair, err := tls.LoadX509KeyPair(t.file(cert), t.file(key))
		if err != nil {
			cert.Errorf("%w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	case cert.Exists():
		v.ErrorAt("key", "missing: it belongs to cert")
	case key.Exists():
		v.ErrorAt("cert", "missing: it belongs to key")
	}
	return cfg
}

func tlsKeys(cfg *tls.Config, files *tlsFiles) settings.Keys {
	return settings.Keys{
		"hostname":   func(v settings.Value) { cfg.ServerName = v.Text() },
		"ca":         func(v settings.Value) { files.ca = v },
		"trust_root": func(v settings.Value) { files.trustRoot = v },
		"cert":       func(v settings.Value) { files.cert = v },
		"key":        func(v settings.Value) { files.key = v },
		"insecure":   func(v settings.Value) { cfg.InsecureSkipVerify = v.Bool() },
	}
}

// roots reads one file with certificates, or several.
func (t *transportReader) roots(v settings.Value) *x509.CertPool {
	files := []settings.Value{v}
	if v.IsList() {
		files = v.List()
	}
	pool := x509.NewCertPool()
	for _, f := range files {
		name := t.file(f)
		if name == "" {
			continue // said already
		}
		text, err := os.ReadFile(name)
		switch {
		case err != nil:
			f.Errorf("%w", err)
		case !pool.AppendCertsFromPEM(text):
			f.Errorf("%s has no certificate in PEM", name)
		}
	}
	return pool
}

// headers reads fields for the WebSocket request. They may be secrets.
func (t *transportReader) headers(v settings.Value) http.Header {
	h := make(http.Header)
	for _, field := range v.Members() {
		values := []settings.Value{field}
		if field.IsList() {
			values = field.List()
		}
		for _, value := range values {
			text := value.Secret(t.lookup)
			if strings.ContainsAny(text, "\r\n\x00") {
				value.Errorf("has a character that no header may have")
			}
			h.Add(field.Key(), text)
		}
	}
	return h
}

func (t *transportReader) proxy(v settings.Value) *url.URL {
	if v.IsText() {
		u, err := url.Parse(v.Secret(t.lookup))
		if err != nil {
			v.Errorf("malformed") // the parser's text quotes the URL, credentials included
		}
		return u
	}
	p := &proxy{}
	v.Map(t.proxyKeys(p))
	if p.host == "" {
		v.ErrorAt("host", "missing")
	}
	if p.port == 0 {
		v.ErrorAt("port", "missing")
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(p.host, strconv.Itoa(p.port))}
	switch {
	case p.username != "":
		u.User = url.UserPassword(p.username, p.password)
	case p.password != "":
		v.ErrorAt("username", "missing")
	}
	return u
}

type proxy struct {
	host               string
	port               int
	username, password string
}

func (t *transportReader) proxyKeys(p *proxy) settings.Keys {
	return settings.Keys{
		"host":     func(v settings.Value) { p.host = v.Text() },
		"port":     func(v settings.Value) { p.port = v.Int(1, math.MaxUint16) },
		"username": func(v settings.Value) { p.username = v.Text() },
		"password": func(v settings.Value) { p.password = v.Secret(t.lookup) },
	}
}

// optionKeys are the options of WebSocket connections that Autobahn has. What is always done here can be
// asked for, and what is never done is refused.
func (t *transportReader) optionKeys() settings.Keys {
	o := &t.t.Options
	keys := settings.Keys{
		"open_handshake_timeout":   func(v settings.Value) { o.HandshakeTimeout = v.Positive() },
		"close_handshake_timeout":  func(v settings.Value) { o.CloseTimeout = v.Positive() },
		"max_message_payload_size": func(v settings.Value) { o.MaxMessageSize = v.Int(transport.MinMessageSize, transport.MaxMessageSize) },
		"auto_ping_interval":       func(v settings.Value) { o.PingInterval = orNever(v) },
		"auto_ping_timeout":        func(v settings.Value) { o.PingTimeout = v.Positive() },
		"auto_ping_size":           func(v settings.Value) { o.PingSize = v.Int(1, transport.MaxPingSize) },
		"tcp_no_delay":             only(true),
	}
	for key, values := range map[string][]any{
		"max_frame_payload_size":           {int64(0)},
		"auto_fragment_size":               {int64(0)},
		"fail_by_drop":                     {false},
		"echo_close_code_reason":           {false},
		"utf8validate_incoming":            {true},
		"mask_client_frames":               {true},
		"apply_mask":                       {true},
		"accept_masked_server_frames":      {false},
		"auto_ping_restart_on_any_traffic": {true},
		"per_message_compression_offers":   {[]any{}},
		"version":                          {int64(13), int64(18)}, // RFC 6455, and the number of its last draft
	} {
		keys[key] = only(values...)
		if t.kind == "rawsocket" {
			keys[key] = func(v settings.Value) { v.Errorf("not for rawsocket") }
		}
	}
	return keys
}

// only accepts what is done anyway.
func only(values ...any) func(settings.Value) {
	return func(v settings.Value) {
		var texts []string
		for _, value := range values {
			if reflect.DeepEqual(v.Any(), value) {
				return
			}
			texts = append(texts, fmt.Sprint(value))
		}
		v.Errorf("only %s is supported", strings.Join(texts, " or "))
	}
}
