// Command tls publishes and subscribes over TLS, to a router whose certificate no authority has
// signed: the certificate itself is what the clients trust.
//
//	cloverleaf router --demo --demo-cert demo.pem
//	go run ./examples/pubsub/tls backend --ca demo.pem
//	go run ./examples/pubsub/tls frontend --ca demo.pem
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	ca := flag.String("ca", "demo.pem", "`FILE` with the certificates to trust")
	secure := func(role func(context.Context, cloverleaf.Config) error) func(context.Context, cloverleaf.Config) error {
		return func(ctx context.Context, cfg cloverleaf.Config) error {
			trust, err := trustOnly(*ca)
			if err != nil {
				return err
			}
			cfg.Transports[0].TLS = trust
			return role(ctx, cfg)
		}
	}
	example.MainAt("wss://localhost:8083/ws", "crossbardemo", example.Roles{"backend": secure(backend), "frontend": secure(frontend)})
}

// trustOnly accepts routers with one of the certificates in a PEM file, and no others.
func trustOnly(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		return example.Every(ctx, func(counter int) error {
			fmt.Println("publish: com.myapp.topic1", counter)
			_, err := s.Publish(ctx, "com.myapp.topic1", session.Args(counter))
			return err
		})
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	received := 0
	comp.Subscribe("com.myapp.topic1", func(ctx context.Context, ev *session.Event, counter int) error {
		fmt.Println("Got event:", counter)
		if received++; received < 5 {
			return nil
		}
		return ev.Session().Leave(ctx)
	})
	return cloverleaf.Run(ctx, comp)
}
