package codec

import (
	"errors"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var errNoMessage = errors.New("no message")

// message writes m. The most frequent messages come first.
func (e *encoding) message(m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Call:
		e.call(m)
	case *protocol.Invocation:
		e.invocation(m)
	case *protocol.Yield:
		e.headWith(protocol.TypeYield, 3, &m.Payload)
		e.id("Request", m.Request)
		e.answer(m.Options.Progress, m.Options.Passthru, m.Options.Extra)
		e.end()
	case *protocol.Result:
		e.headWith(protocol.TypeResult, 3, &m.Payload)
		e.id("Request", m.Request)
		e.answer(m.Details.Progress, m.Details.Passthru, m.Details.Extra)
		e.end()
	case *protocol.Event:
		e.event(m)
	case *protocol.Publish:
		e.publish(m)
	case *protocol.Error:
		e.errorMessage(m)
	case *protocol.Cancel:
		e.cancel(m)
	case *protocol.Interrupt:
		e.interrupt(m)
	case *protocol.Register:
		e.register(m)
	case *protocol.Subscribe:
		e.subscribe(m)
	default:
		e.short(m)
	}
}

// short writes the messages of the handshake and the acknowledgements.
func (e *encoding) short(m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Hello:
		e.hello(m)
	case *protocol.Welcome:
		e.welcome(m)
	case *protocol.Abort:
		e.headWith(protocol.TypeAbort, 3, &m.Payload)
		e.closeDetails(m.Details)
		e.uri("Reason", m.Reason)
		e.end()
	case *protocol.Challenge:
		e.credentials(protocol.TypeChallenge, "AuthMethod", m.Method, m.Extra)
	case *protocol.Authenticate:
		e.credentials(protocol.TypeAuthenticate, "Signature", m.Signature, m.Extra)
	case *protocol.Goodbye:
		e.head(protocol.TypeGoodbye, 3)
		e.closeDetails(m.Details)
		e.uri("Reason", m.Reason)
		e.endList()
	case *protocol.Published:
		e.ids(protocol.TypePublished, m.Request, "Publication", m.Publication)
	case *protocol.Subscribed:
		e.ids(protocol.TypeSubscribed, m.Request, "Subscription", m.Subscription)
	case *protocol.Unsubscribe:
		e.withdrawal(protocol.TypeUnsubscribe, m.Request, "Subscription", m.Subscription, m.Extra)
	case *protocol.Unsubscribed:
		e.withdrawn(protocol.TypeUnsubscribed, m.Request, "subscription", m.Details)
	case *protocol.EventReceived:
		e.head(protocol.TypeEventReceived, 2)
		e.id("Publication", m.Publication)
		e.endList()
	case *protocol.Registered:
		e.ids(protocol.TypeRegistered, m.Request, "Registration", m.Registration)
	case *protocol.Unregister:
		e.withdrawal(protocol.TypeUnregister, m.Request, "Registration", m.Registration, m.Extra)
	case *protocol.Unregistered:
		e.withdrawn(protocol.TypeUnregistered, m.Request, "registration", m.Details)
	default:
		e.fail(errNoMessage)
	}
}

func (e *encoding) call(m *protocol.Call) {
	e.headWith(protocol.TypeCall, 4, &m.Payload)
	e.id("Request", m.Request)
	v := &m.Options
	o := e.dict(v.Extra)
	e.uintOption("timeout", v.Timeout)
	e.boolOption("progress", v.Progress)
	e.boolOption("receive_progress", v.ReceiveProgress)
	e.boolOption("disclose_me", v.DiscloseMe)
	e.textOption("runmode", v.RunMode)
	e.anyOption("rkey", v.RKey)
	e.passthru(v.Passthru)
	e.endDict(o, v.Extra)
	e.uri("Procedure", m.Procedure)
	e.end()
}

func (e *encoding) invocation(m *protocol.Invocation) {
	e.headWith(protocol.TypeInvocation, 4, &m.Payload)
	e.id("Request", m.Request)
	e.id("Registration", m.Registration)
	v := &m.Details
	o := e.dict(v.Extra)
	e.boolOption("progress", v.Progress)
	e.boolOption("receive_progress", v.ReceiveProgress)
	e.uintOption("timeout", v.Timeout)
	e.uintOption("caller", uint64(v.Caller))
	e.textOption("caller_authid", v.CallerAuthID)
	e.textOption("caller_authrole", v.CallerAuthRole)
	e.textOption("procedure", string(v.Procedure))
	e.trustLevel(v.TrustLevel)
	e.passthru(v.Passthru)
	e.endDict(o, v.Extra)
	e.end()
}

