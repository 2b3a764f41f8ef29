package router

import (
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// registrationDetails is a registration as the meta API shows it.
type registrationDetails struct {
	ID      protocol.ID           `json:"id"`
	Created string                `json:"created"`
	URI     protocol.URI          `json:"uri"`
	Match   string                `json:"match"`
	Invoke  protocol.InvokePolicy `json:"invoke"`
}

func (r *Registration) describe() any {
	return registrationDetails{ID: r.ID, Created: timestamp(r.Created), URI: r.URI, Match: r.Match.String(), Invoke: r.Invoke}
}

// timestamp returns a time as the meta API shows it, by RFC 3339.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

func (r *Realm) registration(id protocol.ID) (*Registration, error) {
	if reg := r.regs[id]; reg != nil {
		return reg, nil
	}
	return nil, metaErrorf(protocol.ErrorNoSuchRegistration, "no registration %d", id)
}

func registrationList(*metaRequest) (metaOp, error) {
	return func(r *Realm, _ *member) ([]any, error) {
		if r.lists.registrations == nil {
			r.lists.registrations = listIDs(r.current.registrations, func(reg *Registration) protocol.ID { return reg.ID })
		}
		return []any{r.lists.registrations}, nil
	}, nil
}

func registrationLookup(m *metaRequest) (metaOp, error) {
	uri, match, err := patternArgument(m.Payload, "procedure")
	return func(r *Realm, _ *member) ([]any, error) {
		reg, found := r.current.registrations.get(uri, match)
		if !found {
			return []any{nil}, nil
		}
		return []any{reg.ID}, nil
	}, err
}

// registrationMatch answers as a call would be routed: below "wamp" no registration counts.
func registrationMatch(m *metaRequest) (metaOp, error) {
	var uri protocol.URI
	err := arguments(m.Payload, 1, []string{"procedure"}, &uri)
	return func(r *Realm, _ *member) ([]any, error) {
		if !uri.Valid() || uri.Reserved() {
			return []any{nil}, nil
		}
		if reg := r.current.Procedure(uri); reg != nil {
			return []any{reg.ID}, nil
		}
		return []any{nil}, nil
	}, err
}

// ofRegistration makes an operation of what to return about a registration.
func ofRegistration(m *metaRequest, result func(*Registration) any) (metaOp, error) {
	id, err := idArgument(m.Payload, "registration")
	return func(r *Realm, _ *member) ([]any, error) {
		reg, err := r.registration(id)
		if err != nil {
			return nil, err
		}
		return []any{result(reg)}, nil
	}, err
}

func registrationGet(m *metaRequest) (metaOp, error) {
	return ofRegistration(m, (*Registration).describe)
}

func registrationListCallees(m *metaRequest) (metaOp, error) {
	return ofRegistration(m, func(reg *Registration) any {
		ids := make([]protocol.ID, 0, reg.Callees.Len())
		for e := range reg.Callees.All {
			ids = append(ids, e.Peer.ID)
		}
		return ids
	})
}

func registrationCountCallees(m *metaRequest) (metaOp, error) {
	return ofRegistration(m, func(reg *Registration) any { return reg.Callees.Len() })
}

func registrationRemoveCallee(m *metaRequest) (metaOp, error) {
	id, session, reason, err := removal(m.Payload, "registration")
	return func(r *Realm, _ *member) ([]any, error) {
		reg, err := r.registration(id)
		if err != nil {
			return nil, err
		}
		callee, err := r.member(session)
		if err != nil {
			return nil, err
		}
		if !callee.serves(reg) {
			return nil, metaErrorf(protocol.ErrorNoSuchRegistration, "session %d does not serve registration %d", session, id)
		}
		r.revokeRegistration(callee, reg, reason)
		return nil, nil
	}, err
}

// removal reads the arguments of remove_callee and remove_subscriber.
func removal(p protocol.Payload, name string) (id, session protocol.ID, reason string, err error) {
	kw := keywords(p)
	if reason = kw.text("reason"); kw.err == nil {
		kw.err = arguments(p, 2, []string{name, "session", "reason"}, &id, &session, &reason)
	}
	return id, session, reason, kw.err
}
