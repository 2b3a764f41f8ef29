package codec

import "github.com/cloverleaf-wamp/cloverleaf/protocol"

// message reads the elements after the type.
func (d *decoding) message() protocol.Message {
	if d.err != nil {
		return nil
	}
	switch d.typ {
	case protocol.TypeCall:
		return d.call()
	case protocol.TypeResult:
		return d.result()
	case protocol.TypeInvocation:
		return d.invocation()
	case protocol.TypeYield:
		return d.yield()
	case protocol.TypePublish:
		return d.publish()
	case protocol.TypeEvent:
		return d.event()
	case protocol.TypeHello:
		return d.hello()
	case protocol.TypeWelcome:
		return d.welcome()
	case protocol.TypeAbort:
		return d.abort()
	case protocol.TypeChallenge:
		return &protocol.Challenge{Method: d.text("AuthMethod"), Extra: d.dict("Extra")}
	case protocol.TypeAuthenticate:
		return &protocol.Authenticate{Signature: d.text("Signature"), Extra: d.dict("Extra")}
	case protocol.TypeGoodbye:
		return &protocol.Goodbye{Details: d.closeDetails(), Reason: d.uri("Reason")}
	case protocol.TypeError:
		return d.errorMessage()
	default:
		return d.acknowledgement()
	}
}

// acknowledgement reads the messages about registrations and subscriptions.
func (d *decoding) acknowledgement() protocol.Message {
	switch d.typ {
	case protocol.TypePublished:
		return &protocol.Published{Request: d.id("Request"), Publication: d.id("Publication")}
	case protocol.TypeSubscribe:
		return d.subscribe()
	case protocol.TypeSubscribed:
		return &protocol.Subscribed{Request: d.id("Request"), Subscription: d.id("Subscription")}
	case protocol.TypeUnsubscribe:
		return &protocol.Unsubscribe{Request: d.id("Request"), Subscription: d.id("Subscription"), Extra: d.optionalDict("Options")}
	case protocol.TypeUnsubscribed:
		m := &protocol.Unsubscribed{Request: d.idOrZero("Request")}
		m.Details = d.revocation(m.Request, "subscription")
		return m
	case protocol.TypeEventReceived:
		return &protocol.EventReceived{Publication: d.id("Publication")}
	case protocol.TypeCancel:
		return d.cancel()
	case protocol.TypeRegister:
		return d.register()
	case protocol.TypeRegistered:
		return &protocol.Registered{Request: d.id("Request"), Registration: d.id("Registration")}
	case protocol.TypeUnregister:
		return &protocol.Unregister{Request: d.id("Request"), Registration: d.id("Registration"), Extra: d.optionalDict("Options")}
	case protocol.TypeUnregistered:
		m := &protocol.Unregistered{Request: d.idOrZero("Request")}
		m.Details = d.revocation(m.Request, "registration")
		return m
	case protocol.TypeInterrupt:
		return d.interrupt()
	default:
		d.unknownType(uint64(d.typ))
		return nil
	}
}

func (d *decoding) hello() *protocol.Hello {
	m := &protocol.Hello{Realm: d.uri("Realm")}
	details := &m.Details
	for o := d.options("Details"); o.next(); {
		switch string(o.key) {
		case "agent":
			details.Agent = o.text()
		case "roles":
			details.Roles = o.roles()
		case "authmethods":
			details.AuthMethods = o.texts()
		case "authid":
			details.AuthID = o.text()
		case "authrole":
			details.AuthRole = o.text()
		case "authextra":
			details.AuthExtra = o.dict()
		default:
			o.extra(&details.Extra)
		}
	}
	return m
}

func (d *decoding) welcome() *protocol.Welcome {
	m := &protocol.Welcome{Session: d.id("Session")}
	details := &m.Details
	for o := d.options("Details"); o.next(); {
		switch string(o.key) {
		case "agent":
			details.Agent = o.text()
		case "roles":
			details.Roles = o.roles()
		case "realm":
			details.Realm = o.uri()
		case "authid":
			details.AuthID = o.text()
		case "authrole":
			details.AuthRole = o.text()
		case "authmethod":
			details.AuthMethod = o.text()
		case "authprovider":
			details.AuthProvider = o.text()
		case "authextra":
			details.AuthExtra = o.dict()
		default:
			o.extra(&details.Extra)
		}
	}
	return m
}

