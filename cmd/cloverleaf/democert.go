package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

const (
	certificateBlock = "CERTIFICATE"
	// A clock that is behind must not make the certificate worthless, and a demonstration does not
	// run for a month.
	demoCertBefore = time.Hour
	demoCertAfter  = 30 * 24 * time.Hour
)

// newDemoCertificate makes a certificate for the names of this machine, signed by itself. Its key is
// never stored.
func newDemoCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "localhost", Organization: []string{"Cloverleaf demonstration"}},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    now.Add(-demoCertBefore), NotAfter: now.Add(demoCertAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// writeCertificate writes the certificate, without its key, for clients to trust. It replaces no file
// that is anything else.
func writeCertificate(name string, cert tls.Certificate) error {
	old, err := os.ReadFile(name) //nolint:gosec // the user's choice
	if err == nil {
		if block, rest := pem.Decode(old); block == nil || block.Type != certificateBlock || len(rest) > 0 {
			return fmt.Errorf("--demo-cert: %s exists and is no certificate", name)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--demo-cert: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Certificate[0]})
	if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("--demo-cert: %w", err)
	}
	return nil
}

// fingerprint returns the SHA-256 fingerprint as openssl shows it.
func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	octets := make([]string, len(sum))
	for i := range sum {
		octets[i] = strings.ToUpper(hex.EncodeToString(sum[i : i+1]))
	}
	return strings.Join(octets, ":")
}
