package router

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// script plays the lines of a transcript in a world and notes what peers are sent.
//
// A line is "NAME MESSAGE ..." for a message of a peer, see parsers, or a directive,
// see directives. After each line everything is handled, unless "manual" said that
// the steps are chosen by hand.
type script struct {
	*world
	manual       bool
	out          []string
	publications map[protocol.ID]int
	roles        AuthorizationConfig
	reserved     []protocol.URI
}

func newScript(t *testing.T) *script {
	t.Helper()
	sc := &script{world: newWorld(t, SessionConfig{}), publications: make(map[protocol.ID]int)}
	sc.consult = sc.noteConsultation
	return sc
}

func (sc *script) play(line string) {
	a := parseWords(sc.t, line)
	first := a.word()
	if directive := directives[first]; directive != nil {
		directive(sc, a)
	} else {
		x := sc.site(first)
		x.post(a.messages(sc.world)...)
	}
	a.end()
	if !sc.manual {
		sc.drain()
	}
}

var directives = map[string]func(sc *script, a *words){
	// config strict lax hide maxCalls=N maxRegistrations=N maxSubscriptions=N: for later joins
	"config": func(sc *script, a *words) {
		sc.cfg = SessionConfig{
			StrictURIs: a.flag("strict"), LaxRequestIDs: a.flag("lax"), HideIdentities: a.flag("hide"),
			MaxCalls: a.number("maxCalls"), MaxRegistrations: a.number("maxRegistrations"), MaxSubscriptions: a.number("maxSubscriptions"),
		}
	},
	// join NAME authid=ID authrole=ROLE features=LIST internal
	"join": func(sc *script, a *words) {
		name := a.word()
		features := everything
		if list, ok := a.option("features"); ok {
			features = parseFeatures(sc.t, list)
		}
		authid, _ := a.option("authid")
		authrole, _ := a.option("authrole")
		x := sc.join(name, Peer{AuthID: authid, AuthRole: authrole, Roles: rolesWith(features), Internal: a.flag("internal")})
		x.got = sc.note
	},
	"disconnect": func(sc *script, a *words) { sc.site(a.word()).disconnect() },
	"kick":       func(sc *script, a *words) { sc.site(a.word()).kick(a.uri(), "") },
	"expire":     func(sc *script, a *words) { sc.site(a.word()).expire(a.id()) },
	// history TOPIC match=POLICY limit=N
	"history": func(sc *script, a *words) {
		c := HistoryConfig{Topic: a.uri(), Match: a.match(), Limit: a.number("limit")}
		require.NoError(sc.t, c.Validate())
		sc.realm.Record(sc.now, c)
		sc.commit()
	},
	// watermark NAME ID: as if the peer had used all ids up to this one
	"watermark": func(sc *script, a *words) { sc.site(a.word()).s.watermark = a.id() },
	// invocation NAME ID: as if the callee had been sent all ids up to this one
	"invocation": func(sc *script, a *words) { sc.site(a.word()).s.invocation = a.id() },
	"timers": func(sc *script, a *words) {
		x := sc.site(a.word())
		for id := protocol.ID(0); id <= x.s.watermark; id++ {
			if after, ok := x.timers[id]; ok {
				sc.out = append(sc.out, fmt.Sprintf("%s: call %d times out after %v", x.name, id, after))
			}
		}
	},
	// role NAME dynamic: a role of the realm, whose authorizer "decide" speaks for
	// permit ROLE URI match=POLICY call register publish subscribe disclose: its rules
	// reserve URI: only rules can allow to call or register it; roles: takes all of this back
	"role": (*script).addRole, "permit": (*script).permit, "reserve": (*script).reserve, "roles": (*script).dropRoles,
	// decide NAME allow disclose cache, or fail: the answer to what the session asks
	"decide": (*script).decide,
	"manual": func(sc *script, _ *words) { sc.manual = true },
	"drain":  func(sc *script, _ *words) { sc.drain() },
	"auto":   func(sc *script, _ *words) { sc.manual = false },
	// realm: the realm handles one message; publish: the snapshot is published;
	// answer: one answer is posted; step NAME: the session handles one message
	"realm":   func(sc *script, _ *words) { require.True(sc.t, sc.stepRealm()) },
	"publish": func(sc *script, _ *words) { sc.commit() },
	"answer":  func(sc *script, _ *words) { require.True(sc.t, sc.postReply()) },
	// slow NAME: what the session has for others is posted by "mail NAME" only
	"slow": func(sc *script, a *words) { sc.site(a.word()).slow = true },
	"mail": func(sc *script, a *words) { require.True(sc.t, sc.site(a.word()).mail()) },
	"step": func(sc *script, a *words) { require.True(sc.t, sc.site(a.word()).step()) },
}

