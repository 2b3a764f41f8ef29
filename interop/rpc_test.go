//go:build interop

package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	errNoSuchProcedure  = "wamp.error.no_such_procedure"
	errProcedureExists  = "wamp.error.procedure_already_exists"
	errCanceled         = "wamp.error.canceled"
	errRuntime          = "wamp.error.runtime_error"
	errTimeout          = "wamp.error.timeout"
	callTimeoutMillis   = 100
	modeKill            = "kill"
	modeSkip            = "skip"
	largeText           = 1 << 20
	progressSteps       = 5
	concurrentCallCount = 20
)

// testCalls lets the first cell call procedures of the second.
func testCalls(t *testing.T, f *fixture, first, second cell) {
	t.Helper()
	twoSessions := first.String() != second.String()
	// Crossbar has no call timeouts as they are specified; components of ours then
	// have their own.
	timesOut := f.router.ours || first.ours
	for _, s := range []struct {
		name    string
		applies bool
		run     func(t *testing.T, f *fixture, caller, callee *member)
	}{
		{"values", true, callValues},
		{"result shapes", true, callShapes},
		{"errors", true, callErrors},
		{"progress", true, callProgress},
		{"patterns", true, callPatterns},
		{"shared registration", twoSessions, callShared},
		{"concurrent", true, callConcurrently},
		{"timeout", timesOut, callTimeout},
	} {
		if !s.applies {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			caller, callee := f.pair(t, first, second)
			s.run(t, f, caller, callee)
		})
	}
	for _, mode := range first.cancelModes {
		// Crossbar leaves a call that its caller wants killed without an answer if
		// the callee cannot be interrupted.
		if mode == modeKill && !f.router.ours && !second.interrupts {
			continue
		}
		t.Run("cancel "+cmp.Or(mode, "by itself"), func(t *testing.T) {
			caller, callee := f.pair(t, first, second)
			callCancel(t, f, caller, callee, mode)
		})
	}
}

func callValues(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri, echo, nil)
	for _, s := range samplesFor(caller, callee) {
		require.Equal(t, s.normal(), caller.call(t, uri, s.payload).normal(), s.name)
	}
}

func callShapes(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri+".value", value, nil)
	callee.register(t, uri+".nothing", nothing, nil)
	callee.register(t, uri+".add2", add2, nil)

	list1 := []any{int64(1), int64(2)}
	require.Equal(t, payload{Args: list{list1}}.normal(), caller.call(t, uri+".value", payload{Args: list{list1}}).normal())
	require.Equal(t, payload{Args: list{int64(5)}}.normal(), caller.call(t, uri+".add2", payload{Args: list{int64(2), int64(3)}}).normal())

	got := caller.call(t, uri+".nothing", payload{}).normal()
	if caller.losesNull {
		require.Equal(t, payload{}.normal(), got)
	} else {
		require.Equal(t, payload{Args: list{nil}}.normal(), got)
	}
}

func callErrors(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	require.Equal(t, errNoSuchProcedure, caller.refused(t, command{Op: opCall, URI: uri}).URI)

	callee.register(t, uri, fail, nil)
	for _, s := range samplesFor(caller, callee) {
		if s.long {
			continue
		}
		got := caller.refused(t, command{Op: opCall, URI: uri, payload: s.payload})
		require.Equal(t, customError, got.URI, s.name)
		require.Equal(t, s.normal(), got.normal(), s.name)
	}

	callee.register(t, uri+".crash", crash, nil)
	got := caller.refused(t, command{Op: opCall, URI: uri + ".crash"})
	require.Equal(t, errRuntime, got.URI)
	require.Contains(t, got.Args, "crashed on purpose")

	again := command{Op: opRegister, URI: uri, Behaviour: echo}
	require.Equal(t, errProcedureExists, caller.refused(t, again).URI)
}

func callProgress(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri, progress, nil)
	call := command{Op: opCall, URI: uri, payload: payload{Args: list{int64(progressSteps)}}}
	want := payload{Args: list{int64(progressSteps)}}.normal()

	got := caller.must(t, call)
	require.Equal(t, want, got.normal(), "without asking for progress")
	require.Empty(t, got.Progress)

	call.Options = map[string]any{"receive_progress": true}
	got = caller.must(t, call)
	require.Equal(t, want, got.normal())
	require.Len(t, got.Progress, progressSteps)
	for i, step := range got.Progress {
		n := int64(i)
		require.Equal(t, payload{Args: list{n}, KwArgs: dict{"step": n}}, step.normal())
	}
}

func callPatterns(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri+".prefix", called, map[string]any{"match": "prefix"})
	callee.register(t, uri+".wildcard..end", called, map[string]any{"match": "wildcard"})
	for _, name := range []string{uri + ".prefix.a.b", uri + ".wildcard.x.end"} {
		require.Equal(t, payload{Args: list{name}}.normal(), caller.call(t, name, payload{}).normal())
	}
}