// roles reads {role: {"features": {feature: true}}}. Roles, features and other keys
// that this module does not know are passed over.
func (o *dict) roles() protocol.Roles {
	var roles protocol.Roles
	for r := o.inner(); r.next(); {
		role, ok := parseRole(string(r.key))
		if !ok {
			r.skip()
			continue
		}
		roles = roles.With(role, 0)
		for inner := r.inner(); inner.next(); {
			if string(inner.key) == "features" {
				roles = roles.With(role, inner.features())
			} else {
				inner.skip()
			}
		}
	}
	return roles
}

func (o *dict) features() protocol.Features {
	var features protocol.Features
	for f := o.inner(); f.next(); {
		flag := protocol.ParseFeature(string(f.key))
		switch {
		case flag == 0:
			f.skip()
		case f.bool():
			features |= flag
		}
	}
	return features
}

// inner starts the dict that is the value at hand.
func (o *dict) inner() dict { return o.d.dictHere(string(o.key), maxOptions) }

func parseRole(name string) (protocol.Role, bool) {
	for _, role := range protocol.AllRoles() {
		if role.String() == name {
			return role, true
		}
	}
	return 0, false
}

func (d *decoding) abort() *protocol.Abort {
	m := &protocol.Abort{Details: d.closeDetails(), Reason: d.uri("Reason")}
	m.Payload = d.payload(nil)
	return m
}

func (d *decoding) closeDetails() protocol.CloseDetails {
	var details protocol.CloseDetails
	for o := d.options("Details"); o.next(); {
		if string(o.key) == "message" {
			details.Message = o.text()
		} else {
			o.extra(&details.Extra)
		}
	}
	return details
}

// dict reads the next element into a Go map, nil if it is empty.
func (d *decoding) dict(field string) protocol.Dict {
	var extra protocol.Dict
	for o := d.options(field); o.next(); {
		o.extra(&extra)
	}
	return extra
}

// optionalDict reads the next element, if there is one, as dict does.
func (d *decoding) optionalDict(field string) protocol.Dict {
	var extra protocol.Dict
	if d.advance() {
		for o := d.dictHere(field, maxOptions); o.next(); {
			o.extra(&extra)
		}
	}
	return extra
}

// revocation reads the details of a revocation, which has request 0. Peers may add
// a dict to the acknowledgement of a request too: it says nothing.
func (d *decoding) revocation(request protocol.ID, key string) protocol.RevocationDetails {
	var details protocol.RevocationDetails
	if request != 0 {
		d.optionalDict("Details")
		return details
	}
	for o := d.options("Details"); o.next(); {
		switch string(o.key) {
		case key:
			details.ID = o.id()
		case "reason":
			details.Reason = o.text()
		default:
			o.extra(&details.Extra)
		}
	}
	if details.ID == 0 {
		d.fail(key, "missing")
	}
	return details
}

func (d *decoding) errorMessage() *protocol.Error {
	m := &protocol.Error{}
	t, _ := d.element("RequestType", kindUint, "an integer")
	if m.RequestType = protocol.MessageType(t); d.err == nil && !answerable(t) {
		d.fail("RequestType", "not a request that can fail")
	}
	m.Request = d.id("Request")
	for o := d.options("Details"); o.next(); {
		if !o.passthru(&m.Details.Passthru) {
			o.extension(&m.Details.Extra)
		}
	}
	m.Details.Passthru = active(m.Details.Passthru)
	m.Error = d.uri("Error")
	m.Payload = d.payload(m.Details.Extra)
	return m
}

// answerable reports whether an ERROR may answer a message of type t.
func answerable(t uint64) bool {
	switch protocol.MessageType(t & 0xffff) {
	case protocol.TypePublish, protocol.TypeSubscribe, protocol.TypeUnsubscribe, protocol.TypeCall,
		protocol.TypeRegister, protocol.TypeUnregister, protocol.TypeInvocation:
		return t <= 0xffff
	default:
		return false
	}
}
