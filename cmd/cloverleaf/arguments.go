package main

import (
	"flag"
	"strings"
)

// arguments are those of a command line that are not flags.
type arguments struct {
	list []string // before and after "--"
	// rest are those after "--", if there was one.
	rest []string
	cut  bool // there was one
}

// before returns the arguments before "--".
func (a arguments) before() []string { return a.list[:len(a.list)-len(a.rest)] }

// alias returns the long name of a short flag.
func alias(name string) string {
	if name == "v" {
		return "verbose"
	}
	return name
}

// parseArguments sets flags, which may come before, between and behind the other arguments, until
// "--". What begins with a minus and a digit is a number and no flag.
func parseArguments(flags *flag.FlagSet, args []string) (arguments, error) {
	var parsed arguments
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			parsed.list, parsed.rest, parsed.cut = append(parsed.list, args...), args, true
			break
		}
		if !isFlag(arg) {
			parsed.list = append(parsed.list, arg)
			continue
		}
		var err error
		if args, err = parseFlag(flags, arg, args); err != nil {
			return parsed, err
		}
	}
	return parsed, nil
}

func isFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}

// parseFlag sets the flag of one argument, takes its value from the following ones if it has to, and
// returns those that are left.
func parseFlag(flags *flag.FlagSet, arg string, following []string) ([]string, error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
	name = alias(name)
	if name == "h" || name == "help" {
		return nil, flag.ErrHelp
	}
	f := flags.Lookup(name)
	if f == nil {
		return nil, usagef("unknown flag %s%s", dashed(name), didYouMean(dashed(name), flagNames(flags)))
	}
	if !hasValue {
		switch {
		case isBool(f):
			value = "true"
		case len(following) == 0:
			return nil, usagef("%s needs a value", dashed(name))
		default:
			value, following = following[0], following[1:]
		}
	}
	if err := flags.Set(name, value); err != nil {
		return nil, usagef("%s %q: %w", dashed(name), value, err)
	}
	return following, nil
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// dashed returns the name of a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func flagNames(flags *flag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, dashed(f.Name)) })
	return names
}

// didYouMean returns a question that names the candidate nearest to a word, "" if none is near.
func didYouMean(word string, candidates []string) string {
	best, nearest := "", 3 // edits; more is another word
	for _, c := range candidates {
		d := distance(word, c)
		if strings.HasPrefix(c, word) && strings.Trim(word, "-") != "" {
			d = min(d, 1)
		}
		if d < nearest && d < len(c) {
			best, nearest = c, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// distance returns how many characters have to be inserted, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
