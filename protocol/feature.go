package protocol

// Role is one of the six roles of WAMP.
type Role uint8

// The roles.
const (
	Publisher Role = iota
	Subscriber
	Caller
	Callee
	Broker
	Dealer
	numRoles
)

// AllRoles lists the six roles in the order of their constants.
func AllRoles() []Role { return []Role{Publisher, Subscriber, Caller, Callee, Broker, Dealer} }

// String returns the key of the role in Details.roles.
func (r Role) String() string {
	switch r {
	case Publisher:
		return "publisher"
	case Subscriber:
		return "subscriber"
	case Caller:
		return "caller"
	case Callee:
		return "callee"
	case Broker:
		return "broker"
	case Dealer:
		return "dealer"
	default:
		return "unknown role"
	}
}

// Features is a set of feature flags.
type Features uint32

// The feature flags of the Advanced Profile.
const (
	FeatureProgressiveCallResults Features = 1 << iota
	FeatureProgressiveCallInvocations
	FeatureCallTimeout
	FeatureCallCanceling
	FeatureCallReroute
	FeatureCallerIdentification
	FeatureCallTrustLevels
	FeatureRegistrationMetaAPI
	FeaturePatternBasedRegistration
	FeatureSharedRegistration
	FeatureShardedRegistration
	FeatureRegistrationRevocation
	FeatureSubscriberBlackWhiteListing
	FeaturePublisherExclusion
	FeaturePublisherIdentification
	FeaturePublicationTrustLevels
	FeatureSubscriptionMetaAPI
	FeaturePatternBasedSubscription
	FeatureShardedSubscription
	FeatureEventHistory
	FeatureEventRetention
	FeatureSubscriptionRevocation
	FeatureSessionMetaAPI
	FeatureTestamentMetaAPI
	FeaturePayloadPassthruMode
	FeatureAcknowledgedEventDelivery
)

// featureNames lists the flags by bit position.
var featureNames = [...]string{ //nolint:gochecknoglobals // a constant table
	"progressive_call_results", "progressive_call_invocations", "call_timeout", "call_canceling",
	"call_reroute", "caller_identification", "call_trustlevels", "registration_meta_api",
	"pattern_based_registration", "shared_registration", "sharded_registration",
	"registration_revocation", "subscriber_blackwhite_listing", "publisher_exclusion",
	"publisher_identification", "publication_trustlevels", "subscription_meta_api",
	"pattern_based_subscription", "sharded_subscription", "event_history", "event_retention",
	"subscription_revocation", "session_meta_api", "testament_meta_api", "payload_passthru_mode",
	"x_acknowledged_event_delivery",
}

// Has reports whether every flag of want is in f.
func (f Features) Has(want Features) bool { return f&want == want }

// Names returns the keys of the flags in f, in the order of their constants.
func (f Features) Names() []string {
	var names []string
	for i, name := range featureNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ParseFeature returns the flag with the given key, and 0 for an unknown one.
// Both spellings of call canceling that the specification uses are understood.
func ParseFeature(name string) Features {
	if name == "call_cancelling" {
		return FeatureCallCanceling
	}
	for i, n := range featureNames {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

// Roles are the roles a peer announced, each with its features: Details.roles of
// HELLO and WELCOME. The zero value announces nothing. Roles are comparable.
type Roles struct {
	announced uint8
	features  [numRoles]Features
}

// With returns r with the role announced and the features added to it.
func (r Roles) With(role Role, features Features) Roles {
	r.announced |= 1 << role
	r.features[role] |= features
	return r
}

// Empty reports whether no role is announced.
func (r Roles) Empty() bool { return r.announced == 0 }

// Has reports whether the role is announced.
func (r Roles) Has(role Role) bool { return r.announced&(1<<role) != 0 }

// Features returns what was announced for the role.
func (r Roles) Features(role Role) Features { return r.features[role] }

// Supports reports whether the role is announced with all the given features.
func (r Roles) Supports(role Role, f Features) bool { return r.Has(role) && r.features[role].Has(f) }
