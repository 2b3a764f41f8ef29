package router

import (
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// What the testaments of one session may amount to.
const (
	maxTestaments     = 256
	maxTestamentBytes = 1 << 20
)

// testaments are the events that are published when a session ends (Advanced Profile,
// "Session Testament"). Sessions are never resumed here, so both kinds are due at once.
type testaments struct {
	detached, destroyed []*publication
	bytes               int
}

// testament is what a call of wamp.session.add_testament asks for.
type testament struct {
	topic            protocol.URI
	args             []any
	kwargs           map[string]any
	scope            string
	disclose, retain bool
	filter           *protocol.EventFilter
	passthru         *protocol.Passthru
}

// readTestament reads the arguments of a call.
func readTestament(m *protocol.Call) (testament, error) {
	var t testament
	kw := keywords(m.Payload)
	t.scope = kw.scope()
	o := &options{name: "publish_options: "}
	o.values, _ = option[map[string]any](kw, "publish_options", "a dict")
	t.disclose, t.retain = o.flag("disclose_me"), o.flag("retain")
	t.filter, t.passthru = o.filter(), o.passthru()
	for _, err := range []error{kw.err, o.err} {
		if err != nil {
			return t, err
		}
	}
	return t, arguments(m.Payload, 1, []string{"topic", "args", "kwargs"}, &t.topic, &t.args, &t.kwargs)
}

// scope reads which testaments are meant.
func (o *options) scope() string {
	scope, given := option[string](o, "scope", "text")
	switch {
	case !given:
		return "destroyed"
	case scope != "destroyed" && scope != "detached":
		o.wrong("scope", fmt.Sprintf("%q is neither destroyed nor detached", scope))
	}
	return scope
}

// filter reads the lists of a publication, nil if there are none.
func (o *options) filter() *protocol.EventFilter {
	f := protocol.EventFilter{
		Exclude: idList(o, "exclude"), ExcludeAuthID: textList(o, "exclude_authid"), ExcludeAuthRole: textList(o, "exclude_authrole"),
		Eligible: idList(o, "eligible"), EligibleAuthID: textList(o, "eligible_authid"), EligibleAuthRole: textList(o, "eligible_authrole"),
	}
	if f.Exclude == nil && f.ExcludeAuthID == nil && f.ExcludeAuthRole == nil &&
		f.Eligible == nil && f.EligibleAuthID == nil && f.EligibleAuthRole == nil {
		return nil
	}
	return &f
}

func (o *options) passthru() *protocol.Passthru {
	p := protocol.Passthru{
		Scheme: o.text("ppt_scheme"), Serializer: o.text("ppt_serializer"), Cipher: o.text("ppt_cipher"), KeyID: o.text("ppt_keyid"),
	}
	if p.Scheme == "" {
		return nil
	}
	return &p
}

func textList(o *options, key string) []string {
	values, given := option[[]any](o, key, "a list")
	if !given {
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		var ok bool
		if list[i], ok = v.(string); !ok {
			o.wrong(key, "must be a list of text")
		}
	}
	return list
}

func idList(o *options, key string) []protocol.ID {
	values, given := option[[]any](o, key, "a list")
	if !given {
		return nil
	}
	list := make([]protocol.ID, len(values))
	for i, v := range values {
		n, ok := v.(int64)
		if list[i] = protocol.ID(n); !ok || n < 1 || !list[i].Valid() {
			o.wrong(key, "must be a list of ids")
		}
	}
	return list
}

// publication makes an event of the testament of a session.
func (t *testament) publication(s *Session) (*publication, error) {
	if t.disclose && s.cfg.HideIdentities {
		return nil, metaErrorf(protocol.ErrorDiscloseMeDisallowed, "publish_options: disclose_me: is not allowed here")
	}
	if s.checkURI(t.topic, protocol.MatchExact, true) != "" {
		return nil, metaErrorf(protocol.ErrorInvalidURI, "topic: is not a valid URI to publish to")
	}
	payload, err := codec.EncodePayload(s.serializer(), t.args, t.kwargs)
	if err != nil {
		return nil, metaErrorf(protocol.ErrorInvalidArgument, "%v", err)
	}
	p := &publication{topic: t.topic, payload: payload, filter: t.filter, from: s.peer.ID, retain: t.retain}
	p.details.Passthru = t.passthru
	return p, nil
}

func sessionAddTestament(m *metaRequest) (metaOp, error) {
	t, err := readTestament(m.Call)
	if err != nil {
		return nil, err
	}
	p, err := t.publication(m.session)
	if err != nil {
		return nil, err
	}
	if peer := m.session.peer; t.disclose || m.disclose {
		p.details.Publisher, p.details.PublisherAuthID, p.details.PublisherAuthRole = peer.ID, peer.AuthID, peer.AuthRole
	}
	return func(_ *Realm, owner *member) ([]any, error) { return nil, owner.bequeath(t.scope, p) }, nil
}

// bequeath keeps a testament for the end of the session.
func (m *member) bequeath(scope string, p *publication) error {
	if m.last == nil {
		m.last = new(testaments)
	}
	last := m.last
	switch {
	case len(last.detached)+len(last.destroyed) >= maxTestaments:
		return metaErrorf(protocol.ErrorLimitExceeded, "a session may have %d testaments", maxTestaments)
	case last.bytes+p.size() > maxTestamentBytes:
		return metaErrorf(protocol.ErrorLimitExceeded, "the testaments of a session may take %d bytes", maxTestamentBytes)
	}
	last.bytes += p.size()
	if scope == "detached" {
		last.detached = append(last.detached, p)
	} else {
		last.destroyed = append(last.destroyed, p)
	}
	return nil
}

func sessionFlushTestaments(m *metaRequest) (metaOp, error) {
	kw := keywords(m.Payload)
	scope := kw.scope()
	return func(_ *Realm, owner *member) ([]any, error) {
		last := owner.last
		if last == nil {
			return nil, nil
		}
		flushed := &last.destroyed
		if scope == "detached" {
			flushed = &last.detached
		}
		for _, p := range *flushed {
			last.bytes -= p.size()
		}
		*flushed = nil
		return nil, nil
	}, kw.err
}