func parseFeatures(t *testing.T, list string) protocol.Features {
	t.Helper()
	var f protocol.Features
	for name := range strings.SplitSeq(list, ",") {
		if name != "" {
			require.NotZero(t, protocol.ParseFeature(name), name)
			f |= protocol.ParseFeature(name)
		}
	}
	return f
}

// note adds what a peer is sent to the output.
func (sc *script) note(x *site, m protocol.Message) {
	sc.out = append(sc.out, x.name+" <- "+sc.show(m))
}

// words are the words of a line: positions and options.
type words struct {
	t    *testing.T
	line string
	rest []string
	opts map[string]string
}

// parseWords splits a line. A word with "=" is an option; a "+" ends one message of a
// batch.
func parseWords(t *testing.T, line string) *words {
	t.Helper()
	a := &words{t: t, line: line, opts: make(map[string]string)}
	for w := range strings.FieldsSeq(line) {
		if key, value, ok := strings.Cut(w, "="); ok {
			a.opts[key] = value
		} else {
			a.rest = append(a.rest, w)
		}
	}
	return a
}

func (a *words) word() string {
	require.NotEmpty(a.t, a.rest, "%q is too short", a.line)
	w := a.rest[0]
	a.rest = a.rest[1:]
	return w
}

// uri reads a URI; ” stands for the empty one, _ for a space.
func (a *words) uri() protocol.URI {
	return protocol.URI(strings.NewReplacer("''", "", "<space>", " ").Replace(a.word()))
}

func (a *words) id() protocol.ID {
	id, err := strconv.ParseUint(a.word(), 10, 64)
	require.NoError(a.t, err, a.line)
	return protocol.ID(id)
}

func (a *words) option(key string) (string, bool) {
	v, ok := a.opts[key]
	delete(a.opts, key)
	return v, ok
}

func (a *words) flag(word string) bool {
	for i, w := range a.rest {
		if w == word {
			a.rest = append(a.rest[:i:i], a.rest[i+1:]...)
			return true
		}
	}
	return false
}

func (a *words) number(key string) int {
	v, ok := a.option(key)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(v)
	require.NoError(a.t, err, a.line)
	return n
}

// list reads a list option; "key=" is present and empty.
func (a *words) list(key string) []string {
	v, ok := a.option(key)
	switch {
	case !ok:
		return nil
	case v == "":
		return []string{}
	default:
		return strings.Split(v, ",")
	}
}

func (a *words) match() protocol.Match {
	v, ok := a.option("match")
	if !ok {
		return protocol.MatchExact
	}
	m, ok := protocol.ParseMatch(v)
	require.True(a.t, ok, a.line)
	return m
}

func (a *words) payload() protocol.Payload {
	var p protocol.Payload
	if v, ok := a.option("args"); ok {
		p.Serializer, p.Args = protocol.JSON, []byte(v)
	}
	if v, ok := a.option("kwargs"); ok {
		p.Serializer, p.KwArgs = protocol.JSON, []byte(v)
	}
	return p
}

func (a *words) passthru() *protocol.Passthru {
	if v, ok := a.option("ppt"); ok {
		return &protocol.Passthru{Scheme: v}
	}
	return nil
}

func (a *words) end() {
	require.Empty(a.t, a.rest, "%q has words too many", a.line)
	require.Empty(a.t, a.opts, "%q has options too many", a.line)
}

// messages reads what follows the name of a peer: messages divided by "+".
func (a *words) messages(w *world) []protocol.Message {
	var batch []protocol.Message
	_, line, _ := strings.Cut(a.line, " ")
	for part := range strings.SplitSeq(line, " + ") {
		b := parseWords(a.t, part)
		kind := b.word()
		require.Contains(a.t, parsers, kind, a.line)
		batch = append(batch, parsers[kind](b, w))
		b.end()
	}
	a.rest, a.opts = nil, nil
	return batch
}

