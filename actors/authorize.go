package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// consultation is an authorizer at work for a session.
type consultation struct {
	router.Consultation
	// mute keeps the outcome from being posted; it reports whether it was not yet.
	mute   func() bool
	cancel context.CancelFunc
}

// authorized is the outcome of a consultation; err is why there is none.
type authorized struct {
	of       *consultation
	decision router.Authorization
	err      error
}

// errUndecided is why the ctx of an authorizer ends that takes too long.
var errUndecided = errors.New("actors: router: the authorizer took too long")

// Authorize implements router.Effects. An authorizer that does not heed its ctx loses its
// say, but its goroutine lasts as long as it does.
func (s *routerSession) Authorize(c router.Consultation) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.Timeout, errUndecided)
	c.Request.Call = s.router.services.call
	of := &consultation{Consultation: c, cancel: cancel}
	s.consultation = of
	host, self := s.router.host, s.self
	of.mute = context.AfterFunc(ctx, func() { host.send(self, &authorized{of: of, err: context.Cause(ctx)}) })
	go func() {
		defer cancel()
		m := &authorized{of: of}
		m.err = safely(func() (err error) {
			m.decision, err = c.Authorizer.Authorize(ctx, c.Request)
			return err
		})
		if ctx.Err() != nil && (m.err == nil || errors.Is(m.err, ctx.Err())) {
			m.err = context.Cause(ctx) // too late, even if it is faster than what waits for ctx
		}
		if of.mute() {
			host.send(self, m)
		}
	}()
}

// authorized goes on with what waited for a decision.
func (s *routerSession) authorized(m *authorized) {
	if m.of != s.consultation || s.closed {
		return
	}
	s.consultation = nil
	if m.err != nil {
		s.logUndecided(m)
	}
	s.session.Route(s.realm.snapshot.Load())
	s.settle(s.session.Authorized(m.of.Ticket, m.decision, m.err, s))
	if s.session != nil {
		s.session.Flush(s)
	}
	s.unpark()
	s.endTurn()
}

func (s *routerSession) logUndecided(m *authorized) {
	attrs := []any{
		slog.String("action", m.of.Request.Action.String()), slog.Any("uri", m.of.Request.URI), slog.Any("reason", m.err),
	}
	if bug, ok := errors.AsType[*supervisor.PanicError](m.err); ok {
		attrs = append(attrs, stackOf(bug))
	}
	s.log.Error("authorizer failed", attrs...)
}

// park keeps a batch of which messages wait for a decision: as long as they do, its bytes
// count as not handled.
func (s *routerSession) park(b *inbound) { s.parked = append(s.parked, b) }

// unpark gives back the batches of which no message waits any more.
func (s *routerSession) unpark() {
	if s.session == nil || s.session.Parked() == 0 {
		s.freeParked()
	}
}

func (s *routerSession) freeParked() {
	for _, b := range s.parked {
		b.free()
	}
	s.parked = nil
}

// endConsultation ends what the session waits for: it has ended itself.
func (s *routerSession) endConsultation() {
	if s.consultation != nil {
		s.consultation.mute()
		s.consultation.cancel()
		s.consultation = nil
	}
	s.freeParked()
}

// accesses makes the rules of all realms ready.
func (r *Router) accesses(configs map[protocol.URI]router.AuthorizationConfig) (map[protocol.URI]*router.Access, error) {
	reserved := make(map[protocol.URI][]protocol.URI)
	for _, c := range r.cfg.Realms {
		authenticators := slices.Concat(c.Authenticators, slices.Concat(slices.Collect(maps.Values(c.Paths))...))
		for in, procedures := range router.Reserved(c.Name, configs[c.Name], authenticators...) {
			reserved[in] = append(reserved[in], procedures...)
		}
	}
	made := make(map[protocol.URI]*router.Access, len(configs))
	for name, cfg := range configs {
		access, err := router.NewAccess(cfg, reserved[name]...)
		if err != nil {
			return nil, fmt.Errorf("realms: %q: authorization: %w", name, err)
		}
		made[name] = access
	}
	return made, nil
}

// SetAuthorization replaces the rules of a realm. It returns at once; what clients ask for
// is judged by the new rules shortly after, and every decision that was to be used again is
// forgotten. What clients have registered and subscribed stays; a client whose role is gone
// stays too and may do nothing more. The error names the setting at fault, or says that
// there is no such realm.
func (r *Router) SetAuthorization(realm protocol.URI, cfg router.AuthorizationConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.realms[realm] == nil {
		return fmt.Errorf("actors: router: no realm %q", string(realm))
	}
	configs := maps.Clone(r.authorization)
	configs[realm] = cfg
	made, err := r.accesses(configs)
	if err != nil {
		return fmt.Errorf("actors: router: %w", err)
	}
	r.authorization = configs
	for name, ref := range r.realms { // one realm's authorizers may be procedures of another
		r.host.send(ref.pid, &realmAuthorize{access: made[name]})
	}
	return nil
}
