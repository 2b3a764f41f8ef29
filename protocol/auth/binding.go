package auth

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// BindingType is a way of identifying a TLS connection, so that an authentication is worth
// nothing on any other connection.
type BindingType string

// The binding types.
const (
	// NoBinding is the zero value.
	NoBinding BindingType = ""
	// TLSUnique is the first Finished message (RFC 5929), for TLS 1.2.
	TLSUnique BindingType = "tls-unique"
	// TLSServerEndPoint is the hash of the router's certificate (RFC 5929), for SCRAM.
	TLSServerEndPoint BindingType = "tls-server-end-point"
	// TLSExporter is exported keying material (RFC 9266), for TLS 1.3.
	TLSExporter BindingType = "tls-exporter"
)

func (t BindingType) known() bool {
	return t == TLSUnique || t == TLSServerEndPoint || t == TLSExporter
}

// ChannelBinding identifies a TLS connection. The zero value is no binding.
type ChannelBinding struct {
	Type BindingType
	Data []byte // as the RFC of the type has it, not hashed
}

// BindTLS returns the binding of type TLSUnique or TLSExporter of a connection, after its
// handshake. Errors are ErrChannelBinding: the version of TLS does not have this type, or the
// session was resumed without an extended master secret. TLSExporter is refused before TLS
// 1.3, where peers disagree on whether it has an empty context or none.
func BindTLS(state *tls.ConnectionState, t BindingType) (ChannelBinding, error) {
	if state == nil || !state.HandshakeComplete {
		return ChannelBinding{}, bindError("the connection has no TLS")
	}
	b := ChannelBinding{Type: t}
	switch t {
	case TLSUnique:
		// Go leaves it empty where it would not be unique.
		b.Data = state.TLSUnique
	case TLSExporter:
		if state.Version < tls.VersionTLS13 {
			return ChannelBinding{}, bindError("tls-exporter needs TLS 1.3")
		}
		data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, sha256.Size)
		if err != nil {
			return ChannelBinding{}, fmt.Errorf("auth: %w: %w", ErrChannelBinding, err)
		}
		b.Data = data
	default:
		return ChannelBinding{}, bindError("a connection has no binding of type " + string(t))
	}
	return b, b.check()
}

// BindCertificate returns the binding of type TLSServerEndPoint for the router's certificate.
// The error is ErrChannelBinding: the RFC defines no hash for certificates signed with Ed25519.
func BindCertificate(cert *x509.Certificate) (ChannelBinding, error) {
	var hash crypto.Hash
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return ChannelBinding{}, bindError("no tls-server-end-point for a certificate signed by " + cert.SignatureAlgorithm.String())
	}
	h := hash.New()
	h.Write(cert.Raw) // never fails
	return ChannelBinding{Type: TLSServerEndPoint, Data: h.Sum(nil)}, nil
}

func bindError(problem string) error {
	return failf(ErrChannelBinding, "channel binding", "%s", problem)
}

// check refuses what identifies no connection.
func (b ChannelBinding) check() error {
	switch {
	case b.Type == NoBinding && len(b.Data) > 0:
		return bindError("data without a type")
	case b.Type == NoBinding:
		return nil
	case !b.Type.known():
		return bindError("the type is unknown")
	}
	for _, octet := range b.Data {
		if octet != 0 {
			return nil
		}
	}
	return bindError("the connection has no data for " + string(b.Type))
}

// channelID is a connection's identification for cryptosign.
type channelID [32]byte

// channelID returns nil for no binding. Autobahn hashes tls-unique, which has 12 octets where
// cryptosign needs 32; the specification is silent.
func (b ChannelBinding) channelID() (*channelID, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	switch b.Type {
	case NoBinding:
		return nil, nil
	case TLSUnique:
		id := channelID(sha256.Sum256(b.Data))
		return &id, nil
	case TLSExporter:
		if len(b.Data) != sha256.Size {
			return nil, bindError("tls-exporter must have 32 octets")
		}
		id := channelID(b.Data)
		return &id, nil
	default:
		return nil, bindError("cryptosign knows no binding of type " + string(b.Type))
	}
}

// Binder returns the binding of a given type of one connection, as BindTLS and BindCertificate
// do. A nil Binder has none.
type Binder func(BindingType) (ChannelBinding, error)

// requested returns the binding that a client asks for in HELLO.
func (bind Binder) requested(f fields, required bool) (ChannelBinding, error) {
	name, _, err := f.optional("channel_binding")
	if err != nil {
		return ChannelBinding{}, err
	}
	t := BindingType(name)
	switch {
	case t == NoBinding && required:
		return ChannelBinding{}, failf(ErrChannelBinding, f.method, "this router requires channel binding")
	case t == NoBinding:
		return ChannelBinding{}, nil
	case !t.known():
		return ChannelBinding{}, f.fail("channel_binding", "unknown type")
	case bind == nil:
		return ChannelBinding{}, failf(ErrChannelBinding, f.method, "the connection has no channel binding")
	}
	b, err := bind(t)
	if err != nil {
		return ChannelBinding{}, err
	}
	if b.Type != t {
		return ChannelBinding{}, failf(ErrChannelBinding, f.method, "the connection has no binding of the requested type")
	}
	return b, b.check()
}
