package cloverleaf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	modulePath = "github.com/cloverleaf-wamp/cloverleaf"
	protoactor = "github.com/asynkron/protoactor-go"

	maxTestLines = 800
)

// layers maps each top-level folder to the folders it may import beside itself; "." is the root package. Test files are
// free: an example of a low layer may use a higher one.
var layers = map[string][]string{
	"protocol":   {},
	"internal":   {"protocol"},
	"transport":  {"protocol"},
	"session":    {"internal", "protocol"},
	"router":     {"internal", "protocol"},
	"supervisor": {"protocol"},
	"actors":     {"protocol", "transport", "session", "router", "supervisor"},
	".":          {"internal", "protocol", "transport", "session", "router", "supervisor", "actors"},
	"cmd":        {".", "protocol", "transport", "session", "router", "supervisor", "actors", "examples", "bench", "interop"},
	"docs":       {},
	"examples":   {".", "protocol", "transport", "session", "router", "supervisor", "actors"},
	"bench":      {".", "protocol", "transport", "session", "router", "supervisor", "actors"},
	"interop":    {".", "protocol", "transport", "session", "router", "supervisor", "actors"},
}

// actorFolders may import Proto.Actor; everything below them must be testable without an actor.
var actorFolders = []string{".", "actors", "supervisor", "examples", "bench"}

// socketless folders do no network I/O, so that a machine can be driven by a test alone.
var socketless = []string{"protocol", "session", "router"}

// clockless maps the folders that take time as an argument to the files in them that may read the clock, each with the
// reason.
var clockless = map[string]map[string]string{
	"router": {},
}

// clockCalls are the functions of package time that read the clock or start a timer.
var clockCalls = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick",
}

// sourceFile is one Go file of the module; path is relative to the root and slash-separated.
type sourceFile struct {
	path   string
	syntax *ast.File
	lines  int
}

func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// folder returns the top-level folder that holds the file, "." for the root package.
func (f sourceFile) folder() string {
	top, _, found := strings.Cut(f.path, "/")
	if !found {
		return "."
	}
	return top
}

func (f sourceFile) imports(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err, f.path)
		paths = append(paths, p)
	}
	return paths
}

// sources parses every Go file that the go command would see below the root.
func sources(t *testing.T) []sourceFile {
	t.Helper()
	fset := token.NewFileSet()
	var files []sourceFile
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && ignoredFolder(name) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{filepath.ToSlash(name), syntax, fset.File(syntax.FileStart).LineCount()})
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// ignoredFolder reports whether the go command leaves the folder out of this module.
func ignoredFolder(name string) bool {
	base := filepath.Base(name)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

// within reports whether the import path is that of the module or of a package in it.
func within(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// ownFolder returns the top-level folder of a package of ours, "." for the root package.
func ownFolder(importPath string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(importPath, modulePath), "/")
	if rest == "" {
		return "."
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

// badImport says what is wrong with the import of a path by a file of a folder, or returns "".
func badImport(folder, importPath string, isTest bool) string {
	if within(importPath, protoactor) {
		name := strings.TrimPrefix(importPath, protoactor+"/")
		if name != "actor" && name != "eventstream" {
			return "of Proto.Actor only the packages actor and eventstream are sound"
		}
	}
	if isTest {
		return ""
	}
	switch {
	case within(importPath, modulePath):
		if to := ownFolder(importPath); to != folder && !slices.Contains(layers[folder], to) {
			return "imports point down only: see the table in arch_test.go"
		}
	case within(importPath, protoactor):
		if !slices.Contains(actorFolders, folder) {
			return "Proto.Actor belongs to the actor layers"
		}
	case importPath == "net" || within(importPath, "net/http"):
		if slices.Contains(socketless, folder) {
			return "sockets belong to transport"
		}
	}
	return ""
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		if _, known := layers[file.folder()]; !known {
			t.Errorf("%s: give the folder %q a row in the table layers", file.path, file.folder())
		}
		for _, importPath := range file.imports(t) {
			if problem := badImport(file.folder(), importPath, file.isTest()); problem != "" {
				t.Errorf("%s imports %s: %s", file.path, importPath, problem)
			}
		}
	}
}

func TestBadImport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		folder, importPath string
		test, bad          bool
	}{
		{"protocol", modulePath + "/protocol/codec", false, false},
		{"protocol", modulePath + "/session", false, true},
		{"protocol", modulePath + "/session", true, false},
		{"session", modulePath + "/router", false, true},
		{"router", modulePath, false, true},
		{"supervisor", modulePath + "/session", false, true},
		{"actors", modulePath + "/router", false, false},
		{"actors", modulePath, false, true},
		{".", modulePath + "/actors", false, false},
		{".", modulePath + "/cmd/cloverleaf", false, true},
		{"examples", modulePath, false, false},
		{"transport", protoactor + "/actor", false, true},
		{"session", protoactor + "/eventstream", false, true},
		{"actors", protoactor + "/actor", false, false},
		{"actors", protoactor + "/router", false, true},
		{"actors", protoactor + "/remote", true, true},
		{"router", "net", false, true},
		{"router", "net/http/httptest", false, true},
		{"router", "net/http/httptest", true, false},
		{"session", "net/url", false, false},
		{"transport", "net/http", false, false},
	}
	for _, tt := range tests {
		problem := badImport(tt.folder, tt.importPath, tt.test)
		require.Equal(t, tt.bad, problem != "", "%s imports %s (test file: %t): %q", tt.folder, tt.importPath, tt.test, problem)
	}
}

