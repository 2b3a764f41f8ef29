package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// historian is a script with a history, and what its events are called.
type historian struct {
	*script
	sub   protocol.ID
	names map[protocol.ID]string
}

// newHistorian has alice and bob join, and the realm record com.h and what follows it.
func newHistorian(t *testing.T, c HistoryConfig) *historian {
	t.Helper()
	h := &historian{script: newScript(t), names: make(map[protocol.ID]string)}
	h.realm.Record(h.now, c)
	h.commit()
	h.sub = h.realm.current.Topic("com.h.x")[0].ID
	h.play("join alice authid=alice authrole=user")
	h.play("join bob authid=bob authrole=admin")
	return h
}

// publish publishes events, one each second, in the order of their names.
func (h *historian) publish(topic string, names ...string) {
	for _, name := range names {
		h.now = h.now.Add(time.Second)
		x := h.site("alice")
		h.play(fmt.Sprintf(`alice PUBLISH %d %s args=[%q]`, x.s.watermark+1, topic, name))
		events := h.realm.subs[h.sub].history.events
		h.names[events[len(events)-1].id] = name
	}
}

// id returns the publication of an event.
func (h *historian) id(name string) protocol.ID {
	for id, n := range h.names {
		if n == name {
			return id
		}
	}
	require.Fail(h.t, "no event "+name)
	return 0
}

// events returns what a session gets when it asks for the history.
func (h *historian) events(who, arguments string) ([]map[string]any, protocol.URI) {
	x := h.site(who)
	var list []map[string]any
	var failure protocol.URI
	x.got = func(_ *site, m protocol.Message) {
		switch m := m.(type) {
		case *protocol.Result:
			require.NoError(h.t, codec.DecodeArgs(m.Payload, &list))
		case *protocol.Error:
			failure = m.Error
		}
	}
	h.play(fmt.Sprintf("%s CALL %d wamp.subscription.get_events %s", who, x.s.watermark+1, arguments))
	x.got = nil
	return list, failure
}

func (h *historian) shown(who, arguments string) []string {
	list, failure := h.events(who, arguments)
	require.Empty(h.t, failure, arguments)
	require.NotNil(h.t, list, arguments)
	names := []string{}
	for _, ev := range list {
		names = append(names, ev["args"].([]any)[0].(string))
	}
	return names
}

