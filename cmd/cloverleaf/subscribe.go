package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const subscribeText = `Each event is printed as one line,
{"topic":"...","publication":ID,"args":[...],"kwargs":{...},"details":{...}}, where details
are left out if there are none. It goes on until SIGINT or SIGTERM, or --count events, and
connects again if the connection is lost; what happens to the subscription is told on
stderr.

Options: get_retained, nkey, and any name that starts with _.
`

// stayFlags are those of the commands that stay until they are told to leave.
type stayFlags struct {
	match   matchFlag
	count   int
	options list
}

func (f *stayFlags) define(flags *flag.FlagSet, things string) {
	flags.Var(&f.match, "match", "`POLICY` exact, prefix or wildcard (default exact)")
	flags.IntVar(&f.count, "count", 0, "`N` end after so many "+things)
	flags.Var(&f.options, "o", "`KEY=VALUE` option; may be repeated")
}

func (f *stayFlags) check() error {
	if f.count < 0 {
		return usagef("--count: %d is negative", f.count)
	}
	return nil
}

// matchFlag is a matching policy.
type matchFlag protocol.Match

// String implements flag.Value.
func (m *matchFlag) String() string { return protocol.Match(*m).String() }

// Set implements flag.Value.
func (m *matchFlag) Set(name string) error {
	match, ok := protocol.ParseMatch(name)
	if !ok {
		return errors.New("is none of exact, prefix, wildcard")
	}
	*m = matchFlag(match)
	return nil
}

type subscriber struct {
	client
	stayFlags
	seen atomic.Int64
}

func subscribeCommand() *command {
	c := &subscriber{}
	flags := flag.NewFlagSet("subscribe", flag.ContinueOnError)
	c.client.define(flags)
	c.stayFlags.define(flags, "events")
	return &command{
		name: "subscribe", arguments: "TOPIC", summary: "print the events of a topic",
		text: subscribeText, flags: flags, common: &c.client, run: c.run,
	}
}

func (c *subscriber) run(ctx context.Context, p *program, args arguments) error {
	if err := oneArgument(args.list, "TOPIC"); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	opts, err := parseOptions(c.options, subscribeOptions())
	if err != nil {
		return err
	}
	conn, err := c.component(p)
	if err != nil {
		return err
	}
	topic, done := args.list[0], make(chan error, 1)
	conn.Subscribe(topic, func(_ context.Context, ev *session.Event) { c.event(p, ev, done) },
		append(opts, session.Match(protocol.Match(c.match)))...)
	return conn.stay(ctx, p, "subscribed to "+topic, done, c.count == 0)
}

// oneArgument checks that there is one argument, and which.
func oneArgument(list []string, name string) error {
	switch len(list) {
	case 0:
		return usagef("%s is missing", name)
	case 1:
		return nil
	default:
		return usagef("unexpected argument %q", list[1])
	}
}

// event prints an event, unless there were enough.
func (c *subscriber) event(p *program, ev *session.Event, done chan<- error) {
	n, count := c.seen.Add(1), int64(c.count)
	if count > 0 && n > count {
		return
	}
	line, err := eventLine(ev.Topic(), &protocol.Event{Publication: ev.Publication(), Details: ev.Details, Payload: ev.Payload})
	if err != nil {
		p.report("subscribe", fmt.Errorf("event %d: %w", ev.Publication(), err))
	} else if err := p.printLine(line); err != nil {
		finish(done, err)
	}
	if n == count {
		finish(done, nil)
	}
}

// finish says how a command ends, unless that was said before.
func finish(done chan<- error, err error) {
	select {
	case done <- err:
	default:
	}
}
