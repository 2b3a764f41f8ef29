package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// ClientConfig says how to reach a peer. URL alone is enough.
type ClientConfig struct {
	// URL is the peer: "ws://host[:port]/path", "wss://…", "rs://host:port",
	// "rss://host:port", "rs+unix:///path" (also "rs://unix:/path"), or
	// "ws+unix:///path", which requests "/ws". The secure schemes always use TLS, the
	// others never. With an Endpoint the host serves TLS and HTTP only, and a port is
	// not needed.
	URL string
	// Endpoint, if not nil, is where to connect instead of what the URL says, and how.
	Endpoint *Endpoint
	// Serializers are offered in this order; nil is protocol.Serializers. A RawSocket
	// handshake offers one at a time, so each refusal costs a connection.
	Serializers []protocol.Serializer
	// TLS configures wss and rss; nil verifies the host by the system's roots.
	TLS *tls.Config
	// Header is added to the WebSocket request.
	Header http.Header
	// Options are the limits and timeouts.
	Options Options
	// DialContext opens connections; nil is that of net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy is an HTTP proxy, "http://[user:password@]host:port", that opens a tunnel
	// to the peer by CONNECT; nil connects directly.
	Proxy *url.URL
}

// Endpoint is a place to connect to. What is left out is as the URL says.
type Endpoint struct {
	// Type is "tcp", "tcp4", "tcp6" or "unix". Default "unix" with a Path, else "tcp".
	Type string
	Host string // tcp
	Port int    // tcp
	Path string // unix: the socket
	TLS  *bool  // must agree with the URL's scheme; nil is what that says
	// Timeout bounds the time until there is a connection: TCP, a proxy's tunnel and TLS. Default
	// Options.HandshakeTimeout, which bounds that and the handshake behind it.
	Timeout time.Duration
}

// target is what a valid ClientConfig comes to.
type target struct {
	kind    Kind
	url     *url.URL // for the WebSocket request: ws or wss
	name    string   // for people: the URL without query
	secure  bool
	host    string // the name to verify
	network string
	addr    string
}

// Validate reports every problem of the configuration, each with the name of its key.
// The texts contain no credentials.
func (c ClientConfig) Validate() error {
	_, err := c.resolve()
	return err
}

