package supervisor

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want Class
	}{
		"nil":                   {nil, ClassTransient},
		"unknown":               {io.EOF, ClassTransient},
		"transient":             {Transient(io.EOF), ClassTransient},
		"permanent":             {Permanent(io.EOF), ClassPermanent},
		"bug":                   {Bug(io.EOF), ClassBug},
		"wrapped":               {fmt.Errorf("dial: %w", Permanent(io.EOF)), ClassPermanent},
		"joined":                {errors.Join(io.EOF, Bug(io.EOF)), ClassBug},
		"the outermost wins":    {Transient(Permanent(io.EOF)), ClassTransient},
		"panic":                 {&PanicError{Value: 1}, ClassBug},
		"panic with classified": {&PanicError{Value: Permanent(io.EOF)}, ClassBug},
		"out of transports":     {&ExhaustedError{Causes: []TransportCause{{Err: io.EOF}}}, ClassPermanent},
		"too many restarts":     {&IntensityError{Err: Bug(io.EOF)}, ClassPermanent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, Classify(tt.err))
		})
	}
}

func TestClassWrappersKeepTheError(t *testing.T) {
	t.Parallel()
	for _, wrap := range []func(error) error{Transient, Permanent, Bug} {
		require.NoError(t, wrap(nil))
		require.ErrorIs(t, wrap(io.EOF), io.EOF)
		require.EqualError(t, wrap(io.EOF), "EOF")
	}
}

func TestClassifyByReason(t *testing.T) {
	t.Parallel()
	classify := ClassifyByReason(func(err error) string {
		if errors.Is(err, io.EOF) {
			return ""
		}
		return err.Error()
	})
	tests := map[error]Class{
		io.EOF:                                            ClassTransient,
		errors.New("wamp.error.no_such_realm"):            ClassPermanent,
		errors.New("wamp.error.not_authorized"):           ClassPermanent,
		errors.New("wamp.error.authentication_denied"):    ClassPermanent,
		errors.New("wamp.error.no_matching_auth_method"):  ClassPermanent,
		errors.New("wamp.error.authentication_failed"):    ClassTransient,
		errors.New("wamp.error.procedure_already_exists"): ClassTransient,
		errors.New("wamp.close.system_shutdown"):          ClassTransient,
		errors.New("com.example.anything"):                ClassTransient,
		Transient(errors.New("wamp.error.no_such_realm")): ClassTransient,
		Bug(io.EOF): ClassBug,
	}
	for err, want := range tests {
		require.Equal(t, want, classify(err), "%v", err)
	}
}

func TestNewPanicError(t *testing.T) {
	t.Parallel()
	pe := NewPanicError(io.EOF)
	require.EqualError(t, pe, "panic: EOF")
	require.ErrorIs(t, pe, io.EOF)
	require.Contains(t, string(pe.Stack), "TestNewPanicError")
	require.Same(t, pe, NewPanicError(pe), "an outer layer keeps the origin")
	require.NoError(t, errors.Unwrap(NewPanicError("text")))
}

func TestStrings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    fmt.Stringer
		want string
	}{
		{ClassTransient, "transient"},
		{ClassPermanent, "permanent"},
		{ClassBug, "bug"},
		{Class(9), "Class(9)"},
		{RestartDefault, "default"},
		{RestartTransient, "transient"},
		{RestartPermanent, "permanent"},
		{RestartTemporary, "temporary"},
		{RestartType(9), "RestartType(9)"},
		{OneForOne, "one_for_one"},
		{OneForAll, "one_for_all"},
		{RestForOne, "rest_for_one"},
		{GroupStrategy(9), "GroupStrategy(9)"},
		{Stop, "stop"},
		{Restart, "restart"},
		{Resume, "resume"},
		{Escalate, "escalate"},
		{Directive(9), "Directive(9)"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, tt.v.String())
	}
}
