package protocol

// Publish publishes an event: [16, Request, Options, Topic, Args?, KwArgs?].
// Client to router.
type Publish struct {
	Request ID
	Options PublishOptions
	Topic   URI
	Payload Payload
}

// PublishOptions are the options of a PUBLISH. The zero value is the default of
// the specification.
type PublishOptions struct {
	Acknowledge bool // acknowledge: answer with PUBLISHED or ERROR
	IncludeMe   bool // exclude_me=false: the publisher may receive its own event
	DiscloseMe  bool // disclose_me
	Retain      bool // retain
	Filter      *EventFilter
	RKey        any // rkey; nil is absent
	Passthru    *Passthru
	Extra       Dict
}

// EventFilter restricts who receives an event (Advanced Profile, "Subscriber
// Black- and Whitelisting"). A nil list is absent; an empty list that is not nil
// is present: an empty Eligible list lets nobody through. A nil *EventFilter
// restricts nothing.
type EventFilter struct {
	Exclude          []ID
	ExcludeAuthID    []string
	ExcludeAuthRole  []string
	Eligible         []ID
	EligibleAuthID   []string
	EligibleAuthRole []string
}

// Published acknowledges a Publish: [17, PUBLISH.Request, Publication].
type Published struct {
	Request     ID
	Publication ID
}

// Subscribe subscribes to a topic or pattern: [32, Request, Options, Topic].
type Subscribe struct {
	Request ID
	Options SubscribeOptions
	Topic   URI
}

// SubscribeOptions are the options of a SUBSCRIBE.
type SubscribeOptions struct {
	Match       Match // match
	GetRetained bool  // get_retained
	NKey        any   // nkey; nil is absent
	Extra       Dict
}

// Subscribed acknowledges a Subscribe: [33, SUBSCRIBE.Request, Subscription].
type Subscribed struct {
	Request      ID
	Subscription ID
}

// Unsubscribe ends a subscription: [34, Request, Subscription].
type Unsubscribe struct {
	Request      ID
	Subscription ID
	Extra        Dict // options that some peers append; usually nil
}

// Unsubscribed acknowledges an Unsubscribe: [35, UNSUBSCRIBE.Request]. With
// Request 0 it revokes a subscription: [35, 0, Details].
type Unsubscribed struct {
	Request ID
	Details RevocationDetails
}

// RevocationDetails are the details of an UNSUBSCRIBED or UNREGISTERED that the
// router sends of its own accord (Advanced Profile, "Subscription Revocation",
// "Registration Revocation").
type RevocationDetails struct {
	ID     ID     // subscription or registration
	Reason string // reason
	Extra  Dict
}

// Event delivers an event:
// [36, Subscription, Publication, Details, Args?, KwArgs?]. Router to client.
type Event struct {
	Subscription ID
	Publication  ID
	Details      EventDetails
	Payload      Payload
}

// EventDetails are the details of an EVENT. Zero values are absent on the wire.
type EventDetails struct {
	Publisher            ID     // publisher
	PublisherAuthID      string // publisher_authid
	PublisherAuthRole    string // publisher_authrole
	Topic                URI    // topic: set for pattern subscriptions
	Retained             bool   // retained
	PayloadLimitExceeded bool   // payload_limit_exceeded
	TrustLevel           *int   // trustlevel
	Passthru             *Passthru
	Extra                Dict
}

// EventReceived acknowledges the receipt of an event: [337, Publication]. It is
// in the specification's test vectors only.
type EventReceived struct {
	Publication ID
}

// Type returns TypePublish.
func (*Publish) Type() MessageType { return TypePublish }

// Type returns TypePublished.
func (*Published) Type() MessageType { return TypePublished }

// Type returns TypeSubscribe.
func (*Subscribe) Type() MessageType { return TypeSubscribe }

// Type returns TypeSubscribed.
func (*Subscribed) Type() MessageType { return TypeSubscribed }

// Type returns TypeUnsubscribe.
func (*Unsubscribe) Type() MessageType { return TypeUnsubscribe }

// Type returns TypeUnsubscribed.
func (*Unsubscribed) Type() MessageType { return TypeUnsubscribed }

// Type returns TypeEvent.
func (*Event) Type() MessageType { return TypeEvent }

// Type returns TypeEventReceived.
func (*EventReceived) Type() MessageType { return TypeEventReceived }

func (*Publish) isMessage()       {}
func (*Published) isMessage()     {}
func (*Subscribe) isMessage()     {}
func (*Subscribed) isMessage()    {}
func (*Unsubscribe) isMessage()   {}
func (*Unsubscribed) isMessage()  {}
func (*Event) isMessage()         {}
func (*EventReceived) isMessage() {}
