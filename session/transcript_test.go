package session

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

var update = flag.Bool("update", false, "rewrite the expected effects in testdata")

// TestTranscripts plays the scripts of testdata: lines at the margin go in, indented lines are the
// effects that must come out.
//
//	start                              send HELLO
//	recv [2, 7, {...}]                 a message of the router, in JSON
//	call NAME URI [ARGS] {OPTIONS}     commands; NAME stands for the waiting caller
//	cancel NAME MODE
//	publish NAME URI [ARGS] ack
//	register NAME URI {OPTIONS}        NAME stands for the handler, too
//	unregister NAME ID
//	subscribe NAME URI {OPTIONS}
//	unsubscribe NAME HANDLER ID
//	answer REQUEST [ARGS]              final and progressive answers of handlers
//	fail REQUEST URI
//	progress REQUEST [ARGS]
//	leave NAME / lost [CAUSE] / after DURATION / refuse CAUSE / authenticate SIGNATURE
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(file)
			require.NoError(t, err)
			got := play(t, string(script))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644)) //nolint:gosec // a file of the repository
				return
			}
			require.Equal(t, string(script), got)
		})
	}
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := newPlayer(t)
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "  "):
			continue
		case line == "" || strings.HasPrefix(line, "#"):
			p.out.WriteString(line + "\n")
			continue
		}
		p.out.WriteString(line + "\n")
		p.step(line)
		p.m.checkInvariants(t)
	}
	return p.out.String()
}

// player is the shell of a machine: it writes down its effects.
type player struct {
	t        *testing.T
	m        *Machine
	now      time.Time
	out      bytes.Buffer
	commands map[string]Command
	bindings map[string]*Binding
	invs     map[protocol.ID]*Invocation
	settled  map[string]int
	refuse   error // what Send returns once
}

func newPlayer(t *testing.T) *player {
	t.Helper()
	p := &player{
		t: t, now: time.Unix(0, 0), commands: map[string]Command{}, bindings: map[string]*Binding{},
		invs: map[protocol.ID]*Invocation{}, settled: map[string]int{},
	}
	p.m = New(Config{
		Poster: p, Serializer: protocol.JSON, Transport: "test", JoinTimeout: 10 * time.Second,
		LeaveTimeout: 5 * time.Second, MaxInvocations: 3,
		Hello: protocol.Hello{Realm: "realm1", Details: protocol.HelloDetails{
			AuthMethods: []string{"ticket"}, Roles: protocol.Roles{}.With(protocol.Caller, 0),
		}},
	}, p)
	return p
}

func (p *player) effect(format string, args ...any) {
	fmt.Fprintf(&p.out, "  "+format+"\n", args...)
}

func (p *player) Send(msg protocol.Message) error {
	if err := p.refuse; err != nil {
		p.refuse = nil
		return err
	}
	b, err := codec.Append(nil, protocol.JSON, msg)
	require.NoError(p.t, err)
	p.effect("send %v %s", msg.Type(), b)
	return nil
}

func (p *player) Challenge(ch *protocol.Challenge) { p.effect("challenge %s", ch.Method) }
func (p *player) Joined(s *Session)                { p.effect("joined %v as %s", s, s.Details().AuthID) }
func (p *player) Release(ref any, reason error)    { p.effect("release %v: %v", ref, reason) }
func (p *player) Ended(err *EndedError)            { p.effect("ended: %v", err) }

func (p *player) Invoke(ref any, inv *Invocation) {
	p.invs[inv.Request()] = inv
	args, _ := inv.Args()
	p.effect("invoke %v %d %s %v", ref, inv.Request(), inv.Procedure(), args)
}

func (p *player) Interrupt(_ any, inv *Invocation, reason error) {
	inv.Interrupt(reason)
	p.effect("interrupt %d: %v", inv.Request(), reason)
}

func (p *player) Deliver(ref any, ev *Event) {
	args, _ := ev.Args()
	p.effect("deliver %v %d %s %v", ref, ev.Publication(), ev.Topic(), args)
}

// Post makes the player a Poster: what invocations post is carried out at once.
func (p *player) Post(cmd Command) { p.m.Do(p.now, cmd) }

// Await lets everything pass.
func (p *player) Await(context.Context) error { return nil }

func (p *player) step(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "start":
		p.m.Start(p.now)
	case "recv":
		msg, err := codec.Unmarshal(protocol.JSON, []byte(rest))
		if err != nil {
			p.m.Violation(err)
			return
		}
		p.m.Receive(msg)
	case "lost":
		p.m.Lost(optional(rest))
	case "after":
		d, err := time.ParseDuration(rest)
		require.NoError(p.t, err)
		p.now = p.now.Add(d)
		p.m.Expire(p.now)
	case "refuse":
		p.m.Refuse(errors.New(rest))
	case "authenticate":
		p.m.Authenticate(p.now, rest, nil)
	case "unsendable":
		p.refuse = errors.New("cannot be encoded")
	case "answer", "fail", "progress":
		p.handler(verb, rest)
	default:
		p.command(verb, rest)
	}
}

