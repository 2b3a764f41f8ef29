package cloverleaf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDataflowNamesExist checks that every file and function of docs/dataflow.md exists.
func TestDataflowNamesExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/dataflow.md")
	require.NoError(t, err)
	references := regexp.MustCompile("`([a-z0-9_/]+\\.go)(?::([A-Za-z0-9_.]+))?`").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(references), 15, "the page names the functions on the path of a call")
	for _, ref := range references {
		file, name := ref[1], ref[2]
		require.FileExists(t, file)
		if name != "" {
			require.Contains(t, declaredIn(t, file), name, "%s is not declared in %s", name, file)
		}
	}
}

// declaredIn returns the functions of a file, methods as Type.Method.
func declaredIn(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), path.Clean(file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var names []string
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			name = receiver(f.Recv.List[0].Type) + "." + name
		}
		names = append(names, name)
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	default:
		return ""
	}
}

// TestDocumentsLinkToFilesThatExist checks the relative links of every document.
func TestDocumentsLinkToFilesThatExist(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, doc := range documents(t) {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			target := path.Join(path.Dir(doc), strings.TrimSpace(m[1]))
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", doc, m[1])
		}
	}
}

// documents returns the paths of all pages.
func documents(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "interop/*.md", "bench/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.Greater(t, len(pages), 10)
	return pages
}

// TestReadmeShowsARunnableExample checks that the first Go snippet of the README is the
// body of an example that runs.
func TestReadmeShowsARunnableExample(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	snippet := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, snippet)
	example, err := os.ReadFile("example_component_test.go")
	require.NoError(t, err)
	require.Contains(t, unindented(string(example)), unindented(string(snippet[1])))
}

func unindented(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
