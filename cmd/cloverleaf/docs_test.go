package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
)

const page = "../../docs/cli.md"

// transcript is what a console block of the page shows: commands and all of their output.
type transcript struct {
	commands []string
	output   []string
}

// transcripts returns the console blocks of a page.
func transcripts(markdown string) []transcript {
	var list []transcript
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```").FindAllStringSubmatch(markdown, -1) {
		var t transcript
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				t.commands = append(t.commands, command)
			} else {
				t.output = append(t.output, line)
			}
		}
		list = append(list, t)
	}
	return list
}

// TestPage runs the commands of the page in order, each block with its background jobs. The lines of
// a block may come in another order, and identifiers and keys differ from one run to the next.
func TestPage(t *testing.T) {
	t.Parallel()
	needs(t, "bash", "cut", "expr", "ls", "sh", "wc")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	blocks := transcripts(string(text))
	require.Greater(t, len(blocks), 5)
	_, url := newRouter(t, cloverleaf.RouterConfig{})
	dir := t.TempDir()
	bin := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	program, err := filepath.Abs(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(bin, "cloverleaf")))
	environ := append(os.Environ(), asProgram+"=1", "CLOVERLEAF_URL="+url, "PATH="+bin+":"+os.Getenv("PATH"))
	for _, b := range blocks {
		got := b.run(t, dir, environ)
		got = strings.ReplaceAll(got, url, cloverleaf.DefaultURL)
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		require.Equal(t, comparable(b.output), comparable(lines), "%v", b.commands)
	}
}

// run returns the output of the commands. A background job is waited for until it is connected; in
// the end it is told to end, unless it has a count.
func (b transcript) run(t *testing.T, dir string, environ []string) string {
	t.Helper()
	output := newWatched()
	type background struct {
		j       *job
		process *os.Process
		endless bool
	}
	var jobs []background
	for _, command := range b.commands {
		command, inBackground := strings.CutSuffix(command, " &")
		if inBackground {
			command = "exec " + command
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bash", "--norc", "-c", command)
		own := newWatched()
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environ, own, own
		require.NoError(t, cmd.Start())
		j := &job{t: t, stdout: own, stderr: own, done: make(chan struct{})}
		go func() {
			defer close(j.done)
			_ = cmd.Wait()
		}()
		if inBackground {
			j.says("ed ") // subscribed to, registered
			jobs = append(jobs, background{j, cmd.Process, !strings.Contains(command, "--count")})
			continue
		}
		_, err := output.Write([]byte(j.wait().stdout))
		require.NoError(t, err)
	}
	for _, bg := range jobs {
		if bg.endless {
			require.NoError(t, bg.process.Signal(syscall.SIGTERM))
		}
		_, err := output.Write([]byte(bg.j.wait().stdout))
		require.NoError(t, err)
	}
	return output.String()
}

// comparable returns lines with the same text for all identifiers and keys, in a fixed order.
func comparable(lines []string) []string {
	key, id := regexp.MustCompile(`\b[0-9a-f]{64}\b`), regexp.MustCompile(`\b[0-9]{5,16}\b`)
	var list []string
	for _, line := range lines {
		list = append(list, id.ReplaceAllString(key.ReplaceAllString(line, "KEY"), "ID"))
	}
	slices.Sort(list)
	return list
}

// The page tells about everything that there is.
func TestPageIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var names []string
	for _, c := range commands() {
		names = append(names, "cloverleaf "+c.name)
	}
	for _, name := range commonFlags() {
		names = append(names, "`"+dashed(name), "`"+variable(name)+"`")
	}
	progress, acknowledge := false, false
	for _, name := range slices.Concat(
		keys(callOptions(&progress)), keys(publishOptions(&acknowledge)), keys(subscribeOptions()), keys(registerOptions()),
	) {
		names = append(names, "`"+name+"`")
	}
	for _, name := range names {
		require.True(t, strings.Contains(string(text), name), "%s is missing", name)
	}
}

func keys[O any](table optionTable[O]) []string {
	var names []string
	for name := range table {
		names = append(names, name)
	}
	return names
}
