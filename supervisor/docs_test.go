package supervisor

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rows returns the cells of the table in docs/supervision.md that has this header.
func rows(t *testing.T, header string) [][]string {
	t.Helper()
	page, err := os.ReadFile("../docs/supervision.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(page), header+"\n")
	require.True(t, found, "table %s", header)
	table, _, _ := strings.Cut(strings.TrimSpace(after), "\n\n")
	var cells [][]string
	for line := range strings.SplitSeq(table, "\n") {
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
			row = append(row, strings.Trim(cell, " `"))
		}
		cells = append(cells, row)
	}
	require.Greater(t, len(cells), 2)
	return cells[1:] // without the rule below the header
}

func TestDocsRetryTable(t *testing.T) {
	t.Parallel()
	for _, row := range rows(t, "| retry | delay | from | to |") {
		retry, err := strconv.Atoi(row[0])
		require.NoError(t, err)
		for i, rnd := range []float64{middle, 0, 1} {
			s := Backoff{}.Delay(retry, rnd).Seconds()
			want := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", s), "0"), ".") + "s"
			require.Equal(t, want, row[i+1], "retry %d", retry)
		}
	}
}

func TestDocsReasonTable(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, row := range rows(t, "| reason | class |") {
		require.Equal(t, row[1], ReasonClass(row[0]).String(), row[0])
		listed[row[0]] = true
	}
	source, err := os.ReadFile("policy.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`"(wamp\.[a-z_.]+)"`).FindAllStringSubmatch(string(source), -1) {
		require.True(t, listed[m[1]], "%s is not on the page", m[1])
	}
}

func TestDocsEventTable(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, row := range rows(t, "| event | when |") {
		listed[row[0]] = true
	}
	source, err := os.ReadFile("event.go")
	require.NoError(t, err)
	methods := regexp.MustCompile(`func \(e \*(\w+)\) Log\(`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, listed, len(methods))
	for _, m := range methods {
		require.True(t, listed[m[1]], "%s is not on the page", m[1])
	}
}

func TestDocsRestartTable(t *testing.T) {
	t.Parallel()
	yesno := map[bool]string{true: "yes", false: "no"}
	listed := rows(t, "| restart type | ended normally | failed |")
	require.Len(t, listed, 3)
	for i, row := range listed {
		typ := RestartType(i + 1)
		require.Equal(t, []string{typ.String(), yesno[restarts(typ, nil)], yesno[restarts(typ, Permanent(errCrash))]}, row)
		require.Equal(t, row[2], yesno[restarts(typ, errCrash)], "class does not matter")
	}
	require.Equal(t, restarts(RestartTransient, nil), restarts(RestartDefault, nil))
	require.Equal(t, restarts(RestartTransient, errCrash), restarts(RestartDefault, errCrash))
}