// answer writes the options of a YIELD or the details of a RESULT.
func (e *encoding) answer(progress bool, p *protocol.Passthru, extra protocol.Dict) {
	o := e.dict(extra)
	e.boolOption("progress", progress)
	e.passthru(p)
	e.endDict(o, extra)
}

func (e *encoding) event(m *protocol.Event) {
	e.headWith(protocol.TypeEvent, 4, &m.Payload)
	e.id("Subscription", m.Subscription)
	e.id("Publication", m.Publication)
	v := &m.Details
	o := e.dict(v.Extra)
	e.uintOption("publisher", uint64(v.Publisher))
	e.textOption("publisher_authid", v.PublisherAuthID)
	e.textOption("publisher_authrole", v.PublisherAuthRole)
	e.textOption("topic", string(v.Topic))
	e.boolOption("retained", v.Retained)
	e.boolOption("payload_limit_exceeded", v.PayloadLimitExceeded)
	e.trustLevel(v.TrustLevel)
	e.passthru(v.Passthru)
	e.endDict(o, v.Extra)
	e.end()
}

func (e *encoding) publish(m *protocol.Publish) {
	e.headWith(protocol.TypePublish, 4, &m.Payload)
	e.id("Request", m.Request)
	v := &m.Options
	o := e.dict(v.Extra)
	e.boolOption("acknowledge", v.Acknowledge)
	if v.IncludeMe {
		e.option("exclude_me")
		e.bool(false)
	}
	e.boolOption("disclose_me", v.DiscloseMe)
	e.boolOption("retain", v.Retain)
	if f := v.Filter; f != nil {
		e.idsOption("exclude", f.Exclude)
		e.textsOption("exclude_authid", f.ExcludeAuthID)
		e.textsOption("exclude_authrole", f.ExcludeAuthRole)
		e.idsOption("eligible", f.Eligible)
		e.textsOption("eligible_authid", f.EligibleAuthID)
		e.textsOption("eligible_authrole", f.EligibleAuthRole)
	}
	e.anyOption("rkey", v.RKey)
	e.passthru(v.Passthru)
	e.endDict(o, v.Extra)
	e.uri("Topic", m.Topic)
	e.end()
}

func (e *encoding) errorMessage(m *protocol.Error) {
	e.headWith(protocol.TypeError, 5, &m.Payload)
	if !answerable(uint64(m.RequestType)) {
		e.fail(errors.New(m.RequestType.String() + " is not a request that can fail"))
		e.note("RequestType")
	}
	e.uint(uint64(m.RequestType))
	e.id("Request", m.Request)
	o := e.dict(m.Details.Extra)
	e.passthru(m.Details.Passthru)
	e.endDict(o, m.Details.Extra)
	e.uri("Error", m.Error)
	e.end()
}

func (e *encoding) cancel(m *protocol.Cancel) {
	e.head(protocol.TypeCancel, 3)
	e.id("Request", m.Request)
	o := e.dict(m.Extra)
	e.textOption("mode", string(m.Mode))
	e.endDict(o, m.Extra)
	e.endList()
}

func (e *encoding) interrupt(m *protocol.Interrupt) {
	e.head(protocol.TypeInterrupt, 3)
	e.id("Request", m.Request)
	o := e.dict(m.Extra)
	e.textOption("mode", string(m.Mode))
	e.textOption("reason", string(m.Reason))
	e.endDict(o, m.Extra)
	e.endList()
}

func (e *encoding) register(m *protocol.Register) {
	e.head(protocol.TypeRegister, 4)
	e.id("Request", m.Request)
	v := &m.Options
	o := e.dict(v.Extra)
	e.matchOption(v.Match)
	e.textOption("invoke", string(v.Invoke))
	if v.Concurrency > 0 {
		e.uintOption("concurrency", uint64(v.Concurrency))
	}
	e.boolOption("disclose_caller", v.DiscloseCaller)
	e.boolOption("forward_timeout", v.ForwardTimeout)
	e.boolOption("force_reregister", v.ForceReregister)
	e.endDict(o, v.Extra)
	e.uri("Procedure", m.Procedure)
	e.endList()
}