func optional(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func (p *player) handler(verb, rest string) {
	id, arg, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(id)
	require.NoError(p.t, err)
	inv := p.invs[protocol.ID(n)]
	require.NotNil(p.t, inv, "no invocation %d", n)
	switch verb {
	case "answer":
		if !inv.Respond(Reply{Args: list(p.t, arg)}) {
			p.effect("answered already")
		}
	case "fail":
		if !inv.Fail(NewError(protocol.URI(arg))) {
			p.effect("answered already")
		}
	case "progress":
		if err := inv.Progress(p.t.Context(), list(p.t, arg)...); err != nil {
			p.effect("error: %v", err)
		}
	}
}

func list(t *testing.T, text string) (args []any) {
	t.Helper()
	if text != "" {
		require.NoError(t, codec.DecodeValue(protocol.JSON, []byte(text), &args))
	}
	return args
}

func (p *player) command(verb, rest string) {
	f := strings.Fields(rest)
	f = append(f, "", "", "")
	name := f[0]
	ack := func(id protocol.ID, err error) { p.reply(name, fmt.Sprintf("%d", id), err) }
	done := func(err error) { p.reply(name, "ok", err) }
	var cmd Command
	switch verb {
	case "call":
		cmd = newAsyncCall(protocol.URI(f[1]), callOptions(f[3]), p.payload(f[2]), func(r *protocol.Result, err error) {
			if err != nil {
				p.reply(name, "", err)
				return
			}
			args, _ := codec.Args(r.Payload)
			if r.Details.Progress {
				p.effect("%s: progress %v", name, args)
				return
			}
			p.reply(name, fmt.Sprint(args), nil)
		})
	case "chunk":
		call, _ := p.commands[name].(*callCommand)
		cmd = &chunkCommand{call: call, payload: p.payload(f[1]), more: f[2] == "more"}
		p.m.Do(p.now, cmd)
		return
	case "cancel":
		call, _ := p.commands[name].(*callCommand)
		p.m.Do(p.now, &cancelCommand{call: call, mode: protocol.CancelMode(f[1])})
		return
	case "publish":
		cmd = newAsyncPublish(protocol.URI(f[1]), protocol.PublishOptions{Acknowledge: f[3] == "ack"}, p.payload(f[2]), ack)
	case "register":
		cmd = NewRegister(protocol.URI(f[1]), protocol.RegisterOptions{Match: match(f[2])}, name, ack)
	case "unregister":
		cmd = NewUnregister(number(p.t, f[1]), done)
	case "subscribe":
		opts := protocol.SubscribeOptions{Match: match(f[2]), GetRetained: f[2] == "retained"}
		cmd = NewSubscribe(protocol.URI(f[1]), opts, name, func(id protocol.ID, b *Binding, err error) {
			p.bindings[name] = b
			ack(id, err)
		})
	case "unsubscribe":
		cmd = NewUnsubscribe(number(p.t, f[2]), p.bindings[f[1]], done)
	case "undo":
		cmd = p.undo(name)
		p.m.Do(p.now, cmd)
		return
	case "leave":
		cmd = NewLeave(protocol.CloseRealm, "bye", done)
	default:
		require.Fail(p.t, "unknown verb", verb)
	}
	p.commands[name] = cmd
	p.m.Do(p.now, cmd)
}

func (p *player) undo(name string) Command {
	undo := &undoCommand{sess: p.m.sess}
	undo.register, _ = p.commands[name].(*RegisterCommand)
	undo.subscribe, _ = p.commands[name].(*SubscribeCommand)
	return undo
}

func callOptions(text string) protocol.CallOptions {
	return protocol.CallOptions{
		ReceiveProgress: strings.Contains(text, "receive"), Progress: strings.Contains(text, "chunks"),
	}
}

func match(text string) protocol.Match {
	m, _ := protocol.ParseMatch(text)
	return m
}

func number(t *testing.T, text string) protocol.ID {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return protocol.ID(n)
}

func (p *player) payload(args string) protocol.Payload {
	payload, err := codec.EncodePayload(protocol.JSON, list(p.t, args), nil)
	require.NoError(p.t, err)
	return payload
}

func (p *player) reply(name, result string, err error) {
	p.settled[name]++
	require.Equal(p.t, 1, p.settled[name], "%s was answered twice", name)
	if err != nil {
		p.effect("%s: error %v", name, err)
		return
	}
	p.effect("%s: %s", name, result)
}

// checkInvariants fails if the machine contradicts itself.
func (m *Machine) checkInvariants(t *testing.T) {
	t.Helper()
	if m.state == stateEnded {
		require.Zero(t, m.pending.Len())
		require.Zero(t, m.serving.Len())
		require.Empty(t, m.registrations)
		require.Empty(t, m.subscriptions)
		require.Empty(t, m.leaving)
		require.True(t, m.deadline.IsZero())
		return
	}
	counts := map[topicKey]int{}
	for id, r := range m.pending.All() {
		require.LessOrEqual(t, id, m.last)
		if c, ok := r.(*SubscribeCommand); ok {
			counts[c.key()]++
		}
	}
	require.Equal(t, counts, m.subscribing)
	for id, sub := range m.subscriptions {
		if len(sub.bindings) == 0 {
			require.Equal(t, id, m.orphans[sub.key], "a subscription without handlers that nobody will end")
			require.Positive(t, m.subscribing[sub.key])
		}
	}
	for key, id := range m.orphans {
		require.NotNil(t, m.subscriptions[id])
		require.Empty(t, m.subscriptions[id].bindings, key)
	}
	require.LessOrEqual(t, m.serving.Len(), m.cfg.MaxInvocations)
}
