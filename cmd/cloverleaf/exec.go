package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

const (
	maxVariable = 64 << 10 // of an environment variable; Linux takes 128 KiB
	maxTail     = 4 << 10  // of what a failed command wrote to stderr
	// killDelay is how long a command that was told to end may take, and how long what it left
	// behind may keep its output open.
	killDelay = 2 * time.Second
)

// commandHandler serves calls by running a command.
type commandHandler struct {
	path    string
	argv    []string
	environ []string
	stderr  io.Writer
}

// withoutSecrets returns an environment for commands: without the variables of another call, and
// without secrets. A secret that is only named, as @FILE, stays: the command may need it.
func withoutSecrets(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "WAMP_") {
			return true
		}
		return slices.ContainsFunc(secretFlags(), func(f string) bool {
			return name == variable(f) && (!strings.HasPrefix(value, "@") || strings.HasPrefix(value, "@@"))
		})
	})
}

// handle is a session.InvocationHandler.
func (h *commandHandler) handle(ctx context.Context, inv *session.Invocation) (session.Reply, error) {
	args, kwargs, err := payloadJSON(inv.Payload)
	if err != nil {
		return session.Reply{}, session.NewError(protocol.ErrorInvalidArgument, err.Error())
	}
	cmd := exec.CommandContext(ctx, h.path, h.argv[1:]...)
	cmd.Args[0] = h.argv[0]
	cmd.Env = append(slices.Clone(h.environ), variables(inv, args, kwargs)...)
	cmd.Stdin = bytes.NewReader(fmt.Appendf(nil, `{"args":%s,"kwargs":%s}`+"\n", args, kwargs))
	output, tail := &limitedBuffer{}, &tailWriter{to: h.stderr}
	cmd.Stdout, cmd.Stderr = output, tail
	cmd.WaitDelay = killDelay
	killed := ownGroup(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		killed()
		return session.Reply{}, ctx.Err()
	case output.full:
		return session.Reply{}, session.NewError(protocol.ErrorPayloadSizeExceeded, "the command prints more than a message can hold")
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // what it left behind is not its failure
		return session.Reply{}, commandError(err, tail.String())
	}
	result, err := parseOutput(output.buf.Bytes())
	if err != nil {
		return session.Reply{}, fmt.Errorf("output of the command: %w", err)
	}
	return session.Reply{Args: result}, nil
}

// variables returns what a command finds in its environment. Only what fits is there.
func variables(inv *session.Invocation, args, kwargs json.RawMessage) []string {
	all := []string{
		"WAMP_ARGS=" + string(args),
		"WAMP_KWARGS=" + string(kwargs),
		"WAMP_PROCEDURE=" + string(inv.Procedure()),
	}
	if d := inv.Details; d.Caller != 0 {
		all = append(all, fmt.Sprintf("WAMP_CALLER=%d", d.Caller),
			"WAMP_CALLER_AUTHID="+d.CallerAuthID, "WAMP_CALLER_AUTHROLE="+d.CallerAuthRole)
	}
	return slices.DeleteFunc(all, func(entry string) bool {
		return len(entry) > maxVariable || strings.ContainsRune(entry, 0)
	})
}

// parseOutput returns the result that a command printed.
func parseOutput(output []byte) ([]any, error) {
	if len(output) == 0 {
		return nil, nil
	}
	if !utf8.Valid(output) {
		return []any{output}, nil
	}
	value, err := parseValue(strings.TrimSuffix(strings.TrimSuffix(string(output), "\n"), "\r"))
	if err != nil {
		return nil, err
	}
	return []any{value}, nil
}

// commandError is what the caller gets when a command fails.
func commandError(err error, tail string) error {
	e := session.NewError(protocol.ErrorRuntime, err.Error())
	if tail != "" {
		e.Args = []any{tail}
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e.KwArgs = map[string]any{"status": exit.String()}
	}
	return e
}

// limitedBuffer keeps as much as a message can hold. A command that prints more finds its output
// closed.
type limitedBuffer struct {
	buf  bytes.Buffer // not embedded: its ReadFrom would know no limit
	full bool
}

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > transport.MaxMessageSize {
		b.full = true
		return 0, io.ErrShortWrite
	}
	return b.buf.Write(p)
}

// tailWriter passes on what is written, and keeps the end of it.
type tailWriter struct {
	to   io.Writer
	tail []byte
}

// Write implements io.Writer. It never fails: that nobody reads stderr is no failure of a command.
func (t *tailWriter) Write(p []byte) (int, error) {
	_, _ = t.to.Write(p)
	t.tail = append(t.tail, p[max(0, len(p)-maxTail):]...)
	if surplus := len(t.tail) - maxTail; surplus > 0 {
		t.tail = append(t.tail[:0], t.tail[surplus:]...)
	}
	return len(p), nil
}

// String returns the end as text.
func (t *tailWriter) String() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.tail), "\uFFFD"))
}