func TestHistoryFilters(t *testing.T) {
	t.Parallel()
	h := newHistorian(t, HistoryConfig{Topic: "com.h", Match: protocol.MatchPrefix, Limit: 5})
	h.publish("com.h.x", "a", "b")
	h.publish("com.h.y", "c")
	h.publish("com.h.x", "d", "e", "f")
	at := func(name string) string { // alice published at 1, 2, ... seconds
		return timestamp(time.Unix(1e9, 0).Add(time.Duration(name[0]-'a'+1) * time.Second))
	}
	for _, row := range []struct {
		kwargs string
		want   []string
	}{
		{``, []string{"b", "c", "d", "e", "f"}}, // a was dropped
		{`"reverse":true`, []string{"f", "e", "d", "c", "b"}},
		{`"limit":2`, []string{"b", "c"}},
		{`"limit":2,"reverse":true`, []string{"f", "e"}},
		{`"limit":0`, []string{}},
		{`"limit":99`, []string{"b", "c", "d", "e", "f"}},
		{`"topic":"com.h.y"`, []string{"c"}},
		{`"topic":"com.h.x","limit":2,"reverse":true`, []string{"f", "e"}},
		{`"from_time":"` + at("d") + `"`, []string{"d", "e", "f"}},
		{`"after_time":"` + at("d") + `"`, []string{"e", "f"}},
		{`"before_time":"` + at("d") + `"`, []string{"b", "c"}},
		{`"until_time":"` + at("d") + `"`, []string{"b", "c", "d"}},
		{`"from_time":"` + at("c") + `","before_time":"` + at("e") + `"`, []string{"c", "d"}},
		{fmt.Sprintf(`"from_publication":%d`, h.id("d")), []string{"d", "e", "f"}},
		{fmt.Sprintf(`"after_publication":%d`, h.id("d")), []string{"e", "f"}},
		{fmt.Sprintf(`"before_publication":%d`, h.id("d")), []string{"b", "c"}},
		{fmt.Sprintf(`"until_publication":%d`, h.id("d")), []string{"b", "c", "d"}},
		{fmt.Sprintf(`"after_publication":%d,"until_publication":%d`, h.id("b"), h.id("e")), []string{"c", "d", "e"}},
		{fmt.Sprintf(`"after_publication":%d,"until_publication":%d`, h.id("e"), h.id("b")), []string{}},
		{fmt.Sprintf(`"after_publication":%d`, h.id("f")), []string{}},
		// a is older than all that is kept.
		{fmt.Sprintf(`"from_publication":%d`, h.id("a")), []string{"b", "c", "d", "e", "f"}},
		{fmt.Sprintf(`"after_publication":%d`, h.id("a")), []string{"b", "c", "d", "e", "f"}},
		{fmt.Sprintf(`"before_publication":%d`, h.id("a")), []string{}},
		{fmt.Sprintf(`"until_publication":%d`, h.id("a")), []string{}},
		{fmt.Sprintf(`"from_publication":%d,"from_time":"%s","limit":1`, h.id("c"), at("d")), []string{"d"}},
	} {
		require.Equal(t, row.want, h.shown("bob", fmt.Sprintf("args=[%d] kwargs={%s}", h.sub, row.kwargs)), row.kwargs)
	}
	require.Equal(t, []string{"b", "c"}, h.shown("bob", fmt.Sprintf("args=[%d,2]", h.sub)), "the limit by position")
}

func TestHistoryArgumentErrors(t *testing.T) {
	t.Parallel()
	h := newHistorian(t, HistoryConfig{Topic: "com.h", Match: protocol.MatchPrefix})
	h.play("alice SUBSCRIBE 1 com.other")
	other := h.realm.current.Topic("com.other")[0].ID
	for arguments, want := range map[string]protocol.URI{
		"":                                 protocol.ErrorInvalidArgument,
		fmt.Sprintf("args=[%d,-7]", h.sub): protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"limit":-1}`, h.sub):              protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"limit":1.5}`, h.sub):             protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"reverse":1}`, h.sub):             protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"from_time":"yesterday"}`, h.sub): protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"topic":[]}`, h.sub):              protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"until_publication":0}`, h.sub):   protocol.ErrorInvalidArgument,
		fmt.Sprintf(`args=[%d] kwargs={"until_publication":"x"}`, h.sub): protocol.ErrorInvalidArgument,
		"args=[4711]":                   protocol.ErrorNoSuchSubscription,
		fmt.Sprintf("args=[%d]", other): protocol.ErrorHistoryUnavailable,
	} {
		_, failure := h.events("bob", arguments)
		require.Equal(t, want, failure, arguments)
	}
}

// What a session may not have had is not in its history either; what was for certain
// sessions only is in nobody's.
func TestHistoryRespectsFilters(t *testing.T) {
	t.Parallel()
	h := newHistorian(t, HistoryConfig{Topic: "com.h", Match: protocol.MatchPrefix})
	for i, options := range []string{
		`args=["all"]`, `args=["admins"] eligible_authrole=admin`, `args=["notbob"] exclude_authid=bob`,
		`args=["bob"] eligible=bob`, `args=["others"] exclude=bob`, `args=["retained"] retain`,
	} {
		h.play(fmt.Sprintf("alice PUBLISH %d com.h.x %s", i+1, options))
	}
	ask := fmt.Sprintf("args=[%d]", h.sub)
	require.Equal(t, []string{"all", "admins", "retained"}, h.shown("bob", ask))
	require.Equal(t, []string{"all", "notbob", "retained"}, h.shown("alice", ask))
}

