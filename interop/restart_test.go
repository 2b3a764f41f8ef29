//go:build interop

package interop

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// restartTimeout bounds the wait for a component to notice that its router is
// gone, and for it to be back after that.
const restartTimeout = 60 * time.Second

// declaring is a component with something of each kind declared.
type declaring struct {
	*cloverleaf.Component
	cell
	heard chan heard
	log   *tail
}

// heard is an event, with the topic that was declared and the one published to.
type heard struct{ declared, topic, text string }

// TestRestartOfCrossbar ends Crossbar.io under components of ours, once without a word and
// once in good order, and expects that they come back with everything declared.
func TestRestartOfCrossbar(t *testing.T) {
	t.Parallel()
	node := newCrossbar(t)
	r := node.start(t)
	var components []*declaring
	for _, c := range ours().cells() {
		components = append(components, newDeclaring(t, c, r.urls[c.transport]))
	}
	sessions := allReady(t, components)
	checkDeclared(t, components)
	for _, tt := range []struct {
		name string
		end  func(t *testing.T)
	}{
		{"killed", func(t *testing.T) { t.Helper(); r.kill(t) }},
		{"terminated", func(t *testing.T) { t.Helper(); _ = r.terminate() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.end(t)
			for i, s := range sessions {
				select {
				case <-s.Done():
				case <-time.After(restartTimeout):
					require.FailNowf(t, "the session goes on without its router", "%s", components[i].cell)
				}
			}
			r = node.start(t)
			sessions = allReady(t, components)
			checkDeclared(t, components)
		})
	}
}

// newDeclaring starts a component that is stopped, in good order, with the test.
func newDeclaring(t *testing.T, c cell, url string) *declaring {
	t.Helper()
	serializer, ok := protocol.ParseSerializer(c.serializer)
	require.True(t, ok)
	transports := cloverleaf.URLs(url)
	transports[0].Backoff = supervisor.Backoff{Initial: pollInterval, Max: time.Second}
	d := &declaring{cell: c, heard: make(chan heard, 16), log: &tail{}}
	var err error
	d.Component, err = cloverleaf.NewComponent(cloverleaf.Config{
		Name:        c.String(),
		Realm:       realm,
		Transports:  transports,
		Serializers: []protocol.Serializer{serializer},
		Logger:      slog.New(slog.NewTextHandler(d.log, nil)),
	})
	require.NoError(t, err)
	called := func(inv *session.Invocation) string { return string(inv.Procedure()) }
	d.Register(d.uri("exact"), called)
	d.Register(d.uri("prefix"), called, session.Prefix())
	d.Register(d.uri("wildcard..end"), called, session.Wildcard())
	d.Subscribe(d.uri("exact"), d.hear(d.uri("exact")))
	d.Subscribe(d.uri("prefix"), d.hear(d.uri("prefix")), session.Prefix())
	d.Subscribe(d.uri("wildcard..end"), d.hear(d.uri("wildcard..end")), session.Wildcard())
	require.NoError(t, d.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stopTimeout)
		defer cancel()
		err := d.Stop(ctx)
		if t.Failed() {
			t.Logf("%s ended with %v, log:\n%s", d.cell, err, d.log)
			return
		}
		require.NoError(t, err, d.cell)
	})
	return d
}

// uri returns a URI below one that no other component has.
func (d *declaring) uri(rest string) string {
	return "interop.restart." + d.transport + "." + d.serializer + "." + rest
}

func (d *declaring) hear(declared string) session.EventHandler {
	return func(_ context.Context, ev *session.Event) error {
		h := heard{declared: declared, topic: string(ev.Topic())}
		err := ev.Decode(&h.text)
		d.heard <- h
		return err
	}
}

// allReady waits until all components have a session with everything declared.
func allReady(t *testing.T, components []*declaring) []*session.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), restartTimeout)
	defer cancel()
	sessions := make([]*session.Session, len(components))
	for i, d := range components {
		var err error
		sessions[i], err = d.Ready(ctx)
		require.NoError(t, err)
	}
	return sessions
}

// checkDeclared has each component use what the next one has declared.
func checkDeclared(t *testing.T, components []*declaring) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	for i, d := range components {
		s, ok := components[(i+1)%len(components)].Session()
		require.True(t, ok)
		for _, tt := range []struct{ declared, used string }{
			{d.uri("exact"), d.uri("exact")},
			{d.uri("prefix"), d.uri("prefix.a.b")},
			{d.uri("wildcard..end"), d.uri("wildcard.x.end")},
		} {
			got, err := session.Call[string](ctx, s, tt.used)
			require.NoError(t, err, "%s", d.cell)
			require.Equal(t, tt.used, got)

			_, err = s.Publish(ctx, tt.used, session.Args(s.String()), session.Acknowledge())
			require.NoError(t, err)
			select {
			case h := <-d.heard:
				require.Equal(t, heard{declared: tt.declared, topic: tt.used, text: s.String()}, h)
			case <-ctx.Done():
				require.FailNowf(t, "an event is missing", "%s: %s", d.cell, tt.used)
			}
		}
		require.Empty(t, d.heard, "an event was delivered twice")
	}
}
