package router

import (
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// register adds m as a callee. The first callee decides the invocation policy; a
// second one needs the same shared policy (Advanced Profile, "Shared Registration").
// With force_reregister the newcomer takes the place of all others.
func (r *Realm) register(m *member, msg *protocol.Register) {
	policy := msg.Options.Invoke
	if policy == "" {
		policy = protocol.InvokeSingle
	}
	reg, exists := r.current.registrations.get(msg.Procedure, msg.Options.Match)
	if !exists && !r.current.registrations.admits(msg.Procedure, msg.Options.Match) {
		r.refuseShape(m.peer, msg, msg.Request)
		return
	}
	if exists && msg.Options.ForceReregister {
		r.evict(reg)
		exists = false
	}
	if exists && (reg.Invoke == protocol.InvokeSingle || reg.Invoke != policy || m.serves(reg)) {
		r.refuse(m.peer, msg, msg.Request, protocol.ErrorProcedureAlreadyExists)
		return
	}
	callee := Endpoint{
		Peer:           m.peer,
		DiscloseCaller: msg.Options.DiscloseCaller,
		ForwardTimeout: msg.Options.ForwardTimeout && m.peer.asCallee(protocol.FeatureCallTimeout),
	}
	next := &Registration{
		ID: r.newIDUnless(exists), URI: msg.Procedure, Match: msg.Options.Match,
		Invoke: policy, Created: r.now, cursor: new(atomic.Uint64),
	}
	if exists {
		*next = *reg
		next.cursor = reg.cursorFor(reg.Callees.Len())
	}
	place := r.newPlace()
	next.Callees = next.Callees.with(place, callee)
	r.storeRegistration(next)
	m.regs = addPlace(m.regs, next.ID, place)
	r.answer(m.peer, &protocol.Registered{Request: msg.Request, Registration: next.ID})
	if !exists {
		r.lists.registrations = nil
		r.metaEvent(onRegistrationCreate, m.peer.ID, next)
	}
	r.metaEvent(onRegister, m.peer.ID, next.ID)
}

func (r *Realm) newIDUnless(known bool) protocol.ID {
	if known {
		return 0
	}
	return r.newID()
}

func (r *Realm) unregister(m *member, msg *protocol.Unregister) {
	if _, held := m.regs[msg.Registration]; !held {
		r.refuse(m.peer, msg, msg.Request, protocol.ErrorNoSuchRegistration)
		return
	}
	r.answer(m.peer, &protocol.Unregistered{Request: msg.Request, Details: protocol.RevocationDetails{ID: msg.Registration}})
	r.dropCallee(r.regs[msg.Registration], m)
}

// dropCallee takes m off the registration, and the registration off the realm with
// its last callee.
func (r *Realm) dropCallee(reg *Registration, m *member) {
	place := m.regs[reg.ID]
	delete(m.regs, reg.ID)
	if reg.Callees.Len() == 1 {
		r.deleteRegistration(reg)
		r.metaEvent(onUnregister, m.peer.ID, reg.ID)
		r.metaEvent(onRegistrationDelete, m.peer.ID, reg.ID)
		return
	}
	next := *reg
	next.Callees = reg.Callees.without(place)
	next.cursor = reg.cursorFor(reg.Callees.index(place))
	r.storeRegistration(&next)
	r.metaEvent(onUnregister, m.peer.ID, reg.ID)
}

// evict takes the registration away from all its callees, at once: one after the other would
// make a new registration for each of them.
func (r *Realm) evict(reg *Registration) {
	r.deleteRegistration(reg)
	var last protocol.ID
	for e := range reg.Callees.All {
		last = e.Peer.ID
		m := r.members[last]
		delete(m.regs, reg.ID)
		r.revoked(m, reg, "another callee took over the procedure")
		r.metaEvent(onUnregister, last, reg.ID)
	}
	r.metaEvent(onRegistrationDelete, last, reg.ID)
}

// revokeRegistration takes a registration away from m and tells it.
func (r *Realm) revokeRegistration(m *member, reg *Registration, reason string) {
	r.revoked(m, reg, reason)
	r.dropCallee(reg, m)
}

func (r *Realm) revoked(m *member, reg *Registration, reason string) {
	r.reply(m.peer, Delivery{Kind: Revoke, Message: &protocol.Unregistered{
		Details: protocol.RevocationDetails{ID: reg.ID, Reason: reason},
	}})
}

func (r *Realm) storeRegistration(reg *Registration) {
	r.regs[reg.ID] = reg
	r.current.registrations = r.current.registrations.with(reg.URI, reg.Match, reg)
	r.changed = true
}

func (r *Realm) deleteRegistration(reg *Registration) {
	delete(r.regs, reg.ID)
	r.current.registrations = r.current.registrations.without(reg.URI, reg.Match)
	r.changed = true
	r.lists.registrations = nil
}

func (m *member) serves(reg *Registration) bool {
	_, held := m.regs[reg.ID]
	return held
}
