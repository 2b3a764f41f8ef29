package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // a WAMP error, a handler that failed, or anything without a code of its own
	exitUsage       = 2   // the command line is wrong
	exitNoSession   = 3   // could not connect or join, or the session was lost
	exitTimeout     = 124 // --timeout has passed, as timeout(1) has it
	exitInterrupted = 130 // SIGINT or SIGTERM before the work was done, as shells have it
)

var (
	errTimeout     = errors.New("timed out")
	errInterrupted = errors.New("interrupted")
)

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// connectError says that there is no session.
type connectError struct {
	url string
	err error
}

func (e *connectError) Error() string {
	text := strings.TrimPrefix(e.err.Error(), "transport: ")
	if strings.Contains(text, e.url) {
		return text
	}
	return e.url + ": " + text
}

// Unwrap returns why.
func (e *connectError) Unwrap() error { return e.err }

// reportedError is one that has been printed already.
type reportedError struct{ err error }

func (e *reportedError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *reportedError) Unwrap() error { return e.err }

// exitCode returns the exit code for how a command ended.
func exitCode(err error) int {
	var (
		usage   *usageError
		remote  *session.Error
		connect *connectError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errTimeout):
		return exitTimeout
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &remote):
		return exitFailed
	case errors.As(err, &connect), errors.Is(err, session.ErrClosed):
		return exitNoSession
	default:
		return exitFailed
	}
}

// report prints an error as one line, unless it has been printed.
func (p *program) report(name string, err error) {
	var (
		reported *reportedError
		usage    *usageError
	)
	if err == nil || errors.As(err, &reported) {
		return
	}
	p.note("cloverleaf %s: %s", name, describe(err))
	if errors.As(err, &usage) {
		p.note("Run 'cloverleaf %s -h' for help.", name)
	}
}

// describe returns an error as one line. A WAMP error is its URI and its values as JSON, an end of
// the session is told without the layers that it passed.
func describe(err error) string {
	text := err.Error()
	var connect *connectError
	if e, ok := errors.AsType[*session.Error](err); ok && e.Remote() {
		text = describeRemote(e)
	} else if e, ok := errors.AsType[*session.EndedError](err); ok && !errors.As(err, &connect) {
		text = e.Error()
	}
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) { // peers must not write to the terminal
			return utf8.RuneError
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
}

func describeRemote(e *session.Error) string {
	text := string(e.URI)
	if len(e.Args) > 0 || len(e.KwArgs) > 0 {
		text += " " + jsonText(slices.Concat([]any{}, e.Args))
	}
	if len(e.KwArgs) > 0 {
		text += " " + jsonText(e.KwArgs)
	}
	return text
}

// jsonText returns a value that a peer sent as JSON, with sorted keys.
func jsonText(v any) string {
	line, err := codec.AppendValue(nil, protocol.JSON, v)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // 64 bits stay 64 bits
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if decoder.Decode(&v) != nil || encoder.Encode(v) != nil {
		return string(line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
