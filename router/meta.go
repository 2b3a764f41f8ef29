package router

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// This file is how meta procedures are called: the session reads the arguments, the
// realm carries out, and the session encodes the result. The procedures are in the files
// meta_*.go.

// metaProcedure reads the arguments of a call, and returns what the realm is to do.
type metaProcedure func(m *metaRequest) (metaOp, error)

// metaRequest is a call of a meta procedure.
type metaRequest struct {
	*protocol.Call
	session *Session
	// disclose says that the caller is to be identified as a publisher unasked.
	disclose bool
}

// metaOp is what a call asks of the realm. It returns the positional results.
type metaOp func(r *Realm, m *member) ([]any, error)

// metaProcedures are all of them (Advanced Profile, "Session Meta API", "Registration Meta
// API", "Subscription Meta API", "Event History", "Session Testament"; the procedures of
// revocation are named in the catalog of the meta API only).
var metaProcedures = map[protocol.URI]metaProcedure{ //nolint:gochecknoglobals // a constant table
	"wamp.session.count":            sessionCount,
	"wamp.session.list":             sessionList,
	"wamp.session.get":              sessionGet,
	"wamp.session.kill":             sessionKill,
	"wamp.session.kill_by_authid":   sessionKillByAuthID,
	"wamp.session.kill_by_authrole": sessionKillByAuthRole,
	"wamp.session.kill_all":         sessionKillAll,

	addTestament:                    sessionAddTestament,
	"wamp.session.flush_testaments": sessionFlushTestaments,

	"wamp.registration.list":          registrationList,
	"wamp.registration.lookup":        registrationLookup,
	"wamp.registration.match":         registrationMatch,
	"wamp.registration.get":           registrationGet,
	"wamp.registration.list_callees":  registrationListCallees,
	"wamp.registration.count_callees": registrationCountCallees,
	"wamp.registration.remove_callee": registrationRemoveCallee,

	"wamp.subscription.list":              subscriptionList,
	"wamp.subscription.lookup":            subscriptionLookup,
	"wamp.subscription.match":             subscriptionMatch,
	"wamp.subscription.get":               subscriptionGet,
	"wamp.subscription.list_subscribers":  subscriptionListSubscribers,
	"wamp.subscription.count_subscribers": subscriptionCountSubscribers,
	"wamp.subscription.remove_subscriber": subscriptionRemoveSubscriber,
	getEvents:                             subscriptionGetEvents,
}

// The meta procedures that do what one needs another permission for.
const (
	addTestament protocol.URI = "wamp.session.add_testament"
	getEvents    protocol.URI = "wamp.subscription.get_events"
)

// maxMetaArguments bounds, in bytes, the arguments of a call: decoded, they take many times that.
const maxMetaArguments = maxTestamentBytes

// metaError is why a meta procedure fails.
type metaError struct {
	uri     protocol.URI
	message string
}

// Error returns URI and message.
func (e *metaError) Error() string { return "router: " + string(e.uri) + ": " + e.message }

func metaErrorf(uri protocol.URI, format string, args ...any) error {
	return &metaError{uri: uri, message: fmt.Sprintf(format, args...)}
}

// metaCall hands a call of a meta procedure to the realm, behind whatever this session
// asked of it before.
func (s *Session) metaCall(m *protocol.Call, p metaProcedure, eff Effects) {
	if m.Payload.Size() > maxMetaArguments {
		s.refuseLimit(protocol.TypeCall, m.Request, fmt.Sprintf("the arguments of meta procedures may take %d bytes", maxMetaArguments), eff)
		return
	}
	g, known := s.mayImply(m, eff)
	if !known {
		return
	}
	if refusal := g.refusal(); refusal != "" {
		s.refuse(protocol.TypeCall, m.Request, refusal, eff)
		return
	}
	m = new(*m)
	op, err := p(&metaRequest{Call: m, session: s, disclose: g == disclosed && !s.cfg.HideIdentities})
	if err != nil {
		s.finish(&lateAnswer{request: m.Request, err: err}, eff)
		return
	}
	eff.Command(s.asking(Command{From: s.peer, Message: m, op: op}))
}

