package router

import (
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// This file is what scripts say about authorization; see directives.

func (sc *script) addRole(a *words) {
	r := Role{Name: a.word()}
	if a.flag("dynamic") {
		r.Authorizer = neverAsked
	}
	sc.roles.Roles = append(sc.roles.Roles, r)
	sc.authorize()
}

func (sc *script) permit(a *words) {
	name := a.word()
	p := Permission{
		URI: a.uri(), Match: a.match(), DiscloseCaller: a.flag("disclose"),
		Call: a.flag("call"), Register: a.flag("register"), Publish: a.flag("publish"), Subscribe: a.flag("subscribe"),
	}
	p.DisclosePublisher = p.DiscloseCaller
	for i := range sc.roles.Roles {
		if r := &sc.roles.Roles[i]; r.Name == name {
			r.Permissions = append(r.Permissions, p)
			sc.authorize()
			return
		}
	}
	require.Fail(sc.t, "no role "+name)
}

func (sc *script) reserve(a *words) {
	sc.reserved = append(sc.reserved, a.uri())
	sc.authorize()
}

func (sc *script) dropRoles(*words) {
	sc.roles.Roles, sc.reserved = nil, nil
	sc.authorize()
}

// authorize has the realm follow the new rules.
func (sc *script) authorize() {
	access, err := NewAccess(sc.roles, sc.reserved...)
	require.NoError(sc.t, err)
	sc.control = append(sc.control, func() { sc.realm.Authorize(access) })
}

func (sc *script) noteConsultation(x *site, c Consultation) {
	req := c.Request
	require.Same(sc.t, x.peer, req.Peer)
	line := fmt.Sprintf("%s asks to %s %q", x.name, req.Action, string(req.URI))
	if req.Options.Match != protocol.MatchExact {
		line += " match=" + req.Options.Match.String()
	}
	sc.out = append(sc.out, line)
}

func (sc *script) decide(a *words) {
	x := sc.site(a.word())
	require.NotNil(sc.t, x.asked, "%s asks nothing", x.name)
	if a.flag("fail") {
		x.authorized(Authorization{Allow: true, Cache: true}, errors.New("no idea"))
		return
	}
	x.authorized(Authorization{Allow: a.flag("allow"), Disclose: a.flag("disclose"), Cache: a.flag("cache")}, nil)
}