// The events are shown as they were published; the subscription is shared by whoever
// subscribes, and outlives them.
func TestHistoryShowsEvents(t *testing.T) {
	t.Parallel()
	h := newHistorian(t, HistoryConfig{Topic: "com.h", Match: protocol.MatchPrefix})
	h.play("bob SUBSCRIBE 1 com.h match=prefix")
	h.play(`alice PUBLISH 1 com.h.x args=[1,"two",null] kwargs={"a":[true]} disclose_me`)
	h.play(`alice PUBLISH 2 com.h.y`)
	require.Equal(t, []string{
		fmt.Sprintf("bob <- SUBSCRIBED 1 %d", h.sub),
		fmt.Sprintf(`bob <- EVENT %d #1 topic=com.h.x publisher=101 publisher_authid=alice publisher_authrole=user args=[1,"two",null] kwargs={"a":[true]}`, h.sub),
		fmt.Sprintf(`bob <- EVENT %d #2 topic=com.h.y`, h.sub),
	}, h.out)
	h.out = nil
	h.play("disconnect bob")
	h.play("join carol")
	list, failure := h.events("carol", fmt.Sprintf("args=[%d]", h.sub))
	require.Empty(t, failure)
	require.Len(t, list, 2)
	require.Equal(t, "#1", h.publication(protocol.ID(list[0]["publication"].(int64)))) //nolint:gosec // an id is positive
	delete(list[0], "publication")
	require.Equal(t, map[string]any{
		"timestamp": "2001-09-09T01:46:40.000000Z", "subscription": int64(h.sub), "topic": "com.h.x", //nolint:gosec // a small id
		"details": map[string]any{"topic": "com.h.x", "publisher": int64(101), "publisher_authid": "alice", "publisher_authrole": "user"},
		"args":    []any{int64(1), "two", nil}, "kwargs": map[string]any{"a": []any{true}},
	}, list[0])
	require.Equal(t, []any{}, list[1]["args"])
	require.Equal(t, map[string]any{}, list[1]["kwargs"])
	h.finish()
	require.NotEmpty(t, h.realm.current.Topic("com.h.x"), "the subscription stays")
}

// One event that a peer cannot be shown, because of its payload, does not hide the others.
func TestHistoryOfStrangePayloads(t *testing.T) {
	t.Parallel()
	h := newHistorian(t, HistoryConfig{Topic: "com.h", Match: protocol.MatchPrefix})
	deep := strings.Repeat("[", codec.MaxDepth-1) + strings.Repeat("]", codec.MaxDepth-1)
	x := h.site("alice")
	x.post(
		&protocol.Publish{Request: 1, Topic: "com.h.x", Payload: protocol.Payload{Serializer: protocol.JSON, Args: []byte("[1]")}},
		&protocol.Publish{Request: 2, Topic: "com.h.x", Payload: protocol.Payload{ // an extension type
			Serializer: protocol.MessagePack, Args: []byte{0x91, 0xc7, 1, 5, 9}, KwArgs: []byte{0x81, 0xa1, 'a', 1},
		}},
		&protocol.Publish{Request: 3, Topic: "com.h.x", Payload: protocol.Payload{Serializer: protocol.JSON, Args: []byte(deep)}},
		&protocol.Publish{Request: 4, Topic: "com.h.x", Payload: protocol.Payload{Serializer: protocol.CBOR, Args: []byte{0x81, 0x02}}},
	)
	h.drain()
	list, failure := h.events("bob", fmt.Sprintf("args=[%d]", h.sub))
	require.Empty(t, failure)
	var args []any
	for _, ev := range list {
		args = append(args, ev["args"])
		require.Empty(t, ev["kwargs"])
	}
	require.Equal(t, []any{[]any{int64(1)}, []any{}, []any{}, []any{int64(2)}}, args)
}