func (c ClientConfig) resolve() (*target, error) {
	t, err := parseURL(c.URL, c.Endpoint != nil)
	errs := []error{err, validateSerializers(c.Serializers), c.Options.Validate()}
	if t != nil {
		errs = append(errs, c.agree(t)...)
	}
	if p := c.Proxy; p != nil {
		switch {
		case p.Scheme != "http":
			errs = append(errs, fmt.Errorf("proxy: scheme %q is not supported, want http", p.Scheme))
		case p.Hostname() == "":
			errs = append(errs, errors.New("proxy: no host"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("transport: client config: %w", err)
	}
	return t, nil
}

// agree checks what depends on the URL and completes the target.
func (c ClientConfig) agree(t *target) (errs []error) {
	if e := c.Endpoint; e != nil {
		errs = append(errs, e.locate(t)...)
		if e.TLS != nil && *e.TLS != t.secure {
			errs = append(errs, fmt.Errorf("endpoint.tls: %v contradicts the url's scheme %s", *e.TLS, t.url.Scheme))
		}
	}
	if c.TLS != nil && !t.secure {
		errs = append(errs, fmt.Errorf("tls: set, but the url's scheme %s is without TLS", t.url.Scheme))
	}
	if t.secure && t.host == "" && (c.TLS == nil || c.TLS.ServerName == "" && !c.TLS.InsecureSkipVerify) {
		errs = append(errs, errors.New("tls: neither the url nor a server name says which host to verify"))
	}
	if t.kind == RawSocket && len(c.Header) > 0 {
		errs = append(errs, errors.New("header: rawsocket sends none"))
	}
	for key := range c.Header {
		if reservedHeader(http.CanonicalHeaderKey(key)) {
			errs = append(errs, fmt.Errorf("header: %s belongs to the handshake", key))
		}
	}
	if c.Proxy != nil && t.network == "unix" {
		errs = append(errs, errors.New("proxy: not possible with a unix socket"))
	}
	return errs
}

func reservedHeader(key string) bool {
	switch key {
	case "Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
		"Sec-Websocket-Protocol", "Sec-Websocket-Accept":
		return true
	default:
		return false
	}
}

// locate completes the target.
func (e *Endpoint) locate(t *target) (errs []error) {
	if e.Timeout < 0 {
		errs = append(errs, fmt.Errorf("endpoint.timeout: %v is negative", e.Timeout))
	}
	network := e.Type
	switch {
	case network == "" && e.Path != "":
		network = "unix"
	case network == "":
		network = "tcp"
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		errs = append(errs, e.locateTCP(t)...)
	case "unix":
		if e.Path == "" {
			errs = append(errs, errors.New("endpoint.path: missing"))
		}
		if e.Host != "" {
			errs = append(errs, errors.New("endpoint.host: not for type unix"))
		}
		if e.Port != 0 {
			errs = append(errs, errors.New("endpoint.port: not for type unix"))
		}
		t.addr = e.Path
	default:
		errs = append(errs, fmt.Errorf("endpoint.type: %q is none of tcp, tcp4, tcp6, unix", e.Type))
	}
	t.network = network
	return errs
}

func (e *Endpoint) locateTCP(t *target) (errs []error) {
	host, port, err := net.SplitHostPort(t.addr)
	if err != nil { // no port
		host, port = t.host, ""
	}
	if e.Host != "" {
		host = e.Host
	}
	if e.Port != 0 {
		port = strconv.Itoa(e.Port)
	}
	if host == "" {
		errs = append(errs, errors.New("endpoint.host: missing"))
	}
	switch {
	case port == "":
		errs = append(errs, errors.New("endpoint.port: missing"))
	case e.Port < 0 || e.Port > 65535: // that of the URL was checked
		errs = append(errs, fmt.Errorf("endpoint.port: %d is not in 1..65535", e.Port))
	}
	if e.Path != "" {
		errs = append(errs, fmt.Errorf("endpoint.path: not for type %s", e.Type))
	}
	t.addr = net.JoinHostPort(host, port)
	return errs
}

// parseURL reads the URL of a peer. With an endpoint it need not name a place.
func parseURL(text string, endpoint bool) (*target, error) {
	if path, ok := strings.CutPrefix(text, "rs://unix:/"); ok {
		text = "rs+unix:///" + path
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("url: missing")
	case err != nil:
		return nil, errors.New("url: malformed") // the parser's text quotes the URL, credentials included
	case u.User != nil:
		return nil, errors.New("url: credentials are not allowed")
	case u.Fragment != "":
		return nil, errors.New("url: a fragment is not allowed")
	}
	t := &target{url: u, host: u.Hostname(), network: "tcp", addr: u.Host}
	t.name = u.Scheme + "://" + u.Host + u.Path
	switch u.Scheme {
	case "ws", "wss":
		t.kind, t.secure = WebSocket, u.Scheme == "wss"
		return t, t.webSocketPort()
	case "rs", "rss":
		t.secure = u.Scheme == "rss"
		return t, t.rawPort(endpoint)
	case "ws+unix":
		t.kind = WebSocket
		t.url = &url.URL{Scheme: "ws", Host: "localhost", Path: "/ws", RawQuery: u.RawQuery}
	case "rs+unix":
	default:
		return nil, fmt.Errorf("url: scheme %q is none of ws, wss, rs, rss, ws+unix, rs+unix", u.Scheme)
	}
	t.network, t.addr = "unix", u.Path
	if u.Host != "" || len(u.Path) < 2 {
		return nil, fmt.Errorf("url: %s wants a path after three slashes", u.Scheme)
	}
	if endpoint {
		return nil, fmt.Errorf("url: scheme %s contradicts endpoint: it is one itself", u.Scheme)
	}
	return t, nil
}

func (t *target) webSocketPort() error {
	if t.host == "" {
		return errors.New("url: no host")
	}
	port := t.url.Port()
	if port == "" {
		port = "80"
		if t.secure {
			port = "443"
		}
	}
	t.addr = net.JoinHostPort(t.host, port)
	return validPort(port)
}

func (t *target) rawPort(endpoint bool) error {
	u := t.url
	switch {
	case u.Path != "" && u.Path != "/", u.RawQuery != "":
		return fmt.Errorf("url: %s takes neither path nor query", u.Scheme)
	case u.Port() == "" && endpoint:
		return nil
	case t.host == "":
		return errors.New("url: no host")
	case u.Port() == "":
		return fmt.Errorf("url: %s needs a port", u.Scheme)
	}
	return validPort(u.Port())
}

func validPort(port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("url: port %s is not in 1..65535", port)
	}
	return nil
}

func (c ClientConfig) serializers() []protocol.Serializer {
	if c.Serializers == nil {
		return protocol.Serializers()
	}
	return slices.Clone(c.Serializers)
}