// clockUses returns the names of the functions in clockCalls that the file mentions.
func clockUses(file *ast.File) []string {
	name := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"time"` {
			name = "time"
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	var uses []string
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && name != "" && x.Name == name && slices.Contains(clockCalls, selector.Sel.Name) {
			uses = append(uses, "time."+selector.Sel.Name)
		}
		return true
	})
	return uses
}

func TestMachinesTakeTimeAsAnArgument(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		excused, found := clockless[file.folder()]
		if !found || file.isTest() || excused[file.path] != "" {
			continue
		}
		for _, use := range clockUses(file.syntax) {
			t.Errorf("%s uses %s: a machine takes time as an argument", file.path, use)
		}
	}
}

func TestClockUses(t *testing.T) {
	t.Parallel()
	const source = `package p; import clock "time"; func f() { _ = clock.AfterFunc; clock.Now(); _ = clock.Second }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"time.AfterFunc", "time.Now"}, clockUses(file))
}

var outputComment = regexp.MustCompile(`(?i)^//\s*(unordered )?output:`)

// deadOutputs returns the Test functions holding an "// Output:" comment, which go test compares in examples only.
func deadOutputs(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Body == nil || !strings.HasPrefix(function.Name.Name, "Test") {
			continue
		}
		for _, comment := range file.Comments {
			inside := comment.Pos() > function.Body.Pos() && comment.End() < function.Body.End()
			if inside && slices.ContainsFunc(comment.List, isOutputComment) {
				names = append(names, function.Name.Name)
			}
		}
	}
	return names
}

func isOutputComment(comment *ast.Comment) bool { return outputComment.MatchString(comment.Text) }

func TestNoDeadOutput(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		if !file.isTest() {
			continue
		}
		for _, name := range deadOutputs(file.syntax) {
			t.Errorf("%s: %s has an // Output: comment that nothing compares", file.path, name)
		}
	}
}

func TestDeadOutputs(t *testing.T) {
	t.Parallel()
	const source = `package p
func TestX() {
	// Unordered output: 1
}
func ExampleX() {
	// Output: 1
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p_test.go", source, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"TestX"}, deadOutputs(file))
}

func TestTestFilesStayReadable(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		if file.isTest() && file.lines > maxTestLines {
			t.Errorf("%s has %d lines, more than %d: split it by subject", file.path, file.lines, maxTestLines)
		}
	}
}

// fencedCommands returns the command lines in the fenced shell blocks of a Markdown text, without prompts and comments.
func fencedCommands(markdown string) []string {
	var commands []string
	inside, shell := false, false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if info, fence := strings.CutPrefix(line, "```"); fence {
			inside = !inside
			shell = inside && slices.Contains([]string{"sh", "bash", "shell", "console"}, info)
			continue
		}
		if line = strings.TrimPrefix(line, "$ "); shell && line != "" && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands
}

func TestReadmeStartsWithTwoCommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	commands := fencedCommands(string(readme))
	require.GreaterOrEqual(t, len(commands), 2, "README.md must open with two shell commands")
	require.Equal(t, []string{"go run ./examples/quickstart", "go test ./..."}, commands[:2])
	require.FileExists(t, "examples/quickstart/main.go")
}
