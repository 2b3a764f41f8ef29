package router

import (
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// sessionDetails is a session as the meta API shows it.
type sessionDetails struct {
	Session      protocol.ID `json:"session"`
	AuthID       string      `json:"authid"`
	AuthRole     string      `json:"authrole"`
	AuthMethod   string      `json:"authmethod"`
	AuthProvider string      `json:"authprovider"`
}

func (p *Peer) describe() any {
	return sessionDetails{
		Session: p.ID, AuthID: p.AuthID, AuthRole: p.AuthRole, AuthMethod: p.AuthMethod, AuthProvider: p.AuthProvider,
	}
}

// visible calls yield for every session that the meta API shows.
func (r *Realm) visible(yield func(*member) bool) {
	for _, m := range r.members {
		if !m.peer.Internal && !yield(m) {
			return
		}
	}
}

// member returns a session that the meta API shows.
func (r *Realm) member(id protocol.ID) (*member, error) {
	if m := r.members[id]; m != nil && !m.peer.Internal {
		return m, nil
	}
	return nil, metaErrorf(protocol.ErrorNoSuchSession, "no session %d", id)
}

// sessions returns the ids of the sessions with one of the roles, ascending; nil roles
// are all.
func (r *Realm) sessions(roles []string) []protocol.ID {
	if roles == nil && r.lists.sessions != nil {
		return r.lists.sessions
	}
	ids := make([]protocol.ID, 0, len(r.members))
	for m := range r.visible {
		if roles == nil || slices.Contains(roles, m.peer.AuthRole) {
			ids = append(ids, m.peer.ID)
		}
	}
	slices.Sort(ids)
	if roles == nil {
		r.lists.sessions = ids
	}
	return ids
}

func sessionCount(m *metaRequest) (metaOp, error) {
	roles, err := roleFilter(m)
	return func(r *Realm, _ *member) ([]any, error) {
		if roles == nil { // no list is made of what may be many
			return []any{len(r.members) - r.internal}, nil
		}
		return []any{len(r.sessions(roles))}, nil
	}, err
}

func sessionList(m *metaRequest) (metaOp, error) {
	roles, err := roleFilter(m)
	return func(r *Realm, _ *member) ([]any, error) { return []any{r.sessions(roles)}, nil }, err
}

// roleFilter reads a list of authroles: nil if it is absent. What is more than a realm
// could need is refused, since each session is compared with all of them.
func roleFilter(m *metaRequest) ([]string, error) {
	const most, name = 64, "filter_authroles"
	var roles []string
	if err := arguments(m.Payload, 0, []string{name}, &roles); err != nil {
		return nil, err
	}
	if len(roles) > most {
		return nil, metaErrorf(protocol.ErrorInvalidArgument, "%s: has %d elements, at most %d", name, len(roles), most)
	}
	return roles, nil
}

func sessionGet(m *metaRequest) (metaOp, error) {
	id, err := idArgument(m.Payload, "session")
	return func(r *Realm, _ *member) ([]any, error) {
		found, err := r.member(id)
		if err != nil {
			return nil, err
		}
		return []any{found.peer.describe()}, nil
	}, err
}

// killing reads what the sessions that a call kills are to be told.
func killing(m *metaRequest) (*protocol.Goodbye, error) {
	kw := keywords(m.Payload)
	bye := &protocol.Goodbye{Reason: protocol.CloseKilled, Details: protocol.CloseDetails{Message: kw.text("message")}}
	if reason, given := option[string](kw, "reason", "text"); given {
		bye.Reason = protocol.URI(reason)
	}
	if kw.err == nil && !bye.Reason.Valid() {
		return nil, metaErrorf(protocol.ErrorInvalidURI, "reason: is not a valid URI")
	}
	return bye, kw.err
}

// kill ends a session. Whoever looks next does not see it any more.
func (r *Realm) kill(m *member, bye *protocol.Goodbye) {
	r.remove(m)
	r.reply(m.peer, Delivery{Kind: Kill, Message: bye})
}

// killWhere ends all sessions but the caller's that are to be killed, and returns their ids.
func (r *Realm) killWhere(caller *member, bye *protocol.Goodbye, chosen func(*Peer) bool) []protocol.ID {
	ids := make([]protocol.ID, 0)
	for _, id := range r.sessions(nil) {
		if m := r.members[id]; m != caller && chosen(m.peer) {
			ids = append(ids, id)
			r.kill(m, bye)
			r.farewell(m)
		}
	}
	return ids
}

func sessionKill(m *metaRequest) (metaOp, error) {
	bye, err := killing(m)
	var id protocol.ID
	if err == nil {
		id, err = idArgument(m.Payload, "session")
	}
	return func(r *Realm, caller *member) ([]any, error) {
		victim, err := r.member(id)
		if err != nil {
			return nil, err
		}
		if victim == caller {
			return nil, metaErrorf(protocol.ErrorNoSuchSession, "a session does not kill itself")
		}
		r.kill(victim, bye)
		r.farewell(victim)
		return nil, nil
	}, err
}

func sessionKillByAuthID(m *metaRequest) (metaOp, error) {
	bye, err := killing(m)
	var authid string
	if err == nil {
		err = arguments(m.Payload, 1, []string{"authid"}, &authid)
	}
	return func(r *Realm, caller *member) ([]any, error) {
		return []any{r.killWhere(caller, bye, func(p *Peer) bool { return p.AuthID == authid })}, nil
	}, err
}

func sessionKillByAuthRole(m *metaRequest) (metaOp, error) {
	bye, err := killing(m)
	var authrole string
	if err == nil {
		err = arguments(m.Payload, 1, []string{"authrole"}, &authrole)
	}
	return func(r *Realm, caller *member) ([]any, error) {
		return []any{len(r.killWhere(caller, bye, func(p *Peer) bool { return p.AuthRole == authrole }))}, nil
	}, err
}

// sessionKillAll is the one that has no farewells (Advanced Profile, "Session Meta API").
func sessionKillAll(m *metaRequest) (metaOp, error) {
	bye, err := killing(m)
	return func(r *Realm, caller *member) ([]any, error) {
		n := 0
		for _, id := range r.sessions(nil) {
			if m := r.members[id]; m != caller {
				r.kill(m, bye)
				n++
			}
		}
		return []any{n}, nil
	}, err
}
