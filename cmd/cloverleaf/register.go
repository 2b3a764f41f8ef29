package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

const registerText = `With --echo a call is answered with its own arguments. With -- COMMAND each call runs the
command, with {"args":[...],"kwargs":{...}} on stdin and these variables:

  WAMP_ARGS, WAMP_KWARGS   the arguments as JSON, unless longer than 64 KiB
  WAMP_PROCEDURE           the procedure that was called
  WAMP_CALLER, WAMP_CALLER_AUTHID, WAMP_CALLER_AUTHROLE   if the caller is disclosed

What the command prints is the result: a value if it is JSON, text or binary if it is not,
nothing if it is empty. If its exit code is not 0, the caller gets wamp.error.runtime_error
with the end of what it wrote to stderr. It is killed when the call is canceled.

It goes on until SIGINT or SIGTERM, or --count calls, and connects again if the connection
is lost; what happens to the registration is told on stderr.

Options: disclose_caller, force_reregister, forward_timeout, and any name that starts
with _.
`

// defaultConcurrency is how many commands run at once.
const defaultConcurrency = 8

type callee struct {
	client
	stayFlags
	echo          bool
	concurrency   int
	invoke        invokeFlag
	handle        session.InvocationHandler
	begun, failed atomic.Int64
	answered      atomic.Int64
}

func registerCommand() *command {
	c := &callee{}
	flags := flag.NewFlagSet("register", flag.ContinueOnError)
	c.client.define(flags)
	c.stayFlags.define(flags, "calls, with exit code 1 if one of them failed")
	flags.BoolVar(&c.echo, "echo", false, "answer with the arguments of the call")
	flags.IntVar(&c.concurrency, "concurrency", defaultConcurrency, "`N` how many calls to serve at a time; 0 is any number (default 8)")
	flags.Var(&c.invoke, "invoke", "`POLICY` how several callees share the procedure: single, roundrobin, random, first or last (default single)")
	return &command{
		name: "register", arguments: "PROCEDURE --echo | PROCEDURE -- COMMAND [ARG...]",
		summary: "serve a procedure by a command of the system",
		text:    registerText, flags: flags, common: &c.client, run: c.run,
	}
}

func (c *callee) run(ctx context.Context, p *program, args arguments) error {
	if err := c.checkArguments(args); err != nil {
		return err
	}
	opts, err := parseOptions(c.options, registerOptions())
	if err != nil {
		return err
	}
	opts = append(opts, session.Match(protocol.Match(c.match)), session.Concurrency(c.concurrency))
	if c.invoke != "" {
		opts = append(opts, session.Invoke(protocol.InvokePolicy(c.invoke)))
	}
	c.handle = echo
	if !c.echo {
		h, err := newCommandHandler(p, args.rest)
		if err != nil {
			return err
		}
		c.handle = h.handle
	}
	conn, err := c.component(p)
	if err != nil {
		return err
	}
	procedure, done := args.before()[0], make(chan error, 1)
	conn.Register(procedure, c.serve(p, done), opts...)
	return conn.stay(ctx, p, "registered "+procedure, done, c.count == 0)
}

func (c *callee) checkArguments(args arguments) error {
	if err := oneArgument(args.before(), "PROCEDURE"); err != nil {
		if len(args.before()) > 1 && !args.cut {
			return fmt.Errorf("%w; a command comes after --", err)
		}
		return err
	}
	switch {
	case c.echo && args.cut:
		return usagef("--echo and a command exclude each other")
	case !c.echo && len(args.rest) == 0:
		return usagef("--echo or -- COMMAND is missing")
	case c.concurrency < 0:
		return usagef("--concurrency: %d is negative", c.concurrency)
	default:
		return c.check()
	}
}

func echo(_ context.Context, inv *session.Invocation) (session.Reply, error) {
	args, err := inv.Args()
	if err != nil {
		return session.Reply{}, err
	}
	kwargs, err := inv.KwArgs()
	if err != nil {
		return session.Reply{}, err
	}
	return session.Reply{Args: args, KwArgs: kwargs}, nil
}

// serve returns the handler, which counts.
func (c *callee) serve(p *program, done chan<- error) session.InvocationHandler {
	return func(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
		count := int64(c.count)
		if n := c.begun.Add(1); count > 0 && n > count {
			return session.Reply{}, session.NewError(protocol.ErrorUnavailable, "the callee is about to leave")
		}
		reply, err := c.handle(ctx, inv)
		if err != nil {
			c.failed.Add(1)
			p.report("register", fmt.Errorf("call of %s: %w", inv.Procedure(), err))
		}
		inv.Answer(reply, err) // before anybody hears that it was the last one
		if n := c.answered.Add(1); n == count {
			finish(done, c.verdict())
		}
		return reply, err
	}
}

// verdict returns how a command with a count ends. The failures have been printed.
func (c *callee) verdict() error {
	if n := c.failed.Load(); n > 0 {
		return &reportedError{fmt.Errorf("%d calls failed", n)}
	}
	return nil
}

// invokeFlag is an invocation policy.
type invokeFlag protocol.InvokePolicy

// invokePolicies names them.
func invokePolicies() []string {
	return []string{
		string(protocol.InvokeSingle), string(protocol.InvokeRoundRobin), string(protocol.InvokeRandom),
		string(protocol.InvokeFirst), string(protocol.InvokeLast),
	}
}

// String implements flag.Value.
func (i *invokeFlag) String() string { return string(*i) }

// Set implements flag.Value.
func (i *invokeFlag) Set(name string) error {
	if !slices.Contains(invokePolicies(), name) {
		return errors.New("is none of " + strings.Join(invokePolicies(), ", "))
	}
	*i = invokeFlag(name)
	return nil
}

func newCommandHandler(p *program, argv []string) (*commandHandler, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, usagef("command: %w", err)
	}
	return &commandHandler{path: path, argv: argv, environ: withoutSecrets(p.environ), stderr: p.stderr}, nil
}
