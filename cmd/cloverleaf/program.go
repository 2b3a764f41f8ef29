package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// program is what a command line has to do with the rest of the process.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer // safe for concurrent use once run has begun
	environ        []string
}

// getenv returns the value of an environment variable, "" if there is none.
func (p *program) getenv(name string) string {
	for _, entry := range slices.Backward(p.environ) {
		if key, value, ok := strings.Cut(entry, "="); ok && key == name {
			return value
		}
	}
	return ""
}

// command is one word that may follow cloverleaf. A command is made for one run.
type command struct {
	name      string
	arguments string // those that are not flags, for its usage line
	summary   string // one line
	text      string // the rest of its help
	flags     *flag.FlagSet
	common    *client // the flags of all clients are among flags; nil if they are not
	run       func(ctx context.Context, p *program, args arguments) error
	// main, if it is not nil, parses the arguments itself and returns the exit code.
	main func(ctx context.Context, p *program, args []string) int
}

// commands returns the commands in the order of the help.
func commands() []*command {
	return []*command{
		callCommand(), publishCommand(), subscribeCommand(), registerCommand(),
		routerCommand(), benchCommand(), keygenCommand(), completionCommand(), versionCommand(), helpCommand(),
	}
}

// find returns the command with that name, nil if there is none.
func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (p *program) run(ctx context.Context, args []string) int {
	p.stdout, p.stderr = &lockedWriter{w: p.stdout}, &lockedWriter{w: p.stderr}
	if len(args) == 0 {
		say(p.stderr, overview())
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	c := find(name)
	if c == nil && isFlag(name) {
		name, _, _ = strings.Cut(name, "=") // the value may be a secret
		p.note("cloverleaf: %s comes before the command: flags come after it", name)
		return exitUsage
	}
	if c == nil {
		p.note("cloverleaf: unknown command %q%s", name, didYouMean(name, commandNames()))
		p.note("Run 'cloverleaf help' for the list of commands.")
		return exitUsage
	}
	if c.main != nil {
		return c.main(ctx, p, args[1:])
	}
	err := p.execute(ctx, c, args[1:])
	if errors.Is(err, flag.ErrHelp) {
		say(p.stdout, c.help())
		return exitOK
	}
	p.report(c.name, err)
	return exitCode(err)
}

// note writes a line for people.
func (p *program) note(format string, args ...any) { say(p.stderr, fmt.Sprintf(format, args...)+"\n") }

func (p *program) execute(ctx context.Context, c *command, args []string) error {
	parsed, err := parseArguments(c.flags, args)
	if err != nil {
		return err
	}
	if c.common == nil {
		return c.run(ctx, p, parsed)
	}
	if err := c.common.fromEnvironment(c.flags, p.getenv); err != nil {
		return err
	}
	if c.common.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.common.timeout, errTimeout)
		defer cancel()
	}
	err = c.run(ctx, p, parsed)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if errors.Is(context.Cause(ctx), errTimeout) {
			return fmt.Errorf("%w after %v", errTimeout, c.common.timeout)
		}
		return errInterrupted
	}
	return err
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// lockedWriter lets several goroutines write, one Write after the other.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
