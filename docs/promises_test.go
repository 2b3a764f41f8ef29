package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPromisesAreShown checks that every example and test that promises.md names exists, and that
// every promise has one.
func TestPromisesAreShown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("promises.md")
	require.NoError(t, err)
	tests := declaredTests(t)
	name := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 2 || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| **") || strings.HasPrefix(line, "| Promise") {
			continue
		}
		rows++
		shown := name.FindAllStringSubmatch(cells[1], -1)
		require.NotEmpty(t, shown, "nothing shows %s", cells[0])
		for _, s := range shown {
			if strings.HasPrefix(s[1], "examples/") {
				require.DirExists(t, filepath.Join("..", s[1]), "promised: %s", cells[0])
				continue
			}
			require.Contains(t, tests, s[1], "promised: %s", cells[0])
		}
	}
	require.Greater(t, rows, 60)
}

// declaredTests returns the names of all tests and examples of the module.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Example)[A-Za-z0-9_]*)\(`)
	tests := make(map[string]bool)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..":
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, d := range declaration.FindAllStringSubmatch(string(text), -1) {
			tests[d[1]] = true
		}
		return err
	})
	require.NoError(t, err)
	return tests
}
