package router

import (
	"context"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// Action is what a client wants to do with a URI.
type Action uint8

// The actions (Advanced Profile, "Authorization").
const (
	ActionCall Action = iota + 1
	ActionRegister
	ActionPublish
	ActionSubscribe
)

// String returns "call", "register", "publish" or "subscribe".
func (a Action) String() string {
	switch a {
	case ActionCall:
		return "call"
	case ActionRegister:
		return "register"
	case ActionPublish:
		return "publish"
	case ActionSubscribe:
		return "subscribe"
	default:
		return "invalid"
	}
}

// AuthorizationConfig says who may do what in a realm. The zero value allows everything
// to everybody who joins, but to call the procedures of a DynamicAuthenticator and a
// DynamicAuthorizer.
type AuthorizationConfig struct {
	// Roles are the roles of the realm, by unique name. If there are any, a client whose
	// authrole is none of them may not join (wamp.error.no_such_role), and what neither a
	// rule nor an authorizer allows is denied.
	Roles []Role
	// Authorizer decides what no rule decides, for roles without one of their own. Without
	// Roles it decides everything.
	Authorizer Authorizer
	// Timeout bounds one decision of an Authorizer; 0 means 5 s. What is not decided by
	// then fails with wamp.error.authorization_failed.
	Timeout time.Duration
}

// Role is what the clients of one authrole may do.
type Role struct {
	// Name is the authrole.
	Name string
	// Permissions are the rules. The most specific one that matches a URI decides, whether
	// it allows or not: an exact one, else the wildcard whose first components are more
	// literal, else the longest prefix. Their order does not matter.
	Permissions []Permission
	// Authorizer decides what no rule matches; nil is that of the AuthorizationConfig, and
	// without that it is denied.
	Authorizer Authorizer
}

// Permission is a rule about all URIs that match a pattern. What it does not allow is
// denied.
type Permission struct {
	// URI and Match are the pattern. The prefix "" matches every URI.
	URI   protocol.URI
	Match protocol.Match
	// Call, Register, Publish and Subscribe are what is allowed. A pattern may be
	// subscribed to, or registered, if that is allowed for every URI that it matches.
	Call, Register, Publish, Subscribe bool
	// DiscloseCaller and DisclosePublisher identify callers to callees, and publishers to
	// subscribers, whether or not they ask for it. SessionConfig.HideIdentities overrides.
	DiscloseCaller, DisclosePublisher bool
}

// Authorizer decides what the rules of a role leave open.
//
// Authorize is called on a goroutine of its own and may block until ctx is done: the
// client's session has ended, or Timeout is over. It must return then. It is called
// concurrently for different sessions. The requests of one session wait for the decision
// about an earlier one, so that their order is kept. An error, and a panic, answers the
// request with wamp.error.authorization_failed.
type Authorizer interface {
	Authorize(ctx context.Context, req AuthorizationRequest) (Authorization, error)
}

// AuthorizerFunc is a function that is an Authorizer.
type AuthorizerFunc func(ctx context.Context, req AuthorizationRequest) (Authorization, error)

// Authorize calls the function.
func (f AuthorizerFunc) Authorize(ctx context.Context, req AuthorizationRequest) (Authorization, error) {
	return f(ctx, req)
}

// AuthorizationRequest is what an Authorizer decides about.
type AuthorizationRequest struct {
	// Peer is who asks: its session id, realm, authid, authrole, authmethod, authprovider
	// and authextra. It must not be changed.
	Peer    *Peer
	Action  Action
	URI     protocol.URI
	Options AuthorizationOptions
	// Call calls procedures as the router itself. Nil if the surroundings offer none.
	Call CallFunc
}

// AuthorizationOptions are those options of a request that matter to an Authorizer.
type AuthorizationOptions struct {
	Match           protocol.Match        // register, subscribe: how the URI is meant
	Invoke          protocol.InvokePolicy // register
	ForceReregister bool                  // register: evict the callee that holds the URI
	DiscloseCaller  bool                  // register: be told who calls
	DiscloseMe      bool                  // call, publish
	Acknowledge     bool                  // publish
	Retain          bool                  // publish
	GetRetained     bool                  // subscribe
}

// Authorization is the decision of an Authorizer. The zero value denies.
type Authorization struct {
	// Allow lets the client do what it asks for; else it gets wamp.error.not_authorized.
	Allow bool
	// Disclose identifies the client to callees or subscribers, whether or not it asks for
	// it. SessionConfig.HideIdentities overrides.
	Disclose bool
	// Cache has the decision used again for the same action, URI and options of the same
	// session, until the session ends or the realm's AuthorizationConfig is replaced.
	Cache bool
}

// grant is what is known about an action on a URI.
type grant uint8

const (
	granted   grant = iota
	disclosed       // granted, and the peer is identified unasked
	forbidden
	undecided // an Authorizer has to be asked
	failed    // the Authorizer has failed
)

// grant returns the decision in short.
func (a Authorization) grant() grant {
	switch {
	case !a.Allow:
		return forbidden
	case a.Disclose:
		return disclosed
	default:
		return granted
	}
}

// refusal returns the error for a request, or "".
func (g grant) refusal() protocol.URI {
	switch g {
	case forbidden:
		return protocol.ErrorNotAuthorized
	case failed:
		return protocol.ErrorAuthorizationFailed
	default:
		return ""
	}
}
