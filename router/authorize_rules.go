package router

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Access is an AuthorizationConfig made ready. It is immutable. Nil allows everything.
type Access struct {
	roles   map[string]*rules
	others  *rules // for roles that are not there; nil: they may not join, unless lawless
	lawless bool   // there are neither roles nor an authorizer: nothing but calls of reserved is denied
	timeout time.Duration
	// reserved are procedures that only rules can allow to be called or registered.
	reserved []protocol.URI
}

// rules are what one role may do. Nil allows everything.
type rules struct {
	table      table[*Permission]
	ranked     []rankedRule // first the one that decides, of any two that match a URI
	authorizer Authorizer
}

// rankedRule is a rule and the URIs that it matches.
type rankedRule struct {
	*Permission
	region region
}

// NewAccess checks the rules; errors name the role and the permission at fault. It
// returns nil if cfg has neither Roles nor an Authorizer, and there are no reserved. These are
// procedures that only rules can allow to be called or registered, not an Authorizer: those that
// decide for the realm, see Reserved. Without Roles and Authorizer everybody may register them.
func NewAccess(cfg AuthorizationConfig, reserved ...protocol.URI) (*Access, error) {
	const timeout = 5 * time.Second
	a := &Access{timeout: cmp.Or(cfg.Timeout, timeout), reserved: slices.Clone(reserved)}
	var errs []error
	if cfg.Timeout < 0 {
		errs = append(errs, errors.New("timeout: is negative"))
	}
	if err := checkAuthorizer(cfg.Authorizer); err != nil {
		errs = append(errs, err)
	}
	if len(cfg.Roles) == 0 {
		a.others = &rules{table: newTable[*Permission](), authorizer: cfg.Authorizer}
	}
	a.roles = make(map[string]*rules, len(cfg.Roles))
	for i, role := range cfg.Roles {
		r, err := newRules(role, cfg.Authorizer)
		switch {
		case role.Name == "":
			errs = append(errs, fmt.Errorf("roles[%d]: name: is empty", i))
		case a.roles[role.Name] != nil:
			errs = append(errs, fmt.Errorf("roles: %q is there twice", role.Name))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("roles: %q: %w", role.Name, err))
		}
		a.roles[role.Name] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(cfg.Roles) == 0 && cfg.Authorizer == nil {
		if len(reserved) == 0 {
			return nil, nil
		}
		a.others, a.lawless = nil, true
	}
	return a, nil
}

func newRules(role Role, fallback Authorizer) (*rules, error) {
	r := &rules{table: newTable[*Permission](), authorizer: role.Authorizer}
	if r.authorizer == nil {
		r.authorizer = fallback
	}
	errs := []error{checkAuthorizer(role.Authorizer)}
	for i, p := range role.Permissions {
		switch _, twice := r.table.get(p.URI, p.Match); {
		case !p.URI.ValidPattern(p.Match, false):
			errs = append(errs, fmt.Errorf("permissions[%d]: uri: %q is not valid for match %s", i, string(p.URI), p.Match))
			continue
		case twice:
			errs = append(errs, fmt.Errorf("permissions[%d]: uri: %q is there twice with match %s", i, string(p.URI), p.Match))
		}
		r.table = r.table.with(p.URI, p.Match, &p)
		r.ranked = append(r.ranked, rankedRule{&p, regionOf(p.URI, p.Match)})
	}
	slices.SortStableFunc(r.ranked, func(a, b rankedRule) int { return compareRules(a.Permission, b.Permission) })
	return r, errors.Join(errs...)
}

// compareRules orders patterns that match the same URI: the one that decides is less.
func compareRules(a, b *Permission) int {
	order := func(m protocol.Match) int {
		switch m {
		case protocol.MatchPrefix:
			return 2
		case protocol.MatchWildcard:
			return 1
		default:
			return 0
		}
	}
	switch {
	case a.Match != b.Match:
		return cmp.Compare(order(a.Match), order(b.Match))
	case a.Match == protocol.MatchWildcard:
		return strings.Compare(shapeOf(a.URI), shapeOf(b.URI))
	default:
		return cmp.Compare(len(b.URI), len(a.URI))
	}
}

// Admits reports whether clients of the role may join.
func (a *Access) Admits(role string) bool {
	return a == nil || a.lawless || a.others != nil || a.roles[role] != nil
}

// of returns the rules for a peer.
func (a *Access) of(p *Peer) *rules {
	if a == nil || a.lawless || p.Internal {
		return nil
	}
	if r := a.roles[p.AuthRole]; r != nil {
		return r
	}
	if a.others != nil {
		return a.others
	}
	return &rules{table: newTable[*Permission]()} // its role was taken away
}

// decide returns what the rules say about an action on a valid URI, or on a pattern.
func (r *rules) decide(a Action, uri protocol.URI, m protocol.Match) grant {
	if r == nil {
		return granted
	}
	if m != protocol.MatchExact {
		return r.decidePattern(a, regionOf(uri, m))
	}
	p, ok := r.rule(uri)
	if !ok {
		return r.open()
	}
	return p.grant(a)
}

// open returns what holds for URIs that no rule matches.
func (r *rules) open() grant {
	if r.authorizer == nil {
		return forbidden
	}
	return undecided
}

// rule returns the permission that decides about a URI.
func (r *rules) rule(uri protocol.URI) (*Permission, bool) {
	key := []byte(uri)
	if p, ok := r.table.exact.Get(key); ok {
		return p, true
	}
	for p := range r.table.wildcards(uri) {
		return p, true
	}
	_, p, ok := r.table.prefix.Root().LongestPrefix(key)
	return p, ok
}

func (p *Permission) allows(a Action) bool {
	switch a {
	case ActionCall:
		return p.Call
	case ActionRegister:
		return p.Register
	case ActionPublish:
		return p.Publish
	case ActionSubscribe:
		return p.Subscribe
	default:
		return false
	}
}

func (p *Permission) grant(a Action) grant {
	return Authorization{
		Allow:    p.allows(a),
		Disclose: a == ActionCall && p.DiscloseCaller || a == ActionPublish && p.DisclosePublisher,
	}.grant()
}

// decidePattern decides about all URIs of a region at once. It is forbidden if a rule denies
// one of them, and granted if rules grant every one.
//
// Which of two rules decides is the same for every URI that both match. So a rule that
// denies does harm unless one of higher rank grants all that it would deny here.
func (r *rules) decidePattern(a Action, wanted region) grant {
	var granting []region
	for _, rule := range r.ranked {
		here, ok := rule.region.intersect(wanted)
		switch {
		case !ok:
		case rule.allows(a):
			granting = append(granting, rule.region)
		case !anyContains(granting, here):
			return forbidden
		}
	}
	if anyContains(granting, wanted) {
		return granted
	}
	return r.open()
}

func anyContains(regions []region, r region) bool {
	return slices.ContainsFunc(regions, func(g region) bool { return g.contains(r) })
}
