package main

import (
	"bytes"
	"crypto/tls"
	_ "embed"
	"fmt"
	html "html/template"
	"io"
	"net/url"
	"strings"
	text "text/template"
)

//go:embed demo.html
var demoHTML string

const demoBanner = `
DEMO, INSECURE: everybody on this machine may use it, and its secrets are public.
It listens on loopback addresses only and offers what the examples of Autobahn|Python
expect, realm {{.Realm}}, and realm1 for anonymous clients. There is no MQTT.

  anonymous    {{range $i, $u := .Anonymous}}{{if $i}}
               {{end}}{{$u}}{{end}}
  with login   {{range $i, $u := .Auth}}{{if $i}}
               {{end}}{{$u}}{{end}}
  page         {{range $i, $u := .Pages}}{{if $i}}
               {{end}}{{$u}}{{end}}
  certificate  {{if .CertFile}}{{.CertFile}}, {{end}}SHA-256 {{.Fingerprint}}

  method       authid      role            secret
{{- range .Users}}
  {{printf "%-12s %-11s %-15s %s" .Method .AuthID .Role .Secret}}
{{- end}}

`

// demoOffer is what the demonstration offers, for people.
type demoOffer struct {
	Realm                  string
	Anonymous, Auth, Pages []string // URLs
	Users                  []demoUser
	CertFile, Fingerprint  string
}

func newDemoOffer(certFile string, cert tls.Certificate) *demoOffer {
	return &demoOffer{Realm: demoRealm, Users: demoUsers(), CertFile: certFile, Fingerprint: fingerprint(cert)}
}

// add adds the URLs of a listener.
func (o *demoOffer) add(urls []string) {
	o.Anonymous = append(o.Anonymous, urls...)
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
			continue
		}
		u.Path = demoAuthPath
		o.Auth = append(o.Auth, u.String())
		u.Scheme, u.Path = "http"+strings.TrimPrefix(u.Scheme, "ws"), "/"
		o.Pages = append(o.Pages, u.String())
	}
}

// banner says what there is.
func (o *demoOffer) banner(w io.Writer) error {
	t, err := text.New("banner").Parse(demoBanner)
	if err != nil {
		return fmt.Errorf("banner: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, o); err != nil {
		return fmt.Errorf("banner: %w", err)
	}
	say(w, b.String())
	return nil
}

// page returns the page at the root.
func (o *demoOffer) page() ([]byte, error) {
	t, err := html.New("page").Parse(demoHTML)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, o); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}
