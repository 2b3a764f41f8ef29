package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// This file is what a routerSession does before its session is established.

// decided is the outcome of what a handshake waited for.
type decided struct {
	handshake *router.Handshake
	exchange  router.Exchange
	err       error
}

// newHandshake waits for a HELLO, but not for ever.
func (s *routerSession) newHandshake() {
	serializer, path := protocol.MessagePack, ""
	if s.conn != nil {
		serializer, path = s.conn.Serializer(), s.conn.Details().Path
	}
	s.handshake = &router.Handshake{
		Admit: func(realm protocol.URI) (router.Admission, bool) { return s.router.admit(realm, path) },
		NewID: s.router.reserveID, Serializer: serializer, Bind: routerBinder(s.conn), Now: time.Now,
		As: s.as, Internal: s.internal, Transport: transportInfo(s.conn), Call: s.router.services.call,
	}
	s.startDeadline(s.router.cfg.Options.HandshakeTimeout)
}

// receiveHandshake handles a message before there is a session.
func (s *routerSession) receiveHandshake(m protocol.Message) {
	if hello, ok := m.(*protocol.Hello); ok {
		announcePings(s.router.host, s.transport, hello.Details.Agent)
	}
	s.shake(s.handshake.Receive(m, s.Send))
}

// shake does what a step of the handshake asks for.
func (s *routerSession) shake(peer *router.Peer, verdict router.Verdict) {
	if s.unsendable != nil {
		s.Send(abort(protocol.ErrorPayloadSizeExceeded, "the peer's limit is too low for this router's messages"))
		s.close(closeNormal)
		return
	}
	switch {
	case verdict == router.Waiting:
		s.work()
	case verdict != router.Continue:
		s.logRefusal(s.handshake.Err())
		s.close(closeNormal)
	case peer == nil: // challenged: working out the answer may take its time
		s.startDeadline(s.router.cfg.Options.HandshakeTimeout)
	default:
		s.stopDeadline()
		s.handshake = nil // its id is the session's now
		s.join(peer)
	}
}

// work does what blocks, on a goroutine that ends with the handshake.
func (s *routerSession) work() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopWork = cancel
	host, self, work, m := s.router.host, s.self, s.handshake.Work(), &decided{handshake: s.handshake}
	go func() {
		defer cancel()
		guard(func() (err error) {
			m.exchange, err = work(ctx)
			return err
		}, func(err error) {
			m.err = err
			if ctx.Err() == nil { // else nobody waits for it any more
				host.send(self, m)
			}
		})
	}()
}

func (s *routerSession) decided(m *decided) {
	if m.handshake != s.handshake || s.closed {
		return
	}
	s.stopWork = nil
	s.shake(s.handshake.Resume(m.exchange, m.err, s.Send))
}

// logRefusal says more than the client is told.
func (s *routerSession) logRefusal(err error) {
	var refusal *router.RefusalError
	var violation *protocol.ViolationError
	switch {
	case err == nil: // the client has given up
	case errors.As(err, &refusal), errors.As(err, &violation):
		s.log.Debug("client refused", "reason", err)
	default:
		s.log.Warn("client not authenticated", "reason", err, stackOf(err))
	}
}

// endHandshake gives back what a handshake without success has reserved.
func (s *routerSession) endHandshake() {
	s.stopDeadline()
	if s.stopWork != nil {
		s.stopWork()
		s.stopWork = nil
	}
	if s.handshake == nil {
		return
	}
	id := s.handshake.Reserved()
	s.handshake = nil
	if id != 0 {
		s.router.releaseID(id)
	}
}

// transportInfo describes a connection; nil is a pipe.
func transportInfo(conn *transport.Conn) func() router.TransportInfo {
	if conn == nil {
		return func() router.TransportInfo {
			return router.TransportInfo{Type: "pipe", Protocol: protocol.MessagePack.Subprotocol()}
		}
	}
	return func() router.TransportInfo {
		d := conn.Details()
		info := router.TransportInfo{
			Type: d.Kind.String(), Protocol: conn.Serializer().Subprotocol(), Peer: peerName(d.RemoteAddr),
			Secure: d.TLS != nil, Path: d.Path, Host: d.Host,
		}
		if d.TLS != nil && len(d.TLS.PeerCertificates) > 0 {
			sum := sha256.Sum256(d.TLS.PeerCertificates[0].Raw)
			info.ClientCert = hex.EncodeToString(sum[:])
		}
		if len(d.Header) > 0 {
			info.Header = make(map[string]string, len(d.Header))
		}
		for name, values := range d.Header {
			info.Header[strings.ToLower(name)] = strings.Join(values, ", ")
		}
		return info
	}
}

func peerName(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	switch {
	case !ok:
		return "unix"
	case tcp.IP.To4() != nil:
		return "tcp4:" + tcp.String()
	default:
		return "tcp6:" + tcp.String()
	}
}