func (e *encoding) subscribe(m *protocol.Subscribe) {
	e.head(protocol.TypeSubscribe, 4)
	e.id("Request", m.Request)
	v := &m.Options
	o := e.dict(v.Extra)
	e.matchOption(v.Match)
	e.boolOption("get_retained", v.GetRetained)
	e.anyOption("nkey", v.NKey)
	e.endDict(o, v.Extra)
	e.uri("Topic", m.Topic)
	e.endList()
}

func (e *encoding) hello(m *protocol.Hello) {
	e.head(protocol.TypeHello, 3)
	e.uri("Realm", m.Realm)
	v := &m.Details
	o := e.dict(v.Extra)
	e.textOption("agent", v.Agent)
	e.roles(v.Roles)
	e.textsOption("authmethods", v.AuthMethods)
	e.textOption("authid", v.AuthID)
	e.textOption("authrole", v.AuthRole)
	e.dictOption("authextra", v.AuthExtra)
	e.endDict(o, v.Extra)
	e.endList()
}

func (e *encoding) welcome(m *protocol.Welcome) {
	e.head(protocol.TypeWelcome, 3)
	e.id("Session", m.Session)
	v := &m.Details
	o := e.dict(v.Extra)
	e.textOption("agent", v.Agent)
	e.roles(v.Roles)
	e.textOption("realm", string(v.Realm))
	e.textOption("authid", v.AuthID)
	e.textOption("authrole", v.AuthRole)
	e.textOption("authmethod", v.AuthMethod)
	e.textOption("authprovider", v.AuthProvider)
	e.dictOption("authextra", v.AuthExtra)
	e.endDict(o, v.Extra)
	e.endList()
}

// roles writes a dict even when it is empty: the key is mandatory.
func (e *encoding) roles(roles protocol.Roles) {
	e.option("roles")
	all := e.open(kindDict)
	for _, role := range protocol.AllRoles() {
		if !roles.Has(role) {
			continue
		}
		e.key(role.String())
		one := e.open(kindDict)
		if names := roles.Features(role).Names(); len(names) > 0 {
			e.key("features")
			flags := e.open(kindDict)
			for _, name := range names {
				e.key(name)
				e.bool(true)
			}
			e.close(flags, kindDict)
		}
		e.close(one, kindDict)
	}
	e.close(all, kindDict)
}

func (e *encoding) credentials(t protocol.MessageType, field, text string, extra protocol.Dict) {
	e.head(t, 3)
	e.textField(field, text)
	e.plainDict(extra)
	e.endList()
}

func (e *encoding) closeDetails(v protocol.CloseDetails) {
	o := e.dict(v.Extra)
	e.textOption("message", v.Message)
	e.endDict(o, v.Extra)
}

// ids writes an acknowledgement.
func (e *encoding) ids(t protocol.MessageType, request protocol.ID, field string, id protocol.ID) {
	e.head(t, 3)
	e.id("Request", request)
	e.id(field, id)
	e.endList()
}

// withdrawal writes UNSUBSCRIBE or UNREGISTER, with options if there are any.
func (e *encoding) withdrawal(t protocol.MessageType, request protocol.ID, field string, id protocol.ID, extra protocol.Dict) {
	if len(extra) == 0 {
		e.ids(t, request, field, id)
		return
	}
	e.head(t, 4)
	e.id("Request", request)
	e.id(field, id)
	e.plainDict(extra)
	e.endList()
}

// withdrawn writes UNSUBSCRIBED or UNREGISTERED, with details when it is a revocation.
func (e *encoding) withdrawn(t protocol.MessageType, request protocol.ID, key string, v protocol.RevocationDetails) {
	if request != 0 {
		e.head(t, 2)
		e.id("Request", request)
		e.endList()
		return
	}
	e.head(t, 3)
	e.uint(0)
	o := e.dict(v.Extra)
	e.option(key)
	e.id(key, v.ID)
	e.textOption("reason", v.Reason)
	e.endDict(o, v.Extra)
	e.endList()
}
