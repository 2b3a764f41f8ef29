package cloverleaf_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf"
)

// TestConfigurationIsDocumented compares the keys of docs/configuration.md with those that are read.
func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/configuration.md")
	require.NoError(t, err)
	documented := make(map[string][]string)
	section := ""
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(name)
			documented[section] = []string{}
		}
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, key := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[section] = append(documented[section], key[1])
		}
	}
	known := cloverleaf.ConfigKeys()
	require.Len(t, documented, len(known))
	for section, keys := range known {
		require.ElementsMatch(t, keys, documented[section], section)
	}
}

// TestConfigurationExamples reads the examples of the page, and makes components of them.
func TestConfigurationExamples(t *testing.T) {
	t.Setenv("BACKEND_SECRET", "s3cret")
	t.Setenv("CLIENT_TICKET", "s3cret")
	t.Setenv("CLIENT_KEY", clientSeed)
	page, err := os.ReadFile("docs/configuration.md")
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```(?:yaml|json)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, examples, 4)
	for _, example := range examples {
		cfg, err := cloverleaf.ReadConfig(strings.NewReader(example[1]))
		require.NoError(t, err, example[1])
		_, err = cloverleaf.NewComponent(cfg)
		require.NoError(t, err, example[1])
	}
}