// mayImply returns what rules or Authorizer say about what a call does beside calling: a
// testament is a publication, and a history is for who may subscribe. False: the call waits.
func (s *Session) mayImply(m *protocol.Call, eff Effects) (grant, bool) {
	key, implied := s.implied(m)
	if !implied {
		return granted, true
	}
	g := s.rules.decide(key.action, key.uri, key.options.Match)
	if g != undecided {
		return g, true
	}
	return s.consult(m, key, eff)
}

// implied returns what a call does beside calling, false if there is no such thing or if
// the arguments, which are yet to be checked, do not say.
func (s *Session) implied(m *protocol.Call) (decisionKey, bool) {
	switch m.Procedure {
	case addTestament:
		t, err := readTestament(m)
		options := AuthorizationOptions{DiscloseMe: t.disclose, Retain: t.retain}
		return decisionKey{ActionPublish, t.topic, options}, err == nil
	case getEvents:
		id, err := idArgument(m.Payload, "")
		sub := s.snap.histories[id]
		if err != nil || sub == nil {
			return decisionKey{}, false
		}
		return decisionKey{ActionSubscribe, sub.Topic, AuthorizationOptions{Match: sub.Match}}, true
	default:
		return decisionKey{}, false
	}
}

// meta carries out a call of a meta procedure. The answer comes before the events about
// what it did.
func (r *Realm) meta(m *member, msg *protocol.Call, op metaOp) {
	late := &lateAnswer{request: msg.Request}
	r.reply(m.peer, Delivery{Kind: Acknowledge, late: late})
	late.values, late.err = op(r, m)
	late.size = sizeOf(late.values)
	r.pending += late.size
}

// lateAnswer is an answer of the realm that the session makes a message of. Large results
// are encoded where only their receiver waits.
type lateAnswer struct {
	request protocol.ID // CALL.Request
	values  []any       // of the RESULT
	err     error
	size    int     // roughly, in bytes
	replay  *replay // in place of all else
}

// finish sends what a late answer says.
func (s *Session) finish(a *lateAnswer, eff Effects) {
	if a.replay != nil {
		s.replay(a.replay, eff)
		return
	}
	out := s.outgoing()
	payload, err := protocol.Payload{}, a.err
	if err == nil {
		payload, err = s.encode(a.values)
	}
	if err == nil {
		out.result = protocol.Result{Request: a.request, Payload: payload}
		eff.Send(&out.result)
		return
	}
	out.failure = protocol.Error{RequestType: protocol.TypeCall, Request: a.request, Error: protocol.ErrorInvalidPayload}
	if reason, ok := errors.AsType[*metaError](err); ok {
		out.failure.Error = reason.uri
		out.failure.Payload, _ = codec.EncodePayload(s.serializer(), []any{reason.message}, nil) // text is always encodable
	}
	eff.Send(&out.failure)
}

// encode encodes results of the realm.
func (s *Session) encode(values []any) (protocol.Payload, error) {
	if len(values) == 1 {
		if page, ok := values[0].(*historyPage); ok {
			return page.encode(s.serializer())
		}
	}
	return codec.EncodePayload(s.serializer(), values, nil)
}

// serializer is what the router's own words for the peer are encoded with.
func (s *Session) serializer() protocol.Serializer {
	if s.peer.Serializer.Valid() {
		return s.peer.Serializer
	}
	return protocol.MessagePack
}

// sizeOf returns roughly how many bytes the values will take.
func sizeOf(values []any) int {
	const each = 9
	n := 0
	for _, v := range values {
		switch v := v.(type) {
		case []protocol.ID:
			n += each * len(v)
		case *idLists:
			n += each * (len(v.Exact) + len(v.Prefix) + len(v.Wildcard))
		case *historyPage:
			n += v.size()
		default:
			n += each
		}
	}
	return n
}

// arguments decodes the first positional arguments of a call into dst. names are those
// of the arguments; the first required ones must be there.
func arguments(p protocol.Payload, required int, names []string, dst ...any) error {
	n, err := codec.CountArgs(p)
	if err == nil {
		err = codec.DecodeArgs(p, dst[:min(max(n, required), len(dst))]...)
	}
	var wrong *codec.ArgumentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Index >= 0 && wrong.Index < len(names):
		return metaErrorf(protocol.ErrorInvalidArgument, "%s: %v", names[wrong.Index], wrong.Err)
	default:
		return metaErrorf(protocol.ErrorInvalidArgument, "arguments: %v", err)
	}
}

