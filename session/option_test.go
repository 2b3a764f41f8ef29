package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// TestOptions checks what each option does to the options on the wire.
func TestOptions(t *testing.T) {
	t.Parallel()
	extra := protocol.Dict{"_x": 1}
	for want, opt := range map[*protocol.CallOptions]CallOption{
		{Timeout: 3}:            Timeout(2001 * time.Microsecond),
		{ReceiveProgress: true}: OnProgress(func(*Result) {}),
		{}:                      OnCancel(protocol.CancelKill),
		{DiscloseMe: true}:      DiscloseMe(),
		{RunMode: "partition"}:  RunMode("partition"),
		{RKey: 7}:               RKey(7),
		{Extra: extra}:          Extra("_x", 1),
		{Passthru: &protocol.Passthru{Scheme: "x_y"}}: Passthru(protocol.Passthru{Scheme: "x_y"}),
	} {
		spec := callSpec{}
		opt.applyCall(&spec)
		require.NoError(t, spec.err)
		require.Equal(t, *want, spec.options)
	}
	for want, opt := range map[*protocol.PublishOptions]PublishOption{
		{Acknowledge: true}: Acknowledge(),
		{IncludeMe: true}:   ExcludeMe(false),
		{}:                  ExcludeMe(true),
		{DiscloseMe: true}:  DiscloseMe(),
		{Retain: true}:      Retain(),
		{RKey: 7}:           RKey(7),
		{Extra: extra}:      Extra("_x", 1),
		{Passthru: &protocol.Passthru{Scheme: "x_y"}}:                         Passthru(protocol.Passthru{Scheme: "x_y"}),
		{Filter: &protocol.EventFilter{Exclude: []protocol.ID{1, 2}}}:         Exclude(1, 2),
		{Filter: &protocol.EventFilter{ExcludeAuthID: []string{"a"}}}:         ExcludeAuthID("a"),
		{Filter: &protocol.EventFilter{ExcludeAuthRole: []string{"a"}}}:       ExcludeAuthRole("a"),
		{Filter: &protocol.EventFilter{Eligible: []protocol.ID{}}}:            Eligible(),
		{Filter: &protocol.EventFilter{EligibleAuthID: []string{"a"}}}:        EligibleAuthID("a"),
		{Filter: &protocol.EventFilter{EligibleAuthRole: []string{"a", "b"}}}: EligibleAuthRole("a", "b"),
	} {
		spec := publishSpec{}
		opt.applyPublish(&spec)
		require.NoError(t, spec.err)
		require.Equal(t, *want, spec.options)
	}
	for want, opt := range map[*protocol.RegisterOptions]RegisterOption{
		{Match: protocol.MatchPrefix}:       Prefix(),
		{Match: protocol.MatchWildcard}:     Wildcard(),
		{}:                                  Match(protocol.MatchExact),
		{Invoke: protocol.InvokeRoundRobin}: Invoke(protocol.InvokeRoundRobin),
		{Concurrency: 3}:                    Concurrency(3),
		{DiscloseCaller: true}:              DiscloseCaller(),
		{ForwardTimeout: true}:              ForwardTimeout(),
		{ForceReregister: true}:             ForceReregister(),
		{Extra: extra}:                      Extra("_x", 1),
	} {
		got, err := RegisterOptions("com.x", opt)
		require.NoError(t, err)
		require.Equal(t, *want, got)
	}
	for want, opt := range map[*protocol.SubscribeOptions]SubscribeOption{
		{Match: protocol.MatchPrefix}: Prefix(),
		{GetRetained: true}:           GetRetained(),
		{NKey: 7}:                     NKey(7),
		{Extra: extra}:                Extra("_x", 1),
	} {
		got, err := SubscribeOptions("wamp.x", opt)
		require.NoError(t, err)
		require.Equal(t, *want, got)
	}
}
