package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const publishText = `An ARG is JSON or text, as with call. The router is asked to acknowledge, and the id of
the publication is printed: exit code 0 says that the router has accepted the event.
With --no-acknowledge it says that the event was sent.

Options: acknowledge, exclude_me, disclose_me, retain, exclude, exclude_authid,
exclude_authrole, eligible, eligible_authid, eligible_authrole, each with one value or a
JSON list, rkey, and any name that starts with _.
`

type publisher struct {
	client
	requestFlags
	silent bool // do not acknowledge
}

func publishCommand() *command {
	c := &publisher{}
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	c.client.define(flags)
	c.requestFlags.define(flags)
	flags.BoolVar(&c.silent, "no-acknowledge", false, "do not ask whether the router has accepted the event")
	return &command{
		name: "publish", arguments: "TOPIC [ARG...]", summary: "publish an event and print its id",
		text: publishText, flags: flags, common: &c.client, run: c.run,
	}
}

func (c *publisher) run(ctx context.Context, p *program, args arguments) error {
	if len(args.list) == 0 {
		return usagef("TOPIC is missing")
	}
	switch topic := protocol.URI(args.list[0]); {
	case !topic.Valid():
		return usagef("%q is not a valid URI", args.list[0])
	case topic.Reserved():
		return usagef("%s is reserved for the router", topic)
	}
	opts, acknowledge, err := c.parse(args.list[1:])
	if err != nil {
		return err
	}
	return c.do(ctx, p, func(ctx context.Context, s *session.Session) error {
		return c.each(ctx, p, "publish", s, func() error {
			id, err := s.Publish(ctx, args.list[0], opts...)
			if err != nil || !acknowledge {
				return err
			}
			return p.printLine(fmt.Appendln(nil, uint64(id)))
		})
	})
}

func (c *publisher) parse(texts []string) (opts []session.PublishOption, acknowledge bool, err error) {
	if err := c.check(); err != nil {
		return nil, false, err
	}
	values, err := parseValues(texts)
	if err != nil {
		return nil, false, err
	}
	keywords, err := parseKeywords(c.keywords)
	if err != nil {
		return nil, false, err
	}
	acknowledge = !c.silent
	if opts, err = parseOptions(c.options, publishOptions(&acknowledge)); err != nil {
		return nil, false, err
	}
	if acknowledge {
		opts = append(opts, session.Acknowledge())
	}
	return append(opts, session.Args(values...), session.KwArgs(keywords)), acknowledge, nil
}
