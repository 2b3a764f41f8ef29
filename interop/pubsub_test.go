//go:build interop

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const orderedEventCount = 30

// testPublishes lets the first cell publish to the second.
func testPublishes(t *testing.T, f *fixture, first, second cell) {
	t.Helper()
	for _, s := range []struct {
		name string
		run  func(t *testing.T, f *fixture, publisher, subscriber *member)
	}{
		{"values", publishValues},
		{"order", publishInOrder},
		{"patterns", publishPatterns},
		{"unsubscribe", publishUnsubscribed},
	} {
		t.Run(s.name, func(t *testing.T) {
			publisher, subscriber := f.pair(t, first, second)
			s.run(t, f, publisher, subscriber)
		})
	}
}

func publishValues(t *testing.T, f *fixture, publisher, subscriber *member) {
	t.Helper()
	topic := f.uri()
	subscriber.subscribe(t, topic, nil)
	for _, s := range samplesFor(publisher, subscriber) {
		id := publisher.publish(t, topic, s.payload)
		got := subscriber.await(t, reportEvent, topic)
		require.Equal(t, s.normal(), got.normal(), s.name)
		require.Equal(t, id, got.Publication, "publication ID")
		require.Equal(t, topic, got.Topic)
	}
}

// publishInOrder publishes without acknowledgement.
func publishInOrder(t *testing.T, f *fixture, publisher, subscriber *member) {
	t.Helper()
	topic := f.uri()
	subscriber.subscribe(t, topic, nil)
	for i := range orderedEventCount {
		cmd := command{Op: opPublish, URI: topic, Options: map[string]any{"exclude_me": false}}
		cmd.Args = list{int64(i)}
		require.Zero(t, publisher.must(t, cmd).ID)
	}
	for i := range orderedEventCount {
		require.Equal(t, list{int64(i)}, subscriber.await(t, reportEvent, topic).Args)
	}
}

func publishPatterns(t *testing.T, f *fixture, publisher, subscriber *member) {
	t.Helper()
	topic := f.uri()
	for _, p := range []struct{ match, pattern, published string }{
		{"prefix", topic + ".prefix", topic + ".prefix.a.b"},
		{"wildcard", topic + ".wildcard..end", topic + ".wildcard.x.end"},
	} {
		subscriber.subscribe(t, p.pattern, map[string]any{"match": p.match})
		publisher.publish(t, p.published, payload{})
		require.Equal(t, p.published, subscriber.await(t, reportEvent, p.pattern).Topic)
	}
}

func publishUnsubscribed(t *testing.T, f *fixture, publisher, subscriber *member) {
	t.Helper()
	topic := f.uri()
	subscriber.subscribe(t, topic+".marker", nil)
	id := subscriber.subscribe(t, topic, nil)
	publisher.publish(t, topic, payload{Args: list{"heard"}})
	require.Equal(t, list{"heard"}, subscriber.await(t, reportEvent, topic).Args)

	subscriber.must(t, command{Op: opUnsubscribe, Target: id})
	publisher.publish(t, topic, payload{Args: list{"not heard"}})
	publisher.publish(t, topic+".marker", payload{})
	require.Equal(t, topic+".marker", subscriber.await(t, reportEvent, "").Topic)
}

// testExcludeMe expects that a publisher hears itself only if it asks for that.
func testExcludeMe(t *testing.T, f *fixture, c cell) {
	t.Helper()
	m, _ := f.pair(t, c, c)
	topic := f.uri()
	m.subscribe(t, topic, nil)
	publish := command{Op: opPublish, URI: topic, Options: map[string]any{"acknowledge": true}}
	publish.Args = list{"excluded"}
	require.NotZero(t, m.must(t, publish).ID)
	m.publish(t, topic, payload{Args: list{"included"}})
	require.Equal(t, list{"included"}, m.await(t, reportEvent, topic).Args)
}
