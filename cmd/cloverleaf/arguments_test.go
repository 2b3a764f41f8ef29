package main

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseArguments(t *testing.T) {
	t.Parallel()
	type flags struct {
		name    string
		yes     bool
		verbose bool
		number  int
		wait    time.Duration
		many    list
	}
	for name, c := range map[string]struct {
		args []string
		want flags
		list []string
		rest []string
		err  string
	}{
		"nothing":              {},
		"flags first":          {args: []string{"--name", "x", "a", "b"}, want: flags{name: "x"}, list: []string{"a", "b"}},
		"flags last":           {args: []string{"a", "b", "--name", "x"}, want: flags{name: "x"}, list: []string{"a", "b"}},
		"flags between":        {args: []string{"a", "--name=x", "b", "--yes"}, want: flags{name: "x", yes: true}, list: []string{"a", "b"}},
		"one dash":             {args: []string{"-name", "x", "-yes"}, want: flags{name: "x", yes: true}},
		"value with =":         {args: []string{"-k", "a=b=c", "-k=d=e"}, want: flags{many: list{"a=b=c", "d=e"}}},
		"empty value":          {args: []string{"--name=", "a"}, list: []string{"a"}},
		"value like a flag":    {args: []string{"--name", "--yes"}, want: flags{name: "--yes"}},
		"value like the end":   {args: []string{"--name", "--", "a"}, want: flags{name: "--"}, list: []string{"a"}},
		"bool takes no value":  {args: []string{"--yes", "false"}, want: flags{yes: true}, list: []string{"false"}},
		"bool with a value":    {args: []string{"--yes=false"}},
		"short for verbose":    {args: []string{"-v"}, want: flags{verbose: true}},
		"negative numbers":     {args: []string{"-1", "-2.5", "-0", "-1e3"}, list: []string{"-1", "-2.5", "-0", "-1e3"}},
		"negative value":       {args: []string{"--number", "-7"}, want: flags{number: -7}},
		"minus":                {args: []string{"-"}, list: []string{"-"}},
		"empty":                {args: []string{""}, list: []string{""}},
		"after --":             {args: []string{"a", "--", "--name", "-x", "--"}, list: []string{"a", "--name", "-x", "--"}, rest: []string{"--name", "-x", "--"}},
		"nothing after --":     {args: []string{"a", "--"}, list: []string{"a"}, rest: []string{}},
		"duration":             {args: []string{"--wait", "1m"}, want: flags{wait: time.Minute}},
		"help":                 {args: []string{"a", "-h"}, err: flag.ErrHelp.Error()},
		"long help":            {args: []string{"--help", "--nonsense"}, err: flag.ErrHelp.Error()},
		"no help after --":     {args: []string{"--", "-h"}, list: []string{"-h"}, rest: []string{"-h"}},
		"unknown":              {args: []string{"--nonsense"}, err: "unknown flag --nonsense"},
		"unknown, near":        {args: []string{"--nmae=secret"}, err: "unknown flag --nmae, did you mean --name?"},
		"unknown, short":       {args: []string{"-z"}, err: "unknown flag -z"},
		"three dashes":         {args: []string{"---name", "x"}, err: "unknown flag"},
		"no value":             {args: []string{"--name"}, err: "--name needs a value"},
		"not a number":         {args: []string{"--number", "many"}, err: `--number "many": `},
		"not a duration":       {args: []string{"--wait", "5"}, err: `--wait "5": `},
		"bool with a bad word": {args: []string{"--yes=perhaps"}, err: `--yes "perhaps": `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got flags
			set := flag.NewFlagSet("test", flag.ContinueOnError)
			set.StringVar(&got.name, "name", "", "")
			set.BoolVar(&got.yes, "yes", false, "")
			set.BoolVar(&got.verbose, "verbose", false, "")
			set.IntVar(&got.number, "number", 0, "")
			set.DurationVar(&got.wait, "wait", 0, "")
			set.Var(&got.many, "k", "")
			parsed, err := parseArguments(set, c.args)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.list, parsed.list)
			require.Equal(t, c.rest, parsed.rest)
			require.Equal(t, c.rest != nil, parsed.cut)
			require.Len(t, parsed.before(), len(c.list)-len(c.rest))
		})
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"call":      ", did you mean call?",
		"cal":       ", did you mean call?",
		"pubish":    ", did you mean publish?",
		"pub":       ", did you mean publish?",
		"susbcribe": ", did you mean subscribe?",
		"dance":     "",
		"":          "",
		"x":         "",
	} {
		require.Equal(t, want, didYouMean(word, []string{"call", "publish", "subscribe", "register", "router"}), word)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"ab", "ba", 2}, {"kitten", "sitting", 3}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
	}
}
