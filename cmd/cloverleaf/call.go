package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const callText = `An ARG is JSON if it can be read as JSON, and text if not: 2, true, null, [1,2] and
'{"a":1}' are what they look like, hello is text, and so is '"2"'. Binary is text that
begins with \u0000 and goes on in base64.

A result with one value is printed as that value, any other as
{"args":[...],"kwargs":{...}}, always as one line. With -o receive_progress=true
progressive results are printed as they come, and the last line is the result.

Options: timeout=MILLISECONDS, which the router enforces, disclose_me, receive_progress,
rkey, runmode, and any name that starts with _.
`

// requestFlags are those of the commands that send something, once or several times.
type requestFlags struct {
	keywords, options   list
	repeat, concurrency int
}

func (r *requestFlags) define(flags *flag.FlagSet) {
	flags.Var(&r.keywords, "k", "`KEY=VALUE` keyword argument; may be repeated")
	flags.Var(&r.options, "o", "`KEY=VALUE` option; may be repeated")
	flags.IntVar(&r.repeat, "repeat", 1, "`N` do it so many times (default 1)")
	flags.IntVar(&r.concurrency, "concurrency", 1, "`N` how many at a time (default 1)")
}

func (r *requestFlags) check() error {
	switch {
	case r.repeat < 1:
		return usagef("--repeat: %d is less than 1", r.repeat)
	case r.concurrency < 1:
		return usagef("--concurrency: %d is less than 1", r.concurrency)
	default:
		return nil
	}
}

type caller struct {
	client
	requestFlags
	progress bool // print progressive results
}

func callCommand() *command {
	c := &caller{}
	flags := flag.NewFlagSet("call", flag.ContinueOnError)
	c.client.define(flags)
	c.requestFlags.define(flags)
	return &command{
		name: "call", arguments: "PROCEDURE [ARG...]", summary: "call a procedure and print its result",
		text: callText, flags: flags, common: &c.client, run: c.run,
	}
}

func (c *caller) run(ctx context.Context, p *program, args arguments) error {
	if len(args.list) == 0 {
		return usagef("PROCEDURE is missing")
	}
	if !protocol.URI(args.list[0]).Valid() {
		return usagef("%q is not a valid URI", args.list[0])
	}
	opts, err := c.parse(args.list[1:])
	if err != nil {
		return err
	}
	return c.do(ctx, p, func(ctx context.Context, s *session.Session) error {
		return c.each(ctx, p, "call", s, func() error { return c.call(ctx, p, s, args.list[0], opts) })
	})
}

func (c *caller) parse(texts []string) ([]session.CallOption, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	values, err := parseValues(texts)
	if err != nil {
		return nil, err
	}
	keywords, err := parseKeywords(c.keywords)
	if err != nil {
		return nil, err
	}
	opts, err := parseOptions(c.options, callOptions(&c.progress))
	if err != nil {
		return nil, err
	}
	return append(opts, session.Args(values...), session.KwArgs(keywords)), nil
}

func (c *caller) call(ctx context.Context, p *program, s *session.Session, procedure string, opts []session.CallOption) error {
	var failed error
	if c.progress {
		opts = append(slices.Clip(opts), session.OnProgress(func(res *session.Result) {
			if failed == nil {
				failed = p.printResult(res)
			}
		}))
	}
	res, err := s.Call(ctx, procedure, opts...)
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return p.printResult(res)
}

func (p *program) printResult(res *session.Result) error {
	line, err := resultLine(res)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return p.printLine(line)
}

// each does something as often and as concurrently as the flags say, and returns the first failure.
// Failures are printed at once and do not keep the others from being done, but for the end of the
// session or of ctx.
func (r *requestFlags) each(ctx context.Context, p *program, name string, s *session.Session, do func() error) error {
	var (
		mu    sync.Mutex
		first error
		wg    sync.WaitGroup
	)
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil && (first == nil || s.Err() == nil) {
			p.report(name, err)
			err = &reportedError{err}
		}
		if first == nil {
			first = err
		}
	}
	rounds := make(chan struct{})
	for range min(r.concurrency, r.repeat) {
		wg.Go(func() {
			for range rounds {
				if err := do(); err != nil {
					failed(err)
				}
			}
		})
	}
	left := r.repeat
	for left > 0 && ctx.Err() == nil && s.Err() == nil {
		select {
		case rounds <- struct{}{}:
			left--
		case <-ctx.Done():
		}
	}
	close(rounds)
	wg.Wait()
	switch {
	case first != nil || left == 0:
		return first
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return s.Err()
	}
}