// Showing a history does not take many times its memory: payloads are not decoded.
func TestHistoryIsNotDecoded(t *testing.T) { //nolint:paralleltest // it counts allocations
	lists := "[" + strings.Repeat("[],", 10_000) + "[]]"
	page := &historyPage{sub: 1, events: []*publication{{
		id: 2, topic: "com.h", payload: protocol.Payload{Serializer: protocol.JSON, Args: []byte(lists)},
	}}}
	allocations := testing.AllocsPerRun(5, func() {
		payload, err := page.encode(protocol.MessagePack)
		require.NoError(t, err)
		require.Greater(t, payload.Size(), 10_000)
	})
	require.Less(t, allocations, 1000.0)
}

// A history is bounded by bytes too, and meta events may be in one.
func TestHistoryOfMetaEventsIsBounded(t *testing.T) {
	t.Parallel()
	sc := newScript(t)
	sc.realm.Record(sc.now, HistoryConfig{Topic: "wamp.session.on_join", Limit: 1000, MaxBytes: 3000})
	sc.commit()
	for i := range 20 {
		sc.play(fmt.Sprintf("join s%d", i))
	}
	entry := sc.realm.subs[sc.realm.current.Topic("wamp.session.on_join")[0].ID]
	require.Less(t, len(entry.history.events), 15)
	require.Greater(t, len(entry.history.events), 3)
	require.LessOrEqual(t, entry.history.bytes, 3000)
}

func TestHistoryConfigErrors(t *testing.T) {
	t.Parallel()
	require.NoError(t, HistoryConfig{Topic: "", Match: protocol.MatchPrefix}.Validate())
	for want, c := range map[string]HistoryConfig{
		"topic: \"a..b\" is not valid for match exact": {Topic: "a..b"},
		"limit: is negative":                           {Topic: "a", Limit: -1},
		"maxBytes: is negative":                        {Topic: "a", MaxBytes: -1},
	} {
		require.EqualError(t, c.Validate(), want)
	}
}

// What a realm retains is bounded by topics and bytes: what was replaced last stays.
func TestRetentionIsBounded(t *testing.T) {
	t.Parallel()
	retained := newRetention()
	add := func(topic string, size int, f *protocol.EventFilter) {
		p := &publication{topic: protocol.URI(topic), filter: f}
		p.payload.Args = make([]byte, size)
		retained.add(p)
	}
	has := func(topic string) bool { _, ok := retained.topics.Get([]byte(topic)); return ok }
	for i := range maxRetainedTopics + 10 {
		add(fmt.Sprintf("com.t%d", i), 1, nil)
		if i == 5 {
			add("com.t0", 2, nil)
		}
	}
	retained.checkInvariants()
	require.False(t, has("com.t1"))
	require.False(t, has("com.t9"))
	require.True(t, has("com.t11"))
	for range 3 * maxRestricted {
		add("com.many", 1, &protocol.EventFilter{Eligible: []protocol.ID{7}})
	}
	add("com.many", 1, nil)
	for range 3 * maxRestricted {
		add("com.many", 1, &protocol.EventFilter{Eligible: []protocol.ID{7}, ExcludeAuthRole: []string{"x"}})
	}
	retained.checkInvariants()
	for i := range 20 {
		add(fmt.Sprintf("com.big%d", i), 1<<20, nil)
	}
	retained.checkInvariants()
	require.False(t, has("com.many"))
	require.True(t, has("com.big19"))
	add("com.huge", maxRetainedBytes, nil)
	retained.checkInvariants()
	require.False(t, has("com.huge"))
	require.True(t, has("com.big19"), "what cannot be kept drives out nothing")
	add("com.big19", maxRetainedBytes, nil)
	retained.checkInvariants()
	require.False(t, has("com.big19"), "it is not the last event any more")
}
