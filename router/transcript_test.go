package router

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata")

// TestTranscripts plays testdata/*.txt. A file is a sequence of blocks: lines of a
// script (see script), a line "----", and what the peers are sent, up to a blank
// line. "=== text" starts a new world. Lines that start with # are comments.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			played := playFile(t, string(raw))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(played), 0o600))
				return
			}
			require.Equal(t, string(raw), played)
		})
	}
}

// playFile returns the text with the outputs that its scripts have now.
func playFile(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	sc := newScript(t)
	skipping := false // the old output
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case skipping && line != "":
			require.False(t, strings.HasPrefix(line, "==="), "a blank line is missing before %q", line)
			continue
		case strings.HasPrefix(line, "==="):
			sc.finish()
			sc = newScript(t)
		case line == "----":
			skipping = true
			b.WriteString("----\n")
			for _, out := range sc.out {
				b.WriteString(out + "\n")
			}
			sc.out = nil
			continue
		case line == "" || strings.HasPrefix(line, "#"):
			skipping = false
		default:
			sc.play(line)
		}
		b.WriteString(line + "\n")
	}
	sc.finish()
	return b.String()
}

// finish has everybody leave: nothing may be left behind, and everything said must be
// in the transcript.
func (sc *script) finish() {
	require.Empty(sc.t, sc.out, "the transcript does not show this")
	for _, x := range sc.sites {
		x.got = nil
		x.disconnect()
	}
	sc.drain()
	sc.realm.checkEmpty()
	for _, x := range sc.sites {
		require.Empty(sc.t, x.timers, x.name)
		require.True(sc.t, x.gone)
	}
}