var parsers = map[string]func(a *words, w *world) protocol.Message{
	"PUBLISH": func(a *words, w *world) protocol.Message {
		m := &protocol.Publish{Request: a.id(), Topic: a.uri(), Payload: a.payload()}
		m.Options = protocol.PublishOptions{
			Acknowledge: a.flag("ack"), IncludeMe: a.flag("include_me"), DiscloseMe: a.flag("disclose_me"),
			Retain: a.flag("retain"), Filter: a.filter(w), Passthru: a.passthru(),
		}
		return m
	},
	"SUBSCRIBE": func(a *words, _ *world) protocol.Message {
		return &protocol.Subscribe{Request: a.id(), Topic: a.uri(), Options: protocol.SubscribeOptions{
			Match: a.match(), GetRetained: a.flag("get_retained"),
		}}
	},
	"UNSUBSCRIBE": func(a *words, _ *world) protocol.Message {
		return &protocol.Unsubscribe{Request: a.id(), Subscription: a.id()}
	},
	"REGISTER": func(a *words, _ *world) protocol.Message {
		invoke, _ := a.option("invoke")
		return &protocol.Register{Request: a.id(), Procedure: a.uri(), Options: protocol.RegisterOptions{
			Match: a.match(), Invoke: protocol.InvokePolicy(invoke), ForceReregister: a.flag("force"),
			DiscloseCaller: a.flag("disclose_caller"), ForwardTimeout: a.flag("forward_timeout"),
		}}
	},
	"UNREGISTER": func(a *words, _ *world) protocol.Message {
		return &protocol.Unregister{Request: a.id(), Registration: a.id()}
	},
	"CALL": func(a *words, _ *world) protocol.Message {
		m := &protocol.Call{Request: a.id(), Procedure: a.uri(), Payload: a.payload()}
		m.Options = protocol.CallOptions{
			Timeout: uint64(a.number("timeout")), Progress: a.flag("progress"), //nolint:gosec // a test's timeout is positive
			ReceiveProgress: a.flag("receive_progress"), DiscloseMe: a.flag("disclose_me"), Passthru: a.passthru(),
		}
		return m
	},
	"CANCEL": func(a *words, _ *world) protocol.Message {
		mode, _ := a.option("mode")
		return &protocol.Cancel{Request: a.id(), Mode: protocol.CancelMode(mode)}
	},
	"YIELD": func(a *words, _ *world) protocol.Message {
		return &protocol.Yield{Request: a.id(), Payload: a.payload(), Options: protocol.YieldOptions{
			Progress: a.flag("progress"), Passthru: a.passthru(),
		}}
	},
	"ERROR": func(a *words, _ *world) protocol.Message {
		t := protocol.MessageType(a.id()) //nolint:gosec // message types are small
		return &protocol.Error{RequestType: t, Request: a.id(), Error: a.uri(), Payload: a.payload()}
	},
	"GOODBYE":        func(a *words, _ *world) protocol.Message { return &protocol.Goodbye{Reason: a.uri()} },
	"ABORT":          func(a *words, _ *world) protocol.Message { return &protocol.Abort{Reason: a.uri()} },
	"EVENT_RECEIVED": func(a *words, _ *world) protocol.Message { return &protocol.EventReceived{Publication: a.id()} },
	"HELLO":          func(*words, *world) protocol.Message { return &protocol.Hello{Realm: "realm1"} },
	"AUTHENTICATE":   func(*words, *world) protocol.Message { return &protocol.Authenticate{} },
	"WELCOME":        func(*words, *world) protocol.Message { return &protocol.Welcome{Session: 1} },
	"CHALLENGE":      func(*words, *world) protocol.Message { return &protocol.Challenge{} },
	"PUBLISHED":      func(*words, *world) protocol.Message { return &protocol.Published{Request: 1, Publication: 1} },
	"SUBSCRIBED":     func(*words, *world) protocol.Message { return &protocol.Subscribed{Request: 1, Subscription: 1} },
	"UNSUBSCRIBED":   func(*words, *world) protocol.Message { return &protocol.Unsubscribed{Request: 1} },
	"EVENT":          func(*words, *world) protocol.Message { return &protocol.Event{Subscription: 1, Publication: 1} },
	"RESULT":         func(*words, *world) protocol.Message { return &protocol.Result{Request: 1} },
	"REGISTERED":     func(*words, *world) protocol.Message { return &protocol.Registered{Request: 1, Registration: 1} },
	"UNREGISTERED":   func(*words, *world) protocol.Message { return &protocol.Unregistered{Request: 1} },
	"INVOCATION":     func(*words, *world) protocol.Message { return &protocol.Invocation{Request: 1, Registration: 1} },
	"INTERRUPT":      func(*words, *world) protocol.Message { return &protocol.Interrupt{Request: 1} },
}

