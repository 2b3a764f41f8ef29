package actors

import (
	"errors"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/auth"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// clientBinder returns the bindings of a connection to a router, nil for a pipe.
func clientBinder(conn *transport.Conn) auth.Binder {
	if conn == nil {
		return nil
	}
	return func(t auth.BindingType) (auth.ChannelBinding, error) {
		state := conn.Details().TLS
		if t == auth.TLSServerEndPoint && state != nil && len(state.PeerCertificates) > 0 {
			return auth.BindCertificate(state.PeerCertificates[0])
		}
		return auth.BindTLS(state, t)
	}
}

// routerBinder returns the bindings of a connection of a client, nil for a pipe. There is none of
// type auth.TLSServerEndPoint: crypto/tls does not say which certificate it has shown.
func routerBinder(conn *transport.Conn) auth.Binder {
	if conn == nil {
		return nil
	}
	return func(t auth.BindingType) (auth.ChannelBinding, error) { return auth.BindTLS(conn.Details().TLS, t) }
}

// authFailure gives a failed authentication its class: an impostor, a router whose challenges are
// out of bounds, or a connection that cannot be bound to will be the same the next time.
func authFailure(err error) error {
	for _, kind := range []error{auth.ErrUntrustedRouter, auth.ErrCost, auth.ErrChannelBinding} {
		if errors.Is(err, kind) {
			return supervisor.Permanent(err)
		}
	}
	return err
}

// verify checks the WELCOME.
func (d *dialing) verify(welcome *protocol.WelcomeDetails) error {
	if err := d.attempt.Verify(welcome); err != nil {
		return authFailure(err)
	}
	return nil
}
