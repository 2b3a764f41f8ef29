package cloverleaf_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBehavioursAreComplete: each promise has its test, once, and says what it promises.
func TestBehavioursAreComplete(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^TestBehaviour(\d\d)_\w+$`)
	found := map[string]string{}
	for _, f := range sources(t) {
		if f.folder() != "." || !f.isTest() {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			m := name.FindStringSubmatch(fn.Name.Name)
			if m == nil {
				continue
			}
			require.Empty(t, found[m[1]], "%s is there twice", fn.Name.Name)
			require.NotEmpty(t, fn.Doc.Text(), "%s does not say what it promises", fn.Name.Name)
			found[m[1]] = fn.Name.Name
		}
	}
	for n := 1; n <= 61; n++ {
		require.NotEmpty(t, found[fmt.Sprintf("%02d", n)], "TestBehaviour%02d is missing", n)
	}
	require.Len(t, found, 61)
}
