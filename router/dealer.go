package router

import (
	"slices"
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
	if exists && (reg.Invoke == protocol.InvokeSingle || reg.Invoke != policy || reg.serves(m.peer)) {
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
		next.cursor = reg.cursorFor(len(reg.Callees))
	}
	next.Callees = append(slices.Clip(slices.Clone(next.Callees)), callee)
	r.storeRegistration(next)
	if m.regs == nil {
		m.regs = make(map[protocol.ID]struct{}, 1)
	}
	m.regs[next.ID] = struct{}{}
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
	delete(m.regs, msg.Registration)
	r.dropCallee(r.regs[msg.Registration], m.peer)
}

// dropCallee takes p off the registration, and the registration off the realm with
// its last callee.
func (r *Realm) dropCallee(reg *Registration, p *Peer) {
	if len(reg.Callees) == 1 {
		r.deleteRegistration(reg)
		r.metaEvent(onUnregister, p.ID, reg.ID)
		r.metaEvent(onRegistrationDelete, p.ID, reg.ID)
		return
	}
	next := *reg
	i := slices.IndexFunc(reg.Callees, func(e Endpoint) bool { return e.Peer == p })
	next.Callees = slices.Delete(slices.Clone(reg.Callees), i, i+1)
	next.cursor = reg.cursorFor(i)
	r.storeRegistration(&next)
	r.metaEvent(onUnregister, p.ID, reg.ID)
}

// evict takes the registration away from all its callees.
func (r *Realm) evict(reg *Registration) {
	for _, e := range reg.Callees {
		r.revokeRegistration(r.members[e.Peer.ID], r.regs[reg.ID], "another callee took over the procedure")
	}
}

// revokeRegistration takes a registration away from m and tells it.
func (r *Realm) revokeRegistration(m *member, reg *Registration, reason string) {
	delete(m.regs, reg.ID)
	r.reply(m.peer, Delivery{Kind: Revoke, Message: &protocol.Unregistered{
		Details: protocol.RevocationDetails{ID: reg.ID, Reason: reason},
	}})
	r.dropCallee(reg, m.peer)
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

func (r *Registration) serves(p *Peer) bool {
	return slices.ContainsFunc(r.Callees, func(e Endpoint) bool { return e.Peer == p })
}
