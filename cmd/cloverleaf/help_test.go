package main

import (
	"flag"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The help of every command names all of its flags and what they are for, and fits into a terminal.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	overview := s.works("help")
	for _, c := range commands() {
		require.Contains(t, overview, "\n  "+c.name+" ")
		text := s.works("help", c.name)
		c.flags.VisitAll(func(f *flag.Flag) {
			require.Regexp(t, `\n  (-v, )?`+dashed(f.Name)+`[ \n]`, text, "%s", c.name)
			value, usage := flagUsage(f)
			require.NotEmpty(t, usage)
			require.Equal(t, isBool(f), value == "", "%s %s", c.name, f.Name)
			require.NotContains(t, usage, "`")
		})
		for line := range strings.Lines(overview + text) {
			require.LessOrEqual(t, len(line), 96, line)
		}
		if c.main == nil {
			require.Equal(t, text, s.works(c.name, "-h"))
			require.Equal(t, text, s.works(c.name, "--help", "--nonsense"))
		}
	}
	require.Equal(t, overview, s.works("--help"))
	require.Equal(t, overview, s.works("-h"))
	require.Equal(t, s.works("version"), s.works("--version"))
}

func TestCommonFlags(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	new(client).define(flags)
	require.ElementsMatch(t, flagOrder(flags), commonFlags(), "commonFlags names all that define defines")
	require.Subset(t, commonFlags(), secretFlags())
	for _, name := range secretFlags() {
		require.IsType(t, &secretFlag{}, flags.Lookup(name).Value)
	}
}

func TestWrongCommands(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"pubish":          `cloverleaf: unknown command "pubish", did you mean publish?`,
		"--url x call":    "cloverleaf: --url comes before the command: flags come after it",
		"-v call":         "cloverleaf: -v comes before the command: flags come after it",
		"help pubish":     `cloverleaf help: unknown command "pubish", did you mean publish?`,
		"version x":       `cloverleaf version: unexpected argument "x"`,
		"completion":      "cloverleaf completion: the name of the shell is missing",
		"completion tcsh": "cloverleaf completion: there is none for tcsh: bash, zsh or fish",
		"completion a b":  `cloverleaf completion: unexpected argument "b"`,
	} {
		got := newShell(t).run(strings.Fields(args)...)
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, want+"\n")
		require.Empty(t, got.stdout)
	}
}

// The script of bash completes commands, their flags, and values that are known.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	needs(t, "bash")
	script := newShell(t).works("completion", "bash")
	for line, want := range map[string][]string{
		"":                          commandNames(),
		"su":                        {"subscribe"},
		"call --re":                 {"--realm", "--repeat"},
		"call -":                    flagNames(find("call").flags),
		"call x --serializer ":      {"json", "msgpack", "cbor"},
		"subscribe --match w":       {"wildcard"},
		"register --invoke r":       {"roundrobin", "random"},
		"router --slow-consumers d": {"disconnect", "drop-oldest", "drop-newest"},
		"router --li":               {"--listen"},
		"help ke":                   {"keygen"},
		"completion ":               {"bash", "zsh", "fish"},
		"call --ca help_t":          {"help_test.go"},
		"call xyz":                  nil,
	} {
		words := strings.Split("cloverleaf "+line, " ")
		text := script + "\nCOMP_WORDS=(cloverleaf"
		for _, w := range words[1:] {
			text += " '" + w + "'"
		}
		text += ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_cloverleaf\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
		cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-euc", text)
		out, err := cmd.CombinedOutput()
		if want != nil {
			require.NoError(t, err, "%s: %s", line, out)
		}
		require.ElementsMatch(t, want, strings.Fields(string(out)), line)
	}
}

// The scripts of the others name every command, flag and value; if the shell is there, it reads them.
func TestOtherCompletions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"zsh", "fish"} {
		script := newShell(t).works("completion", name)
		for _, c := range commands() {
			require.Contains(t, script, c.name)
			require.Contains(t, script, c.summary)
			c.flags.VisitAll(func(f *flag.Flag) {
				if name == "zsh" {
					require.Contains(t, script, dashed(f.Name))
					return
				}
				require.Contains(t, script, "__fish_seen_subcommand_from "+c.name+"' "+fishFlag(f)+"\n")
			})
		}
		if path, err := exec.LookPath(name); err == nil {
			out, err := exec.CommandContext(t.Context(), path, "-n", writeFile(t, script)).CombinedOutput()
			require.NoError(t, err, string(out))
		}
	}
}