// filter reads the lists of a PUBLISH; sessions are given by name.
func (a *words) filter(w *world) *protocol.EventFilter {
	ids := func(names []string) []protocol.ID {
		if names == nil {
			return nil
		}
		list := make([]protocol.ID, 0, len(names))
		for _, name := range names {
			list = append(list, w.site(name).peer.ID)
		}
		return list
	}
	f := protocol.EventFilter{
		Exclude: ids(a.list("exclude")), ExcludeAuthID: a.list("exclude_authid"), ExcludeAuthRole: a.list("exclude_authrole"),
		Eligible: ids(a.list("eligible")), EligibleAuthID: a.list("eligible_authid"), EligibleAuthRole: a.list("eligible_authrole"),
	}
	if f.Exclude == nil && f.ExcludeAuthID == nil && f.ExcludeAuthRole == nil &&
		f.Eligible == nil && f.EligibleAuthID == nil && f.EligibleAuthRole == nil {
		return nil
	}
	return &f
}

// show returns a message in the words of the scripts.
func (sc *script) show(m protocol.Message) string {
	o := &shown{}
	o.put(m.Type())
	switch m := m.(type) {
	case *protocol.Published:
		o.put(m.Request, sc.publication(m.Publication))
	case *protocol.Subscribed:
		o.put(m.Request, m.Subscription)
	case *protocol.Unsubscribed:
		o.put(m.Request)
		o.revocation(m.Request, "subscription", m.Details)
	case *protocol.Event:
		o.put(m.Subscription, sc.publication(m.Publication))
		o.opt("retained", m.Details.Retained)
		o.opt("topic", m.Details.Topic)
		o.opt("publisher", m.Details.Publisher)
		o.opt("publisher_authid", m.Details.PublisherAuthID)
		o.opt("publisher_authrole", m.Details.PublisherAuthRole)
		o.payload(m.Payload, m.Details.Passthru)
	case *protocol.Registered:
		o.put(m.Request, m.Registration)
	case *protocol.Unregistered:
		o.put(m.Request)
		o.revocation(m.Request, "registration", m.Details)
	case *protocol.Invocation:
		o.put(m.Request, m.Registration)
		o.opt("procedure", m.Details.Procedure)
		o.opt("receive_progress", m.Details.ReceiveProgress)
		o.opt("timeout", m.Details.Timeout)
		o.opt("caller", m.Details.Caller)
		o.opt("caller_authid", m.Details.CallerAuthID)
		o.opt("caller_authrole", m.Details.CallerAuthRole)
		o.payload(m.Payload, m.Details.Passthru)
	case *protocol.Interrupt:
		o.put(m.Request)
		o.opt("mode", m.Mode)
		o.opt("reason", m.Reason)
	case *protocol.Result:
		o.put(m.Request)
		o.opt("progress", m.Details.Progress)
		o.payload(m.Payload, m.Details.Passthru)
	case *protocol.Error:
		o.put(m.RequestType, m.Request, m.Error)
		o.opt("message", m.Details.Extra["message"])
		o.payload(m.Payload, m.Details.Passthru)
	case *protocol.Goodbye:
		o.put(m.Reason)
		o.opt("message", m.Details.Message)
	case *protocol.Abort:
		o.put(m.Reason)
		o.opt("message", m.Details.Message)
	default:
		require.Fail(sc.t, "a router does not send "+m.Type().String())
	}
	return strings.Join(o.parts, " ")
}

// publication numbers publications in the order of their appearance: ids are random.
func (sc *script) publication(id protocol.ID) string {
	require.True(sc.t, id.Valid())
	if sc.publications[id] == 0 {
		sc.publications[id] = len(sc.publications) + 1
	}
	return "#" + strconv.Itoa(sc.publications[id])
}

type shown struct{ parts []string }

func (o *shown) put(values ...any) {
	for _, v := range values {
		o.parts = append(o.parts, fmt.Sprint(v))
	}
}

// opt adds an option unless it is absent.
func (o *shown) opt(key string, v any) {
	if s := fmt.Sprint(v); s != "" && s != "0" && s != "false" && s != "<nil>" {
		o.parts = append(o.parts, key+"="+s)
	}
}

// revocation shows the details of what nobody asked for.
func (o *shown) revocation(request protocol.ID, key string, d protocol.RevocationDetails) {
	if request == 0 {
		o.opt(key, d.ID)
		o.opt("reason", d.Reason)
	}
}

func (o *shown) payload(p protocol.Payload, ppt *protocol.Passthru) {
	if ppt != nil {
		o.opt("ppt", ppt.Scheme)
	}
	if p.Serializer.Valid() { // the realm's own words are no JSON
		p, _ = codec.Transcode(p, protocol.JSON)
	}
	o.opt("args", string(p.Args))
	o.opt("kwargs", string(p.KwArgs))
}
