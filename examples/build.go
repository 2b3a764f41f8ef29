package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	root       = "github.com/cloverleaf-wamp/cloverleaf/examples"
	command    = "github.com/cloverleaf-wamp/cloverleaf/cmd/cloverleaf"
	dispatcher = "internal/all" // the package of the common binary; it exists in the overlay only
)

// Command is the name of the command cloverleaf, which is in the common binary as well.
const Command = "cloverleaf"

// program is a folder with a program.
type program struct {
	name string // its path below examples, such as "rpc/complex", or Command
	path string // to import it by
	dir  string
}

// programs lists the examples and the command.
func programs(ctx context.Context) ([]program, error) {
	out, err := goCommand(ctx, "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}} {{.Dir}}{{end}}`, root+"/...", command)
	if err != nil {
		return nil, err
	}
	var list []program
	for line := range strings.Lines(out) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			p := program{name: strings.TrimPrefix(path, root+"/"), path: path, dir: dir}
			if path == command {
				p.name = Command
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// Programs returns the names of the folders that hold a program, such as "rpc/complex".
func Programs(ctx context.Context) ([]string, error) {
	list, err := programs(ctx)
	var names []string
	for _, p := range list {
		if p.name != Command {
			names = append(names, p.name)
		}
	}
	return names, err
}

// Build makes a binary in dir that is all programs and Command at once: its first argument is the
// name of the program to be. The programs are compiled from copies in which package and function main have
// other names. It needs the go command and the sources, so it is for tests of this module.
func Build(ctx context.Context, dir string) (binary string, err error) {
	list, err := programs(ctx)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string) // file → copy
	for i, p := range list {
		if err := rename(p.dir, filepath.Join(dir, fmt.Sprint("program", i)), replace); err != nil {
			return "", fmt.Errorf("examples: %s: %w", p.name, err)
		}
	}
	main := filepath.Join(dir, "dispatcher")
	if err := os.WriteFile(main, dispatch(list), 0o600); err != nil {
		return "", err
	}
	folder, err := goCommand(ctx, "list", "-f", "{{.Dir}}", root)
	if err != nil {
		return "", err
	}
	replace[filepath.Join(strings.TrimSpace(folder), filepath.FromSlash(dispatcher), "main.go")] = main
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "examples")
	_, err = goCommand(ctx, "build", "-overlay", overlay, "-o", binary, root+"/"+dispatcher)
	return binary, err
}

// rename copies the Go files of a program to dir, so that the copies can be imported.
func rename(from, to string, replace map[string]string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if text, err = importable(file, text); err != nil {
			return err
		}
		replaced := filepath.Join(to, filepath.Base(file))
		if err := os.WriteFile(replaced, text, 0o600); err != nil {
			return err
		}
		replace[file] = replaced
	}
	return nil
}

// importable returns the text with another package name, and with Main instead of main.
func importable(file string, text []byte) ([]byte, error) {
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	idents := []*ast.Ident{syntax.Name}
	for _, d := range syntax.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "main" && f.Recv == nil {
			idents = append(idents, f.Name)
		}
	}
	text = slices.Clone(text)
	for _, id := range idents {
		text[fset.Position(id.Pos()).Offset] = 'M'
	}
	return text, nil
}

// dispatch returns the source of the common main function.
func dispatch(list []program) []byte {
	var b bytes.Buffer
	b.WriteString("package main\n\nimport (\n\t\"os\"\n\n")
	for i, p := range list {
		fmt.Fprintf(&b, "\tp%d %q\n", i, p.path)
	}
	b.WriteString(")\n\nfunc main() {\n\tos.Args = os.Args[1:]\n\tswitch os.Args[0] {\n")
	for i, p := range list {
		fmt.Fprintf(&b, "\tcase %q:\n\t\tp%d.Main()\n", p.name, i)
	}
	b.WriteString("\tdefault:\n\t\tpanic(\"no program \" + os.Args[0])\n\t}\n}\n")
	return b.Bytes()
}

func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("examples: go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return string(out), nil
}