// options are keyword arguments, or a dict of options, to be read one by one. The first
// thing that is wrong is kept as err.
type options struct {
	name   string // in front of the keys, for an error
	values map[string]any
	err    error
}

// keywords returns the keyword arguments of a call.
func keywords(p protocol.Payload) *options {
	values, err := codec.KwArgs(p)
	if err != nil {
		err = metaErrorf(protocol.ErrorInvalidArgument, "keyword arguments: %v", err)
	}
	return &options{values: values, err: err}
}

func (o *options) wrong(key, problem string) {
	if o.err == nil {
		o.err = metaErrorf(protocol.ErrorInvalidArgument, "%s%s: %s", o.name, key, problem)
	}
}

// option returns the value of a key, false if it is absent or null.
func option[T any](o *options, key, want string) (T, bool) {
	v, ok := o.values[key].(T)
	if !ok && o.values[key] != nil {
		o.wrong(key, "must be "+want)
	}
	return v, ok
}

func (o *options) text(key string) string {
	v, _ := option[string](o, key, "text")
	return v
}

func (o *options) flag(key string) bool {
	v, _ := option[bool](o, key, "a boolean")
	return v
}

// time reads a time by RFC 3339, zero if it is absent.
func (o *options) time(key string) time.Time {
	v, given := option[string](o, key, "text")
	if !given {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		o.wrong(key, "must be a time by RFC 3339")
	}
	return t
}

// integer reads an integer that is not negative; absent is what it is without one.
func (o *options) integer(key string, absent int) int {
	n, ok := int64(0), true
	switch v := o.values[key].(type) {
	case nil:
		return absent
	case int64:
		n = v
	case float64:
		n, ok = int64(v), v == math.Trunc(v) && math.Abs(v) <= float64(protocol.MaxID)
	default:
		ok = false
	}
	if !ok || n < 0 {
		o.wrong(key, "must be an integer that is not negative")
		return absent
	}
	return int(min(n, int64(protocol.MaxID)))
}

// id reads an id, 0 if it is absent.
func (o *options) id(key string) protocol.ID {
	id := protocol.ID(o.integer(key, 0)) //nolint:gosec // it is not negative
	if o.values[key] != nil && !id.Valid() {
		o.wrong(key, "must be an id")
	}
	return id
}

// idArgument decodes a call's only required argument, an id.
func idArgument(p protocol.Payload, name string) (protocol.ID, error) {
	var id protocol.ID
	return id, arguments(p, 1, []string{name}, &id)
}

// patternArgument decodes a URI and the options that say how it is meant.
func patternArgument(p protocol.Payload, name string) (protocol.URI, protocol.Match, error) {
	var uri protocol.URI
	var options struct {
		Match string `json:"match"`
	}
	options.Match = protocol.MatchExact.String()
	if err := arguments(p, 1, []string{name, "options"}, &uri, &options); err != nil {
		return "", 0, err
	}
	match, ok := protocol.ParseMatch(options.Match)
	if !ok {
		return "", 0, metaErrorf(protocol.ErrorInvalidArgument, "options: match: %q is none of exact, prefix, wildcard", options.Match)
	}
	return uri, match, nil
}

// idLists are ids by matching policy.
type idLists struct {
	Exact    []protocol.ID `json:"exact"`
	Prefix   []protocol.ID `json:"prefix"`
	Wildcard []protocol.ID `json:"wildcard"`
}

// metaLists keeps lists from one call to the next, until they change. They are shared with
// the answers: a changed one is made anew. Nil is unknown.
type metaLists struct {
	sessions                     []protocol.ID
	registrations, subscriptions *idLists
}

// listIDs returns the ids of all entries of a table, by URI.
func listIDs[T any](t table[T], id func(T) protocol.ID) *idLists {
	list := func(m protocol.Match) []protocol.ID {
		ids := make([]protocol.ID, 0, t.tree(m).Len())
		t.tree(m).Root().Walk(func(_ []byte, v T) bool {
			ids = append(ids, id(v))
			return false
		})
		return ids
	}
	return &idLists{Exact: list(protocol.MatchExact), Prefix: list(protocol.MatchPrefix), Wildcard: list(protocol.MatchWildcard)}
}
