package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// optionTable says what the options of one verb, given with -o, mean. A function returns no option
// for a value that is the default.
type optionTable[O any] map[string]func(value any) ([]O, error)

// parseOptions reads the values of -o. Names that start with an underscore are applications' own.
func parseOptions[O any](pairs []string, table optionTable[O]) ([]O, error) {
	var options []O
	for _, pair := range pairs {
		key, value, err := parsePair(pair)
		if err != nil {
			return nil, usagef("-o: %w", err)
		}
		if strings.HasPrefix(key, "_") {
			if o, ok := any(session.Extra(key, value)).(O); ok {
				options = append(options, o)
			}
			continue
		}
		read, ok := table[key]
		if !ok {
			known := slices.Sorted(maps.Keys(table))
			return nil, usagef("-o: unknown option %s%s; there are %s, and names that start with _",
				key, didYouMean(key, known), strings.Join(known, ", "))
		}
		more, err := read(value)
		if err != nil {
			return nil, usagef("-o: %s %w", key, err)
		}
		options = append(options, more...)
	}
	return options, nil
}

// callOptions are the options of a call. Whether progressive results are wanted goes to progress.
func callOptions(progress *bool) optionTable[session.CallOption] {
	return optionTable[session.CallOption]{
		"timeout":          durationOption(session.Timeout),
		"disclose_me":      boolOption[session.CallOption](session.DiscloseMe()),
		"receive_progress": boolVariable[session.CallOption](progress),
		"runmode":          textOption(session.RunMode),
		"rkey":             anyOption[session.CallOption](session.RKey),
	}
}

// publishOptions are the options of a publication. Whether it is acknowledged goes to acknowledge.
func publishOptions(acknowledge *bool) optionTable[session.PublishOption] {
	return optionTable[session.PublishOption]{
		"acknowledge":       boolVariable[session.PublishOption](acknowledge),
		"disclose_me":       boolOption[session.PublishOption](session.DiscloseMe()),
		"retain":            boolOption(session.Retain()),
		"exclude_me":        boolValue(session.ExcludeMe),
		"exclude":           listOption(session.Exclude, asID),
		"exclude_authid":    listOption(session.ExcludeAuthID, asText),
		"exclude_authrole":  listOption(session.ExcludeAuthRole, asText),
		"eligible":          listOption(session.Eligible, asID),
		"eligible_authid":   listOption(session.EligibleAuthID, asText),
		"eligible_authrole": listOption(session.EligibleAuthRole, asText),
		"rkey":              anyOption[session.PublishOption](session.RKey),
	}
}

func subscribeOptions() optionTable[session.SubscribeOption] {
	return optionTable[session.SubscribeOption]{
		"get_retained": boolOption(session.GetRetained()),
		"nkey":         anyOption[session.SubscribeOption](session.NKey),
	}
}

func registerOptions() optionTable[session.RegisterOption] {
	return optionTable[session.RegisterOption]{
		"disclose_caller":  boolOption(session.DiscloseCaller()),
		"force_reregister": boolOption(session.ForceReregister()),
		"forward_timeout":  boolOption(session.ForwardTimeout()),
	}
}

// boolOption is an option that is there or not.
func boolOption[O any](option O) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		on, err := asBool(value)
		if err != nil || !on {
			return nil, err
		}
		return []O{option}, nil
	}
}

// boolVariable is an option that the command itself looks after.
func boolVariable[O any](to *bool) func(any) ([]O, error) {
	return func(value any) (_ []O, err error) {
		*to, err = asBool(value)
		return nil, err
	}
}

// boolValue is an option that has a meaning for false, too.
func boolValue[O any](option func(bool) O) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		on, err := asBool(value)
		return []O{option(on)}, err
	}
}

func textOption[O any](option func(string) O) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		text, err := asText(value)
		return []O{option(text)}, err
	}
}

func anyOption[O, P any](option func(any) P) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		o, ok := any(option(value)).(O)
		if !ok {
			return nil, errors.New("does not belong to this command")
		}
		return []O{o}, nil
	}
}

// durationOption is a time in milliseconds.
func durationOption[O any](option func(time.Duration) O) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		ms, ok := value.(int64)
		if !ok || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
			return nil, errors.New("must be a number of milliseconds")
		}
		return []O{option(time.Duration(ms) * time.Millisecond)}, nil
	}
}

// listOption is a list of values; a single value is a list of one.
func listOption[O, T any](option func(...T) O, as func(any) (T, error)) func(any) ([]O, error) {
	return func(value any) ([]O, error) {
		elements, ok := value.([]any)
		if !ok {
			elements = []any{value}
		}
		list := make([]T, len(elements))
		for i, e := range elements {
			v, err := as(e)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return []O{option(list...)}, nil
	}
}

func asBool(value any) (bool, error) {
	on, ok := value.(bool)
	if !ok {
		return false, errors.New("must be true or false")
	}
	return on, nil
}

func asText(value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("must be text, not %v", value)
	}
	return text, nil
}

func asID(value any) (protocol.ID, error) {
	id, ok := value.(int64)
	if !ok || id < 0 {
		return 0, fmt.Errorf("must be the id of a session, not %v", value)
	}
	return protocol.ID(id), nil
}
