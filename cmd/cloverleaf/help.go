package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

const exitCodes = `Exit codes:
  0    it worked
  1    a WAMP error, or a command that failed
  2    the command line is wrong
  3    no session: could not connect or join, or the connection was lost
  124  --timeout has passed
  130  interrupted by SIGINT or SIGTERM before the work was done
`

// overview returns the help of the program.
func overview() string {
	var b strings.Builder
	b.WriteString("cloverleaf is a WAMP router, and a WAMP client for the command line.\n\nUsage:\n\n  cloverleaf COMMAND [flags] [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-12s %s\n", c.name, c.summary)
	}
	b.WriteString("\n'cloverleaf help COMMAND' tells more.\n\n" + exitCodes)
	return b.String()
}

// help returns the help of a command.
func (c *command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s.\n\nUsage:\n\n  cloverleaf %s", strings.ToUpper(c.summary[:1]), c.summary[1:], c.name)
	if hasFlags(c.flags) {
		b.WriteString(" [flags]")
	}
	if c.arguments != "" {
		b.WriteString(" " + c.arguments)
	}
	b.WriteString("\n")
	if c.text != "" {
		b.WriteString("\n" + c.text)
	}
	if c.common == nil {
		flagHelp(&b, "Flags", c.flags, flagOrder(c.flags))
		return b.String()
	}
	own := slices.DeleteFunc(flagOrder(c.flags), func(name string) bool { return slices.Contains(commonFlags(), name) })
	flagHelp(&b, "Flags", c.flags, own)
	flagHelp(&b, "Flags of all clients", c.flags, commonFlags())
	b.WriteString(`
They may also come from the environment: CLOVERLEAF_URL, CLOVERLEAF_PRIVATE_KEY and so on;
the command line has precedence. Secrets belong there or into a file, since everybody can
see the command line: --ticket @FILE reads FILE, and @- the standard input.

Flags may stand anywhere before --. Numbers such as -1 are no flags.

`)
	b.WriteString(exitCodes)
	return b.String()
}

func hasFlags(flags *flag.FlagSet) bool { return len(flagOrder(flags)) > 0 }

func flagOrder(flags *flag.FlagSet) []string {
	var names []string
	if flags != nil {
		flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	}
	return names
}

// flagHelp writes a table of flags.
func flagHelp(w io.Writer, title string, flags *flag.FlagSet, names []string) {
	if len(names) == 0 {
		return
	}
	say(w, "\n"+title+":\n\n")
	for _, name := range names {
		f := flags.Lookup(name)
		value, usage := flagUsage(f)
		left := dashed(name)
		if name == "verbose" {
			left = "-v, " + left
		}
		if value != "" {
			left += " " + value
		}
		const indent = 26
		separator := strings.Repeat(" ", max(0, indent-2-len(left)))
		if len(left) > indent-3 {
			separator = "\n" + strings.Repeat(" ", indent)
		}
		say(w, "  "+left+separator+wrap(usage, indent)+"\n")
	}
}

// flagUsage returns the name of the value of a flag, if it takes one, and what the flag is for. The
// usage of a flag with a value starts with the name of the value in back quotes.
func flagUsage(f *flag.Flag) (value, usage string) {
	if rest, ok := strings.CutPrefix(f.Usage, "`"); ok {
		value, usage, _ = strings.Cut(rest, "` ")
		return value, usage
	}
	return "", f.Usage
}

// wrap breaks a text into lines that begin at the given column.
func wrap(text string, indent int) string {
	const width = 92
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func helpCommand() *command {
	return &command{
		name: "help", arguments: "[COMMAND]", summary: "tell about a command", flags: flag.NewFlagSet("help", flag.ContinueOnError),
		run: func(_ context.Context, p *program, args arguments) error {
			if len(args.list) == 0 {
				return p.printLine([]byte(overview()))
			}
			c := find(args.list[0])
			if c == nil {
				return usagef("unknown command %q%s", args.list[0], didYouMean(args.list[0], commandNames()))
			}
			return p.printLine([]byte(c.help()))
		},
	}
}

func versionCommand() *command {
	return &command{
		name: "version", summary: "print the version", flags: flag.NewFlagSet("version", flag.ContinueOnError),
		run: func(_ context.Context, p *program, args arguments) error {
			if len(args.list) > 0 {
				return usagef("unexpected argument %q", args.list[0])
			}
			return p.printLine([]byte("cloverleaf " + version() + "\n"))
		},
	}
}