// callShared has both peers register one procedure and expects the calls to
// alternate between them.
func callShared(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	invoke := map[string]any{"invoke": "roundrobin"}
	caller.register(t, uri, whoami, invoke)
	callee.register(t, uri, whoami, invoke)
	answered := map[any]int{}
	for range 4 {
		got := caller.call(t, uri, payload{})
		require.Len(t, got.Args, 1)
		answered[got.Args[0]]++
	}
	require.Equal(t, map[any]int{int64(caller.session): 2, int64(callee.session): 2}, answered)
}

// callConcurrently has many calls under way at once; each has to get its own
// result.
func callConcurrently(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri, progress, nil)
	failures := make(chan error, concurrentCallCount)
	for i := range concurrentCallCount {
		go func() {
			call := command{Op: opCall, URI: uri, Options: map[string]any{"receive_progress": i%2 == 0}}
			call.Args = list{int64(i)}
			got, err := caller.try(t, call)
			if err == nil && (len(got.Args) != 1 || got.Args[0] != int64(i)) {
				err = fmt.Errorf("call %d got the result %v", i, got.Args)
			}
			failures <- err
		}()
	}
	for range concurrentCallCount {
		require.NoError(t, <-failures)
	}
}

// callCancel cancels a call in progress and expects that both sessions survive,
// also if the callee does not know how to be interrupted.
func callCancel(t *testing.T, f *fixture, caller, callee *member, mode string) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri, hang, nil)
	callee.register(t, uri+".add2", add2, nil)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	call := command{Op: opCall, URI: uri}
	if caller.ours {
		call.Options = map[string]any{optionCancel: mode}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := caller.do(ctx, call)
		ended <- err
	}()
	callee.await(t, reportInvoked, uri)
	cancel()
	var refusal *wampError
	select {
	case err := <-ended:
		require.ErrorAs(t, err, &refusal)
	case <-time.After(answerTimeout):
		require.FailNow(t, "the canceled call has no end")
	}
	if mode == modeKill {
		require.Contains(t, []string{errCanceled, callee.interruptError}, refusal.URI)
	} else {
		require.Equal(t, localCanceled, refusal.URI)
	}
	if callee.interrupts && mode != modeSkip {
		callee.await(t, reportInterrupted, uri)
	}

	sum := caller.call(t, uri+".add2", payload{Args: list{int64(2), int64(3)}})
	require.Equal(t, list{int64(5)}, sum.Args)
}

// callTimeout calls what does not return in time and expects an ERROR that says
// so, and that both sessions survive.
func callTimeout(t *testing.T, f *fixture, caller, callee *member) {
	t.Helper()
	uri := f.uri()
	callee.register(t, uri, hang, nil)
	callee.register(t, uri+".add2", add2, nil)
	call := command{Op: opCall, URI: uri, Options: map[string]any{"timeout": callTimeoutMillis}}
	require.Equal(t, errTimeout, caller.refused(t, call).URI)
	callee.await(t, reportInvoked, uri)
	if callee.interrupts {
		callee.await(t, reportInterrupted, uri)
	}
	sum := caller.call(t, uri+".add2", payload{Args: list{int64(2), int64(3)}})
	require.Equal(t, list{int64(5)}, sum.Args)
}

// testLarge sends a payload that needs several reads and writes.
func testLarge(t *testing.T, f *fixture, c cell) {
	t.Helper()
	m, _ := f.pair(t, c, c)
	uri := f.uri()
	m.register(t, uri, echo, nil)
	p := payload{Args: list{strings.Repeat("cloverleaf", largeText/10), make([]byte, largeText)}}
	got := m.call(t, uri, p)
	require.True(t, len(got.Args) == 2 && got.Args[0] == p.Args[0], "text differs")
	require.Equal(t, p.Args[1], got.Args[1])
}

func testUnregister(t *testing.T, f *fixture, c cell) {
	t.Helper()
	m, _ := f.pair(t, c, c)
	uri := f.uri()
	id := m.register(t, uri, echo, nil)
	m.call(t, uri, payload{})
	m.must(t, command{Op: opUnregister, Target: id})
	require.Equal(t, errNoSuchProcedure, m.refused(t, command{Op: opCall, URI: uri}).URI)
	m.register(t, uri, echo, nil)
	m.call(t, uri, payload{})
}

// testLost kills a callee while it works and expects that its caller gets an
// error and its procedure is free again.
func testLost(t *testing.T, f *fixture, c cell) {
	t.Helper()
	caller, _ := f.pair(t, f.cells[0], f.cells[0])
	callee := f.own(t, c)
	uri := f.uri()
	callee.register(t, uri, hang, nil)
	ended := make(chan error, 1)
	go func() {
		_, err := caller.try(t, command{Op: opCall, URI: uri})
		ended <- err
	}()
	callee.await(t, reportInvoked, uri)
	callee.stop()

	err := <-ended
	var refusal *wampError
	require.True(t, errors.As(err, &refusal), "want an ERROR, got %v", err)
	require.NotEqual(t, localCanceled, refusal.URI, "the router left the caller without an answer")
	caller.register(t, uri, echo, nil)
}
