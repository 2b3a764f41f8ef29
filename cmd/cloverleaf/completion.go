package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
)

const completionText = `Put one of these into the start-up file of your shell:

  source <(cloverleaf completion bash)
  source <(cloverleaf completion zsh)
  cloverleaf completion fish | source
`

func completionCommand() *command {
	return &command{
		name: "completion", arguments: "bash|zsh|fish", summary: "print a script that completes command lines",
		text: completionText, flags: flag.NewFlagSet("completion", flag.ContinueOnError),
		run: func(_ context.Context, p *program, args arguments) error {
			if err := oneArgument(args.list, "the name of the shell"); err != nil {
				return err
			}
			switch args.list[0] {
			case "bash":
				return p.printLine([]byte(bashCompletion()))
			case "zsh":
				return p.printLine([]byte(zshCompletion()))
			case "fish":
				return p.printLine([]byte(fishCompletion()))
			default:
				return usagef("there is none for %s: bash, zsh or fish", args.list[0])
			}
		},
	}
}

// choices returns the values that a flag, or the argument of a command, can have; nil if there is no
// end to them.
func choices(name string) []string {
	switch name {
	case "--serializer":
		return []string{"json", "msgpack", "cbor"}
	case "--match":
		return []string{"exact", "prefix", "wildcard"}
	case "--invoke":
		return invokePolicies()
	case "--slow-consumers":
		return []string{"disconnect", "drop-oldest", "drop-newest"}
	case "bench":
		return benchWords()
	case "help":
		return commandNames()
	case "completion":
		return []string{"bash", "zsh", "fish"}
	default:
		return nil
	}
}

// fileFlags names the flags whose value is the name of a file.
func fileFlags() []string { return []string{"ca", "out", "public", "json", "plot"} }

// takesFile reports whether the value of a flag is the name of a file.
func takesFile(name string) bool { return slices.Contains(fileFlags(), name) }

// withChoices returns the flags of all commands whose values are known.
func withChoices() []string {
	var names []string
	for _, c := range commands() {
		for _, name := range flagOrder(c.flags) {
			if d := dashed(name); choices(d) != nil && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	return names
}

// shellCases writes the branches that the scripts of bash and zsh have in common: complete is the
// command that offers words, files the one that offers files, previous the word before.
func shellCases(b *strings.Builder, previous, complete, files string) {
	fmt.Fprintf(b, "  case %s in\n", previous)
	for _, name := range withChoices() {
		fmt.Fprintf(b, "    %s) %s; return ;;\n", name, fmt.Sprintf(complete, strings.Join(choices(name), " ")))
	}
	fmt.Fprintf(b, "    --%s) %s; return ;;\n  esac\n", strings.Join(fileFlags(), "|--"), files)
}

func shellWords(c *command) string {
	return strings.Join(append(flagNames(c.flags), choices(c.name)...), " ")
}

func bashCompletion() string {
	var b strings.Builder
	const complete = `COMPREPLY=($(compgen -W "%s" -- "$cur"))`
	b.WriteString("_cloverleaf() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\n  COMPREPLY=()\n")
	fmt.Fprintf(&b, "  if [[ $COMP_CWORD -eq 1 ]]; then\n    "+complete+"\n    return\n  fi\n", strings.Join(commandNames(), " "))
	shellCases(&b, `"${COMP_WORDS[COMP_CWORD-1]}"`, complete, `COMPREPLY=($(compgen -f -- "$cur"))`)
	b.WriteString("  case \"${COMP_WORDS[1]}\" in\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s) words=\"%s\" ;;\n", c.name, shellWords(c))
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _cloverleaf cloverleaf\n")
	return b.String()
}

func zshCompletion() string {
	var b strings.Builder
	b.WriteString("#compdef cloverleaf\n_cloverleaf() {\n  if (( CURRENT == 2 )); then\n    local -a commands\n    commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "      '%s:%s'\n", c.name, c.summary)
	}
	b.WriteString("    )\n    _describe command commands\n    return\n  fi\n")
	shellCases(&b, `"${words[CURRENT-1]}"`, "compadd -- %s", "_files")
	b.WriteString("  case \"${words[2]}\" in\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s) compadd -- %s ;;\n", c.name, shellWords(c))
	}
	b.WriteString("  esac\n}\ncompdef _cloverleaf cloverleaf\n")
	return b.String()
}

func fishCompletion() string {
	var b strings.Builder
	b.WriteString("complete -c cloverleaf -f\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c cloverleaf -n __fish_use_subcommand -a %s -d '%s'\n", c.name, fishQuoted(c.summary))
	}
	for _, c := range commands() {
		line := fmt.Sprintf("complete -c cloverleaf -n '__fish_seen_subcommand_from %s'", c.name)
		if words := choices(c.name); words != nil {
			fmt.Fprintf(&b, "%s -a '%s'\n", line, strings.Join(words, " "))
		}
		c.flags.VisitAll(func(f *flag.Flag) { fmt.Fprintf(&b, "%s %s\n", line, fishFlag(f)) })
	}
	return b.String()
}

// fishFlag returns what fish is told about a flag.
func fishFlag(f *flag.Flag) string {
	_, usage := flagUsage(f)
	text := "-l " + f.Name
	switch {
	case len(f.Name) == 1:
		text = "-s " + f.Name
	case f.Name == "verbose":
		text = "-s v -l verbose"
	}
	switch words := choices(dashed(f.Name)); {
	case words != nil:
		text += fmt.Sprintf(" -x -a '%s'", strings.Join(words, " "))
	case takesFile(f.Name):
		text += " -r -F"
	case !isBool(f):
		text += " -x"
	}
	return text + " -d '" + fishQuoted(usage) + "'"
}

func fishQuoted(text string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text)
}
